/* An index over blocks of positions: see pooled_index.h.
 *
 *     k_b = rope(norm(mean of Wk n over block b), the block's first position)          q_h = rope(norm((Wq n)_h))
 *     score_b = sum over heads h of max(0, q_h k_b)
 *
 * A row sees the top_k best of the blocks that are complete, its own too if it ends there, and the open block. Source:
 * docs/spec/architectures.md, part 3.
 *
 * Or keys by gates, one for each channel, of rows that are normed around their mean; the queries come from the compressed query
 * (block/indexer.c):
 *
 *     k_b = sum over t in block b of softmax(Wg n_t + ape[t mod ratio]) layer_norm(Wk n_t)
 *
 * Source: docs/spec/architectures.md, part 4. */
#include "model/block/pooled_index.h"

#include "base/error.h"
#include "format/gguf.h"
#include "op/compress.h"

static const char ratios_key[] = "attention.compress_ratios";

int params_read_pooled_index(struct params *p, const struct gguf *g, struct error *err)
{
    struct index_params *x = &p->index;
    if (params_read_indexer(p, g, err) || params_int_most(g, ratios_key, p->n_layer, 0, 128, 0, &x->ratio, err))
        return -1;
    if (x->ratio == 0) {
        *x = (struct index_params){.d = x->d, .n_head = x->n_head};
        return 0;
    }
    if (KV_PAGE % x->ratio || x->top_k % x->ratio)
        return error_set(err, ERR_FORMAT, "%s: %s is %d; it must divide %d and attention.indexer.top_k, which is %d",
                         g->file->path, ratios_key, x->ratio, KV_PAGE, x->top_k);
    x->top_k /= x->ratio;
    return 0;
}

static int ratio_of(struct binder *b, int l)
{
    const int most = b->m->p.index.ratio;
    int ratio = 0;
    if (most && params_int_of(b->m->file, ratios_key, l, 0, most, 0, &ratio, b->err))
        b->failed = -1;
    else if (ratio && ratio != most)
        b->failed = error_set(b->err, ERR_UNSUPPORTED, "%s: %s is %d for layer %d and %d for another; stoker takes one",
                              b->m->file->file->path, ratios_key, ratio, l, most);
    return b->failed ? 0 : ratio;
}

void bind_pooled_index(struct binder *b, int l, struct pooled_index_weights *w)
{
    static const char *const names[] = {"indexer.k_proj.weight", "indexer.k_norm.weight", "indexer.q_proj.weight",
                                        "indexer.q_norm.weight"};
    const struct index_params *x = &b->m->p.index;
    int ratio = ratio_of(b, l), n_embd = b->m->p.n_embd;
    if (!ratio) {
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            bind_unused(b, l, names[i]);
        return;
    }
    w->keys = (struct compressor_weights){.ratio = ratio, .d = x->d, .rope_at = x->rope_at, .index = 1};
    w->keys.kv = bind_matrix(b, l, names[0], x->d, n_embd);
    w->keys.norm = bind_vector(b, l, names[1], x->d);
    bind_compressed_rows(b, &w->keys);
    w->queries.q = bind_matrix(b, l, names[2], x->n_head * x->d, n_embd);
    w->queries.norm = bind_vector(b, l, names[3], x->d);
}

int32_t *pooled_index(struct step *s, const float *n, const struct pooled_index_weights *w)
{
    if (!w->keys.ratio)
        return NULL;
    int32_t *chosen = chosen_rows(s);
    size_t mark = step_mark(s);
    struct act a = step_act(s, n, s->m->p.n_embd);
    compress_keys(s, &a, &w->keys, 0);
    block_indexer(s, chosen, &a, &a, &w->queries, w->keys.rows, 0);
    step_reset(s, mark);
    return chosen;
}

/* ---- keys by gates ------------------------------------------------------------------------------------------------------------- */

int params_read_gated_pools(struct params *p, const struct gguf *g, struct error *err)
{
    static const char pool[] = "attention.indexer.kpool", block[] = "attention.indexer.block_size";
    struct index_params *x = &p->index;
    const char *key = params_has(g, pool) ? pool : params_has(g, block) ? block : pool;
    if (params_read_indexer(p, g, err) || params_int(g, key, 1, COMPRESS_MOST, -1, &x->ratio, err))
        return -1;
    if (KV_PAGE % x->ratio || x->top_k % x->ratio)
        return error_set(err, ERR_FORMAT, "%s: %s is %d; it must divide %d and attention.indexer.top_k, which is %d",
                         g->file->path, key, x->ratio, KV_PAGE, x->top_k);
    x->top_k /= x->ratio;
    return 0;
}

/* The epsilon is that of index keys alone. */
void bind_gated_pools(struct binder *b, int l, struct compressor_weights *w)
{
    const struct index_params *x = &b->m->p.index;
    double eps = 0;
    if (!b->failed && params_real(b->m->file, "attention.layer_norm_epsilon", 1e-30, 1, 1e-6, &eps, b->err))
        b->failed = -1;
    *w = (struct compressor_weights){.ratio = x->ratio, .d = x->d, .index = 1, .row_eps = (float)eps};
    w->kv = bind_matrix(b, l, "indexer.attn_k.weight", x->d, b->m->p.n_embd);
    w->row_norm = bind_vector(b, l, "indexer.k_norm.weight", x->d);
    w->row_bias = bind_vector(b, l, "indexer.k_norm.bias", x->d);
    w->gate = bind_matrix(b, l, bind_spelling(b, l, "indexer_compressor_gate.weight", "indexer_compressor_gate"), x->d,
                          b->m->p.n_embd);
    w->ape = bind_table(b, l, bind_spelling(b, l, "indexer_compressor_ape.weight", "indexer_compressor_ape"), x->ratio,
                        x->d);
    bind_compressed_rows(b, w);
}
