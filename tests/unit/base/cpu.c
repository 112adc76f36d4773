/* links: base */
/* What cpu.h reports, against the kernel's own word: /proc/cpuinfo, affinity masks, and quotas that a cgroup's files are made to say. */
#include "base/cpu.h"
#include "planted.h"
#include "temporary.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void names_go_both_ways(void **state)
{
    (void)state;
    assert_string_equal(cpu_tier_name(TIER_SCALAR), "scalar");
#if defined(__aarch64__)
    assert_string_equal(cpu_tier_name(TIER_NEON), "neon");
    assert_string_equal(cpu_tier_name(TIER_I8MM), "i8mm");
#else
    assert_string_equal(cpu_tier_name(TIER_AVX2), "avx2");
    assert_string_equal(cpu_tier_name(TIER_AVXVNNI), "avxvnni");
    assert_string_equal(cpu_tier_name(TIER_AVX512), "avx512");
#endif
    for (int t = 0; t < TIER_COUNT; t++)
        assert_int_equal(cpu_tier_by_name(cpu_tier_name((enum cpu_tier)t)), t);
    assert_int_equal(cpu_tier_by_name("sse9"), -1);
    assert_int_equal(cpu_tier_by_name("avx"), -1);
    assert_int_equal(cpu_tier_by_name(""), -1);
}

#if defined(__aarch64__)
#define FLAGS "Features\t"
#else
#define FLAGS "flags\t"
#endif

/* Are all words in the first CPU's line of flags? The kernel leaves out what it does not let programs use. -1: there is no such line, under
 * an emulator that shows the file of its own machine. */
static int flags_hold(const char *const *word, int n)
{
    static char line[1 << 14];
    char padded[40];
    int all = -1;
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, FLAGS, strlen(FLAGS)) != 0)
            continue;
        line[strcspn(line, "\n")] = ' ';
        all = 1;
        for (int i = 0; i < n; i++) {
            snprintf(padded, sizeof padded, " %s ", word[i]);
            all = all && strstr(line, padded) != NULL;
        }
        break;
    }
    if (f)
        fclose(f);
    return all;
}

static void best_tier_is_what_the_flags_allow(void **state)
{
    (void)state;
    if (flags_hold(NULL, 0) < 0)
        skip();
#if defined(__aarch64__)
    static const char *const word[] = {"asimddp", "i8mm"};
    enum cpu_tier want = flags_hold(word, 2) ? TIER_I8MM : flags_hold(word, 1) ? TIER_NEON : TIER_SCALAR;
#else
    static const char *const word[] = {"avx2",     "fma",      "f16c",        "avx512f", "avx512bw",
                                       "avx512dq", "avx512vl", "avx512_vnni", "bmi2"},
                             *const vnni = "avx_vnni";
    enum cpu_tier want = flags_hold(word, 9)                           ? TIER_AVX512
                         : flags_hold(word, 3) && flags_hold(&vnni, 1) ? TIER_AVXVNNI
                         : flags_hold(word, 3)                         ? TIER_AVX2
                                                                       : TIER_SCALAR;
    assert_int_equal(cpu_has_avxvnni(), flags_hold(&vnni, 1));
#endif
    assert_int_equal(cpu_best_tier(), want);
}

static int smaller(int n, int quota) { return quota > 0 && quota < n ? quota : n; }

/* Runs last: it narrows this process, one core at a time. */
static void cores_follow_the_affinity_mask(void **state)
{
    (void)state;
    cpu_set_t mask;
    assert_int_equal(sched_getaffinity(0, sizeof mask, &mask), 0);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &mask))
            continue;
        assert_int_equal(cpu_usable_cores(), smaller(CPU_COUNT(&mask), cpu_quota_cores()));
        assert_in_range(cpu_compute_threads(), 1, cpu_usable_cores());
        CPU_CLR(i, &mask);
        if (CPU_COUNT(&mask) > 0)
            assert_int_equal(sched_setaffinity(0, sizeof mask, &mask), 0);
    }
    assert_int_equal(cpu_usable_cores(), 1);
}

/* ---- quotas ---------------------------------------------------------------------------------------------------------- */

static const struct quota {
    const char *v2, *v1_quota, *v1_period; /* what the files say; v2 NULL: there is no cpu.max */
    int cores;
} quotas[] = {
    {"max 100000\n", NULL, NULL, 0},
    {"100000 100000\n", NULL, NULL, 1},
    {"50000 100000\n", NULL, NULL, 1},
    {"150000 100000\n", NULL, NULL, 2},
    {"800000 100000\n", NULL, NULL, 8},
    {"800001 100000\n", NULL, NULL, 9},
    {"100000 0\n", NULL, NULL, 0},
    {"\n", NULL, NULL, 0},
    {NULL, "-1\n", "100000\n", 0},
    {NULL, "250000\n", "100000\n", 3},
    {NULL, "250000\n", NULL, 0},
    {NULL, NULL, NULL, 0},
    {"max 100000\n", "250000\n", "100000\n", 0},
};

