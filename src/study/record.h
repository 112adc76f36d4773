/* Rows of many prompts in one file: recorded several at a time, each at its place, so that the bytes depend on none of that. */
#ifndef STUDY_RECORD_H
#define STUDY_RECORD_H

#include "stoker.h"

/* All tokens; sequence i is token + first[i], first[i + 1] - first[i] of them. */
struct study_sequences {
    stoker_token *token;
    size_t *first; /* [n + 1] */
    size_t n;
};

struct study_record {
    struct stoker *s;
    struct stoker_capture capture; /* what of each, and fd: the file */
    const struct study_sequences *q;
    int (*stopped)(void *arg);                              /* 1: nobody waits any more; asked several times a second */
    void (*progress)(void *arg, size_t done, size_t total); /* tokens */
    void *arg;
};

/* Lays out r->capture, whose n_rows and n_requests it sets, and fills t [n] with its tensors; *n_tensor: how many there are. */
int study_record_layout(struct study_record *r, struct stoker_tensor *t, size_t n, size_t *n_tensor,
                        struct stoker_error *err);

/* Records it. 0; 1: stopped. */
int study_record_run(const struct study_record *r, struct stoker_error *err);

#endif
