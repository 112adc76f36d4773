/* The tools of `stoker run`: those of --tools FILE, which run when the person at the terminal says so, those of --library, which run at
 * once, and those of --mcp CONFIG, which run at once where CONFIG or the person allows it. Each is a provider of the toolbox. */
#ifndef CLI_CHAT_TOOLS_H
#define CLI_CHAT_TOOLS_H

#include "cli/chat/servers.h"
#include "cli/common/flags.h"
#include "library/encoder/encoder.h"
#include "library/encoder/ranker.h"
#include "toolbox/library_tools.h"

#include <stddef.h>

struct json_t;

struct cli_tools {
    struct json_t *list; /* of FILE: OpenAI's list */
    char *json;          /* the file's text, n bytes */
    size_t n;
    struct json_t *declared; /* the list as the model sees it */
    struct library library;
    struct encoder encoder; /* of its queries */
    struct ranker ranker;   /* of what they find */
    struct library_talk talk;
    struct cli_servers servers;
    struct stoker *engine; /* which holds calls to schemas; NULL: servers have not joined yet */
    int unchecked;         /* 1: nothing holds calls to them */
    struct toolbox box;    /* all of them */
    int quiet;             /* 1: nothing is shown, and nobody is asked */
    int is_line_ended;     /* 1: what Ctrl-C left of the terminal's line has been ended */
};

/* Zeroes *t but for quiet. path: of --tools, or NULL; library: values of --library; servers: of --mcp, which are started, or NULL. 0, or
 * the exit status after a sentence on stderr. */
int tools_open(struct cli_tools *t, const char *path, const struct text_list *library, const char *servers);
void tools_free(struct cli_tools *t);

/* What the tools take beside an engine of these options, bytes. */
uint64_t tools_memory(const struct cli_tools *t, const struct stoker_options *o);

/* The models of the options that stand beside the engine's take part in searches of the library; vectors that fit into ram bytes are held
 * in memory. As tools_open(). */
int tools_search(struct cli_tools *t, struct stoker *engine, const struct stoker_options *o, uint64_t ram);

/* The tools of servers join the others, now that there is an engine, in a conversation that has these messages. As tools_open(). */
int tools_join(struct cli_tools *t, struct stoker *engine, int unchecked, const struct json_t *messages);

/* Runs a call, after asking where a person is to be asked: of a command, what it prints is the result, else a line typed. 1: the result
 * is in *out. 0: there is none: nobody is there to ask, or the person wants no more. */
int tools_result(struct cli_tools *t, const struct toolbox_call *c, struct buffer *out);

/* The conversation is another one, a list of messages that goes on; NULL: it begins anew. Passages get numbers behind those that it has,
 * tools that it has found can be called, and servers whose lists have changed are asked for them. */
void tools_follow(struct cli_tools *t, const struct json_t *messages);

/* The passages that a text cites, by number: a list of {"n", "title", "source", "date"}, a new reference; NULL: no memory. *n_unknown:
 * numbers that no passage has. */
struct json_t *tools_sources(const struct cli_tools *t, const char *text, size_t n, size_t *n_unknown);

#endif
