/* Routed experts: which experts compute a row, and the weighted sum of their outputs. */
#ifndef MODEL_BLOCK_MOE_H
#define MODEL_BLOCK_MOE_H

#include "model/block/ffn.h"
#include "op/rows.h"

/* The experts of each row and their weights, in scratch of the step that the caller resets. route_top_k() chooses n_used of n_expert by the
 * rule, from the products of a with the router; the router's bias may be NULL. */
struct routes {
    int32_t *id; /* [n_rows][n_used], in order of selection; -1: none */
    float *w;    /* [n_rows][n_used] */
    int layer, n_used;
    int is_turned; /* 1: the list of a row's request changes what its router chooses by */
};
struct routes route_top_k(struct step *s, int l, struct act *a, const struct weight *router, const struct weight *bias,
                          int n_expert, int n_used, const struct route_rule *rule);

/* The experts that a table [n_vocab][n_used] has for each row's token; their weights still come from the router. */
struct routes route_by_token(struct step *s, int l, struct act *a, const struct weight *router,
                             const struct weight *table, const struct route_rule *rule);

/* y [n_rows][n_embd] = post_norm(sum over a row's experts, ascending id), plus the shared expert (gated by a sigmoid where it has a gate);
 * post_norm and shared may be NULL. a: the experts' input. Waits for reads of experts; rows whose expert is unreadable leave the step. */
struct shared_expert {
    struct ffn_weights ffn;
    const struct weight *gate; /* [n_embd], or NULL: ungated */
    struct act *in;            /* its input, where that is not the experts' input; else NULL */
};
/* Before the first layer: tells the store about the step, so that it can read ahead. */
void moe_step_begin(struct step *s);
void block_moe(struct step *s, int l, float *y, struct act *a, const struct routes *r, const struct experts *e,
               const struct shared_expert *shared);

/* The second half of a layer with experts: x += post_norm(experts(rms_norm(x)) + shared), with the router on the same norm. sparse_of():
 * y [n_rows][n_embd], what it adds. */
struct moe_weights {
    const struct weight *norm, *router, *router_bias, *post_norm;
    const struct experts *experts;
};
void sparse_of(struct step *s, int l, float *y, const float *x, const struct moe_weights *w,
               const struct route_rule *rule, const struct shared_expert *shared);
void block_sparse(struct step *s, int l, float *x, const struct moe_weights *w, const struct route_rule *rule,
                  const struct shared_expert *shared);

/* Bind the norm of this name (NULL: there is none), the router and the experts, params.n_expert or n_expert of them. Returns the experts,
 * w->experts. */
struct experts *bind_moe_n(struct binder *b, int l, struct moe_weights *w, const char *norm, int n_expert);
struct experts *bind_moe(struct binder *b, int l, struct moe_weights *w, const char *norm);

#endif
