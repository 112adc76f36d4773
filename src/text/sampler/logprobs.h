/* Log-probabilities: the natural logarithm of the softmax of all logits. Inside of the sampler. Definition: sampling.md 4. */
#ifndef TEXT_SAMPLER_LOGPROBS_H
#define TEXT_SAMPLER_LOGPROBS_H

#include "text/sampler/candidates.h"
#include "text/sampler/sampler.h"

/* As sampler_logprobs(), of the logits of `from`, all of which are candidates. The likeliest are listed in l. */
size_t logprobs_of(struct candidates *l, const struct source *from, struct token_logprob *token,
                   struct token_logprob *top, size_t n_top);

#endif
