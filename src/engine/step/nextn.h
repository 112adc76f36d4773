/* Drafts by a layer of the model that predicts further tokens (docs/spec/drafts.md 8): it follows what is computed, so that it can go on
 * from there. Without such a layer nothing is done. */
#ifndef ENGINE_STEP_NEXTN_H
#define ENGINE_STEP_NEXTN_H

#include "engine/step/step.h"

/* Behind verify_drafts(), before pages are published: the pairs of the rows that hold. Those of decoding jobs may wait until drafts are
 * made, many wait, or a page is whole. */
void nextn_learn(struct stoker *s, struct step *p);

/* Computes the pairs of a job that wait: before others may resume from what it has computed. Logits of the step stay. */
void nextn_catch_up(struct stoker *s, const struct job *j);

/* How many drafts the layer can make for a share, of `most`. */
int nextn_most(const struct stoker *s, const struct share *e, int most);

/* Makes want[i] drafts for each share i of a step, at most nextn_most() of it and plan.n_draft of all, in place of what it has. */
void nextn_draft(struct stoker *s, struct step *p, const int *want);

#endif
