/* See pick.h; and the part of stoker.h about sampling. */
#include "engine/pick.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "engine/public_error.h"
#include "text/sampler/history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- public and internal options ------------------------------------------------------------------------------------- */

_Static_assert(sizeof((struct stoker_sampling *)0)->order == sizeof((struct sampling *)0)->order,
               "order of stoker.h holds every stage");
_Static_assert((int)STOKER_TOP <= (int)SAMPLER_TOP, "the sampler finds that many");

/* Every number has the same name on both sides. */
#define COPY_NUMBERS(TO, FROM)                                                                                         \
    do {                                                                                                               \
        (TO)->temperature = (FROM)->temperature;                                                                       \
        (TO)->top_k = (FROM)->top_k;                                                                                   \
        (TO)->top_p = (FROM)->top_p;                                                                                   \
        (TO)->min_p = (FROM)->min_p;                                                                                   \
        (TO)->typical_p = (FROM)->typical_p;                                                                           \
        (TO)->top_n_sigma = (FROM)->top_n_sigma;                                                                       \
        (TO)->xtc_probability = (FROM)->xtc_probability;                                                               \
        (TO)->xtc_threshold = (FROM)->xtc_threshold;                                                                   \
        (TO)->dynatemp_range = (FROM)->dynatemp_range;                                                                 \
        (TO)->dynatemp_exponent = (FROM)->dynatemp_exponent;                                                           \
        (TO)->min_keep = (FROM)->min_keep;                                                                             \
        (TO)->repeat_penalty = (FROM)->repeat_penalty;                                                                 \
        (TO)->presence_penalty = (FROM)->presence_penalty;                                                             \
        (TO)->frequency_penalty = (FROM)->frequency_penalty;                                                           \
        (TO)->repeat_last_n = (FROM)->repeat_last_n;                                                                   \
        (TO)->dry_multiplier = (FROM)->dry_multiplier;                                                                 \
        (TO)->dry_base = (FROM)->dry_base;                                                                             \
        (TO)->dry_allowed_length = (FROM)->dry_allowed_length;                                                         \
        (TO)->dry_penalty_last_n = (FROM)->dry_penalty_last_n;                                                         \
        (TO)->mirostat = (FROM)->mirostat;                                                                             \
        (TO)->mirostat_tau = (FROM)->mirostat_tau;                                                                     \
        (TO)->mirostat_eta = (FROM)->mirostat_eta;                                                                     \
    } while (0)

static void to_public(struct stoker_sampling *to, const struct sampling *from)
{
    COPY_NUMBERS(to, from);
    memcpy(to->order, from->order, sizeof to->order);
}

/* A zeroed field whose zero is out of range counts as not given. */
static void from_public(struct sampling *to, const struct stoker_sampling *from)
{
    struct sampling usual = sampling_defaults();
    COPY_NUMBERS(to, from);
    to->seed = from->seed;
    memcpy(to->order, from->order, sizeof to->order);
    to->order[STAGE_END] = STAGE_END;
    if (to->temperature < 0)
        to->temperature = 0;
    if (to->repeat_penalty == 0)
        to->repeat_penalty = usual.repeat_penalty;
    if (to->dry_allowed_length == 0)
        to->dry_allowed_length = usual.dry_allowed_length;
}

struct stoker_sampling stoker_sampling_defaults(void)
{
    struct sampling usual = sampling_defaults();
    struct stoker_sampling s = {0};
    to_public(&s, &usual);
    return s;
}

struct stoker_sampling stoker_sampling_of(const struct stoker *s)
{
    struct stoker_sampling advised = {0};
    to_public(&advised, &s->advised);
    return advised;
}

int stoker_sampling_set(struct stoker_sampling *s, const char *name, double value, struct stoker_error *public)
{
    struct error err = {0};
    struct sampling how = {0};
    from_public(&how, s);
    if (sampling_set(&how, name, value, &err))
        return error_to_public(public, &err);
    to_public(s, &how);
    return 0;
}

int stoker_sampling_range(const char *name, int of_request, struct stoker_sampling_range *out)
{
    struct sampling_range range;
    if (sampling_range(name, of_request, &range))
        return -1;
    *out = (struct stoker_sampling_range){range.is_int, range.min_open, range.min, range.max};
    return 0;
}

int stoker_sampling_order(struct stoker_sampling *s, const char *names, size_t n, struct stoker_error *public)
{
    struct error err = {0};
    struct sampling how = {0};
    if (sampling_set_order(&how, names, n, &err))
        return error_to_public(public, &err);
    memcpy(s->order, how.order, sizeof s->order);
    return 0;
}

uint64_t stoker_seed(void) { return rng_seed() >> 11; }

/* ---- opening ---------------------------------------------------------------------------------------------------------------- */

