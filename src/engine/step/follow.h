/* Drafts by a second model (docs/spec/drafts.md 9): it follows the texts, and says what it would choose. Without one nothing is done. */
#ifndef ENGINE_STEP_FOLLOW_H
#define ENGINE_STEP_FOLLOW_H

#include "engine/step/step.h"

/* Before a step's rows are computed: of each prompt that has rows in it as many, so that its answer can be drafted from the beginning. */
void follow_prompts(struct stoker *s, struct step *p);

/* How many drafts it can make for a share, of `most`. 0 as well where its text is far behind, and what drafts gained pays for nothing. */
int follow_most(const struct stoker *s, const struct share *e, int most);

/* Makes up to want[i] drafts for each share i of a step, at most follow_most() of it, in place of what it has. Those whose texts it has not
 * computed far enough get none in this step: it goes on with a part of them. */
void follow_draft(struct stoker *s, struct step *p, const int *want);

#endif
