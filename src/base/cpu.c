/* CPU features and usable cores: see cpu.h. */
#include "base/cpu.h"

#include "base/topology.h"

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
        __builtin_cpu_supports("avx512vnni"))
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

int cpu_quota_cores(void)
{
    long long quota = -1, period = 0;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (f) {
        if (fscanf(f, "%lld %lld", &quota, &period) != 2)
            quota = -1;
        fclose(f);
    } else if ((f = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r"))) {
        if (fscanf(f, "%lld", &quota) != 1)
            quota = -1;
        fclose(f);
        if ((f = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r"))) {
            if (fscanf(f, "%lld", &period) != 1)
                period = 0;
            fclose(f);
        }
    }
    return quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
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