/* Limits of a request, so that a queue of them has a size. */
enum { BREAKERS_MOST = 64, BREAKER_BYTES = 4096 };

uint64_t pick_queued_bytes(void)
{
    return STOKER_BIAS_MOST * sizeof(struct logit_bias) + BREAKERS_MOST * sizeof(struct sampler_text) + BREAKER_BYTES;
}

uint64_t pick_begun_bytes(void) { return (EVENTS + 1) * STOKER_TOP * sizeof(struct stoker_logprob); }

static int copy_bias(struct pick *p, const struct stoker_sampling *how, int n_vocab, struct error *err)
{
    if (how->n_bias > STOKER_BIAS_MOST) {
        error_set(err, ERR_INPUT, "logit_bias has %zu entries; at most %d are possible", how->n_bias, STOKER_BIAS_MOST);
        return error_field(err, "logit_bias");
    }
    p->bias = malloc((how->n_bias + 1) * sizeof *p->bias);
    if (!p->bias)
        return error_set(err, ERR_MEMORY, "no memory for %zu logit biases", how->n_bias);
    for (; p->n_bias < how->n_bias; p->n_bias++) {
        const struct stoker_logit_bias *b = &how->bias[p->n_bias];
        if (b->id < 0 || b->id >= n_vocab)
            error_set(err, ERR_INPUT, "logit_bias names token %d; the vocabulary has ids 0 to %d", b->id, n_vocab - 1);
        else if (!(b->bias == -INFINITY || fabs(b->bias) <= 1e6))
            error_set(err, ERR_INPUT, "logit_bias of token %d is %g; from -1000000 to 1000000 is possible", b->id,
                      b->bias);
        if (err->code)
            return error_field(err, "logit_bias");
        p->bias[p->n_bias] = (struct logit_bias){b->id, b->bias};
        p->forbids |= b->bias == -INFINITY;
    }
    return 0;
}

static int copy_breakers(struct pick *p, const struct stoker_sampling *how, struct error *err)
{
    static const struct stoker_string defaults[] = {{"\n", 1}, {":", 1}, {"\"", 1}, {"*", 1}};
    const struct stoker_string *from = how->dry_breakers ? how->dry_breakers : defaults;
    size_t n = how->dry_breakers ? how->n_dry_breakers : sizeof defaults / sizeof *defaults, bytes = 0;
    if (!history_has_dry(&p->how))
        return 0;
    for (size_t i = 0; i < n && i < BREAKERS_MOST; i++)
        bytes += from[i].n <= BREAKER_BYTES ? from[i].n : BREAKER_BYTES + 1;
    if (n > BREAKERS_MOST || bytes > BREAKER_BYTES)
        return error_set(err, ERR_INPUT,
                         "dry_sequence_breakers has %zu texts; at most %d are possible, of %d bytes together", n,
                         BREAKERS_MOST, BREAKER_BYTES);
    p->breaker = malloc((n + 1) * sizeof *p->breaker + bytes);
    if (!p->breaker)
        return error_set(err, ERR_MEMORY, "no memory for the sequence breakers");
    char *text = (char *)(p->breaker + n + 1);
    for (; p->n_breaker < n; text += from[p->n_breaker++].n) {
        const struct stoker_string *b = &from[p->n_breaker];
        memcpy(text, b->text, b->n);
        p->breaker[p->n_breaker] = (struct sampler_text){text, b->n};
        p->breakers_hash = hash64(text, b->n, p->breakers_hash + 1);
    }
    return 0;
}

static int is_forbidden(const struct pick *p, int32_t id)
{
    for (size_t i = 0; i < p->n_bias; i++)
        if (p->bias[i].id == id && p->bias[i].bias == -INFINITY)
            return 1;
    return 0;
}

/* It looks at one token more than there are biases, at most. */
int pick_check_bias(const struct pick *p, const uint8_t *allowed, int n_vocab, size_t position, struct error *err)
{
    int any = 0;
    for (int32_t id = 0; id < n_vocab; id++) {
        if (allowed && !allowed[id])
            continue;
        any = 1;
        if (!is_forbidden(p, id))
            return 0;
    }
    if (!any)
        return 0;
    error_set(err, ERR_INPUT, "logit_bias forbids every token that may follow at position %zu", position);
    return error_field(err, "logit_bias");
}

const uint8_t *pick_allowed(const struct stoker *s)
{
    const struct tokenizer *t = s->session->tokenizer;
    return t && tokenizer_n_vocab(t) >= s->session->model->p.n_vocab ? tokenizer_sampleable(t) : NULL;
}

