/* DeepSeek-V4.1: as deepseek4, but keys and choices that several layers share, streams mixed one block behind, rows chosen by n-grams.
 *
 *     at some layers  streams += engram(streams)                                              block/engram.c
 *     u = streams by the gates of the block before;  y = attention(norm(u));  streams out     block/hyper.c
 *     the same with experts(norm(u)) + shared(norm(u))
 *     logits = Wout norm(streams by the gates of the last block)
 *
 * Attention: one key head in a window (block/one_key.c), and compressed keys that the last layer with a compressor made, of one position
 * or several: c = norm(sum of softmax(Wg n) Wkv n), rotated as their first position is. Index keys of those layers come from c too; a layer
 * with an indexer chooses among them, and the layers behind it attend to the same. What a layer makes is told by its tensors, which keys
 * that name such layers must not contradict. From the first layer on whose keys stand for one position each, indexers choose in two steps:
 * this layer takes the best blocks of keys, and those behind it choose within these. Keys are not rounded, though models were trained with
 * fp8 and fp4 (DECISIONS.md).
 * Router: sqrt(softplus), a bias for the choice. Hidden values are clamped, of shared experts too.
 * A layer that predicts further tokens goes on from the streams; its first block takes stream 0, and it has its window alone (nextn.c).
 * Sources: docs/spec/architectures.md, part 5, and what it names. Goldens: deepseek41, deepseek41-long, deepseek41-drafts.nextn. */
#include "model/block/compressed.h"
#include "model/block/dense_or_moe.h"
#include "model/block/engram.h"
#include "model/block/hyper.h"
#include "model/block/one_key.h"

#include "base/error.h"
#include "format/gguf.h"
#include "op/compress.h"

struct layer {
    struct hyper_weights attn_hyper, ffn_hyper;
    struct engram_weights engram;
    struct one_key_weights attention;
    int ratio;       /* positions of a compressed key; 0: the layer attends to its window alone */
    int makes, asks; /* the layer makes compressed keys; it chooses among them */
    int in_blocks;   /* the compressed keys are those that are chosen in two steps */
    struct compressor_weights keys, index_keys; /* of the last layer that makes some; ratio 0: there was none */
    struct indexer_weights indexer;
    struct candidates candidates;
    struct dense_or_moe_weights ffn;
};

/* ---- parameters and tensors --------------------------------------------------------------------------------------------------- */

/* What the published model's configuration has, and the first files leave out. */
enum { CANDIDATES_UNSAID = 2048, CANDIDATE_UNSAID = 8, LIMIT_UNSAID = 10 };

static int read_candidates(const struct params *p, const struct gguf *g, struct candidates *c, struct error *err)
{
    static const char size_key[] = "attention.candidate_block_size";
    static const char *const spelling[] = {"attention.candidate_topk_blocks", "attention.candidate_top_k_blocks",
                                           "attention.candidate_top_blocks"};
    const char *key = spelling[params_has(g, spelling[1]) ? 1 : params_has(g, spelling[2]) ? 2 : 0];
    const int top_k = p->index.top_k;
    if (params_int(g, size_key, 1, KV_PAGE, CANDIDATE_UNSAID, &c->size, err) ||
        params_int(g, key, 1, 1 << 16, CANDIDATES_UNSAID, &c->n, err))
        return -1;
    if (KV_PAGE % c->size || (c->n - 1) * c->size + 1 < top_k)
        return error_set(err, ERR_FORMAT,
                         "%s: %d blocks of %d keys (%s, %s) do not hold the %d that are chosen "
                         "(attention.indexer.top_k), or are no divisors of %d",
                         g->file->path, c->n, c->size, key, size_key, top_k, KV_PAGE);
    return 0;
}

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    p->hyper.is_behind = 1;
    return params_read(p, g, ROPE_ADJACENT, err) || params_read_one_key(p, g, err) || params_read_hyper(p, g, err) ||
                   params_read_dense_or_moe(p, g, ROUTER_SQRT_SOFTPLUS, err)
               ? -1
               : 0;
}

