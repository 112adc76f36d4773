/* The tools of `stoker run`: those of --tools FILE, which run when the person at the terminal says so, and those of --library, which run at
 * once. Each is a provider of the toolbox. */
#ifndef CLI_CHAT_TOOLS_H
#define CLI_CHAT_TOOLS_H

#include "cli/common/flags.h"
#include "toolbox/library_tools.h"

#include <stddef.h>

struct json_t;

struct cli_tools {
    struct json_t *list; /* of FILE: OpenAI's list */
    char *json;          /* the file's text, n bytes */
    size_t n;
    struct json_t *declared; /* the list as the model sees it */
    struct library library;
    struct library_talk talk;
    struct toolbox box; /* all of them */
    int quiet;          /* 1: nothing is shown, and nobody is asked */
};

/* Zeroes *t but for quiet. path: of --tools, or NULL; library: values of --library. 0, or the exit status after a sentence on stderr. */
int tools_open(struct cli_tools *t, const char *path, const struct text_list *library);
void tools_free(struct cli_tools *t);

/* What the tools take beside the engine, bytes. */
uint64_t tools_memory(const struct text_list *library);

/* Runs a call, after asking where a person is to be asked: of a command, what it prints is the result, else a line typed. 1: the result
 * is in *out. 0: there is none: nobody is there to ask, or the person wants no more. */
int tools_result(struct cli_tools *t, const struct toolbox_call *c, struct buffer *out);

/* Passages get numbers behind those that the conversation, a list of messages, has already. NULL: it begins anew. */
void tools_number_behind(struct cli_tools *t, const struct json_t *messages);

/* The passages that a text cites, by number: a list of {"n", "title", "source", "date"}, a new reference; NULL: no memory. *n_unknown:
 * numbers that no passage has. */
struct json_t *tools_sources(const struct cli_tools *t, const char *text, size_t n, size_t *n_unknown);

#endif
