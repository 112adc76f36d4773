/* Gated attention: see gated_attention.h.
 *
 *     [q | g] = Wq n by head;  y = Wo (attend(rope(norm(q)), rope(norm(k)), v) * sigmoid(g))
 *
 * Source: Qiu et al., arXiv 2505.06708. */
#include "model/block/gated_attention.h"
#include "model/block/attention.h"

#include "base/error.h"
#include "format/gguf.h"

#include <math.h>

int params_check_gated_attention(const struct params *p, const struct gguf *g, struct error *err)
{
    if (p->d_v != p->d_k)
        return error_set(
            err, ERR_FORMAT,
            "%s: attention.value_length is %d and attention.key_length %d: this architecture's output gate is as "
            "wide as its queries and needs them to be equal",
            g->file->path, p->d_v, p->d_k);
    return 0;
}

void bind_gated_attention(struct binder *b, int l, struct gated_attention_weights *w)
{
    const struct params *p = &b->m->p;
    w->wq = bind_matrix(b, l, "attn_q.weight", 2 * p->n_head * p->d_k, p->n_embd);
    w->wk = bind_matrix(b, l, "attn_k.weight", p->n_head_kv * p->d_k, p->n_embd);
    w->wv = bind_matrix(b, l, "attn_v.weight", p->n_head_kv * p->d_v, p->n_embd);
    w->wo = bind_matrix(b, l, "attn_output.weight", p->n_embd, p->n_head * p->d_v);
    w->q_norm = bind_vector(b, l, "attn_q_norm.weight", p->d_k);
    w->k_norm = bind_vector(b, l, "attn_k_norm.weight", p->d_k);
    w->kv = bind_kv(b, p->n_head, (struct kv_shape){.n_head_kv = p->n_head_kv, .d_k = p->d_k, .d_v = p->d_v},
                    see_all());
}

void gated_attention(struct step *s, float *y, const float *n, const struct gated_attention_weights *w,
                     const int32_t *chosen)
{
    const struct params *p = &s->m->p;
    struct op *op = &s->m->op;
    int n_q = p->n_head * p->d_k, n_k = p->n_head_kv * p->d_k;
    size_t mark = step_mark(s), d = (size_t)p->d_k;
    float *both = step_rows(s, 2 * n_q), *q = step_rows(s, n_q), *g = step_rows(s, n_q);
    float *k = step_rows(s, n_k), *v = step_rows(s, n_k), *o = step_rows(s, n_q);

    struct act a = step_act(s, n, p->n_embd);
    if (!s->keeps)
        matmul(s, both, &a, w->wq);
    matmul(s, k, &a, w->wk);
    matmul(s, v, &a, w->wv);
    op_rms_norm(op, k, k, w->k_norm->vector, s->n_rows * p->n_head_kv, p->d_k, p->norm_eps);
    rotate_heads(s, k, p->n_head_kv, p->d_k, 0);
    if (s->keeps) {
        keep_keys(s, w->kv, p->n_head, k, v, p->d_v);
        step_reset(s, mark);
        return;
    }
    op_copy(op, q, d, both, 2 * d, s->n_rows * p->n_head, p->d_k);
    op_copy(op, g, d, both + d, 2 * d, s->n_rows * p->n_head, p->d_k);
    op_rms_norm(op, q, q, w->q_norm->vector, s->n_rows * p->n_head, p->d_k, p->norm_eps);
    rotate_heads(s, q, p->n_head, p->d_k, 0);
    attend_chosen(s, w->kv, p->n_head, o, q, k, v, p->d_v, 1.0f / sqrtf((float)p->d_k), chosen);
    op_sigmoid_mul(op, o, g, s->n_rows, n_q);
    struct act b = step_act(s, o, n_q);
    matmul(s, y, &b, w->wo);
    step_reset(s, mark);
}
