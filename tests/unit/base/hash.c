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

static void in_pieces_as_whole(void **state)
{
    (void)state;
    static uint8_t data[5000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 ^ i >> 5);
    for (size_t piece = 1; piece < sizeof data; piece = piece * 3 + 1) {
        struct hash_stream *s = hash_begin();
        for (size_t at = 0; at < sizeof data; at += piece)
            hash_add(s, data + at, sizeof data - at < piece ? sizeof data - at : piece);
        assert_true(hash_end(s) == hash64(data, sizeof data, 0));
    }
    assert_true(hash_end(NULL) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_values), cmocka_unit_test(every_byte_counts),
                                       cmocka_unit_test(in_pieces_as_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
