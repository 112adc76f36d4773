/* links: engine text model store op machine kernel format base */
/* When known prefixes are read instead of computed: one slow read does not stop reading. */
#include "engine/prefix/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MB = 1 << 20 };

static void unknown_pays(void **state)
{
    (void)state;
    struct prefix_pace p = {0};
    assert_true(prefix_pace_pays(&p, UINT64_MAX, 1e-6));
    prefix_pace_read(&p, MB, 1); /* 1 MB/s */
    assert_true(prefix_pace_pays(&p, MB, 1.01));
    assert_false(prefix_pace_pays(&p, MB, 0.99));
}

/* The drive was slow once: reading is tried again after some prompts, and goes on. */
static void one_slow_read(void **state)
{
    (void)state;
    struct prefix_pace p = {0};
    int refused = 0;
    prefix_pace_read(&p, MB, 10); /* and computing takes 1 s */
    while (!prefix_pace_pays(&p, MB, 1) && refused < 100)
        refused++;
    assert_int_equal(refused, 6);
    prefix_pace_read(&p, MB, 0.1);
    for (int i = 0; i < 10; i++)
        assert_true(prefix_pace_pays(&p, MB, 1));
    prefix_pace_read(&p, MB, 5); /* one slow read among quick ones: still quick */
    assert_true(prefix_pace_pays(&p, MB, 1));
}

/* A drive that stays slow is tried again and again, and each time one read is enough to know. */
static void always_slow(void **state)
{
    (void)state;
    struct prefix_pace p = {0};
    int tried = 0;
    for (int i = 0; i < 700; i++)
        if (prefix_pace_pays(&p, MB, 1)) {
            prefix_pace_read(&p, MB, 10);
            tried++;
        }
    assert_int_equal(tried, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(unknown_pays), cmocka_unit_test(one_slow_read),
                                       cmocka_unit_test(always_slow)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
