/* links: base */
/* A file in order: every byte of every range once, pieces of all sizes, room before them; what ends early; reads that fail. */
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
        cmocka_unit_test(every_range),
        cmocka_unit_test(closed_early),
        cmocka_unit_test(reading_fails),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
