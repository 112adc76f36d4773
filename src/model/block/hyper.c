/* Hyper-connections around blocks: see hyper.h and op/hyper.h. The streams of a row are normed together, without a
 * weight, and one small product gives all gates. */
#include "model/block/hyper.h"

#include "base/error.h"
#include "format/gguf.h"
#include "op/hyper.h"
#include "op/matmul.h"
#include "op/streams.h"

#include <stdio.h>
#include <string.h>

int params_read_hyper(struct params *p, const struct gguf *g, struct error *err)
{
    double eps;
    if (params_int(g, "hyper_connection.count", 2, HYPER_STREAMS, -1, &p->hyper.n, err) ||
        params_int(g, "hyper_connection.sinkhorn_iterations", 1, 1000, -1, &p->hyper.iterations, err) ||
        params_real(g, "hyper_connection.epsilon", 0, 1, 1e-6, &eps, err))
        return -1;
    p->hyper.eps = (float)eps;
    if ((long long)p->hyper.n * p->n_embd > PARAMS_MAX_WIDTH)
        return error_set(err, ERR_FORMAT, "%s: %d streams of %d values are more than stoker takes (%d)", g->file->path,
                         p->hyper.n, p->n_embd, PARAMS_MAX_WIDTH);
    return 0;
}

static void bind_gates(struct binder *b, int l, struct hyper_weights *w, const char *stem, int n_gate, int n_scale)
{
    const struct params *p = &b->m->p;
    char name[40];
    snprintf(name, sizeof name, "%s_fn.weight", stem);
    w->fn = bind_matrix(b, l, name, n_gate, p->hyper.n * p->n_embd);
    snprintf(name, sizeof name, "%s_scale.weight", stem);
    w->scale = bind_vector(b, l, name, n_scale);
    snprintf(name, sizeof name, "%s_base.weight", stem);
    w->base = bind_vector(b, l, name, n_gate);
}

void bind_hyper(struct binder *b, int l, struct hyper_weights *w, const char *stem)
{
    bind_gates(b, l, w, stem, hyper_logits(b->m->p.hyper.n), 3);
}

void bind_hyper_end(struct binder *b, int l, struct hyper_weights *w, const char *stem)
{
    bind_gates(b, l, w, stem, b->m->p.hyper.n, 1);
}

static struct hyper hyper_of(const struct params *p, const struct hyper_weights *w)
{
    return (struct hyper){.n = p->hyper.n,
                          .n_embd = p->n_embd,
                          .iterations = p->hyper.iterations,
                          .eps = p->hyper.eps,
                          .scale = w->scale->vector,
                          .base = w->base->vector};
}

/* gates [n_rows][n_rows of fn] = fn rms_norm(x) */
static void gate_logits(struct op *op, const struct params *p, float *gates, const float *x, int n_rows,
                        const struct hyper_weights *w)
{
    size_t mark = arena_mark(op->scratch);
    int n = p->hyper.n * p->n_embd;
    float *flat = op_alloc(op, (size_t)n_rows * (size_t)n * sizeof *flat);
    op_rms_norm(op, flat, x, NULL, n_rows, n, p->norm_eps);
    struct act a = act_rows(op, flat, n_rows, n, (size_t)n);
    op_matmul(op, gates, (size_t)w->fn->mat.n_rows, &a, &w->fn->mat);
    arena_reset(op->scratch, mark);
}

float *hyper_in(struct step *s, float *u, const float *x, const struct hyper_weights *w)
{
    struct hyper h = hyper_of(&s->m->p, w);
    float *gates = step_rows(s, hyper_logits(h.n));
    gate_logits(&s->m->op, &s->m->p, gates, x, s->n_rows, w);
    op_hyper_gates(&s->m->op, &h, gates, s->n_rows);
    op_hyper_in(&s->m->op, &h, u, x, gates, hyper_logits(h.n), s->n_rows);
    return gates;
}

void hyper_behind(struct step *s)
{
    const int n = s->m->p.hyper.n;
    if (s->collapse)
        return;
    s->collapse = step_rows(s, n);
    size_t mark = step_mark(s);
    float *one = op_alloc(&s->m->op, sizeof *one);
    op_fill(&s->m->op, one, 1, 1, 1);
    op_fill(&s->m->op, s->collapse, 0, s->n_rows, n);
    op_copy(&s->m->op, s->collapse, (size_t)n, one, 0, s->n_rows, 1);
    step_reset(s, mark);
}

float *hyper_in_behind(struct step *s, float *u, const float *x, const struct hyper_weights *w)
{
    struct hyper h = hyper_of(&s->m->p, w);
    struct op *op = &s->m->op;
    float *gates = step_rows(s, hyper_logits(h.n));
    gate_logits(op, &s->m->p, gates, x, s->n_rows, w);
    op_hyper_gates(op, &h, gates, s->n_rows);
    op_hyper_in(op, &h, u, x, s->collapse, h.n, s->n_rows);
    op_copy(op, s->collapse, (size_t)h.n, gates, (size_t)hyper_logits(h.n), s->n_rows, h.n);
    return gates;
}

void hyper_lens(struct step *s, const float *x)
{
    const struct hyper h = {.n = s->m->p.hyper.n, .n_embd = s->m->p.n_embd};
    if (!tap_wants(s, TAP_LENS))
        return;
    size_t mark = step_mark(s);
    float *u = step_rows(s, h.n_embd);
    op_hyper_in(&s->m->op, &h, u, x, s->collapse, h.n, s->n_rows);
    tap_rows(s, TAP_LENS, u, h.n_embd);
    step_reset(s, mark);
}

void hyper_out(struct step *s, float *x, const float *y, const float *gates, const struct hyper_weights *w)
{
    struct hyper h = hyper_of(&s->m->p, w);
    op_hyper_out(&s->m->op, &h, x, y, gates, s->n_rows);
}

/* gates [n_rows][n] of rows row [n_rows], which the last block left. */
static void left_gates(const struct step *s, float *gates, const int32_t *row, int n_rows)
{
    size_t n = (size_t)s->m->p.hyper.n;
    for (int i = 0; i < n_rows && !op_measuring(&s->m->op); i++)
        memcpy(gates + (size_t)i * n, s->collapse + (size_t)row[i] * n, n * sizeof *gates);
}

float *hyper_end(struct step *s, const float *x, const int32_t *row, int n_rows, const struct hyper_weights *w)
{
    const struct params *p = &s->m->p;
    struct op *op = &s->m->op;
    float *u = op_alloc(op, (size_t)n_rows * (size_t)p->n_embd * sizeof *u);
    if (!w->fn && !s->collapse) {
        op_streams_mean(op, u, x, p->hyper.n, p->n_embd, n_rows);
        return u;
    }
    struct hyper h = {.n = p->hyper.n, .n_embd = p->n_embd};
    float *gates = op_alloc(op, (size_t)n_rows * (size_t)h.n * sizeof *gates);
    if (s->collapse)
        left_gates(s, gates, row, n_rows);
    else {
        h = hyper_of(p, w);
        gate_logits(op, p, gates, x, n_rows, w);
        op_hyper_pre(op, &h, gates, n_rows);
    }
    op_hyper_in(op, &h, u, x, gates, h.n, n_rows);
    return u;
}
