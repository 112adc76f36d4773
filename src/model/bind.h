/* Binding tensors by name and shape: the functions that an architecture's bind function calls.
 *
 * A tensor that is missing or has another shape fails the whole binding with one sentence in b->err; after that all functions return
 * NULL, so that a bind function needs no checks. Names: "blk.L.NAME" of layer l, or with l -1 NAME alone. Weights belong to the
 * model. */
#ifndef MODEL_BIND_H
#define MODEL_BIND_H

#include "model/model.h"

struct binder {
    struct model *m;
    struct error *err;
    int failed;
};

struct weight *bind_matrix(struct binder *b, int l, const char *name, int n_out, int n_in);
struct weight *bind_vector(struct binder *b, int l, const char *name, int n);

/* A matrix whose NAME.scale, if the file has one, is not multiplied with the product. */
struct weight *bind_bare_matrix(struct binder *b, int l, const char *name, int n_out, int n_in);

/* The same; NULL, and no failure, when the tensor is absent. */
struct weight *bind_matrix_if(struct binder *b, int l, const char *name, int n_out, int n_in);
struct weight *bind_vector_if(struct binder *b, int l, const char *name, int n);

/* The experts of a layer, which are streamed: ffn_gate_exps and ffn_up_exps, or ffn_gate_up_exps, or, without gates, ffn_up_exps; and
 * ffn_down_exps. Where experts see a latent: ffn_latent_down and ffn_latent_up too, which are resident. */
struct experts *bind_experts(struct binder *b, int l);

/* The small matrix of a convolution, f32 [n_channel][width] or [n_channel][1][width] in the file: kept [width][n_channel]. */
struct weight *bind_conv(struct binder *b, int l, const char *name, int width, int n_channel);

/* A matrix of each head, [n_head][n_out][n_in]: bound as one of n_head * n_out rows. */
struct weight *bind_heads(struct binder *b, int l, const char *name, int n_head, int n_out, int n_in);
struct weight *bind_heads_if(struct binder *b, int l, const char *name, int n_head, int n_out, int n_in);

/* The first d rows of each head of an unsplit kv_b, as f32 [n_head][n_cols of kv_b][d]: made when it is loaded. */
struct weight *bind_keys_of(struct binder *b, const struct weight *kv_b, int n_head, int d);

/* A table of vectors [n_rows][n_cols] (biases of experts, numbers of heads). */
struct weight *bind_table(struct binder *b, int l, const char *name, int n_rows, int n_cols);

/* A table of whole numbers, i32 [n_rows][n_cols], each in [0, n): checked when it is loaded. */
struct weight *bind_ids(struct binder *b, int l, const char *name, int n_rows, int n_cols, int n);

/* This layer keeps rows of this shape for all positions, or for the last `window` ones (0: all); the plan chooses the shape's type.
 * Returns which kind that is and the layer's index in it. A layer may keep several kinds: keys, index keys, compressed rows. */
struct kv_ref {
    int kind, index;
};
struct kv_ref bind_kv(struct binder *b, struct kv_shape shape, int window);

/* This layer keeps n floats of recurrent state a sequence. Returns their offset in the sequence's block of state, in bytes. */
size_t bind_state(struct binder *b, size_t n);

#endif
