/* The banker's rule: see claims.h. With one kind of resource the order to look at is that of what they need: if he who needs least
 * cannot end, nobody can. */
#include "server/http/claims.h"

#include <stdlib.h>

static int by_need(const void *a, const void *b)
{
    size_t x = ((const struct claim *)a)->need, y = ((const struct claim *)b)->need;
    return (x > y) - (x < y);
}

/* How many can end, one after the other: the first ones, for they are sorted. */
static size_t can_end(struct claim *c, size_t n, size_t free)
{
    size_t i;
    qsort(c, n, sizeof *c, by_need);
    for (i = 0; i < n && c[i].need <= free; i++)
        free += c[i].held;
    return i;
}

int claims_allow(struct claim *c, size_t n, struct claim asks, size_t more, size_t free)
{
    size_t could = can_end(c, n, free), i = 0;
    while (i < could && (c[i].held != asks.held || c[i].need != asks.need))
        i++;
    if (i == could || more > free)
        return 0;
    c[i].held += more;
    c[i].need -= more;
    return can_end(c, could, free - more) == could;
}
