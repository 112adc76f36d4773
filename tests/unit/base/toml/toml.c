/* links: base */
/* TOML as files of settings have it: what is read, and where and how everything else is refused. */
#include "base/toml/toml.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_kind_is_read(void **state)
{
    (void)state;
    static const char text[] = "\xEF\xBB\xBF# first\n"
                               "memory = \"6\\u00e9\\n\" # a comment\r\n"
                               "\t threads=+1_000\n"
                               "[ run ]\n"
                               "temp = -0.5e-1\n"
                               "x_y-1 = 'a\\b\"'\n"
                               "stop = [ \"a\", # one\n 'b' ,\n]\n"
                               "none = []\n"
                               "[serve]\n"
                               "memory = true";
    static const struct {
        enum toml_type type;
        const char *table, *key, *first;
        size_t n;
        int line, column;
    } want[] = {{TOML_STRING, "", "memory", "6\xC3\xA9\n", 1, 2, 1},
                {TOML_INTEGER, "", "threads", "1000", 1, 3, 3},
                {TOML_TABLE, "run", NULL, NULL, 0, 4, 3},
                {TOML_FLOAT, "run", "temp", "-0.5e-1", 1, 5, 1},
                {TOML_STRING, "run", "x_y-1", "a\\b\"", 1, 6, 1},
                {TOML_STRINGS, "run", "stop", "a", 2, 7, 1},
                {TOML_STRINGS, "run", "none", NULL, 0, 10, 1},
                {TOML_TABLE, "serve", NULL, NULL, 0, 11, 2},
                {TOML_BOOLEAN, "serve", "memory", "true", 1, 12, 1}};
    struct toml t;
    struct error err = {0};
    assert_int_equal(toml_read(&t, text, sizeof text - 1, &err), 0);
    assert_int_equal(t.n, sizeof want / sizeof *want);
    for (size_t i = 0; i < t.n; i++) {
        const struct toml_entry *e = &t.entry[i];
        assert_int_equal(e->type, want[i].type);
        assert_string_equal(e->table, want[i].table);
        assert_int_equal(e->line, want[i].line);
        assert_int_equal(e->column, want[i].column);
        assert_int_equal(e->n, want[i].n);
        if (want[i].key)
            assert_string_equal(e->key, want[i].key);
        else
            assert_null(e->key);
        if (want[i].first)
            assert_string_equal(t.text[e->first], want[i].first);
    }
    assert_string_equal(t.text[t.entry[5].first + 1], "b");
    toml_free(&t);
}

