/* The texts of a call: what is asked, members of its params with a comma behind each, and what is answered. Each is as large as who writes
 * it likes, so it is counted where the asker's memory is, before it is made; and what is asked is sent from where it is. */
#ifndef MCP_CALL_TEXT_H
#define MCP_CALL_TEXT_H

#include "mcp/message.h"

struct reqmem;

/* Any thread may make one, and any other free it. */
struct call_text {
    char *text; /* NULL: there is none */
    size_t n;
    struct reqmem *counted; /* of this the bytes were taken; NULL: of none */
};

/* n bytes, to be filled. of: whose they are, or NULL. -1: no memory, now or at all. */
int call_text_take(struct call_text *t, size_t n, struct reqmem *of);
/* What is asked. arguments: n bytes of JSON, an object. */
int call_text_ask(struct call_text *t, struct span name, const char *arguments, size_t n, struct reqmem *of);
struct call_text call_text_move(struct call_text *t);
void call_text_free(struct call_text *t);

#endif
