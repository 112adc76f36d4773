/* Answers to many prompts, token by token: several at a time, taken in order, so that what comes back depends on none of that. */
#ifndef STUDY_ANSWERS_H
#define STUDY_ANSWERS_H

#include "study/record.h"

struct study_answers {
    size_t n_prompt;
    int most;            /* tokens of an answer */
    stoker_token *token; /* [n_prompt][most] */
    double *logprob;     /* the same */
    int *n;              /* [n_prompt] how many it has */
};

/* NULL for a part of it: no memory. Free it in any case. */
void study_answers_make(struct study_answers *a, size_t n_prompt, int most);
int study_answers_are_made(const struct study_answers *a);
void study_answers_free(struct study_answers *a);
uint64_t study_answers_bytes(size_t n_prompt, int most);

struct study_ask {
    struct stoker *s;
    const struct study_sequences *q; /* the prompts */
    struct stoker_sampling sampling; /* each prompt draws its own numbers of it */
    const struct stoker_steer *steer;
    size_t n_steer;
    const struct study_answers *script; /* NULL, or what is answered, and how likely that is */
    int (*stopped)(void *arg);          /* 1: nobody waits any more; asked several times a second */
    void (*progress)(void *arg);        /* an answer has ended */
    void *arg;
};

/* 0; 1: stopped. */
int study_ask(const struct study_ask *k, struct study_answers *out, struct stoker_error *err);

#endif
