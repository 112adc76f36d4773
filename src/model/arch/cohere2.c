/* Command R and R7B (cohere2): attention and feed-forward side by side, of the same norm, which is around the mean.
 *
 *     y = x + Wo attend(rope(Wq n), rope(Wk n), Wv n) + ffn(n)        n = layer_norm(x), without bias
 *     logits = s output(layer_norm(y))
 *
 * s: logit_scale. In cohere2 three of four layers have a window, where no key says which; the others know no positions (architectures.md
 * 2). rope in adjacent pairs. Command R+ norms each head around its mean before it is rotated.
 * Sources: Command R model cards and their code in transformers. Goldens: command-r, command-r-plus,
 * cohere2. */
#include "model/block/attention.h"
#include "model/block/ffn.h"

#include <math.h>

struct layer {
    struct attention_weights attention;
    struct ffn_weights ffn;
};

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    double scale, eps;
    if (params_read(p, g, ROPE_ADJACENT, err) || params_real(g, "logit_scale", 1e-6, 1e6, NAN, &scale, err) ||
        params_real(g, "attention.layer_norm_epsilon", 1e-30, 1, NAN, &eps, err))
        return -1;
    p->logit_scale = (float)scale;
    p->norm_eps = (float)eps;
    p->layer_norm = 1;
    return 0;
}

static int read_windows(struct params *p, const struct gguf *g, struct error *err)
{
    if (read_params(p, g, err))
        return -1;
    return params_int(g, "attention.sliding_window", 1, 1 << 28, -1, &p->window, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    int windowed = 0;
    if (b->m->p.window && params_windowed(b->m->file, l, PERIOD_UNSAID, &windowed, b->err))
        return -1;
    bind_attention(b, l, &w->attention, see_last(windowed ? b->m->p.window : 0));
    if (!b->m->p.window)
        bind_centred_qk_norm_if(b, l, &w->attention);
    w->attention.rope = windowed || !b->m->p.window ? ROPE : NO_ROPE;
    bind_ffn(b, l, &w->ffn, "", b->m->p.n_ff);
    return b->failed;
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    int n_embd = s->m->p.n_embd;
    size_t mark = step_mark(s);
    float *n = step_rows(s, n_embd), *attended = step_rows(s, n_embd), *fed = step_rows(s, n_embd);
    layer_norm(s, n, x, w->attention.norm, s->n_rows);
    struct act a = step_act(s, n, n_embd);
    attention_of(s, attended, &a, &w->attention);
    block_ffn(s, fed, &a, &w->ffn);
    block_out(s, VECTOR_ATTN, x, attended);
    block_out(s, VECTOR_FFN, x, fed);
    step_reset(s, mark);
    layer_out(s, l, x);
}

#define ROW(id, text, read)                                                                                            \
    const struct arch id = {                                                                                           \
        .name = text, .read_params = read, .layer_bytes = sizeof(struct layer), .bind = bind, .layer = layer}
ROW(arch_command_r, "command-r", read_params);
ROW(arch_cohere2, "cohere2", read_windows);
