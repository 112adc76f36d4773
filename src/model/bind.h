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

/* NULL without failing when absent. */
struct weight *bind_matrix_if(struct binder *b, int l, const char *name, int n_out, int n_in);
struct weight *bind_vector_if(struct binder *b, int l, const char *name, int n);

/* ffn_gate_exps, ffn_up_exps, ffn_down_exps: streamed. */
const struct experts *bind_experts(struct binder *b, int l);

#endif
