/* links: server toolbox mcp library engine text model store op machine kernel format base */
/* What is kept of a prediction: no more than the answer may have, no more than 1 MiB of text, and nothing where nothing is drafted. */
#include "server/request/prediction.h"

#include "http_world.h"

enum { LONG = 300000, MOST_BYTES = 1 << 20 };

/* {"prediction": ..} of n_text bytes of words; with max_tokens. Returns the tokens kept; *bytes: of the requests' memory, at its most. */
static size_t kept_of(size_t n_text, int max_tokens, long long *bytes)
{
    struct request w = {.max_tokens = max_tokens};
    struct refusal r = {0};
    char *text = malloc(n_text);
    assert_non_null(text);
    for (size_t i = 0; i < n_text; i++)
        text[i] = "a bear and a drum, "[i % 19];
    json_t *body = json_pack("{s:{s:s, s:s%}}", "prediction", "type", "content", "content", text, n_text);
    assert_non_null(body);
    reqmem_enter(&http_account, 0);
    assert_int_equal(prediction_read(&w, &http_server, body, &r), 0);
    size_t n = w.prediction.n;
    reqmem_free(w.prediction.token);
    *bytes = http_account.peak;
    reqmem_leave();
    json_decref(body);
    free(text);
    return n;
}

static size_t kept(int max_tokens, long long *bytes) { return kept_of(LONG, max_tokens, bytes); }

static void as_much_as_the_answer(void **state)
{
    long long bytes, few;
    (void)state;
    assert_int_equal(kept(5, &bytes), 0); /* nothing is drafted here */
    assert_in_range(bytes, 0, 4096);
    http_server.plan.ngrams = 1;
    assert_int_equal(kept(5, &few), 5);
    assert_in_range(few, 1, 16384);
    assert_int_equal(kept(100, &bytes), 100);
    assert_true(bytes < 10 * few + 65536);
    assert_int_equal(kept(0, &bytes), http_server.plan.n_ctx);
    assert_int_equal(kept(http_server.plan.n_ctx + 1, &bytes), http_server.plan.n_ctx);
    http_server.plan.ngrams = 0;
}

/* Where the context has room for all of it. */
static void a_mebibyte(void **state)
{
    const int n_ctx = http_server.plan.n_ctx;
    long long bytes, more;
    (void)state;
    http_server.plan.ngrams = 1;
    http_server.plan.n_ctx = 1 << 24;
    size_t n = kept_of(MOST_BYTES, 0, &bytes);
    assert_true(n > 2 * kept_of(MOST_BYTES / 3, 0, &more));
    assert_int_equal(kept_of(3 * MOST_BYTES, 0, &more), n);
    assert_in_range(more, 1, bytes + 4096);
    http_server.plan.n_ctx = n_ctx;
    http_server.plan.ngrams = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_much_as_the_answer), cmocka_unit_test(a_mebibyte)};
    return cmocka_run_group_tests(tests, http_world_open, http_world_close);
}
