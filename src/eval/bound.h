/* The time that nothing can be faster than, from what rows take at least and what the machine does at most: bench.md 3. */
#ifndef EVAL_BOUND_H
#define EVAL_BOUND_H

#include "stoker.h"

/* Seconds. Memory, products and drive work at the same time; stages that are added follow each other. Zeroed: nothing was done. */
struct eval_bound {
    double memory, products, drive; /* of each alone, if it were all */
    double seconds;                 /* the bound */
};

/* A stage that reads memory and multiplies. A roof of 0 is not known, and bounds nothing. */
void eval_bound_add(struct eval_bound *to, const struct stoker_work *work, const struct stoker_roofs *roofs);

/* Bytes that were read from the drive while all stages ran; after the last of them. */
void eval_bound_read(struct eval_bound *to, double bytes, const struct stoker_roofs *roofs);

/* Which of them takes longest: "memory", "products", "drive"; static. */
const char *eval_bound_by(const struct eval_bound *b);

/* Of seconds that were computed in, those that reading memory at its roof explains: what it takes alone, and no more than all of them. The
 * others are what products add, what waits for memory beyond its roof, and what no bound counts. */
double eval_bound_memory_of(const struct eval_bound *b, double computing);

#define EVAL_ROOF_MOVES 0.10 /* share from which on a roof is another one */

/* The roof that differs most between two measurements, if by at least so much: its name (static), both values, how much of the first.
 * A roof that one of them does not know does not move. 1; 0: none does, and *out is unchanged. */
struct eval_roof_move {
    const char *roof;
    double from, to, share;
};
int eval_roofs_moved(struct eval_roof_move *out, const struct stoker_roofs *first, const struct stoker_roofs *last);

#endif
