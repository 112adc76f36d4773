/* links: base */
/* The scanner: tokens and their spans at every split, the place of every fault, nesting, members, the pieces of strings. */
#include "base/json/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROOM = 512 };

/* The tokens as "token from-to", by parts of `step` bytes, the first of `first`; where and in which state they end. */
static void list_tokens(const char *text, size_t n, size_t first, size_t step, char *out)
{
    struct json_scan s;
    size_t at = 0, used = 0;
    enum scan r = SCAN_MORE;
    json_scan_begin(&s, JSON_DEPTH);
    for (size_t have = first; r == SCAN_MORE; have += step) {
        have = have < n ? have : n;
        char *part = malloc(have + 1); /* a sanitizer sees what is read behind it */
        assert_non_null(part);
        memcpy(part, text, have);
        part = realloc(part, have ? have : 1);
        while ((r = json_token(&s, part, have, &at, have == n)) == SCAN_OK)
            used += (size_t)snprintf(out + used, ROOM - used, "%c %zu-%zu  ", s.token, s.from, at);
        free(part);
        if (have == n)
            break;
    }
    snprintf(out + used, ROOM - used, "%s %zu %d", r == SCAN_BAD ? "bad" : "end", at, s.state);
}

static void gives(const char *text, size_t n, const char *want)
{
    char whole[ROOM], split[ROOM];
    list_tokens(text, n, n, 1, whole);
    if (want && strcmp(whole, want) != 0)
        fail_msg("%s: %s", text, whole);
    for (size_t first = 0; first <= n; first++)
        for (size_t step = 1; step < 4; step++) {
            list_tokens(text, n, first, step, split);
            if (strcmp(split, whole) != 0)
                fail_msg("%s in parts of %zu and %zu: %s", text, first, step, split);
        }
}

static void tokens_at_every_split(void **state)
{
    (void)state;
    static const struct {
        const char *text, *tokens;
    } row[] = {
        {" {\"a\\\"\" : [1, true ]}\n", "{ 1-2  k 2-7  [ 10-11  0 11-12  t 14-18  ] 19-20  } 20-21  end 22 6"},
        {"-0.50e+12", "0 0-9  end 9 6"},
        {"[\"\\ud83d\\ude00\xC3\xA4\xFF\",null,false,-1E5]",
         "[ 0-1  \" 1-18  n 19-23  f 24-29  0 30-34  ] 34-35  end 35 6"},
        {"{\"\":{},\"b\":[]}", "{ 0-1  k 1-3  { 4-5  } 5-6  k 7-10  [ 11-12  ] 12-13  } 13-14  end 14 6"},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        gives(row[i].text, strlen(row[i].text), row[i].tokens);
}

/* The byte that is wrong, and what was expected there; of a text that ends too early, what it lacks. */
static void faults(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum scan is;
        size_t at;
        enum json_state state;
    } row[] = {
        {"", SCAN_MORE, 0, JSON_AT_VALUE},         {"[1,]", SCAN_BAD, 3, JSON_AT_VALUE},
        {"[", SCAN_MORE, 1, JSON_AT_FIRST_VALUE},  {"[}", SCAN_BAD, 1, JSON_AT_FIRST_VALUE},
        {"{]", SCAN_BAD, 1, JSON_AT_FIRST_KEY},    {"{\"a\":1,}", SCAN_BAD, 7, JSON_AT_KEY},
        {"{\"a\" 1}", SCAN_BAD, 5, JSON_AT_COLON}, {"{\"a\":1]", SCAN_BAD, 6, JSON_AT_COMMA},
        {"[1 2]", SCAN_BAD, 3, JSON_AT_COMMA},     {"1 x", SCAN_BAD, 2, JSON_AT_END},
        {"\"a\n\"", SCAN_BAD, 2, JSON_IN_STRING},  {"\"a", SCAN_MORE, 2, JSON_IN_STRING},
        {"\"\\x\"", SCAN_BAD, 2, JSON_IN_ESCAPE},  {"\"\\u00g0\"", SCAN_BAD, 5, JSON_IN_HEX},
        {"nul]", SCAN_BAD, 3, JSON_IN_WORD},       {"tru", SCAN_MORE, 3, JSON_IN_WORD},
        {"01", SCAN_BAD, 1, JSON_IN_NUMBER},       {"-", SCAN_MORE, 1, JSON_IN_NUMBER},
        {"1.e5", SCAN_BAD, 2, JSON_IN_NUMBER},     {"[1e+]", SCAN_BAD, 4, JSON_IN_NUMBER},
        {"'a'", SCAN_BAD, 0, JSON_AT_VALUE},       {"+1", SCAN_BAD, 0, JSON_AT_VALUE},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct json_scan s;
        size_t at = 0, n = strlen(row[i].text);
        enum scan r;
        json_scan_begin(&s, JSON_DEPTH);
        while ((r = json_token(&s, row[i].text, n, &at, 1)) == SCAN_OK)
            continue;
        if (r != row[i].is || at != row[i].at || s.state != row[i].state)
            fail_msg("%s: %d at %zu in state %d", row[i].text, r, at, s.state);
        assert_int_equal(json_token(&s, row[i].text, n, &at, 1), r); /* the failure is permanent */
        assert_int_equal(at, row[i].at);
        gives(row[i].text, n, NULL);
        assert_false(json_whole(row[i].text, n));
    }
}

