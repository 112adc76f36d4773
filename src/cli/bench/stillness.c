/* See stillness.h. Sources: proc_stat(5); pressure of the kernel's Documentation/accounting/psi.rst. */
#include "cli/bench/stillness.h"

#include "base/clock.h"
#include "base/kernel_file.h"
#include "eval/pairs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const pressure_name[PRESSURES] = {"cpu", "io", "memory"};

/* "cpu", then user, nice, system, idle, iowait, irq, softirq, steal. */
struct cpu_ticks cpu_ticks_now(const char *root)
{
    char line[KERNEL_FILE_LINE];
    struct cpu_ticks now = {0, clock_seconds() * (double)sysconf(_SC_CLK_TCK)};
    if (kernel_file_line(line, root, "/proc/stat") ||
        sscanf(line, "cpu %*u %*u %*u %*u %*u %*u %*u %" SCNu64, &now.stolen) != 1)
        now.stolen = 0;
    return now;
}

int cpu_ticks_void(const struct cpu_ticks *before, const struct cpu_ticks *after, int n_threads, double share)
{
    return eval_pairs_void(after->stolen - before->stolen,
                           (after->passed - before->passed) * (n_threads > 0 ? n_threads : 1), share);
}

void pressure_now(const char *root, double out[PRESSURES])
{
    char line[KERNEL_FILE_LINE];
    for (int i = 0; i < PRESSURES; i++) {
        const char *total = kernel_file_line(line, root, "/proc/pressure/%s", pressure_name[i])
                                ? NULL
                                : strstr(line, "total=");
        out[i] = total ? strtod(total + 6, NULL) : -1;
    }
}
