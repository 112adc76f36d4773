/* links: text base */
/* Stop strings: at any split of the text the same as looking at the whole, and nothing shown that a stop string might begin. */
#include "text/answer/stop.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed = 1;
static uint32_t rnd(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

static struct stops *make(const char *const *texts, size_t n)
{
    struct stop_text t[STOP_MOST];
    struct stops *s = NULL;
    struct error err = {0};
    for (size_t i = 0; i < n; i++)
        t[i] = (struct stop_text){texts[i], strlen(texts[i])};
    assert_int_equal(stops_create(&s, t, n, &err), 0);
    return s;
}

static void test_holds_back(void **state)
{
    (void)state;
    struct stops *s = make((const char *const[]){"STOP", "\n\nUser:"}, 2);
    struct stopping at = {0};
    size_t n;
    assert_memory_equal(stopping_next(s, &at, "a ST", 4, &n), "a ", 2);
    assert_int_equal(n, 2);
    assert_memory_equal(stopping_next(s, &at, "AR\n", 3, &n), "STAR", 4);
    assert_int_equal(n, 4);
    stopping_next(s, &at, "\nUse", 4, &n);
    assert_int_equal(n, 0);
    assert_memory_equal(stopping_end(s, &at, &n), "\n\nUse", 5);
    assert_int_equal(n, 5);
    assert_memory_equal(stopping_next(s, &at, "xSTOPy", 6, &n), "x", 1);
    assert_int_equal(n, 1);
    assert_int_equal(at.found, 1);
    stopping_next(s, &at, "more", 4, &n);
    assert_int_equal(n, 0);
    stopping_free(&at);
    stops_destroy(s);
}

/* stopping_would() predicts what stopping_next() finds, however the text is split. */
static void test_ahead(void **state)
{
    (void)state;
    struct stops *s = make((const char *const[]){"\n \n", "\n\n\n\n"}, 2);
    for (int round = 0; round < 2000; round++) {
        struct stopping at = {0}, seen = {0};
        char space[24];
        size_t n = 0, shown;
        stopping_next(s, &at, "a\n", 1 + rnd(2), &shown);
        seen = at;
        while (n < sizeof space) {
            for (size_t more = 1 + rnd(3); more > 0 && n < sizeof space; more--)
                space[n++] = "\n  "[rnd(3)];
            struct stopping fresh = seen;
            stopping_next(s, &fresh, space, n, &shown);
            assert_int_equal(stopping_would(s, &at, space, n), fresh.found > 0);
            stopping_free(&fresh);
            if (rnd(8) == 0) /* it was no text after all */
                assert_int_equal(stopping_would(s, &at, space, n = 0), 0);
        }
        stopping_free(&at);
    }
    stops_destroy(s);
}

static void test_none(void **state)
{
    (void)state;
    struct stops *s = make(NULL, 0);
    struct stopping at = {0};
    size_t n;
    assert_memory_equal(stopping_next(s, &at, "text", 4, &n), "text", 4);
    assert_int_equal(n, 4);
    stopping_free(&at);
    stops_destroy(s);
}

/* The stop that is complete first; of those complete there the longest. Returns its number + 1, its place in *begin. */
static int find_slowly(const char *text, const char *const *stops, size_t n, size_t *begin)
{
    for (size_t end = 1; end <= strlen(text); end++) {
        int best = 0;
        for (size_t i = 0; i < n; i++) {
            size_t length = strlen(stops[i]);
            if (length <= end && memcmp(text + end - length, stops[i], length) == 0 &&
                (!best || length > strlen(stops[best - 1])))
                best = (int)i + 1;
        }
        if (best) {
            *begin = end - strlen(stops[best - 1]);
            return best;
        }
    }
    *begin = strlen(text);
    return 0;
}

/* The longest suffix of the text that is a proper prefix of a stop string. */
static size_t held_slowly(const char *text, size_t n_text, const char *const *stops, size_t n)
{
    size_t most = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t length = 1; length < strlen(stops[i]) && length <= n_text; length++)
            if (memcmp(text + n_text - length, stops[i], length) == 0 && length > most)
                most = length;
    return most;
}

static void test_splits(void **state)
{
    (void)state;
    for (int round = 0; round < 3000; round++) {
        char words[4][8], text[60], shown[80];
        const char *stops[4];
        size_t n = 1 + rnd(4), n_shown = 0, n_text = rnd(50), begin, got;
        for (size_t w = 0; w < n; w++) {
            size_t length = 1 + rnd(6);
            for (size_t i = 0; i < length; i++)
                words[w][i] = "ab"[rnd(2)];
            words[w][length] = 0;
            stops[w] = words[w];
        }
        for (size_t i = 0; i < n_text; i++)
            text[i] = "aabbbbbc"[rnd(8)];
        text[n_text] = 0;
        int want = find_slowly(text, stops, n, &begin);
        struct stops *s = make(stops, n);
        struct stopping at = {0};
        for (size_t i = 0, length; i < n_text; i += length) {
            length = 1 + rnd(5) < n_text - i ? 1 + rnd(5) : n_text - i;
            length = length < n_text - i ? length : n_text - i;
            const char *out = stopping_next(s, &at, text + i, length, &got);
            memcpy(shown + n_shown, out, got);
            n_shown += got;
            if (!at.found)
                assert_int_equal(n_shown, i + length - held_slowly(text, i + length, stops, n));
        }
        const char *rest = stopping_end(s, &at, &got);
        memcpy(shown + n_shown, rest, got);
        n_shown += got;
        assert_true(want == at.found || (want && at.found && !strcmp(stops[want - 1], stops[at.found - 1])));
        assert_int_equal(n_shown, begin);
        assert_memory_equal(shown, text, n_shown);
        stopping_free(&at);
        stops_destroy(s);
    }
}

/* A megabyte a byte at a time, always one byte short of the stop string. */
static void test_linear(void **state)
{
    (void)state;
    static char stop[1001];
    memset(stop, 'a', 999);
    stop[999] = 'b';
    struct stops *s = make((const char *const[]){stop}, 1);
    struct stopping at = {0};
    size_t n, shown = 0;
    for (int i = 0; i < 1 << 20; i++) {
        assert_non_null(stopping_next(s, &at, "a", 1, &n));
        shown += n;
    }
    assert_int_equal(shown, (1 << 20) - 999);
    stopping_free(&at);
    stops_destroy(s);
}

static void test_refusals(void **state)
{
    (void)state;
    struct stop_text many[STOP_MOST + 1];
    struct stops *s = NULL;
    struct error err = {0};
    for (int i = 0; i <= STOP_MOST; i++)
        many[i] = (struct stop_text){"x", 1};
    assert_int_equal(stops_create(&s, many, STOP_MOST + 1, &err), -1);
    assert_non_null(strstr(err.text, "65"));
    err = (struct error){0};
    many[1].length = 0;
    assert_int_equal(stops_create(&s, many, 2, &err), -1);
    assert_non_null(strstr(err.text, "stop string 2 is empty"));
    err = (struct error){0};
    many[1].length = STOP_BYTES;
    assert_int_equal(stops_create(&s, many, 2, &err), -1);
    assert_int_equal(err.code, ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds_back), cmocka_unit_test(test_ahead),  cmocka_unit_test(test_none),
        cmocka_unit_test(test_splits),     cmocka_unit_test(test_linear), cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
