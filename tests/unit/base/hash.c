/* links: base */
/* hash64 is XXH3 with 64 bits: values that other machines and versions of the library give too. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void known_values(void **state)
{
    (void)state;
    assert_true(hash64("", 0, 0) == 0x2d06800538d394c2); /* from the xxHash documentation */
    assert_true(hash64("stoker", 6, 0) == 0xa8f8acdd4df52bef);
    assert_true(hash64("stoker", 6, 1) != hash64("stoker", 6, 0));
}

/* The library has a path of its own for each of several ranges of lengths: no byte may be left out in any. */
static void every_byte_counts(void **state)
{
    (void)state;
    static uint8_t data[600];
    for (size_t n = 1; n <= sizeof data; n++) {
        uint64_t before = hash64(data, n, 7);
        size_t at = n * 31 % n + (n - 1) / 2;
        data[at] ^= 1;
        assert_true(hash64(data, n, 7) != before);
        data[at] ^= 1;
        assert_true(hash64(data, n, 7) == before);
        assert_true(hash64(data, n - 1, 7) != before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_values), cmocka_unit_test(every_byte_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
