/* The rows of a batch: which features each is made of, what is left of it, and how the loss changes with each of them. See inside.h.
 *
 * A row is one thread's work, whole; tilef takes the encoder's weights for several rows at a time, which changes no bit. */
#include "study/sae/inside.h"

#include "base/error.h"
#include "base/pool.h"

#include <math.h>
#include <string.h>

struct work {
    struct training *t;
    int wants_gradient;
};

/* Of two, which leaves first: the smaller, of equals the higher index. */
static int is_below(const struct pick *a, const struct pick *b)
{
    return a->h < b->h || (a->h == b->h && a->id > b->id);
}

static void sink(struct pick *heap, int n, int i)
{
    for (;;) {
        int low = i, left = 2 * i + 1;
        for (int c = left; c < n && c <= left + 1; c++)
            if (is_below(&heap[c], &heap[low]))
                low = c;
        if (low == i)
            return;
        struct pick x = heap[i];
        heap[i] = heap[low];
        heap[low] = x;
        i = low;
    }
}

/* The k largest positive p, of those in `among` where it is not NULL; in ascending order of their index. Returns how many. */
static int largest(const float *p, int n, int k, const uint8_t *among, struct pick *heap, struct pick *out)
{
    int m = 0, found = 0;
    for (int j = 0; j < n; j++) {
        const struct pick next = {j, p[j], 0};
        if (!(p[j] > 0) || (among && !among[j]) || (m == k && !is_below(&heap[0], &next)))
            continue;
        if (m < k) {
            heap[m++] = next;
            for (int i = m / 2 - 1; m == k && i >= 0; i--)
                sink(heap, k, i);
        } else {
            heap[0] = next;
            sink(heap, k, 0);
        }
    }
    for (int j = 0; j < n && found < m; j++) {
        const struct pick next = {j, p[j], 0};
        if (p[j] > 0 && (!among || among[j]) && (m < k || !is_below(&next, &heap[0])))
            out[found++] = next;
    }
    return found;
}

/* o of the picks [n], added to what it is. */
static void decode(const struct training *t, const struct pick *pick, int n, float *o)
{
    int d = t->rows.n_embd;
    for (int i = 0; i < n; i++)
        t->k->axpy(o, pick[i].h, t->q.d + (size_t)pick[i].id * (size_t)d, d);
}

/* 2 / n of a mean of squares, with its sign. */
static float slope(const struct training *t) { return -2.0f / (float)t->batch.n; }

static void add_gradients(const struct training *t, struct pick *pick, int n, const float *rest, float by)
{
    int d = t->rows.n_embd;
    for (int i = 0; i < n; i++)
        pick[i].dh = by * t->k->dot16(rest, t->q.d + (size_t)pick[i].id * (size_t)d, (size_t)d);
}

/* Dead features make what they can of what is left. */
static void use_dead(const struct training *t, struct lane *lane, const float *p, const float *rest, float *rest_dead,
                     struct pick *pick)
{
    int d = t->rows.n_embd, k = t->batch.n_dead < d / 2 ? t->batch.n_dead : d / 2;
    int n = largest(p, t->n_feature, k, t->batch.is_dead, lane->heap, pick);
    memset(lane->o, 0, (size_t)d * sizeof *lane->o);
    decode(t, pick, n, lane->o);
    for (int i = 0; i < d; i++)
        rest_dead[i] = rest[i] - lane->o[i];
    add_gradients(t, pick, n, rest_dead, (float)t->o->aux * slope(t));
}

