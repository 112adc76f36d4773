/* An architecture is a row of functions, as its paper tells them. Adding one = one file arch/x.c and one row in arch/archs.c.
 *
 * Three structs keep three lives apart (after llama2.c): params (numbers of the file), weights (tensors, immutable), and
 * step (the rows being computed now, with the scratch that the plan gave). */
#ifndef MODEL_ARCH_H
#define MODEL_ARCH_H

#include "model/kv_pages.h"

#include <stddef.h>

struct binder;
struct error;
struct gguf;
struct model;
struct params;
struct step;

/* Scratch of a step, stated by the architecture and by nobody else; what sequences keep is stated while binding (bind.h). */
struct arch_memory {
    size_t row;    /* of one row, in the widest layer; bytes */
    size_t fixed;  /* besides */
    size_t thread; /* of a thread, where that is more than products, attention and experts take */
};

/* Of two needs that are not there at once. */
static inline size_t larger(size_t a, size_t b) { return a > b ? a : b; }

struct arch {
    const char *name; /* general.architecture */
    int (*read_params)(struct params *p, const struct gguf *g,
                       struct error *err);             /* keys, checked against each other */
    int layers_differ;                                 /* its keys may have a number for each layer */
    size_t layer_bytes;                                /* of its own struct of a layer's weights */
    int (*bind)(struct binder *b, int l, void *layer); /* tensors by name and shape */
    void (*memory)(const struct model *m, int n_rows, struct arch_memory *out); /* for steps of at most n_rows rows */
    void (*layer)(struct step *s, int l, const void *layer, float *x); /* x [n_rows][params_row_width()], in place */
};

/* NULL: unknown. */
const struct arch *arch_by_name(const char *name);

/* The names, for messages: i from 0 until NULL. */
const char *arch_name(int i);

/* The name nearest to an unknown one (edit distance), for the sentence that refuses it. */
const char *arch_nearest(const char *name);

#endif
