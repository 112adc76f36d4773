/* An architecture is a row of functions. A new one is a file arch/NAME.c, or recurrent/NAME.c where layers keep states, and a row in
 * arch/archs.c.
 *
 * Three structs separate three lifetimes (after llama2.c): params (numbers of the file), weights (tensors, immutable), and step (the rows
 * being computed now, with the scratch that the plan provides). */
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

/* The row that a layer which predicts goes on from; where rows are several streams, before the norm, all of them. */
enum { NEXTN_BEHIND_NORM = 1, NEXTN_BEFORE_NORM };

struct arch {
    const char *name; /* general.architecture */
    /* Reads keys into *p, which is zeroed, and checks them against each other. */
    int (*read_params)(struct params *p, const struct gguf *g, struct error *err);
    const char
        *output_norm;  /* name of the norm before the output matrix; NULL: output_norm.weight; "": there is none */
    int layers_differ; /* 1: its keys may have one number a layer */
    int nextn; /* behind its layers may be one more of them, which predicts further tokens: NEXTN_ (arch/nextn.c) */
    size_t layer_bytes; /* size of the architecture's own struct of a layer's weights */
    /* Finds layer l's tensors by name and shape; layer: the struct, zeroed. 0, or -1 with the sentence in b->err. */
    int (*bind)(struct binder *b, int l, void *layer);
    /* What is done to the embeddings x [n_rows][n_embd] of a step before the first layer, or NULL. */
    void (*first_rows)(struct step *s, float *x);
    /* Computes layer l of the step: x [n_rows][params_row_width()], in place; of the layer that predicts [n_rows][model_h_width()]. Where
     * step.keeps is 1 what the layer keeps of the rows is all that is computed. */
    void (*layer)(struct step *s, int l, const void *layer, float *x);
};

/* All are static. NULL: unknown. */
const struct arch *arch_by_name(const char *name);

/* The names, for messages: i from 0 until NULL. */
const char *arch_name(int i);

/* The name nearest to an unknown one (edit distance), for the sentence that refuses it. */
const char *arch_nearest(const char *name);

#endif
