/* DeepSeek V2 and V3: attention over a latent instead of keys and values, experts in groups, shared experts.
 *
 *     c = rms_norm(Wkv_a n)[latent],  k_pe = rope(Wkv_a n)[rest]      kept: one row [c | k_pe] a position, for all heads
 *     q_h = Wq n, or Wq_b rms_norm(Wq_a n)                            of each head: [q_nope | q_pe]
 *     o_h = Wv_b,h attend([Wk_b,h^T q_nope | rope(q_pe)], [c | k_pe], c)            always in this absorbed form
 *     h = x + Wo [o_h];   y = h + ffn(m), or experts(m) + shared(m)      n = rms_norm(x), m = rms_norm(h)
 *
 * Files hold Wk_b^T and Wv_b by head, or both halves in one kv_b: then the key half is decoded and turned at load. The first
 * layers are dense. Router: softmax, or sigmoid with a bias for the choice and the best groups open. rope in adjacent pairs;
 * with YaRN the magnitude goes into the scale of scores.
 * Sources: arXiv 2405.04434, 2412.19437. Goldens: deepseek2-lite, -v3, -unabsorbed, -lite-long. */
#include "model/step.h"

#include "base/error.h"
#include "base/f64.h"
#include "format/gguf.h"
#include "op/heads.h"

#include <math.h>
#include <string.h>

struct layer {
    const struct weight *attn_norm, *wq, *wq_a, *q_a_norm, *wq_b, *wkv_a, *kv_a_norm, *wk_b, *wv_b, *wo;
    int v_first, v_rows; /* a head's rows of wv_b begin here; rows from head to head */
    struct kv_place kv;
    const struct weight *ffn_norm; /* of a dense layer */
    struct ffn_weights ffn;
    struct moe_weights moe; /* of one with experts */
    const struct weight *select_bias;
    struct shared_expert shared;
};

/* ---- parameters -------------------------------------------------------------------------------------------------------------- */

static int read_latent(struct params *p, const struct gguf *g, struct error *err)
{
    struct latent_params *m = &p->latent;
    int d_head;
    m->d_rope = p->rope.n_rot;
    if (params_int(g, "attention.q_lora_rank", 0, 1 << 16, 0, &m->q_rank, err) ||
        params_int(g, "attention.kv_lora_rank", 1, 1 << 16, -1, &m->kv_rank, err) ||
        params_int(g, "attention.key_length_mla", m->d_rope + 1, 4096, p->d_k > m->d_rope ? p->d_k : -1, &d_head,
                   err) ||
        params_int(g, "attention.value_length_mla", 1, 4096, p->d_v, &m->d_v, err))
        return -1;
    m->d_nope = d_head - m->d_rope;
    double log_multiplier = 0, mscale = 1;
    if (params_real(g, "rope.scaling.yarn_log_multiplier", 0, 100, 0, &log_multiplier, err))
        return -1;
    if (p->rope.scaling == ROPE_YARN) {
        double log_factor = f64_ln(p->rope.factor);
        mscale = 1 + log_multiplier * log_factor;
        p->rope.attn_factor = 1 / (1 + 0.1 * log_factor);
    }
    m->scale = (float)(mscale * mscale / sqrt((double)d_head));
    return 0;
}

static int read_router(struct params *p, const struct gguf *g, struct error *err)
{
    int gating, n_shared, normalise = 0;
    double scale;
    if (params_read_experts(p, g, err) ||
        params_int(g, "leading_dense_block_count", 0, p->n_layer, 0, &p->n_dense_lead, err) ||
        params_int(g, "expert_shared_count", 0, 64, 0, &n_shared, err) ||
        params_int(g, "expert_gating_func", 1, 2, 1, &gating, err) ||
        params_int(g, "expert_group_count", 0, p->n_expert < 256 ? p->n_expert : 256, 1, &p->n_group, err) ||
        params_int(g, "expert_group_used_count", 0, p->n_group, p->n_group, &p->n_group_used, err) ||
        params_real(g, "expert_weights_scale", 0, 1e6, 1, &scale, err) ||
        params_bool(g, "expert_weights_norm", &normalise, err))
        return -1;
    p->n_ff_shared = n_shared * p->n_ff_expert;
    p->router_sigmoid = gating == 2;
    p->router_normalise = normalise;
    p->router_scale = (float)scale;
    if (p->n_group > 1 && (p->n_expert % p->n_group || p->n_group_used < 1 ||
                           p->n_expert / p->n_group * p->n_group_used < p->n_expert_used))
        return error_set(err, ERR_FORMAT,
                         "%s: %d experts in %d groups, %d of them open, cannot give %d (expert_group_count, "
                         "expert_group_used_count)",
                         g->file->path, p->n_expert, p->n_group, p->n_group_used, p->n_expert_used);
    return 0;
}

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_ADJACENT, err) || read_latent(p, g, err) || read_router(p, g, err) ? -1 : 0;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------------------- */

