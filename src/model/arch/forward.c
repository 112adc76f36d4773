/* One step of a model over a batch of rows: embed, the layers, norm, logits of the rows that want them. */
#include "model/block/hyper.h"
#include "model/block/layer_embd.h"
#include "model/block/moe.h"

#include "base/error.h"
#include "op/matmul.h"
#include "op/moe.h"

#include <string.h>

/* x [n_rows][row width]: embeddings, all streams alike. */
static int first_rows(struct step *s, float *x)
{
    struct model *m = s->m;
    size_t n_embd = (size_t)m->p.n_embd, width = (size_t)params_row_width(&m->p);
    if (embed(s, x, width, m->token_embd))
        return -1;
    for (size_t r = 0; r < (size_t)s->n_rows; r++)
        for (size_t i = n_embd; i < width; i += n_embd)
            memcpy(x + r * width + i, x + r * width, n_embd * sizeof *x);
    if (m->p.embd_scale > 0)
        op_scale(&m->op, x, m->p.embd_scale, s->n_rows, (int)width);
    return m->layer_embd.table ? make_layer_embd(s, x) : 0;
}

/* First position that a row at pos sees. */
static int first_visible(const struct kv_pool *kv, int pos)
{
    return kv->window > 0 && pos >= kv->window ? pos - kv->window + 1 : 0;
}

/* Stretches of rows of one sequence. */
static void find_runs(struct step *s)
{
    struct sequence **seq = s->b->seq;
    s->run = op_alloc(&s->m->op, (size_t)s->n_rows * sizeof *s->run);
    for (int r = 0; r < s->n_rows; r++) {
        if (r == 0 || seq[r] != seq[r - 1])
            s->run[s->n_run++] = (struct run){.first = r};
        s->run[s->n_run - 1].n++;
        s->b->dead[r] = 0;
    }
}

/* Rows know their pages and what of them they see: of compressed ones those whose positions are all there. */
static void place_rows(struct step *s)
{
    const struct batch *b = s->b;
    for (int k = 0; k < KV_KINDS; k++) {
        const struct kv_pool *kv = &s->m->kv[k];
        if (kv->n_layer == 0)
            continue;
        s->attn_row[k] = op_alloc(&s->m->op, (size_t)s->n_rows * sizeof *s->attn_row[k]);
        for (int i = 0; i < s->n_run; i++)
            for (int r = s->run[i].first; r < s->run[i].first + s->run[i].n; r++)
                s->attn_row[k][r] = (struct attn_row){.page = b->seq[r]->page[k],
                                                      .pos = (b->pos[r] + 1) / kv_ratio(&kv->shape) - 1,
                                                      .first = first_visible(kv, b->pos[r]),
                                                      .seq = i};
    }
}

static void make_rope(struct step *s)
{
    for (int i = 0; i < ROPES; i++) {
        int n_pair = s->m->p.rope[i].n_rot / 2;
        const struct model_rope *from = &s->m->rope[i];
        if (n_pair == 0)
            continue;
        s->rope[i] = (struct rope_rows){step_rows(s, n_pair), step_rows(s, n_pair)};
        op_rope_table(&s->m->op, s->rope[i].cos, s->rope[i].sin, from->freq, from->magnitude, n_pair, s->b->pos,
                      s->n_rows);
    }
}

static int all_left(const struct step *s) { return memchr(s->b->dead, 0, (size_t)s->n_rows) == NULL; }

static void write_logits(struct step *s, const float *x)
{
    const struct model *m = s->m;
    const struct batch *b = s->b;
    size_t n_embd = (size_t)m->p.n_embd, width = (size_t)params_row_width(&m->p);
    if (b->n_wants == 0)
        return;
    float *wanted = op_alloc(&s->m->op, (size_t)b->n_wants * width * sizeof(float));
    for (int i = 0; i < b->n_wants; i++)
        memcpy(wanted + (size_t)i * width, x + (size_t)b->wants[i] * width, width * sizeof(float));
    if (m->p.hyper.n)
        wanted = hyper_end(s, wanted, b->n_wants);
    op_rms_norm(&s->m->op, wanted, wanted, m->output_norm->vector, b->n_wants, m->p.n_embd, m->p.norm_eps);
    struct act a = act_rows(&s->m->op, wanted, b->n_wants, m->p.n_embd, n_embd);
    op_matmul(&s->m->op, b->logits, (size_t)m->p.n_vocab, &a, &m->output->mat);
    if (m->p.logit_cap > 0)
        op_softcap(&s->m->op, b->logits, m->p.logit_cap, b->n_wants, m->p.n_vocab);
}

int model_forward(struct model *m, struct batch *b, struct error *err)
{
    struct step s = {.m = m, .b = b, .n_rows = b->n_rows, .err = err};
    arena_reset(m->op.scratch, 0);
    find_runs(&s);
    place_rows(&s);
    make_rope(&s);
    moe_step_begin(&s);
    float *x = step_rows(&s, params_row_width(&m->p));
    if (first_rows(&s, x))
        return -1;
    for (int l = 0; l < m->p.n_layer; l++) {
        m->arch->layer(&s, l, (char *)m->layer + (size_t)l * m->arch->layer_bytes, x);
        if (all_left(&s))
            return 0;
    }
    write_logits(&s, x);
    return 0;
}

size_t model_step_bytes(const struct model *m, int n_rows, int n_wants)
{
    const struct params *p = &m->p;
    struct arch_memory need = {0};
    m->arch->memory(m, n_rows, &need);
    size_t rope = 0;
    for (int i = 0; i < ROPES; i++)
        rope += (size_t)p->rope[i].n_rot;
    size_t embedding = m->token_embd->on_disk ? m->token_embd->mat.row_bytes : 0, per_layer = 0;
    if (m->layer_embd.table) {
        embedding = larger(embedding, make_layer_embd_row_bytes(m));
        per_layer = (size_t)p->n_layer * (size_t)p->d_layer_embd * sizeof(float);
    }
    size_t row = larger(need.row, embedding) + per_layer + KV_KINDS * sizeof(struct attn_row) + sizeof(struct run) +
                 rope * sizeof(float) + (size_t)params_row_width(p) * sizeof(float);
    size_t wants = (size_t)n_wants * ((size_t)p->n_embd * sizeof(float) + act_row_bytes(p->n_embd));
    if (p->hyper.n)
        wants += (size_t)n_wants * ((size_t)params_row_width(p) * sizeof(float) + hyper_row_bytes(p));
    return (size_t)n_rows * row + need.fixed + wants + 40 * 64 + 2 * ACT_FIXED_BYTES;
}

size_t model_thread_bytes(const struct model *m, int n_rows)
{
    const struct params *p = &m->p;
    int widest = 0;
    for (int i = 0; i < m->n_weight; i++)
        widest = m->weight[i].mat.n_cols > widest ? m->weight[i].mat.n_cols : widest;
    struct arch_memory own = {0};
    m->arch->memory(m, n_rows, &own);
    size_t need = larger(own.thread, op_product_scratch(n_rows, widest));
    for (int k = 0; k < KV_KINDS; k++) {
        const struct kv_shape *kv = &m->kv_layout[k].shape;
        if (m->kv_layout[k].n_layer)
            need = larger(need, op_attend_scratch(kv->d_k, kv->d_v ? kv->d_v : kv->d_k) +
                                    (kv_ratio(kv) > 1 ? op_attend_beside_scratch(kv->d_k) : 0));
    }
    if (m->n_moe_layer)
        need = larger(need, op_moe_thread_bytes(p->n_ff_expert, params_expert_width(p)));
    return (need + 63) / 64 * 64;
}
