/* What a call asks: members of its params, with a comma behind each. It is as large as who asks likes, so a server is sent it from where
 * it is, and it is counted where its asker's memory is. */
#ifndef MCP_CALL_BODY_H
#define MCP_CALL_BODY_H

#include "mcp/message.h"

struct reqmem;

struct call_body {
    char *text; /* NULL: there is none */
    size_t n;
    struct reqmem *counted; /* of this the bytes were taken; NULL: of none */
};

/* Any thread may. arguments: n bytes of JSON, an object. -1: no memory. */
int call_body_make(struct call_body *b, struct span name, const char *arguments, size_t n);
/* These three are the thread's of the servers, which works for no request: so all is given back as it was taken. */
void call_body_count(struct call_body *b, struct reqmem *of); /* once */
struct call_body call_body_move(struct call_body *b);
void call_body_free(struct call_body *b);

#endif
