/* How often layers choose each expert, and with what weight: of texts, which a model reads, or of a recorded trace; and how two of these
 * differ. */
#ifndef STUDY_ROUTES_H
#define STUDY_ROUTES_H

#include "study/record.h"

#include <stdint.h>

struct route_layer {
    int index;       /* of the model; of a trace among the layers that it has */
    int n_expert, k; /* k: of a row, at most */
    uint64_t rows, uses;
    uint64_t *count; /* [n_expert] rows that chose it */
    double *weight;  /* [n_expert] the sum of its weights there; a trace has none */
};

struct route_counts {
    struct route_layer *layer; /* [n] those with experts */
    int n, has_weights;
};

/* Layers with experts of a model or a trace, all counts 0. -1: no memory; free() it in any case. */
int route_counts_of_model(struct route_counts *c, const struct stoker_layer *layer, int n);
struct route_trace;
int route_counts_of_trace(struct route_counts *c, const struct route_trace *t); /* with its counts */
void route_counts_free(struct route_counts *c);

/* Rows of a layer: id, w [rows][k]; -1: none. */
void route_layer_add(struct route_layer *l, const int32_t *id, const float *w, size_t rows);

/* Bits: 0 where a layer takes one expert for all rows, log2(n_expert) where all are taken alike. */
double route_layer_entropy(const struct route_layer *l);

/* Of expert e: how much larger the share of rows that chose it is in b than in a, in standard errors of that difference, as if rows were
 * independent. 0 where neither or both chose it in all. */
double route_layer_difference(const struct route_layer *a, const struct route_layer *b, int e);

/* Bytes that a sequence of n tokens takes while it is counted. */
uint64_t route_count_bytes(const struct stoker_layer *layer, int n_layer, size_t n);

struct route_count {
    struct stoker *s;
    const struct study_sequences *q;
    const struct stoker_steer *steer;
    size_t n_steer;
    int (*stopped)(void *arg);                              /* 1: nobody waits any more; asked several times a second */
    void (*progress)(void *arg, size_t done, size_t total); /* tokens */
    void *arg;
};

/* Reads all sequences and adds what they chose. 0; 1: stopped. */
int route_count_run(const struct route_count *k, struct route_counts *out, struct stoker_error *err);

#endif
