/* Which keys each row attends to: see indexer.h and op/indexer.h. The queries of the indexer's heads are products of the compressed
 * query, and each head has a weight from the row itself. They are multiplied with index keys: of compressed rows (compressed.c), or of
 * positions:
 *
 *     k = rope(layer_norm(Wk n)), or rope(rms_norm(Wk n))        one a position, for all heads
 *
 * Sources: arXiv 2512.02556 (DeepSeek-V3.2), DeepSeek-V4's inference code. */
#include "model/block/indexer.h"

#include "format/gguf.h"
#include "op/indexer.h"
#include "op/matmul.h"

#include <math.h>

int params_read_indexer(struct params *p, const struct gguf *g, struct error *err)
{
    struct index_params *x = &p->index;
    return params_int(g, "attention.indexer.head_count", 1, 1 << 10, -1, &x->n_head, err) ||
                   params_int(g, "attention.indexer.key_length", p->rope[0].n_rot ? p->rope[0].n_rot : 1, 4096, -1,
                              &x->d, err) ||
                   params_int(g, "attention.indexer.top_k", 1, 1 << 16, -1, &x->top_k, err)
               ? -1
               : 0;
}

void bind_indexer(struct binder *b, int l, struct indexer_weights *w, int q_rank)
{
    const struct params *p = &b->m->p;
    w->q = bind_matrix(b, l, "indexer.attn_q_b.weight", p->index.n_head * p->index.d, q_rank);
    w->w = bind_matrix(b, l, "indexer.proj.weight", p->index.n_head, p->n_embd);
}

static int sees_more(const struct attn_row *row, int n_rows, int than)
{
    int most = 0;
    for (int r = 0; r < n_rows; r++)
        most = row[r].pos >= most ? row[r].pos + 1 : most;
    return most > than;
}

/* The blocks with the best keys, the row's newest one always. */
static void make_candidates(struct step *s, struct indexer how, const struct candidates *c)
{
    how.together = how.n_local = 1;
    how.block = c->size;
    how.top_k = c->n;
    op_index(&s->m->op, &how, s->candidates);
}

void block_indexer_within(struct step *s, int32_t *chosen, struct act *n, struct act *low,
                          const struct indexer_weights *w, struct kv_ref keys, int rope, const struct candidates *c)
{
    const struct index_params *x = &s->m->p.index;
    const struct kv_pool *kv = &s->m->kv[keys.kind];
    if (!op_measuring(&s->m->op) &&
        !sees_more(s->attn_row[keys.kind], s->n_rows, x->block ? x->top_k * x->block : x->top_k)) {
        step_collect(s, w->q, low->f32,
                     low->ld); /* in another step these rows would be multiplied beside longer ones */
        if (w->w)
            step_collect(s, w->w, n->f32, n->ld);
        return;
    }
    op_view(low, w->q->mat.type); /* copies live as long as what they are of: made before the mark */
    if (w->w)
        op_view(n, w->w->mat.type);
    size_t mark = step_mark(s);
    float *q = step_rows(s, x->n_head * x->d), *weight = w->w ? step_rows(s, x->n_head) : NULL;
    matmul(s, q, low, w->q);
    if (w->norm)
        op_rms_norm(&s->m->op, q, q, w->norm->vector, s->n_rows * x->n_head, x->d, s->m->p.norm_eps);
    rotate_heads(s, q + x->rope_at, x->n_head, x->d, rope);
    if (weight) {
        matmul(s, weight, n, w->w);
        op_scale(&s->m->op, weight, 1.0f / sqrtf((float)(x->d * x->n_head)), s->n_rows, x->n_head);
    }
    struct indexer how = {.n_head = x->n_head,
                          .d = x->d,
                          .top_k = x->top_k,
                          .block = x->block,
                          .n_local = x->n_local,
                          .shape = kv->shape,
                          .layer_offset = (size_t)keys.index * kv->layer_bytes,
                          .row = s->attn_row[keys.kind],
                          .n_rows = s->n_rows,
                          .q = q,
                          .w = weight};
    if (c->use == MAKES_CANDIDATES)
        make_candidates(s, how, c);
    if (c->use == WITHIN_CANDIDATES) {
        how.within = s->candidates;
        how.n_within = c->n;
        how.within_block = c->size;
    }
    op_index(&s->m->op, &how, chosen);
    step_reset(s, mark);
}

