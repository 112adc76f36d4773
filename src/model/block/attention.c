/* Grouped-query attention with rotary positions, as llama, qwen and olmoe have it: see attention.h.
 * Sources: Ainslie et al., arXiv 2305.13245 (grouped queries); Su et al., arXiv 2104.09864 (rotary positions); Qiu et al., arXiv
 * 2505.06708 (output gates). */
#include "model/block/attention.h"

#include "op/matmul.h"

#include <math.h>

/* A norm as wide as a head treats each head by itself, one as wide as the projection all heads together. */
static void norm_projection(struct step *s, float *x, int n_cols, const struct weight *w)
{
    if (w)
        op_rms_norm(&s->m->op, x, x, w->vector, s->n_rows * (n_cols / w->mat.n_cols), w->mat.n_cols, s->m->p.norm_eps);
}

static void norm_around_means(struct step *s, float *x, int n_head, int d, const struct weight *w)
{
    size_t mark = step_mark(s);
    float *no_bias = op_alloc(&s->m->op, (size_t)d * sizeof *no_bias);
    op_fill(&s->m->op, no_bias, 0, 1, d);
    op_group_layer_norm(&s->m->op, x, x, w->vector, no_bias, s->n_rows, n_head, d, s->m->p.norm_eps);
    step_reset(s, mark);
}

/* n_head heads, normed and rotated in the order of the model. */
static void norm_and_rotate(struct step *s, float *x, int n_head, const struct attention_weights *w,
                            const struct weight *norm)
{
    int d = s->m->p.d_k;
    if (w->order == QK_NORM_ROPE)
        norm_projection(s, x, n_head * d, norm);
    if (w->order == QK_CENTRED_ROPE)
        norm_around_means(s, x, n_head, d, norm);
    if (w->order == QK_BIASED_NORM)
        layer_norm_biased(s, x, x, norm, norm == w->q_norm ? w->q_norm_bias : w->k_norm_bias);
    rotate_heads(s, x, n_head, d, w->rope);
    if (w->order == QK_ROPE_NORM)
        norm_projection(s, x, n_head * d, norm);
    if (w->order == QK_ROPE_RMS)
        op_rms_norm(&s->m->op, x, x, NULL, s->n_rows * n_head, d, s->m->p.norm_eps);
}

void gate_output(struct step *s, float *o, float *gate, int n_head, int d_v, int n_gate)
{
    if (n_gate == n_head) {
        op_sigmoid(&s->m->op, gate, s->n_rows, n_gate);
        op_scale_rows(&s->m->op, o, gate, s->n_rows * n_head, d_v);
    } else
        op_sigmoid_mul(&s->m->op, o, gate, s->n_rows, n_gate);
}

static struct attention describe(const struct step *s, struct kv_ref ref, int n_head, int d_v, float scale)
{
    const struct kv_pool *kv = &s->m->kv[ref.kind];
    return (struct attention){.shape = kv->shape,
                              .d_v = d_v,
                              .layer_offset = (size_t)ref.index * kv->layer_bytes,
                              .n_head = n_head,
                              .scale = scale,
                              .cap = s->m->p.attn_cap,
                              .slopes = s->slopes,
                              .row = s->attn_row[ref.kind],
                              .n_rows = s->n_rows};
}

void keep_keys(struct step *s, struct kv_ref ref, int n_head, const float *k, const float *v, int d_v)
{
    struct attention at = describe(s, ref, n_head, d_v, 0);
    op_kv_store(&s->m->op, &at, k, v);
}

void attend_beside(struct step *s, struct kv_ref ref, int n_head, float *out, const float *q, const float *k,
                   const float *v, int d_v, float scale, const struct weight *sinks, const struct attn_beside *beside)
{
    struct attention at = describe(s, ref, n_head, d_v, scale);
    at.sinks = sinks ? sinks->vector : NULL;
    at.beside = beside;
    if (k)
        op_kv_store(&s->m->op, &at, k, v);
    op_attend(&s->m->op, &at, out, q);
}

