/* LFM2: short convolutions between gates, attention now and then, a feed-forward or experts behind each.
 *
 *     convolution    [b | c | z] = Win n;  h = x + Wout (c * conv(b * z))        no activation       n = rms_norm(x)
 *     attention      h = x + Wo attend(rope(norm(Wq n)), rope(norm(Wk n)), Wv n)
 *     y = h + ffn(m), or experts(m)        m = rms_norm(h)
 *
 * A layer without key heads (attention.head_count_kv) is a convolution over shortconv.l_cache positions; the others have the window
 * attention.sliding_window, where the file has one. The first layers are dense;
 * router by key, a bias for the choice, the chosen renormalised. The norm before the output matrix is named token_embd_norm
 * (architectures.md 2).
 * Source: LFM2 technical report, arXiv 2511.23404. Goldens: lfm2, lfm2moe. */
#include "model/block/attention.h"
#include "model/block/dense_or_moe.h"

struct layer {
    int attends;
    struct attention_weights attention;
    struct conv_weights {
        const struct weight *norm, *in, *conv, *out;
        size_t history;
    } conv; /* where it does not */
    struct dense_or_moe_weights ffn;
};

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_HALF, err) || params_int(g, "shortconv.l_cache", 2, CONV_MOST, -1, &p->n_conv, err) ||
        params_int(g, "attention.sliding_window", 0, 1 << 28, 0, &p->window, err))
        return -1;
    p->n_layer_dense_lead = p->n_layer;
    return 0;
}

static int read_moe(struct params *p, const struct gguf *g, struct error *err)
{
    if (read_params(p, g, err) || params_read_dense_or_moe(p, g, ROUTER_BY_KEY, err))
        return -1;
    p->router_normalise = 1;
    return 0;
}

static void bind_short_conv(struct binder *b, int l, struct conv_weights *w)
{
    const struct params *p = &b->m->p;
    w->norm = bind_vector(b, l, "attn_norm.weight", p->n_embd);
    w->in = bind_matrix(b, l, "shortconv.in_proj.weight", 3 * p->n_embd, p->n_embd);
    w->conv = bind_conv(b, l, "shortconv.conv.weight", p->n_conv, p->n_embd);
    w->out = bind_matrix(b, l, "shortconv.out_proj.weight", p->n_embd, p->n_embd);
    w->history = bind_state(b, (size_t)(p->n_conv - 1) * (size_t)p->n_embd);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    int n_head_kv;
    if (params_int_of(b->m->file, "attention.head_count_kv", l, 0, p->n_head, p->n_head, &n_head_kv, b->err))
        return -1;
    w->attends = n_head_kv > 0;
    if (w->attends) {
        bind_attention_heads(b, l, &w->attention, p->n_head, n_head_kv, see_last(p->window));
        bind_qk_norm(b, l, &w->attention, p->d_k, p->d_k);
    } else
        bind_short_conv(b, l, &w->conv);
    bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

static void short_conv(struct step *s, float *x, const struct conv_weights *w)
{
    struct op *op = &s->m->op;
    int n_embd = s->m->p.n_embd;
    size_t mark = step_mark(s);
    float *n = step_rows(s, n_embd), *b = step_rows(s, n_embd), *c = step_rows(s, n_embd), *z = step_rows(s, n_embd);
    rms_norm(s, n, x, w->norm);
    struct act a = step_act(s, n, n_embd);
    matmul_rows(s, b, &a, w->in, 0, n_embd);
    matmul_rows(s, c, &a, w->in, n_embd, n_embd);
    matmul_rows(s, z, &a, w->in, 2 * n_embd, n_embd);
    op_mul(op, b, z, s->n_rows, n_embd);
    op_conv_plain(op, z, b, (const float *)w->conv->mat.data, s->m->p.n_conv, n_embd,
                  step_runs(s, w->history, w->history), s->n_run);
    op_mul(op, z, c, s->n_rows, n_embd);
    struct act y = step_act(s, z, n_embd);
    matmul(s, n, &y, w->out);
    block_out(s, VECTOR_ATTN, x, n);
    step_reset(s, mark);
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    if (w->attends)
        block_attention(s, x, &w->attention);
    else
        short_conv(s, x, &w->conv);
    block_dense_or_moe(s, l, x, &w->ffn);
    layer_out(s, l, x);
}

#define ROW(id, text, read)                                                                                            \
    const struct arch id = {.name = text,                                                                              \
                            .output_norm = "token_embd_norm.weight",                                                   \
                            .read_params = read,                                                                       \
                            .layers_differ = 1,                                                                        \
                            .layer_bytes = sizeof(struct layer),                                                       \
                            .bind = bind,                                                                              \
                            .layer = layer}
ROW(arch_lfm2, "lfm2", read_params);
ROW(arch_lfm2moe, "lfm2moe", read_moe);
