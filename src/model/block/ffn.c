/* The feed-forward, gated or not: see ffn.h. Sources: Shazeer, arXiv 2002.05202 (SwiGLU); So et al., arXiv 2109.08668
 * (squared ReLU). */
#include "model/block/ffn.h"

#include "op/matmul.h"

#include <math.h>
#include <stdio.h>

ffn_act_fn *ffn_kernel(const struct step *s)
{
    const struct kernels *k = s->m->op.k;
    switch (s->m->p.ffn_act) {
    case FFN_SWIGLU_OAI:
        return k->swiglu_oai;
    case FFN_GELU:
        return k->gelu_mul;
    case FFN_RELU:
        return k->relu_mul;
    case FFN_RELU2:
        return k->relu2;
    case FFN_GELU_UNGATED:
        return k->gelu;
    default:
        return k->silu_mul;
    }
}

void block_ffn(struct step *s, float *out, struct act *a, const struct ffn_weights *w)
{
    if (w->gate)
        op_view(a, w->gate->mat.type); /* copies of a live as long as a: made before the mark */
    op_view(a, w->up->mat.type);
    size_t mark = step_mark(s);
    float *gate = w->gate ? step_rows(s, w->n_ff) : NULL, *up = step_rows(s, w->n_ff);
    if (gate) {
        matmul_rows(s, gate, a, w->gate, 0, w->n_ff);
        add_bias(s, gate, w->gate_bias);
    }
    matmul_rows(s, up, a, w->up, w->up_first, w->n_ff);
    add_bias(s, up, w->up_bias);
    if (w->both_bias) {
        add_bias_part(s, gate, w->both_bias, 0, w->n_ff);
        add_bias_part(s, up, w->both_bias, w->up_first, w->n_ff);
    }
    if (w->up_limit > 0) {
        op_clamp(&s->m->op, gate, -INFINITY, w->gate_limit, s->n_rows, w->n_ff);
        op_clamp(&s->m->op, up, -w->up_limit, w->up_limit, s->n_rows, w->n_ff);
    }
    op_activate(&s->m->op, ffn_kernel(s), up, gate, up, s->n_rows, w->n_ff);
    struct act h = step_act(s, up, w->n_ff);
    matmul(s, out, &h, w->down);
    add_bias(s, out, w->down_bias);
    if (w->post_norm)
        rms_norm(s, out, out, w->post_norm);
    step_reset(s, mark);
}

void dense_of(struct step *s, float *y, const float *x, const struct weight *norm, const struct ffn_weights *w)
{
    int n_embd = s->m->p.n_embd;
    size_t mark = step_mark(s);
    float *n = step_rows(s, n_embd);
    if (norm)
        rms_norm(s, n, x, norm);
    struct act a = step_act(s, norm ? n : x, n_embd);
    block_ffn(s, y, &a, w);
    step_reset(s, mark);
}

void block_dense(struct step *s, float *x, const struct weight *norm, const struct ffn_weights *w)
{
    size_t mark = step_mark(s);
    float *y = step_rows(s, s->m->p.n_embd);
    dense_of(s, y, x, norm, w);
    block_out(s, VECTOR_FFN, x, y);
    step_reset(s, mark);
}

void bind_ffn(struct binder *b, int l, struct ffn_weights *w, const char *suffix, int n_ff)
{
    const struct params *p = &b->m->p;
    char name[40];
    w->n_ff = n_ff;
    snprintf(name, sizeof name, "ffn_gate%s.weight", suffix);
    if (params_gated(p))
        w->gate = bind_matrix(b, l, name, n_ff, p->n_embd);
    snprintf(name, sizeof name, "ffn_up%s.weight", suffix);
    w->up = bind_matrix(b, l, name, n_ff, p->n_embd);
    snprintf(name, sizeof name, "ffn_down%s.weight", suffix);
    w->down = bind_matrix(b, l, name, p->n_embd, n_ff);
}

void bind_ffn_fused(struct binder *b, int l, struct ffn_weights *w, int n_ff)
{
    const struct params *p = &b->m->p;
    w->n_ff = w->up_first = n_ff;
    w->gate = w->up = bind_matrix(b, l, "ffn_up.weight", 2 * n_ff, p->n_embd);
    w->down = bind_matrix(b, l, "ffn_down.weight", p->n_embd, n_ff);
}
