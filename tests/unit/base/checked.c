/* links: base */
/* Checked arithmetic at the ends of 64 bits. */
#include "base/checked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void sums(void **state)
{
    (void)state;
    uint64_t out;
    assert_true(checked_add(UINT64_MAX - 1, 1, &out));
    assert_true(out == UINT64_MAX);
    assert_false(checked_add(UINT64_MAX, 1, &out));
    assert_true(checked_add(0, 0, &out));
    assert_true(out == 0);
}

static void products(void **state)
{
    (void)state;
    uint64_t out;
    assert_true(checked_mul(UINT64_MAX, 1, &out));
    assert_true(out == UINT64_MAX);
    assert_true(checked_mul(0, UINT64_MAX, &out));
    assert_true(out == 0);
    assert_true(checked_mul(0xffffffff, 0x100000001, &out));
    assert_true(out == UINT64_MAX);
    assert_false(checked_mul((uint64_t)1 << 32, (uint64_t)1 << 32, &out));
    assert_false(checked_mul((uint64_t)1 << 63, 2, &out));
}

static void rounding(void **state)
{
    (void)state;
    assert_true(round_up(0, 64) == 0);
    assert_true(round_up(1, 64) == 64);
    assert_true(round_up(64, 64) == 64);
    assert_true(round_up(((uint64_t)1 << 40) + 1, 4096) == ((uint64_t)1 << 40) + 4096);
    assert_true(round_down(4095, 4096) == 0);
    assert_true(round_down(UINT64_MAX, 4096) == UINT64_MAX - 4095);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums),
        cmocka_unit_test(products),
        cmocka_unit_test(rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