void attend_chosen(struct step *s, struct kv_ref ref, int n_head, float *out, const float *q, const float *k,
                   const float *v, int d_v, float scale, const int32_t *chosen)
{
    struct attention at = describe(s, ref, n_head, d_v, scale);
    at.chosen = chosen;
    at.most = s->m->p.index.top_k;
    at.chosen_ratio = s->m->p.index.block ? s->m->p.index.block : s->m->p.index.ratio;
    at.lists = s->m->p.index.block ? at.shape.n_head_kv : 0;
    op_kv_store(&s->m->op, &at, k, v);
    op_attend(&s->m->op, &at, out, q);
}

void attend(struct step *s, struct kv_ref ref, int n_head, float *out, const float *q, const float *k, const float *v,
            int d_v, float scale, const struct weight *sinks)
{
    attend_beside(s, ref, n_head, out, q, k, v, d_v, scale, sinks, NULL);
}

void attention_of(struct step *s, float *y, struct act *a, const struct attention_weights *w)
{
    attention_chosen_of(s, y, a, w, NULL);
}

/* Behind their product. */
static void finish_queries(struct step *s, float *q, const struct attention_weights *w)
{
    int n_q = w->n_head * s->m->p.d_k;
    add_bias(s, q, w->bq);
    if (w->b_qkv)
        add_bias_part(s, q, w->b_qkv, 0, n_q);
    norm_and_rotate(s, q, w->n_head, w, w->q_norm);
    if (w->temperature)
        apply_temperature(s, q, n_q);
}

void attention_chosen_of(struct step *s, float *y, struct act *a, const struct attention_weights *w,
                         const int32_t *chosen)
{
    const struct params *p = &s->m->p;
    int n_head_kv = s->m->kv[w->kv.kind].shape.n_head_kv;
    int n_q = w->n_head * p->d_k, n_k = n_head_kv * p->d_k, n_v = n_head_kv * p->d_v, n_o = w->n_head * p->d_v;
    const struct weight *const inputs[] = {w->wq, w->wk, w->wv, w->gate};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        if (inputs[i])
            op_view(a, inputs[i]->mat.type); /* copies of a live as long as a: made before the mark */
    size_t mark = step_mark(s);
    float *q = s->keeps ? NULL : step_rows(s, n_q), *k = step_rows(s, n_k), *v = step_rows(s, n_v);
    if (!s->keeps)
        matmul_rows(s, q, a, w->wq, 0, n_q);
    matmul_rows(s, k, a, w->wk, w->k_first, n_k);
    matmul_rows(s, v, a, w->wv, w->v_first, n_v);
    if (!s->keeps)
        finish_queries(s, q, w);
    add_bias(s, k, w->bk);
    add_bias(s, v, w->bv);
    if (w->b_qkv) {
        add_bias_part(s, k, w->b_qkv, w->k_first, n_k);
        add_bias_part(s, v, w->b_qkv, w->v_first, n_v);
    }
    norm_and_rotate(s, k, n_head_kv, w, w->k_norm);
    if (s->keeps) {
        keep_keys(s, w->kv, w->n_head, k, v, p->d_v);
        step_reset(s, mark);
        return;
    }

    float *o = step_rows(s, n_o), *gate = NULL;
    if (w->gate) {
        gate = step_rows(s, w->gate->mat.n_rows);
        matmul(s, gate, a, w->gate);
    }
    float scale = p->attn_scale > 0 ? p->attn_scale : 1.0f / sqrtf((float)p->d_k);
    if (chosen)
        attend_chosen(s, w->kv, w->n_head, o, q, k, v, p->d_v, scale, chosen);
    else
        attend(s, w->kv, w->n_head, o, q, k, v, p->d_v, scale, w->sinks);
    if (gate)
        gate_output(s, o, gate, w->n_head, p->d_v, w->gate->mat.n_rows);

    struct act b = step_act(s, o, n_o);
    matmul(s, y, &b, w->wo);
    if (p->value_scale > 0)
        op_scale(&s->m->op, y, p->value_scale, s->n_rows, p->n_embd);
    add_bias(s, y, w->bo);
    if (w->post_norm)
        rms_norm(s, y, y, w->post_norm);
    step_reset(s, mark);
}

void block_attention(struct step *s, float *x, const struct attention_weights *w)
{
    int n_embd = s->m->p.n_embd;
    size_t mark = step_mark(s);
    float *n = step_rows(s, n_embd);
    if (w->norm)
        rms_norm(s, n, x, w->norm);
    struct act a = step_act(s, w->norm ? n : x, n_embd);
    attention_of(s, n, &a, w);
    block_out(s, VECTOR_ATTN, x, n);
    step_reset(s, mark);
}

