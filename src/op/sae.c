/* Sparse autoencoders: see sae.h. A product is dot16 of a row and a feature's weights, and everything behind it is of one row by itself: so
 * neither neighbours nor threads change bits. */
#include "op/sae.h"

#include <assert.h>
#include <string.h>

enum { ALONE = 8, UNIT = 32 }; /* the most rows that the leader does alone; features that a thread takes together */

/* Rows less the centre, as products take them. */
static const float *centred(const struct op_sae *s, const float *x, int n_rows)
{
    int n = s->w.n_cols;
    for (int r = 0; s->centre && r < n_rows; r++)
        for (int i = 0; i < n; i++)
            s->rows[(size_t)r * (size_t)n + (size_t)i] = x[(size_t)r * (size_t)n + (size_t)i] - s->centre[i];
    return s->centre ? s->rows : x;
}

/* What passes of p = product + bias; with k that is decided later. */
static float gate(const struct op_sae *s, float p, int j)
{
    if (s->k)
        return p;
    return p > 0 && (!s->threshold || p > s->threshold[j]) ? p : 0;
}

struct products {
    const struct op *op;
    const struct op_sae *s;
    const float *y;
    int n_rows;
};

static void encode_features(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct products *a = arg;
    const struct op_sae *s = a->s;
    size_t ld = (size_t)s->w.n_rows;
    a->op->k->tilef[s->w.type](&s->w, begin, end, a->y, (size_t)s->w.n_cols, a->n_rows, s->features, ld);
    for (int r = 0; r < a->n_rows; r++)
        for (int j = begin; j < end; j++)
            s->features[(size_t)r * ld + (size_t)j] = gate(s, s->features[(size_t)r * ld + (size_t)j] + s->bias[j], j);
}

/* Of two, which leaves first: the smaller, what is no number before all; of equals the higher index. */
static int is_below(const struct op_sae_pick *a, const struct op_sae_pick *b)
{
    if (a->value != a->value || b->value != b->value)
        return b->value == b->value || (a->value != a->value && a->id > b->id);
    return a->value < b->value || (a->value == b->value && a->id > b->id);
}

/* A heap whose first is below all others: what stands at i sinks. */
static void sink(struct op_sae_pick *heap, int n, int i)
{
    for (;;) {
        int low = i, left = 2 * i + 1;
        for (int c = left; c < n && c <= left + 1; c++)
            if (is_below(&heap[c], &heap[low]))
                low = c;
        if (low == i)
            return;
        struct op_sae_pick t = heap[i];
        heap[i] = heap[low];
        heap[low] = t;
        i = low;
    }
}

static void keep_largest(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct op_sae *s = arg;
    int n = s->w.n_rows, k = s->k;
    for (int r = begin; r < end; r++) {
        struct op_sae_pick *heap = s->picks + (size_t)r * (size_t)k;
        float *p = s->features + (size_t)r * (size_t)n;
        for (int j = 0; j < k; j++)
            heap[j] = (struct op_sae_pick){p[j], j};
        for (int i = k / 2 - 1; i >= 0; i--)
            sink(heap, k, i);
        for (int j = k; j < n; j++) {
            const struct op_sae_pick next = {p[j], j};
            if (!is_below(&heap[0], &next))
                continue;
            heap[0] = next;
            sink(heap, k, 0);
        }
        memset(p, 0, (size_t)n * sizeof *p);
        for (int i = 0; i < k; i++)
            p[heap[i].id] = heap[i].value > 0 ? heap[i].value : 0;
    }
}

void op_sae_encode(struct op *op, const struct op_sae *s, const float *x, int n_rows)
{
    assert(n_rows <= s->most && !op_measuring(op));
    struct products a = {op, s, centred(s, x, n_rows), n_rows};
    op_split(op, s->w.n_rows, UNIT, 0, encode_features, &a);
    if (s->k)
        op_split(op, n_rows, 1, 0, keep_largest, (void *)(uintptr_t)s);
}

void op_sae_feature(struct op *op, const struct op_sae *s, int j, const float *x, int n_rows, float *h)
{
    if (s->k) {
        op_sae_encode(op, s, x, n_rows);
        for (int r = 0; r < n_rows; r++)
            h[r] = s->features[(size_t)r * (size_t)s->w.n_rows + (size_t)j];
        return;
    }
    const float *y = centred(s, x, n_rows);
    struct wmat one = s->w;
    one.n_rows = 1;
    one.data += (size_t)j * one.row_bytes;
    op->k->tilef[one.type](&one, 0, 1, y, (size_t)one.n_cols, n_rows, h, 1);
    for (int r = 0; r < n_rows; r++)
        h[r] = gate(s, h[r] + s->bias[j], j);
}

/* ---- the largest ------------------------------------------------------------------------------------------------------------- */

struct largest {
    const struct op_sae *s;
    int top;
    int32_t *id;
    float *value;
};

static void find_largest(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct largest *a = arg;
    int n = a->s->w.n_rows;
    for (int r = begin; r < end; r++) {
        const float *h = a->s->features + (size_t)r * (size_t)n;
        int32_t *id = a->id + (size_t)r * (size_t)a->top;
        float *value = a->value + (size_t)r * (size_t)a->top;
        int held = 0;
        for (int j = 0; j < n; j++) {
            if (!(h[j] > 0) || (held == a->top && !(h[j] > value[held - 1])))
                continue;
            int at = held < a->top ? held++ : held - 1;
            for (; at > 0 && h[j] > value[at - 1]; at--) {
                value[at] = value[at - 1];
                id[at] = id[at - 1];
            }
            value[at] = h[j];
            id[at] = j;
        }
        for (; held < a->top; held++) {
            value[held] = 0;
            id[held] = -1;
        }
    }
}

void op_sae_largest(struct op *op, const struct op_sae *s, int n_rows, int top, int32_t *id, float *value)
{
    op_split(op, n_rows, 1, 0, find_largest, &(struct largest){s, top, id, value});
}

/* ---- changes ----------------------------------------------------------------------------------------------------------------- */

struct change {
    const struct op *op;
    float *x;
    enum op_sae_change how;
    float u;
    const float *h, *d;
    int n;
};

static void change_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct change *a = arg;
    for (int r = begin; r < end; r++) {
        float t = a->how == OP_SAE_SET ? a->u - a->h[r] : (a->u - 1) * a->h[r];
        if (a->how == OP_SAE_SET || a->h[r] != 0)
            a->op->k->axpy(a->x + (size_t)r * (size_t)a->n, t, a->d, a->n);
    }
}

void op_sae_change(struct op *op, float *x, enum op_sae_change how, float u, const float *h, const float *d, int n_rows,
                   int n)
{
    op_split(op, n_rows, 1, ALONE, change_rows, &(struct change){op, x, how, u, h, d, n});
}
