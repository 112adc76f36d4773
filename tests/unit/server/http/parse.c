/* links: server toolbox mcp library kernel format base */
/* Heads and chunks: what is taken, what is refused and with which status, at any split of the stream. */
#include "server/http/parse.h"
#include "server/http/refusal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The status with which a request is refused; 0: it is taken, and *h is its head. The text is the caller's. */
static int status_of(struct http_head *h, char *text)
{
    struct refusal r = {0};
    long n = http_head_size(text, strlen(text), &r);
    if (n <= 0)
        return n < 0 ? r.status : -1;
    return http_head_parse(h, text, (size_t)n, &r) ? r.status : 0;
}

static void assert_status(const char *request, int want)
{
    struct http_head h;
    char *text = strdup(request);
    int got = status_of(&h, text);
    if (got != want)
        fail_msg("%.60s: %d, not %d", request, got, want);
    free(text);
}

static void a_whole_head(void **state)
{
    char text[] = "\r\nPOST /v1/x?beta=true HTTP/1.1\r\nHost: a:80\r\nX-Two:  b c \t\r\nCONTENT-length: 12\r\n"
                  "Expect: 100-Continue\r\nConnection: Foo, Close\r\n\r\nrest";
    struct http_head h;
    struct refusal r = {0};
    (void)state;
    assert_int_equal(http_head_size(text, sizeof text - 1, &r), sizeof text - 1 - 4);
    assert_int_equal(status_of(&h, text), 0);
    assert_string_equal(h.method, "POST");
    assert_string_equal(h.path, "/v1/x");
    assert_string_equal(h.host, "a:80");
    assert_string_equal(http_head_field(&h, "x-two"), "b c");
    assert_null(http_head_field(&h, "x"));
    assert_int_equal(h.length, 12);
    assert_int_equal(h.minor, 1);
    assert_true(h.expects_continue && !h.keep_alive && !h.chunked);
}

static void targets_and_versions(void **state)
{
    char absolute[] = "GET http://Real:81/a/b?c HTTP/1.1\r\nHost: other\r\n\r\n",
         bare[] = "GET http://real HTTP/1.0\r\n\r\n", star[] = "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
         old[] = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    struct http_head h;
    (void)state;
    assert_int_equal(status_of(&h, absolute), 0);
    assert_string_equal(h.host, "Real:81");
    assert_string_equal(h.path, "/a/b");
    assert_int_equal(status_of(&h, bare), 0);
    assert_string_equal(h.path, "/");
    assert_true(h.minor == 0 && !h.keep_alive);
    assert_int_equal(status_of(&h, star), 0);
    assert_string_equal(h.path, "*");
    assert_int_equal(status_of(&h, old), 0);
    assert_true(h.keep_alive && h.host == NULL);
}

static void refused_heads(void **state)
{
    static const char *const bad[] = {
        "HELLO\r\n\r\n",
        "\x16\x03\x01",
        "GET /\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.10\r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\x01\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_status(bad[i], 400);
    assert_status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n", 0);
}

/* A zero byte: not a C string, so not in the table. */
static void a_zero_byte(void **state)
{
    char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n";
    struct http_head h;
    struct refusal r = {0};
    (void)state;
    assert_int_equal(http_head_size(text, sizeof text - 1, &r), sizeof text - 1);
    assert_int_equal(http_head_parse(&h, text, sizeof text - 1, &r), -1);
    assert_int_equal(r.status, 400);
}

/* "GET /aaa... HTTP/1.1" with a header of so many bytes. */
static int status_of_sizes(size_t target, size_t field)
{
    char *text = malloc(target + field + 200);
    struct http_head h;
    int n = sprintf(text, "GET /%0*d HTTP/1.1\r\nHost: a\r\n", (int)target - 1, 0);
    if (field)
        n += sprintf(text + n, "X: %0*d\r\n", (int)field, 0);
    strcpy(text + n, "\r\n");
    int status = status_of(&h, text);
    free(text);
    return status;
}

static void limits(void **state)
{
    char *text = malloc(HTTP_HEAD_MOST * 2);
    struct refusal r = {0};
    struct http_head h;
    (void)state;
    assert_int_equal(status_of_sizes(HTTP_TARGET_MOST, 0), 0);
    assert_int_equal(status_of_sizes(HTTP_TARGET_MOST + 1, 0), 414);
    assert_int_equal(status_of_sizes(HTTP_TARGET_MOST + 100, 0), 414);
    assert_int_equal(status_of_sizes(2, HTTP_FIELDS_MOST - 100), 0);
    assert_int_equal(status_of_sizes(2, HTTP_FIELDS_MOST), 431);
    int n = sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < HTTP_FIELDS; i++)
        n += sprintf(text + n, "X: a\r\n");
    strcpy(text + n, "\r\n");
    assert_int_equal(status_of(&h, text), 431);
    /* without an end: refused as soon as it cannot become one */
    memset(text, 'a', HTTP_HEAD_MOST);
    assert_int_equal(http_head_size(text, HTTP_TARGET_MOST, &r), 0);
    assert_int_equal(http_head_size(text, HTTP_HEAD_MOST, &r), -1);
    assert_int_equal(r.status, 414);
    free(text);
}

