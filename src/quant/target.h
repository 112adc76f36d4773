/* The places where a run writes: whether they are free, and large enough. */
#ifndef QUANT_TARGET_H
#define QUANT_TARGET_H

#include "quant/quant.h"

/* No name of the output is a source, or a folder; none is taken, unless options->force or may_be_there; the disk has the space.
 * ERR_INPUT. */
int target_check(const struct quant_job *j, int may_be_there, struct error *err);

/* Files .part of which no journal speaks: somebody else's, unless options->force. ERR_INPUT. */
int target_check_foreign(const struct quant_job *j, struct error *err);

/* Bytes of a file; UINT64_MAX: there is none. */
uint64_t target_bytes(const char *path);

#endif
