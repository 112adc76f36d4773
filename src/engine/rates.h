/* The rates of this machine for one model, measured: they take the place of a plan's constants where its figures are shown. */
#ifndef ENGINE_RATES_H
#define ENGINE_RATES_H

#include "engine/speed.h"

struct error;

/* All rates but the drive's, which is 0, by the kernels of a tier, in about two seconds. What the model has none of is 0 too. -1 with
 * ERR_MEMORY. */
int rates_measure(struct speed_rates *out, const struct model *m, enum kv_type kv, enum cpu_tier tier, int n_threads,
                  struct error *err);

#endif
