/* What this machine does at most for a model, measured while no engine is open: stoker bench, stoker serve. */
#ifndef CLI_MACHINE_ROOFS_H
#define CLI_MACHINE_ROOFS_H

#include "stoker.h"

/* Bytes that measuring takes with the threads of o, beside which no budget is kept; whether there are so many now. */
uint64_t roofs_memory(const struct stoker_options *o);
int roofs_can_measure(const struct stoker_options *o);

/* 1: a server may measure later, beside its engine: the plan leaves the memory for it, and no experts come from the drive. */
int roofs_can_wait(const struct stoker_plan *p, const struct stoker_options *o);

/* Memory, cores, and the drive where experts come from it alone: cold, or because they are not all held. 0 for what is not known, after a
 * sentence on stderr where the drive cannot be measured. Takes some seconds. -1 with *err. */
int roofs_measure(struct stoker_roofs *out, const char *model, const struct stoker_options *o, int cold,
                  struct stoker_error *err);

#endif
