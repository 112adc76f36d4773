/* links: base */
/* Every character is written and read back; every ill-formed sequence is reported with its kind and length. Texts from files are made
 * plain before they are shown: no control character and no broken UTF-8 is left, all else stays. */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void becomes(const char *text, const char *plain)
{
    char copy[64];
    strcpy(copy, text);
    utf8_make_plain(copy);
    assert_string_equal(copy, plain);
}

static void plain_texts(void **state)
{
    (void)state;
    becomes("", "");
    becomes("model-00001-of-00002.gguf", "model-00001-of-00002.gguf");
    becomes("gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80", "gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80");
    becomes("a\x1B[31mb\nc\x7F", "a?[31mb?c?");
    becomes("\xC2\x9B"
            "2J\xC2\xA0",
            "??2J\xC2\xA0");                    /* a control character of two bytes */
    becomes("a\xFF\xE2\x82", "a???");           /* broken; cut off at the end */
    becomes("\xED\xA0\x80x\xC0\x80", "???x??"); /* a surrogate; an overlong form */
}

static void cut_texts(void **state)
{
    (void)state;
    static const char text[] = "a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80z"; /* of 1, 2, 3, 4 and 1 bytes */
    static const size_t ends[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11, 11};
    for (size_t n = 0; n < sizeof ends / sizeof *ends; n++)
        assert_int_equal(utf8_cut(text, n), ends[n]);
    assert_int_equal(utf8_cut("\x80\x80\x80\x80\x80\x80", 5), 2);
}

static int is_character(uint32_t c) { return c < 0xD800 || (c > 0xDFFF && c <= 0x10FFFF); }

static void all_characters(void **state)
{
    (void)state;
    static const uint32_t longest[] = {0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
    for (uint32_t c = 0, k = 0; c <= 0x10FFFF; c++) {
        char text[5] = "\0\0\0\0\x80"; /* what follows is not read */
        size_t n = utf8_write(c, text), length;
        uint32_t back;
        k += c > longest[k];
        if (!is_character(c)) {
            assert_memory_equal(text, UTF8_REPLACEMENT, 3);
            continue;
        }
        assert_int_equal(n, k + 1);
        assert_int_equal(utf8_read(text, sizeof text, &length, &back), UTF8_WHOLE);
        assert_int_equal(back, c);
        assert_int_equal(length, n);
        assert_int_equal(utf8_count(text, n), 1);
        for (size_t cut = 1; cut < n; cut++) {
            assert_int_equal(utf8_read(text, cut, &length, &back), UTF8_PARTIAL);
            assert_int_equal(length, cut);
            assert_int_equal(back, 0xFFFD);
        }
    }
    char text[4];
    assert_int_equal(utf8_write(0x110000, text), 3);
    assert_int_equal(utf8_write(UINT32_MAX, text), 3);
    assert_memory_equal(text, UTF8_REPLACEMENT, 3);
}

/* What four bytes should be, by arithmetic alone: the number that a lead byte and its continuation bytes make is a character of
 * just this length. The beginnings of such texts are what may go on. */
static enum utf8_head expected(const uint8_t *p, size_t *length, uint32_t *character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t need = p[0] < 0x80 ? 1 : p[0] < 0xC0 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF8 ? 4 : 0;
    uint32_t from = need == 1 ? p[0] : need ? p[0] & (0x7Fu >> need) : 0, to = from;
    *character = 0xFFFD;
    *length = 1;
    if (need == 0)
        return UTF8_BROKEN;
    for (size_t k = 1; k < need; k++) { /* bytes that are not seen yet may be any */
        from <<= 6;
        to = to << 6 | 0x3F;
    }
    for (size_t seen = 1;; seen++) {
        int possible = 0;
        for (uint32_t edge = 0; edge < 2; edge++) {
            uint32_t c = edge ? to : from > least[need] ? from : least[need];
            possible |= c >= from && c <= to && c >= least[need] && is_character(c);
        }
        if (!possible)
            return UTF8_BROKEN;
        *length = seen;
        if (seen == need)
            return *character = from, UTF8_WHOLE;
        if ((p[seen] & 0xC0) != 0x80)
            return UTF8_BROKEN;
        size_t bits = 6 * (need - 1 - seen);
        from |= (p[seen] & 0x3Fu) << bits;
        to = from | ((1u << bits) - 1);
    }
}

static void all_beginnings(void **state)
{
    (void)state;
    static const uint8_t third[] = {0x00, 0x7F, 0x80, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            for (unsigned c = 0; c < sizeof third * sizeof third; c++) {
                uint8_t p[4] = {(uint8_t)a, (uint8_t)b, third[c % sizeof third], third[c / sizeof third]};
                size_t length, right_length;
                uint32_t got, right;
                enum utf8_head head = expected(p, &right_length, &right);
                assert_int_equal(utf8_head(p, sizeof p, &length), head);
                assert_int_equal(utf8_read(p, sizeof p, &length, &got), head);
                assert_int_equal(length, right_length);
                assert_int_equal(got, right);
            }
}

static void counts(void **state)
{
    (void)state;
    assert_int_equal(utf8_count("", 0), 0);
    assert_int_equal(utf8_count("a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80", 10), 4);
    assert_int_equal(utf8_count("\x80\x80", 2), 0);
}

static void pairs(void **state)
{
    (void)state;
    assert_int_equal(utf8_of_pair(0xD800, 0xDC00), 0x10000);
    assert_int_equal(utf8_of_pair(0xD83D, 0xDE00), 0x1F600);
    assert_int_equal(utf8_of_pair(0xDBFF, 0xDFFF), 0x10FFFF);
    static const uint32_t none[][2] = {
        {0xD7FF, 0xDC00}, {0xDC00, 0xDC00}, {0xD800, 0xDBFF}, {0xD800, 0xE000}, {0xD800, 0}};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(utf8_of_pair(none[i][0], none[i][1]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(plain_texts),    cmocka_unit_test(cut_texts),
                                       cmocka_unit_test(all_characters), cmocka_unit_test(all_beginnings),
                                       cmocka_unit_test(counts),         cmocka_unit_test(pairs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
