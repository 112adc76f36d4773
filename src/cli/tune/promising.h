/* Values that were faster in the few pairs of a search, but not by enough to be shown: several of them at once may be worth enough, and
 * more pairs of them all cost less than more pairs of each. */
#ifndef CLI_TUNE_PROMISING_H
#define CLI_TUNE_PROMISING_H

#include "cli/tune/values.h"

struct tune_promising {
    struct {
        double ratio; /* of the time of what was best then; 0: no value of this setting */
        char text[PROFILE_VALUE];
    } of[PROFILE_SETTINGS];
};

/* A value and its ratio so far, 0 where nothing was measured. The fastest of each setting is kept, if it is faster by EVAL_PAIRS_EFFECT. */
void tune_promising_add(struct tune_promising *p, const struct tune_value *v, double ratio);

/* Forgets a setting: another value of it was taken. */
void tune_promising_drop(struct tune_promising *p, int setting);

/* Forgets the setting whose value was the least faster. */
void tune_promising_drop_weakest(struct tune_promising *p);

/* Sets all of them in *out. Returns how many. */
int tune_promising_set(const struct tune_promising *p, struct profile *out);

#endif
