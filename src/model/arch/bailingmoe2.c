/* Ling 2 (bailingmoe2): attention with q, k and v in one matrix, and experts in groups.
 *
 *     [q | k | v] = Wqkv n;  h = x + Wo attend(rope(norm(q)), rope(norm(k)), v)        n = rms_norm(x)
 *     y = h + ffn(m), or experts(m) + shared(m)        m = rms_norm(h)
 *
 * The first layers are dense. Router by key, a bias for the choice, from the experts of the best groups. A part of each head is rotated.
 * Layers that predict further tokens come last in the file and are not run (params_read()).
 * Source: Ling 2.0, arXiv 2510.22115, section 2. Golden: bailingmoe2. */
#include "model/block/decoder.h"

/* expert_shared_feed_forward_length is the width of one shared expert, in other architectures that of all (architectures.md 2). */
static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    int n_shared, width;
    if (params_read(p, g, ROPE_HALF, err) || params_read_dense_or_moe(p, g, ROUTER_BY_KEY, err) ||
        params_int(g, "expert_shared_count", 0, 64, 1, &n_shared, err) ||
        params_int(g, "expert_shared_feed_forward_length", 0, PARAMS_MAX_WIDTH, 0, &width, err))
        return -1;
    if (width)
        p->n_ff_shared = n_shared * width;
    return 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    bind_attention(b, l, &w->attention, see_all());
    bind_qk_norm(b, l, &w->attention, b->m->p.d_k, b->m->p.d_k);
    bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

const struct arch arch_bailingmoe2 = {DECODER_LAYERS, .name = "bailingmoe2", .read_params = read_params, .bind = bind};
