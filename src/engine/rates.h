/* The rates of this machine for one model, measured: they take the place of a plan's constants where its figures are shown. And roofs,
 * with what rows take at least under them, whatever the code: a time that nothing can be faster than (bench.md 3). */
#ifndef ENGINE_RATES_H
#define ENGINE_RATES_H

#include "engine/speed.h"
#include "stoker.h"

struct error;

/* All rates but the drive's, which is 0, by the kernels of a tier, in about two seconds. What the model has none of is 0 too. -1 with
 * ERR_MEMORY. */
int rates_measure(struct speed_rates *out, const struct model *m, enum kv_type kv, enum cpu_tier tier, int n_threads,
                  struct error *err);

/* Declared in stoker.h: stoker_work_of(). */
void rates_work(const struct model *m, enum kv_type kv, const struct stoker_rows *rows, struct stoker_work *out);

/* All roofs but the drive's, by the kernels of a tier, in about a second. What the model has none of is 0. -1 with ERR_MEMORY. */
int rates_roofs(struct stoker_roofs *out, const struct model *m, enum kv_type kv, enum cpu_tier tier, int n_threads,
                struct error *err);

/* Do so many bytes fit beside a plan of `total`? What the machine leaves us now, `left`, may be more in a moment; the budget stays. */
enum rates_fit { FITS_NOW, FITS_LATER, FITS_NEVER };
enum rates_fit rates_fit(uint64_t total, uint64_t budget, uint64_t left, uint64_t bytes);

#endif
