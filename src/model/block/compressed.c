/* Compressed keys of a layer: see compressed.h and op/compress.h. Source: DeepSeek-V4's report and inference code. */
#include "model/block/compressed.h"

#include "base/error.h"
#include "format/gguf.h"
#include "op/compress.h"
#include "op/matmul.h"

#include <stdio.h>

static void bind_compressor(struct binder *b, int l, struct compressor_weights *w, const char *stem)
{
    int width = w->d * (1 + w->overlap);
    char name[48];
    snprintf(name, sizeof name, "%s_compressor_kv.weight", stem);
    w->kv = bind_matrix(b, l, name, width, b->m->p.n_embd);
    snprintf(name, sizeof name, "%s_compressor_gate.weight", stem);
    w->gate = bind_matrix(b, l, name, width, b->m->p.n_embd);
    snprintf(name, sizeof name, "%s_compressor_ape.weight", stem);
    w->ape = bind_table(b, l, name, w->ratio, width);
    snprintf(name, sizeof name, "%s_compressor_norm.weight", stem);
    w->norm = bind_vector(b, l, name, w->d);
    w->rope_at = w->d - b->m->p.rope[0].n_rot;
    bind_compressed_rows(b, w);
}

static void bind_kept_rows(struct binder *b, struct compressor_weights *w)
{
    w->rows = bind_kv(b, b->m->p.n_head,
                      (struct kv_shape){.n_head_kv = 1, .d_k = w->d, .ratio = w->ratio, .index = w->index}, see_all());
}

/* A block of one position is complete at once and leaves no state. */
void bind_compressed_rows(struct binder *b, struct compressor_weights *w)
{
    if (w->ratio > 1)
        w->state = bind_state(b, w->gate ? compress_state(w->ratio, w->overlap, w->d) : mean_state(w->ratio, w->d));
    bind_kept_rows(b, w);
}

void bind_index_of_compressed(struct binder *b, struct compressor_weights *index) { bind_kept_rows(b, index); }

/* The compressed rows of a step: where each is kept, and its block's first position. */
struct done {
    struct attn_row *row;
    int32_t *first;
    int n;
};

static struct done blocks_done(struct step *s, const struct compressor_weights *w)
{
    struct done d = {.row = op_alloc(&s->m->op, (size_t)s->n_rows * sizeof *d.row),
                     .first = op_alloc(&s->m->op, (size_t)s->n_rows * sizeof *d.first)};
    if (op_measuring(&s->m->op)) {
        d.n = s->n_rows; /* more than any step completes */
        return d;
    }
    for (int r = 0; r < s->n_rows; r++)
        if ((s->b->pos[r] + 1) % w->ratio == 0) {
            d.row[d.n] = s->attn_row[w->rows.kind][r]; /* the last row that it sees is the one that it completes */
            d.first[d.n++] = s->b->pos[r] + 1 - w->ratio;
        }
    return d;
}

/* Rotates rows c of the blocks and stores them. */
static void keep(struct step *s, const struct compressor_weights *w, const struct done *done, float *c, int rope)
{
    struct op *op = &s->m->op;
    const struct rope_params *p = &s->m->p.rope[rope];
    const struct model_rope *from = &s->m->rope[rope];
    int n_pair = p->n_rot / 2;
    float *cosine = op_alloc(op, (size_t)done->n * (size_t)n_pair * sizeof *cosine),
          *sine = op_alloc(op, (size_t)done->n * (size_t)n_pair * sizeof *sine);
    op_rope_table(op, cosine, sine, from->freq, from->magnitude, n_pair, done->first, done->n);
    op_rope(op, c + w->rope_at, done->n, 1, w->d, p->pairs, cosine, sine, n_pair);
    if (w->rounded)
        op_round_fp8(op, c, done->n, (size_t)w->d, w->rope_at);
    const struct kv_pool *kv = &s->m->kv[w->rows.kind];
    struct attention at = {.shape = kv->shape,
                           .layer_offset = (size_t)w->rows.index * kv->layer_bytes,
                           .row = done->row,
                           .n_rows = done->n};
    op_kv_store(op, &at, c, NULL);
}

