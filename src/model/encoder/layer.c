/* The layer of encoders: see layer.h. Source: Devlin et al., arXiv 1810.04805. */
#include "model/encoder/layer.h"

#include "base/error.h"
#include "format/gguf.h"
#include "op/rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- before the first layer ------------------------------------------------------------------------------------------------- */

static void add_positions(struct step *s, float *x, const struct weight *table)
{
    size_t mark = step_mark(s), n = (size_t)s->m->p.n_embd;
    float *y = step_rows(s, s->m->p.n_embd);
    for (int r = 0; r < s->n_rows && !op_measuring(&s->m->op); r++)
        memcpy(y + (size_t)r * n, table->vector + (size_t)s->b->pos[r] * n, n * sizeof *y);
    add(s, x, y, s->m->p.n_embd);
    step_reset(s, mark);
}

void encoder_first_rows(struct step *s, float *x)
{
    const struct first_weights *w = &s->m->first;
    if (w->types)
        op_add_vector(&s->m->op, x, w->types->vector, s->n_rows, s->m->p.n_embd);
    if (w->positions)
        add_positions(s, x, w->positions);
    layer_norm_biased(s, x, x, w->norm, w->norm_bias);
}

/* ---- a layer ---------------------------------------------------------------------------------------------------------------- */

static void experts_of(struct step *s, int l, float *y, struct act *a, const struct moe_weights *w)
{
    const struct params *p = &s->m->p;
    const struct route_rule rule = {.gate = p->router_gate, .normalise = p->router_normalise};
    struct routes r = route_top_k(s, l, a, w->router, w->router_bias, p->n_expert, p->n_expert_used, &rule);
    block_moe(s, l, y, a, &r, w->experts, NULL);
}

void encoder_layer(struct step *s, int l, const void *weights, float *x)
{
    const struct encoder_weights *w = weights;
    int n_embd = s->m->p.n_embd;
    size_t mark = step_mark(s);
    float *y = step_rows(s, n_embd);
    float *in = w->again ? step_rows(s, n_embd) : NULL;
    struct act a = step_act(s, x, n_embd);
    attention_of(s, y, &a, &w->attention);
    if (in)
        op_copy(&s->m->op, in, (size_t)n_embd, x, (size_t)n_embd, s->n_rows, n_embd);
    block_out(s, VECTOR_ATTN, x, y);
    layer_norm_biased(s, x, x, w->attn_norm, w->attn_norm_bias);
    if (in) {
        add(s, x, in, n_embd);
        layer_norm_biased(s, x, x, w->again, w->again_bias);
    }

    struct act b = step_act(s, x, n_embd);
    if (w->moe.experts)
        experts_of(s, l, y, &b, &w->moe);
    else
        block_ffn(s, y, &b, &w->ffn);
    block_out(s, VECTOR_FFN, x, y);
    layer_norm_biased(s, x, x, w->ffn_norm, w->ffn_norm_bias);
    step_reset(s, mark);
    layer_out(s, l, x);
}

/* ---- keys and tensors ------------------------------------------------------------------------------------------------------- */

static int read_eps(struct params *p, const struct gguf *g, struct error *err)
{
    double eps;
    if (params_real(g, "attention.layer_norm_epsilon", 1e-30, 1, NAN, &eps, err))
        return -1;
    p->norm_eps = (float)eps;
    return 0;
}

int params_read_encoder(struct params *p, const struct gguf *g, enum rope_pairs pairs, struct error *err)
{
    p->bidirectional = 1;
    return params_read(p, g, pairs, err) || read_eps(p, g, err) ? -1 : 0;
}

int params_read_encoder_unrotated(struct params *p, const struct gguf *g, struct error *err)
{
    p->bidirectional = 1;
    if ((params_has(g, "rope.dimension_count") || params_has(g, "rope.freq_base")) &&
        params_read(p, g, ROPE_HALF, err)) /* they must make sense all the same */
        return -1;
    p->rope[ROPE].n_rot = 0;
    return params_read_unrotated(p, g, err) || read_eps(p, g, err) ? -1 : 0;
}

/* A table whose first row is used, of as many rows as the tokenizer has types; or none. */
static const struct weight *bind_types(struct binder *b)
{
    const struct gguf_tensor *t = gguf_tensor(b->m->file, "token_types.weight");
    uint64_t n = t ? t->ne[1] : 1;
    if (!b->failed && gguf_u64(b->m->file, "tokenizer.ggml.token_type_count", 1, 1 << 16, &n, b->err) < 0)
        b->failed = -1;
    return bind_table_if(b, -1, "token_types.weight", (int)n, b->m->p.n_embd);
}

void bind_first_rows(struct binder *b, int learned_positions)
{
    const struct params *p = &b->m->p;
    struct first_weights *w = &b->m->first;
    w->types = bind_types(b);
    w->positions = learned_positions ? bind_table(b, -1, "position_embd.weight", p->n_ctx_train, p->n_embd) : NULL;
    w->norm = bind_vector(b, -1, "token_embd_norm.weight", p->n_embd);
    w->norm_bias = bind_vector(b, -1, "token_embd_norm.bias", p->n_embd);
}

const struct weight *bind_as_first(struct binder *b, int l, const char *name, int n)
{
    char first[80];
    snprintf(first, sizeof first, "blk.0.%s", name);
    return gguf_tensor(b->m->file, first) ? bind_vector(b, l, name, n) : NULL;
}

void bind_encoder_attention(struct binder *b, int l, struct encoder_weights *w)
{
    const struct params *p = &b->m->p;
    struct attention_weights *a = &w->attention;
    int n_q = p->n_head * p->d_k, n_k = p->n_head_kv * p->d_k, n_v = p->n_head_kv * p->d_v;
    bind_attention_bare(b, l, a, see_all());
    if (a->v_first) {
        a->b_qkv = bind_as_first(b, l, "attn_qkv.bias", n_q + n_k + n_v);
    } else {
        a->bq = bind_as_first(b, l, "attn_q.bias", n_q);
        a->bk = bind_as_first(b, l, "attn_k.bias", n_k);
        a->bv = bind_as_first(b, l, "attn_v.bias", n_v);
    }
    a->bo = bind_as_first(b, l, "attn_output.bias", p->n_embd);
    w->attn_norm = bind_vector(b, l, "attn_output_norm.weight", p->n_embd);
    w->attn_norm_bias = bind_vector(b, l, "attn_output_norm.bias", p->n_embd);
    w->ffn_norm = bind_vector(b, l, "layer_output_norm.weight", p->n_embd);
    w->ffn_norm_bias = bind_vector(b, l, "layer_output_norm.bias", p->n_embd);
}

void bind_encoder_ffn(struct binder *b, int l, struct encoder_weights *w)
{
    bind_ffn(b, l, &w->ffn, "", b->m->p.n_ff);
    w->ffn.up_bias = bind_as_first(b, l, "ffn_up.bias", b->m->p.n_ff);
    w->ffn.down_bias = bind_as_first(b, l, "ffn_down.bias", b->m->p.n_embd);
}
