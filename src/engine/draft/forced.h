/* Drafts by what a constraint leaves: where a text can go on in one way only (keys of a schema, markup of calls), that way, in the tokens
 * that the tokenizer would make of it. The model may choose shorter ones for the same text: then the rest of the guess is refused. */
#ifndef ENGINE_DRAFT_FORCED_H
#define ENGINE_DRAFT_FORCED_H

#include "stoker.h"

#include <stdint.h>

struct constraint_state;
struct tokenizer;

/* How far the guess goes, by what came of it: a model may keep to its own spelling. Zeroed: nothing is known. */
struct forced {
    int most;    /* tokens; 0: not known */
    int refused; /* guesses in a row of which not one held */
    int rests;   /* steps that are left without one */
};

/* At most so many are worth a guess in this step, of `most`. */
int forced_most(struct forced *f, int most);

/* n were computed, of which the first n_right hold; refused 1: the next one does not. */
void forced_learn(struct forced *f, int n, int n_right, int refused);

/* At most `most` tokens that may come next behind guess [n_guess], which need not hold: 0 where that cannot follow. Returns how many.
 * *work: as constraint_certain(), and what the tokenizer takes. What is forced for long is proposed in pieces, one a call. */
int forced_propose(const struct constraint_state *s, const struct tokenizer *t, const stoker_token *guess, int n_guess,
                   int most, stoker_token *out, uint64_t *work);

#endif
