/* A step as the engine's thread makes it: which job has which rows of the batch. */
#ifndef ENGINE_STEP_STEP_H
#define ENGINE_STEP_STEP_H

#include "base/error.h"
#include "engine/engine.h"

/* What a chosen token means for its job. */
enum outcome { GOES_ON, ENDS, FAILS };
struct choice {
    enum outcome outcome;
    enum stoker_end_reason reason; /* it ENDS */
    int holds;                     /* 1: what was chosen is the draft that stood there */
    struct error err;              /* it FAILS */
};

/* A job's rows in a step. */
struct share {
    struct job *job;
    int rows, first;  /* the first of them in the batch */
    int most;         /* rows that it may have: of those that it records, as many as find memory */
    int logits_index; /* index of its last row's logits, or, with drafts, of its first row's; -1: none are computed */
    int drafts;       /* of the rows, the last ones: drafted tokens */
    int room;         /* for so many drafts */
    struct choice choice; /* with drafts: what came of them */
};

struct step {
    struct batch batch;
    struct share share[MAX_PARALLEL]; /* [n] oldest job first */
    int n, n_vocab;
    struct step_cost took; /* what its drafts are priced by */
};

/* Of its rows that have logits, in the order of the batch. */
static inline const float *step_logits(const struct stoker *s, const struct step *p, int index)
{
    return p->batch.logits + (size_t)index * (size_t)s->session->model->p.n_vocab;
}

#endif
