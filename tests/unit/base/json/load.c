/* links: base */
/* JSON loaded while the requests' memory is nearly full: whole, within what was reserved, or refused, at every size of it. */
#include "base/json/load.h"
#include "base/reqmem.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEP = 251, FLAGS = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL };

static struct reqmem memory;
static struct reqmem_account account = {.of = &memory};
static size_t live, peak;

static void *counted_malloc(size_t n)
{
    void *p = reqmem_malloc(n);
    live += p ? malloc_usable_size(p) + 8 : 0;
    peak = live > peak ? live : peak;
    return p;
}

static void counted_free(void *p)
{
    live -= p ? malloc_usable_size(p) + 8 : 0;
    reqmem_free(p);
}

/* Objects that are kept as text: "i" of each element of "m". */
static const char *const way[] = {"m", NULL, "i"};
static const struct json_place kept = {way, 3};

/* At every size of it up to one that suffices. */
static void at_all_sizes(const char *text, size_t n)
{
    json_error_t why;
    size_t loaded = 0, most = 0;
    json_t *whole = json_load_keeping(text, n, FLAGS, &kept, &why);
    assert_non_null(whole);
    while (loaded < 3) {
        reqmem_init(&memory, most, 0);
        reqmem_enter(&account, 0);
        live = peak = 0;
        json_t *v = json_load_keeping(text, n, FLAGS, &kept, &why);
        if (!v) {
            assert_int_equal(json_error_code(&why), json_error_out_of_memory);
            assert_int_not_equal(reqmem_short(&account), REQMEM_ENOUGH);
            assert_int_equal(loaded, 0);
        } else {
            assert_true(json_equal(v, whole));
            assert_int_equal(reqmem_taken(&memory), live);
            assert_in_range(peak, 1, most);
            json_decref(v);
            loaded++;
        }
        assert_int_equal(reqmem_taken(&memory), 0);
        reqmem_leave();
        most += STEP;
        assert_in_range(most, 0, 200 * n + 8192);
    }
    json_decref(whole);
}

/* before, n times one of some words, where # is its number, behind. */
static void with(const char *before, const char *word, size_t n, const char *behind)
{
    char *text = malloc(strlen(before) + n * (strlen(word) + 8) + strlen(behind) + 1), *to = text;
    assert_non_null(text);
    to += sprintf(to, "%s", before);
    for (size_t i = 0; i < n; i++)
        for (const char *c = word; *c; c++)
            to += *c == '#' ? sprintf(to, "%zu", i) : sprintf(to, "%c", *c);
    to += sprintf(to, "%s", behind);
    at_all_sizes(text, (size_t)(to - text));
    free(text);
}

static void long_tokens(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 40000; n = n * 5 + 3) {
        with("{\"n\":0.", "1", n, "}");
        with("{\"s\":\"", "x", n, "\"}");
        with("{\"s\":\"", "\\u00e4\\\"", n / 8, "\"}");
        with("{\"", "k", n, "\":{}}");
    }
}

static void many_values(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 1200; n = n * 3 + 1) {
        with("[0", ",1", n, "]");
        with("[\"\"", ",\"ab\"", n, "]");
        with("[[]", ",[0]", n, "]");
        with("[[]", ",[]", n, "]");
        with("[{}", ",{}", n, "]");
        with("{\"\":0", ",\"k#\":{}", n, "}");
        with("[0", ",1.5", n, "]");
        with("[1E400", ",{\"\":-0}", n, "]");
        with("[{}", ",{\"\":{\"\":1.5}}", n, "]");
        with("{\"\":0", ",\"k#\":#", n, "}");
        with("{\"\":0", ", \"k#\" : {\"a\":[]}\n", n, "}");
    }
}

static void kept_objects(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 12000; n = n * 5 + 3) {
        with("{\"m\":[{\"i\":{\"s\":\"", "x", n, "\"}}]}");
        with("{\"m\":[{\"i\":{\"s\":\"", "\\\"", n / 4, "\"}}]}");
        with("{\"m\":[{\"i\":{", "\n", n, "}}]}");
        with("{\"m\":[{\"i\":{\"\\u0000\":0", ",\"\":[1.5]", n / 8, "}}]}");
        with("{\"m\":[{}", ",{\"i\":{\"\\u0001\":1,\"\":{},\"\":1.5},\"j\":[{}]}", n / 16, "]}");
    }
}