/* The body of chunks that come step bytes at a time; NULL: refused, *status says how; "...": it has not ended. */
static const char *body_of(const char *chunks, size_t step, int *status, size_t *used)
{
    static char out[4096];
    struct http_chunks c = {.most = UINT64_MAX};
    struct refusal r = {0};
    size_t n = strlen(chunks), n_out = 0;
    for (*used = 0; *used < n && !c.done;) {
        size_t k, piece = n - *used < step ? n - *used : step;
        long took = http_chunks_read(&c, chunks + *used, piece, out + n_out, &k, &r);
        if (took < 0) {
            *status = r.status;
            return NULL;
        }
        *used += (size_t)took;
        n_out += k;
    }
    out[n_out] = 0;
    return c.done ? out : "...";
}

static void chunks(void **state)
{
    static const char text[] =
        "5;a=\"b;\"\r\nhello\r\n001 \r\n,\r\nB\r\n beautiful!\r\n0\r\nX-End: 1\r\nY: 2\r\n\r\nGET";
    (void)state;
    for (size_t step = 1; step < sizeof text; step++) {
        int status = 0;
        size_t used;
        const char *body = body_of(text, step, &status, &used);
        assert_non_null(body);
        assert_string_equal(body, "hello, beautiful!");
        assert_int_equal(used, sizeof text - 1 - 3);
    }
}

/* As soon as the size of a chunk says it, before its bytes come. */
static void chunks_beyond_the_limit(void **state)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {{"8\r\n12345678\r\n2\r\n90\r\n0\r\n\r\n", 0},
                 {"b\r\n", 413},
                 {"8\r\n12345678\r\n3\r\n", 413},
                 {"fffffffffffffff\r\n", 413}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_chunks c = {.most = 10};
        struct refusal r = {0};
        char out[64];
        size_t n_out;
        long took = http_chunks_read(&c, cases[i].text, strlen(cases[i].text), out, &n_out, &r);
        assert_int_equal(r.status, cases[i].status);
        assert_int_equal(took < 0, cases[i].status != 0);
        assert_int_equal(c.done, cases[i].status == 0);
    }
}

static void refused_chunks(void **state)
{
    static const char *const bad[] = {"zz\r\n{}\r\n0\r\n\r\n",
                                      "\r\n",
                                      ";a\r\n",
                                      "5\nhello\r\n",
                                      "5\r\nhello!\r\n0\r\n\r\n",
                                      "5x\r\nhello\r\n",
                                      "1234567890abcdef\r\n",
                                      "0\r\nX: 1\n\r\n",
                                      "-1\r\n",
                                      "1\rx"};
    static char line[8192], trailers[20000];
    int status;
    size_t used;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (size_t step = 1; step < 8; step++) {
            assert_null(body_of(bad[i], step, &status, &used));
            assert_int_equal(status, 400);
        }
    memset(line, 'a', sizeof line - 1);
    memcpy(line, "5;", 2);
    assert_null(body_of(line, 100, &status, &used));
    strcpy(trailers, "0\r\n");
    for (size_t n = 3; n + 8 < sizeof trailers; n += 6)
        strcpy(trailers + n, "X: a\r\n");
    assert_null(body_of(trailers, 100, &status, &used));
    assert_int_equal(status, 431);
    assert_string_equal(body_of("5\r\nhel", 2, &status, &used), "...");
}

static void names_that_may_be_repeated(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "x-stainless-os,x-stainless-lang", " a ,\tb", "authorization, x-api-key"},
                             *const bad[] = {"", " ", ",", "a,", ",a", "a,,b", "a b", "a:b", "a;b", "a\"", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(http_names_ok(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(http_names_ok(bad[i]));
    char list[1200] = "a";
    for (int n = 2; n <= 65; n++) {
        strcat(list, ",a");
        assert_int_equal(http_names_ok(list), n <= 64);
    }
    memset(list, 'a', 1001);
    list[1001] = 0;
    assert_false(http_names_ok(list));
    list[1000] = 0;
    assert_true(http_names_ok(list));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_whole_head),
                                       cmocka_unit_test(names_that_may_be_repeated),
                                       cmocka_unit_test(targets_and_versions),
                                       cmocka_unit_test(refused_heads),
                                       cmocka_unit_test(a_zero_byte),
                                       cmocka_unit_test(limits),
                                       cmocka_unit_test(chunks),
                                       cmocka_unit_test(chunks_beyond_the_limit),
                                       cmocka_unit_test(refused_chunks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
