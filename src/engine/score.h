/* Scores of a prompt: how likely its tokens were. The row of position p predicts the token at p + 1.
 *
 *     rows whose scores are wanted are computed, not resumed     score_resumable(), score_wants()
 *     during a step, by threads of the pool                      score_row() fills in the caller's memory
 *     after the step                                             score_finish(): an event, or the first row that is no number
 *
 * A job that was preempted computes rows again; what it has told is not told again. */
#ifndef ENGINE_SCORE_H
#define ENGINE_SCORE_H

#include "stoker.h"

struct error;
struct job;

/* Part of a job. */
struct score {
    size_t next; /* position of the first token without a score; n_prompt: none is left, or none was wanted */
    int only;    /* 1: the job ends behind its prompt */
    struct stoker_score *out;
    struct stoker_logprob *top; /* [n_prompt][n_top] */
    size_t n_top;
    void (*on_score)(void *arg, size_t pos, const float *logits);
    void *arg;
};

/* -1: ERR_INPUT names the field. */
int score_open(struct score *c, const struct stoker_request *r, struct error *err);

/* Tokens are left that have no score yet. */
int score_is_left(const struct job *j);
/* The most positions of the job that may come from known prefixes. */
size_t score_resumable(const struct job *j);
/* The row at pos predicts a token that needs a score. */
int score_wants(const struct job *j, size_t pos);

/* That row has these logits [n_vocab]. */
void score_row(const struct job *j, size_t pos, const float *logits, int n_vocab);

/* Rows [0, n_row) of the job are computed: fills in an event about the scores that are new. 1: there are some; 0: none; -1: logits are not
 * finite. */
int score_finish(struct job *j, size_t n_row, struct stoker_event *e, struct error *err);

#endif