/* Many values that fill the memory, and a token that grows at its end. */
static void values_and_a_token(void **state)
{
    (void)state;
    with("{\"x\":[{\"\":{\"\":{\"\":{\"\":{}}}}},1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],\"n\":1.", "1", 30000, "}");
    with("{\"x\":[{\"\":{\"\":{\"\":{\"\":{}}}}},1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],\"s\":\"", "a", 30000, "\"}");
}

/* Escapes behind a long head are looked at once: head times escapes would take hours. */
static void many_escapes_behind_a_long_head(void **state)
{
    static const char before[] = "{\"m\":[{\"i\":{\"s\":\"", behind[] = "\"}}]}";
    enum { HEAD = 8 << 20, ESCAPES = 4 << 20, N = sizeof before - 1 + HEAD + 2 * ESCAPES + sizeof behind - 1 };
    char *text = malloc(N), *to = text;
    json_error_t why;
    (void)state;
    assert_non_null(text);
    to = (char *)memcpy(to, before, sizeof before - 1) + sizeof before - 1;
    to = (char *)memset(to, 'a', HEAD) + HEAD;
    for (int i = 0; i < ESCAPES; i++, to += 2)
        memcpy(to, "\\n", 2);
    memcpy(to, behind, sizeof behind - 1);
    json_t *v = json_load_keeping(text, N, FLAGS, &kept, &why);
    assert_non_null(v);
    json_decref(v);
    free(text);
}

/* What is no JSON is refused as that, or for lack of memory; every beginning of a text is none. */
static void cut_off(void **state)
{
    static const char text[] = "{\"a\\\"b\":[1,-2.5e3,\"\\u00e4\\\\\",{\"k\":null,\"l\":[true,false]}],\"c\":\"\\n\","
                               "\"m\":[{\"i\":{\"x\":[{}, 1.5],\"x\":1}}]}";
    json_error_t why;
    (void)state;
    for (size_t n = 0; n < sizeof text - 1; n++)
        for (size_t most = 0; most < 8192; most += 512) {
            char *exact = malloc(n + 1); /* a sanitizer sees what is read behind it */
            assert_non_null(exact);
            memcpy(exact, text, n);
            exact = realloc(exact, n ? n : 1);
            reqmem_init(&memory, most, 0);
            reqmem_enter(&account, 0);
            assert_null(json_load_keeping(exact, n, FLAGS, &kept, &why));
            assert_int_equal(reqmem_taken(&memory), 0);
            assert_int_equal(json_error_code(&why) == json_error_out_of_memory,
                             reqmem_short(&account) != REQMEM_ENOUGH);
            reqmem_leave();
            free(exact);
        }
}

/* A zero outside a string ends nothing, wherever it stands. */
static void zeros(void **state)
{
    static const struct {
        const char *text;
        size_t n, place;
    } row[] = {{"[1\0]", 4, 3}, {"[1.5\0]", 6, 5}, {"1.5\0", 4, 4}, {"1.5 \0x", 6, 5}, {"{}\0", 3, 3}};
    json_error_t why;
    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        if (json_load_reserved(row[i].text, row[i].n, FLAGS | JSON_DECODE_ANY, &why))
            fail_msg("%s and a zero was taken", row[i].text);
        assert_int_equal(json_error_code(&why), json_error_invalid_syntax);
        assert_int_equal(why.position, row[i].place);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(long_tokens),
                                       cmocka_unit_test(many_values),
                                       cmocka_unit_test(values_and_a_token),
                                       cmocka_unit_test(kept_objects),
                                       cmocka_unit_test(cut_off),
                                       cmocka_unit_test(zeros),
                                       cmocka_unit_test(many_escapes_behind_a_long_head)};
    json_set_alloc_funcs(counted_malloc, counted_free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