static void bind_projections(struct binder *b, int l, struct attention_weights *w, int n_head, int n_head_kv,
                             struct kv_window window)
{
    const struct params *p = &b->m->p;
    int n_q = n_head * p->d_k, n_k = n_head_kv * p->d_k, n_v = n_head_kv * p->d_v;
    w->n_head = n_head;
    w->kv = bind_kv(b, n_head, (struct kv_shape){.n_head_kv = n_head_kv, .d_k = p->d_k, .d_v = p->d_v}, window);
    w->wq = w->wk = w->wv = bind_matrix_if(b, l, "attn_qkv.weight", n_q + n_k + n_v, p->n_embd);
    if (w->wq) {
        w->k_first = n_q;
        w->v_first = n_q + n_k;
    } else {
        w->wq = bind_matrix(b, l, "attn_q.weight", n_q, p->n_embd);
        w->wk = bind_matrix(b, l, "attn_k.weight", n_k, p->n_embd);
        w->wv = bind_matrix(b, l, "attn_v.weight", n_v, p->n_embd);
    }
    w->wo = bind_matrix(b, l, "attn_output.weight", p->n_embd, n_head * p->d_v);
}

void bind_attention_heads(struct binder *b, int l, struct attention_weights *w, int n_head, int n_head_kv,
                          struct kv_window window)
{
    w->norm = bind_vector(b, l, "attn_norm.weight", b->m->p.n_embd);
    bind_projections(b, l, w, n_head, n_head_kv, window);
}

void bind_attention(struct binder *b, int l, struct attention_weights *w, struct kv_window window)
{
    bind_attention_heads(b, l, w, b->m->p.n_head, b->m->p.n_head_kv, window);
}

void bind_attention_bare(struct binder *b, int l, struct attention_weights *w, struct kv_window window)
{
    bind_projections(b, l, w, b->m->p.n_head, b->m->p.n_head_kv, window);
}

void bind_attention_post_norm(struct binder *b, int l, struct attention_weights *w, struct kv_window window)
{
    bind_attention_bare(b, l, w, window);
    w->post_norm = bind_vector(b, l, "post_attention_norm.weight", b->m->p.n_embd);
}

static int key_heads(const struct binder *b, const struct attention_weights *w)
{
    return b->m->kv_layout[w->kv.kind].shape.n_head_kv;
}

void bind_qkv_bias(struct binder *b, int l, struct attention_weights *w)
{
    const struct params *p = &b->m->p;
    w->bq = bind_vector(b, l, "attn_q.bias", w->n_head * p->d_k);
    w->bk = bind_vector(b, l, "attn_k.bias", key_heads(b, w) * p->d_k);
    w->bv = bind_vector(b, l, "attn_v.bias", key_heads(b, w) * p->d_v);
}

void bind_attention_biases_if(struct binder *b, int l, struct attention_weights *w)
{
    const struct params *p = &b->m->p;
    w->bq = bind_vector_if(b, l, "attn_q.bias", w->n_head * p->d_k);
    w->bk = bind_vector_if(b, l, "attn_k.bias", key_heads(b, w) * p->d_k);
    w->bv = bind_vector_if(b, l, "attn_v.bias", key_heads(b, w) * p->d_v);
    w->bo = bind_vector_if(b, l, "attn_output.bias", p->n_embd);
}

void bind_output_gate(struct binder *b, int l, struct attention_weights *w, int n)
{
    w->gate = bind_matrix(b, l, "attn_gate.weight", n, b->m->p.n_embd);
}

void bind_qk_norm(struct binder *b, int l, struct attention_weights *w, int n_q, int n_k)
{
    w->q_norm = bind_vector(b, l, "attn_q_norm.weight", n_q);
    w->k_norm = bind_vector(b, l, "attn_k_norm.weight", n_k);
}

void bind_centred_qk_norm_if(struct binder *b, int l, struct attention_weights *w)
{
    int d = b->m->p.d_k;
    w->q_norm = bind_table_if(b, l, "attn_q_norm.weight", w->n_head, d);
    if (!w->q_norm)
        return;
    w->order = QK_CENTRED_ROPE;
    w->k_norm = bind_table(b, l, "attn_k_norm.weight", key_heads(b, w), d);
}
