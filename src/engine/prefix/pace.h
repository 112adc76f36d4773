/* Is a known prefix read from files faster than it is computed?
 *
 * The rate of reading is measured by reading. A rate that forbids reading would never be measured again, and one slow moment would
 * close the files for good: so each refusal makes it more hopeful, until something is read; that read alone says what it is now. A
 * drive k times too slow is tried once in log(k) / log(3/2) + 1 refusals, with one file. */
#ifndef ENGINE_PREFIX_PACE_H
#define ENGINE_PREFIX_PACE_H

#include <stdint.h>

struct prefix_pace {
    double bytes_per_second; /* of reading; 0: not known */
    int raised;              /* there were refusals since it was measured */
};

/* Does reading these bytes pay where computing them takes so many seconds? What is not known pays. */
int prefix_pace_pays(struct prefix_pace *p, uint64_t bytes, double seconds);

/* They were read. */
void prefix_pace_read(struct prefix_pace *p, uint64_t bytes, double seconds);

#endif