static void compute_row(const struct training *t, struct lane *lane, int r, const float *p, int wants_gradient)
{
    const struct batch *b = &t->batch;
    int d = t->rows.n_embd;
    size_t at = (size_t)r * (size_t)d;
    const float *y = b->y + at;
    float *rest = b->rest + at;
    struct pick *pick = b->pick + (size_t)r * (size_t)b->n_pick;
    double loss = 0, spread = 0;
    for (int i = 0; i < b->n_pick; i++)
        pick[i].id = -1;
    int n = largest(p, t->n_feature, t->o->k, NULL, lane->heap, pick);
    memcpy(lane->o, t->q.c, (size_t)d * sizeof *lane->o);
    decode(t, pick, n, lane->o);
    for (int i = 0; i < d; i++) {
        double far = (double)y[i] - t->rows.scale * t->rows.mean[i];
        rest[i] = y[i] - lane->o[i];
        loss += (double)rest[i] * (double)rest[i];
        spread += far * far;
    }
    b->loss[r] = loss;
    b->spread[r] = spread;
    if (wants_gradient)
        add_gradients(t, pick, n, rest, slope(t));
    if (wants_gradient && t->o->aux > 0 && b->n_dead > 0)
        use_dead(t, lane, p, rest, b->rest_dead + at, pick + t->o->k);
}

/* Rows [first, first + n) of the batch, at most rows_at_once. */
static int compute_rows(const struct training *t, struct lane *lane, int first, int n, int wants_gradient)
{
    const struct batch *b = &t->batch;
    size_t d = (size_t)t->rows.n_embd, f = (size_t)t->n_feature;
    const struct wmat w = {.data = (const uint8_t *)t->q.w,
                           .type = TYPE_F32,
                           .n_rows = t->n_feature,
                           .n_cols = t->rows.n_embd,
                           .row_bytes = d * sizeof(float)};
    float *centred = b->centred + (size_t)first * d;
    for (int r = first; r < first + n; r++) {
        float *y = b->y + (size_t)r * d;
        if (rows_read(t, lane, b->row[r], y))
            return -1;
        for (size_t i = 0; i < d; i++)
            b->centred[(size_t)r * d + i] = y[i] - t->q.c[i];
    }
    t->k->tilef[TYPE_F32](&w, 0, t->n_feature, centred, d, n, lane->p, f);
    for (int r = 0; r < n; r++) {
        t->k->add(lane->p + (size_t)r * f, t->q.b, t->n_feature);
        compute_row(t, lane, first + r, lane->p + (size_t)r * f, wants_gradient);
    }
    return 0;
}

static void compute_share(void *arg, int thread, int n_threads)
{
    const struct work *w = arg;
    struct training *t = w->t;
    int begin, end;
    pool_share(t->batch.n, 1, thread, n_threads, &begin, &end);
    for (int r = begin; r < end; r += t->rows_at_once) {
        int n = end - r < t->rows_at_once ? end - r : t->rows_at_once;
        if (compute_rows(t, &t->lane[thread], r, n, w->wants_gradient))
            return;
    }
}

int batch_compute(struct training *t, int wants_gradient)
{
    pool_run(t->pool, compute_share, &(struct work){t, wants_gradient});
    for (int i = 0; i < t->n_threads; i++)
        if (t->lane[i].err.code != ERR_NONE)
            return error_set(t->err, t->lane[i].err.code, "%s", t->lane[i].err.text);
    return 0;
}

double batch_fvu(const struct training *t, double *active)
{
    const struct batch *b = &t->batch;
    double loss = 0, spread = 0;
    size_t n = 0;
    for (int r = 0; r < b->n; r++) {
        loss += b->loss[r];
        spread += b->spread[r];
        for (int i = 0; i < t->o->k; i++)
            n += b->pick[(size_t)r * (size_t)b->n_pick + (size_t)i].id >= 0;
    }
    *active = (double)n / b->n;
    return loss / spread;
}

void batch_find_dead(struct training *t)
{
    uint64_t done = t->step * (uint64_t)t->batch.n;
    t->batch.n_dead = 0;
    for (int j = 0; j < t->n_feature; j++) {
        t->batch.is_dead[j] = done - t->q.seen[j] >= t->o->dead;
        t->batch.n_dead += t->batch.is_dead[j];
    }
}
