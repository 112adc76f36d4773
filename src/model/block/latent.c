/* Latent attention: one row a position, for all heads, instead of keys and values. See latent.h.
 *
 *     c = rms_norm(Wkv_a n)[latent],  k_pe = rope(Wkv_a n)[rest]      kept: one row [c | k_pe] a position
 *     q_h = Wq n, or Wq_b rms_norm(Wq_a n)                            of each head: [q_nope | q_pe]
 *     o_h = Wv_b,h attend([Wk_b,h^T q_nope | rope(q_pe)], [c | k_pe], c)            always in this absorbed form
 *     x += Wo [o_h], or Wo [o_h * sigmoid(Wg n)_h]                    n = rms_norm(x)
 *
 * Files hold Wk_b^T and Wv_b by head, or both halves in one kv_b: then the key half is decoded and transposed at load. With YaRN the scale
 * of scores grows with the square of its magnitude, and that of rotated values stays 1. Where an indexer chooses, attend() sees the
 * chosen positions; the choice is used until another layer of the step makes its own.
 * Queries are multiplied by the temperature of their position before all that, where the layer says so.
 * Sources: arXiv 2405.04434; 2512.02556 (choosing). */
#include "model/block/latent.h"
#include "model/block/attention.h"

#include "base/f64.h"
#include "format/gguf.h"
#include "op/heads.h"

#include <math.h>
#include <stdio.h>

enum { RANK_MOST = 1 << 16 };

static int read_scale(struct params *p, const struct gguf *g, int d_head, struct error *err)
{
    struct rope_params *rope = &p->rope[0];
    double log_multiplier = 0, mscale = 1;
    if (params_real(g, "rope.scaling.yarn_log_multiplier", 0, 100, 0, &log_multiplier, err))
        return -1;
    if (rope->scaling == ROPE_YARN) {
        double log_factor = f64_ln(rope->factor);
        mscale = 1 + log_multiplier * log_factor;
        rope->attn_factor = 1 / (1 + 0.1 * log_factor);
    }
    p->latent.scale = (float)(mscale * mscale / sqrt((double)d_head));
    return 0;
}

/* The width of compressed queries where no key says it: some converters write only the tensors. 0: queries are not compressed. */
static int query_rank(const struct gguf *g, int n_layer)
{
    for (int l = 0; l < n_layer; l++) {
        char name[40];
        snprintf(name, sizeof name, "blk.%d.attn_q_a_norm.weight", l);
        const struct gguf_tensor *t = gguf_tensor(g, name);
        if (t)
            return t->ne[0] <= RANK_MOST ? (int)t->ne[0] : RANK_MOST;
    }
    return 0;
}

int params_read_latent(struct params *p, const struct gguf *g, struct error *err)
{
    struct latent_params *m = &p->latent;
    int d_head;
    m->d_rope = p->rope[0].n_rot;
    if (params_int(g, "attention.q_lora_rank", 0, RANK_MOST, query_rank(g, p->n_layer), &m->q_rank, err) ||
        params_int(g, "attention.kv_lora_rank", 1, RANK_MOST, -1, &m->kv_rank, err) ||
        params_int(g, "attention.key_length_mla", m->d_rope + 1, 4096, p->d_k > m->d_rope ? p->d_k : -1, &d_head,
                   err) ||
        params_int(g, "attention.value_length_mla", 1, 4096, p->d_v, &m->d_v, err))
        return -1;
    m->d_nope = d_head - m->d_rope;
    return read_scale(p, g, d_head, err);
}

void bind_latent(struct binder *b, int l, struct latent_weights *w)
{
    const struct params *p = &b->m->p;
    const struct latent_params *m = &p->latent;
    int n_head = p->n_head, n_q = n_head * (m->d_nope + m->d_rope);
    w->norm = bind_vector(b, l, "attn_norm.weight", p->n_embd);
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
    if (w->wk_b) {
        w->wv_b = bind_heads(b, l, "attn_v_b.weight", n_head, m->d_v, m->kv_rank);
        bind_unused(b, l, "attn_kv_b.weight"); /* the same numbers once more */
    } else {
        w->v_first = m->d_nope;
        w->v_rows = m->d_nope + m->d_v;
        w->wv_b = bind_matrix(b, l, "attn_kv_b.weight", n_head * w->v_rows, m->kv_rank);
        w->wk_b = bind_keys_of(b, w->wv_b, n_head, m->d_nope);
    }
    w->wo = bind_matrix(b, l, "attn_output.weight", p->n_embd, n_head * m->d_v);
    w->kv = bind_kv(b, n_head, (struct kv_shape){.n_head_kv = 1, .d_k = m->kv_rank + m->d_rope}, see_all());
    b->kept.most = LAYER_KEEPS_LATENTS;
}

void bind_latent_gate(struct binder *b, int l, struct latent_weights *w)
{
    w->gate = bind_matrix(b, l, "attn_gate.weight", b->m->p.n_head, b->m->p.n_embd);
}

void bind_latent_index(struct binder *b, int l, struct latent_weights *w)
{
    bind_index_keys(b, l, &w->index_keys);
    bind_indexer(b, l, &w->indexer, b->m->p.latent.q_rank);
}

