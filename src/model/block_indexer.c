/* Which compressed keys each row attends to: see step.h and op/indexer.h. The indexer's heads ask with the compressed query, one
 * weight a head comes from the row itself.
 * Sources: arXiv 2512.02556 (DeepSeek-V3.2), DeepSeek-V4's inference code. */
#include "model/bind.h"
#include "model/step.h"

#include "format/gguf.h"
#include "op/indexer.h"
#include "op/matmul.h"

#include <math.h>

int params_read_indexer(struct params *p, const struct gguf *g, struct error *err)
{
    struct index_params *x = &p->index;
    return params_int(g, "attention.indexer.head_count", 1, 1 << 10, -1, &x->n_head, err) ||
                   params_int(g, "attention.indexer.key_length", p->rope[0].n_rot, 4096, -1, &x->d, err) ||
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

int32_t *block_indexer(struct step *s, struct act *n, struct act *low, const struct indexer_weights *w,
                       struct kv_place keys, int rope)
{
    const struct index_params *x = &s->m->p.index;
    const struct kv_pool *kv = &s->m->kv[keys.kind];
    op_view(low, w->q->mat.type); /* copies live as long as what they are of: made before the mark */
    op_view(n, w->w->mat.type);
    int32_t *chosen = op_alloc(&s->m->op, (size_t)s->n_rows * (size_t)x->top_k * sizeof *chosen);
    size_t mark = step_mark(s);
    float *q = step_rows(s, x->n_head * x->d), *weight = step_rows(s, x->n_head);
    matmul(s, q, low, w->q);
    rotate_heads(s, q + x->d - s->m->p.rope[rope].n_rot, x->n_head, x->d, rope);
    matmul(s, weight, n, w->w);
    s->m->op.k->scale(weight, 1.0f / sqrtf((float)(x->d * x->n_head)), s->n_rows * x->n_head);
    op_index(&s->m->op,
             &(struct indexer){.n_head = x->n_head,
                               .d = x->d,
                               .top_k = x->top_k,
                               .shape = kv->shape,
                               .layer_offset = (size_t)keys.index * kv->layer_bytes,
                               .row = s->attn_row[keys.kind],
                               .n_rows = s->n_rows,
                               .q = q,
                               .w = weight},
             chosen);
    step_reset(s, mark);
    return chosen;
}

size_t indexer_row_bytes(const struct params *p)
{
    const struct index_params *x = &p->index;
    return ((size_t)x->n_head * (size_t)(x->d + 1) + (size_t)x->top_k) * sizeof(float);
}
