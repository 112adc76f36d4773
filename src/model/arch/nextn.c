/* The layer that predicts further tokens, behind the last one (multi-token prediction, NextN): a source of drafts (drafts.md 8).
 *
 *     x = eh_proj [norm(embd(t[p])), norm(h[p - 1])]        h: a row behind the model's last norm, or before it (arch.nextn);
 *     y = layer(x), z = norm(y)        at position p; logits of the token at p + 1 as the model has them, of z
 *
 * The token's half comes first. Where rows are several streams, h, x and y are, each with that half, and z is of them as one. Pairs of
 * which no logits are wanted are computed as far as the layer keeps something of them: x, and its keys and values. The layer is as the
 * model's last ones are, norms too, with keys and values of its own, of pairs: position 0 has none. A further token is predicted from z,
 * or y, in place of h. Of several such layers the first is run. Embedding and output matrix are the model's: files that have them once
 * more for this layer have copies, which are not read.
 * Source: DeepSeek-V3, arXiv 2412.19437, section 2.2. Goldens: NAME.nextn of each architecture. */
#include "model/arch/forward.h"
#include "model/block/hyper.h"
#include "model/block/hyper_mix.h"
#include "model/block/moe.h"
#include "model/tables.h"

#include "base/error.h"

/* ---- binding ---------------------------------------------------------------------------------------------------------------- */

static void *weights_of(const struct model *m)
{
    return (char *)m->layer + (size_t)m->p.n_layer * m->arch->layer_bytes;
}

/* What makes streams one: the layer's own, of which files have all or nothing, or the model's. */
static void bind_streams(struct binder *b, int l, struct nextn_weights *w)
{
    w->streams = b->m->hyper;
    if (bind_has(b, l, "nextn.hc_head_fn.weight") || bind_has(b, l, "nextn.hc_head_base.weight") ||
        bind_has(b, l, "nextn.hc_head_scale.weight"))
        bind_hyper_end(b, l, &w->streams, "nextn.hc_head");
}

static void bind_mixer(struct binder *b, int l, struct nextn_weights *w)
{
    w->mix = b->m->hyper_mix;
    if (bind_has(b, l, "nextn.hc_head_norm.weight") || bind_has(b, l, "nextn.hc_head_down.weight") ||
        bind_has(b, l, "nextn.hc_head_up.weight"))
        bind_hyper_mix_end(b, l, &w->mix, "nextn.hc_head");
}

/* What stands before the head. */
static void bind_end(struct binder *b, int l, struct nextn_weights *w)
{
    const struct model *m = b->m;
    if (m->p.hyper.rank) {
        bind_mixer(b, l, w);
        return;
    }
    if (m->hyper.fn)
        bind_streams(b, l, w);
    w->norm = bind_vector_if(b, l, "nextn.shared_head_norm.weight", m->p.n_embd);
    w->norm = w->norm ? w->norm : bind_vector_if(b, l, "layer_output_norm.weight", m->p.n_embd);
    w->norm = w->norm ? w->norm : m->output_norm;
}

static void bind(struct binder *b)
{
    struct model *m = b->m;
    struct nextn_weights *w = &m->nextn;
    int l = m->p.n_layer, d = m->p.n_embd;
    w->first = m->n_weight;
    w->token_norm = bind_vector(b, l, "nextn.enorm.weight", d);
    w->hidden_norm = bind_vector(b, l, "nextn.hnorm.weight", m->p.hyper.rank ? params_row_width(&m->p) : d);
    bind_end(b, l, w);
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

int model_predicts(const struct model *m) { return !why_not(m); }

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
    const struct weight *norm = m->nextn.hidden_norm;
    const int d = m->p.n_embd, width = model_h_width(m), n = s->n_rows * (width / d);
    const size_t mark = step_mark(s), n_embd = (size_t)d;
    float *pair = step_rows(s, 2 * width), *half = step_rows(s, width);
    take_rows(s, TABLE_TOKENS, half, n_embd);
    if (m->p.embd_scale > 0)
        op_scale(&m->op, half, m->p.embd_scale, s->n_rows, d);
    model_norm(s, half, half, m->nextn.token_norm, s->n_rows);
    for (int i = 0; i < width; i += d)
        op_copy(&m->op, pair + 2 * i, 2 * (size_t)width, half, n_embd, s->n_rows, d);
    model_norm(s, half, s->b->h, norm, s->n_rows * (width / norm->mat.n_cols));
    op_copy(&m->op, pair + n_embd, 2 * n_embd, half, n_embd, n, d);
    struct act a = act_rows(&m->op, pair, n, 2 * d, 2 * n_embd);
    matmul(s, x, &a, m->nextn.proj);
    step_reset(s, mark);
}

/* What a further token is predicted from. */
static void write_h(struct step *s, const float *x)
{
    struct model *m = s->m;
    const int width = model_h_width(m);
    const size_t mark = step_mark(s);
    if (m->arch->nextn == NEXTN_BEHIND_NORM) {
        float *z = step_rows(s, width);
        model_norm(s, z, x, m->nextn.norm, s->n_rows);
        x = z;
    }
    op_copy(&m->op, s->b->h, (size_t)width, x, (size_t)width, s->n_rows, width);
    step_reset(s, mark);
}

static void write_logits(struct step *s, const float *x)
{
    const struct batch *b = s->b;
    const struct model *m = s->m;
    const int32_t *row = b->logit_row;
    float *z = m->arch->nextn == NEXTN_BEFORE_NORM ? forward_end(s, x, row, b->n_logits)
                                                   : forward_rows(s, x, (size_t)m->p.n_embd, row, b->n_logits);
    if (m->nextn.norm)
        model_norm(s, z, z, m->nextn.norm, b->n_logits);
    forward_logits(s, b->logits, z, b->n_logits);
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
    forward_begin(&s);
    float *x = step_rows(&s, model_h_width(m));
    pair_rows(&s, x);
    m->arch->layer(&s, s.layer, weights_of(m), x);
    if (!s.keeps) {
        write_h(&s, x);
        write_logits(&s, x);
    }
    tables_step_end(&s);
}
