/* links: bridge base */
/* Streams of events, in pieces of every size: the same messages. */
#include "bridge/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 40 };

static struct buffer taken; /* "[data]" of each event */

static void take(void *arg, const char *data, size_t n)
{
    (void)arg;
    buffer_puts(&taken, "[");
    buffer_put(&taken, data, n);
    buffer_puts(&taken, "]");
}

/* Of a stream in pieces of so many bytes; "-1": it was refused. The caller reads it before the next call. */
static const char *events_of(const char *stream, size_t piece)
{
    struct sse s = {.has_begun = 0};
    int failed = 0;
    taken.n = 0;
    for (size_t n = strlen(stream), at = 0; at < n && !failed; at += piece)
        failed = sse_feed(&s, stream + at, n - at < piece ? n - at : piece, MOST, take, NULL);
    sse_free(&s);
    if (failed)
        taken.n = 0;
    buffer_puts(&taken, failed ? "-1" : "");
    buffer_put(&taken, "", 1);
    return taken.text;
}

static void pieces_make_no_difference(void **state)
{
    static const struct {
        const char *stream, *events;
    } of[] = {
        {"data: a\n\n", "[a]"},
        {"data:a\r\n\r\ndata:  b\r\n\r\n", "[a][ b]"},
        {"data: a\r\rdata: b\r\r", "[a][b]"},
        {"\xEF\xBB\xBF"
         "data: a\n\n",
         "[a]"},
        {": hello\n\ndata: {\"a\":\ndata: 1}\nid: 7\nretry: 10\n\n", "[{\"a\":\n1}]"},
        {"event: message\ndata: a\n\nevent: ping\ndata: b\n\ndata: c\n\n", "[a][c]"},
        {"event:\ndata: a\n\n", "[a]"},
        {"data\n\ndata\ndata\n\n", "[][\n]"},
        {"\n\n\ndata: a\n\n\n", "[a]"},
        {"database: a\nxdata: b\ndata: c", ""},
        {"data: a\n", ""},
        {"data: 0123456789012345678901234567890123\n\n", "[0123456789012345678901234567890123]"},
        {"data: 01234567890123456789012345678901234567890\n\n", "-1"},
        {"data: 0123456789012345678901234\ndata: 0123456789012345678901234\n\n", "-1"},
        {":                                                 ", "-1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        for (size_t piece = 1; piece < 12; piece++)
            assert_string_equal(events_of(of[i].stream, piece), of[i].events);
    buffer_free(&taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pieces_make_no_difference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
