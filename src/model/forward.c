/* One step of a model over a batch of rows: embed, the layers, norm, logits of the rows that want them. */
#include "model/step.h"

#include "base/error.h"
#include "op/matmul.h"
#include "op/moe.h"

#include <string.h>

static int embed(struct step *s, float *x)
{
    struct model *m = s->m;
    const struct weight *w = m->token_embd;
    const struct block_info *type = type_info(w->mat.type);
    size_t n_embd = (size_t)m->p.n_embd, mark = step_mark(s);
    uint8_t *raw = NULL;
    if (w->on_disk) {
        raw = op_alloc(&m->op, (size_t)s->n_rows * w->mat.row_bytes);
        if (disk_rows_read(&m->embedding, s->b->token, s->n_rows, raw, s->err))
            return -1;
    }
    for (int r = 0; r < s->n_rows; r++) {
        size_t row = raw ? (size_t)r : (size_t)s->b->token[r];
        type->decode(x + (size_t)r * n_embd, (raw ? raw : w->mat.data) + row * w->mat.row_bytes, n_embd);
    }
    step_reset(s, mark);
    return 0;
}

/* Rows know their pages, their position, and which neighbours belong to the same sequence. */
static void place_rows(struct step *s)
{
    const struct batch *b = s->b;
    const struct params *p = &s->m->p;
    s->attn_row = op_alloc(&s->m->op, (size_t)s->n_rows * sizeof *s->attn_row);
    for (int r = 0, seq = 0; r < s->n_rows; r++) {
        seq += r > 0 && b->seq[r] != b->seq[r - 1];
        s->attn_row[r] = (struct attn_row){.page = b->seq[r]->page[KV_FULL], .pos = b->pos[r], .first = 0, .seq = seq};
        b->dead[r] = 0;
    }
    s->rope_cos = step_rows(s, p->rope.n_rot / 2);
    s->rope_sin = step_rows(s, p->rope.n_rot / 2);
    op_rope_table(&s->m->op, s->rope_cos, s->rope_sin, s->m->rope_freq, s->m->rope_magnitude, p->rope.n_rot / 2, b->pos,
                  s->n_rows);
}

static int all_left(const struct step *s) { return memchr(s->b->dead, 0, (size_t)s->n_rows) == NULL; }

static void write_logits(struct step *s, const float *x)
{
    const struct model *m = s->m;
    const struct batch *b = s->b;
    size_t n_embd = (size_t)m->p.n_embd;
    if (b->n_wants == 0)
        return;
    float *wanted = op_alloc(&s->m->op, (size_t)b->n_wants * n_embd * sizeof(float));
    for (int i = 0; i < b->n_wants; i++)
        memcpy(wanted + (size_t)i * n_embd, x + (size_t)b->wants[i] * n_embd, n_embd * sizeof(float));
    op_rms_norm(&s->m->op, wanted, wanted, m->output_norm->vector, b->n_wants, m->p.n_embd, m->p.norm_eps);
    struct act a = act_rows(&s->m->op, wanted, b->n_wants, m->p.n_embd, n_embd);
    op_matmul(&s->m->op, b->logits, (size_t)m->p.n_vocab, &a, &m->output->mat);
}

int model_forward(struct model *m, struct batch *b, struct error *err)
{
    struct step s = {.m = m, .b = b, .n_rows = b->n_rows, .err = err};
    arena_reset(m->op.scratch, 0);
    place_rows(&s);
    float *x = step_rows(&s, m->p.n_embd);
    if (embed(&s, x))
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
    size_t embedding = m->token_embd->on_disk ? m->token_embd->mat.row_bytes : 0;
    size_t row = (need.row > embedding ? need.row : embedding) + sizeof(struct attn_row) +
                 (size_t)p->rope.n_rot * sizeof(float) + (size_t)p->n_embd * sizeof(float);
    size_t wants = (size_t)n_wants * ((size_t)p->n_embd * sizeof(float) + act_row_bytes(p->n_embd));
    return (size_t)n_rows * row + need.fixed + wants + 32 * 64 + 2 * ACT_FIXED_BYTES;
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

size_t model_thread_bytes(const struct model *m, int n_rows)
{
    const struct params *p = &m->p;
    int widest = 0;
    for (int i = 0; i < m->n_weight; i++)
        widest = m->weight[i].mat.n_cols > widest ? m->weight[i].mat.n_cols : widest;
    size_t need = larger(op_product_scratch(n_rows, widest), op_attend_scratch(p->d_k, p->d_v));
    if (m->n_moe_layer)
        need = larger(need, op_moe_thread_bytes(p->n_ff_expert, p->n_embd));
    return (need + 63) / 64 * 64;
}

void decoder_memory(const struct model *m, size_t ffn_row, size_t ffn_fixed, struct arch_memory *out)
{
    const struct params *p = &m->p;
    out->row = larger(attention_row_bytes(p), ffn_row);
    out->fixed = ffn_fixed + 16 * 64;
    out->kv[KV_FULL] = (struct kv_shape){.n_head_kv = p->n_head_kv, .d_k = p->d_k, .d_v = p->d_v};
    out->kv_layers[KV_FULL] = p->n_layer;
}
