/* Is a prefix read from files faster than it is computed?
 *
 * The rate of reading is measured by reading. A rate that forbids reading would never be measured again, and one slow moment would
 * exclude the files for good. So each refusal raises the rate, until something is read; that read alone sets it then. A
 * drive k times too slow is tried once in log(k) / log(3/2) + 1 refusals, with one file. */
#ifndef ENGINE_PREFIX_PACE_H
#define ENGINE_PREFIX_PACE_H

#include <stdint.h>

struct prefix_pace {
    double bytes_per_second; /* of reading; 0: not known */
    int raised;              /* 1: refusals raised it since it was measured */
};

/* Does reading these bytes pay where computing them takes so many seconds? What is not known pays. */
int prefix_pace_pays(struct prefix_pace *p, uint64_t bytes, double seconds);

/* They were read. */
void prefix_pace_read(struct prefix_pace *p, uint64_t bytes, double seconds);

#endif
