/* What is drafted for a job, by all sources (docs/spec/drafts.md 4). */
#ifndef ENGINE_STEP_PROPOSE_H
#define ENGINE_STEP_PROPOSE_H

#include "engine/step/step.h"

/* Of `most` drafts of a job that decodes, those that find place in its answer and its queue of events. 0: it drafts nothing. */
int propose_most(const struct stoker *s, const struct job *j, int most);

/* At most `most` drafts, behind the job's history. Returns how many. */
int propose(struct stoker *s, struct job *j, int most);

/* The likeliest of n tokens, of those that are allowed (NULL: all); -1: none is. */
int32_t propose_likeliest(const float *logits, int n, const uint8_t *allowed);

/* Drafts by the model's own layer for the shares of a step that decode, have room for drafts and have none from elsewhere; at most `most`
 * of all together, and of each no more than lately held, and one. */
void propose_by_layer(struct stoker *s, struct step *p, int most);

/* What was proposed for a job of whose drafts a coin says how often they hold: n of them, right or wrong by it. */
void propose_by_coin(const struct stoker *s, struct job *j, int n);

/* Of what was proposed for the shares of a step without prompts, or what the model's layer or another model drafts instead, as many as are
 * worth it, at most `most`. begin: when sources were first asked; until the choice is made, it counts as p->took.asking. */
void propose_priced(struct stoker *s, struct step *p, int most, double begin);

/* So many more rows of the job's prompt are computed: sources that learn from a text may know them, and a part of a known prefix. */
void propose_learn(const struct stoker *s, struct job *j, int rows);

#endif
