/* Drafts by a layer of the model that predicts further tokens (docs/spec/drafts.md 8): it follows what is computed, so that it can go on
 * from there. Without such a layer nothing is done. */
#ifndef ENGINE_STEP_NEXTN_H
#define ENGINE_STEP_NEXTN_H

#include "engine/step/step.h"

/* Behind verify_drafts(), before pages are published: the pairs of the rows that hold. */
void nextn_learn(struct stoker *s, struct step *p);

/* For the shares of a step that decode, have room for drafts and have none from elsewhere; at most `most` of all together. */
void nextn_propose(struct stoker *s, struct step *p, int most);

#endif