enum { CANNOT_MOUNT = 99 };

static void put(const char *path, const char *text)
{
    unlink(path);
    int fd = text ? open(path, O_WRONLY | O_CREAT, 0600) : -1;
    if (fd >= 0 && write(fd, text, strlen(text)) < 0)
        perror(path);
    if (fd >= 0)
        close(fd);
}

/* A mount of our own needs root, or a user namespace in which we are root. */
static int become_alone(void)
{
    char uid[40], gid[40];
    snprintf(uid, sizeof uid, "0 %u 1", (unsigned)getuid());
    snprintf(gid, sizeof gid, "0 %u 1", (unsigned)getgid());
    if (unshare(CLONE_NEWNS) != 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
            return -1;
        put("/proc/self/setgroups", "deny");
        put("/proc/self/uid_map", uid);
        put("/proc/self/gid_map", gid);
    }
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
                   mount("none", "/sys/fs/cgroup", "tmpfs", 0, NULL) != 0 || mkdir("/sys/fs/cgroup/cpu", 0700) != 0
               ? -1
               : 0;
}

/* In a process of its own, with a /sys/fs/cgroup that only it sees: 0, CANNOT_MOUNT, or 1 + the quota that was read otherwise. */
static int read_quotas(void)
{
    if (become_alone() != 0)
        return CANNOT_MOUNT;
    cpu_set_t mask;
    int n = sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : 0;
    for (int i = 0; i < (int)(sizeof quotas / sizeof *quotas); i++) {
        put("/sys/fs/cgroup/cpu.max", quotas[i].v2);
        put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quotas[i].v1_quota);
        put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", quotas[i].v1_period);
        if (cpu_quota_cores() != quotas[i].cores || cpu_usable_cores() != smaller(n, quotas[i].cores))
            return 1 + i;
    }
    return 0;
}

static void quotas_round_up(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(read_quotas());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CANNOT_MOUNT) {
        print_message("skipped: this machine lets no process mount a /sys/fs/cgroup of its own\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* A service's quota stands in its own group, or in a slice above it. */
static void quotas_of_groups_below_the_mount(void **state)
{
    (void)state;
    static const struct {
        const char *line, *slice, *service;
        double cpus;
    } cases[] = {{"0::/a.slice/b.service", "max 100000", "150000 100000", 1.5},
                 {"0::/a.slice/b.service", "300000 100000", "max 100000", 3},
                 {"0::/a.slice/b.service", "300000 100000", "400000 100000", 3},
                 {"0::/a.slice", "200000 100000", "50000 100000", 2},
                 {"0::/", "200000 100000", "50000 100000", 0},
                 {"0::/a.slice/b.service", "max 100000", "max 100000", 0}};
    char root[TEMPORARY_PATH], command[TEMPORARY_PATH + 16];
    assert_int_equal(temporary_folder(root, "cpu"), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        plant(root, "/proc/self/cgroup", cases[i].line);
        plant(root, "/sys/fs/cgroup/a.slice/cpu.max", cases[i].slice);
        plant(root, "/sys/fs/cgroup/a.slice/b.service/cpu.max", cases[i].service);
        assert_true(cpu_quota(root) == cases[i].cpus);
    }
    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
}

#if defined(__x86_64__)
/* Gathers are fast where the kernel says that nothing makes them slow; of other makers' CPUs they never are. */
static void gathers_by_the_kernels_word(void **state)
{
    (void)state;
    static const char *const file = "/sys/devices/system/cpu/vulnerabilities/gather_data_sampling";
    static const char *const slow[] = {"Mitigation: Microcode\n", "Vulnerable: No microcode\n",
                                       "Unknown: Dependent on hypervisor status\n", "\n"};
    char root[TEMPORARY_PATH], command[TEMPORARY_PATH + 16];
    assert_int_equal(temporary_folder(root, "cpu"), 0);
    assert_int_equal(cpu_gathers_fast(1, root), 0); /* older kernels have no such file */
    for (size_t i = 0; i < sizeof slow / sizeof *slow; i++) {
        plant(root, file, slow[i]);
        assert_int_equal(cpu_gathers_fast(1, root), 0);
    }
    plant(root, file, "Not affected\n");
    assert_int_equal(cpu_gathers_fast(1, root), 1);
    assert_int_equal(cpu_gathers_fast(0, root), 0);
    __builtin_cpu_init();
    assert_int_equal(cpu_is_intel(), __builtin_cpu_is("intel") != 0);
    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(best_tier_is_what_the_flags_allow),
        cmocka_unit_test(quotas_round_up),
        cmocka_unit_test(quotas_of_groups_below_the_mount),
        cmocka_unit_test(cores_follow_the_affinity_mask),
#if defined(__x86_64__)
        cmocka_unit_test(gathers_by_the_kernels_word),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
