/* What stoker runs for a model (library.md 12): tools, each of a provider, as one list. The model is told of them, its calls are
 * governed by them, and a call that it makes is run by the provider whose tool it is.
 *
 *   toolbox.c         the list, calls, what becomes of results
 *   library_tools.c   search_library and open_article
 *   mcp_tools.c       tools of MCP servers, and search_tools, which finds those that the model is not told of
 *   passages.c        numbers of passages, and the citations of an answer
 *
 * All that comes in is hostile: arguments were written by a model, results by whoever wrote the files. A result is text, valid UTF-8 of at
 * most TOOLBOX_RESULT characters; templates render it as a tool's message, whose words become no control tokens. */
#ifndef TOOLBOX_TOOLBOX_H
#define TOOLBOX_TOOLBOX_H

#include "base/json/buffer.h"

#include <stddef.h>

struct json_t;
struct error;

enum {
    TOOLBOX_PROVIDERS = 4,
    TOOLBOX_RESULT = 100000, /* characters: of a longer one the head and the tail are kept */
    TOOLBOX_ROUNDS = 8 /* answers of a turn whose calls run without its client; in the last one nothing may be called */
};

struct toolbox_call {
    const char *name, *arguments; /* n bytes of JSON, as the model wrote them */
    size_t n;
    size_t space; /* bytes that the result should not exceed: toolbox_space() */
    /* Asked now and then while the call runs: 1: nobody waits for its result any more, and it ends with TOOLBOX_NONE. NULL: always somebody
     * does. It may take as long as a step of the loop that waits, and no lock is held meanwhile. */
    int (*stopped)(void *arg);
    void *stopped_arg;
};

enum toolbox_end {
    TOOLBOX_DONE, /* out holds the result; "error: ..." is one too */
    TOOLBOX_NONE  /* there is none: the turn ends with the call */
};

/* Runs in the caller's thread, and in several threads at a time where several conversations have the provider. */
typedef enum toolbox_end toolbox_caller(void *self, const struct toolbox_call *c, struct buffer *out);

struct toolbox_provider {
    const char *from; /* what offers them: "--tools", for sentences */
    const char *text; /* [n] the tools: OpenAI's list as JSON. It governs calls */
    size_t n;
    const struct json_t *list; /* what the model is told of them */
    int asks;                  /* 1: a person is asked before each call */
    int rounds;                /* more than TOOLBOX_ROUNDS; 0: that many */
    toolbox_caller *call;      /* NULL: somebody else runs them, and the turn ends with a call */
    void *self;
    /* Of a provider that may be called by more names than the model is told of; else NULL. */
    const struct buffer *governs;             /* a list as text is, which changes; it governs instead */
    int (*has)(void *self, const char *name); /* 1: one of these names */
};

struct toolbox {
    struct toolbox_provider provider[TOOLBOX_PROVIDERS];
    int n;
    struct json_t *shown;  /* the list as the model is told of it; NULL: no tools */
    struct buffer governs; /* the list that calls obey */
    int rounds;            /* answers of a turn, the last of which calls nothing: the most that a provider has */
    /* Whether calls can be held to a list. -1: *err says why not. NULL: always. */
    int (*accepts)(void *arg, const char *list, size_t n, struct error *err);
    void *accepts_arg;
};

/* *p is copied; what it points to lives longer than the toolbox. -1: two tools have one name, or no memory. */
int toolbox_add(struct toolbox *b, const struct toolbox_provider *p, struct error *err);
void toolbox_free(struct toolbox *b);

/* Makes governs anew, when what governs a provider's calls has changed. -1: no memory, or calls cannot be held to it (accepts). */
int toolbox_govern(struct toolbox *b, struct error *err);

/* The provider of a tool; NULL: none has it. */
const struct toolbox_provider *toolbox_owner(const struct toolbox *b, const char *name);

/* Runs a call; its result is appended to *out, which is empty. A name that nobody has is told to the model. */
enum toolbox_end toolbox_run(const struct toolbox *b, const struct toolbox_call *c, struct buffer *out);

/* 1: a result that says that its call failed. */
int toolbox_is_error(const char *text, size_t n);

/* 1: stoker runs this tool unasked. */
int toolbox_is_free(const struct toolbox *b, const char *name);

/* ---- what the context has for results ---- */

/* Tokens of the context that results leave to the next answer. max_tokens 0: it has no limit of its own. */
size_t toolbox_kept(size_t n_ctx, size_t max_tokens);
/* Bytes that each result of n_call calls may have, behind n_taken tokens of prompt and answer. */
size_t toolbox_space(size_t n_ctx, size_t max_tokens, size_t n_taken, size_t n_call);
/* Stands for the results where the conversation does not fit in the context with them. */
extern const char toolbox_no_space[];

#endif
