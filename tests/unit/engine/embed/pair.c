/* links: engine text model store op machine kernel format base */
/* Pairs of a query and documents: what a document loses that does not fit, how much work that is, and who may end it. Documents have no
 * byte behind them, so that AddressSanitizer sees who reads it. */
#include "stoker.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* One whose vocabulary says how pairs are written, and one with a template. */
static const char *const models[] = {TEST_DATA "/embeddings/bert-rank.gguf", TEST_DATA "/embeddings/qwen3-rerank.gguf"};
enum { MODELS = sizeof models / sizeof *models };
static struct stoker *engine[MODELS];
static size_t n_ctx[MODELS];

static int open_models(void **state)
{
    (void)state;
    for (int m = 0; m < MODELS; m++) {
        struct stoker_error err;
        struct stoker_encoder encoder;
        struct stoker_options o = {.n_threads = 1, .memory = STOKER_MEMORY_MAX};
        if (stoker_open(&engine[m], models[m], &o, &err) || stoker_encoder_of(engine[m], &encoder)) {
            fprintf(stderr, "%s\n", err.text);
            return -1;
        }
        n_ctx[m] = encoder.n_ctx;
    }
    return 0;
}

static int close_models(void **state)
{
    (void)state;
    for (int m = 0; m < MODELS; m++)
        stoker_close(engine[m]);
    return 0;
}

static struct stoker_query *query_of(int m, const char *text)
{
    struct stoker_query *q = NULL;
    struct stoker_error err;
    const struct stoker_string s = {text, strlen(text)};
    if (stoker_query_open(&q, engine[m], &s, NULL, NULL, &err))
        fail_msg("%s", err.text);
    return q;
}

struct ids {
    stoker_token *id;
    size_t n;
    int cut;
};

/* Of the first n bytes of a text, which are all that there is. */
static struct ids ids_of(struct stoker_query *q, const char *text, size_t n)
{
    struct ids out = {0};
    struct stoker_error err;
    char *copy = malloc(n ? n : 1);
    memcpy(copy, text, n);
    const struct stoker_string s = {copy, n};
    if (stoker_query_pair(q, &s, &out.id, &out.n, &out.cut, &err))
        fail_msg("%s", err.text);
    free(copy);
    return out;
}

static int fits(struct stoker_query *q, const char *text, size_t n)
{
    struct ids ids = ids_of(q, text, n);
    stoker_free(ids.id);
    return !ids.cut;
}

static size_t whole(const char *text, size_t n, size_t least)
{
    while (n > least && ((unsigned char)text[n] & 0xC0) == 0x80)
        n--;
    return n;
}

/* The definition: halving, by what is tokenised as a whole. */
static size_t longest(struct stoker_query *q, const char *text)
{
    size_t low = 0, high = strlen(text);
    while (low < high) {
        size_t middle = low + (high - low + 1) / 2, n = whole(text, middle, low);
        if (fits(q, text, n == low ? middle : n))
            low = middle;
        else
            high = middle - 1;
    }
    return whole(text, low, 0);
}

static char *repeated(const char *piece, size_t times)
{
    size_t n = strlen(piece);
    char *out = malloc(n * times + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(out + i * n, piece, n);
    out[n * times] = 0;
    return out;
}

static void a_long_document_loses_as_little_as_possible(void **state)
{
    (void)state;
    static const char *const pieces[] = {"water ",
                                         "fire and stone, ",
                                         "w\xc3\xa4sser\xe2\x82\xac ",
                                         "\xf0\x9f\x94\xa5",
                                         "unbelievable\xe6\xb0\xb4",
                                         "\xbf\xbf\xbf",
                                         "a"};
    for (int m = 0; m < MODELS; m++)
        for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++)
            for (size_t extra = 0; extra < 3; extra++) {
                struct stoker_query *q = query_of(m, "what is water");
                char *text = repeated(pieces[p], 4 * n_ctx[m] + extra);
                struct ids got = ids_of(q, text, strlen(text)), want = ids_of(q, text, longest(q, text));
                if (got.n == n_ctx[m])
                    assert_true(got.cut);
                assert_true(got.n <= n_ctx[m]);
                assert_int_equal(want.cut, 0);
                assert_int_equal(got.n, want.n);
                assert_memory_equal(got.id, want.id, got.n * sizeof *got.id);
                stoker_free(got.id);
                stoker_free(want.id);
                free(text);
                stoker_query_close(q);
            }
}