static void bind_latent(struct binder *b, int l, struct layer *w)
{
    const struct params *p = &b->m->p;
    const struct latent_params *m = &p->latent;
    int n_head = p->n_head, n_q = n_head * (m->d_nope + m->d_rope);
    w->attn_norm = bind_vector(b, l, "attn_norm.weight", p->n_embd);
    if (m->q_rank) {
        w->wq_a = bind_matrix(b, l, "attn_q_a.weight", m->q_rank, p->n_embd);
        w->q_a_norm = bind_vector(b, l, "attn_q_a_norm.weight", m->q_rank);
        w->wq_b = bind_matrix(b, l, "attn_q_b.weight", n_q, m->q_rank);
    } else
        w->wq = bind_matrix(b, l, "attn_q.weight", n_q, p->n_embd);
    w->wkv_a = bind_matrix(b, l, "attn_kv_a_mqa.weight", m->kv_rank + m->d_rope, p->n_embd);
    w->kv_a_norm = bind_vector(b, l, "attn_kv_a_norm.weight", m->kv_rank);
    w->v_rows = m->d_v;
    w->wk_b = bind_heads_if(b, l, "attn_k_b.weight", n_head, m->kv_rank, m->d_nope);
    if (w->wk_b)
        w->wv_b = bind_heads(b, l, "attn_v_b.weight", n_head, m->d_v, m->kv_rank);
    else {
        w->v_first = m->d_nope;
        w->v_rows = m->d_nope + m->d_v;
        w->wv_b = bind_matrix(b, l, "attn_kv_b.weight", n_head * w->v_rows, m->kv_rank);
        w->wk_b = bind_keys_of(b, w->wv_b, n_head, m->d_nope);
    }
    w->wo = bind_matrix(b, l, "attn_output.weight", p->n_embd, n_head * m->d_v);
    w->kv = bind_kv(b, KV_FULL, 1, m->kv_rank + m->d_rope, 0, 0);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    bind_latent(b, l, w);
    if (l < p->n_dense_lead) {
        w->ffn_norm = bind_vector(b, l, "ffn_norm.weight", p->n_embd);
        bind_ffn(b, l, &w->ffn, "", p->n_ff);
        return b->failed;
    }
    bind_moe(b, l, &w->moe, "ffn_norm.weight");
    w->select_bias = bind_vector_if(b, l, "exp_probs_b.bias", p->n_expert);
    if (p->n_ff_shared)
        bind_ffn(b, l, &w->shared.ffn, "_shexp", p->n_ff_shared);
    return b->failed;
}

static void memory(const struct model *m, int n_rows, struct arch_memory *out)
{
    const struct params *p = &m->p;
    const struct latent_params *a = &p->latent;
    size_t head = (size_t)p->n_head, n_q = head * (size_t)(a->d_nope + a->d_rope),
           row = (size_t)(a->kv_rank + a->d_rope);
    size_t attention = ((size_t)p->n_embd + (size_t)a->q_rank * 2 + n_q + 2 * row + head * row +
                        head * (size_t)(a->kv_rank + a->d_v)) *
                       sizeof(float);
    attention += act_row_bytes(p->n_embd) + act_row_bytes(a->q_rank) + act_row_bytes(p->n_head * a->d_v);
    attention += op_matmul_heads_row_bytes(p->n_head, a->kv_rank > a->d_nope ? a->kv_rank : a->d_nope);
    decoder_memory(m, p->n_dense_lead ? ffn_row_bytes(p, p->n_ff) : 0, moe_fixed_bytes(m, n_rows), out);
    size_t moe = moe_row_bytes(p);
    out->row = out->row > attention ? out->row : attention;
    out->row = out->row > moe ? out->row : moe;
}

/* ---- a layer ----------------------------------------------------------------------------------------------------------------- */

