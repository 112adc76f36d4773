/* See answers.h. */
#include "study/answers.h"

#include <stdlib.h>

enum { AT_A_TIME = 129, WAIT_MS = 100 }; /* one more waits than the most that run */

void study_answers_make(struct study_answers *a, size_t n_prompt, int most)
{
    size_t n = n_prompt * (size_t)most;
    *a = (struct study_answers){.n_prompt = n_prompt,
                                .most = most,
                                .token = calloc(n, sizeof *a->token),
                                .logprob = calloc(n, sizeof *a->logprob),
                                .n = calloc(n_prompt, sizeof *a->n)};
}

int study_answers_are_made(const struct study_answers *a) { return a->token && a->logprob && a->n; }

void study_answers_free(struct study_answers *a)
{
    free(a->token);
    free(a->logprob);
    free(a->n);
    *a = (struct study_answers){0};
}

uint64_t study_answers_bytes(size_t n_prompt, int most)
{
    return (uint64_t)n_prompt * ((uint64_t)most * (sizeof(stoker_token) + sizeof(double)) + sizeof(int));
}

/* *id 0: there is nothing to ask. */
static int submit(const struct study_ask *k, size_t i, int most, stoker_id *id, struct stoker_error *err)
{
    const struct study_answers *script = k->script;
    struct stoker_request q = {.prompt = k->q->token + k->q->first[i],
                               .n_prompt = k->q->first[i + 1] - k->q->first[i],
                               .max_tokens = script ? script->n[i] : most,
                               .sampling = k->sampling,
                               .script = script ? script->token + i * (size_t)script->most : NULL,
                               .wants_logprobs = 1,
                               .steer = k->steer,
                               .n_steer = k->n_steer};
    q.sampling.choice = (uint32_t)i;
    *id = 0;
    return script && script->n[i] == 0 ? 0 : stoker_submit(k->s, &q, id, err);
}

/* Takes the events of a request to its end; cancels it at once, if `over`. */
static int take(const struct study_ask *k, size_t i, stoker_id id, int over, struct study_answers *out,
                struct stoker_error *err)
{
    struct stoker_event e = {.kind = STOKER_PROGRESS};
    size_t at = i * (size_t)out->most;
    int got, cancelled = 0;
    out->n[i] = 0;
    if (!id)
        return 0;
    do {
        if (!cancelled && (over || k->stopped(k->arg))) {
            stoker_cancel(k->s, id);
            cancelled = 1;
        }
        got = stoker_next_event(k->s, id, WAIT_MS, &e);
        if (got == 1 && e.kind == STOKER_TOKEN && out->n[i] < out->most) {
            out->token[at + (size_t)out->n[i]] = e.u.token.id;
            out->logprob[at + (size_t)out->n[i]++] = e.u.token.logprob;
        }
    } while (got >= 0 && (got == 0 || (e.kind != STOKER_END && e.kind != STOKER_FAILED)));
    if (got == 1 && e.kind == STOKER_FAILED) {
        if (!over)
            *err = e.error;
        return -1;
    }
    return e.u.end.reason == STOKER_END_CANCELLED;
}

int study_ask(const struct study_ask *k, struct study_answers *out, struct stoker_error *err)
{
    struct stoker_plan plan;
    stoker_id id[AT_A_TIME];
    size_t next = 0, ended = 0;
    int status = 0;
    stoker_plan_of(k->s, &plan);
    size_t most = (size_t)plan.n_parallel + 1;
    while (ended < next || (!status && next < k->q->n)) {
        if (!status && next < k->q->n && next - ended < most) {
            status = submit(k, next, out->most, &id[next % most], err);
            next += status == 0;
            continue;
        }
        int one = take(k, ended, id[ended % most], status != 0, out, err);
        ended++;
        status = status ? status : one;
        k->progress(k->arg);
    }
    return status;
}
