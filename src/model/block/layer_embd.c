/* Embeddings of each layer: a token has a row of them beside its embedding, and each layer takes its part, mixed with a projection
 * of the embedding, once more into x. See layer_embd.h.
 *
 *     e_l = (sqrt(d) table[token]_l + norm((Wp x / sqrt(n_embd))_l)) / sqrt(2)        d values for each of n_layer layers
 *     x  += norm(Wo act(Wg x, e_l))
 *
 * The table is as large as the rest of a small model, and a token takes one row of it: rows are read from disk where the plan
 * has no memory for it. Source: Gemma 3n (per-layer embeddings), ai.google.dev/gemma/docs/gemma-3n. */
#include "model/block/layer_embd.h"
#include "model/block/ffn.h"

#include <math.h>

/* The mixed rows [n_rows][n_layer][d] as [n_layer][n_rows][d]. */
static void by_layer(const struct step *s, const float *mixed, size_t n_layer, size_t d)
{
    for (size_t l = 0; l < n_layer; l++)
        op_copy(&s->m->op, s->layer_embd + l * (size_t)s->n_rows * d, d, mixed + l * d, n_layer * d, s->n_rows, (int)d);
}

void make_layer_embd(struct step *s, const float *x)
{
    const struct params *p = &s->m->p;
    struct op *op = &s->m->op;
    int d = p->d_layer_embd, n = p->n_layer * d;
    s->layer_embd = step_rows(s, n);
    size_t mark = step_mark(s);
    float *own = step_rows(s, n), *mixed = step_rows(s, n);
    take_rows(s, s->m->layer_embd.table, own, (size_t)n);
    struct act a = step_act(s, x, p->n_embd);
    matmul(s, mixed, &a, s->m->layer_embd.proj);
    op_scale(op, mixed, 1.0f / sqrtf((float)p->n_embd), s->n_rows, n);
    op_rms_norm(op, mixed, mixed, s->m->layer_embd.norm->vector, s->n_rows * p->n_layer, d, p->norm_eps);
    op_scale(op, own, sqrtf((float)d), s->n_rows, n);
    add(s, mixed, own, n);
    op_scale(op, mixed, 1.0f / sqrtf(2.0f), s->n_rows, n);
    by_layer(s, mixed, (size_t)p->n_layer, (size_t)d);
    step_reset(s, mark);
}

void block_layer_embd(struct step *s, int l, float *x, const struct layer_embd_weights *w)
{
    int n_embd = s->m->p.n_embd, d = s->m->p.d_layer_embd;
    size_t mark = step_mark(s);
    float *g = step_rows(s, d), *y = step_rows(s, n_embd);
    struct act a = step_act(s, x, n_embd);
    matmul(s, g, &a, w->gate);
    op_activate(&s->m->op, ffn_kernel(s), g, g, s->layer_embd + (size_t)l * (size_t)s->n_rows * (size_t)d, s->n_rows,
                d);
    struct act b = step_act(s, g, d);
    matmul(s, y, &b, w->out);
    rms_norm(s, y, y, w->post_norm);
    add(s, x, y, n_embd);
    step_reset(s, mark);
}

void bind_layer_embd(struct binder *b, int l, struct layer_embd_weights *w)
{
    const struct params *p = &b->m->p;
    int n = p->n_layer * p->d_layer_embd;
    if (l == 0) {
        b->m->layer_embd.table = bind_rows(b, bind_matrix(b, -1, "per_layer_token_embd.weight", p->n_vocab, n), 1);
        b->m->layer_embd.proj = bind_matrix(b, -1, "per_layer_model_proj.weight", n, p->n_embd);
        b->m->layer_embd.norm = bind_vector(b, -1, "per_layer_proj_norm.weight", p->d_layer_embd);
    }
    w->gate = bind_matrix(b, l, "inp_gate.weight", p->d_layer_embd, p->n_embd);
    w->out = bind_matrix(b, l, "proj.weight", p->n_embd, p->d_layer_embd);
    w->post_norm = bind_vector(b, l, "post_norm.weight", p->n_embd);
}
