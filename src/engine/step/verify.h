/* From logits to tokens: what is chosen, by whatever rows a step has. A draft holds if and only if it is what is chosen in its place, so
 * drafts change no answer (docs/spec/drafts.md 1). */
#ifndef ENGINE_STEP_VERIFY_H
#define ENGINE_STEP_VERIFY_H

#include "engine/step/step.h"

/* A draft that stands where a token is chosen. */
struct guess {
    stoker_token id;
    int is_predicted; /* 1: it is the request's prediction's */
};

/* Chooses the job's next token by these logits and tells it; guess NULL: none stands there. The job is not ended yet: its rows may still
 * have to be committed. */
void verify_choose(struct stoker *s, struct job *j, const float *logits, const struct guess *guess, struct choice *out);

/* Of all shares with drafts: chooses a token from each of their rows in turn, as long as the drafts hold. The rows that are left are those.
 * Before the step is committed. */
void verify_drafts(struct stoker *s, struct step *p);

/* With sign -1 before a step's forward pass and 1 behind it: what it takes of experts, where drafts have a price. */
void verify_count(const struct stoker *s, struct step *p, int sign);

/* Behind that and nextn_learn(): what the drafts of a step cost and brought. Nothing is learnt beside prompts, nor where rows left it. */
void verify_price(struct stoker *s, const struct step *p);

#endif
