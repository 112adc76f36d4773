/* What holds up memory, and what does not let this process have it: pages, nodes, swap, the rate of reading, limits. Sources: transhuge,
 * numa_balancing and cgroup-v2 of the kernel's Documentation/admin-guide, and setrlimit(2). */
#include "cli/doctor/doctor.h"

#include "base/cpu.h"
#include "base/error.h"
#include "base/kernel_file.h"
#include "base/topology.h"
#include "cli/common/flags.h"
#include "machine/machine.h"
#include "machine/memory.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* One channel of DDR4-3200 moves 25.6 GB/s at best, of which programs see some 20; two channels give twice that. */
#define ONE_CHANNEL 22e9

void examine_memory(struct findings *f, const char *root)
{
    char line[KERNEL_FILE_LINE];
    struct topology_set nodes;
    if (!kernel_file_line(line, root, "/sys/kernel/mm/transparent_hugepage/enabled") && strstr(line, "[never]"))
        found(f, "huge-pages",
              "the kernel gives no huge pages, so that weights are read through many more table entries: write madvise "
              "into "
              "/sys/kernel/mm/transparent_hugepage/enabled");
    if (!kernel_file_line(line, root, "/sys/devices/system/node/online") && !topology_parse(line, &nodes) &&
        topology_count(&nodes) > 1 && kernel_file_number(0, root, "/proc/sys/kernel/numa_balancing") == 1)
        found(f, "numa",
              "the kernel moves pages between %d memory nodes while they are used, and stoker has laid them out for "
              "all threads: "
              "sysctl kernel.numa_balancing=0",
              topology_count(&nodes));
    double total = kernel_file_field(0, root, "/proc/meminfo", "SwapTotal"),
           unused = kernel_file_field(total, root, "/proc/meminfo", "SwapFree");
    double memory = kernel_file_field(0, root, "/proc/meminfo", "MemTotal");
    if (total - unused > 0.1 * memory)
        found(f, "swap",
              "%s are swapped out, so memory is short here: end other programs, or lower --memory, since a page from "
              "swap takes longer "
              "than an expert from its file",
              show_bytes((uint64_t)((total - unused) * 1024)));
}

int examine_memory_rate(struct findings *f, double *rate)
{
    struct machine *m;
    struct error err = {0};
    if (machine_open(&m, kernels_for(cpu_best_tier()), cpu_compute_threads(), MACHINE_MEDIAN, &err)) {
        fprintf(stderr, "stoker: %s\n", err.text);
        return -1;
    }
    *rate = machine_read_rate(m);
    machine_close(m);
    if (*rate < ONE_CHANNEL && !findings_are_busy(f))
        found(f, "memory-rate",
              "memory is read at %.1f GB/s, which is what one channel gives, and answers of a model that fits come at "
              "that rate: look whether "
              "a second module would fill a second channel",
              *rate / 1e9);
    return 0;
}

/* what: "the address space (ulimit -v)". */
static void process_limit(struct findings *f, const char *name, uint64_t limit, const char *what, uint64_t wanted,
                          const char *for_what)
{
    if (limit < wanted)
        found(f, name, "%s is limited to %s, and %s %s: raise that limit, or pass --memory with less", what,
              show_bytes(limit), for_what, show_bytes(wanted));
}

void examine_limits(struct findings *f, const char *root, const struct stoker_plan *p)
{
    uint64_t total = (uint64_t)kernel_file_field(0, root, "/proc/meminfo", "MemTotal") * 1024;
    /* Without a model: a limit that takes more than half of the machine is worth a word. */
    uint64_t wanted = p ? p->whole < total ? p->whole : total : total / 2;
    const char *for_what = p ? "to stream nothing the model takes" : "half of this machine's memory is";
    struct rlimit space, data;
    process_limit(f, "cgroup", machine_limit(root), "memory of the cgroup (memory.max, docker --memory)", wanted,
                  for_what);
    if (!*root && !getrlimit(RLIMIT_AS, &space) && space.rlim_cur != RLIM_INFINITY)
        process_limit(f, "ulimit", space.rlim_cur, "the address space (ulimit -v)", wanted, for_what);
    if (!*root && !getrlimit(RLIMIT_DATA, &data) && data.rlim_cur != RLIM_INFINITY)
        process_limit(f, "ulimit", data.rlim_cur, "data (ulimit -d)", wanted, for_what);
}
