/* What callers ask of a model that pools: requests of texts, which are checked and queued here and computed by embed.c, places for their
 * vectors, what the model is, and vectors of length 1. */
#include "base/clock.h"
#include "base/error.h"
#include "engine/admission.h"
#include "engine/public_error.h"
#include "model/pooling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int check_text(const struct stoker *s, const struct stoker_embed *e, size_t i, struct error *err)
{
    const struct stoker_tokens *t = &e->text[i];
    int n_vocab = s->session->model->p.n_vocab;
    if (t->n == 0)
        return error_set(err, ERR_INPUT, "text %zu has no token: nothing to embed", i);
    if (t->n > (size_t)s->session->plan.n_ctx)
        return error_set(err, ERR_INPUT, "text %zu has %zu tokens, the context %d", i, t->n, s->session->plan.n_ctx);
    for (size_t k = 0; k < t->n; k++)
        if (t->id[k] < 0 || t->id[k] >= n_vocab)
            return error_set(err, ERR_INPUT, "token %zu of text %zu is %d; the vocabulary has ids 0 to %d", k, i,
                             t->id[k], n_vocab - 1);
    return 0;
}

static int check_embed(const struct stoker *s, const struct stoker_embed *e, struct error *err)
{
    if (!s->session->model->p.pooling)
        return error_set(err, ERR_UNSUPPORTED, "%s generates text: it makes no vectors unless --pooling says how",
                         s->session->file->file->path);
    if (e->n_text == 0)
        return error_set(err, ERR_INPUT, "there is no text: nothing to embed");
    if (e->n_place == 1 && e->n_text > 1)
        return error_set(err, ERR_INPUT, "vectors of %zu texts need at least two places, not one", e->n_text);
    size_t n_out = (size_t)pooled_width(s->session->model);
    int is_by_row = s->session->model->p.pooling == POOLING_NONE;
    for (size_t i = 0; i < e->n_text; i++) {
        if (check_text(s, e, i, err))
            return -1;
        size_t least = n_out * (is_by_row ? e->text[i].n : 1);
        if (e->n_place && e->place < least)
            return error_set(err, ERR_INPUT, "text %zu needs a place of %zu values, not %zu", i, least, e->place);
    }
    return 0;
}

static int fill_job(struct job *j, const struct stoker_embed *e, struct error *err)
{
    *j = (struct job){.notify = e->notify, .notify_arg = e->notify_arg, .no_cache = 1, .submitted = clock_seconds()};
    for (size_t i = 0; i < e->n_text; i++)
        j->n_prompt += e->text[i].n;
    j->events = queue_create(EVENTS, sizeof(struct stoker_event));
    j->embed = malloc(sizeof *j->embed);
    if (!j->events || !j->embed) {
        engine_free_job(j);
        return error_set(err, ERR_MEMORY, "no memory for a request of %zu texts", e->n_text);
    }
    *j->embed = (struct embed_job){.of = *e, .at = e->out};
    return 0;
}

int stoker_submit_embed(struct stoker *s, const struct stoker_embed *e, stoker_id *id, struct stoker_error *public)
{
    struct error err = {0};
    if (check_embed(s, e, &err))
        return error_to_public(public, &err);
    pthread_mutex_lock(&s->lock);
    struct job *j = engine_queued(s) < s->n_queue ? engine_unused_job(s) : NULL;
    int status = j ? fill_job(j, e, &err) : 1;
    if (status == 0) {
        j->state = JOB_QUEUED;
        *id = j->id = ++s->next_id;
    }
    s->counters.requests += status == 0;
    s->counters.rejected += status > 0;
    pthread_mutex_unlock(&s->lock);
    return engine_submitted(s, status, &err, public);
}

size_t stoker_embed_places(struct stoker_embed *e, const struct stoker_encoder *m, size_t bytes)
{
    int rows = strcmp(m->pooling, "none") == 0;
    e->place = m->n_out;
    for (size_t i = 0; i < e->n_text && rows; i++)
        if (e->place < m->n_out * e->text[i].n)
            e->place = m->n_out * e->text[i].n;
    e->n_place = bytes / sizeof *e->out / e->place;
    e->n_place = e->n_place < 2 ? 2 : e->n_place;
    e->n_place = e->n_place < e->n_text ? e->n_place : e->n_text;
    return e->n_place * e->place;
}

int stoker_encoder_of(const struct stoker *s, struct stoker_encoder *out)
{
    const struct model *m = s->session->model;
    *out = (struct stoker_encoder){0};
    if (!m->p.pooling)
        return -1;
    *out = (struct stoker_encoder){.n_out = (size_t)pooled_width(m),
                                   .n_ctx = (size_t)s->session->plan.n_ctx,
                                   .pooling = pooling_name(m->p.pooling),
                                   .is_rank = m->p.pooling == POOLING_RANK,
                                   .is_sigmoid = m->p.pooling == POOLING_RANK && !m->pool.softmax};
    return 0;
}

static void normalise(float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    for (size_t i = 0; i < n && sum > 0; i++)
        x[i] = (float)((double)x[i] / sqrt(sum));
}

void stoker_normalise(float *x, size_t n_out, size_t n)
{
    normalise(x, n_out);
    if (n < n_out)
        normalise(x, n);
}
