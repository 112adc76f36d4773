/* Values that seemed faster in a run or two. They are judged at once: pairs of all of them cost less than pairs of each, and show a sum of
 * small gains. */
#ifndef CLI_TUNE_PROMISING_H
#define CLI_TUNE_PROMISING_H

#include "cli/tune/values.h"

struct tune_promising {
    struct {
        double ratio; /* of the time of what was best then; 0: no value of this setting */
        char text[PROFILE_VALUE];
    } of[PROFILE_SETTINGS];
};

/* A value, and how it compares. The fastest of each setting is kept, if it is faster by EVAL_PAIRS_EFFECT. 1: it seems faster, whether
 * another one does more or not. */
int tune_promising_add(struct tune_promising *p, const struct tune_value *v, double ratio);

/* Forgets a setting. */
void tune_promising_drop(struct tune_promising *p, int setting);

/* Moves the value that was the least faster to *other; the one that was the most. There must be one. */
void tune_promising_move_weakest(struct tune_promising *p, struct tune_promising *other);
void tune_promising_move_strongest(struct tune_promising *p, struct tune_promising *other);

int tune_promising_count(const struct tune_promising *p);

/* Sets all of them in *out. Returns how many. */
int tune_promising_set(const struct tune_promising *p, struct profile *out);

#endif
