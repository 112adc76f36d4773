/* links: library base */
/* MD5 against the examples of RFC 1321, and every length around the block: in one piece and byte by byte. */
#include "library/zim/md5.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void digest(const void *data, size_t n, uint8_t out[MD5_BYTES])
{
    struct md5 s;
    md5_begin(&s);
    md5_add(&s, data, n);
    md5_end(&s, out);
}

static void examples(void **state)
{
    static const struct {
        const char *text, *hex;
    } cases[] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t out[MD5_BYTES];
        char text[2 * MD5_BYTES + 1];
        digest(cases[i].text, strlen(cases[i].text), out);
        for (int k = 0; k < MD5_BYTES; k++)
            snprintf(text + 2 * k, 3, "%02x", out[k]);
        assert_string_equal(text, cases[i].hex);
    }
}

static void every_length(void **state)
{
    uint8_t data[200];
    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    for (size_t n = 0; n < sizeof data; n++) {
        uint8_t whole[MD5_BYTES], single[MD5_BYTES];
        struct md5 s;
        digest(data, n, whole);
        md5_begin(&s);
        for (size_t i = 0; i < n; i++)
            md5_add(&s, data + i, 1);
        md5_end(&s, single);
        assert_memory_equal(whole, single, sizeof whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(examples), cmocka_unit_test(every_length)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
