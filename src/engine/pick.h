/* How one answer's tokens are picked: what its request says of sampling, checked and copied, and the log-probabilities that its
 * events show. The chain itself is text/sampler/sampler.h; here it gets history, bias and number of the answer. */
#ifndef ENGINE_PICK_H
#define ENGINE_PICK_H

#include "stoker.h"
#include "text/sampler/sampler.h"

struct error;
struct job;
struct stoker;

/* A job's. */
struct pick {
    struct sampling how;
    uint32_t choice;
    double mu;               /* of mirostat */
    struct logit_bias *bias; /* [n_bias]: malloc'd */
    size_t n_bias;
    struct sampler_text
        *breaker; /* [n_breaker] texts that end a repetition for DRY: malloc'd, in one piece with them */
    size_t n_breaker;
    uint64_t breakers_hash;
    int wants_logprobs;
    struct stoker_logprob
        *top; /* [EVENTS + 1][n_top]: of the events in the queue and the one that was taken last. malloc'd */
    size_t n_top;
};

/* What a job that waits may hold, and one that has begun holds besides: for the plan. */
uint64_t pick_queued_bytes(void);
uint64_t pick_begun_bytes(void);

/* ERR_INPUT names the field. */
int pick_open(struct pick *p, const struct stoker *s, const struct stoker_request *r, struct error *err);
void pick_close(struct pick *p);

/* The job's next token, from logits [n_vocab], or -1. */
int32_t pick_token(struct stoker *s, struct job *j, const float *logits, const uint8_t *allowed, struct error *err);

/* The event of that token. -1: no memory. */
int pick_event(struct stoker *s, struct job *j, const float *logits, int32_t id, struct stoker_event *e,
               struct error *err);

#endif
