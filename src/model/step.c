/* The words of the vocabulary: most are one call of op/. See step.h. */
#include "model/step.h"

#include "model/collector.h"
#include "op/matmul.h"

#include <assert.h>

float *step_rows(struct step *s, int n_cols)
{
    return op_alloc(&s->m->op, (size_t)s->n_rows * (size_t)n_cols * sizeof(float));
}

struct act step_act(struct step *s, const float *x, int n_cols)
{
    return act_rows(&s->m->op, x, s->n_rows, n_cols, (size_t)n_cols);
}

void rms_norm(struct step *s, float *out, const float *x, const struct weight *w)
{
    op_rms_norm(&s->m->op, out, x, w->vector, s->n_rows, w->mat.n_cols, s->m->p.norm_eps);
}

void layer_norm(struct step *s, float *out, const float *x, const struct weight *w, int n_rows)
{
    size_t mark = step_mark(s);
    int n = w->mat.n_cols;
    float *no_bias = op_alloc(&s->m->op, (size_t)n * sizeof *no_bias);
    op_fill(&s->m->op, no_bias, 0, 1, n);
    op_layer_norm(&s->m->op, out, x, w->vector, no_bias, n_rows, n, s->m->p.norm_eps);
    step_reset(s, mark);
}

void model_norm(struct step *s, float *out, const float *x, const struct weight *w, int n_rows)
{
    if (s->m->p.layer_norm)
        layer_norm(s, out, x, w, n_rows);
    else
        op_rms_norm(&s->m->op, out, x, w->vector, n_rows, w->mat.n_cols, s->m->p.norm_eps);
}

void layer_norm_biased(struct step *s, float *out, const float *x, const struct weight *w, const struct weight *b)
{
    if (b)
        op_layer_norm(&s->m->op, out, x, w->vector, b->vector, s->n_rows, w->mat.n_cols, s->m->p.norm_eps);
    else
        layer_norm(s, out, x, w, s->n_rows);
}

void matmul(struct step *s, float *out, struct act *a, const struct weight *w)
{
    op_matmul(&s->m->op, out, (size_t)w->mat.n_rows, a, &w->mat);
}

void matmul_rows(struct step *s, float *out, struct act *a, const struct weight *w, int first, int n)
{
    struct wmat part = wmat_rows(&w->mat, first, n);
    op_matmul(&s->m->op, out, (size_t)n, a, &part);
}

void step_collect(struct step *s, const struct weight *w, const float *x, size_t ld)
{
    if (s->m->collector && !op_measuring(&s->m->op))
        collector_rows(s->m->collector, w, (struct op_rows){x, ld, 0, s->n_rows, 1});
}

void add_bias(struct step *s, float *x, const struct weight *b)
{
    if (b)
        op_add_vector(&s->m->op, x, b->vector, s->n_rows, b->mat.n_cols);
}

void add_bias_part(struct step *s, float *x, const struct weight *b, int first, int n)
{
    if (!op_measuring(&s->m->op))
        op_add_vector(&s->m->op, x, b->vector + first, s->n_rows, n);
}

void scale_by(struct step *s, float *x, const struct weight *factor, int n_cols)
{
    if (factor && !op_measuring(&s->m->op))
        op_scale(&s->m->op, x, factor->vector[0], s->n_rows, n_cols);
}

void add(struct step *s, float *x, const float *y, int n_cols) { op_add(&s->m->op, x, y, s->n_rows, n_cols); }

void block_steer(struct step *s, enum vector_hook hook, float *y)
{
    steer_rows(s, hook, y, 1);
    tap_rows(s, hook == VECTOR_ATTN ? TAP_ATTN_OUT : TAP_FFN_OUT, y, s->m->p.n_embd);
}

/* Behind the first of two blocks, which is known once the second was measured. */
static void tap_between(struct step *s, enum vector_hook hook, const float *x)
{
    const uint16_t *taps = &s->m->taps[s->layer];
    if (op_measuring(&s->m->op) ? hook == VECTOR_FFN && *taps >> TAP_ATTN_OUT & 1 : hook == VECTOR_ATTN)
        tap_rows(s, TAP_RESID_MID, x, s->m->p.n_embd);
}

void block_out(struct step *s, enum vector_hook hook, float *x, float *y)
{
    const struct params *p = &s->m->p;
    if (p->residual_scale > 0)
        op_scale(&s->m->op, y, p->residual_scale, s->n_rows, p->n_embd);
    block_steer(s, hook, y);
    add(s, x, y, p->n_embd);
    tap_between(s, hook, x);
}

void rotate_heads(struct step *s, float *x, int n_head, int head_dim, int rope)
{
    const struct rope_params *r = &s->m->p.rope[rope];
    const struct rope_rows *t = &s->rope[rope];
    if (r->n_rot == 0)
        return;
    op_rope(&s->m->op, x, s->n_rows, n_head, head_dim, r->pairs, t->cos, t->sin, r->n_rot / 2);
}

void rotate_heads_back(struct step *s, float *x, int n_head, int head_dim, int rope)
{
    const struct rope_params *r = &s->m->p.rope[rope];
    size_t mark = step_mark(s);
    int n_pair = r->n_rot / 2;
    float *sine = step_rows(s, n_pair);
    op_copy(&s->m->op, sine, (size_t)n_pair, s->rope[rope].sin, (size_t)n_pair, s->n_rows, n_pair);
    op_scale(&s->m->op, sine, -1.0f, s->n_rows, n_pair);
    op_rope(&s->m->op, x, s->n_rows, n_head, head_dim, r->pairs, s->rope[rope].cos, sine, n_pair);
    step_reset(s, mark);
}

void apply_temperature(struct step *s, float *x, int n_cols)
{
    if (s->temperature)
        op_scale_rows(&s->m->op, x, s->temperature, s->n_rows, n_cols);
}

struct run *step_runs(struct step *s, size_t history, size_t state)
{
    struct run *run = op_alloc(&s->m->op, (size_t)s->n_run * sizeof *run);
    for (int i = 0; i < s->n_run && !op_measuring(&s->m->op); i++) {
        const struct sequence *seq = s->b->seq[s->run[i].first];
        run[i] = (struct run){.first = s->run[i].first,
                              .n = s->run[i].n,
                              .history = (float *)(void *)(seq->state + history),
                              .state = (float *)(void *)(seq->state + state),
                              .kept = seq->kept,
                              .block = seq->state};
    }
    return run;
}

void row_leaves(struct step *s, int row)
{
    for (int r = 0; r < s->n_rows; r++)
        if (s->b->seq[r] == s->b->seq[row])
            s->b->dead[r] = 1;
}

void layer_out(struct step *s, int l, float *x)
{
    assert(l == s->layer);
    steer_rows(s, VECTOR_LAYER, x, s->m->p.hyper.n ? s->m->p.hyper.n : 1);
    tap_rows(s, TAP_RESID_POST, x, params_row_width(&s->m->p));
    tap_features(s, x);
    if (!s->m->p.hyper.is_behind) /* hyper_lens() */
        tap_rows(s, TAP_LENS, x, params_row_width(&s->m->p));
    for (int r = 0; r < s->n_rows && !op_measuring(&s->m->op); r++)
        if (atomic_load_explicit(&s->b->seq[r]->cancelled, memory_order_relaxed))
            row_leaves(s, r);
}