int pick_open(struct pick *p, const struct stoker *s, const struct stoker_request *r, struct error *err)
{
    const struct stoker_sampling *how = &r->sampling;
    *p = (struct pick){.choice = how->choice, .wants_logprobs = r->wants_logprobs, .end_top = r->end_top};
    from_public(&p->how, how);
    p->mu = 2 * how->mirostat_tau;
    if (!how->has_seed)
        p->how.seed = stoker_seed();
    if (r->n_top_logprobs < 0 || r->n_top_logprobs > STOKER_TOP)
        return error_set(err, ERR_INPUT, "%d likeliest tokens are asked for; from 0 to %d are possible",
                         r->n_top_logprobs, STOKER_TOP);
    p->n_top = r->wants_logprobs ? (size_t)r->n_top_logprobs : 0;
    int n_vocab = s->session->model->p.n_vocab;
    if (sampling_check(&p->how, err) || copy_bias(p, how, n_vocab, err) ||
        pick_check_bias(p, pick_allowed(s), n_vocab, 0, err) || copy_breakers(p, how, err)) {
        pick_close(p);
        return -1;
    }
    return 0;
}

void pick_close(struct pick *p)
{
    free(p->bias);
    free(p->breaker);
    free(p->top);
    *p = (struct pick){0};
}

/* ---- picking ---------------------------------------------------------------------------------------------------------------- */

/* The tokens that contain one of the texts that end a repetition. Most jobs have the default texts and find the table filled in. */
static const uint8_t *breakers_of(struct stoker *s, const struct pick *p, struct sampling_history *history)
{
    const struct tokenizer *t = s->session->tokenizer;
    if (!t || p->n_breaker == 0)
        return NULL;
    if (history->breakers_hash != p->breakers_hash)
        sampler_breakers(t, p->breaker, p->n_breaker, history->breakers, s->session->model->p.n_vocab);
    history->breakers_hash = p->breakers_hash;
    return history->breakers;
}

/* The history of all tokens of the job so far. The table belongs to the sequence, so another job's history is replaced. */
static struct sampler_history *history_of(struct stoker *s, const struct job *j)
{
    const struct sampling *how = &j->pick.how;
    struct sampling_history *history = &s->session->tables.sampling_history[j->seq - s->session->tables.seq];
    if (!history_has_penalties(how) && !history_has_dry(how))
        return NULL;
    if (history->answer != j->id) {
        const uint8_t *breakers = history_has_dry(how) ? breakers_of(s, &j->pick, history) : NULL;
        history->sampler = sampler_history_init(history->memory, how, s->session->model->p.n_vocab,
                                                (size_t)s->session->plan.n_ctx, breakers);
        history->answer = j->id;
        history->n = 0;
    }
    while (history->n < j->n_history)
        sampler_history_add(history->sampler, j->history[history->n++]);
    return history->sampler;
}

int32_t pick_token(struct stoker *s, struct job *j, const float *logits, const uint8_t *allowed, struct error *err)
{
    struct pick *p = &j->pick;
    struct sampler_row row = {.logits = logits,
                              .allowed = allowed,
                              .bias = p->bias,
                              .n_bias = p->n_bias,
                              .history = history_of(s, j),
                              .index = j->n_generated,
                              .choice = p->choice,
                              .mu = &p->mu};
    int32_t id = sampler_pick(s->session->sampler, &p->how, &row, err);
    struct error why = {0};
    if (id < 0)
        steer_blame(j->steer, err);
    if (id < 0 && pick_check_bias(p, allowed, s->session->model->p.n_vocab, (size_t)j->n_generated, &why))
        *err = why;
    return id;
}

int pick_event(struct stoker *s, struct job *j, const float *logits, int32_t id, struct stoker_event *e,
               struct error *err)
{
    struct pick *p = &j->pick;
    *e = (struct stoker_event){.kind = STOKER_TOKEN};
    e->u.token.id = id;
    if (!p->wants_logprobs)
        return 0;
    if (p->n_top && !p->top && !(p->top = malloc((EVENTS + 1) * p->n_top * sizeof *p->top)))
        return error_set(err, ERR_MEMORY, "no memory for log-probabilities");
    struct token_logprob token = {.id = id}, top[STOKER_TOP];
    struct stoker_logprob *out = p->top ? p->top + j->n_generated % (EVENTS + 1) * p->n_top : NULL;
    e->u.token.n_top = sampler_logprobs(s->session->sampler, logits, &token, top, p->n_top);
    e->u.token.logprob = token.logprob;
    e->u.token.top = out;
    for (size_t i = 0; i < e->u.token.n_top; i++)
        out[i] = (struct stoker_logprob){top[i].id, top[i].logprob};
    return 0;
}

void pick_end(struct pick *p, const struct stoker_event *e)
{
    p->end_token = (struct stoker_logprob){e->u.token.id, e->u.token.logprob};
    if (!p->end_top || e->u.token.n_top == 0)
        return;
    p->n_end_top = e->u.token.n_top;
    memcpy(p->end_top, e->u.token.top, p->n_end_top * sizeof *p->end_top);
}
