/* Reading /sys/devices/system: see topology.h. Sources: Documentation/admin-guide/cputopology.rst of Linux (core_cpus_list), its
 * Documentation/ABI/testing/sysfs-devices-system-cpu (cache), the cpu_capacity of its scheduler (arm64, hybrid x86 since 6.13), and the
 * PMU devices cpu_core and cpu_atom of hybrid x86. */
#include "base/topology.h"

#include <ctype.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATH = 512, LIST = 8192 };

/* A core that does less than this share of the fastest one's work is a slow one: E-cores and little cores have a half to two thirds. */
#define SLOW_BELOW 0.75

int topology_has(const struct topology_set *s, int i)
{
    return i >= 0 && i < TOPOLOGY_CPUS && (s->bit[i / 8] >> (i % 8) & 1);
}

static void add(struct topology_set *s, int i) { s->bit[i / 8] |= (unsigned char)(1 << (i % 8)); }

int topology_count(const struct topology_set *s)
{
    int n = 0;
    for (int i = 0; i < TOPOLOGY_CPUS; i++)
        n += topology_has(s, i);
    return n;
}

/* A number at *at, which moves behind it; -1: there is none below TOPOLOGY_CPUS. */
static int number(const char **at)
{
    if (!isdigit((unsigned char)**at))
        return -1;
    char *end;
    unsigned long n = strtoul(*at, &end, 10);
    *at = end;
    return n < TOPOLOGY_CPUS ? (int)n : -1;
}

int topology_parse(const char *list, struct topology_set *out)
{
    *out = (struct topology_set){{0}};
    while (*list && *list != '\n') {
        int first = number(&list), last = first;
        if (first >= 0 && *list == '-') {
            list++;
            last = number(&list);
        }
        if (first < 0 || last < first)
            return -1;
        for (int i = first; i <= last; i++)
            add(out, i);
        if (*list == ',')
            list++;
        else if (*list && *list != '\n')
            return -1;
    }
    return 0;
}

/* The first line of root/sys/devices/PATH; -1: it cannot be read. */
static int read_line(const char *root, const char *path, char *out, size_t n)
{
    char full[PATH];
    if (snprintf(full, sizeof full, "%s/sys/devices/%s", root, path) >= (int)sizeof full)
        return -1;
    FILE *f = fopen(full, "r");
    if (!f)
        return -1;
    int failed = !fgets(out, (int)n, f);
    fclose(f);
    return failed ? -1 : 0;
}

static int read_list(const char *root, const char *path, struct topology_set *out)
{
    char line[LIST];
    return read_line(root, path, line, sizeof line) ? -1 : topology_parse(line, out);
}

void topology_allowed(struct topology_set *out)
{
    *out = (struct topology_set){{0}};
    size_t bytes = CPU_ALLOC_SIZE(TOPOLOGY_CPUS);
    cpu_set_t *set = CPU_ALLOC(TOPOLOGY_CPUS);
    if (set && sched_getaffinity(0, bytes, set) == 0)
        for (int i = 0; i < TOPOLOGY_CPUS; i++)
            if (CPU_ISSET_S((size_t)i, bytes, set))
                add(out, i);
    CPU_FREE(set);
    if (topology_count(out) == 0)
        add(out, 0);
}

/* What a CPU does, beside others of the same machine; 0: the kernel does not say. */
static double capacity(const char *root, int cpu)
{
    char path[PATH], line[64];
    snprintf(path, sizeof path, "system/cpu/cpu%d/cpu_capacity", cpu);
    return read_line(root, path, line, sizeof line) ? 0 : strtod(line, NULL);
}

static void fast_ones(const char *root, const struct topology_set *allowed, struct topology_set *out)
{
    struct topology_set slow = {{0}};
    double most = 0;
    *out = (struct topology_set){{0}};
    if (read_list(root, "cpu_atom/cpus", &slow))
        slow = (struct topology_set){{0}};
    for (int i = 0; i < TOPOLOGY_CPUS; i++)
        if (topology_has(allowed, i)) {
            double c = capacity(root, i);
            most = c > most ? c : most;
        }
    for (int i = 0; i < TOPOLOGY_CPUS; i++) {
        if (!topology_has(allowed, i) || topology_has(&slow, i))
            continue;
        double c = capacity(root, i);
        if (c == 0 || c >= SLOW_BELOW * most)
            add(out, i);
    }
    if (topology_count(out) == 0)
        *out = *allowed;
}