static void all_else_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } bad[] = {
        {"a = 1\nb = 2\na = 3", "3:1: a is given twice, first in line 1"},
        {"[r]\n[s]\n[r]", "3:2: [r] is given twice, first in line 1"},
        {"[r]\nx = 1\n[r", "3:3: a ] is expected"},
        {"[[r]]", "1:1: arrays of tables"},
        {"[r.s]", "1:3: names with dots"},
        {"r.s = 1", "1:2: names with dots"},
        {"\"r\" = 1", "1:1: names in quotes"},
        {"a = \"\xC3\xA9\" x", "1:9: the end of the line"},
        {"a = 1 2", "1:7: the end of the line"},
        {"a 1", "1:3: an = is expected"},
        {"a =", "1:4: a value is expected"},
        {"= 1", "1:1: a name is expected"},
        {"a = six", "1:5: this is no value"},
        {"a = True", "1:5: this is no value"},
        {"a = 6GiB", "1:5: this is no value"},
        {"a = 1__0", "1:5: this is no value"},
        {"a = _1", "1:5: this is no value"},
        {"a = 1_", "1:5: this is no value"},
        {"a = .5", "1:5: this is no value"},
        {"a = 5.", "1:5: this is no value"},
        {"a = 1e", "1:5: this is no value"},
        {"a = 007", "1:5: a number has no zeros"},
        {"a = 0x1F", "1:5: numbers are decimal"},
        {"a = -inf", "1:5: inf and nan"},
        {"a = 1979-05-27", "1:5: dates"},
        {"a = 07:32:00", "1:5: dates"},
        {"a = {x = 1}", "1:5: inline tables"},
        {"a = \"\"\"x\"\"\"", "1:5: strings of several lines"},
        {"a = \"x\n\"", "1:5: this string has no end"},
        {"a = \"x", "1:5: this string has no end"},
        {"a = \"x\\\"", "1:5: this string has no end"},
        {"a = \"\\x41\"", "1:6: this is no escape"},
        {"a = \"\\uD800\"", "1:6: this is no escape"},
        {"a = \"\\u12\"", "1:6: this is no escape"},
        {"a = \"\\u0000\"", "1:6: a zero character"},
        {"a = \"\x01\"", "1:6: a control character"},
        {"# \x7F", "1:3: a control character"},
        {"a = [1]", "1:6: arrays of strings"},
        {"a = [[\"x\"]]", "1:6: arrays in arrays"},
        {"a = [\"x\" \"y\"]", "1:10: a comma"},
        {"a = [,]", "1:6: arrays of strings"},
        {"a = [\n\"x\",\n", "1:5: this array has no end"},
        {"a = 1\nb = \"\xFF\"", "2:6: this is not UTF-8"},
        {"a = 1\rb = 2", "1:6: the end of the line"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct toml t;
        struct error err = {0};
        assert_int_equal(toml_read(&t, bad[i].text, strlen(bad[i].text), &err), -1);
        assert_int_equal(strncmp(err.text, bad[i].want, strlen(bad[i].want))
                             ? (print_error("%s: %s\n", bad[i].text, err.text), 1)
                             : 0,
                         0);
        assert_null(t.entry);
    }
    struct toml t;
    struct error err = {0};
    assert_int_equal(toml_read(&t, "a = 1\0b", 7, &err), -1);
    assert_int_equal(strncmp(err.text, "1:6: ", 5), 0);
}

/* Cut anywhere, in memory of exactly that size: refused, or what was there until then. */
static void cut_anywhere(void **state)
{
    (void)state;
    static const char text[] =
        "memory = \"6GiB\" # x\n[run]\nstop = [\"a\\u00e9\",\n'b']\ntemp = -0.5e-1\nstats = true\n";
    for (size_t n = 0; n < sizeof text; n++) {
        char *part = malloc(n ? n : 1);
        struct toml t;
        struct error err = {0};
        assert_non_null(part);
        memcpy(part, text, n); /* nothing behind the last byte */
        if (toml_read(&t, part, n, &err) == 0)
            toml_free(&t);
        else
            assert_true(err.code == ERR_INPUT && *err.text);
        free(part);
    }
}

static void too_much(void **state)
{
    (void)state;
    size_t n = TOML_BYTES_MOST + 1;
    char *text = calloc(1, n + 1);
    struct toml t;
    struct error err = {0};
    assert_non_null(text);
    memset(text, '\n', n);
    assert_int_equal(toml_read(&t, text, n - 1, &err), 0);
    toml_free(&t);
    assert_int_equal(toml_read(&t, text, n, &err), -1);
    assert_string_equal(err.text, "1:1: a file of settings has at most 1 MiB");
    err = (struct error){0};
    size_t at = 0;
    for (int i = 0; i <= TOML_ENTRIES_MOST; i++)
        at += (size_t)sprintf(text + at, "k%d = 1\n", i);
    assert_int_equal(toml_read(&t, text, at, &err), -1);
    assert_string_equal(err.text, "4097:1: there are too many settings");
    free(text);
}

static void texts_are_quoted(void **state)
{
    (void)state;
    char out[64] = "", small[4] = "";
    size_t n = toml_quote(out, sizeof out, "a\"\\\n\t\x01\x7F\xC3\xA9");
    assert_int_equal(n, strlen(out));
    assert_string_equal(out, "\"a\\\"\\\\\\n\\t\\u0001\\u007F\xC3\xA9\"");
    assert_int_equal(toml_quote(small, sizeof small, "abc"), 5);
    assert_string_equal(small, "\"ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_kind_is_read), cmocka_unit_test(all_else_is_refused),
                                       cmocka_unit_test(cut_anywhere), cmocka_unit_test(too_much),
                                       cmocka_unit_test(texts_are_quoted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
