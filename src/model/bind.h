/* Binding tensors by name and shape: the functions that an architecture's bind function calls.
 *
 * A tensor that is missing or has another shape fails the whole binding with one sentence in b->err (ERR_FORMAT, or ERR_UNSUPPORTED); after
 * that all functions that look for a tensor return NULL, so that a bind function needs no checks but one of b->failed at its end. Names:
 * "blk.L.NAME" of layer l, or with l -1 NAME alone. Nothing is loaded. What is returned belongs to the model; the same tensor gives the
 * same weight. */
#ifndef MODEL_BIND_H
#define MODEL_BIND_H

#include "model/model.h"

struct binder {
    struct model *m;
    struct error *err;
    int failed;             /* not 0: *err is set */
    struct layer_kept kept; /* of the layer that is being bound */
    unsigned char *known; /* [n_tensor of the file]: 1 where a tensor has been asked for, or is left alone on purpose */
};

/* A matrix of n_out rows of n_in values, in the file's block type; a vector of n values, f32 when it is loaded. */
struct weight *bind_matrix(struct binder *b, int l, const char *name, int n_out, int n_in);
struct weight *bind_vector(struct binder *b, int l, const char *name, int n);

/* A matrix of n_out or more rows: tables are padded. */
struct weight *bind_matrix_least(struct binder *b, int l, const char *name, int n_out, int n_in);

/* A vector of n values, in the file [n] or [n][1]. */
struct weight *bind_column(struct binder *b, int l, const char *name, int n);

/* 1: the file has the tensor. */
int bind_has(const struct binder *b, int l, const char *name);

/* Of two names that converters have for one tensor: that which the file has; the first where it has neither. */
const char *bind_spelling(struct binder *b, int l, const char *name, const char *other);

/* A matrix whose NAME.scale, if the file has one, is not multiplied with the product. */
struct weight *bind_bare_matrix(struct binder *b, int l, const char *name, int n_out, int n_in);

/* The same; NULL, and no failure, when the tensor is absent. */
struct weight *bind_matrix_if(struct binder *b, int l, const char *name, int n_out, int n_in);
struct weight *bind_vector_if(struct binder *b, int l, const char *name, int n);

/* The experts of a layer, n of them, which are streamed: ffn_gate_exps and ffn_up_exps, or ffn_gate_up_exps, or, without gates,
 * ffn_up_exps; and ffn_down_exps. Their sizes: params.n_ff_expert and params_expert_width(). Where experts see a latent:
 * ffn_latent_down and ffn_latent_up too, which are resident. */
struct experts *bind_experts(struct binder *b, int l, int n);

/* A small matrix of a vector for each channel (taps of a convolution, decays of states), [n_channel][width] or [n_channel][1][width] in the
 * file: kept in f32 [width][n_channel]. */
struct weight *bind_conv(struct binder *b, int l, const char *name, int width, int n_channel);

/* A matrix of each head, [n_head][n_out][n_in]: bound as one of n_head * n_out rows. */
struct weight *bind_heads(struct binder *b, int l, const char *name, int n_head, int n_out, int n_in);
struct weight *bind_heads_if(struct binder *b, int l, const char *name, int n_head, int n_out, int n_in);

/* The first d rows of each head of an unsplit kv_b, as f32 [n_head][n_cols of kv_b][d]: made when it is loaded. */
struct weight *bind_keys_of(struct binder *b, const struct weight *kv_b, int n_head, int d);

/* A table of vectors [n_rows][n_cols] (biases of experts, numbers of heads); if: NULL, and no failure, when it is absent. */
struct weight *bind_table(struct binder *b, int l, const char *name, int n_rows, int n_cols);
struct weight *bind_table_if(struct binder *b, int l, const char *name, int n_rows, int n_cols);

/* A table of whole numbers, i32 [n_rows][n_cols], each in [0, n): checked when it is loaded. */
struct weight *bind_ids(struct binder *b, int l, const char *name, int n_rows, int n_cols, int n);

/* The factors of params.rope[rope], which rotates n_rot values: rope_freqs.weight, which the file may have once for all layers. */
void bind_rope_factors(struct binder *b, int l, int rope, int n_rot);

/* A table of which a token takes n_take rows (model.h): returns its number, for take_rows(). By text: the rows follow from the token and
 * the n_before tokens before it, which the sequence keeps in its state. At most MODEL_TABLES tables, with one n_before for all. */
typedef void row_ids_fn(const struct model *m, const int32_t *last, int32_t *id);
int bind_rows(struct binder *b, struct weight *matrix, int n_take);
int bind_rows_by_text(struct binder *b, struct weight *matrix, int n_take, int n_before, row_ids_fn *ids);

/* LongRoPE: two tables of factors of params.rope[rope], rope_factors_short.weight and rope_factors_long.weight, which the file has both or
 * neither; with them the rope is ROPE_LONG. The context that was asked for chooses. */
void bind_long_rope(struct binder *b, int l, int rope);

/* The file may hold this tensor, and it changes nothing: the model does not use it. */
void bind_unused(struct binder *b, int l, const char *name);

/* After all others: -1 with the sentence where the file has a tensor, of a layer that is run or of none, that nothing has asked for: a bias
 * or a norm that was left out in silence would make it another model. */
int bind_rest(struct binder *b);

/* This layer keeps, for n_head query heads, rows of this shape for all positions, or for those that a later row may see; the plan chooses
 * the shape's type. Returns which kind that is and the layer's index in it. A layer may keep several kinds: keys, index keys, compressed
 * rows. More than KV_KINDS kinds, or key heads that do not divide the query heads, fail the binding. */
struct kv_ref {
    int kind, index;
};
struct kv_ref bind_kv(struct binder *b, int n_head, struct kv_shape shape, struct kv_window window);

/* This layer keeps n floats of recurrent state a sequence. Returns their offset in the sequence's block of state, in bytes (a multiple of
 * 64). */
size_t bind_state(struct binder *b, size_t n);

#endif
