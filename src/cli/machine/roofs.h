/* What this machine does at most for a model, measured while no engine is open: stoker bench, stoker serve. */
#ifndef CLI_MACHINE_ROOFS_H
#define CLI_MACHINE_ROOFS_H

#include "stoker.h"

/* Whether there is memory to measure in now, beside which no budget is kept. */
int roofs_can_measure(void);

/* Memory, cores, and the drive where experts come from it alone: cold, or because they are not all held. 0 for what is not known, after a
 * sentence on stderr where the drive cannot be measured. Takes some seconds. -1 with *err. */
int roofs_measure(struct stoker_roofs *out, const char *model, const struct stoker_options *o, int cold,
                  struct stoker_error *err);

#endif
