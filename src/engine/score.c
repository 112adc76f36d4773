/* See score.h. */
#include "engine/score.h"

#include "base/error.h"
#include "engine/engine.h"

#include <math.h>

int score_open(struct score *c, const struct stoker_request *r, struct error *err)
{
    int wants = r->score_from > 0 && r->score_from < r->n_prompt;
    *c = (struct score){.next = wants ? r->score_from : r->n_prompt, .only = r->only_score};
    if (r->n_score_top < 0 || r->n_score_top > STOKER_TOP)
        return error_set(err, ERR_INPUT, "%d likeliest tokens are asked for; from 0 to %d are possible", r->n_score_top,
                         STOKER_TOP);
    if (!wants)
        return 0;
    if (!r->score || (r->n_score_top && !r->score_top))
        return error_set(err, ERR_INPUT, "score_from is %zu and there is no memory for scores: score and score_top",
                         r->score_from);
    c->out = r->score;
    c->top = r->score_top;
    c->n_top = (size_t)r->n_score_top;
    c->on_score = r->on_score;
    c->arg = r->on_score_arg;
    return 0;
}

int score_is_left(const struct job *j) { return j->score.next < j->n_prompt; }

size_t score_resumable(const struct job *j)
{
    size_t most = j->n_history - 1; /* the last row's logits choose a token */
    return score_is_left(j) && j->score.next - 1 < most ? j->score.next - 1 : most;
}

int score_wants(const struct job *j, size_t pos) { return pos + 1 >= j->score.next && pos + 1 < j->n_prompt; }

void score_row(const struct job *j, size_t pos, const float *logits, int n_vocab)
{
    const struct score *c = &j->score;
    struct token_logprob top[STOKER_TOP];
    struct token_score s = {.logprob = NAN};
    size_t at = pos + 1;
    sampler_score(logits, n_vocab, j->history[at], &s, top, c->n_top);
    c->out[at] = (struct stoker_score){s.logprob, s.rank, s.n_top};
    for (int i = 0; i < s.n_top; i++)
        c->top[at * c->n_top + (size_t)i] = (struct stoker_logprob){top[i].id, top[i].logprob};
    if (c->on_score)
        c->on_score(c->arg, at, logits);
}

int score_finish(struct job *j, size_t n_row, struct stoker_event *e, struct error *err)
{
    size_t first = j->score.next, end = n_row + 1 < j->n_prompt ? n_row + 1 : j->n_prompt;
    if (end <= first)
        return 0;
    for (size_t at = first; at < end; at++)
        if (isnan(j->score.out[at].logprob)) {
            error_set(
                err, ERR_FORMAT,
                "non-finite logits at position %zu of the prompt: the model file is damaged or its weights overflow",
                at - 1);
            steer_blame(j->steer, err);
            return -1;
        }
    *e = (struct stoker_event){.kind = STOKER_SCORES};
    e->u.scores.first = first;
    e->u.scores.n = end - first;
    j->score.next = end;
    return 1;
}
