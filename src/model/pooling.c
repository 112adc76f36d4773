/* Pooling, and the heads behind it: see pooling.h. Sums are f32, in the order of the rows, by one thread: a text has few. */
#include "model/pooling.h"

#include "base/error.h"
#include "model/step.h"
#include "op/matmul.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {"off", "none", "mean", "cls", "last", "rank"};
enum { N_NAMES = sizeof names / sizeof *names };

const char *pooling_name(enum pooling p) { return names[p]; }

int pooling_by_name(const char *name)
{
    for (int i = POOLING_NONE; i < N_NAMES; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

int params_read_pooling(struct params *p, const struct gguf *g, enum pooling given, struct error *err)
{
    int type = given ? (int)given - 1 : 0;
    if (!given && params_has(g, "pooling_type")) {
        if (params_int(g, "pooling_type", 0, N_NAMES - 2, -1, &type, err))
            return -1;
        given = (enum pooling)(type + 1);
    }
    if (!given && p->bidirectional)
        return error_set(err, ERR_FORMAT,
                         "%s: it generates no text, and no key pooling_type says how its rows become vectors; "
                         "--pooling does",
                         g->file->path);
    p->pooling = given;
    if (p->head_takes == POOLING_OFF)
        p->head_takes = p->bidirectional ? POOLING_CLS : POOLING_LAST;
    return 0;
}

/* Its outputs against the labels that the file names, if it does. */
static void check_labels(struct binder *b, const struct weight *last)
{
    int n_label;
    if (b->failed || !params_has(b->m->file, "classifier.output_labels"))
        return;
    if (params_count(b->m->file, "classifier.output_labels", 1, 1 << 16, &n_label, b->err))
        b->failed = -1;
    else if (n_label != last->mat.n_rows)
        b->failed = error_set(b->err, ERR_FORMAT, "%s: %s has %d outputs, but classifier.output_labels names %d",
                              b->m->file->file->path, last->tensor->name, last->mat.n_rows, n_label);
}

/* Rows of a head's matrix, which follow from no key. */
static int rows_of(const struct binder *b, const char *name)
{
    const struct gguf_tensor *t = gguf_tensor(b->m->file, name);
    return t && t->ne[1] <= PARAMS_MAX_WIDTH ? (int)t->ne[1] : 1;
}

static void bind_head(struct binder *b)
{
    struct pool_weights *w = &b->m->pool;
    int n = b->m->p.n_embd, n_cls = rows_of(b, "cls.weight");
    w->softmax = !b->m->p.bidirectional;
    w->cls = bind_matrix_if(b, -1, "cls.weight", n_cls, n);
    w->cls_norm = w->cls ? bind_vector_if(b, -1, "cls.norm.weight", n_cls) : NULL;
    if (w->cls && !w->cls_norm)
        w->cls_bias = bind_vector(b, -1, "cls.bias", n_cls);
    w->out = bind_matrix_if(b, -1, "cls.output.weight", rows_of(b, "cls.output.weight"), w->cls ? n_cls : n);
    if (w->out && !w->softmax)
        w->out_bias = bind_vector(b, -1, "cls.output.bias", w->out->mat.n_rows);
    if (!b->failed && !w->cls && !w->out)
        b->failed = error_set(b->err, ERR_FORMAT,
                              "%s: its pooling type is rank, but it has neither cls.weight nor cls.output.weight",
                              b->m->file->file->path);
    if (!b->failed)
        check_labels(b, w->out ? w->out : w->cls);
}

/* Heads that are not asked for. */
static void leave_heads(struct binder *b)
{
    static const char *const unused[] = {"cls.weight", "cls.bias", "cls.norm.weight", "cls.output.weight",
                                         "cls.output.bias"};
    for (size_t i = 0; i < sizeof unused / sizeof *unused; i++)
        bind_unused(b, -1, unused[i]);
}

/* Product i behind pooling, of rows of n values, by its keys or, without them, if the file has it. Returns the width behind it. */
static int bind_dense(struct binder *b, int i, int n)
{
    static const char *const name[] = {"dense_2.weight", "dense_3.weight"};
    static const char *const in[] = {"dense_2_feat_in", "dense_3_feat_in"}, *const out[] = {"dense_2_feat_out",
                                                                                            "dense_3_feat_out"};
    const struct gguf *g = b->m->file;
    int n_in = n, n_out = rows_of(b, name[i]);
    const struct weight **w = &b->m->pool.dense[i];
    if (b->failed)
        return n;
    if (params_int(g, in[i], n, n, n, &n_in, b->err) ||
        params_int(g, out[i], 1, PARAMS_MAX_WIDTH, n_out, &n_out, b->err))
        b->failed = -1;
    *w = params_has(g, out[i]) ? bind_matrix(b, -1, name[i], n_out, n_in) : bind_matrix_if(b, -1, name[i], n_out, n_in);
    return *w ? n_out : n;
}

void bind_pooling(struct binder *b)
{
    int n = b->m->p.n_embd;
    if (b->m->p.pooling == POOLING_RANK)
        bind_head(b);
    else
        leave_heads(b);
    bind_unused(b, -1, "output.weight");
    bind_unused(b, -1, "output.bias");
    for (int i = 0; i < 2; i++)
        n = bind_dense(b, i, n);
}

/* ---- computing -------------------------------------------------------------------------------------------------------------- */

static enum pooling taken(const struct params *p) { return p->pooling == POOLING_RANK ? p->head_takes : p->pooling; }

void pooled_rows(const struct params *p, int n, int *first, int *end)
{
    enum pooling rows = taken(p);
    *first = rows == POOLING_LAST ? n - 1 : 0;
    *end = rows == POOLING_CLS ? 1 : n;
}

int pooled_width(const struct model *m)
{
    const struct pool_weights *w = &m->pool;
    const struct weight *last = w->out ? w->out : w->cls ? w->cls : w->dense[1] ? w->dense[1] : w->dense[0];
    return last && m->p.pooling != POOLING_NONE ? last->mat.n_rows : m->p.n_embd;
}

static float *product(struct model *m, const float *x, const struct weight *w, const struct weight *bias)
{
    int n = w->mat.n_rows;
    float *y = op_alloc(&m->op, (size_t)n * sizeof *y);
    struct act a = act_rows(&m->op, x, 1, w->mat.n_cols, (size_t)w->mat.n_cols);
    op_matmul(&m->op, y, (size_t)n, &a, &w->mat);
    if (bias)
        op_add_vector(&m->op, y, bias->vector, 1, n);
    return y;
}

/* tanh, or with a norm gelu and that. */
static void activate_head(struct model *m, float *y)
{
    const struct pool_weights *w = &m->pool;
    int n = w->cls->mat.n_rows;
    if (!w->cls_norm) {
        op_softcap(&m->op, y, 1.0f, 1, n);
        return;
    }
    float *no_bias = op_alloc(&m->op, (size_t)n * sizeof *no_bias);
    op_fill(&m->op, no_bias, 0, 1, n);
    op_activate(&m->op, m->op.k->gelu, y, NULL, y, 1, n);
    op_layer_norm(&m->op, y, y, w->cls_norm->vector, no_bias, 1, n, m->p.norm_eps);
}

/* What is behind pooling, of one row x: in the step's scratch. */
static float *head(struct model *m, float *x)
{
    const struct pool_weights *w = &m->pool;
    for (int i = 0; i < 2; i++)
        if (w->dense[i])
            x = product(m, x, w->dense[i], NULL);
    if (w->cls) {
        x = product(m, x, w->cls, w->cls_bias);
        activate_head(m, x);
    }
    if (w->out)
        x = product(m, x, w->out, w->out_bias);
    if (w->softmax && !op_measuring(&m->op))
        m->op.k->softmax(x, pooled_width(m));
    return x;
}

static void mean(float *out, const float *x, int n, int n_embd)
{
    memcpy(out, x, (size_t)n_embd * sizeof *out);
    for (int r = 1; r < n; r++)
        for (int i = 0; i < n_embd; i++)
            out[i] += x[(size_t)r * (size_t)n_embd + (size_t)i];
    for (int i = 0; i < n_embd; i++)
        out[i] /= (float)n;
}

static int is_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return 0;
    return 1;
}

int pool_text(struct model *m, const float *hidden, int n, float *out)
{
    size_t n_embd = (size_t)m->p.n_embd, n_out = (size_t)pooled_width(m);
    arena_reset(m->op.scratch, 0);
    if (m->p.pooling == POOLING_NONE) {
        memcpy(out, hidden, (size_t)n * n_embd * sizeof *out);
        return is_finite(out, (size_t)n * n_embd) ? 0 : -1;
    }
    float *x = op_alloc(&m->op, n_embd * sizeof *x);
    if (taken(&m->p) == POOLING_MEAN)
        mean(x, hidden, n, (int)n_embd);
    else
        memcpy(x, hidden, n_embd * sizeof *x);
    memcpy(out, head(m, x), n_out * sizeof *out);
    return is_finite(out, n_out) ? 0 : -1;
}

void pool_measure(struct model *m)
{
    arena_reset(m->op.scratch, 0);
    if (m->p.pooling > POOLING_NONE)
        head(m, op_alloc(&m->op, (size_t)m->p.n_embd * sizeof(float)));
}
