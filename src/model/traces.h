/* Recordings of a run: which experts each layer used for each row (--route-trace), and the decisions of the expert cache (--cache-log).
 * For measurements and tests: buffers are from the heap, outside the plan. */
#ifndef MODEL_TRACES_H
#define MODEL_TRACES_H

#include <stdint.h>

struct error;
struct expert_store;
struct model;
struct traces;

struct traces_options {
    const char *routes, *cache; /* paths; NULL: not wanted */
    int n_chunk;                /* most rows of a step */
    uint32_t align;             /* reader_align() */
};

/* *out stays as it is when no path is given. ERR_IO: a file cannot be created; ERR_INPUT: the model has no experts. Records what the store
 * decides from here on, until traces_close(). A write that fails later is logged, and ends the recording. */
int traces_open(struct traces **out, const struct model *m, const struct traces_options *opt, struct error *err);

/* Writes the rest, closes the files and frees t; NULL: nothing. */
void traces_close(struct traces *t);

/* A step of n_rows rows begins, the first n_prompt of prompts. */
void traces_step(struct traces *t, int n_rows, int n_prompt);

/* Row `row` of the step, in layer l, is routed to id[n_used], in order of selection; -1: none. */
void traces_row(struct traces *t, int l, int row, const int32_t *id, int n_used);

#endif
