/* How much memory this process may take when the user does not say: memory.md 2. */
#ifndef MACHINE_MEMORY_H
#define MACHINE_MEMORY_H

#include <stdint.h>

/* root: where proc and sys are found; "" on a real machine, a folder in tests. from: "cgroup" or "available". */
uint64_t machine_memory(const char *root, const char **from);

/* Beyond how many bytes the kernel swaps or kills what is in our cgroup; 2^60 or more: never. */
uint64_t machine_limit(const char *root);

/* Beyond how many bytes it slows down whoever takes more there, or does worse: the limit, or memory.high where that is less. */
uint64_t machine_slow_limit(const char *root);

#endif
