/* Training an autoencoder, from options to a folder: see train.h. */
#include "study/sae/inside.h"

#include "base/clock.h"
#include "base/pool.h"
#include "format/sae.h"

#include <math.h>
#include <string.h>

/* FVU_MOST: 1 is what no feature at all would leave; the first batches may leave more. */
enum { SAVE_SECONDS = 60, FVU_MOST = 2 };

/* ---- options ------------------------------------------------------------------------------------------------------------------ */

static int refuse(struct training *t, const char *flag, const char *why)
{
    return error_set(t->err, ERR_INPUT, "%s: %s", flag, why);
}

/* The file is open. */
static int check(struct training *t)
{
    const struct train_options *o = t->o;
    uint64_t n = o->n_feature ? (uint64_t)o->n_feature : (uint64_t)o->times * (uint64_t)t->rows.n_embd;
    if (n < 1 || n > SAE_FEATURES)
        return error_set(t->err, ERR_INPUT, "--features: %llu features; from 1 to %d are possible",
                         (unsigned long long)n, SAE_FEATURES);
    t->n_feature = (int)n;
    if (o->k < 1 || o->k > t->n_feature)
        return error_set(t->err, ERR_INPUT, "--k: %d of %d features", o->k, t->n_feature);
    if (o->batch < 1 || (uint64_t)o->batch > t->rows.n)
        return error_set(t->err, ERR_INPUT, "--batch: %d rows; %s has %llu", o->batch, o->in,
                         (unsigned long long)t->rows.n);
    if ((uint64_t)o->batch * ((uint64_t)o->k + (uint64_t)t->rows.n_embd) > INT32_MAX)
        return refuse(t, "--batch", "so many rows with so many features at a time are not possible");
    if (!(o->rate >= 0) || !(o->aux >= 0) || o->epochs < 1)
        return refuse(t, "--lr", "it must be a number from 0 on");
    t->rate = o->rate > 0 ? o->rate : t->n_feature > 2048 ? 3e-3 * sqrt(2048 / (double)t->n_feature) : 3e-3;
    t->n_step = (uint64_t)o->epochs * (t->rows.n / (uint64_t)o->batch);
    return 0;
}

static int prepare(struct training *t)
{
    int threads = t->o->n_threads ? t->o->n_threads : cpu_compute_threads();
    t->n_threads = threads < POOL_MAX_THREADS ? threads : POOL_MAX_THREADS;
    t->k = kernels_for(t->o->tier);
    if (rows_open(t) || check(t) || memory_plan(t) || state_open(t) || memory_take(t) ||
        pool_create(&t->pool, t->n_threads, t->err) || rows_look(t))
        return -1;
    int got = state_load(t);
    if (got == 0)
        update_begin(t);
    return got < 0 ? -1 : 0;
}

/* ---- batches ------------------------------------------------------------------------------------------------------------------ */

static void tell(const struct training *t, struct train_step *s)
{
    if (t->watch->progress)
        t->watch->progress(t->watch->arg, s);
}

/* A batch of the epoch, from row `first` of the order on, is read while the one before it is computed. */
static void read_ahead(const struct training *t, uint64_t first)
{
    for (uint64_t i = 0; i < (uint64_t)t->batch.n; i++)
        rows_ahead(t, t->order[first + i].row, 1);
}

static int train_batch(struct training *t)
{
    struct batch *b = &t->batch;
    uint64_t n = (uint64_t)b->n, each = t->rows.n / n, first = t->step % each * n;
    struct train_step s = {.what = "training", .total = t->n_step * n, .rate = update_rate(t)};
    rows_order(t, t->step / each);
    for (uint64_t i = 0; i < n; i++)
        b->row[i] = t->order[first + i].row;
    if (first == 0 || t->step == t->resumed) /* no batch came before it */
        read_ahead(t, first);
    if (first + 2 * n <= each * n)
        read_ahead(t, first + n);
    batch_find_dead(t);
    if (batch_compute(t, 1))
        return -1;
    s.fvu = batch_fvu(t, &s.active);
    if (!isfinite(s.fvu))
        return error_set(t->err, ERR_INPUT, "batch %llu is not finite: it has diverged; lower --lr",
                         (unsigned long long)t->step);
    update_step(t);
    t->step++;
    s.step = t->step;
    s.done = t->step * n;
    s.n_dead = b->n_dead;
    tell(t, &s);
    return 0;
}

