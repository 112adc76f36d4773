/* Attention with one key head, whose values are its keys, in a window: DeepSeek's from V4 on.
 *
 *     q_h = rope(Wq_b norm(Wq_a n))        k = v = rope(norm(Wkv n))        one key head of all d_k values
 *     o_h = attend(q_h, the window's k and rows beside them) under one softmax with a sink, its rotated part rotated back
 *     y = Wb [Wa,g (the heads of group g)]
 *
 * The last n_rot values of a head are rotated, in adjacent pairs: with params.rope[ONE_KEY_PLAIN], or, in layers that attend to rows beside
 * their window, with ONE_KEY_FAR, of another base and YaRN without its magnitude. */
#ifndef MODEL_BLOCK_ONE_KEY_H
#define MODEL_BLOCK_ONE_KEY_H

#include "model/block/grouped.h"
#include "model/step.h"

enum { ONE_KEY_PLAIN, ONE_KEY_FAR }; /* ropes */

struct one_key_weights {
    const struct weight *norm, *wq_a, *q_a_norm, *wq_b, *wkv, *kv_norm, *sinks;
    struct grouped_weights out;
    struct kv_ref kv;
    int unit_queries; /* 1: each head's query is normed, without a weight */
    int rounded;      /* 1: keys are kept through fp8, but for the rotated values */
};

/* After params_read(): the window, ranks, groups, the indexer, both ropes. */
int params_read_one_key(struct params *p, const struct gguf *g, struct error *err);
void bind_one_key(struct binder *b, int l, struct one_key_weights *w);

/* Of the normed rows n, in scratch of the step; low: the compressed queries, which indexers ask with too. */
float *one_key_queries(struct step *s, struct act *n, const struct one_key_weights *w, int rope, struct act *low);
float *one_key_keys(struct step *s, struct act *n, const struct one_key_weights *w, int rope);
/* Where step.keeps is 1: keys are stored as one_key_attend() stores them, and that is all. */
void one_key_keep(struct step *s, struct act *n, const struct one_key_weights *w, int rope);
/* Into y [n_rows][n_embd]; beside: what rows attend to beside their window, or NULL. */
void one_key_attend(struct step *s, float *y, const float *q, const float *k, const struct one_key_weights *w, int rope,
                    const struct attn_beside *beside);

#endif
