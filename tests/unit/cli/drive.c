/* links: cli server toolbox mcp library eval engine text model store op machine kernel format base */
/* A drive that is measured: as many reads at once as the memory for it holds, and a roof of a model whose experts are of any size. */
#include "cli/machine/drive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void reads_at_once(void **state)
{
    (void)state;
    assert_int_equal(drive_most_reads(4096), PROBE_DEPTH);
    assert_int_equal(drive_most_reads(1 << 20), PROBE_DEPTH);
    assert_int_equal(drive_most_reads(8 << 20), 47);
    assert_int_equal(drive_most_reads((uint64_t)1 << 40), 47); /* larger ones are read in parts */
    for (uint64_t n = 4096; n <= 8 << 20; n += 4096)
        assert_true((uint64_t)drive_most_reads(n) * (n + PROBE_MARGIN) <= DRIVE_MEMORY);
}

static void roofs(void **state)
{
    static const char model[] = "models/ember/ember.gguf";
    static const uint64_t expert[] = {4096, 1 << 20, (uint64_t)64 << 20};
    (void)state;
    for (size_t i = 0; i < sizeof expert / sizeof *expert; i++) {
        double rate = 0;
        assert_int_equal(drive_roof_of_model(model, expert[i], &rate), 0);
        assert_true(rate > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_at_once), cmocka_unit_test(roofs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
