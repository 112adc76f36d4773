/* Experts that a request's routers are turned from or towards: what is added to the values that each layer chooses its experts by.
 *
 * A list of (layer, expert, bias), ascending, read once and not changed any more. An excluded expert (-INFINITY) is no candidate; weights
 * come from the routers all the same. Where too few would be left to choose from, the request is refused before anything runs. */
#ifndef MODEL_EXPERT_BIASES_H
#define MODEL_EXPERT_BIASES_H

#include "base/sha256.h"
#include "model/model.h"

enum { EXPERT_BIASES_MOST = 4096, EXPERT_BIAS_MOST = 10000 };

struct expert_bias {
    int layer, expert;
    float bias; /* up to EXPERT_BIAS_MOST in size, or -INFINITY */
};

struct expert_biases {
    int n;
    uint64_t bytes;               /* that it takes in memory */
    uint8_t sha256[SHA256_BYTES]; /* of all of them */
    struct expert_bias bias[];    /* [n] ascending by layer, then expert */
};

uint64_t expert_biases_bytes(size_t n);

/* A copy of n of them, in any order; those of 0 are left out. -1: ERR_INPUT: no such layer or expert, a layer without experts or whose
 * tokens alone decide, an expert twice, a bias out of range; the error's field is "list[i]", or "list". free() frees it. */
int expert_biases_make(struct expert_biases **out, const struct model *m, const struct expert_bias *from, size_t n,
                       struct error *err);

/* Those of a layer: returns the first, *n how many. */
const struct expert_bias *expert_biases_of(const struct expert_biases *b, int layer, int *n);

/* What a layer chooses by, changed. */
static inline void expert_biases_add(const struct expert_bias *b, int n, float *choice)
{
    for (int i = 0; i < n; i++)
        choice[b[i].expert] += b[i].bias;
}

/* 0: under all of the lists together [n] each layer has as many experts left as a row takes, whichever groups it would choose. Else -1:
 * ERR_INPUT, and the sentence names the layer. */
int expert_biases_check(const struct expert_biases *const *list, int n, const struct model *m, struct error *err);

#endif
