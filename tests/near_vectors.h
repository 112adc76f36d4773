/* Vectors that are made by a number, and the nearest of them: what searches by vectors are held against (tests/library_lists.h, the recall
 * of tests/library_tool.c). */
#ifndef TESTS_NEAR_VECTORS_H
#define TESTS_NEAR_VECTORS_H

#include "base/rng.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum {
    NEAR_BEST = 10,
    NEAR_CLUSTER = 200,   /* vectors of a cluster */
    NEAR_DIRECTIONS = 32, /* that spread vectors have */
    NEAR_WIDTH_MOST = 1024
};

enum near_kind {
    NEAR_EVEN,   /* every value by itself: all are far from all others */
    NEAR_SPREAD, /* few directions, the variance along the i-th as 1 / i, as is guessed of texts; a tenth of each is noise. No clusters */
    NEAR_CLUSTERS, /* half as far from the centre of a cluster as that is from 0 */
    NEAR_KINDS
};
static const char *const near_names[NEAR_KINDS] = {"evenly spread", "spread out", "in clusters"};

struct near_best { /* best first */
    double score[NEAR_BEST];
    int64_t chunk[NEAR_BEST];
    int n;
};

/* A struct segment_scan's take; arg: a struct near_best. */
static inline void near_take(void *arg, int64_t chunk, double score)
{
    struct near_best *l = arg;
    int i = l->n < NEAR_BEST ? l->n : NEAR_BEST - 1;
    if (l->n == NEAR_BEST && score <= l->score[i])
        return;
    l->n += l->n < NEAR_BEST;
    for (; i > 0 && l->score[i - 1] < score; i--) {
        l->score[i] = l->score[i - 1];
        l->chunk[i] = l->chunk[i - 1];
    }
    l->score[i] = score;
    l->chunk[i] = chunk;
}

/* How many both have. */
static inline int near_common(const struct near_best *a, const struct near_best *b)
{
    int n = 0;
    for (int i = 0; i < a->n; i++)
        for (int k = 0; k < b->n; k++)
            n += a->chunk[i] == b->chunk[k];
    return n;
}

/* Nearly normal, of deviation 1: the i-th value of a number. */
static inline float near_normal(uint32_t number, uint32_t i)
{
    const uint64_t r = rng_u64(7, number, i, 0);
    float v = 0;
    for (int k = 0; k < 4; k++)
        v += (float)(int16_t)(r >> 16 * k) * 0x1p-15f;
    return v * 0.8660254f;
}

/* Adds values that are nearly normal, the same for the same number. Those of one place and of numbers in a row are a lattice, which many
 * places hide. */
static inline void near_noise(float *x, int width, uint32_t number, float size)
{
    uint32_t r = number * 2654435761u + 12345;
    for (int i = 0; i < width; i++) {
        float v = 0;
        for (int k = 0; k < 4; k++)
            v += (float)(int32_t)(r = r * 1664525 + 1013904223);
        x[i] += size * v * 0x1p-31f;
    }
}

/* The directions of this width, each of about the same length. */
static inline const float *near_direction(int width, int i)
{
    static float direction[NEAR_DIRECTIONS][NEAR_WIDTH_MOST];
    static int made;
    for (int k = 0; made != width && k < NEAR_DIRECTIONS; k++) {
        memset(direction[k], 0, sizeof direction[k]);
        near_noise(direction[k], width, 77000 + (uint32_t)k, 1);
    }
    made = width;
    return direction[i];
}

static inline void near_spread(float *x, int width, uint32_t number)
{
    for (int i = 0; i < NEAR_DIRECTIONS; i++) {
        const float along = near_normal(number, (uint32_t)i) / sqrtf((float)(i + 1)),
                    *direction = near_direction(width, i);
        for (int c = 0; c < width; c++)
            x[c] += along * direction[c];
    }
    near_noise(x, width, number ^ 0x5bd1e995u, 0.2f); /* they are 2 long, by the directions' */
}

/* The vector of a number below n, or of a query behind that, of length 1. */
static inline void near_vector(float *x, int width, uint32_t number, uint32_t n, enum near_kind kind)
{
    double squares = 0;
    memset(x, 0, (size_t)width * sizeof *x);
    if (kind == NEAR_SPREAD)
        near_spread(x, width, number);
    else
        near_noise(x, width, number, kind == NEAR_CLUSTERS ? 0.5f : 1);
    if (kind == NEAR_CLUSTERS)
        near_noise(x, width, UINT32_MAX - number % (n / NEAR_CLUSTER), 1);
    for (int i = 0; i < width; i++)
        squares += (double)x[i] * x[i];
    for (int i = 0; i < width; i++)
        x[i] /= (float)sqrt(squares);
}

static inline double near_product(const float *x, const float *y, int width)
{
    float part[8] = {0}, all = 0;
    for (int i = 0; i + 8 <= width; i += 8)
        for (int k = 0; k < 8; k++)
            part[k] += x[i + k] * y[i + k];
    for (int k = 0; k < 8; k++)
        all += part[k];
    return all;
}

#endif
