/* links: text format base */
/* The streaming detokenizer: whatever ids come, whole characters leave, and the same text as decoding all bytes at once. */
#include "text/tokenizer/tokenizer.h"

#include "base/utf8.h"
#include "text_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct tokenizer *bytes_vocab; /* ids 0..255: the bytes; 256 control, 257 user-defined */

static int set_up(void **state)
{
    (void)state;
    static struct small_vocab v;
    struct error err = {0};
    small_begin(&v, "gpt2");
    small_add(&v, "<stop>", TOKEN_CONTROL, 0);
    small_add(&v, "<mark>", TOKEN_USER, 0);
    return small_load(&v, &bytes_vocab, &err);
}

static int tear_down(void **state)
{
    (void)state;
    tokenizer_destroy(bytes_vocab);
    return 0;
}

static void text_is(const char *bytes, const char *want)
{
    struct detok d;
    char out[64], got[400];
    size_t n = 0;
    detok_begin(&d, bytes_vocab, 0, 0);
    assert_true(detok_most(bytes_vocab) <= sizeof out);
    for (const char *p = bytes; *p; p++) {
        size_t wrote = detok_next(&d, (uint8_t)*p, out);
        memcpy(got + n, out, wrote);
        n += wrote;
    }
    size_t wrote = detok_end(&d, out);
    memcpy(got + n, out, wrote);
    n += wrote;
    got[n] = 0;
    assert_string_equal(got, want);
}

/* Rows of Unicode 15, table 3-8 and others: one U+FFFD for each maximal subpart. */
static void test_ill_formed(void **state)
{
    (void)state;
    text_is("caf\xC3\xA9", "café");
    text_is("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", "��������A");
    text_is("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", "��������A");
    text_is("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", "�����A��B");
    text_is("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", "����A");
    text_is("\xF0\x9F\x91", "�");
    text_is("\xF0\x9F\x91\x8D!", "👍!");
    text_is("a\xF0\x9F\xF0\x9F\x91\x8D", "a�👍");
}

/* What is held back is whole again as soon as it can be. */
static void test_when(void **state)
{
    (void)state;
    struct detok d;
    char out[64];
    detok_begin(&d, bytes_vocab, 0, 0);
    assert_int_equal(detok_next(&d, 0xF0, out), 0);
    assert_int_equal(detok_next(&d, 0x9F, out), 0);
    assert_int_equal(detok_next(&d, 256, out), 0); /* hidden: nothing comes between */
    assert_int_equal(detok_next(&d, 0x91, out), 0);
    assert_int_equal(detok_next(&d, 0x8D, out), 4);
    assert_int_equal(detok_next(&d, 0xE2, out), 0);
    assert_int_equal(detok_next(&d, 257, out), 3 + 6); /* shown: breaks the character */
    assert_memory_equal(out, UTF8_REPLACEMENT "<mark>", 9);
    assert_int_equal(detok_end(&d, out), 0);
    detok_begin(&d, bytes_vocab, 1, 0);
    assert_int_equal(detok_next(&d, 256, out), 6);
    assert_int_equal(detok_next(&d, -1, out), 0);
    assert_int_equal(detok_next(&d, 1 << 30, out), 0);
}

/* All bytes at once, one U+FFFD for each maximal subpart. */
static size_t decode_at_once(const uint8_t *p, size_t n, char *out)
{
    size_t written = 0, length;
    for (size_t i = 0; i < n; i += length) {
        int whole = utf8_head(p + i, n - i, &length) == UTF8_WHOLE;
        memcpy(out + written, whole ? (const char *)p + i : UTF8_REPLACEMENT, whole ? length : 3);
        written += whole ? length : 3;
    }
    return written;
}

static void test_any_bytes(void **state)
{
    (void)state;
    uint64_t seed = 7;
    const uint8_t pick[] = {0x41, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF,
                            0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF, 0x20};
    for (int round = 0; round < 20000; round++) {
        struct detok d;
        uint8_t bytes[12];
        char got[64], want[64];
        size_t n = 0, length;
        detok_begin(&d, bytes_vocab, 0, 0);
        for (int i = 0; i < 12; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bytes[i] = pick[(seed >> 33) % sizeof pick];
            size_t before = n;
            n += detok_next(&d, bytes[i], got + n);
            for (size_t at = before; at < n; at += length) /* each chunk is valid by itself */
                assert_int_equal(utf8_head((uint8_t *)got + at, n - at, &length), UTF8_WHOLE);
        }
        n += detok_end(&d, got + n);
        assert_int_equal(n, decode_at_once(bytes, 12, want));
        assert_memory_equal(got, want, n);
    }
}

static void spm_text_is(const struct tokenizer *t, int continues, size_t n, const int32_t *id, const char *want)
{
    struct token_list l = {(int32_t *)(uintptr_t)id, n, n};
    size_t length;
    char *text = decode(t, &l, 1, continues, &length);
    assert_int_equal(length, strlen(want));
    assert_memory_equal(text, want, length);
    free(text);
}

/* The space that encoding put before a text is dropped once, and only at the beginning of a whole text. */
static void test_first_space(void **state)
{
    (void)state;
    static struct small_vocab v;
    struct error err = {0};
    struct tokenizer *t = NULL;
    small_begin(&v, "llama");
    v.unknown = 0;
    int bos = small_add(&v, "<s>", TOKEN_CONTROL, 0), a = small_add(&v, "▁a", TOKEN_NORMAL, 0),
        b = small_add(&v, "b▁c", TOKEN_NORMAL, 0);
    assert_int_equal(small_load(&v, &t, &err), 0);
    spm_text_is(t, 0, 2, (int32_t[]){a, a}, "a a");
    spm_text_is(t, 1, 2, (int32_t[]){a, a}, " a a");
    spm_text_is(t, 0, 3, (int32_t[]){bos, a, a}, "<s>a a");
    spm_text_is(t, 0, 2, (int32_t[]){b, a}, "b c a");
    spm_text_is(t, 0, 4, (int32_t[]){a, 0xE2, 0x82, 0xAC}, "a€");
    tokenizer_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ill_formed),
        cmocka_unit_test(test_when),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_first_space),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
