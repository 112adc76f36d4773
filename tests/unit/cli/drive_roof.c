/* links: cli server toolbox mcp library eval engine text model store op machine kernel format base */
/* The roof of a drive, of readings that are made up: the faster of two depths, each at places of its own. */
#include "cli/machine/drive.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MOST = 4, USUAL = 8 };

static struct reading {
    int depth;
    uint64_t seed;
} reading[MOST];
static int n_reading;
static double usual, deep; /* bytes/s; below 0: the reading fails */

/* In place of the store's. */
int disk_probe(const struct gguf_file *file, uint64_t block, int depth, uint64_t bytes, uint64_t seed,
               const struct probe_memory *memory, struct disk_probe *out, struct error *err)
{
    double rate = depth == USUAL ? usual : deep;
    (void)file, (void)block, (void)bytes, (void)memory;
    assert_true(n_reading < MOST);
    reading[n_reading++] = (struct reading){depth, seed};
    *out = (struct disk_probe){.bytes_per_second = rate};
    return rate < 0 ? error_set(err, ERR_IO, "this reading fails") : 0;
}

static int roof(double at_usual, double at_deep, double *rate)
{
    n_reading = 0;
    usual = at_usual;
    deep = at_deep;
    return drive_roof_of_model("models/ember/ember.gguf", 1 << 20, rate);
}

static void the_faster_of_two(void **state)
{
    static const double rate[][2] = {{1e9, 3e9}, {3e9, 1e9}};
    (void)state;
    for (size_t i = 0; i < sizeof rate / sizeof *rate; i++) {
        double found = 0;
        assert_int_equal(roof(rate[i][0], rate[i][1], &found), 0);
        assert_true(found == 3e9);
        assert_int_equal(n_reading, 2);
        assert_int_equal(reading[0].depth, USUAL);
        assert_int_equal(reading[1].depth, PROBE_DEPTH);
    }
}

/* What the first has read may be in a cache by then. */
static void other_places(void **state)
{
    double found;
    (void)state;
    assert_int_equal(roof(1e9, 1e9, &found), 0);
    assert_int_equal(n_reading, 2);
    assert_true(reading[0].seed != reading[1].seed);
}

static void a_reading_that_fails(void **state)
{
    double found = 5;
    (void)state;
    assert_int_equal(roof(-1, 1e9, &found), -1);
    assert_int_equal(roof(1e9, -1, &found), -1);
    assert_true(found == 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_faster_of_two), cmocka_unit_test(other_places),
                                       cmocka_unit_test(a_reading_that_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
