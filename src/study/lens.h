/* What a direction says: the tokens whose logits it raises and lowers most, by the weights of the output norm and the output matrix, which
 * are read from the model's file a few rows at a time. */
#ifndef STUDY_LENS_H
#define STUDY_LENS_H

#include <stddef.h>

struct error;
struct study_lens;

/* -1: as gguf_open(); ERR_UNSUPPORTED: it has no output matrix of rows of n_embd. */
int study_lens_open(struct study_lens **out, const char *path, int n_embd, struct error *err);
void study_lens_close(struct study_lens *l);

struct study_lens_token {
    int id;
    double value; /* of its logit, but for what the norm divides by */
};

struct study_lens_wants {
    const float *const *v; /* [n] directions */
    size_t n;
    int top; /* tokens of each */
    int (*stopped)(void *arg);
    void (*progress)(void *arg, size_t done, size_t total); /* tokens of the vocabulary */
    void *arg;
};

/* Fills raised [n][top], highest first, and lowered [n][top], lowest first; of equals the lower id first; -1 where the vocabulary ends.
 * -1: ERR_IO, ERR_MEMORY, ERR_CANCELLED. */
int study_lens_look(struct study_lens *l, const struct study_lens_wants *w, struct study_lens_token *raised,
                    struct study_lens_token *lowered, struct error *err);

#endif
