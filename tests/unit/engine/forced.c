/* links: engine text model store op machine kernel format base */
/* How far guesses go where a constraint leaves one text only: a model may spell it in its own tokens, again and again. */
#include "engine/draft/forced.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MOST = 20 };

static void guesses_that_hold_grow(void **state)
{
    struct forced f = {0};
    int last = forced_most(&f, MOST);
    (void)state;
    assert_in_range(last, 1, MOST);
    for (int i = 0; i < 3; i++) {
        forced_learn(&f, last, last, 0);
        assert_true(forced_most(&f, MOST) >= last);
        last = forced_most(&f, MOST);
    }
    assert_int_equal(last, MOST);
    forced_learn(&f, last, 3, 1); /* so much was right, and no more */
    assert_int_equal(forced_most(&f, MOST), 3);
    forced_learn(&f, 2, 2, 0); /* there was no more of it */
    assert_int_equal(forced_most(&f, MOST), 3);
    assert_int_equal(forced_most(&f, 1), 1);
}

/* Not one holds: hardly any is computed from then on. */
static void guesses_that_fail_are_given_up(void **state)
{
    struct forced f = {0};
    int drafted = 0, late = 0;
    (void)state;
    for (int i = 0; i < 400; i++) {
        int n = forced_most(&f, MOST);
        drafted += n;
        late += i >= 300 ? n : 0;
        if (n)
            forced_learn(&f, n, 0, 1);
    }
    assert_in_range(drafted, 1, 30);
    assert_in_range(late, 1, 3); /* it is tried again */
    while (!forced_most(&f, MOST))
        ;
    forced_learn(&f, 1, 1, 0);
    for (int i = 0; i < 5; i++)
        forced_learn(&f, forced_most(&f, MOST), forced_most(&f, MOST), 0);
    assert_int_equal(forced_most(&f, MOST), MOST);
}

/* Rows that nobody looked at, as behind an end, teach nothing. */
static void what_was_not_compared_teaches_nothing(void **state)
{
    struct forced f = {0};
    int first = forced_most(&f, MOST);
    (void)state;
    for (int i = 0; i < 40; i++) {
        forced_learn(&f, 0, 0, 0);
        forced_learn(&f, 4, 0, 0);
        assert_int_equal(forced_most(&f, MOST), first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guesses_that_hold_grow),
        cmocka_unit_test(guesses_that_fail_are_given_up),
        cmocka_unit_test(what_was_not_compared_teaches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
