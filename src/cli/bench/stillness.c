/* See stillness.h. Sources: proc_stat(5); pressure of the kernel's Documentation/accounting/psi.rst. */
#include "cli/bench/stillness.h"

#include "base/kernel_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const pressure_name[PRESSURES] = {"cpu", "io", "memory"};

/* "cpu", then user, nice, system, idle, iowait, irq, softirq, steal; guests, which follow, are in user and nice. */
struct cpu_ticks cpu_ticks_now(const char *root)
{
    char line[KERNEL_FILE_LINE];
    uint64_t t[8] = {0};
    struct cpu_ticks now = {0};
    if (kernel_file_line(line, root, "/proc/stat") ||
        sscanf(line, "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
               &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) != 8)
        return now;
    for (int i = 0; i < 8; i++)
        now.all += t[i];
    now.stolen = t[7];
    return now;
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
