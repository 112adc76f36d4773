/* What a batch changes: gradients of features, each summed over the rows by one thread and applied at once. See inside.h. */
#include "study/sae/inside.h"

#include "base/f64.h"
#include "base/pool.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

enum { STREAM_INIT = 1, COLUMNS = 16 };

/* ---- the beginning ------------------------------------------------------------------------------------------------------------ */

static double uniform(uint64_t seed, uint64_t i) { return (double)(rng_u64(seed, i, STREAM_INIT, 0) >> 40) * 0x1p-24; }

static double normal(uint64_t seed, uint64_t n)
{
    double sum = 0;
    for (uint64_t i = 0; i < 12; i++)
        sum += uniform(seed, 12 * n + i);
    return sum - 6;
}

/* Unit rows of the decoder; the encoder is the same. */
static void begin_features(void *arg, int thread, int n_threads)
{
    struct training *t = arg;
    int begin, end, n = t->rows.n_embd;
    size_t d = (size_t)n;
    double *row = t->lane[thread].sum;
    pool_share(t->n_feature, 1, thread, n_threads, &begin, &end);
    for (int j = begin; j < end; j++) {
        double square = 0;
        for (int i = 0; i < n; i++) {
            row[i] = normal(t->o->seed, (uint64_t)j * d + (uint64_t)i);
            square += row[i] * row[i];
        }
        for (int i = 0; i < n; i++)
            t->q.d[(size_t)j * d + (size_t)i] = (float)(row[i] / sqrt(square));
        memcpy(t->q.w + (size_t)j * d, t->q.d + (size_t)j * d, d * sizeof *t->q.w);
    }
}

void update_begin(struct training *t)
{
    memset(t->q.block, 0, (size_t)t->q.bytes);
    pool_run(t->pool, begin_features, t);
    for (int i = 0; i < t->rows.n_embd && !t->o->starts_at_zero; i++)
        t->q.c[i] = (float)(t->rows.scale * t->rows.mean[i]);
}

/* ---- a step ------------------------------------------------------------------------------------------------------------------- */

double update_rate(const struct training *t)
{
    uint64_t last = t->n_step / 5, plain = t->n_step - last;
    double by = t->step < plain ? 1 : 1 - 0.95 * (double)(t->step - plain + 1) / (double)last;
    return t->rate * by;
}

/* Which picks a feature has, ascending; and the gradients of the encoder's bias. */
static void sort_picks(struct training *t)
{
    struct batch *b = &t->batch;
    size_t n = (size_t)b->n * (size_t)b->n_pick;
    memset(b->first, 0, ((size_t)t->n_feature + 1) * sizeof *b->first);
    memset(b->b_gradient, 0, (size_t)t->n_feature * sizeof *b->b_gradient);
    for (size_t i = 0; i < n; i++)
        if (b->pick[i].id >= 0)
            b->first[b->pick[i].id + 1]++;
    for (int j = 0; j < t->n_feature; j++)
        b->first[j + 1] += b->first[j];
    for (size_t i = 0; i < n; i++) {
        const struct pick *p = &b->pick[i];
        if (p->id < 0)
            continue;
        b->place[b->first[p->id]++] = (uint32_t)i;
        b->b_gradient[p->id] += p->dh;
        if (i % (size_t)b->n_pick < (size_t)t->o->k)
            t->q.seen[p->id] = (t->step + 1) * (uint64_t)b->n;
    }
    memmove(b->first + 1, b->first, (size_t)t->n_feature * sizeof *b->first); /* each stands at its end now */
    b->first[0] = 0;
}

/* The decoder's bias is in what is left of every row, and in what is encoded. By columns, before the encoder changes. */
static void sum_centre(void *arg, int thread, int n_threads)
{
    struct training *t = arg;
    struct batch *b = &t->batch;
    int begin, end, d = t->rows.n_embd;
    pool_share(d, COLUMNS, thread, n_threads, &begin, &end);
    float *sum = b->c_gradient + begin;
    int n = end - begin;
    if (n <= 0)
        return;
    memset(sum, 0, (size_t)n * sizeof *sum);
    for (int r = 0; r < b->n; r++)
        t->k->axpy(sum, -2.0f / (float)b->n, b->rest + (size_t)r * (size_t)d + begin, n);
    for (int j = 0; j < t->n_feature; j++)
        if (b->b_gradient[j] != 0)
            t->k->axpy(sum, -b->b_gradient[j], t->q.w + (size_t)j * (size_t)d + begin, n);
}

struct step {
    struct training *t;
    float step, root; /* of Adam */
};

/* Gradients of a feature's rows of the encoder and the decoder. */
static void sum_feature(const struct training *t, struct lane *l, int j)
{
    const struct batch *b = &t->batch;
    int n = t->rows.n_embd;
    size_t d = (size_t)n;
    float by = -2.0f / (float)b->n, by_dead = (float)t->o->aux * by;
    memset(l->w_gradient, 0, d * sizeof(float));
    memset(l->d_gradient, 0, d * sizeof(float));
    for (uint32_t i = b->first[j]; i < b->first[j + 1]; i++) {
        size_t at = b->place[i], row = at / (size_t)b->n_pick;
        const struct pick *p = &b->pick[at];
        int is_main = at % (size_t)b->n_pick < (size_t)t->o->k;
        t->k->axpy(l->d_gradient, (is_main ? by : by_dead) * p->h, (is_main ? b->rest : b->rest_dead) + row * d, n);
        t->k->axpy(l->w_gradient, p->dh, b->centred + row * d, n);
    }
}

static void update_features(void *arg, int thread, int n_threads)
{
    const struct step *s = arg;
    struct training *t = s->t;
    struct lane *l = &t->lane[thread];
    int begin, end, n = t->rows.n_embd;
    pool_share(t->n_feature, 1, thread, n_threads, &begin, &end);
    for (int j = begin; j < end; j++) {
        size_t at = (size_t)j * (size_t)n;
        float *d = t->q.d + at;
        sum_feature(t, l, j);
        t->k->axpy(l->d_gradient, -t->k->dot16(l->d_gradient, d, (size_t)n), d, n);
        t->k->adam(t->q.w + at, t->q.w_m + at, t->q.w_v + at, l->w_gradient, s->step, s->root, n);
        t->k->adam(d, t->q.d_m + at, t->q.d_v + at, l->d_gradient, s->step, s->root, n);
        t->k->scale(d, 1.0f / sqrtf(t->k->dot16(d, d, (size_t)n)), n);
    }
}

void update_step(struct training *t)
{
    struct batch *b = &t->batch;
    struct parameters *q = &t->q;
    double n = (double)(t->step + 1);
    struct step s = {t, (float)(update_rate(t) / (1 - f64_pow(0.9, n))), (float)(1 / sqrt(1 - f64_pow(0.999, n)))};
    sort_picks(t);
    pool_run(t->pool, sum_centre, t);
    pool_run(t->pool, update_features, &s);
    t->k->adam(q->b, q->b_m, q->b_v, b->b_gradient, s.step, s.root, t->n_feature);
    t->k->adam(q->c, q->c_m, q->c_v, b->c_gradient, s.step, s.root, t->rows.n_embd);
}
