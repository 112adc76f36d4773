/* A clock that is a second later each time that a thread looks at it, so that what is timed takes as many seconds as it looks: while
 * `ticking` is set, for all threads but the one that is `on_time`. Otherwise it is the system's. */
#ifndef TESTS_TICKING_H
#define TESTS_TICKING_H

#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_int ticking;
static _Thread_local int on_time; /* whose waits end by the system's clock */

/* Stands before the C library's. */
int clock_gettime(clockid_t id, struct timespec *t)
{
    static _Thread_local long ticks;
    if (on_time || !atomic_load(&ticking))
        return (int)syscall(SYS_clock_gettime, id, t);
    *t = (struct timespec){.tv_sec = ++ticks};
    return 0;
}

#endif
