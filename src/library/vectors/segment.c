/* See segment.h. */
#include "library/vectors/segment.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/io/ahead.h"
#include "kernel/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = "STOKERV1";

struct segment_head {
    char magic[8];
    int64_t id;
    uint64_t model;
    int64_t width;
    uint64_t sum; /* of what is before it */
};

struct segment_block {
    uint64_t sum; /* of all of the block behind it; its place in the file is the seed */
    int64_t n;
    int64_t chunk[SEGMENT_ROWS];
    float scale[SEGMENT_ROWS];
};
_Static_assert(sizeof(struct segment_block) <= SEGMENT_HEAD, "a block's numbers fit before its rows");

static size_t stride_of(int width) { return (size_t)round_up((uint64_t)width, 64); }

static size_t block_bytes(const struct segment *s, int64_t n) { return SEGMENT_HEAD + (size_t)n * s->stride; }

static uint64_t sum_of(const struct segment *s, const void *block, int64_t n, uint64_t at)
{
    return hash64((const char *)block + sizeof(uint64_t), block_bytes(s, n) - sizeof(uint64_t),
                  (uint64_t)s->about.id ^ at);
}

static int damaged(const struct segment *s, uint64_t at, struct error *err)
{
    return error_set(err, ERR_FORMAT,
                     "%s: its vectors are damaged at byte %" PRIu64 "; stoker library add with --embed makes them anew",
                     s->source, at);
}

float segment_quantise(int8_t *code, const float *x, int width)
{
    float most = 0;
    for (int i = 0; i < width; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    const float scale = most / 127;
    memset(code, 0, stride_of(width));
    for (int i = 0; i < width && scale > 0; i++) {
        float q = nearbyintf(x[i] / scale); /* beyond 127 where the scale is subnormal */
        code[i] = (int8_t)(q > 127 ? 127 : q < -127 ? -127 : q);
    }
    return scale;
}

/* ---- writing ---------------------------------------- */

static int write_at(int fd, const void *data, size_t n, int64_t at)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pwrite(fd, (const char *)data + done, n - done, at + (int64_t)done);
        if (got < 0 && errno != EINTR)
            return -1;
        done += got > 0 ? (size_t)got : 0;
    }
    return fdatasync(fd);
}

/* What is behind the sentence of a write that failed. */
static const char *what_to_do(int number)
{
    const int is_full = number == ENOSPC || number == EDQUOT || number == EFBIG;
    return is_full ? "; make space and run the command again, it goes on where it stopped" : "";
}

static struct segment_head head_of(const struct segment_about *about)
{
    struct segment_head h = {.id = about->id, .model = about->model, .width = about->width};
    memcpy(h.magic, magic, sizeof magic);
    h.sum = hash64(&h, offsetof(struct segment_head, sum), 0);
    return h;
}

int segment_create(const char *path, const char *source, struct segment_about *about, struct error *err)
{
    char page[SEGMENT_HEAD] = {0};
    const struct segment_head h = head_of(about);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    memcpy(page, &h, sizeof h);
    int failed = fd < 0 || write_at(fd, page, sizeof page, 0);
    if (failed)
        error_set(err, ERR_IO, "%s: %s: %s%s", source, path, strerror(errno), what_to_do(errno));
    if (fd >= 0)
        close(fd);
    about->bytes = SEGMENT_HEAD;
    return failed ? -1 : 0;
}

int segment_append(struct segment *s, const int64_t *chunk, const float *x, int n, struct error *err)
{
    const size_t bytes = block_bytes(s, n);
    char *block = calloc(1, bytes);
    if (!block)
        return error_set(err, ERR_MEMORY, "%s: no memory for a block of vectors", s->source);
    struct segment_block *b = (struct segment_block *)(void *)block;
    b->n = n;
    for (int i = 0; i < n; i++) {
        b->chunk[i] = chunk[i];
        b->scale[i] = segment_quantise((int8_t *)block + SEGMENT_HEAD + (size_t)i * s->stride,
                                       x + (size_t)i * (size_t)s->about.width, s->about.width);
    }
    b->sum = sum_of(s, block, n, (uint64_t)s->about.bytes);
    int failed = write_at(s->fd, block, bytes, s->about.bytes);
    if (failed)
        error_set(err, ERR_IO, "%s: its vectors cannot be written: %s%s", s->source, strerror(errno),
                  what_to_do(errno));
    else
        s->about.bytes += (int64_t)bytes;
    free(block);
    return failed;
}

