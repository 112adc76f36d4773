/* Sparse autoencoders: see sae.h. A product is dot16 of a row and a feature's weights, and everything behind it is of one row by itself: so
 * neither neighbours nor threads change bits. */
#include "op/sae.h"

#include "op/largest.h"

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

static void keep_largest(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct op_sae *s = arg;
    int n = s->w.n_rows, k = s->k;
    for (int r = begin; r < end; r++) {
        struct largest kept = {s->pick_value + (size_t)r * (size_t)k, s->pick_id + (size_t)r * (size_t)k, k, 0};
        float *p = s->features + (size_t)r * (size_t)n;
        for (int j = 0; j < n; j++)
            largest_offer(&kept, p[j], j);
        memset(p, 0, (size_t)n * sizeof *p);
        for (int i = 0; i < kept.held; i++)
            p[kept.id[i]] = kept.value[i] > 0 ? kept.value[i] : 0;
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

struct finding {
    const struct op_sae *s;
    int top;
    int32_t *id;
    float *value;
};

static void find_largest(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct finding *a = arg;
    int n = a->s->w.n_rows;
    for (int r = begin; r < end; r++) {
        const float *h = a->s->features + (size_t)r * (size_t)n;
        size_t at = (size_t)r * (size_t)a->top;
        struct largest active = {a->value + at, a->id + at, a->top, 0};
        for (int j = 0; j < n; j++)
            if (h[j] > 0)
                largest_offer(&active, h[j], j);
        largest_sort(&active);
    }
}

void op_sae_largest(struct op *op, const struct op_sae *s, int n_rows, int top, int32_t *id, float *value)
{
    op_split(op, n_rows, 1, 0, find_largest, &(struct finding){s, top, id, value});
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