void block_indexer(struct step *s, int32_t *chosen, struct act *n, struct act *low, const struct indexer_weights *w,
                   struct kv_ref keys, int rope)
{
    block_indexer_within(s, chosen, n, low, w, keys, rope, &(struct candidates){.use = NO_CANDIDATES});
}

void candidate_rows(struct step *s, const struct candidates *c)
{
    if (c->n && !s->candidates)
        s->candidates = op_alloc(&s->m->op, (size_t)s->n_rows * (size_t)c->n * sizeof *s->candidates);
}

int32_t *chosen_rows(struct step *s)
{
    const struct index_params *x = &s->m->p.index;
    size_t lists = (size_t)s->n_rows * (size_t)(x->block ? x->n_head : 1);
    return op_alloc(&s->m->op, lists * (size_t)x->top_k * sizeof(int32_t));
}

/* The epsilon of index keys' norm in the published models; the key in files is that of their rms norms. */
static const float key_eps = 1e-6f;

static void bind_key_rows(struct binder *b, struct index_keys_weights *w)
{
    const struct index_params *x = &b->m->p.index;
    w->rows = bind_kv(b, x->n_head, (struct kv_shape){.n_head_kv = 1, .d_k = x->d, .index = 1}, see_all());
}

void bind_index_keys(struct binder *b, int l, struct index_keys_weights *w)
{
    const struct params *p = &b->m->p;
    w->k = bind_matrix(b, l, "indexer.attn_k.weight", p->index.d, p->n_embd);
    w->norm = bind_vector(b, l, "indexer.k_norm.weight", p->index.d);
    w->norm_bias = bind_vector(b, l, "indexer.k_norm.bias", p->index.d);
    bind_key_rows(b, w);
}

void bind_indexer_normed(struct binder *b, int l, struct indexer_weights *w, struct index_keys_weights *keys)
{
    const struct params *p = &b->m->p;
    w->q = bind_matrix(b, l, "indexer.q_proj.weight", p->index.n_head * p->index.d, p->n_embd);
    w->norm = bind_vector(b, l, "indexer.q_norm.weight", p->index.d);
    keys->k = bind_matrix(b, l, "indexer.k_proj.weight", p->index.d, p->n_embd);
    keys->norm = bind_vector(b, l, "indexer.k_norm.weight", p->index.d);
    bind_key_rows(b, keys);
}

void index_keys(struct step *s, struct act *n, const struct index_keys_weights *w, int rope)
{
    const struct index_params *x = &s->m->p.index;
    const struct kv_pool *kv = &s->m->kv[w->rows.kind];
    op_view(n, w->k->mat.type); /* copies live as long as what they are of: made before the mark */
    size_t mark = step_mark(s);
    float *k = step_rows(s, x->d);
    matmul(s, k, n, w->k);
    if (w->norm_bias)
        op_layer_norm(&s->m->op, k, k, w->norm->vector, w->norm_bias->vector, s->n_rows, x->d, key_eps);
    else
        rms_norm(s, k, k, w->norm);
    rotate_heads(s, k + x->rope_at, 1, x->d, rope);
    op_kv_store(&s->m->op,
                &(struct attention){.shape = kv->shape,
                                    .layer_offset = (size_t)w->rows.index * kv->layer_bytes,
                                    .row = s->attn_row[w->rows.kind],
                                    .n_rows = s->n_rows},
                k, NULL);
    step_reset(s, mark);
}
