/* The second half of a layer as in DeepSeek's models: dense in the first params.n_layer_dense_lead layers, in the others (or every
 * params.moe_step-th of them) routed and shared experts. */
#ifndef MODEL_BLOCK_DENSE_OR_MOE_H
#define MODEL_BLOCK_DENSE_OR_MOE_H

#include "model/block/moe.h"

struct dense_or_moe_weights {
    const struct weight *norm; /* of a dense layer */
    struct ffn_weights ffn;
    struct moe_weights moe; /* of one with experts; without a router: a dense one */
    const struct weight *select_bias;
    struct shared_expert shared;
};
void block_dense_or_moe(struct step *s, int l, float *x, const struct dense_or_moe_weights *w);
/* What it adds to rows x, y [n_rows][n_embd]. */
void dense_or_moe_of(struct step *s, int l, float *y, const float *x, const struct dense_or_moe_weights *w);

/* How the layer's router chooses; for architectures that run the parts by themselves. */
struct route_rule dense_or_moe_rule(const struct params *p, const struct dense_or_moe_weights *w);

/* Read the keys of experts, leading dense layers, shared experts and the router. gating_absent: the gating where the file has no key;
 * ROUTER_BY_KEY: it must have one; ROUTER_SQRT_SOFTPLUS: it may have no other. */
enum router_gating { ROUTER_BY_KEY = -1, ROUTER_SOFTMAX = 1, ROUTER_SIGMOID = 2, ROUTER_SQRT_SOFTPLUS = 4 };
int params_read_dense_or_moe(struct params *p, const struct gguf *g, enum router_gating gating_absent,
                             struct error *err);
/* After it: the width of all shared experts together, where a key says it (expert_shared_feed_forward_length), whatever their count. */
int params_read_shared_width(struct params *p, const struct gguf *g, struct error *err);
/* Of models whose every layer has experts, or none (expert_count): a softmax, normalised over the chosen. */
int params_read_softmax_moe(struct params *p, const struct gguf *g, struct error *err);

/* norm: name of the norm's tensor, NULL: none. The others leave the choice to the caller. Return the experts, NULL where there are none. */
struct experts *bind_dense_or_moe(struct binder *b, int l, struct dense_or_moe_weights *w, const char *norm);
struct experts *bind_sparse_half(struct binder *b, int l, struct dense_or_moe_weights *w, const char *norm);
void bind_dense_half(struct binder *b, int l, struct dense_or_moe_weights *w, const char *norm);
/* Without a norm before it, but with one behind it (post_ffw_norm). */
void bind_dense_half_post_norm(struct binder *b, int l, struct dense_or_moe_weights *w);

/* Limits c of hidden rows, min(silu(g), c) * clamp(u, -c, c): swiglu_clamp_exp of the layer's experts e (NULL: it has none),
 * swiglu_clamp_shexp of its feed-forward or shared expert; 0: none. */
void bind_limits_behind_silu(struct binder *b, int l, struct dense_or_moe_weights *w, struct experts *e);

/* Limits before silu, silu(min(g, c)) * clamp(u, -c, c), by the same keys; absent: c. Where the file has none for shared experts, they are
 * limited as the others are. */
void bind_limits_before_silu(struct binder *b, int l, struct dense_or_moe_weights *w, struct experts *e, double c);

#endif
