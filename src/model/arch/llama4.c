/* Llama 4: chunks of positions on three of four layers, experts that see their input times its weight.
 *
 *     chunk layers    h = x + Wo attend(rms(rope(Wq n)), rope of Wk n likewise, Wv n)        within the row's own chunk
 *     every fourth    h = x + Wo attend(t_p Wq n, Wk n, Wv n)        at all positions, none rotated        n = rms_norm(x)
 *     dense           y = h + ffn(m)        m = rms_norm(h)
 *     every step-th   y = h + down_e(silu(gate_e w m) * up_e w m) + shared(m)        w = sigmoid of the best expert's logit
 *
 * rms is without weights, each head by itself; t_p = 1 + 0.1 ln(1 + floor((p + 1) / 8192)). No key says the length of chunks, which layers
 * see all, these two numbers, or that models of 128 experts norm no heads; files that switch chunks off are refused (architectures.md 2).
 * Sources: Llama 4 model card, its code in transformers. Golden: llama4. */
#include "model/block/attention.h"
#include "model/block/moe.h"

#include "base/error.h"
#include "format/gguf.h"

enum { CHUNK = 8192, NOT_NORMED = 128 /* experts */ };

struct layer {
    struct attention_weights attention;
    const struct weight *ffn_norm; /* of a dense layer */
    struct ffn_weights ffn;
    struct moe_weights moe; /* of one with experts */
    struct ffn_weights shared;
};

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_ADJACENT, err) || params_read_experts(p, g, err) ||
        params_int(g, "attention.sliding_window", CHUNK, CHUNK, CHUNK, &p->window, err) ||
        params_int(g, "interleave_moe_layer_step", 1, p->n_layer, -1, &p->moe_step, err))
        return -1;
    p->temperature = (struct temperature_params){.scale = 0.1, .n = CHUNK, .first = 1};
    if (p->n_expert_used != 1)
        return error_set(
            err, ERR_UNSUPPORTED,
            "%s: a row uses %d experts (expert_used_count); where experts see their input times its weight "
            "stoker takes one",
            g->file->path, p->n_expert_used);
    return 0;
}

static void bind_attention_of(struct binder *b, int l, struct attention_weights *w)
{
    int chunked;
    if (params_windowed(b->m->file, l, PERIOD_UNSAID, &chunked, b->err)) {
        b->failed = -1;
        return;
    }
    bind_attention(b, l, w, chunked ? see_chunk(CHUNK) : see_all());
    w->rope = chunked ? ROPE : NO_ROPE;
    w->temperature = !chunked;
    if (chunked && b->m->p.n_expert != NOT_NORMED)
        w->order = QK_ROPE_RMS;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    bind_rope_factors(b, l, ROPE, p->rope[ROPE].n_rot);
    bind_attention_of(b, l, &w->attention);
    if ((l + 1) % p->moe_step == 0) {
        bind_moe(b, l, &w->moe, "ffn_norm.weight");
        bind_ffn(b, l, &w->shared, "_shexp", p->n_ff_expert);
    } else {
        w->ffn_norm = bind_vector(b, l, "ffn_norm.weight", p->n_embd);
        bind_ffn(b, l, &w->ffn, "", p->n_ff);
    }
    return b->failed;
}

static const struct route_rule route = {.gate = ROUTE_CHOSEN_SIGMOID};

/* The weights are used up by the experts' input: their outputs are summed as they are. */
static void sparse_half(struct step *s, int l, float *x, const struct layer *w)
{
    const struct params *p = &s->m->p;
    size_t mark = step_mark(s);
    float *n = step_rows(s, p->n_embd), *y = step_rows(s, p->n_embd), *scaled = step_rows(s, p->n_embd);
    rms_norm(s, n, x, w->moe.norm);
    struct act a = step_act(s, n, p->n_embd), b = step_act(s, scaled, p->n_embd);
    struct routes r = route_top_k(s, l, &a, w->moe.router, NULL, p->n_expert, 1, &route);
    op_copy(&s->m->op, scaled, (size_t)p->n_embd, n, (size_t)p->n_embd, s->n_rows, p->n_embd);
    op_scale_rows(&s->m->op, scaled, r.w, s->n_rows, p->n_embd);
    op_fill(&s->m->op, r.w, 1, s->n_rows, 1);
    block_moe(s, l, y, &b, &r, w->moe.experts, &(struct shared_expert){.ffn = w->shared, .in = &a});
    block_out(s, VECTOR_FFN, x, y);
    step_reset(s, mark);
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    block_attention(s, x, &w->attention);
    if (w->moe.router)
        sparse_half(s, l, x, w);
    else
        block_dense(s, x, w->ffn_norm, &w->ffn);
    layer_out(s, l, x);
}

const struct arch arch_llama4 = {
    .name = "llama4", .read_params = read_params, .layer_bytes = sizeof(struct layer), .bind = bind, .layer = layer};