static int train(struct training *t)
{
    double saved = clock_seconds();
    while (t->step < t->n_step) {
        if (train_batch(t))
            return -1;
        int stops = t->watch->stop && *t->watch->stop, every = t->o->save_every;
        int is_due = every ? (t->step - t->saved) >= (uint64_t)every : clock_seconds() - saved > SAVE_SECONDS;
        if ((stops || is_due) && t->step < t->n_step) {
            if (state_save(t))
                return -1;
            saved = clock_seconds();
        }
        if (stops && t->step < t->n_step)
            return error_set(t->err, ERR_CANCELLED, "interrupted behind batch %llu of %llu",
                             (unsigned long long)t->step, (unsigned long long)t->n_step);
    }
    return 0;
}

/* What is left of all rows, and which features none of them has. */
static int measure(struct training *t, struct train_result *out)
{
    struct batch *b = &t->batch;
    double loss = 0, spread = 0;
    uint64_t n_active = 0;
    memset(b->is_dead, 1, (size_t)t->n_feature);
    for (uint64_t i = 0; i < t->rows.n; i += (uint64_t)b->n) {
        b->n = t->rows.n - i < (uint64_t)t->o->batch ? (int)(t->rows.n - i) : t->o->batch;
        for (int r = 0; r < b->n; r++)
            b->row[r] = i + (uint64_t)r;
        if (i + (uint64_t)b->n < t->rows.n)
            rows_ahead(t, i + (uint64_t)b->n, (uint64_t)b->n);
        if (batch_compute(t, 0))
            return -1;
        for (int r = 0; r < b->n; r++) {
            loss += b->loss[r];
            spread += b->spread[r];
            for (int k = 0; k < t->o->k; k++) {
                int32_t id = b->pick[(size_t)r * (size_t)b->n_pick + (size_t)k].id;
                n_active += id >= 0;
                if (id >= 0)
                    b->is_dead[id] = 0;
            }
        }
        tell(t, &(struct train_step){.what = "measuring", .done = i + (uint64_t)b->n, .total = t->rows.n});
        if (t->watch->stop && *t->watch->stop)
            return state_save(t) ? -1 : error_set(t->err, ERR_CANCELLED, "interrupted behind the last batch");
    }
    if (!isfinite(loss))
        return error_set(t->err, ERR_INPUT, "the autoencoder is not finite: it has diverged; lower --lr");
    if (loss > FVU_MOST * spread)
        return error_set(t->err, ERR_INPUT,
                         "the autoencoder leaves %.3g times what the mean of the rows leaves of them: it has diverged; "
                         "lower --lr",
                         loss / spread);
    out->fvu = loss / spread;
    out->active = (double)n_active / (double)t->rows.n;
    out->n_never = 0;
    for (int j = 0; j < t->n_feature; j++)
        out->n_never += b->is_dead[j];
    return 0;
}

int train_sae(const struct train_options *o, struct train_watch *w, struct train_result *out, struct error *err)
{
    static struct training t; /* one at a time; paths make it large */
    t = (struct training){.o = o, .watch = w, .err = err, .rows.fd = -1, .folder = -1, .epoch = UINT64_MAX};
    int failed = prepare(&t) || train(&t) || measure(&t, out) ? -1 : 0;
    if (!failed) {
        out->n_row = t.rows.n;
        out->n_step = t.n_step;
        out->resumed = t.resumed;
        out->n_embd = t.rows.n_embd;
        out->n_feature = t.n_feature;
        out->k = o->k;
        out->layer = t.rows.layer;
        out->memory = t.plan;
        failed = folder_write(&t, out);
    }
    state_close(&t);
    pool_destroy(t.pool);
    memory_free(&t);
    rows_close(&t.rows);
    return failed;
}
