/* Archives that change while they are read, and paths that are no archives (tests/zim.c). What was checked once must not be believed of
 * other bytes: a table of offsets that was read again was another one. */
#ifndef TESTS_ZIM_CHANGING_H
#define TESTS_ZIM_CHANGING_H

#include "base/error.h"
#include "library/zim/zim.h"
#include "temporary.h"
#include "test_lines.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { CHANGING_LIST = 100, CHANGING_FIRST = 400, CHANGING_SECOND = 400 << 10, CHANGING_MOST = 1 << 20 };

static inline void changing_number(uint8_t *to, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(v >> 8 * i);
}

/* A cluster of three blobs with the given offsets, in zstd: its bytes. */
static inline size_t changing_cluster(uint8_t *out, const uint32_t offset[4], char fill, size_t raw)
{
    uint8_t *data = malloc(raw);
    memset(data, fill, raw);
    for (int i = 0; i < 4; i++)
        changing_number(data + 4 * i, offset[i], 4);
    *out = 5;
    size_t n = ZSTD_compress(out + 1, CHANGING_MOST - CHANGING_SECOND - 1, data, raw, 1);
    free(data);
    return 1 + n;
}

/* Entries 0, 1, 2 are the blobs of cluster 0, entry 3 is in cluster 1. */
static inline void changing_archive(uint8_t *zim)
{
    static const uint32_t offset[] = {16, 26, 1000026, 1000036};
    memset(zim, 0, CHANGING_MOST);
    changing_number(zim, 0x044D495A, 4);
    changing_number(zim + 4, 5, 2);
    changing_number(zim + 24, 4, 4);
    changing_number(zim + 28, 2, 4);
    changing_number(zim + 32, CHANGING_LIST, 8);
    changing_number(zim + 48, CHANGING_LIST + 32, 8);
    changing_number(zim + 56, 72, 8);
    memset(zim + 64, 0xff, 8);
    memcpy(zim + 72, "text/html\0", 11);
    for (int i = 0; i < 4; i++) {
        uint8_t *entry = zim + 200 + 32 * i;
        changing_number(zim + CHANGING_LIST + 8 * i, (uint64_t)(200 + 32 * i), 8);
        entry[3] = 'A';
        changing_number(entry + 8, i == 3, 4);
        changing_number(entry + 12, (uint64_t)(i % 3), 4);
        entry[16] = (uint8_t)('a' + i);
    }
    changing_number(zim + CHANGING_LIST + 32, CHANGING_FIRST, 8);
    changing_number(zim + CHANGING_LIST + 40, CHANGING_SECOND, 8);
    changing_cluster(zim + CHANGING_FIRST, offset, 'A', 1000036);
    changing_cluster(zim + CHANGING_SECOND, offset, 'A', 1000036);
}

static struct zim_entry changing_entry;

/* The bytes of an entry; -1: a sentence, which says `why`, where that is asked for. */
static inline long changing_read(struct zim *z, uint32_t i, const char *why)
{
    struct error err = {0};
    const uint8_t *data;
    size_t n, sum = 0;
    if (zim_entry(z, i, &changing_entry, &err) || zim_blob(z, &changing_entry, 16 << 20, &data, &n, &err)) {
        expect(err.text[0] && (!why || strstr(err.text, why)), "entry %u: %s", i, err.text);
        return -1;
    }
    for (size_t k = 0; k < n; k++)
        sum += data[k];
    return sum <= 255 * n ? (long)n : -2;
}

static inline void changing_write(const char *path, const uint8_t *data, size_t n, size_t at)
{
    int fd = open(path, O_WRONLY);
    expect(fd >= 0 && pwrite(fd, data, n, (off_t)at) == (ssize_t)n, "cannot write %s", path);
    close(fd);
}

/* Cluster 0 becomes another one between two reads of it; the last blob of the other is elsewhere. */
static inline void overwritten(const char *path, const uint8_t *zim)
{
    static const uint32_t evil[][4] = {{16, 0x4000000, 0x4fffff0, 0x5000000}, /* behind the most of a cluster */
                                       {0x10000000, 0x7fffff00, 0x7fffff10, 0x7fffff20},
                                       {16, 26, 0xfffffff0, 20}, /* backwards */
                                       {16, 26, 26, 26}};
    static uint8_t other[CHANGING_MOST];
    for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
        struct error err = {0};
        struct zim *z = NULL;
        changing_write(path, zim, CHANGING_MOST, 0);
        expect(zim_open(&z, path, 0, &err) == 0, "%s", err.text);
        if (!z)
            return;
        expect(changing_read(z, 0, NULL) == 10 && changing_read(z, 3, NULL) == 10, "it cannot be read");
        size_t n = changing_cluster(other, evil[i], 'C', i < 2 ? 0x5000000 : 1000036);
        changing_write(path, other, n, CHANGING_FIRST);
        long last = changing_read(z, 2, NULL);
        expect(last == 10 || last == -1, "overwritten %zu: %ld bytes", i, last);
        expect(changing_read(z, 0, NULL) == 10 && changing_read(z, 1, NULL) == 1000000, "overwritten %zu: others", i);
        expect(changing_read(z, 3, NULL) == 10, "overwritten %zu: the other cluster", i);
        zim_close(z);
    }
    verdict("overwritten", "between two reads of a cluster");
}

/* What cannot be read now is read when it is there again: before its cluster was begun, and behind that. */
static inline void truncated(const char *path, const uint8_t *zim)
{
    struct error err = {0};
    for (int is_begun = 0; is_begun < 2; is_begun++) {
        struct zim *z = NULL;
        changing_write(path, zim, CHANGING_MOST, 0);
        expect(zim_open(&z, path, 0, &err) == 0, "%s", err.text);
        if (!z)
            return;
        if (is_begun)
            expect(changing_read(z, 0, NULL) == 10 && changing_read(z, 3, NULL) == 10, "it cannot be read");
        expect(truncate(path, CHANGING_FIRST) == 0, "it cannot be cut");
        expect(changing_read(z, 2, "it was cut while it was read") == -1, "a cluster that is gone is read");
        changing_write(path, zim, CHANGING_MOST, 0);
        expect(changing_read(z, 2, NULL) == 10, "what is there again is not read");
        zim_close(z);
    }
    verdict("truncated", "and whole again");
}

/* alarm(): who waits for a pipe's writer is ended. */
static inline void no_archives(const char *path)
{
    struct error err = {0};
    struct zim *z = NULL;
    unlink(path);
    expect(mkfifo(path, 0600) == 0, "no pipe can be made");
    alarm(60);
    expect(zim_open(&z, path, 0, &err) && strstr(err.text, "not a regular file"), "a pipe: %s", err.text);
    alarm(0);
    err = (struct error){0};
    expect(zim_open(&z, "/dev", 0, &err) && strstr(err.text, "not a regular file"), "a folder: %s", err.text);
    verdict("no archives", "a pipe, a folder");
}

static inline void changing_tests(void)
{
    static uint8_t zim[CHANGING_MOST];
    char path[TEMPORARY_PATH];
    int fd = temporary_file(path, "changing");
    expect(fd >= 0, "no place for an archive");
    close(fd);
    changing_archive(zim);
    overwritten(path, zim);
    truncated(path, zim);
    no_archives(path);
    unlink(path);
}

#endif
