/* What other programs and machines took of this one while a run was measured: /proc/stat and /proc/pressure below a root. */
#ifndef CLI_BENCH_STILLNESS_H
#define CLI_BENCH_STILLNESS_H

#include <stdint.h>

struct cpu_ticks {
    uint64_t stolen; /* by the host of a virtual machine, of all cores; 0: not known */
    double passed;   /* of one core, by the clock */
};
struct cpu_ticks cpu_ticks_now(const char *root);

/* 1: a run between two moments, of so many threads, is void: the host took more than this share of its time (eval/pairs.h). */
int cpu_ticks_void(const struct cpu_ticks *before, const struct cpu_ticks *after, int n_threads, double share);

/* Microseconds so far in which something waited for the cores, for drives, for memory; below 0: not known. */
enum { PRESSURES = 3 };
extern const char *const pressure_name[PRESSURES]; /* "cpu", "io", "memory" */
void pressure_now(const char *root, double out[PRESSURES]);

#endif
