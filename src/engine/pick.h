/* How the tokens of one answer are chosen: the sampling options of its request, checked and copied, and the log-probabilities of its
 * events. The chain itself is text/sampler/sampler.h; here it is given history, bias and number of the answer. */
#ifndef ENGINE_PICK_H
#define ENGINE_PICK_H

#include "stoker.h"
#include "text/sampler/sampler.h"

struct error;
struct job;
struct stoker;

/* Part of a job. */
struct pick {
    struct sampling how;
    uint32_t choice;
    double mu;               /* state of mirostat */
    struct logit_bias *bias; /* [n_bias]: malloc'd */
    size_t n_bias;
    int forbids; /* a bias is -inf */
    struct sampler_text
        *breaker; /* [n_breaker] texts that end a repetition for DRY: malloc'd, in one piece with them */
    size_t n_breaker;
    uint64_t breakers_hash;
    int wants_logprobs;
    struct stoker_logprob
        *top; /* [EVENTS + 1][n_top]: of the events in the queue and the one that was taken last. malloc'd */
    size_t n_top;
    struct stoker_logprob end_token; /* that ended the answer, with wants_logprobs */
    struct stoker_logprob *end_top;  /* [n_top] of the caller, or NULL */
    size_t n_end_top;
};

/* Most bytes that a waiting job owns for this; and those that a job which has begun owns besides. For the plan. */
uint64_t pick_queued_bytes(void);
uint64_t pick_begun_bytes(void);

/* Copies and checks the options. -1: ERR_INPUT names the field; nothing is allocated. */
int pick_open(struct pick *p, const struct stoker *s, const struct stoker_request *r, struct error *err);
void pick_close(struct pick *p);

/* Of the tokens that are allowed [n_vocab] (NULL: all), the biases forbid every one: -1, and *err says so of the position. 0: one is left,
 * or none was allowed. */
int pick_check_bias(const struct pick *p, const uint8_t *allowed, int n_vocab, size_t position, struct error *err);
/* What may be chosen without a constraint; NULL: all. */
const uint8_t *pick_allowed(const struct stoker *s);

/* Chooses the job's next token from logits [n_vocab], among allowed [n_vocab] (NULL: all). -1: *err. */
int32_t pick_token(struct stoker *s, struct job *j, const float *logits, const uint8_t *allowed, struct error *err);

/* Fills in the event of that token. -1: no memory. */
int pick_event(struct stoker *s, struct job *j, const float *logits, int32_t id, struct stoker_event *e,
               struct error *err);

/* The token of that event ends the answer. */
void pick_end(struct pick *p, const struct stoker_event *e);

#endif
