/* Training sparse autoencoders of recorded rows: which few of many directions each row is a sum of. Definition: steering.md 12.
 *
 *     y = g x, rows of a common length     p = (y - b_dec) W + b_enc     h: the k largest p, where > 0
 *     o = b_dec + sum of h_j D_j     loss: the squares of y - o, mean of a batch's rows; Adam; rows of D are unit vectors
 *
 *     rows.c     the file of rows; the order of an epoch           memory.c   the plan
 *     batch.c    rows -> p, h, y - o, gradients by h               update.c   gradients of W, D and biases, Adam
 *     state.c    OUT.part, and all of it to go on from             folder.c   SAELens' form
 *
 * The folder depends on the rows and on what is asked for; not on threads, tier, memory, nor on where a run was interrupted: a row's
 * work is one thread's, a feature's gradient is summed over the rows in ascending order by one thread, and what is added up over features
 * or rows is added in ascending order.
 *
 * Sources: Gao et al. 2024, "Scaling and evaluating sparse autoencoders" (topk, dead features by what is left); Bricken et al. 2023 (unit
 * rows, their gradient without its part along them). */
#ifndef STUDY_SAE_TRAIN_H
#define STUDY_SAE_TRAIN_H

#include "base/cpu.h"

#include <signal.h>
#include <stdint.h>

struct error;

struct train_options {
    const char *in, *out; /* a file of recorded rows; the folder that is made */
    const char *program;  /* "stoker 1.0": noted */
    int layer;            /* whose end the rows are of; -1: the only one that the file has */
    int n_feature, times; /* features; 0: so many times as a row has values */
    int k, batch, epochs; /* batch: rows */
    double rate;          /* of learning; 0: by the number of features */
    double aux;           /* weight of what features that are dead make of what is left; 0: none */
    uint64_t dead;        /* rows on which a feature was not active until it is dead */
    uint64_t seed;
    int resume;
    int save_every;  /* batches between two states to go on from; 0: a minute */
    uint64_t memory; /* bound on the whole process; 0: 4 GiB, or what is needed at least; TRAIN_MEMORY_LEAST */
    int n_threads;   /* 0: those that compute best here */
    enum cpu_tier tier;
    int starts_at_zero; /* for tests: b_dec begins at 0 and not at the mean, which is worse */
};
#define TRAIN_MEMORY_LEAST UINT64_MAX /* as STOKER_MEMORY_MIN */

/* How far it is. */
struct train_step {
    const char *what;     /* "reading", "training", "measuring"; static */
    uint64_t done, total; /* rows of that */
    uint64_t step;        /* batches so far */
    double rate, fvu,
        active; /* of the last batch: FVU is the share of the rows' variance that is left; features a row */
    int n_dead;
};

struct train_watch {
    void (*progress)(void *arg, const struct train_step *s); /* behind each batch; NULL: nobody looks */
    void *arg;
    const volatile sig_atomic_t *stop; /* not 0: save and end behind the batch at hand: ERR_CANCELLED; NULL: never */
    int is_resumable;                  /* set where a state is there to go on from */
};

/* What came of it, over all rows. */
struct train_result {
    uint64_t n_row, n_step, resumed;          /* resumed: batches that were done before */
    int n_embd, n_feature, k, layer, n_never; /* n_never: features that no row has */
    double fvu, active;
    uint64_t memory; /* of the plan */
};

/* Everything. Bad options and files: ERR_INPUT, ERR_FORMAT, and nothing is there that was not before; otherwise OUT.part is, where a state
 * was saved. One training at a time in a process. */
int train_sae(const struct train_options *o, struct train_watch *w, struct train_result *out, struct error *err);

#endif
