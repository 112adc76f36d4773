/* links: mcp base */
/* Messages of JSON-RPC: what each line is, parts as they were written, and lines that are written. */
#include "mcp/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct message read_text(const char *line)
{
    struct message m;
    message_read(&m, line, strlen(line));
    return m;
}

static void kinds(void **state)
{
    static const struct {
        const char *line;
        enum message_kind kind;
    } of[] = {
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", MESSAGE_REQUEST},
        {" {\"id\":\"x\",\"method\":\"a\",\"params\":{}} ", MESSAGE_REQUEST},
        {"{\"method\":\"a\"}", MESSAGE_NOTIFICATION},
        {"{\"id\":null,\"method\":\"a\"}", MESSAGE_INVALID},
        {"{\"id\":[1],\"method\":\"a\"}", MESSAGE_INVALID},
        {"{\"id\":1,\"method\":7}", MESSAGE_INVALID},
        {"{\"id\":1,\"method\":\"a\",\"params\":[1]}", MESSAGE_INVALID},
        {"{\"id\":1,\"result\":null}", MESSAGE_RESULT},
        {"{\"result\":{}}", MESSAGE_INVALID},
        {"{\"id\":1,\"error\":{\"code\":1}}", MESSAGE_ERROR},
        {"{\"id\":1,\"error\":\"x\"}", MESSAGE_INVALID},
        {"{\"id\":1}", MESSAGE_INVALID},
        {"[]", MESSAGE_INVALID},
        {"[{\"id\":1,\"method\":\"a\"}]", MESSAGE_INVALID},
        {"17", MESSAGE_INVALID},
        {"", MESSAGE_BROKEN},
        {"{\"id\":1,\"method\"", MESSAGE_BROKEN},
        {"{} {}", MESSAGE_BROKEN},
        {"listening on port 80", MESSAGE_BROKEN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        assert_int_equal(read_text(of[i].line).kind, of[i].kind);
}

static void depth_is_bounded(void **state)
{
    char line[2048];
    (void)state;
    size_t n = (size_t)sprintf(line, "{\"id\":1,\"result\":");
    memset(line + n, '[', 500);
    memset(line + n + 500, ']', 500);
    strcpy(line + n + 1000, "}");
    assert_int_equal(read_text(line).kind, MESSAGE_BROKEN);
}

static void parts_are_as_written(void **state)
{
    struct message m = read_text(
        "{\"id\": 1e400, \"m\\u0065thod\":\"t\\u006fols\",\"params\":{\"a\":1.50,\"a\":2, \"_meta\":{\"x\":[]}}}");
    struct span a = span_member(m.params, "a");
    (void)state;
    assert_int_equal(m.kind, MESSAGE_REQUEST);
    assert_int_equal(m.id.n, 5);
    assert_memory_equal(m.id.text, "1e400", 5);
    assert_true(span_is(m.method, "tools"));
    assert_false(span_is(m.method, "tool"));
    assert_false(span_is(m.method, "tools2"));
    assert_int_equal(a.n, 1);
    assert_int_equal(a.text[0], '2'); /* the last of a name */
    assert_int_equal(span_member(m.params, "b").n, 0);
    assert_true(span_is_object(m.meta));
}

static void integers(void **state)
{
    long long v = 5;
    (void)state;
    assert_true(span_integer((struct span){"-42", 3}, &v));
    assert_int_equal(v, -42);
    static const char *const none[] = {"1.0", "1e3", "-", "\"1\"", "12345678901234567", "null", ""};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(span_integer((struct span){none[i], strlen(none[i])}, &v));
}

static void plain_text_is_cut_between_characters(void **state)
{
    char out[6];
    const char *text = "\"ab\\n\xc3\xa9\xc3\xa9\"";
    (void)state;
    span_plain((struct span){text, strlen(text)}, out, sizeof out);
    assert_string_equal(out, "ab?\xc3\xa9");
    span_plain((struct span){"17", 2}, out, sizeof out);
    assert_string_equal(out, "");
}

static void what_is_written_is_read(void **state)
{
    struct buffer out = {0};
    struct message m;
    (void)state;
    message_put_request(&out, 7, "tools/list", "{}", 2);
    assert_int_equal(out.text[out.n - 1], '\n');
    message_read(&m, out.text, out.n);
    assert_int_equal(m.kind, MESSAGE_REQUEST);
    out.n = 0;
    message_put_notification(&out, "notifications/initialized", NULL, 0);
    message_read(&m, out.text, out.n);
    assert_int_equal(m.kind, MESSAGE_NOTIFICATION);
    out.n = 0;
    message_put_result(&out, (struct span){"\"x\"", 3}, "{}", 2);
    message_read(&m, out.text, out.n);
    assert_int_equal(m.kind, MESSAGE_RESULT);
    assert_true(span_is(m.id, "x"));
    out.n = 0;
    message_put_error(&out, (struct span){NULL, 0}, MCP_NOT_JSON, "a \"b\"\n", "[1]");
    message_read(&m, out.text, out.n);
    assert_int_equal(m.kind, MESSAGE_ERROR);
    assert_true(span_is(span_member(m.error, "message"), "a \"b\"\n"));
    assert_int_equal(m.id.text[0], 'n');
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kinds),
                                       cmocka_unit_test(depth_is_bounded),
                                       cmocka_unit_test(parts_are_as_written),
                                       cmocka_unit_test(integers),
                                       cmocka_unit_test(plain_text_is_cut_between_characters),
                                       cmocka_unit_test(what_is_written_is_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
