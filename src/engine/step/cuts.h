/* Where prompts are cut: the positions from which a sequence can resume. Any position of a page is one, but with recurrent states only
 * those behind which the state was copied, and copies are few and large; so a step ends where one is to be kept. */
#ifndef ENGINE_STEP_CUTS_H
#define ENGINE_STEP_CUTS_H

#include "engine/engine.h"

/* 1: a step that computes j up to pos ends there, because a copy of its state is kept. */
int cuts_at(const struct stoker *s, const struct job *j, size_t pos);

/* The last position up to n from which others can resume once job j has computed it. */
size_t cuts_last(const struct stoker *s, const struct job *j, size_t n);

/* Makes the job's position one to resume from, if somebody may want that. */
void cuts_remember(struct stoker *s, struct job *j);

#endif
