/* MiniMax M3: attention whose key heads each choose blocks of positions for their queries, and experts behind leading dense layers.
 *
 *     h = x + Wo attend(rope(norm(Wq n)), rope(norm(Wk n)), Wv n, at chosen blocks)        n = rms_norm(x), norms by head
 *     y = h + ffn(m), or experts(m) + shared(m)        m = rms_norm(h)
 *
 * The choice, in layers with experts: k = rope(norm(Wik n)) of a position, q_h = rope(norm(Wiq n)) of each key head; a block is worth the
 * largest q_h k of its visible positions (op/indexer.h), the last local_blocks, the row's own included, go before all others, and top_k
 * are attended to. Files without the keys of an indexer attend to everything. Part of each head is rotated, in halves. Router: sigmoid, a
 * bias for the choice. All feed-forwards have gpt-oss's activation.
 * Source: MiniMaxAI/MiniMax-M3, its code in transformers (minimax_m3_vl). Goldens: minimax-m3, minimax-m3-long, minimax-m3-dense. */
#include "model/block/attention.h"
#include "model/block/dense_or_moe.h"
#include "model/block/indexer.h"

#include "base/error.h"
#include "format/gguf.h"

struct layer {
    struct attention_weights attention;
    struct indexer_weights queries; /* q NULL: the layer attends to everything */
    struct index_keys_weights keys;
    struct dense_or_moe_weights ffn;
};

static int read_index(struct params *p, const struct gguf *g, struct error *err)
{
    static const char *const keys[] = {"attention.indexer.head_count", "attention.indexer.key_length",
                                       "attention.indexer.top_k", "attention.indexer.block_size",
                                       "attention.indexer.local_blocks"};
    struct index_params *x = &p->index;
    int n_key = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        n_key += params_has(g, keys[i]);
    if (n_key == 0)
        return 0;
    if (params_read_indexer(p, g, err) ||
        params_int(g, "attention.indexer.block_size", 1, KV_PAGE, -1, &x->block, err) ||
        params_int(g, "attention.indexer.local_blocks", 0, x->top_k, -1, &x->n_local, err))
        return -1;
    if (KV_PAGE % x->block)
        return error_set(err, ERR_UNSUPPORTED, "%s: attention.indexer.block_size is %d; stoker takes divisors of %d",
                         g->file->path, x->block, KV_PAGE);
    if (x->n_head != p->n_head_kv)
        return error_set(
            err, ERR_FORMAT,
            "%s: attention.indexer.head_count is %d; each of the %d key heads (attention.head_count_kv) has one",
            g->file->path, x->n_head, p->n_head_kv);
    return 0;
}

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    p->ffn_act = FFN_SWIGLU_OAI;
    if (params_read(p, g, ROPE_HALF, err) || params_read_dense_or_moe(p, g, ROUTER_SIGMOID, err) ||
        params_read_shared_width(p, g, err) || read_index(p, g, err))
        return -1;
    if (!params_has(g, "expert_weights_norm"))
        p->router_normalise = 1;
    return 0;
}

/* Some converters keep the tensors of the index without its keys, for engines that attend to everything. */
static void leave_index_alone(struct binder *b, int l)
{
    static const char *const names[] = {"indexer.q_proj.weight",    "indexer.k_proj.weight",   "indexer.q_norm.weight",
                                        "indexer.k_norm.weight",    "attn_index_q.weight",     "attn_index_k.weight",
                                        "attn_index_q_norm.weight", "attn_index_k_norm.weight"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        bind_unused(b, l, names[i]);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    bind_attention(b, l, &w->attention, see_all());
    bind_qk_norm(b, l, &w->attention, p->d_k, p->d_k);
    if (bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight")) {
        bind_vector(b, l, "exp_probs_b.bias", p->n_expert); /* which they must have */
        if (p->index.block)
            bind_indexer_normed(b, l, &w->queries, &w->keys);
        else
            leave_index_alone(b, l);
    }
    return b->failed;
}

/* In scratch that the caller resets; NULL: everything. */
static const int32_t *choose(struct step *s, struct act *n, const struct layer *w)
{
    if (!w->queries.q)
        return NULL;
    int32_t *chosen = chosen_rows(s);
    index_keys(s, n, &w->keys, ROPE);
    block_indexer(s, chosen, n, n, &w->queries, w->keys.rows, ROPE);
    return chosen;
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    int n_embd = s->m->p.n_embd;
    size_t mark = step_mark(s);
    float *n = step_rows(s, n_embd), *y = step_rows(s, n_embd);
    rms_norm(s, n, x, w->attention.norm);
    struct act a = step_act(s, n, n_embd);
    attention_chosen_of(s, y, &a, &w->attention, choose(s, &a, w));
    block_out(s, VECTOR_ATTN, x, y);
    step_reset(s, mark);
    block_dense_or_moe(s, l, x, &w->ffn);
    layer_out(s, l, x);
}

const struct arch arch_minimax_m3 = {.name = "minimax-m3",
                                     .read_params = read_params,
                                     .layer_bytes = sizeof(struct layer),
                                     .bind = bind,
                                     .layer = layer};
