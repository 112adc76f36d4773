/* stoker imatrix: importance collected while a model reads a text (quantize.md 5). cmd_imatrix.c has the flags; here is what it does:
 *
 *     collect.c    chunk after chunk through the engine; snapshots
 *     state.c      what a run needs to go on where another ended
 *     show.c       what was collected, and what was not
 *     coverage.c   rows of experts, layer by layer: for quantize too
 *     merge.c      several files as one
 *     stats.c      what is in a file */
#ifndef CLI_IMATRIX_IMATRIX_H
#define CLI_IMATRIX_IMATRIX_H

#include "cli/eval/eval.h"
#include "cli/imatrix/coverage.h"
#include "eval/ppl.h"
#include "quant/importance_write.h"
#include "stoker.h"

struct imatrix_command {
    struct eval_command c; /* the model, the texts and how they are cut, the engine's options */
    const char *out;
    enum importance_form form;
    int from;        /* the first chunk */
    int save_every;  /* chunks between two snapshots */
    int until_count; /* rows that every expert is to have; 0: the whole text is read */
    int no_output, no_ppl;
    int resume, force, json;
    int most_files, n_file; /* --merge; --stats: one */
    const char **file;      /* [n_file] */
};

/* Exit status. */
int imatrix_collect(struct imatrix_command *m);
int imatrix_merge(const struct imatrix_command *m);
int imatrix_stats(const struct imatrix_command *m);

/* ---- place.c ---- */

/* Prints the sentence; returns the status of what nothing was done for: 2. */
int imatrix_refuse(const struct error *err);

/* 2 and a sentence: out cannot be written, or is none that a file may replace; without replaces also where OUT.part is there. */
int imatrix_refuse_place(const char *out, int replaces);

/* ---- state.c ---- */

/* What a run has so far, beside the engine's sums. */
struct imatrix_state {
    const char *path;             /* of its file */
    const char *what;             /* what the sums follow from: a run goes on with those of the same only */
    size_t n_done;                /* chunks from the first one on */
    struct eval_ppl_chunk *chunk; /* [n_chunk] */
    size_t n_chunk;
};
int imatrix_state_write(const struct imatrix_state *s, const struct stoker *engine, struct error *err);
/* Into s and the engine's sums. 1: there is no such file. */
int imatrix_state_read(struct imatrix_state *s, const struct stoker *engine, struct error *err);

/* ---- show.c ---- */

/* Tensors with sums, into *out [*n]; malloc(). The arrays are the engine's. */
int imatrix_sums(const struct imatrix_command *m, const struct stoker *engine, struct importance_sums **out, size_t *n,
                 struct error *err);

/* Layers that have experts, with their rows; free() it. */
struct coverage_layer *imatrix_layers(const struct importance_sums *s, size_t n, size_t *n_layer);
/* Rows of experts, layer by layer: those that few rows went to are named. */
void imatrix_show_experts(const struct importance_sums *s, size_t n);
struct coverage imatrix_cover(const struct importance_sums *s, size_t n);
json_t *imatrix_cover_json(const struct importance_sums *s, size_t n);

/* Names of the model's matrices that s has no sums of, layers as one: "blk.*.ssm_conv1d.weight (24)", and how many are of layers that
 * predict; malloc(). NULL: none, or *err. Sorts s by name. */
char *imatrix_left_out(const char *model, struct importance_sums *s, size_t n, struct error *err);

#endif