/* ---- reading ---------------------------------------- */

static int check_head(const struct segment *s, const char *path, struct error *err)
{
    struct segment_head found;
    struct stat st;
    const char *why;
    const struct segment_head want = head_of(&s->about);
    if (fstat(s->fd, &st) || !S_ISREG(st.st_mode) || st.st_size < s->about.bytes)
        return error_set(err, ERR_FORMAT,
                         "%s: its vectors were cut, %s has not the %" PRId64
                         " bytes that were written; stoker library add with --embed makes them anew",
                         s->source, path, s->about.bytes);
    if (file_read_at(s->fd, &found, sizeof found, 0, &why))
        return error_set(err, ERR_IO, "%s: %s: %s", s->source, path, why);
    return memcmp(&found, &want, sizeof want) ? damaged(s, 0, err) : 0;
}

int segment_open(struct segment *s, const char *path, const char *source, const struct segment_about *about, int writes,
                 struct error *err)
{
    *s = (struct segment){.about = *about, .source = source, .fd = -1};
    if (about->width < 1 || about->width > SEGMENT_WIDTH_MOST || about->bytes < SEGMENT_HEAD)
        return damaged(s, 0, err);
    s->stride = stride_of(about->width);
    s->fd = open(path, (writes ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (s->fd < 0)
        return error_set(err, ERR_IO, "%s: its vectors cannot be read, %s: %s", source, path, strerror(errno));
    int failed = check_head(s, path, err);
    if (failed)
        segment_close(s);
    return failed;
}

void segment_close(struct segment *s)
{
    if (s->fd >= 0)
        close(s->fd);
    free(s->held);
    s->held = NULL;
    s->fd = -1;
}

/* ---- the scan ---------------------------------------- */

struct scanning {
    const struct segment *s;
    const struct segment_scan *o; /* NULL: blocks are only looked at */
    const struct kernels *k;
    const int8_t *query;
    double scale; /* the query's */
    uint64_t at;  /* of the next block, in the file */
    int64_t last; /* chunk */
};

/* The block that begins a piece of n bytes: its length, 0: it goes on behind the piece. -1: it is damaged. */
static int64_t whole_block(struct scanning *c, const uint8_t *piece, size_t n)
{
    const struct segment_block *b = (const struct segment_block *)(const void *)piece;
    if (n < SEGMENT_HEAD)
        return 0;
    if (b->n < 1 || b->n > SEGMENT_ROWS)
        return -1;
    const size_t bytes = block_bytes(c->s, b->n);
    if (bytes > n)
        return 0;
    if (b->sum != sum_of(c->s, piece, b->n, c->at))
        return -1;
    for (int64_t i = 0; i < b->n; i++) {
        if (b->chunk[i] <= c->last || !(b->scale[i] >= 0 && b->scale[i] <= FLT_MAX))
            return -1;
        c->last = b->chunk[i];
    }
    return (int64_t)bytes;
}

static void score_block(const struct scanning *c, const uint8_t *piece)
{
    int32_t sum[SEGMENT_ROWS];
    const struct segment_block *b = (const struct segment_block *)(const void *)piece;
    c->k->dot_codes(sum, (const int8_t *)piece + SEGMENT_HEAD, (int)b->n, c->query, (int)c->s->stride);
    for (int i = 0; i < b->n; i++)
        c->o->take(c->o->arg, b->chunk[i], (double)sum[i] * ((double)b->scale[i] * c->scale));
}

/* The blocks that lie in a piece whole: their bytes. 0: the first goes on behind it. -1: damage at c->at. */
static int64_t scan_piece(struct scanning *c, const uint8_t *piece, size_t n)
{
    size_t used = 0;
    for (;;) {
        int64_t bytes = whole_block(c, piece + used, n - used);
        if (bytes < 0)
            return -1;
        if (bytes == 0)
            return (int64_t)used;
        if (c->o)
            score_block(c, piece + used);
        used += (size_t)bytes;
        c->at += (uint64_t)bytes;
    }
}

/* 0, or -1 with *err: nobody waits any more. */
static int check_stop(const struct scanning *c, struct error *err)
{
    return c->o && c->o->stopped && c->o->stopped(c->o->stopped_arg)
               ? error_set(err, ERR_CANCELLED, "%s: nobody waits for it any more (its vectors)", c->s->source)
               : 0;
}

/* Blocks in memory were looked at when they came there. */
static int scan_held(const struct scanning *c, struct error *err)
{
    const struct segment *s = c->s;
    const uint8_t *at = s->held, *end = at + (s->about.bytes - SEGMENT_HEAD);
    while (at < end) {
        if (check_stop(c, err))
            return -1;
        score_block(c, at);
        at += block_bytes(s, ((const struct segment_block *)(const void *)at)->n);
    }
    return 0;
}

/* The end of a piece that a block goes on behind is put before the next one. */
static int scan_pieces(struct scanning *c, struct ahead *a, uint8_t *rest, struct error *err)
{
    const uint64_t end = (uint64_t)c->s->about.bytes;
    size_t n_rest = 0;
    while (c->at < end) {
        uint8_t *piece;
        size_t n;
        if (check_stop(c, err) || ahead_next(a, &piece, &n, err))
            return -1;
        memcpy(piece - n_rest, rest, n_rest);
        const int64_t used = n ? scan_piece(c, piece - n_rest, n_rest + n) : -1;
        if (used < 0)
            return damaged(c->s, c->at, err);
        piece += used - (int64_t)n_rest;
        n_rest += n - (size_t)used;
        memcpy(rest, piece, n_rest);
    }
    return 0;
}

static int scan_file(struct scanning *c, struct error *err)
{
    const struct segment *s = c->s;
    const struct ahead_range all = {.fd = s->fd,
                                    .name = s->source,
                                    .from = SEGMENT_HEAD,
                                    .end = (uint64_t)s->about.bytes,
                                    .piece = SEGMENT_PIECE,
                                    .room = block_bytes(s, SEGMENT_ROWS),
                                    .is_large = s->about.bytes >= SEGMENT_LARGE};
    struct ahead *a = NULL;
    uint8_t *rest = malloc(all.room);
    int failed = !rest                       ? error_set(err, ERR_MEMORY, "%s: no memory to read vectors", s->source)
                 : ahead_open(&a, &all, err) ? -1
                                             : scan_pieces(c, a, rest, err);
    ahead_close(a);
    free(rest);
    return failed;
}

int segment_scan(const struct segment *s, const float *x, const struct segment_scan *o, struct error *err)
{
    int8_t query[SEGMENT_WIDTH_MOST];
    struct scanning c = {.s = s, .o = o, .k = kernels_for(o->tier), .query = query, .at = SEGMENT_HEAD, .last = -1};
    c.scale = (double)segment_quantise(query, x, s->about.width);
    return s->held ? scan_held(&c, err) : scan_file(&c, err);
}

int segment_check(const struct segment *s, struct error *err)
{
    struct scanning c = {.s = s, .at = SEGMENT_HEAD, .last = -1};
    return scan_file(&c, err);
}

/* In huge pages where the kernel has them: a scan passes a page of 4096 bytes in a third of a microsecond. */
static void ask_for_huge_pages(uint8_t *p, size_t n)
{
    const uintptr_t huge = 2 << 20, from = round_up((uintptr_t)p, huge), end = round_down((uintptr_t)p + n, huge);
    if (from < end)
        madvise((void *)from, end - from, MADV_HUGEPAGE);
}

int segment_hold(struct segment *s, struct error *err)
{
    const size_t n = (size_t)s->about.bytes - SEGMENT_HEAD;
    struct scanning c = {.s = s, .at = SEGMENT_HEAD, .last = -1};
    const char *why;
    if (n == 0)
        return 0;
    if (!(s->held = aligned_alloc(64, n)))
        return error_set(err, ERR_MEMORY, "%s: no memory to hold its vectors", s->source);
    ask_for_huge_pages(s->held, n);
    int failed = file_read_at(s->fd, s->held, n, SEGMENT_HEAD, &why)
                     ? error_set(err, ERR_IO, "%s: its vectors cannot be read: %s", s->source, why)
                 : scan_piece(&c, s->held, n) != (int64_t)n ? damaged(s, c.at, err)
                                                            : 0;
    if (failed) {
        free(s->held);
        s->held = NULL;
    }
    return failed;
}
