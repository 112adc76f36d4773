/* Tables of which a token takes rows: embeddings, n-gram tables. A table is resident, or on disk behind a store of rows
 * (store/row_store.h), as the plan says; nobody else need know which.
 *
 *     model_want           rows of coming steps, as soon as their tokens are known
 *     tables_step_begin    which rows the step takes; asks for them
 *     take_rows            the rows, where the paper uses them (step.h)
 *     tables_step_end      the step has taken what it wanted */
#ifndef MODEL_TABLES_H
#define MODEL_TABLES_H

#include "model/model.h"

struct step;

/* Tokens history [at, at + n) of a sequence, whose first token is history[0], are rows of the next step (rank READ_NOW or READ_SWEEP) or of
 * the one after it (READ_AHEAD). Between steps; never waits. */
void model_want(struct model *m, const int32_t *history, size_t at, size_t n, enum read_rank rank);

void tables_step_begin(struct step *s);
void tables_step_end(struct step *s);

/* Takes completed reads and submits waiting ones; never waits. 1: some are under way. */
int tables_poll(struct model *m);

#endif
