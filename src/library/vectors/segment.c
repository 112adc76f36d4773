/* See segment.h. */
#include "library/vectors/segment.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/io/ahead.h"
#include "kernel/kernel.h"
#include "library/vectors/block.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
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

uint64_t block_sum(const struct segment *s, const void *block, int64_t n, uint64_t at)
{
    return hash64((const char *)block + sizeof(uint64_t), block_bytes(s->stride, n) - sizeof(uint64_t),
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
    memset(code, 0, block_stride(width));
    for (int i = 0; i < width && scale > 0; i++) {
        float q = nearbyintf(x[i] / scale); /* beyond 127 where the scale is subnormal */
        code[i] = (int8_t)(q > 127 ? 127 : q < -127 ? -127 : q);
    }
    return scale;
}

/* ---- writing ---------------------------------------- */

int block_write(int fd, const void *data, size_t n, int64_t at)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pwrite(fd, (const char *)data + done, n - done, at + (int64_t)done);
        if (got < 0 && errno != EINTR)
            return -1;
        done += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

int block_is_full(int number) { return number == ENOSPC || number == EDQUOT || number == EFBIG; }

/* What is behind the sentence of a write that failed. */
static const char *what_to_do(int number)
{
    return block_is_full(number) ? "; make space and run the command again, it goes on where it stopped" : "";
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
    int failed = fd < 0 || block_write(fd, page, sizeof page, 0) || fdatasync(fd);
    if (failed)
        error_set(err, ERR_IO, "%s: %s: %s%s", source, path, strerror(errno), what_to_do(errno));
    if (fd >= 0)
        close(fd);
    about->bytes = SEGMENT_HEAD;
    return failed ? -1 : 0;
}

int segment_append(struct segment *s, const int64_t *chunk, const float *x, int n, struct error *err)
{
    const size_t bytes = block_bytes(s->stride, n);
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
    const int has_number = getrandom(&b->written, sizeof b->written, 0) == sizeof b->written;
    b->sum = block_sum(s, block, n, (uint64_t)s->about.bytes);
    int failed = !has_number || block_write(s->fd, block, bytes, s->about.bytes) || fdatasync(s->fd);
    if (failed)
        error_set(err, ERR_IO, "%s: its vectors cannot be written: %s%s", s->source, strerror(errno),
                  what_to_do(errno));
    else
        s->about.bytes += (int64_t)bytes;
    free(block);
    return failed ? -1 : 0;
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
    s->stride = block_stride(about->width);
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

/* ---- reading blocks ---------------------------------------- */

struct reading {
    const struct segment *s;
    const struct segment_reading *o;
    uint64_t at, end; /* the next block of the span, and the span's end */
    int64_t last;     /* chunk */
};

/* The block that begins a piece of n bytes: its length, 0: it goes on behind the piece. -1: it is damaged. */
static int64_t whole_block(struct reading *c, const uint8_t *piece, size_t n)
{
    const struct segment_block *b = (const struct segment_block *)(const void *)piece;
    if (c->end - c->at < SEGMENT_HEAD)
        return -1;
    if (n < SEGMENT_HEAD)
        return 0;
    if (b->n < 1 || b->n > SEGMENT_ROWS)
        return -1;
    const size_t bytes = block_bytes(c->s->stride, b->n);
    if (bytes > c->end - c->at)
        return -1;
    if (bytes > n)
        return 0;
    if (b->sum != block_sum(c->s, piece, b->n, c->at))
        return -1;
    for (int64_t i = 0; i < b->n; i++) {
        if (b->chunk[i] <= c->last || !(b->scale[i] >= 0 && b->scale[i] <= FLT_MAX))
            return -1;
        c->last = b->chunk[i];
    }
    return (int64_t)bytes;
}

static void give_rows(const struct reading *c, const uint8_t *piece)
{
    const struct segment_block *b = (const struct segment_block *)(const void *)piece;
    const struct segment_rows rows = {(int)b->n, b->sum, b->chunk, b->scale, (const int8_t *)piece + SEGMENT_HEAD};
    if (c->o->rows)
        c->o->rows(c->o->arg, &rows);
}

/* The blocks that lie in a piece whole: their bytes, which end where the span does or before a block that goes on behind it. -1: damage at
 * c->at. */
static int64_t read_piece(struct reading *c, const uint8_t *piece, size_t n)
{
    size_t used = 0;
    while (c->at < c->end) {
        int64_t bytes = whole_block(c, piece + used, n - used);
        if (bytes < 0)
            return -1;
        if (bytes == 0)
            break;
        give_rows(c, piece + used);
        used += (size_t)bytes;
        c->at += (uint64_t)bytes;
    }
    return (int64_t)used;
}

/* 0, or -1 with *err: nobody waits any more. */
static int check_stop(const struct reading *c, struct error *err)
{
    return c->o->stopped && c->o->stopped(c->o->stopped_arg)
               ? error_set(err, ERR_CANCELLED, "%s: nobody waits for it any more (its vectors)", c->s->source)
               : 0;
}

/* Blocks in memory were looked at when they came there. */
static int read_held(const struct reading *c, const struct segment_span *span, struct error *err)
{
    const struct segment *s = c->s;
    const uint8_t *at = s->held + (span->from - s->held_from), *end = s->held + (span->end - s->held_from);
    while (at < end) {
        if (check_stop(c, err))
            return -1;
        give_rows(c, at);
        at += block_bytes(s->stride, ((const struct segment_block *)(const void *)at)->n);
    }
    return 0;
}

/* What is read is whole pages: where the span begins within one, what is before it is passed over. The end of a piece that a block goes on
 * behind is put before the next one. */
static int read_span(struct reading *c, struct ahead *a, uint8_t *rest, struct error *err)
{
    size_t n_rest = 0, skip = c->at % AHEAD_PAGE;
    while (c->at < c->end) {
        uint8_t *piece;
        size_t n;
        if (check_stop(c, err) || ahead_next(a, &piece, &n, err))
            return -1;
        if (n <= skip)
            return damaged(c->s, c->at, err);
        piece += skip;
        n -= skip;
        skip = 0;
        memcpy(piece - n_rest, rest, n_rest);
        const int64_t used = read_piece(c, piece - n_rest, n_rest + n);
        if (used < 0)
            return damaged(c->s, c->at, err);
        piece += used - (int64_t)n_rest;
        n_rest += n - (size_t)used;
        memcpy(rest, piece, n_rest);
    }
    return 0;
}

static int read_spans(struct reading *c, struct ahead *a, const struct segment_span *span, size_t n, struct error *err)
{
    uint8_t *rest = malloc(block_bytes(c->s->stride, SEGMENT_ROWS));
    int failed = rest ? 0 : error_set(err, ERR_MEMORY, "%s: no memory to read vectors", c->s->source);
    for (size_t i = 0; !failed && i < n; i++) {
        c->at = span[i].from;
        c->end = span[i].end;
        c->last = -1;
        failed = read_span(c, a, rest, err);
    }
    free(rest);
    return failed;
}

static int read_file(struct reading *c, const struct segment_span *span, size_t n, struct error *err)
{
    const struct segment *s = c->s;
    struct ahead *a;
    struct ahead_span *page = malloc(n * sizeof *page);
    if (!page)
        return error_set(err, ERR_MEMORY, "%s: no memory to read vectors", s->source);
    for (size_t i = 0; i < n; i++)
        page[i] = (struct ahead_span){round_down(span[i].from, AHEAD_PAGE), span[i].end};
    const struct ahead_range range = {.fd = s->fd,
                                      .name = s->source,
                                      .from = page[0].from,
                                      .end = page[0].end,
                                      .piece = SEGMENT_PIECE,
                                      .room = block_bytes(s->stride, SEGMENT_ROWS),
                                      .is_large = s->about.bytes >= SEGMENT_LARGE,
                                      .more = page + 1,
                                      .n_more = n - 1};
    int failed = ahead_open(&a, &range, err);
    if (!failed)
        failed = read_spans(c, a, span, n, err);
    ahead_close(a);
    free(page);
    return failed;
}

int segment_read(const struct segment *s, const struct segment_span *span, size_t n, const struct segment_reading *o,
                 struct error *err)
{
    struct reading c = {.s = s, .o = o};
    if (n == 0)
        return 0;
    if (!s->held || span[0].from < s->held_from)
        return read_file(&c, span, n, err);
    for (size_t i = 0; i < n; i++)
        if (read_held(&c, &span[i], err))
            return -1;
    return 0;
}

struct segment_span segment_rows_from(const struct segment *s, uint64_t from)
{
    return (struct segment_span){from, (uint64_t)s->about.bytes};
}

int segment_check(const struct segment *s, struct error *err)
{
    const struct segment_reading o = {.rows = NULL};
    const struct segment_span all = segment_rows_from(s, SEGMENT_HEAD);
    struct reading c = {.s = s, .o = &o};
    return all.from < all.end ? read_file(&c, &all, 1, err) : 0;
}

/* ---- the scan ---------------------------------------- */

struct scanning {
    const struct segment *s;
    const struct segment_scan *o;
    const struct kernels *k;
    const int8_t *query;
    double scale; /* the query's */
};

static void score_rows(void *arg, const struct segment_rows *r)
{
    const struct scanning *c = arg;
    int32_t sum[SEGMENT_ROWS];
    c->k->dot_codes(sum, r->code, r->n, c->query, (int)c->s->stride);
    for (int i = 0; i < r->n; i++)
        c->o->take(c->o->arg, r->chunk[i], (double)sum[i] * ((double)r->scale[i] * c->scale));
}

int segment_scan_spans(const struct segment *s, const float *x, const struct segment_span *span, size_t n,
                       const struct segment_scan *o, struct error *err)
{
    int8_t query[SEGMENT_WIDTH_MOST];
    struct scanning c = {.s = s, .o = o, .k = kernels_for(o->tier), .query = query};
    const struct segment_reading reading = {score_rows, &c, o->stopped, o->stopped_arg};
    c.scale = (double)segment_quantise(query, x, s->about.width);
    return segment_read(s, span, n, &reading, err);
}

int segment_scan(const struct segment *s, const float *x, const struct segment_scan *o, struct error *err)
{
    const struct segment_span all = segment_rows_from(s, SEGMENT_HEAD);
    return segment_scan_spans(s, x, &all, all.from < all.end, o, err);
}

/* ---- in memory ---------------------------------------- */

/* In huge pages where the kernel has them: a scan passes a page of 4096 bytes in a third of a microsecond. */
static void ask_for_huge_pages(uint8_t *p, size_t n)
{
    const uintptr_t huge = 2 << 20, from = round_up((uintptr_t)p, huge), end = round_down((uintptr_t)p + n, huge);
    if (from < end)
        madvise((void *)from, end - from, MADV_HUGEPAGE);
}

/* 0: the blocks of all spans are whole. */
static int look_at_held(const struct segment *s, const struct segment_span *span, size_t n, struct error *err)
{
    const struct segment_reading o = {.rows = NULL};
    for (size_t i = 0; i < n; i++) {
        struct reading c = {.s = s, .o = &o, .at = span[i].from, .end = span[i].end, .last = -1};
        const uint64_t bytes = span[i].end - span[i].from;
        if (read_piece(&c, s->held + (span[i].from - s->held_from), (size_t)bytes) != (int64_t)bytes)
            return damaged(s, c.at, err);
    }
    return 0;
}

int segment_hold(struct segment *s, const struct segment_span *span, size_t n, struct error *err)
{
    const char *why;
    if (n == 0)
        return 0;
    const uint64_t from = span[0].from;
    const size_t bytes = (size_t)(span[n - 1].end - from);
    if (!(s->held = aligned_alloc(64, (size_t)round_up(bytes, 64))))
        return error_set(err, ERR_MEMORY, "%s: no memory to hold its vectors", s->source);
    s->held_from = from;
    ask_for_huge_pages(s->held, bytes);
    int failed = file_read_at(s->fd, s->held, bytes, from, &why)
                     ? error_set(err, ERR_IO, "%s: its vectors cannot be read: %s", s->source, why)
                     : look_at_held(s, span, n, err);
    if (failed) {
        free(s->held);
        s->held = NULL;
    }
    return failed;
}