static void bind_keys(struct binder *b, int l, struct layer *w)
{
    const struct params *p = &b->m->p;
    w->keys = (struct compressor_weights){
        .ratio = w->ratio, .d = p->d_k, .rope_at = p->d_k - p->rope[ONE_KEY_FAR].n_rot};
    w->keys.kv = bind_matrix(b, l, "attn_compressor_kv.weight", p->d_k, p->n_embd);
    w->keys.gate = w->ratio > 1 ? bind_matrix(b, l, "attn_compressor_gate.weight", p->d_k, p->n_embd) : NULL;
    w->keys.norm = bind_vector(b, l, "attn_compressor_norm.weight", p->d_k);
    bind_compressed_rows(b, &w->keys);
    w->index_keys = (struct compressor_weights){
        .ratio = w->ratio, .d = p->index.d, .rope_at = p->index.rope_at, .index = 1};
    w->index_keys.kv = bind_matrix(b, l, "indexer.attn_k.weight", p->index.d, p->d_k);
    w->index_keys.norm = bind_vector(b, l, "indexer.k_norm.weight", p->index.d);
    bind_index_of_compressed(b, &w->index_keys);
}

static int read_ratio(struct binder *b, int l, int *ratio)
{
    static const char key[] = "attention.compress_ratios";
    if (params_int_of(b->m->file, key, l, 0, COMPRESS_MOST, -1, ratio, b->err))
        return -1;
    if (*ratio && KV_PAGE % *ratio)
        return error_set(b->err, ERR_UNSUPPORTED, "%s: %s is %d for layer %d; stoker takes divisors of %d",
                         b->m->file->file->path, key, *ratio, l, KV_PAGE);
    return 0;
}

/* before: the layer before this one, or NULL. */
static void bind_shared(struct binder *b, int l, struct layer *w, const struct layer *before)
{
    if (before) {
        w->keys = before->keys;
        w->index_keys = before->index_keys;
        w->in_blocks = before->in_blocks;
    }
    if (w->ratio == 0)
        return;
    w->makes = bind_has(b, l, "attn_compressor_kv.weight");
    w->asks = w->makes || bind_has(b, l, "indexer.attn_q_b.weight");
    int first_in_blocks = w->makes && w->ratio == 1;
    if (first_in_blocks && w->in_blocks)
        b->failed = error_set(
            b->err, ERR_UNSUPPORTED,
            "%s: layer %d makes keys of every position (blk.N.attn_compressor_kv.weight) as one before "
            "it does; stoker takes one such layer",
            b->m->file->file->path, l);
    if (w->makes)
        bind_keys(b, l, w);
    if (!b->failed && w->keys.ratio != w->ratio)
        b->failed = error_set(b->err, ERR_FORMAT,
                              "%s: layer %d attends to keys of %d positions each (attention.compress_ratios), but the "
                              "last layer up to it with blk.N.attn_compressor_kv.weight makes keys of %d",
                              b->m->file->file->path, l, w->ratio, w->keys.ratio);
    w->in_blocks = first_in_blocks || (w->in_blocks && !w->makes);
    if (!w->asks)
        return;
    bind_indexer(b, l, &w->indexer, b->m->p.latent.q_rank);
    w->candidates.use = first_in_blocks ? MAKES_CANDIDATES : w->in_blocks ? WITHIN_CANDIDATES : NO_CANDIDATES;
}

