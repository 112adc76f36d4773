/* Better codes than the nearest, for all types by one mechanism (quantize.md 4.3 and 4.4).
 *
 * Values come in groups; a group is x̂ = s a - m: a are levels (whole numbers, a table, points of a grid), s and m the group's scale and
 * minimum. For a scale the best levels are known, and for levels the best scale: x̂ is linear in s and m. So all that a search asks of a
 * kind of levels is what its best ones at (s, m) amount to, struct fit. How scales are stored is the shape's:
 *
 *     F16     a scale of its own for each group
 *     STEPS   d unit (first + step l), l whole, d common to a block; minima dmin k
 *     CODES   one of 256 numbers
 *
 * Groups lie side by side, eight in the lanes of a vector: the groups of a block, or blocks of one group. Sums run over a group's values in
 * their order. */
#ifndef QUANT_SEARCH_H
#define QUANT_SEARCH_H

#include "quant/encode.h"
#include "quant/encoders.h"

enum level_kind { LEVELS_WHOLE, LEVELS_IQ4, LEVELS_E2M1, LEVELS_GRID };
enum scale_kind { SCALE_F16, SCALE_STEPS, SCALE_CODES };

struct shape {
    enum level_kind levels;
    enum scale_kind scales;
    int block, group; /* values */
    int has_min;
    float low, high;      /* whole levels */
    float extreme, delta; /* starts: the level that the extreme value gets, and the distance of two */
    int n_start, both_signs;
    float unit, first, step;          /* SCALE_STEPS */
    int least, most, most_min, reach; /* of whole numbers; reach: beyond the effort's, where they are fine */
    /* LEVELS_GRID */
    const void *grid;
    int n_point, cell; /* values of a point */
    int is_even;       /* signs of eight values are stored as seven */
    int shifted;       /* 1: points move by an eighth, all of a group alike; 2: each */
    float largest;
};

/* How much is tried. */
struct effort {
    float n_start;                         /* times the shape's starts */
    int rounds;                            /* a group's levels and scale are fitted to each other */
    int block_starts, block_rounds, reach; /* of a block's scale; reach: whole numbers beside the nearest */
    const struct effort *lesser; /* whose findings are tried too, where groups need not be looked at again; or NULL */
};

enum { SEARCH_BLOCKS = 8 /* at a time, at most */ };

/* n_block blocks from x, as numbers; d is 0 where nothing was found. A type of grids needs search_begin() first, with the same scratch. */
struct search {
    size_t (*scratch)(void); /* bytes, 64-byte aligned */
    void (*begin)(const struct shape *h, void *scratch);
    void (*blocks)(const struct shape *h, const struct effort *e, const float *x, const float *w, int n_block,
                   struct block *out, void *scratch);
};
extern const struct search search_scalar, search_avx2, search_avx512;

#endif