void bind_latent_index_unused(struct binder *b, int l)
{
    static const char *const names[] = {"attn_q_b.weight", "proj.weight", "attn_k.weight", "k_norm.weight",
                                        "k_norm.bias"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[40];
        snprintf(name, sizeof name, "indexer.%s", names[i]);
        bind_unused(b, l, name);
    }
}

/* What an indexer keeps of the rows. */
static struct kv_ref keep_index(struct step *s, struct act *n, const struct latent_weights *w)
{
    int pooled = w->index_pools.ratio > 0;
    if (pooled)
        compress_keys(s, n, &w->index_pools, 0);
    else
        index_keys(s, n, &w->index_keys, 0);
    return pooled ? w->index_pools.rows : w->index_keys.rows;
}

/* With an indexer: choose the positions that the layer attends to, by the compressed query. */
static void choose(struct step *s, struct act *n, struct act *low, const struct latent_weights *w)
{
    struct kv_ref rows = keep_index(s, n, w);
    block_indexer(s, s->chosen, n, low, &w->indexer, rows, 0);
}

static float *queries(struct step *s, struct act *n, const struct latent_weights *w)
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
    struct act a = step_act(s, c, m->q_rank);
    matmul(s, q, &a, w->wq_b);
    if (w->indexer.q)
        choose(s, n, &a, w);
    return q;
}

/* Rows [latent | k_pe], the latent normed, k_pe rotated. */
static float *keys(struct step *s, struct act *n, const struct latent_weights *w)
{
    const struct latent_params *m = &s->m->p.latent;
    size_t ld = (size_t)(m->kv_rank + m->d_rope);
    float *k = step_rows(s, (int)ld);
    matmul(s, k, n, w->wkv_a);
    op_rms_norm_strided(&s->m->op, k, w->kv_a_norm->vector, s->n_rows, ld, m->kv_rank, s->m->p.norm_eps);
    if (w->wk_b->keys_of) /* heads multiply by parts of it in another order; its own input is the latent */
        step_collect(s, w->wk_b->keys_of, k, ld);
    rotate_heads(s, k + m->kv_rank, 1, (int)ld, 0);
    return k;
}

/* Each head's query against latents: [k_b^T q_nope | rope(q_pe)]. */
static float *absorb(struct step *s, float *q, const struct latent_weights *w)
{
    const struct latent_params *m = &s->m->p.latent;
    int n_head = s->m->p.n_head, d = m->d_nope + m->d_rope, row = m->kv_rank + m->d_rope;
    float *a = step_rows(s, n_head * row);
    rotate_heads(s, q + m->d_nope, n_head, d, 0);
    if (w->temperature)
        apply_temperature(s, q, n_head * d);
    op_matmul_heads(&s->m->op, a, (size_t)(n_head * row), (size_t)row, q, (size_t)(n_head * d), (size_t)d, s->n_rows,
                    &w->wk_b->mat, n_head, m->kv_rank, m->kv_rank);
    op_copy(&s->m->op, a + m->kv_rank, (size_t)row, q + m->d_nope, (size_t)d, s->n_rows * n_head, m->d_rope);
    return a;
}

void latent_choices(struct step *s)
{
    if (s->m->p.index.top_k && !s->chosen)
        s->chosen = chosen_rows(s);
}

void latent_of(struct step *s, float *y, struct act *a, const struct latent_weights *w)
{
    const struct params *p = &s->m->p;
    const struct latent_params *m = &p->latent;
    if (s->keeps) {
        if (w->indexer.q)
            keep_index(s, a, w);
        keep_keys(s, w->kv, p->n_head, keys(s, a, w), NULL, m->kv_rank);
        return;
    }
    float *c = step_rows(s, p->n_head * m->kv_rank), *o = step_rows(s, p->n_head * m->d_v);
    float *q = absorb(s, queries(s, a, w), w), *k = keys(s, a, w);
    attend_chosen(s, w->kv, p->n_head, c, q, k, NULL, m->kv_rank, m->scale, s->chosen);

    struct wmat v = wmat_rows(&w->wv_b->mat, w->v_first, w->wv_b->mat.n_rows - w->v_first);
    op_matmul_heads(&s->m->op, o, (size_t)(p->n_head * m->d_v), (size_t)m->d_v, c, (size_t)(p->n_head * m->kv_rank),
                    (size_t)m->kv_rank, s->n_rows, &v, p->n_head, m->d_v, w->v_rows);
    if (w->gate) {
        float *gate = step_rows(s, p->n_head);
        matmul(s, gate, a, w->gate);
        gate_output(s, o, gate, p->n_head, m->d_v, p->n_head);
    }
    struct act b = step_act(s, o, p->n_head * m->d_v);
    matmul(s, y, &b, w->wo);
}

void block_latent(struct step *s, float *x, const struct latent_weights *w)
{
    int n_embd = s->m->p.n_embd;
    latent_choices(s);
    size_t mark = step_mark(s);
    float *n = step_rows(s, n_embd);
    rms_norm(s, n, x, w->norm);
    struct act a = step_act(s, n, n_embd);
    latent_of(s, n, &a, w);
    block_out(s, VECTOR_ATTN, x, n);
    step_reset(s, mark);
}
