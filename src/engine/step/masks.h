/* Masks of constraints: which tokens may be chosen next, of all running jobs. They are computed in slices between the steps of the model,
 * so that a mask that takes long makes nobody else wait (constraints.md 8). */
#ifndef ENGINE_STEP_MASKS_H
#define ENGINE_STEP_MASKS_H

#include "engine/engine.h"

/* The mask for the job's next token is not there yet. j may be NULL; masks_awaited(): any job's. */
int masks_awaited_by(const struct job *j);
int masks_awaited(const struct stoker *s);

/* Computes masks before the rows whose logits they are for, in slices. A job whose mask is not ready skips the step; the others wait for
 * MASK_WORK_PER_STEP and one CONSTRAINT_STEP at most. Another job comes first in each step. */
void masks_work(struct stoker *s);

/* The step begins: the next one has its own work on masks. */
void masks_end(struct stoker *s);

/* The mask for the token behind an accepted draft. 0: it is not ready, and what was drafted further is refused; the next step's work on
 * masks goes on with it, or tells why there is none. */
int masks_next(struct stoker *s, struct job *j);

#endif
