/* Hyper-connections row by row: see hyper.h. */
#include "op/hyper.h"

#include <assert.h>
#include <string.h>

enum { ALONE = 2, COLUMNS = 256 };

struct rows {
    const struct op *op;
    const struct hyper *h;
    float *out, *mix;
    const float *x;
    int ld_mix;
};

/* ---- gates ------------------------------------------------------------------------------------------------------------------- */

static void affine(float *a, const float *base, float scale, int n)
{
    for (int i = 0; i < n; i++)
        a[i] = a[i] * scale + base[i];
}

static void pre_gates(const struct op *op, const struct hyper *h, float *a)
{
    affine(a, h->base, h->scale[0], h->n);
    op->k->sigmoid(a, a, h->n);
    for (int i = 0; i < h->n; i++)
        a[i] += h->eps;
}

static void rows_to_one(float *c, int n, float eps)
{
    for (int i = 0; i < n; i++) {
        float sum = 0.0f;
        for (int j = 0; j < n; j++)
            sum += c[i * n + j];
        for (int j = 0; j < n; j++)
            c[i * n + j] /= sum + eps;
    }
}

static void columns_to_one(float *c, int n, float eps)
{
    for (int j = 0; j < n; j++) {
        float sum = 0.0f;
        for (int i = 0; i < n; i++)
            sum += c[i * n + j];
        for (int i = 0; i < n; i++)
            c[i * n + j] /= sum + eps;
    }
}

/* The first normalisation of rows is a softmax. */
static void sinkhorn(const struct op *op, const struct hyper *h, float *c)
{
    int n = h->n;
    for (int i = 0; i < n; i++)
        op->k->softmax(c + i * n, n);
    for (int i = 0; i < n * n; i++)
        c[i] += h->eps;
    columns_to_one(c, n, h->eps);
    for (int i = 1; i < h->iterations; i++) {
        rows_to_one(c, n, h->eps);
        columns_to_one(c, n, h->eps);
    }
}

static void gate_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    const struct hyper *h = a->h;
    int n = h->n;
    for (int r = begin; r < end; r++) {
        float *pre = a->mix + (size_t)r * (size_t)a->ld_mix, *post = pre + n, *comb = post + n;
        pre_gates(a->op, h, pre);
        affine(post, h->base + n, h->scale[1], n);
        a->op->k->sigmoid(post, post, n);
        a->op->k->scale(post, 2.0f, n);
        affine(comb, h->base + 2 * n, h->scale[2], n * n);
        sinkhorn(a->op, h, comb);
    }
}

void op_hyper_gates(struct op *op, const struct hyper *h, float *mix, int n_rows)
{
    assert(h->n <= HYPER_STREAMS);
    op_split(op, n_rows, 1, ALONE, gate_rows, &(struct rows){op, h, NULL, mix, NULL, hyper_logits(h->n)});
}

static void pre_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    for (int r = begin; r < end; r++)
        pre_gates(a->op, a->h, a->mix + (size_t)r * (size_t)a->ld_mix);
}

void op_hyper_pre(struct op *op, const struct hyper *h, float *mix, int n_rows)
{
    op_split(op, n_rows, 1, 64, pre_rows, &(struct rows){op, h, NULL, mix, NULL, h->n});
}

/* ---- streams ----------------------------------------------------------------------------------------------------------------- */

static void in_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    size_t n_embd = (size_t)a->h->n_embd;
    for (int r = begin; r < end; r++) {
        float *out = a->out + (size_t)r * n_embd;
        const float *x = a->x + (size_t)r * (size_t)a->h->n * n_embd, *pre = a->mix + (size_t)r * (size_t)a->ld_mix;
        memset(out, 0, n_embd * sizeof *out);
        for (int i = 0; i < a->h->n; i++)
            a->op->k->add_scaled(out, pre[i], x + (size_t)i * n_embd, a->h->n_embd);
    }
}

void op_hyper_in(struct op *op, const struct hyper *h, float *out, const float *x, const float *mix, int ld_mix,
                 int n_rows)
{
    op_split(op, n_rows, 1, ALONE, in_rows, &(struct rows){op, h, out, (float *)(uintptr_t)mix, x, ld_mix});
}

/* Columns [c0, c0 + n) of a row: the old streams are set aside, since each new one takes all of them. */
static void out_columns(const struct rows *a, float *x, const float *y, const float *mix, int n)
{
    int streams = a->h->n;
    const float *post = mix + streams, *comb = post + streams;
    float old[HYPER_STREAMS][COLUMNS];
    for (int i = 0; i < streams; i++)
        memcpy(old[i], x + (size_t)i * (size_t)a->h->n_embd, (size_t)n * sizeof(float));
    for (int j = 0; j < streams; j++) {
        float *to = x + (size_t)j * (size_t)a->h->n_embd;
        memcpy(to, y, (size_t)n * sizeof(float));
        a->op->k->scale(to, post[j], n);
        for (int i = 0; i < streams; i++)
            a->op->k->add_scaled(to, comb[i * streams + j], old[i], n);
    }
}

static void out_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    size_t n_embd = (size_t)a->h->n_embd;
    for (int r = begin; r < end; r++)
        for (size_t c = 0; c < n_embd; c += COLUMNS)
            out_columns(a, a->out + (size_t)r * (size_t)a->h->n * n_embd + c, a->x + (size_t)r * n_embd + c,
                        a->mix + (size_t)r * (size_t)a->ld_mix, n_embd - c < COLUMNS ? (int)(n_embd - c) : COLUMNS);
}

void op_hyper_out(struct op *op, const struct hyper *h, float *x, const float *y, const float *mix, int n_rows)
{
    op_split(op, n_rows, 1, ALONE, out_rows, &(struct rows){op, h, x, (float *)(uintptr_t)mix, y, hyper_logits(h->n)});
}