static void whole_values(void **state)
{
    (void)state;
    static const char *const good[] = {"{}", " [1, -0.5e+3, \"a\\u00e9\\n\", true, null, {\"k\": [[]]}] ", "0",
                                       "\"\\\"\"", "-1.0"};
    static const char kinds[] = "{[0\"0";
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(json_whole(good[i], strlen(good[i])), kinds[i]);
}

/* Strings are read eight bytes at a time: each byte at each place of them. */
static void bytes_of_strings(void **state)
{
    (void)state;
    char text[40];
    for (size_t n = 1; n < sizeof text - 12; n++)
        for (size_t place = 0; place < n; place++)
            for (int c = 0; c < 256; c++) {
                struct json_scan s;
                struct json_piece p;
                size_t at = 0;
                memset(text, 'x', sizeof text);
                text[0] = text[n + 1] = '"';
                text[1 + place] = (char)c;
                json_scan_begin(&s, JSON_DEPTH);
                enum scan r = json_token(&s, text, n + 2, &at, 1);
                int is_broken = c < 0x20 || c == '\\';
                assert_int_equal(r, !is_broken ? SCAN_OK : c == '\\' && place + 1 == n ? SCAN_MORE : SCAN_BAD);
                assert_int_equal(at, r != SCAN_OK ? 1 + place + (c == '\\') * (1 + (r == SCAN_MORE))
                                     : c == '"'   ? place + 2
                                                  : n + 2);
                if (r != SCAN_OK)
                    continue;
                assert_int_equal(s.plain, c < 0x80);
                at = 1;
                assert_int_equal(json_piece(text, n + 2, &at, &p), 1);
                assert_int_equal(p.is, c >= 0x80 && place == 0 ? JSON_NOT_UTF8 : JSON_AS_WRITTEN);
                assert_int_equal(p.n, c < 0x80 ? n : place ? place : 1);
            }
}

static void nesting(void **state)
{
    (void)state;
    static char text[2 * (JSON_DEEPEST + 1)];
    static const unsigned most[] = {1, 7, 8, JSON_DEPTH, JSON_DEEPEST};
    for (size_t i = 0; i < sizeof most / sizeof *most; i++)
        for (size_t depth = most[i]; depth <= most[i] + 1; depth++) {
            struct json_scan s;
            size_t at = 0;
            memset(text, '[', depth);
            memset(text + depth, ']', depth);
            memcpy(text + depth - 1, "{}", 2); /* the innermost */
            json_scan_begin(&s, most[i]);
            enum scan r = json_scan(&s, text, 2 * depth, &at, 1);
            assert_int_equal(r, depth == most[i] ? SCAN_OK : SCAN_BAD);
            assert_int_equal(at, depth == most[i] ? 2 * depth : most[i]);
            assert_int_equal(s.state, depth == most[i] ? JSON_AT_END : JSON_TOO_DEEP);
            assert_int_equal(json_whole(text, 2 * depth) != 0, depth <= JSON_DEPTH);
        }
}

