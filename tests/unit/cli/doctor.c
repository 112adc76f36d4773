/* links: cli server toolbox mcp library eval engine text model store op machine kernel format base */
/* When rates that doctor measures say nothing of the machine: others are busy. */
#include "cli/doctor/doctor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void who_is_busy(void **state)
{
    static const char *const busy[] = {"busy", "busy-drive", "busy-memory", "steal"};
    static struct findings f;
    (void)state;
    assert_int_equal(findings_are_busy(&f), 0);
    found(&f, "governor", "slow clocks");
    found(&f, "swap", "memory is short");
    assert_int_equal(findings_are_busy(&f), 0);
    for (size_t i = 0; i < sizeof busy / sizeof *busy; i++) {
        f.n = 2;
        found(&f, busy[i], "%s", busy[i]);
        assert_int_equal(findings_are_busy(&f), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_is_busy)};
    return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
