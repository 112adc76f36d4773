/* Qwen3-Next and Qwen3.5: three layers of a recurrence, then one of attention with an output gate.
 *
 *     h = x + delta_net(n), or every interval-th layer x + gated_attention(n)         n = rms_norm(x), m = rms_norm(h)
 *     y = h + ffn(m), or experts(m) + sigmoid(gs m) shared(m)
 *
 * Value heads share key heads: neighbours in qwen3next, every n-th in qwen35 and qwen35moe. The gate of the recurrence is a silu. rope in
 * halves of the first n_rot values (the sections of multi-modal rope coincide on text). The layer that predicts further tokens attends,
 * whatever its number (arch/nextn.c).
 * Sources: Yang et al., arXiv 2412.06464; Qwen3-Next and Qwen3.5 model cards. Goldens: qwen3next, qwen35, qwen35moe, nvfp4. */
#include "model/block/delta_net.h"
#include "model/block/gated_attention.h"
#include "model/block/moe.h"

extern const struct arch arch_qwen3next;

struct layer {
    const struct weight *norm;
    struct delta_net_weights delta; /* or attention */
    struct gated_attention_weights attention;
    const struct weight *ffn_norm;
    struct ffn_weights ffn;
    struct moe_weights moe;
    struct shared_expert shared;
};

static int attends(const struct params *p, int l) { return (l + 1) % p->delta.interval == 0 || l >= p->n_layer; }

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_HALF, err) || params_read_delta(p, g, err) ||
        params_int(g, "full_attention_interval", 1, 1 << 12, 4, &p->delta.interval, err) ||
        params_int(g, "expert_count", 0, 1 << 14, 0, &p->n_expert, err) || params_check_gated_attention(p, g, err))
        return -1;
    if (!p->n_expert)
        return 0;
    if (params_read_experts(p, g, err))
        return -1;
    return params_int(g, "expert_shared_feed_forward_length", 1, 1 << 20, -1, &p->n_ff_shared, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    w->norm = bind_vector(b, l, "attn_norm.weight", p->n_embd);
    if (attends(p, l))
        bind_gated_attention(b, l, &w->attention);
    else
        bind_delta_net(b, l, &w->delta);
    w->delta.neighbours = b->m->arch == &arch_qwen3next;
    if (!p->n_expert) {
        w->ffn_norm = bind_vector(b, l, "post_attention_norm.weight", p->n_embd);
        bind_ffn(b, l, &w->ffn, "", p->n_ff);
        return b->failed;
    }
    bind_moe(b, l, &w->moe, "post_attention_norm.weight");
    w->shared.gate = bind_vector(b, l, "ffn_gate_inp_shexp.weight", p->n_embd);
    bind_ffn(b, l, &w->shared.ffn, "_shexp", p->n_ff_shared);
    return b->failed;
}

static const struct route_rule route = {.gate = ROUTE_SOFTMAX, .normalise = 1};

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    int n_embd = s->m->p.n_embd;
    size_t mark = step_mark(s);
    float *n = step_rows(s, n_embd);
    rms_norm(s, n, x, w->norm);
    if (attends(&s->m->p, l))
        gated_attention(s, n, n, &w->attention, NULL);
    else
        delta_net(s, n, n, &w->delta);
    block_out(s, VECTOR_ATTN, x, n);
    step_reset(s, mark);

    if (!s->keeps && s->m->p.n_expert)
        block_sparse(s, l, x, &w->moe, &route, &w->shared);
    else if (!s->keeps)
        block_dense(s, x, w->ffn_norm, &w->ffn);
    layer_out(s, l, x);
}

#define ROW(id, text)                                                                                                  \
    const struct arch id = {.name = text,                                                                              \
                            .read_params = read_params,                                                                \
                            .nextn = NEXTN_BEHIND_NORM,                                                                \
                            .layer_bytes = sizeof(struct layer),                                                       \
                            .bind = bind,                                                                              \
                            .layer = layer}
ROW(arch_qwen3next, "qwen3next");
ROW(arch_qwen35, "qwen35");
ROW(arch_qwen35moe, "qwen35moe");
