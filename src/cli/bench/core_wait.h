/* For how long a run could have computed and had no core, because other programs had them: what one thread of stoker waited in the
 * queues of the scheduler. Source: /proc/PID/task/TID/schedstat, Documentation/scheduler/sched-stats.rst of the kernel. */
#ifndef CLI_BENCH_CORE_WAIT_H
#define CLI_BENCH_CORE_WAIT_H

#include <stdint.h>

enum { CORE_WAIT_THREADS = 64 };

/* Nanoseconds so far of this process's threads, of the first CORE_WAIT_THREADS. */
struct core_wait {
    int n; /* 0: not known */
    struct core_wait_thread {
        long id;
        uint64_t ran, waited;
    } thread[CORE_WAIT_THREADS];
};

/* Below root: "" on this machine. */
void core_wait_now(struct core_wait *out, const char *root);

/* Seconds that the thread which ran most between two moments waited between them; below 0: not known. */
double core_wait_between(const struct core_wait *before, const struct core_wait *after);

#endif
