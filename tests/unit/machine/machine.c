/* links: machine kernel format base */
/* Measuring the machine: figures are numbers above 0 for every type, head and tier that has kernels, with few and with many threads;
 * what cannot be measured is 0. */
#include "machine/machine.h"
#include "base/error.h"
#include "base/topology.h"
#include "planted.h"
#include "temporary.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void is_rate(double r) { assert_true(isfinite(r) && r > 1e3); }

static struct machine *opened(enum cpu_tier tier, int n_threads)
{
    struct machine *m;
    struct error err = {0};
    assert_int_equal(machine_open(&m, kernels_for(tier), n_threads, machine_bytes("", n_threads), MACHINE_MEDIAN, &err),
                     0);
    return m;
}

static void test_every_type(void **state)
{
    (void)state;
    struct machine *m = opened(cpu_best_tier(), 1);
    const struct kernels *k = kernels_for(cpu_best_tier());
    for (int t = 0; t < TYPE_COUNT; t++) {
        double r = machine_product_rate(m, (enum block_type)t, MACHINE_ROWS);
        if (k->tile[t] || k->tilef[t])
            is_rate(r);
        else
            assert_true(r == 0);
    }
    machine_close(m);
    m = opened(TIER_SCALAR, 1);
    is_rate(machine_product_rate(m, TYPE_Q4_K, 1));
    is_rate(machine_product_rate(m, TYPE_F16, 1));
    machine_close(m);
}

static void test_heads_and_states(void **state)
{
    (void)state;
    static const int d_k[] = {1, 64, 128, 576, MACHINE_HEAD}, d_v[] = {1, 64, 128, 512, MACHINE_HEAD};
    struct machine *m = opened(cpu_best_tier(), 3);
    for (size_t i = 0; i < sizeof d_k / sizeof *d_k; i++) {
        is_rate(machine_attend_rate(m, KV_F16, d_k[i], d_v[i], 1));
        is_rate(machine_attend_rate(m, KV_F32, d_k[i], d_v[i], 1000));
    }
    assert_true(machine_attend_rate(m, KV_F16, 0, 64, 1) == 0);
    assert_true(machine_attend_rate(m, KV_F16, 64, MACHINE_HEAD + 1, 1) == 0);
    assert_true(machine_attend_rate(m, KV_F16, 64, 64, 0) == 0);
    is_rate(machine_state_rate(m));
    is_rate(machine_read_rate(m));
    machine_close(m);
}

static void test_rows_and_threads(void **state)
{
    (void)state;
    struct machine *m = opened(cpu_best_tier(), 40);
    is_rate(machine_read_rate(m));
    is_rate(machine_product_rate(m, TYPE_Q4_K, MACHINE_ROWS));
    is_rate(machine_peak_rate(m, TYPE_Q4_K));
    is_rate(machine_peak_rate(m, TYPE_F32));
    assert_true(machine_product_rate(m, TYPE_Q4_K, 0) == 0);
    assert_true(machine_product_rate(m, TYPE_Q4_K, MACHINE_ROWS + 1) == 0);
    machine_close(m);
    struct error err = {0};
    assert_int_equal(machine_open(&m, kernels_for(cpu_best_tier()), 0, 1 << 23, MACHINE_BEST, &err), -1);
    assert_int_equal(err.code, ERR_INPUT);
    machine_close(NULL);
}

/* Says stop when it was asked so many times. */
static int stop_after(void *arg) { return --*(int *)arg < 0; }

static void test_a_figure_that_is_given_up(void **state)
{
    (void)state;
    struct machine *m = opened(cpu_best_tier(), 2);
    int left = 0, most = 1000;
    int pieces = (int)(machine_bytes("", 2) >> 23); /* memory is filled in pieces of 4 MiB a thread at most */
    machine_stop_when(m, stop_after, &left);
    assert_true(machine_read_rate(m) == 0);
    assert_int_equal(left, -1); /* asked once before anything, and not again */
    left = pieces - 1;
    assert_true(machine_read_rate(m) == 0);
    assert_int_equal(left, -1); /* nothing was read behind that */
    left = 5;
    assert_true(machine_state_rate(m) == 0);
    left = most;
    is_rate(machine_read_rate(m));
    assert_true(left > 0 && left < most - pieces);
    machine_stop_when(m, NULL, NULL);
    is_rate(machine_state_rate(m));
    machine_close(m);
}

/* Of a machine whose CPUs, those of this process, share a cache of so many KiB and have so many KiB of memory left. */
static size_t read_of(const char *root, const char *cache, const char *memory)
{
    static const char *const of[] = {"level", "size", "shared_cpu_list"};
    struct topology_set here;
    char path[128], text[128];
    topology_allowed(&here);
    for (int i = 0; i < TOPOLOGY_CPUS; i++)
        for (int k = 0; k < 3 && topology_has(&here, i); k++) {
            snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cache/index3/%s", i, of[k]);
            plant(root, path, k == 0 ? "3" : k == 1 ? cache : "0-4095");
        }
    snprintf(text, sizeof text, "MemAvailable: %s kB\n", memory);
    plant(root, "/proc/meminfo", text);
    return machine_read_bytes(root);
}

static void test_more_is_read_than_caches_hold(void **state)
{
    (void)state;
    char root[TEMPORARY_PATH], command[TEMPORARY_PATH + 16];
    const size_t mib = 1 << 20;
    assert_int_equal(temporary_folder(root, "machine"), 0);
    assert_int_equal(machine_read_bytes(root), 256 * mib); /* nobody says */
    assert_int_equal(read_of(root, "32768K", "67108864"), 256 * mib);
    assert_int_equal(read_of(root, "131072K", "67108864"), 512 * mib);
    assert_int_equal(read_of(root, "1179648K", "67108864"), 1024 * mib);
    assert_int_equal(read_of(root, "131072K", "1048576"), 384 * mib); /* of 1 GiB 256 MiB are kept, and half is taken */
    assert_int_equal(read_of(root, "131072K", "524288"), 256 * mib);
    static const struct {
        int n_threads;
        size_t mib;
    } of[] = {{1, 256}, {2, 256}, {32, 256}, {33, 264}, {64, 512}, {256, 2048}}; /* 8 MiB a thread at least */
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        assert_int_equal(machine_bytes(root, of[i].n_threads), of[i].mib * mib);
    read_of(root, "131072K", "67108864");
    assert_int_equal(machine_bytes(root, 64), 512 * mib);
    assert_int_equal(machine_bytes(root, 65), 520 * mib);
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_heads_and_states),
        cmocka_unit_test(test_rows_and_threads),
        cmocka_unit_test(test_a_figure_that_is_given_up),
        cmocka_unit_test(test_more_is_read_than_caches_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
