/* Binding tensors by name and shape: what an architecture's bind function is written in.
 *
 * A tensor that is missing or has another shape fails the whole binding with one sentence; the functions go on returning NULL
 * so that a bind function reads as a table. Names are of layer l: "blk.L.NAME"; l -1: the bare name. */
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

/* One whose NAME.scale, if there is one, is not its factor. */
struct weight *bind_bare_matrix(struct binder *b, int l, const char *name, int n_out, int n_in);

/* NULL without failing when absent. */
struct weight *bind_matrix_if(struct binder *b, int l, const char *name, int n_out, int n_in);
struct weight *bind_vector_if(struct binder *b, int l, const char *name, int n);

/* ffn_gate_exps and ffn_up_exps, or ffn_gate_up_exps, or, without gates, ffn_up_exps; and ffn_down_exps: streamed. Where experts see
 * a latent: ffn_latent_down and ffn_latent_up, which are not. */
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

/* This layer keeps rows of this shape (its type is the plan's to choose) for all positions, or the last window (0: all): which
 * layer of its kind it is. A layer may keep several kinds: keys, index keys, compressed rows. */
struct kv_ref {
    int kind, index;
};
struct kv_ref bind_kv(struct binder *b, struct kv_shape shape, int window);

/* This layer keeps n floats of state a sequence: where they begin in its block, in bytes. */
size_t bind_state(struct binder *b, size_t n);

#endif
