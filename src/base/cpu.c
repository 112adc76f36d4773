/* CPU features and usable cores: see cpu.h. */
#include "base/cpu.h"

#include "base/kernel_file.h"
#include "base/topology.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

#if defined(__aarch64__)
static const char *const names[TIER_COUNT] = {"scalar", "neon", "i8mm"};
static const char list[] = "scalar, neon and i8mm";
#else
static const char *const names[TIER_COUNT] = {"scalar", "avx2", "avxvnni", "avx512"};
static const char list[] = "scalar, avx2, avxvnni and avx512";
#endif

#if defined(__x86_64__)
int cpu_has_avxvnni(void)
{
    unsigned a = 0, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1); /* CPUID.(7,1):EAX.AVX-VNNI */
}

int cpu_is_intel(void)
{
    unsigned a, b = 0, c, d;
    return __get_cpuid(0, &a, &b, &c, &d) && b == signature_INTEL_ebx;
}

int cpu_gathers_fast(int is_intel, const char *root)
{
    char line[KERNEL_FILE_LINE];
    return is_intel &&
           kernel_file_line(line, root, "/sys/devices/system/cpu/vulnerabilities/gather_data_sampling") == 0 &&
           strcmp(line, "Not affected") == 0;
}
#endif

enum cpu_tier cpu_best_tier(void)
{
#if defined(__aarch64__)
    if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP)
        return getauxval(AT_HWCAP2) & HWCAP2_I8MM ? TIER_I8MM : TIER_NEON;
#elif defined(__x86_64__)
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#if !defined(__clang__) || __clang_major__ >= 16
    avx2 = avx2 && __builtin_cpu_supports("f16c");
#endif
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("bmi2"))
        return TIER_AVX512;
    if (avx2)
        return cpu_has_avxvnni() ? TIER_AVXVNNI : TIER_AVX2;
#endif
    return TIER_SCALAR;
}

const char *cpu_tier_name(enum cpu_tier t) { return names[t]; }

const char *cpu_tier_list(void) { return list; }

int cpu_tier_by_name(const char *name)
{
    for (int t = 0; t < TIER_COUNT; t++)
        if (strcmp(name, names[t]) == 0)
            return t;
    return -1;
}

/* CPUs that a cgroup grants; 0: no quota. */
static double granted(const char *root, const char *group)
{
    char line[KERNEL_FILE_LINE];
    double time = 0, period = 0;
    if (kernel_file_line(line, root, "/sys/fs/cgroup%s/cpu.max", group) == 0) {
        if (sscanf(line, "%lf %lf", &time, &period) != 2) /* "max" */
            return 0;
    } else {
        time = kernel_file_number(0, root, "/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", group);
        period = kernel_file_number(0, root, "/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", group);
    }
    return time > 0 && period > 0 ? time / period : 0;
}

/* Of version 1 the group's line is not looked for: containers see theirs at the mount. */
double cpu_quota(const char *root)
{
    char group[KERNEL_FILE_LINE];
    double least = 0;
    if (kernel_file_line(group, root, "/proc/self/cgroup") || strncmp(group, "0::", 3) != 0)
        group[0] = 0;
    else
        memmove(group, group + 3, strlen(group + 3) + 1);
    for (char *slash = group;; *slash = 0) {
        double cpus = granted(root, strcmp(group, "/") == 0 ? "" : group);
        least = cpus > 0 && (least == 0 || cpus < least) ? cpus : least;
        if (!(slash = strrchr(group, '/')))
            return least;
    }
}

int cpu_quota_cores(void)
{
    double cpus = cpu_quota("");
    return cpus < TOPOLOGY_CPUS ? (int)ceil(cpus) : TOPOLOGY_CPUS;
}

static int within_quota(int n)
{
    int quota = cpu_quota_cores();
    return quota > 0 && quota < n ? quota : n;
}

int cpu_usable_cores(void)
{
    struct topology_set allowed;
    topology_allowed(&allowed);
    return within_quota(topology_count(&allowed));
}

int cpu_compute_threads(void)
{
    struct topology_set allowed;
    topology_allowed(&allowed);
    return within_quota(topology_compute_threads("", &allowed));
}
