/* links: eval engine text model store op machine kernel format base */
/* Call depth: what counts as an answer, and as a wall. The programs themselves: tests/eval_stats.c. */
#include "eval/calltrace.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_right(void **state)
{
    (void)state;
    json_t *item = json_pack("{s:i}", "answer", 17), *below = json_pack("{s:i}", "answer", -2);
    assert_true(eval_calltrace_right(item, "17"));
    assert_true(eval_calltrace_right(item, "8 - 2 is 6, and the end is 17."));
    assert_true(eval_calltrace_right(item, "**017**\n"));
    assert_false(eval_calltrace_right(item, "17, or 18"));
    assert_false(eval_calltrace_right(item, "-17"));
    assert_false(eval_calltrace_right(item, "seventeen"));
    assert_false(eval_calltrace_right(item, ""));
    assert_false(eval_calltrace_right(item, "99999999999999999999999999917"));
    assert_true(eval_calltrace_right(below, "8-2"));
    json_decref(item);
    json_decref(below);
}

static void test_wall(void **state)
{
    (void)state;
    size_t right[EVAL_CALL_DEPTHS] = {20, 19, 10, 9, 20, 20};
    assert_int_equal(eval_calltrace_wall(right, 20), 3);
    right[0] = 9;
    assert_int_equal(eval_calltrace_wall(right, 20), 0);
    for (int i = 0; i < EVAL_CALL_DEPTHS; i++)
        right[i] = 1;
    assert_int_equal(eval_calltrace_wall(right, 2), EVAL_CALL_DEPTHS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_right), cmocka_unit_test(test_wall)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
