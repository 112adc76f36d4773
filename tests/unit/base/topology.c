/* links: base */
/* Cores and memory nodes, as trees of files below a folder of our own say that they are: SMT, hybrid CPUs of both kinds, masks of
 * containers, large servers, files that are missing or wrong. */
#include "base/topology.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

static int begin(void **state)
{
    (void)state;
    strcpy(root, "/tmp/stoker-topology-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

/* root/sys/devices/PATH holds text, and a new line. */
static void put(const char *text, const char *format, ...)
{
    char path[512];
    int n = snprintf(path, sizeof path, "%s/sys/devices/", root);
    va_list args;
    va_start(args, format);
    vsnprintf(path + n, sizeof path - (size_t)n, format, args);
    va_end(args);
    for (char *slash = path + strlen(root); (slash = strchr(slash + 1, '/'));) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%s\n", text);
    fclose(f);
}

static struct topology_set set(const char *list)
{
    struct topology_set s;
    assert_int_equal(topology_parse(list, &s), 0);
    return s;
}

static int threads(const char *allowed)
{
    struct topology_set s = set(allowed);
    return topology_compute_threads(root, &s);
}

static int all_cores(const char *allowed)
{
    struct topology_set s = set(allowed), first_of_each;
    return topology_cores(root, &s, &first_of_each);
}

/* CPUs first, first + step, ... share cores by `per`. */
static void cores(int first, int n, int per, int apart)
{
    char list[64];
    for (int i = 0; i < n; i++)
        for (int t = 0; t < per; t++) {
            if (per == 1)
                snprintf(list, sizeof list, "%d", first + i);
            else if (apart == 1)
                snprintf(list, sizeof list, "%d-%d", first + i * per, first + i * per + per - 1);
            else
                snprintf(list, sizeof list, "%d,%d", first + i, first + i + apart);
            put(list, "system/cpu/cpu%d/topology/core_cpus_list",
                apart == 1 ? first + i * per + t : first + i + t * apart);
        }
}

static void lists(void **state)
{
    (void)state;
    struct topology_set s = set("0-3,8,10-11\n");
    assert_int_equal(topology_count(&s), 7);
    assert_true(topology_has(&s, 0) && topology_has(&s, 8) && topology_has(&s, 11));
    assert_false(topology_has(&s, 4) || topology_has(&s, 9) || topology_has(&s, -1) || topology_has(&s, TOPOLOGY_CPUS));
    s = set("");
    assert_int_equal(topology_count(&s), 0);
    static const char *const wrong[] = {"x",   "3-1",    "1-", "-1", "1,,2", "4096", "99999999999999999999",
                                        "1;2", "0-4096", ","};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(topology_parse(wrong[i], &s), -1);
}

static void nobody_says(void **state)
{
    (void)state;
    assert_int_equal(threads("0-3"), 4);
    assert_int_equal(threads(""), 1);
    put("nonsense", "system/cpu/cpu0/topology/core_cpus_list");
    put("7-3", "system/cpu/cpu1/topology/core_cpus_list");
    put("no number", "system/cpu/cpu2/cpu_capacity");
    put("0-", "cpu_atom/cpus");
    assert_int_equal(threads("0-3"), 4);
}

static void hardware_threads_share_a_core(void **state)
{
    (void)state;
    cores(0, 8, 2, 8); /* 0 and 8 are one core, as servers number them */
    assert_int_equal(threads("0-15"), 8);
    assert_int_equal(threads("0-7"), 8);
    assert_int_equal(threads("0-3,8-11"), 4);
    assert_int_equal(all_cores("0-15"), 8);
    assert_int_equal(all_cores("0-3,8-9"), 4);
    assert_int_equal(all_cores(""), 0);
    assert_int_equal(threads("3"), 1);
}

static void old_names(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        put(i < 2 ? "0-1" : "2-3", "system/cpu/cpu%d/topology/thread_siblings_list", i);
    assert_int_equal(threads("0-3"), 2);
}

static void slow_cores_of_x86(void **state)
{
    (void)state;
    cores(0, 8, 2, 1); /* eight fast cores of two threads, four slow ones */
    cores(16, 4, 1, 1);
    put("0-15", "cpu_core/cpus");
    put("16-19", "cpu_atom/cpus");
    assert_int_equal(threads("0-19"), 8);
    assert_int_equal(all_cores("0-19"), 12);
    assert_int_equal(all_cores("2-3,16-19"), 5);
    assert_int_equal(threads("2-3,16-19"), 1);
    assert_int_equal(threads("16-19"), 4);
}

static void little_cores(void **state)
{
    (void)state;
    static const char *const capacity[] = {"350", "350", "350", "350", "905", "905", "905", "1024"};
    cores(0, 8, 1, 1);
    for (int i = 0; i < 8; i++)
        put(capacity[i], "system/cpu/cpu%d/cpu_capacity", i);
    assert_int_equal(threads("0-7"), 4);
    assert_int_equal(all_cores("0-7"), 8);
    assert_int_equal(threads("0-3"), 4);
    assert_int_equal(threads("0-3,7"), 1);
}

static void large_servers(void **state)
{
    (void)state;
    cores(0, 256, 2, 256);
    assert_int_equal(threads("0-511"), 256);
    assert_int_equal(threads("0-99"), 100);
}

static void cache(int cpu, int index, const char *level, const char *size, const char *sharing)
{
    put(level, "system/cpu/cpu%d/cache/index%d/level", cpu, index);
    put(size, "system/cpu/cpu%d/cache/index%d/size", cpu, index);
    put(sharing, "system/cpu/cpu%d/cache/index%d/shared_cpu_list", cpu, index);
}

static uint64_t cached(const char *allowed)
{
    struct topology_set s = set(allowed);
    return topology_cache_bytes(root, &s);
}

static void last_level_caches(void **state)
{
    (void)state;
    assert_int_equal(cached("0-3"), 0);
    for (int i = 0; i < 8; i++) { /* two of 32 MiB, for four CPUs each; a cache of its own below them */
        char own[16];
        snprintf(own, sizeof own, "%d", i);
        cache(i, 0, "1", "32K", own);
        cache(i, 2, "2", "1024K", own);
        cache(i, 3, "3", "32768K", i < 4 ? "0-3" : "4-7");
        cache(i, 4, "1", "48K", own); /* in whatever order */
    }
    assert_int_equal(cached("0-7"), 64 << 20);
    assert_int_equal(cached("1-2"), 32 << 20);
    assert_int_equal(cached("3-4"), 64 << 20);
    assert_int_equal(cached("9"), 0);
    cache(9, 0, "2", "2M", "9"); /* none of the third level */
    assert_int_equal(cached("0,9"), 34 << 20);
    cache(9, 1, "3", "much", "9");
    cache(9, 2, "3", "4", "9");
    cache(9, 3, "x", "8M", "9");
    cache(9, 4, "4", "99999999999M", "9");
    cache(9, 5, "5", "8M", "9-");
    assert_int_equal(cached("9"), 2 << 20);
}

static int nodes(const char *allowed)
{
    struct topology_set s = set(allowed), found;
    return topology_memory_nodes(root, &s, &found);
}

static void memory_nodes(void **state)
{
    (void)state;
    assert_int_equal(nodes("0-7"), 0);
    put("0,2-3", "system/node/has_memory");
    put("0-3", "system/node/node0/cpulist");
    put("4-7", "system/node/node1/cpulist"); /* without memory */
    put("8-11", "system/node/node2/cpulist");
    put("", "system/node/node3/cpulist"); /* without cores */
    assert_int_equal(nodes("0-11"), 2);
    assert_int_equal(nodes("0-3"), 1);
    assert_int_equal(nodes("4-7"), 0);
    put("70", "system/node/has_memory");
    assert_int_equal(nodes("0-11"), 0);
}

static void pages_are_laid_by_turns(void **state)
{
    (void)state;
    enum { BYTES = 1 << 16 };
    struct topology_set here, one;
    topology_allowed(&here);
    assert_true(topology_count(&here) >= 1);
    int policy = -1;
    if (topology_memory_nodes("", &here, &one) < 1 || syscall(SYS_get_mempolicy, &policy, NULL, 0UL, NULL, 0UL) != 0 ||
        policy != 0) {
        print_message("skipped: the kernel tells of no memory nodes, or this process has a policy\n");
        skip();
    }
    void *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    assert_int_equal(topology_interleave(p, BYTES, &one), 0);
    assert_int_equal(syscall(SYS_get_mempolicy, &policy, NULL, 0UL, p, 2UL /* MPOL_F_ADDR */), 0);
    assert_int_equal(policy, 3); /* MPOL_INTERLEAVE */
    memset(p, 1, BYTES);
    munmap(p, BYTES);
    struct topology_set none = {{0}};
    assert_int_equal(topology_interleave(p, BYTES, &none), -1);
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        IN_ROOT(nobody_says),
        IN_ROOT(hardware_threads_share_a_core),
        IN_ROOT(old_names),
        IN_ROOT(slow_cores_of_x86),
        IN_ROOT(little_cores),
        IN_ROOT(large_servers),
        IN_ROOT(last_level_caches),
        IN_ROOT(memory_nodes),
        cmocka_unit_test(pages_are_laid_by_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
