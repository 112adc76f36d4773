/* What other programs and machines took of this one while a run was measured: /proc/stat and /proc/pressure below a root. */
#ifndef CLI_BENCH_STILLNESS_H
#define CLI_BENCH_STILLNESS_H

#include <stdint.h>

struct cpu_ticks {
    uint64_t stolen, all; /* by the host of a virtual machine; 0, 0: not known */
};
struct cpu_ticks cpu_ticks_now(const char *root);

/* Microseconds so far in which something waited for the cores, for drives, for memory; below 0: not known. */
enum { PRESSURES = 3 };
extern const char *const pressure_name[PRESSURES]; /* "cpu", "io", "memory" */
void pressure_now(const char *root, double out[PRESSURES]);

#endif
