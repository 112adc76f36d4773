/* The layer that predicts further tokens, behind the last one (multi-token prediction, NextN): a source of drafts (drafts.md 8).
 *
 *     x = eh_proj [norm(embd(t[p])), norm(h[p - 1])]        h: a row behind the model's last norm, or before it (arch.nextn);
 *     y = layer(x), z = norm(y)        at position p; logits of the token at p + 1 as the model has them, of z
 *
 * The token's half comes first. Pairs of which no logits are wanted are computed as far as the layer keeps something of them: x, and its
 * keys and values. The layer is as the model's last ones are, norms too, with keys and values of its own, of pairs: position 0 has none. A
 * further token is predicted from z, or y, in place of h. Of several such layers the first is run. Embedding and output matrix are the
 * model's: files that have them once more for this layer have copies, which are not read.
 * Source: DeepSeek-V3, arXiv 2412.19437, section 2.2. Golden: glm4moe.nextn. */
#include "model/arch/forward.h"
#include "model/block/moe.h"
#include "model/tables.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* ---- binding ---------------------------------------------------------------------------------------------------------------- */

static void *weights_of(const struct model *m)
{
    return (char *)m->layer + (size_t)m->p.n_layer * m->arch->layer_bytes;
}

static void bind(struct binder *b)
{
    struct model *m = b->m;
    struct nextn_weights *w = &m->nextn;
    int l = m->p.n_layer, d = m->p.n_embd;
    w->first = m->n_weight;
    w->token_norm = bind_vector(b, l, "nextn.enorm.weight", d);
    w->hidden_norm = bind_vector(b, l, "nextn.hnorm.weight", d);
    w->norm = bind_vector_if(b, l, "nextn.shared_head_norm.weight", d);
    w->norm = w->norm ? w->norm : bind_vector_if(b, l, "layer_output_norm.weight", d);
    w->norm = w->norm ? w->norm : m->output_norm;
    w->proj = bind_matrix(b, l, "nextn.eh_proj.weight", d, 2 * d);
    if (!b->failed && m->arch->bind(b, l, weights_of(m)))
        b->failed = -1;
}

/* Why no layer is to be bound, or NULL. */
static const char *why_not(const struct model *m)
{
    if (!gguf_predicts(m->file, (uint64_t)m->p.n_layer))
        return "the file has no layer that predicts further tokens";
    return m->arch->nextn && !m->p.pooling ? NULL
                                           : "layers of this architecture that predict further tokens are not run";
}

void model_unbind_nextn(struct model *m, const struct model *was)
{
    struct arena arena = m->arena;
    *m = *was;
    m->arena = arena;
    m->expert_layer[m->p.n_layer] = (struct expert_layer){.layer = m->p.n_layer};
}

int model_bind_nextn(struct model *m, struct error *err)
{
    struct binder b = {.m = m, .err = err, .known = arena_array(&m->arena, m->file->n_tensor, 1)};
    const struct model was = *m;
    const char *why = why_not(m);
    if (why)
        return error_set(err, ERR_UNSUPPORTED, "%s: %s", m->file->file->path, why);
    if (!b.known)
        return error_set(err, ERR_MEMORY, "no memory for the description of the model");
    bind(&b);
    m->n_moe_layer = was.n_moe_layer;
    if (!b.failed) {
        m->kept[m->p.n_layer] = b.kept;
        return 0;
    }
    model_unbind_nextn(m, &was);
    return -1;
}

/* ---- a step ----------------------------------------------------------------------------------------------------------------- */

static void pair_rows(struct step *s, float *x)
{
    struct model *m = s->m;
    size_t mark = step_mark(s), n_embd = (size_t)m->p.n_embd;
    float *pair = step_rows(s, 2 * m->p.n_embd), *half = step_rows(s, m->p.n_embd);
    take_rows(s, TABLE_TOKENS, half, n_embd);
    if (m->p.embd_scale > 0)
        op_scale(&m->op, half, m->p.embd_scale, s->n_rows, m->p.n_embd);
    model_norm(s, half, half, m->nextn.token_norm);
    op_copy(&m->op, pair, 2 * n_embd, half, n_embd, s->n_rows, m->p.n_embd);
    model_norm(s, half, s->b->h, m->nextn.hidden_norm);
    op_copy(&m->op, pair + n_embd, 2 * n_embd, half, n_embd, s->n_rows, m->p.n_embd);
    struct act a = step_act(s, pair, 2 * m->p.n_embd);
    matmul(s, x, &a, m->nextn.proj);
    step_reset(s, mark);
}

static void write_logits(struct step *s, const float *z)
{
    const struct batch *b = s->b;
    size_t n_embd = (size_t)s->m->p.n_embd;
    float *of = op_alloc(&s->m->op, (size_t)b->n_logits * n_embd * sizeof *of);
    for (int i = 0; i < b->n_logits && !op_measuring(&s->m->op); i++)
        memcpy(of + (size_t)i * n_embd, z + (size_t)b->logit_row[i] * n_embd, n_embd * sizeof *of);
    forward_logits(s, b->logits, of, b->n_logits);
}

void model_nextn(struct model *m, struct batch *b)
{
    struct error no_slots = {0};
    struct step s = {.m = m,
                     .b = b,
                     .n_rows = b->n_rows,
                     .err = &no_slots,
                     .layer = m->p.n_layer,
                     .pairs = 1,
                     .keeps = b->n_logits == 0};
    size_t n_embd = (size_t)m->p.n_embd;
    forward_begin(&s);
    float *x = step_rows(&s, m->p.n_embd);
    pair_rows(&s, x);
    m->arch->layer(&s, s.layer, weights_of(m), x);
    if (!s.keeps) {
        float *z = step_rows(&s, m->p.n_embd);
        model_norm(&s, z, x, m->nextn.norm);
        op_copy(&m->op, b->h, n_embd, m->arch->nextn == NEXTN_BEHIND_NORM ? z : x, n_embd, s.n_rows, m->p.n_embd);
        write_logits(&s, z);
    }
    tables_step_end(&s);
}
