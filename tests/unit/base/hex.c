/* links: base */
/* Hexadecimal digits: every byte, and numbers that end early. */
#include "base/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void digits_are_known(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdefABCDEF";
    for (int c = -128; c < 128; c++) {
        const char *found = c ? strchr(digits, c) : NULL;
        int value = found ? (int)(found - digits) : -1;
        assert_int_equal(hex_digit((char)c), value < 16 ? value : value - 6);
    }
}

static void numbers_end_early(void **state)
{
    (void)state;
    uint32_t n;
    assert_int_equal(hex_read("1aF0x", 5, 4, &n), 4);
    assert_int_equal(n, 0x1AF0);
    assert_int_equal(hex_read("1ag", 3, 4, &n), 2);
    assert_int_equal(n, 0x1A);
    assert_int_equal(hex_read("12", 1, 4, &n), 1);
    assert_int_equal(hex_read("", 0, 4, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(hex_read("ffffffff", 8, 8, &n), 8);
    assert_int_equal(n, UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(digits_are_known), cmocka_unit_test(numbers_end_early)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