/* Keys that name the layers of a role, as converters spell them; a file may have none. */
static int roles_agree(const struct binder *b, int l, const struct layer *w)
{
    static const char *const makes[] = {"attention.kv_source_layer_ids", "attention.kv_source_layers",
                                        "kv_source_layer_ids"},
                             *const asks[] = {"attention.index_source_layer_ids", "attention.index_source_layers",
                                              "index_source_layer_ids"},
                             *const candidates[] = {"attention.candidate_source_layer_id",
                                                    "attention.candidate_source_layer"};
    const struct gguf *g = b->m->file;
    int first = w->candidates.use == MAKES_CANDIDATES;
    return params_agree(g, l, w->makes, w->makes ? "makes keys" : "makes no keys", makes, 3, b->err) ||
           params_agree(g, l, w->asks, w->asks ? "chooses keys" : "chooses no keys", asks, 3, b->err) ||
           params_agree(g, l, first, first ? "chooses candidates" : "chooses no candidates", candidates, 2, b->err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    if (read_ratio(b, l, &w->ratio) || read_candidates(p, b->m->file, &w->candidates, b->err))
        return -1;
    bind_engram(b, l, &w->engram);
    bind_hyper(b, l, &w->attn_hyper, "hc_attn");
    bind_hyper(b, l, &w->ffn_hyper, "hc_ffn");
    bind_one_key(b, l, &w->attention);
    bind_shared(b, l, w, l ? w - 1 : NULL);
    if (!b->failed && roles_agree(b, l, w))
        return -1;
    struct experts *e = bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight");
    if (e)
        bind_vector(b, l, "exp_probs_b.bias", p->n_expert); /* which they must have */
    bind_unused(b, l, "exp_probs_b_vl.bias");               /* of images */
    bind_limits_before_silu(b, l, &w->ffn, e, LIMIT_UNSAID);
    return b->failed;
}

/* ---- a layer ------------------------------------------------------------------------------------------------------------------ */

/* The compressed keys that rows attend to beside their window. n: the normed rows; low: the compressed queries. */
static struct attn_beside shared_keys(struct step *s, struct act *n, struct act *low, const struct layer *w)
{
    const struct kv_ref *at = &w->keys.rows;
    const struct kv_pool *kv = &s->m->kv[at->kind];
    if (w->makes)
        compress_keys_and_index(s, n, &w->keys, &w->index_keys, ONE_KEY_FAR);
    if (w->asks)
        block_indexer_within(s, s->chosen, n, low, &w->indexer, w->index_keys.rows, ONE_KEY_FAR, &w->candidates);
    return (struct attn_beside){.shape = kv->shape,
                                .layer_offset = (size_t)at->index * kv->layer_bytes,
                                .row = s->attn_row[at->kind],
                                .chosen = s->chosen,
                                .most = s->m->p.index.top_k};
}

static void attention(struct step *s, float *y, const float *u, const struct layer *w)
{
    const int rope = w->ratio ? ONE_KEY_FAR : ONE_KEY_PLAIN;
    size_t mark = step_mark(s);
    float *n = step_rows(s, s->m->p.n_embd);
    rms_norm(s, n, u, w->attention.norm);
    struct act a = step_act(s, n, s->m->p.n_embd), low;
    if (s->keeps) {
        one_key_keep(s, &a, &w->attention, rope);
        step_reset(s, mark);
        return;
    }
    float *q = one_key_queries(s, &a, &w->attention, rope, &low), *k = one_key_keys(s, &a, &w->attention, rope);
    struct attn_beside beside;
    if (w->ratio)
        beside = shared_keys(s, &a, &low, w);
    one_key_attend(s, y, q, k, &w->attention, rope, w->ratio ? &beside : NULL);
    step_reset(s, mark);
}

/* What lives from layer to layer. */
static void begin(struct step *s, const struct layer *w)
{
    hyper_behind(s);
    candidate_rows(s, &w->candidates);
    if (!s->chosen)
        s->chosen = chosen_rows(s);
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    begin(s, w);
    if (w->engram.wkv)
        block_engram(s, x, &w->engram);

    size_t mark = step_mark(s);
    float *u = step_rows(s, s->m->p.n_embd), *y = step_rows(s, s->m->p.n_embd);
    float *gates = hyper_in_behind(s, u, x, &w->attn_hyper);
    attention(s, y, u, w);
    if (s->keeps) {
        step_reset(s, mark);
        return;
    }
    block_steer(s, VECTOR_ATTN, y);
    hyper_out(s, x, y, gates, &w->attn_hyper);
    step_reset(s, mark);

    u = step_rows(s, s->m->p.n_embd), y = step_rows(s, s->m->p.n_embd);
    gates = hyper_in_behind(s, u, x, &w->ffn_hyper);
    dense_or_moe_of(s, l, y, u, &w->ffn);
    block_steer(s, VECTOR_FFN, y);
    hyper_out(s, x, y, gates, &w->ffn_hyper);
    step_reset(s, mark);
    layer_out(s, l, x);
    hyper_lens(s, x);
}

const struct arch arch_deepseek41 = {.name = "deepseek41",
                                     .read_params = read_params,
                                     .nextn = NEXTN_BEFORE_NORM,
                                     .layer_bytes = sizeof(struct layer),
                                     .bind = bind,
                                     .layer = layer};
