/* The tools of `stoker run --tools FILE`: read, declared to the model, and run when the person at the terminal says so. */
#ifndef CLI_CHAT_TOOLS_H
#define CLI_CHAT_TOOLS_H

#include <stddef.h>

struct json_t;

struct cli_tools {
    struct json_t *list; /* OpenAI's list */
    char *json;          /* the file's text, n bytes: for stoker_reply_options */
    size_t n;
    struct json_t *shown; /* the list as the model is told of it */
};

/* Zeroed *t without a path. 0, or the exit status after a sentence on stderr. */
int tools_read(struct cli_tools *t, const char *path);
void tools_free(struct cli_tools *t);

/* Show a call and ask what its result is: what the tool's "command" prints, if it has one and the answer is yes, else a line
 * typed. malloc'd, n_result bytes; NULL: nobody is there to ask, or the person wants no more. */
char *tools_ask(const struct cli_tools *t, const char *name, const char *arguments, size_t n, size_t *n_result);

#endif
