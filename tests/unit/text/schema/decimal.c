/* links: text base */
/* Numbers by value: texts of one number are equal and have one hash, and a short text of it stands for it. */
#include "text/schema/decimal.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int compare(const char *a, const char *b) { return decimal_compare(a, strlen(a), b, strlen(b)); }

static void order(void **state)
{
    (void)state;
    static const char *const ascending[] = {"-1e500",
                                            "-1e400",
                                            "-100",
                                            "-99.5",
                                            "-1.0e-3",
                                            "-1e-400",
                                            "0",
                                            "1e-500",
                                            "1e-400",
                                            "0.1",
                                            "0.10000000000000000000000001",
                                            "2",
                                            "10",
                                            "11.5",
                                            "1.2e1",
                                            "1e3",
                                            "1001",
                                            "1e419",
                                            "1e420"};
    static const char *const equal[][2] = {{"0", "-0.00e7"},     {"1", "1.0"},        {"-120", "-1.2e2"},
                                           {"0.012", "1.2E-2"},  {"1e3", "1000"},     {"0.5", "50e-2"},
                                           {"1e421", "9e99999"}, {"100e-2", "1"},     {"0e500", "0.0e-99"},
                                           {"12e0", "1200e-02"}, {"-1e500", "-2e600"}};
    size_t n = sizeof ascending / sizeof *ascending;
    for (size_t i = 0; i < n * n; i++) {
        const char *a = ascending[i / n], *b = ascending[i % n];
        if (compare(a, b) != (i / n > i % n) - (i / n < i % n))
            fail_msg("%s and %s: %d", a, b, compare(a, b));
    }
    for (size_t i = 0; i < sizeof equal / sizeof *equal; i++) {
        const char *a = equal[i][0], *b = equal[i][1];
        if (compare(a, b) != 0 || decimal_hash(a, strlen(a)) != decimal_hash(b, strlen(b)))
            fail_msg("%s and %s", a, b);
    }
    assert_true(decimal_is_integer("1.50e1", 6));
    assert_false(decimal_is_integer("1.55e1", 6));
    assert_true(decimal_is_integer("1e999", 5));
}

static uint64_t count;

static int below(int n) { return (int)(rng_u64(7, count++, 0, 0) % (uint64_t)n); }

/* So many digits, of few kinds: numbers that are equal come up, and runs of zeros. */
static size_t write_digits(char *out, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = "00019"[below(5)];
    return (size_t)n;
}

static size_t any_number(char *out)
{
    static const int longest[] = {3, 30, 500};
    int most = longest[below(3)];
    size_t n = 0;
    if (below(2))
        out[n++] = '-';
    out[n++] = (char)('0' + below(3));
    if (out[n - 1] != '0')
        n += write_digits(out + n, below(most));
    if (below(2)) {
        out[n++] = '.';
        n += write_digits(out + n, 1 + below(most));
    }
    if (below(2))
        n += (size_t)sprintf(out + n, "%c%d", "eE"[below(2)], below(2 * most) - most);
    out[n] = 0;
    return n;
}

static void short_texts(void **state)
{
    (void)state;
    static char text[2][1100], brief[2][DECIMAL_SHORT], again[DECIMAL_SHORT];
    for (int i = 0; i < 20000; i++) {
        for (int k = 0; k < 2; k++) {
            size_t n = any_number(text[k]), n_brief = decimal_shorten(text[k], n, brief[k]);
            assert_int_equal(n_brief, strlen(brief[k]));
            if (compare(text[k], brief[k]) != 0 || decimal_hash(text[k], n) != decimal_hash(brief[k], n_brief) ||
                decimal_is_integer(text[k], n) != decimal_is_integer(brief[k], n_brief))
                fail_msg("%s is not %s", text[k], brief[k]);
            assert_int_equal(decimal_shorten(brief[k], n_brief, again), n_brief);
            assert_string_equal(brief[k], again);
        }
        int order = compare(text[0], text[1]);
        if (compare(text[1], text[0]) != -order || compare(brief[0], brief[1]) != order ||
            (order == 0) != (strcmp(brief[0], brief[1]) == 0))
            fail_msg("%s and %s: %d", text[0], text[1], order);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(order), cmocka_unit_test(short_texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
