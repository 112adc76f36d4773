/* Rows that are steered, noted as they come: through a kernel table whose axpy sees each row before it changes it. Of tests with one
 * thread. Rows are noted where a vector acts, and where another one would, which never does. */
#ifndef TESTS_STEER_NOTED_H
#define TESTS_STEER_NOTED_H

#include "laws_run.h"
#include "steer_made.h"

enum { AT_PLACE, AT_END, NOTED, MOST_ROWS = 4 * MOST_IDS };

static struct tap {
    const struct kernels *k;
    struct kernels own;
    const struct vector *v[NOTED]; /* NULL: none */
    int act; /* the layer that acts; the others only note; -1: none acts; INT32_MAX: all of them act */
    uint64_t hash[NOTED][MOST_LAYERS][MOST_ROWS];
    int n[NOTED][MOST_LAYERS];
    float left; /* |dot16(x, r)| / norm(x) behind the operation: the most; NaN if it was once */
} tap;

/* The layer whose direction v is; one behind the last: of none. */
static inline int layer_of(const struct vector *of, const float *v)
{
    int l = 0;
    while (l <= of->last && of->direction[l].v != v)
        l++;
    return l;
}

static inline void note(float *x, float s, const float *v, int n)
{
    for (int i = 0; i < NOTED && tap.v[i]; i++) {
        int l = layer_of(tap.v[i], v);
        if (l <= tap.v[i]->last && l < MOST_LAYERS && tap.n[i][l] < MOST_ROWS)
            tap.hash[i][l][tap.n[i][l]++] = hash64(x, (size_t)n * sizeof *x, 0);
    }
    if (tap.act == INT32_MAX || layer_of(tap.v[AT_PLACE], v) == tap.act)
        tap.k->axpy(x, s, v, n);
    float c = fabsf(tap.k->dot16(x, v, (size_t)n)) / sqrtf(tap.k->dot16(x, x, (size_t)n));
    tap.left = c <= tap.left ? tap.left : c;
}

static inline void tap_begin(struct session *s, const struct vector *v, const struct vector *end, int act)
{
    const struct kernels *k = s->model->op.k == &tap.own ? tap.k : s->model->op.k;
    memset(&tap, 0, sizeof tap);
    tap.k = k;
    tap.own = *k;
    tap.own.axpy = note;
    tap.v[AT_PLACE] = v;
    tap.v[AT_END] = end;
    tap.act = act;
    s->model->op.k = &tap.own;
}

static inline void tap_end(struct session *s) { s->model->op.k = tap.k; }

#endif
