/* links: base */
/* Base64: the examples of RFC 4648, 10, every byte, and what is none. */
#include "base/json/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void is_text(const struct buffer *b, const char *text, size_t n)
{
    assert_int_equal(b->n, n);
    assert_true(n == 0 || memcmp(b->text, text, n) == 0);
}

static void examples(void **state)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct buffer there = {0}, back = {0};
        base64_put(&there, pairs[i][0], strlen(pairs[i][0]));
        is_text(&there, pairs[i][1], strlen(pairs[i][1]));
        assert_int_equal(base64_decode(&back, pairs[i][1], strlen(pairs[i][1])), 0);
        is_text(&back, pairs[i][0], strlen(pairs[i][0]));
        buffer_free(&there);
        buffer_free(&back);
    }
}

static void every_byte(void **state)
{
    char bytes[256];
    struct buffer there = {0}, back = {0};
    (void)state;
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    base64_put(&there, bytes, sizeof bytes);
    assert_int_equal(base64_decode(&back, there.text, there.n), 0);
    is_text(&back, bytes, sizeof bytes);
    buffer_free(&there);
    buffer_free(&back);
}

static void none(void **state)
{
    static const char *const texts[] = {"Zm9v!", "Zm 9v", "Zg==Zg==", "-_-_"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct buffer out = {0};
        assert_int_equal(base64_decode(&out, texts[i], strlen(texts[i])), -1);
        buffer_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(examples), cmocka_unit_test(every_byte),
                                       cmocka_unit_test(none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