/* c, normed, of the blocks that this step completes. */
static float *compressed_rows(struct step *s, struct act *n, const struct compressor_weights *w,
                              const struct done *done)
{
    struct op *op = &s->m->op;
    int width = w->d * (1 + w->overlap);
    float *z = step_rows(s, width), *score = w->gate ? step_rows(s, width) : NULL, *c = step_rows(s, w->d);
    struct compress how = {.ratio = w->ratio, .overlap = w->overlap, .d = w->d, .z = z, .s = score, .pos = s->b->pos};
    matmul(s, z, n, w->kv);
    if (w->row_norm)
        op_layer_norm(op, z, z, w->row_norm->vector, w->row_bias->vector, s->n_rows, width, w->row_eps);
    if (w->gate) {
        how.ape = w->ape ? w->ape->vector : NULL;
        matmul(s, score, n, w->gate);
    }
    if (w->ratio == 1)
        c = z;
    else
        op_compress(op, &how, step_runs(s, 0, w->state), s->n_run, c);
    if (w->norm)
        op_rms_norm(op, c, c, w->norm->vector, done->n, w->d, s->m->p.norm_eps);
    return c;
}

/* Copies of n live as long as n: made before the mark. */
static size_t mark_behind_views(struct step *s, struct act *n, const struct compressor_weights *w)
{
    op_view(n, w->kv->mat.type);
    if (w->gate)
        op_view(n, w->gate->mat.type);
    return step_mark(s);
}

void compress_keys(struct step *s, struct act *n, const struct compressor_weights *w, int rope)
{
    size_t mark = mark_behind_views(s, n, w);
    struct done done = blocks_done(s, w);
    keep(s, w, &done, compressed_rows(s, n, w, &done), rope);
    step_reset(s, mark);
}

void compress_keys_and_index(struct step *s, struct act *n, const struct compressor_weights *w,
                             const struct compressor_weights *index, int rope)
{
    struct op *op = &s->m->op;
    size_t mark = mark_behind_views(s, n, w);
    struct done done = blocks_done(s, w), index_done = blocks_done(s, index);
    float *c = compressed_rows(s, n, w, &done), *k = step_rows(s, index->d);
    if (done.n > 0) {
        struct act a = act_rows(op, c, done.n, w->d, (size_t)w->d);
        op_matmul(op, k, (size_t)index->d, &a, &index->kv->mat);
        op_rms_norm(op, k, k, index->norm->vector, done.n, index->d, s->m->p.norm_eps);
        keep(s, index, &index_done, k, rope);
        keep(s, w, &done, c, rope);
    }
    step_reset(s, mark);
}

enum { OVERLAPPING = 4, WIDE = 128 }; /* the ratios that there are */

static int ratio_of(struct binder *b, int l)
{
    int ratio = 0;
    if (params_int_of(b->m->file, "attention.compress_ratios", l, 0, WIDE, -1, &ratio, b->err))
        b->failed = -1;
    else if (ratio != 0 && ratio != OVERLAPPING && ratio != WIDE)
        b->failed = error_set(b->err, ERR_UNSUPPORTED,
                              "%s: attention.compress_ratios is %d for layer %d; stoker knows 0, %d and %d",
                              b->m->file->file->path, ratio, l, OVERLAPPING, WIDE);
    return b->failed ? 0 : ratio;
}

void bind_compressed(struct binder *b, int l, struct compressed_weights *w, int q_rank)
{
    const struct params *p = &b->m->p;
    w->ratio = ratio_of(b, l);
    w->overlap = w->ratio == OVERLAPPING;
    if (!w->ratio)
        return;
    w->keys = (struct compressor_weights){.ratio = w->ratio, .overlap = w->overlap, .d = p->d_k, .rounded = 1};
    bind_compressor(b, l, &w->keys, "attn");
    if (!w->overlap)
        return;
    w->index_keys = (struct compressor_weights){.ratio = w->ratio, .overlap = w->overlap, .d = p->index.d, .index = 1};
    bind_compressor(b, l, &w->index_keys, "indexer");
    bind_indexer(b, l, &w->indexer, q_rank);
}

struct attn_beside block_compressed(struct step *s, struct act *n, struct act *low, const struct compressed_weights *w,
                                    int rope)
{
    const struct kv_ref *at = &w->keys.rows;
    const struct kv_pool *kv = &s->m->kv[at->kind];
    struct attn_beside b = {
        .shape = kv->shape, .layer_offset = (size_t)at->index * kv->layer_bytes, .row = s->attn_row[at->kind]};
    compress_keys(s, n, &w->keys, rope);
    if (w->overlap) {
        compress_keys(s, n, &w->index_keys, rope);
        int32_t *chosen = chosen_rows(s);
        block_indexer(s, chosen, n, low, &w->indexer, w->index_keys.rows, rope);
        b.chosen = chosen;
        b.most = s->m->p.index.top_k;
    }
    return b;
}