static float *queries(struct step *s, struct act *n, const struct layer *w)
{
    const struct latent_params *m = &s->m->p.latent;
    float *q = step_rows(s, s->m->p.n_head * (m->d_nope + m->d_rope));
    if (!w->wq_a) {
        matmul(s, q, n, w->wq);
        return q;
    }
    float *c = step_rows(s, m->q_rank);
    matmul(s, c, n, w->wq_a);
    rms_norm(s, c, c, w->q_a_norm);
    struct act a = act(s, c, m->q_rank);
    matmul(s, q, &a, w->wq_b);
    return q;
}

/* Rows [latent | k_pe], the latent normed, k_pe turned. */
static float *keys(struct step *s, struct act *n, const struct layer *w)
{
    const struct latent_params *m = &s->m->p.latent;
    size_t ld = (size_t)(m->kv_rank + m->d_rope);
    float *k = step_rows(s, (int)ld);
    matmul(s, k, n, w->wkv_a);
    for (int r = 0; r < s->n_rows; r++) {
        float *c = k + (size_t)r * ld;
        s->m->op.k->rms_norm(c, c, w->kv_a_norm->vector, m->kv_rank, s->m->p.norm_eps);
    }
    rotate_heads(s, k + m->kv_rank, 1, (int)ld);
    return k;
}

/* Each head's query against latents: [k_b^T q_nope | rope(q_pe)]. */
static float *absorb(struct step *s, float *q, const struct layer *w)
{
    const struct latent_params *m = &s->m->p.latent;
    int n_head = s->m->p.n_head, d = m->d_nope + m->d_rope, row = m->kv_rank + m->d_rope;
    size_t heads = (size_t)s->n_rows * (size_t)n_head;
    float *a = step_rows(s, n_head * row);
    rotate_heads(s, q + m->d_nope, n_head, d);
    op_matmul_heads(&s->m->op, a, (size_t)(n_head * row), (size_t)row, q, (size_t)(n_head * d), (size_t)d, s->n_rows,
                    &w->wk_b->mat, n_head, m->kv_rank, m->kv_rank);
    for (size_t h = 0; h < heads; h++)
        memcpy(a + h * (size_t)row + m->kv_rank, q + h * (size_t)d + m->d_nope, (size_t)m->d_rope * sizeof(float));
    return a;
}

static void attention(struct step *s, float *x, const struct layer *w)
{
    const struct params *p = &s->m->p;
    const struct latent_params *m = &p->latent;
    size_t mark = step_mark(s);
    float *n = step_rows(s, p->n_embd), *c = step_rows(s, p->n_head * m->kv_rank),
          *o = step_rows(s, p->n_head * m->d_v);
    rms_norm(s, n, x, w->attn_norm);
    struct act a = act(s, n, p->n_embd);
    float *q = absorb(s, queries(s, &a, w), w), *k = keys(s, &a, w);
    attend(s, w->kv, c, q, k, NULL, m->kv_rank, m->scale, NULL);

    struct wmat v = w->wv_b->mat;
    v.data += (size_t)w->v_first * v.row_bytes;
    op_matmul_heads(&s->m->op, o, (size_t)(p->n_head * m->d_v), (size_t)m->d_v, c, (size_t)(p->n_head * m->kv_rank),
                    (size_t)m->kv_rank, s->n_rows, &v, p->n_head, m->d_v, w->v_rows);
    struct act b = act(s, o, p->n_head * m->d_v);
    matmul(s, n, &b, w->wo);
    add(s, x, n, p->n_embd);
    step_reset(s, mark);
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    const struct params *p = &s->m->p;
    attention(s, x, w);
    if (l < p->n_dense_lead)
        block_dense(s, x, w->ffn_norm, &w->ffn);
    else
        block_sparse(s, l, x, &w->moe,
                     &(struct route_rule){.gate = p->router_sigmoid ? ROUTE_SIGMOID : ROUTE_SOFTMAX,
                                          .normalise = p->router_normalise,
                                          .scale = p->router_scale,
                                          .select_bias = w->select_bias ? w->select_bias->vector : NULL,
                                          .n_group = p->n_group,
                                          .n_group_used = p->n_group_used},
                     p->n_ff_shared ? &w->shared : NULL);
    layer_out(s, l, x);
}

const struct arch arch_deepseek2 = {.name = "deepseek2",
                                    .read_params = read_params,
                                    .layer_bytes = sizeof(struct layer),
                                    .bind = bind,
                                    .memory = memory,
                                    .layer = layer};
