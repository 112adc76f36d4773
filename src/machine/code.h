/* What the program itself takes of memory: a part of every plan. */
#ifndef MACHINE_CODE_H
#define MACHINE_CODE_H

#include <stdint.h>

/* Bytes of all that the loader mapped, and of what the C library keeps, rounded up. */
uint64_t machine_code_bytes(void);

#endif
