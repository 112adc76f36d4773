/* What this machine computes with: the tiers of kernels, and how many cores are ours. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

/* Those of the architecture that we are compiled for, ascending: a higher tier may use everything of a lower one. */
#if defined(__aarch64__)
/* neon: with dot products of bytes, as most CPUs since 2018; i8mm: with products of byte matrices */
enum cpu_tier { TIER_SCALAR, TIER_NEON, TIER_I8MM, TIER_COUNT };
#else
/* avxvnni: AVX2 with 256-bit VNNI, as CPUs with AVX-512 have it too */
enum cpu_tier { TIER_SCALAR, TIER_AVX2, TIER_AVXVNNI, TIER_AVX512, TIER_COUNT };
#endif

/* The best tier that this CPU and the operating system support. */
enum cpu_tier cpu_best_tier(void);

#if defined(__x86_64__)
/* Has this CPU the VNNI instructions that need no AVX-512? */
int cpu_has_avxvnni(void);

int cpu_is_intel(void);

/* Is a gather as fast as single loads? Intel's are where the kernel says that the CPU needs no mitigation of "gather data sampling";
 * AMD's are microcode. root: as in kernel_file.h. */
int cpu_gathers_fast(int is_intel, const char *root);
#endif

/* "scalar", "avx2", "avxvnni", "avx512", "neon", "i8mm"; static. */
const char *cpu_tier_name(enum cpu_tier t);

/* enum cpu_tier; -1: no tier of that name. */
int cpu_tier_by_name(const char *name);

/* The names of all of them, as in "scalar, avx2 and avx512"; static. */
const char *cpu_tier_list(void);

/* CPUs that the cgroup of this process, and those above it, grant: the least of their quotas of processor time. Below a root, as in
 * kernel_file.h. 0: no quota, or it cannot be read. */
double cpu_quota(const char *root);

/* The same of this machine, rounded up. */
int cpu_quota_cores(void);

/* Cores this process may use: affinity mask and cgroup quota; at least 1. */
int cpu_usable_cores(void);

/* Threads that compute best on them: one for each core, not for each of its hardware threads, and none for the slow cores of a hybrid CPU
 * (topology.h); at most the quota. */
int cpu_compute_threads(void);

#endif
