/* Reads from any offset to any address, through a bounce buffer: see weights.h; single rows: row_store.h.
 *
 * O_DIRECT needs aligned addresses and offsets, but tensors are aligned to 32 bytes in the file and to 64 in memory. So a job reads
 * the aligned range around its bytes into a cell of the bounce buffer and copies them out. Each job in flight has a cell:
 *
 *     bounce   [ cell 0 | cell 1 | ... ]     file  --O_DIRECT-->  cell  --memcpy-->  destination
 */
#include "store/weights.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/error.h"
#include "store/reader.h"

#include <string.h>
#include <time.h>

/* 512 KiB a job: 16 in flight fill the smallest bounce; one read of that size is near the best rate of every disk seen. */
enum { CELL = 512 << 10, ALIGN = 4096, MAX_CELLS = 64 };

/* A part of a tensor. */
struct job {
    int file;
    const char *what;
    uint64_t offset, length;
    uint8_t *to;
};

struct tensors {
    const struct weight_read *w;
    int n, at;
    uint64_t within, done, total;
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
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

/* 0: there is none left. */
static int next_part(struct tensors *t, struct job *out)
{
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

static void part_done(struct tensors *t, uint64_t bytes)
{
    t->done += bytes;
    if (t->progress)
        t->progress(t->arg, t->done, t->total);
}

static int pump(struct reader *r, struct tensors *t, uint8_t *bounce, int n_cell, struct error *err)
{
    struct cells c = {.reader = r, .n = n_cell};
    struct job j;
    uint32_t align = reader_align(r);
    while (c.in_flight < n_cell && next_part(t, &j))
        start(&c, c.in_flight, bounce + (uint64_t)c.in_flight * CELL, &j);
    c.n = c.in_flight;
    while (c.in_flight > 0) {
        struct read_request *q = reader_reap(r, &c.list, 1);
        if (q->state == READ_FAILED) {
            reader_error(r, q, err);
            if (!q->draining)
                c.in_flight--;
            drain(&c);
            return -1;
        }
        int cell = (int)(q - c.request);
        memcpy(c.to[cell], q->to + q->offset % align, q->length);
        part_done(t, q->length);
        c.in_flight--;
        if (next_part(t, &j))
            start(&c, cell, q->to, &j);
    }
    return 0;
}

int weights_load(struct reader *r, const struct weight_read *w, int n, uint8_t *bounce, size_t bounce_bytes,
                 void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct error *err)
{
    struct tensors t = {w, n, 0, 0, 0, 0, progress, arg};
    for (int i = 0; i < n; i++)
        t.total += w[i].bytes;
    size_t cells = bounce_bytes / CELL;
    if (cells == 0)
        return error_set(err, ERR_BUG, "the plan gave loading %zu bytes of bounce buffer; it needs %d", bounce_bytes,
                         WEIGHTS_BOUNCE);
    return pump(r, &t, bounce, cells < MAX_CELLS ? (int)cells : MAX_CELLS, err);
}
