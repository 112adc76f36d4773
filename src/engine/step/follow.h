/* Drafts by a second model (docs/spec/drafts.md 9): it follows the texts, and says what it would choose. Without one nothing is done. */
#ifndef ENGINE_STEP_FOLLOW_H
#define ENGINE_STEP_FOLLOW_H

#include "engine/step/step.h"

/* How many drafts it can make for a share, of `most`. */
int follow_most(const struct stoker *s, const struct share *e, int most);

/* Makes up to want[i] drafts for each share i of a step, at most follow_most() of it. Those whose texts it has not computed far enough get
 * none in this step: it goes on with a part of them. */
void follow_draft(struct stoker *s, struct step *p, const int *want);

#endif
