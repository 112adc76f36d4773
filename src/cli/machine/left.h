/* Whether this machine has left what measuring it takes: stoker disk, plan and doctor. A budget may be all of a small machine, and the
 * kernel would end whoever fills more. */
#ifndef CLI_MACHINE_LEFT_H
#define CLI_MACHINE_LEFT_H

#include <stdint.h>

/* 1: more than so many bytes are left; 0: after a sentence on stderr, why `what` ("the drive") is not measured. */
int left_for_measuring(uint64_t bytes, const char *what);

#endif
