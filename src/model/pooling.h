/* What becomes of the rows of a text: one vector, or scores. Pooling takes every row, their mean, the first or the last; behind it there
 * may be products of its own, or the head of a model that ranks. Definition: embeddings.md 1 and 2.
 *
 * The keys: ARCH.pooling_type, classifier.output_labels. The tensors: dense_2, dense_3, cls, cls.norm, cls.output. */
#ifndef MODEL_POOLING_H
#define MODEL_POOLING_H

#include "model/bind.h"

/* Reads the keys into *p, behind those of the architecture. given: not POOLING_OFF: instead of the file's pooling type. */
int params_read_pooling(struct params *p, const struct gguf *g, enum pooling given, struct error *err);

/* The tensors behind the last layer of a model that pools, and its scores against the labels of the file. */
void bind_pooling(struct binder *b);

/* The pooling of a model by its name in messages and flags: "none", "mean", "cls", "last", "rank". -1: there is none of this name. */
const char *pooling_name(enum pooling p);
int pooling_by_name(const char *name);

/* Values of a text's vector, or of each of its rows (POOLING_NONE): n_embd, or what the products behind it give. */
int pooled_width(const struct model *m);
/* Which rows of a text of n rows are needed: [*first, *end). */
void pooled_rows(const struct params *p, int n, int *first, int *end);

/* hidden: the needed rows of one text, n of them, one behind the other: out [pooled_width()], or of POOLING_NONE [n][pooled_width()].
 * Takes the step's scratch, from its beginning: no step may be running. 0, or -1: a value is not a number. */
int pool_text(struct model *m, const float *hidden, int n, float *out);
/* The scratch that it takes, of the step and of a thread: noted in op, which measures. */
void pool_measure(struct model *m);

#endif
