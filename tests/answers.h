/* Answers with their log-probabilities, as tests compare them: ids and every bit of the values. Before it is included MOST_ANSWER (tokens
 * that are kept) and TOP (likeliest beside each) are enumerators. */
#ifndef TESTS_ANSWERS_H
#define TESTS_ANSWERS_H

#include "sanitized.h"
#include "stoker.h"

#include <stdio.h>
#include <string.h>

enum { PATIENCE = SANITIZED ? 120000 : 20000 /* ms */ };

struct answer {
    stoker_token id[MOST_ANSWER];
    double likely[MOST_ANSWER][1 + TOP];      /* of the token, then of the likeliest at its place, */
    stoker_token likeliest[MOST_ANSWER][TOP]; /* which are these */
    int n;
    size_t n_drafted, n_predicted; /* of all tokens: those that had been drafted; by the request's prediction */
    struct stoker_event end;       /* kind STOKER_FAILED: it failed */
};

static int quiet; /* answers may fail */

static struct stoker *engine(const char *path, const struct stoker_options *o)
{
    struct stoker *s = NULL;
    struct stoker_error err = {0};
    if (stoker_open(&s, path, o, &err))
        printf("     %s: %s\n", path, err.text);
    return s;
}

static void collect(struct stoker *s, stoker_id id, struct answer *a)
{
    struct stoker_event e;
    int more;
    memset(a, 0, sizeof *a);
    a->end.kind = STOKER_FAILED;
    while ((more = stoker_next_event(s, id, PATIENCE, &e)) == 1) {
        if (e.kind == STOKER_TOKEN) {
            a->n_drafted += (size_t)e.u.token.drafted;
            a->n_predicted += (size_t)e.u.token.predicted;
        }
        if (e.kind == STOKER_TOKEN && a->n < MOST_ANSWER) {
            a->id[a->n] = e.u.token.id;
            a->likely[a->n][0] = e.u.token.logprob;
            for (int i = 0; i < TOP; i++) {
                a->likely[a->n][1 + i] = e.u.token.top[i].logprob;
                a->likeliest[a->n][i] = e.u.token.top[i].id;
            }
            a->n++;
        }
        a->end = e;
    }
    if (more == 0) {
        printf("     nothing for %d ms\n", PATIENCE);
        a->end.kind = STOKER_FAILED;
    }
    if (a->end.kind == STOKER_FAILED && !quiet)
        printf("     %s\n", a->end.error.text);
}

static int ask(struct stoker *s, const struct stoker_request *r, struct answer *a)
{
    struct stoker_error err = {0};
    stoker_id id;
    memset(a, 0, sizeof *a);
    if (stoker_submit(s, r, &id, &err)) {
        printf("     %s\n", err.text);
        return -1;
    }
    collect(s, id, a);
    return a->end.kind == STOKER_END ? 0 : -1;
}

/* The first n tokens. */
static int same_tokens(const struct answer *truth, const struct answer *a, int n)
{
    return memcmp(truth->id, a->id, (size_t)n * sizeof *a->id) == 0 &&
           memcmp(truth->likely, a->likely, (size_t)n * sizeof *a->likely) == 0 &&
           memcmp(truth->likeliest, a->likeliest, (size_t)n * sizeof *a->likeliest) == 0;
}

#endif