static void members(void **state)
{
    (void)state;
    static const char text[] = " {\"a\" : 1,\"b\":{\"a\":[2]} , \"\\u0061\":\"x\", \"c\": []}";
    struct json_item i;
    struct json_scan s;
    char seen[ROOM] = "";
    size_t at = 0;
    json_scan_begin(&s, JSON_DEPTH);
    while (json_next(&s, text, strlen(text), &at, &i))
        snprintf(seen + strlen(seen), ROOM - strlen(seen), "%.*s=%.*s;", (int)i.key_n, text + i.key, (int)i.value_n,
                 text + i.value);
    assert_string_equal(seen, "\"a\"=1;\"b\"={\"a\":[2]};\"\\u0061\"=\"x\";\"c\"=[];");
    assert_false(json_next(&s, text, strlen(text), &at, &i));
    assert_true(json_member(text, strlen(text), "a", &i));
    assert_memory_equal(text + i.value, "\"x\"", i.value_n);
    assert_false(json_member(text, strlen(text), "d", &i));
    assert_false(json_member("[1]", 3, "d", &i));
    assert_false(json_member("1", 1, "d", &i));
}

static void pieces_of_strings(void **state)
{
    (void)state;
    static const char text[] = "\"ab\xC3\xA4\\n\\/\\u20ac\\ud83d\\ude00\\udc00\\ud800\\u0041\xE2\x82z\xFF\\u0000\"";
    static const struct {
        int is;
        const char *text;
    } want[] = {{JSON_AS_WRITTEN, "ab\xC3\xA4"},
                {JSON_ESCAPED, "\n"},
                {JSON_ESCAPED, "/"},
                {JSON_ESCAPED, "\xE2\x82\xAC"},
                {JSON_ESCAPED, "\xF0\x9F\x98\x80"},
                {JSON_HALF_PAIR, "\xEF\xBF\xBD"},
                {JSON_HALF_PAIR, "\xEF\xBF\xBD"},
                {JSON_ESCAPED, "A"},
                {JSON_NOT_UTF8, "\xE2\x82"},
                {JSON_AS_WRITTEN, "z"},
                {JSON_NOT_UTF8, "\xFF"}};
    struct json_piece p;
    struct buffer b = {0}, all = {0};
    size_t at = 1;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_true(json_piece(text, sizeof text - 1, &at, &p));
        assert_int_equal(p.is, want[i].is);
        assert_int_equal(p.n, strlen(want[i].text));
        assert_memory_equal(p.text, want[i].text, p.n);
        buffer_puts(&b, want[i].text);
    }
    assert_true(json_piece(text, sizeof text - 1, &at, &p));
    assert_int_equal(p.n, 1);
    assert_int_equal(*p.text, 0);
    assert_false(json_piece(text, sizeof text - 1, &at, &p));
    buffer_put(&b, "", 1);
    json_unescape(&all, text, sizeof text - 1);
    assert_int_equal(all.n, b.n);
    assert_memory_equal(all.text, b.text, b.n);
    buffer_free(&b);
    buffer_free(&all);
    at = 1;
    assert_false(json_piece("\"\"", 2, &at, &p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_at_every_split), cmocka_unit_test(faults),  cmocka_unit_test(whole_values),
        cmocka_unit_test(bytes_of_strings),      cmocka_unit_test(nesting), cmocka_unit_test(members),
        cmocka_unit_test(pieces_of_strings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
