/* Ling 3 (bailingmoe3): Kimi delta attention, and in some layers latent attention with positions and gates.
 *
 *     h = x + kda(n), or x + Wo (latent_attention(n) * sigmoid(Wg n), one gate a head)        n = rms_norm(x)
 *     y = h + ffn(m), or experts(m) + shared(m)        m = rms_norm(h)
 *     hidden rows: min(silu(gate m), c) * clamp(up m, -c, c), c by layer, of experts and of the others; 0: none
 *
 * In kda (block/kda.c) decays are bounded, kda.gate_lower_bound, unless kda.safe_gate is false, and decays and gates are of full rank.
 * Which layers attend: those whose attention.head_count_kv is not 0. Queries may be compressed. rope in adjacent pairs. The first
 * layers are dense. Router by key, a bias for the choice, from the experts of the best groups. Layers that predict further tokens are
 * not run.
 * Sources: Ling 3.0 model cards; its converter and graph in llama.cpp. Goldens: bailingmoe3, bailingmoe3-long. */
#include "model/block/dense_or_moe.h"
#include "model/block/kda.h"
#include "model/block/latent.h"

#include "base/error.h"
#include "format/gguf.h"

#include <math.h>

struct layer {
    int attends;
    union {
        struct latent_weights latent;
        struct kda_weights kda;
    };
    struct dense_or_moe_weights ffn;
};

static int read_decays(struct params *p, const struct gguf *g, struct error *err)
{
    int bounded = 1;
    double bound = 0;
    if (params_read_kda(p, g, err) || params_bool(g, "kda.safe_gate", &bounded, err) ||
        (bounded && params_real(g, "kda.gate_lower_bound", -1e3, -1e-3, NAN, &bound, err)))
        return -1;
    p->delta.lowest = (float)bound;
    p->delta.qk_eps = p->norm_eps;
    return 0;
}

/* Engines disagree on whether scores grow with YaRN, and no model needs it. */
static int check_rope(const struct params *p, const struct gguf *g, struct error *err)
{
    if (p->rope[ROPE].scaling == ROPE_PLAIN)
        return 0;
    return error_set(err, ERR_UNSUPPORTED,
                     "%s: rope.scaling.type is not none; stoker takes bailingmoe3 without scaling", g->file->path);
}

/* Ling 3.0 flash limits its hidden rows; files from before the converter wrote the limits answer much worse without a word. The smaller
 * models have none. */
static int refuse_missing_limits(const struct params *p, const struct gguf *g, struct error *err)
{
    int is_flash = p->n_layer == 42 && p->n_embd == 2560 && p->n_expert == 512;
    if (!is_flash || params_has(g, "swiglu_clamp_exp") || params_has(g, "swiglu_clamp_shexp"))
        return 0;
    return error_set(
        err, ERR_FORMAT,
        "%s: this size of Ling 3.0 limits its hidden rows, but the keys bailingmoe3.swiglu_clamp_exp and _shexp are "
        "absent; fetch a file that was converted later",
        g->file->path);
}

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_ADJACENT, err) || check_rope(p, g, err) || params_read_latent(p, g, err) ||
        params_read_dense_or_moe(p, g, ROUTER_BY_KEY, err) || params_read_shared_width(p, g, err) ||
        read_decays(p, g, err) || refuse_missing_limits(p, g, err))
        return -1;
    if (p->n_ff_shared == 0) /* there is always one */
        p->n_ff_shared = p->n_ff_expert;
    return 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    if (params_int_of(b->m->file, "attention.head_count_kv", l, 0, p->n_head, p->n_head_kv, &w->attends, b->err))
        return -1;
    if (w->attends) {
        bind_latent(b, l, &w->latent);
        bind_latent_gate(b, l, &w->latent);
    } else
        bind_kda(b, l, &w->kda, 0);
    struct experts *e = bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight");
    if (e)
        bind_vector(b, l, "exp_probs_b.bias", p->n_expert); /* which they must have */
    bind_limits_behind_silu(b, l, &w->ffn, e);
    return b->failed;
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    if (w->attends)
        block_latent(s, x, &w->latent);
    else
        block_kda(s, x, &w->kda);
    block_dense_or_moe(s, l, x, &w->ffn);
    layer_out(s, l, x);
}

const struct arch arch_bailingmoe3 = {.name = "bailingmoe3",
                                      .read_params = read_params,
                                      .layers_differ = 1,
                                      .layer_bytes = sizeof(struct layer),
                                      .bind = bind,
                                      .layer = layer};