/* Spaces are no tokens: without a bound all of them would be tokenised in each step. */
static void what_no_context_holds_is_not_kept(void **state)
{
    (void)state;
    struct stoker_query *q = query_of(0, "what is water");
    size_t n = 2000 * n_ctx[0];
    char *words = repeated("water ", 200), *text = malloc(n + 1201);
    memset(text, ' ', n);
    memcpy(text + n, words, 1201);
    struct ids got = ids_of(q, text, n + 1200), none = ids_of(q, "", 0), spaces = ids_of(q, text, n);
    assert_int_equal(got.cut, 1);
    assert_int_equal(got.n, none.n);
    assert_int_equal(spaces.cut, 0);
    stoker_free(got.id);
    stoker_free(none.id);
    stoker_free(spaces.id);
    free(words);
    free(text);
    stoker_query_close(q);
}

/* A word of four million letters is one unknown token, and a query that fits. */
static void a_large_query_is_tokenised_once(void **state)
{
    (void)state;
    char *text = repeated("\xf0\x9f\x94\xa5", 1 << 20), *document = repeated("water ", 400);
    clock_t begin = clock();
    struct stoker_query *q = query_of(0, text);
    for (int i = 0; i < 500; i++) {
        struct ids ids = ids_of(q, document, strlen(document));
        assert_int_equal(ids.cut, 1);
        assert_int_equal(ids.n, n_ctx[0]);
        stoker_free(ids.id);
    }
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    if (seconds > 20) /* it is less than one; with each document it would be many minutes */
        fail_msg("500 documents take %.0f s", seconds);
    stoker_query_close(q);
    free(text);
    free(document);
}

static void queries_that_fill_the_context(void **state)
{
    (void)state;
    for (int m = 0; m < MODELS; m++) {
        struct stoker_query *q = NULL;
        struct stoker_error err;
        char *text = repeated("water ", n_ctx[m]), *spaces = repeated("                ", 65 * n_ctx[m]);
        const struct stoker_string many = {text, strlen(text)}, large = {spaces, strlen(spaces)};
        assert_int_equal(stoker_query_open(&q, engine[m], &many, NULL, NULL, &err), -1);
        assert_int_equal(err.code, STOKER_ERR_INPUT);
        assert_non_null(strstr(err.text, "the query takes"));
        int failed = stoker_query_open(&q, engine[m], &large, NULL, NULL, &err);
        assert_int_equal(failed, m == 0 ? 0 : -1); /* the template would have it beside each document */
        if (failed)
            assert_non_null(strstr(err.text, "more than the context"));
        else
            stoker_query_close(q);
        free(text);
        free(spaces);
    }
}

static int asked, patience;
static int nobody_waits(void *arg)
{
    (void)arg;
    return ++asked > patience;
}

static void nobody_waits_any_more(void **state)
{
    (void)state;
    struct stoker_query *q = NULL;
    struct stoker_error err;
    const struct stoker_string query = {"a", 1};
    char *text = repeated("water ", 4000);
    const struct stoker_string document = {text, strlen(text)};
    struct ids out = {0};
    for (int m = 0; m < MODELS; m++) {
        asked = patience = 0;
        assert_int_equal(stoker_query_open(&q, engine[m], &query, nobody_waits, NULL, &err), -1);
        assert_int_equal(err.code, STOKER_ERR_CANCELLED);
        asked = 0;
        patience = 1000;
        assert_int_equal(stoker_query_open(&q, engine[m], &query, nobody_waits, NULL, &err), 0);
        asked = 0;
        assert_int_equal(stoker_query_pair(q, &document, &out.id, &out.n, &out.cut, &err), 0);
        stoker_free(out.id);
        assert_in_range(asked, 10, 20); /* 24,000 bytes: once, 15 times halved, once */
        asked = 0;
        patience = 5;
        assert_int_equal(stoker_query_pair(q, &document, &out.id, &out.n, &out.cut, &err), -1);
        assert_int_equal(err.code, STOKER_ERR_CANCELLED);
        stoker_query_close(q);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_document_loses_as_little_as_possible),
        cmocka_unit_test(what_no_context_holds_is_not_kept),
        cmocka_unit_test(a_large_query_is_tokenised_once),
        cmocka_unit_test(queries_that_fill_the_context),
        cmocka_unit_test(nobody_waits_any_more),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
