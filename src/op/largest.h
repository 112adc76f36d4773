/* The largest of many numbers, which are offered one after the other: a number above another comes first, what is no number last, of equals
 * the one offered first. Each offer takes log(most) steps at worst, whatever the numbers are. */
#ifndef OP_LARGEST_H
#define OP_LARGEST_H

#include <stdint.h>

/* The caller's arrays of `most` >= 1 each; held is 0 at first. Until largest_sort() they are in no order that means anything. */
struct largest {
    float *value;
    int32_t *id;
    int most, held;
};

/* ids have to grow from offer to offer. */
void largest_offer(struct largest *l, float value, int32_t id);

/* The held ones, the largest first; behind them value 0 and id -1 up to `most`. */
void largest_sort(struct largest *l);

#endif
