/* Drafts by what a constraint leaves: where a text can go on in one way only (keys of a schema, markup of calls), that way, in the tokens
 * that the tokenizer would make of it. The model may choose shorter ones for the same text: then the rest of the guess is refused. */
#ifndef ENGINE_DRAFT_FORCED_H
#define ENGINE_DRAFT_FORCED_H

#include "stoker.h"

#include <stdint.h>

struct constraint_state;
struct tokenizer;

/* At most `most` tokens that may come next. Returns how many. *work: as constraint_certain(). What is forced for long is proposed in
 * pieces, one a call. */
int forced_propose(const struct constraint_state *s, const struct tokenizer *t, int most, stoker_token *out,
                   uint64_t *work);

#endif