int topology_cores(const char *root, const struct topology_set *allowed)
{
    struct topology_set siblings, done = {{0}};
    char path[PATH];
    int n = 0;
    for (int i = 0; i < TOPOLOGY_CPUS; i++) {
        if (!topology_has(allowed, i) || topology_has(&done, i))
            continue;
        n++;
        snprintf(path, sizeof path, "system/cpu/cpu%d/topology/core_cpus_list", i);
        if (read_list(root, path, &siblings)) {
            snprintf(path, sizeof path, "system/cpu/cpu%d/topology/thread_siblings_list", i);
            if (read_list(root, path, &siblings))
                continue;
        }
        for (int s = 0; s < TOPOLOGY_CPUS; s++)
            if (topology_has(&siblings, s))
                add(&done, s);
    }
    return n;
}

int topology_compute_threads(const char *root, const struct topology_set *allowed)
{
    struct topology_set fast;
    fast_ones(root, allowed, &fast);
    int n = topology_cores(root, &fast);
    return n > 0 ? n : 1;
}

/* Of CPU i: bytes of its cache of the highest level, and the CPUs that share it. 0: the kernel does not say. */
static uint64_t last_cache(const char *root, int cpu, struct topology_set *sharing)
{
    enum { INDEXES = 8 };
    char path[PATH], line[64];
    uint64_t bytes = 0;
    long highest = 0;
    for (int i = 0; i < INDEXES; i++) {
        struct topology_set its;
        snprintf(path, sizeof path, "system/cpu/cpu%d/cache/index%d/level", cpu, i);
        long level = read_line(root, path, line, sizeof line) ? 0 : strtol(line, NULL, 10);
        snprintf(path, sizeof path, "system/cpu/cpu%d/cache/index%d/shared_cpu_list", cpu, i);
        if (level <= highest || read_list(root, path, &its))
            continue;
        snprintf(path, sizeof path, "system/cpu/cpu%d/cache/index%d/size", cpu, i);
        if (read_line(root, path, line, sizeof line))
            continue;
        char *unit;
        uint64_t size = strtoull(line, &unit, 10);
        if (size == 0 || size > UINT32_MAX || (*unit != 'K' && *unit != 'M'))
            continue;
        bytes = size << (*unit == 'K' ? 10 : 20);
        highest = level;
        *sharing = its;
    }
    return bytes;
}

uint64_t topology_cache_bytes(const char *root, const struct topology_set *allowed)
{
    struct topology_set done = {{0}}, sharing;
    uint64_t sum = 0, bytes;
    for (int i = 0; i < TOPOLOGY_CPUS; i++) {
        if (!topology_has(allowed, i) || topology_has(&done, i) || (bytes = last_cache(root, i, &sharing)) == 0)
            continue;
        sum += bytes;
        for (int s = 0; s < TOPOLOGY_CPUS; s++)
            if (topology_has(&sharing, s))
                add(&done, s);
    }
    return sum;
}

int topology_memory_nodes(const char *root, const struct topology_set *allowed, struct topology_set *out)
{
    struct topology_set all, near;
    char path[PATH];
    *out = (struct topology_set){{0}};
    if (read_list(root, "system/node/has_memory", &all))
        return 0;
    for (int node = 0; node < TOPOLOGY_NODES; node++) {
        snprintf(path, sizeof path, "system/node/node%d/cpulist", node);
        if (!topology_has(&all, node) || read_list(root, path, &near))
            continue;
        for (int i = 0; i < TOPOLOGY_CPUS; i++)
            if (topology_has(&near, i) && topology_has(allowed, i))
                add(out, node);
    }
    return topology_count(out);
}

int topology_interleave(void *p, size_t n, const struct topology_set *nodes)
{
    enum { DEFAULT = 0, INTERLEAVE = 3 }; /* MPOL_DEFAULT, MPOL_INTERLEAVE of linux/mempolicy.h */
    unsigned long mask[TOPOLOGY_NODES / (8 * sizeof(unsigned long))] = {0};
    int policy = DEFAULT;
    for (size_t i = 0; i < TOPOLOGY_NODES; i++)
        if (topology_has(nodes, (int)i))
            mask[i / (8 * sizeof *mask)] |= 1UL << (i % (8 * sizeof *mask));
    if (syscall(SYS_get_mempolicy, &policy, NULL, 0UL, NULL, 0UL) != 0 || policy != DEFAULT)
        return -1;
    return syscall(SYS_mbind, p, n, INTERLEAVE, mask, (unsigned long)TOPOLOGY_NODES + 1, 0U) != 0 ? -1 : 0;
}
