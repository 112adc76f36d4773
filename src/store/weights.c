/* Reads from any offset to any address, through a bounce buffer: see weights.h.
 *
 * O_DIRECT needs aligned addresses and offsets, but tensors are aligned to 32 bytes in the file and to 64 in memory. So a job reads
 * the aligned range around its bytes into a cell of the bounce buffer and copies them out. Each job in flight has a cell:
 *
 *     bounce   [ cell 0 | cell 1 | ... ]     file  --O_DIRECT-->  cell  --memcpy-->  destination
 *
 * Jobs come from a source: parts of tensors, or rows. */
#include "store/weights.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/error.h"
#include "store/reader.h"

#include <string.h>
#include <time.h>

/* 512 KiB a job: 16 in flight fill the smallest bounce; one read of that size is near the best rate of every disk seen. */
enum { CELL = 512 << 10, ALIGN = 4096, MAX_CELLS = 64 };
_Static_assert((int)MAX_CELLS >= (int)DISK_ROWS_BATCH, "a cell a row");

struct job {
    int file, id;
    const char *what, *unit;
    uint64_t offset, length;
    uint8_t *to;
};

/* Where jobs come from: fills the next one, or 0 at the end. */
struct source {
    int (*next)(struct source *s, struct job *out);
    void (*done)(struct source *s, uint64_t bytes);
};

struct cells {
    struct reader *reader;
    struct read_list list;
    struct read_request request[MAX_CELLS];
    uint8_t *to[MAX_CELLS]; /* where the request's bytes go */
    int n, in_flight;
};

static void start(struct cells *c, int cell, uint8_t *memory, const struct job *j)
{
    struct read_request *q = &c->request[cell];
    *q = (struct read_request){.file = j->file, .offset = j->offset, .length = j->length, .to = memory};
    q->what = j->what;
    q->unit = j->unit;
    q->id = j->id;
    c->to[cell] = j->to;
    c->in_flight++;
    reader_submit(c->reader, &c->list, &q, 1);
}

/* After a failure, before the requests go out of scope: waits at most 2 s for those in flight. What is in flight after that is
 * abandoned, and the device may still write into its cell. */
static void drain(struct cells *c)
{
    uint64_t until = clock_ns() + 2000000000u;
    while (c->in_flight > 0 && clock_ns() < until) {
        struct read_request *q = reader_reap(c->reader, &c->list, 0);
        if (q && !q->draining)
            c->in_flight--;
        else if (!q)
            nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    for (int i = 0; i < c->n && c->in_flight > 0; i++)
        reader_abandon(c->reader, &c->request[i]);
}

/* Run all jobs of the source. -1 with the sentence; *lost: 1 if a cell was abandoned. */
static int pump(struct reader *r, struct source *s, uint8_t *bounce, uint64_t cell_bytes, int n_cell, int *lost,
                struct error *err)
{
    struct cells c = {.reader = r, .n = n_cell};
    struct job j;
    uint32_t align = reader_align(r);
    while (c.in_flight < n_cell && s->next(s, &j))
        start(&c, c.in_flight, bounce + (uint64_t)c.in_flight * cell_bytes, &j);
    c.n = c.in_flight;
    while (c.in_flight > 0) {
        struct read_request *q = reader_reap(r, &c.list, 1);
        if (q->state == READ_FAILED) {
            reader_error(r, q, err);
            if (!q->draining)
                c.in_flight--;
            drain(&c);
            *lost = c.in_flight > 0;
            return -1;
        }
        int cell = (int)(q - c.request);
        memcpy(c.to[cell], q->to + q->offset % align, q->length);
        s->done(s, q->length);
        c.in_flight--;
        if (s->next(s, &j))
            start(&c, cell, q->to, &j);
    }
    return 0;
}

struct tensors {
    struct source source;
    const struct weight_read *w;
    int n, at;
    uint64_t within, done, total;
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
};

static int next_part(struct source *s, struct job *out)
{
    struct tensors *t = (struct tensors *)s;
    while (t->at < t->n && t->within == t->w[t->at].bytes) {
        t->at++;
        t->within = 0;
    }
    if (t->at == t->n)
        return 0;
    const struct weight_read *w = &t->w[t->at];
    uint64_t offset = w->offset + t->within, left = w->bytes - t->within;
    /* end on an aligned boundary, so that no block is read twice */
    uint64_t left_in_cell = CELL - offset % ALIGN;
    uint64_t length = left < left_in_cell ? left : left_in_cell;
    *out = (struct job){
        .file = w->file, .what = w->tensor, .offset = offset, .length = length, .to = w->to + t->within};
    t->within += length;
    return 1;
}

static void part_done(struct source *s, uint64_t bytes)
{
    struct tensors *t = (struct tensors *)s;
    t->done += bytes;
    if (t->progress)
        t->progress(t->arg, t->done, t->total);
}

int weights_load(struct reader *r, const struct weight_read *w, int n, uint8_t *bounce, size_t bounce_bytes,
                 void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct error *err)
{
    struct tensors t = {{next_part, part_done}, w, n, 0, 0, 0, 0, progress, arg};
    for (int i = 0; i < n; i++)
        t.total += w[i].bytes;
    size_t cells = bounce_bytes / CELL;
    if (cells == 0)
        return error_set(err, ERR_BUG, "the plan gave loading %zu bytes of bounce buffer; it needs %d", bounce_bytes,
                         WEIGHTS_BOUNCE);
    int lost = 0; /* loading is over then, and nobody uses the bounce again */
    return pump(r, &t.source, bounce, CELL, cells < MAX_CELLS ? (int)cells : MAX_CELLS, &lost, err);
}

struct rows {
    struct source source;
    const struct disk_rows *d;
    const int32_t *row;
    int n, at;
    uint8_t *to;
};

static int next_row(struct source *s, struct job *out)
{
    struct rows *t = (struct rows *)s;
    if (t->at == t->n)
        return 0;
    const struct disk_rows *d = t->d;
    int id = t->row[t->at];
    *out = (struct job){.file = d->file, .id = id, .what = d->tensor, .unit = "row", .length = d->row_bytes};
    out->offset = d->offset + (uint64_t)id * d->row_bytes;
    out->to = t->to + (uint64_t)t->at * d->row_bytes;
    t->at++;
    return 1;
}

static void row_done(struct source *s, uint64_t bytes) { (void)s, (void)bytes; }

static int rows_in_flight(int batch) { return batch < 1 ? 1 : batch < DISK_ROWS_BATCH ? batch : DISK_ROWS_BATCH; }

/* A row may begin at the last byte of a block. */
static uint64_t row_cell(uint64_t row_bytes) { return round_up(row_bytes + ALIGN - 1, ALIGN); }

uint64_t disk_rows_bounce(uint64_t row_bytes, int batch)
{
    return (uint64_t)rows_in_flight(batch) * row_cell(row_bytes);
}

int disk_rows_read(struct disk_rows *d, const int32_t *row, int n, uint8_t *to, struct error *err)
{
    struct rows t = {{next_row, row_done}, d, row, n, 0, to};
    if (d->lost)
        return error_set(err, ERR_IO, "an earlier read of %s never came back and holds its buffer; restart stoker",
                         d->tensor);
    return pump(d->reader, &t.source, d->bounce, row_cell(d->row_bytes), rows_in_flight(d->batch), &d->lost, err);
}
