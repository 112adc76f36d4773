/* links: base */
/* A file in order: every byte of every range once, pieces of all sizes, room before them; several spans; what ends early;
 * reads that fail. */
#include "base/io/ahead.h"

#include "base/error.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE = 300001 };

static char path[] = "/tmp/stoker-ahead-XXXXXX";
static uint8_t written[SIZE];
static int fd;

static int make_file(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        written[i] = (uint8_t)(i * 7 + i / 251);
    fd = mkstemp(path);
    return fd < 0 || write(fd, written, SIZE) != SIZE;
}

static int remove_file(void **state)
{
    (void)state;
    close(fd);
    return unlink(path);
}

/* Bytes that a range gave, each compared; the room before each piece is written. */
static size_t read_range(const struct ahead_range *r)
{
    struct ahead *a;
    struct error err = {0};
    uint8_t *data;
    size_t n = 0, all = 0;
    assert_int_equal(ahead_open(&a, r, &err), 0);
    do {
        assert_int_equal(ahead_next(a, &data, &n, &err), 0);
        memset(data - r->room, 0xaa, r->room);
        assert_true(n <= r->piece);
        assert_memory_equal(data, written + r->from + all, n);
        all += n;
    } while (n);
    assert_int_equal(ahead_next(a, &data, &n, &err), 0);
    assert_int_equal(n, 0);
    ahead_close(a);
    return all;
}

static void every_range(void **state)
{
    (void)state;
    static const uint64_t from[] = {0, 4096, 294912}, end[] = {SIZE, SIZE - 4096, 4096, UINT64_MAX};
    static const size_t piece[] = {4096, 8192, 303104, 1 << 20}, room[] = {0, 4096, 12288};
    for (size_t f = 0; f < sizeof from / sizeof *from; f++)
        for (size_t e = 0; e < sizeof end / sizeof *end; e++)
            for (size_t p = 0; p < sizeof piece / sizeof *piece; p++)
                for (size_t k = 0; k < sizeof room / sizeof *room; k++) {
                    const struct ahead_range r = {.fd = fd,
                                                  .name = path,
                                                  .from = from[f],
                                                  .end = from[f] > end[e] ? from[f] : end[e],
                                                  .piece = piece[p],
                                                  .room = room[k],
                                                  .is_large = (f + e + p + k) % 2 == 1};
                    assert_int_equal(read_range(&r), (r.end < SIZE ? r.end : SIZE) - r.from);
                }
}

/* The bytes of each span, none of which share a piece; the last one ends where the file does. */
static void several_spans(void **state)
{
    (void)state;
    static const struct ahead_span more[] = {
        {8192, 8193}, {0, 16384}, {294912, SIZE}, {4096, 12288}, {299008, UINT64_MAX}};
    enum { N = sizeof more / sizeof *more };
    static const size_t piece[] = {4096, 8192, 1 << 20};
    for (size_t i = 0; i < 2 * sizeof piece / sizeof *piece; i++) {
        struct ahead_range r = {.fd = fd, .name = path, .from = 4096, .end = 8192, .piece = piece[i / 2], .room = 4096};
        r.is_large = i % 2;
        r.more = more;
        r.n_more = N;
        struct ahead *a;
        struct error err = {0};
        uint8_t *data;
        size_t n;
        assert_int_equal(ahead_open(&a, &r, &err), 0);
        for (size_t k = 0; k <= N; k++) {
            const struct ahead_span span = k ? more[k - 1] : (struct ahead_span){r.from, r.end};
            const uint64_t end = span.end < SIZE ? span.end : SIZE;
            for (uint64_t at = span.from; at < end; at += n) {
                assert_int_equal(ahead_next(a, &data, &n, &err), 0);
                assert_int_equal(n, end - at < r.piece ? end - at : r.piece);
                memset(data - r.room, 0xaa, r.room);
                assert_memory_equal(data, written + at, n);
            }
        }
        assert_int_equal(ahead_next(a, &data, &n, &err), 0);
        assert_int_equal(n, 0);
        ahead_close(a);
    }
}

/* A span that the file has not: it ends there, whatever would follow. */
static void spans_behind_the_end(void **state)
{
    (void)state;
    static const struct ahead_span more[] = {{SIZE / 4096 * 4096 + 4096, UINT64_MAX}, {0, 4096}};
    const struct ahead_range r = {.fd = fd, .name = path, .end = 4096, .piece = 8192, .more = more, .n_more = 2};
    struct ahead *a;
    struct error err = {0};
    uint8_t *data;
    size_t n;
    assert_int_equal(ahead_open(&a, &r, &err), 0);
    assert_int_equal(ahead_next(a, &data, &n, &err), 0);
    assert_int_equal(n, 4096);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ahead_next(a, &data, &n, &err), 0);
        assert_int_equal(n, 0);
    }
    ahead_close(a);
}

/* Whoever has seen enough closes it, at any time. */
static void closed_early(void **state)
{
    (void)state;
    const struct ahead_range r = {.fd = fd, .name = path, .end = SIZE, .piece = 4096};
    for (int pieces = 0; pieces < 8; pieces++) {
        struct ahead *a;
        struct error err = {0};
        uint8_t *data;
        size_t n;
        assert_int_equal(ahead_open(&a, &r, &err), 0);
        for (int i = 0; i < pieces; i++)
            assert_int_equal(ahead_next(a, &data, &n, &err), 0);
        ahead_close(a);
    }
    ahead_close(NULL);
}

static void reading_fails(void **state)
{
    (void)state;
    int folder = open("/tmp", O_RDONLY | O_DIRECTORY);
    const struct ahead_range r = {.fd = folder, .name = "the folder", .end = SIZE, .piece = 4096};
    struct ahead *a;
    struct error err = {0};
    uint8_t *data;
    size_t n;
    assert_int_equal(ahead_open(&a, &r, &err), 0);
    assert_int_equal(ahead_next(a, &data, &n, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "the folder: "));
    ahead_close(a);
    close(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_range),  cmocka_unit_test(several_spans), cmocka_unit_test(spans_behind_the_end),
        cmocka_unit_test(closed_early), cmocka_unit_test(reading_fails),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
