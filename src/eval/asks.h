/* Requests of an evaluation: several at a time, for a model that streams reads its experts once for all of them, and taken in order. What
 * comes back depends on none of that.
 *
 * A request scores the end of its prompt, or has it answered. Prompts that begin alike share what is computed, by the engine's cache of
 * prefixes. */
#ifndef EVAL_ASKS_H
#define EVAL_ASKS_H

#include "stoker.h"

struct error;

enum { EVAL_ASKS_MOST = 16 }; /* at a time */

/* One request. */
struct eval_ask {
    const char *item;    /* what sentences call it; as long as the run */
    stoker_token *token; /* [n_token] the prompt: malloc(), the driver's from begin() on, whatever begin() returns */
    size_t n_token;
    size_t score_from; /* above 0: tokens from here on are scored, and nothing is answered; all below is 0 then */
    int max_tokens;    /* of the answer */
    struct stoker_sampling sampling;
    struct stoker_reply_options reply; /* prompt is set by the driver; its texts are read before the next begin() */
};

/* What came of it. Pointers live during end(). */
struct eval_answer {
    const struct stoker_score *score; /* [n_token], from score_from on; NULL: none were asked for. Finite */
    const char *text;                 /* n_text bytes, terminated: the answer without reasoning and whole calls */
    size_t n_text;
    const struct stoker_reply *reply; /* ended: its calls */
    size_t n_cached, n_generated;     /* tokens */
    int cut;                          /* the limit ended it, or made it end */
};

struct eval_asks {
    size_t first, n; /* requests [first, n) */
    /* Request i begins when those below this number have ended; at most i. NULL: any time. */
    size_t (*after)(void *arg, size_t i);
    int (*begin)(void *arg, size_t i, struct eval_ask *ask, struct error *err);
    int (*end)(void *arg, size_t i, const struct eval_ask *ask, const struct eval_answer *answer, struct error *err);
    int (*stopped)(void *arg); /* 1: the run ends behind what has come so far; asked several times a second */
    void *arg;
};

/* 0: all have ended; 1: stopped. -1: *err names the item. begin() and end() are called in order, by this thread; their -1 ends the run. */
int eval_asks_run(struct stoker *s, const struct eval_asks *a, struct error *err);

/* Bytes that a run takes for prompts and scores of at most n_token tokens, for a plan. */
size_t eval_asks_bytes(size_t n_token);

#endif
