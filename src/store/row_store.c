/* Wants, takes and reads of rows: see row_store.h; cells and victims: row_cache.h.
 *
 *     rows_want   sorts the rows; each that has no cell gets one and joins the queue
 *     queue       cell -> cell -> cell       in the order of wants; a cell that joins the one before it is in the same read
 *     reads       a free one takes the head of the queue, then what a running take has no cells for. Its buffer holds the aligned range;
 *                 rows are copied out of it as it completes, and it is free again
 *
 * What joins a read is decided when rows are asked for, not when a buffer is free: the number of reads does not depend on the drive.
 * A failed read fails its rows until the step ends. A buffer that the device may still write into is not used again before the
 * device is done with it. */
#include "store/row_store.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/error.h"
#include "store/row_cache.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { FEW = 24 }; /* rows that are sorted by insertion */
static const uint64_t destroy_wait_ns = 2000000000;

struct row_read {
    struct read_request request;
    uint8_t *buffer;
    enum { READ_FREE, READ_OUT, READ_LOST } state;
    int32_t cell; /* the first of its cells; -1: it is of a take */
    int first, n; /* of a take: entries of it; else n cells */
};

/* A row and its place among the rows of a call. */
struct row_at {
    int32_t row, at;
};

/* What a running rows_take() found no cells for. */
struct direct {
    struct row_at *entry; /* [n] by row */
    int n, next, out;     /* next: the first that no read has taken; out: reads under way */
    uint8_t *to;
    unsigned char *failed;
};

struct row_store {
    struct reader *reader;
    struct row_source source;
    uint32_t align;
    struct read_list list;
    struct row_cache cache;
    int32_t queue_head, queue_tail; /* cells; -1: empty */
    struct row_read *read;          /* [ROWS_IN_FLIGHT] */
    uint8_t *buffers;
    uint64_t buffer_bytes;       /* of one */
    struct row_at *order, *work; /* [n_want] */
    int n_want;
    struct direct direct;
    struct error why; /* of the first failure that a step has not ended with yet */
    int n_failed;     /* cells in state ROW_FAILED */
    /* written by the owner, read by any thread */
    _Atomic uint64_t wanted, unique, cached, reads, bytes, failed, takes, late, wait_ns;
};

static void count(_Atomic uint64_t *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

/* ---- creating --------------------------------------------------------------------------------------------------------------- */

/* A row may begin at the last byte of a block. */
static uint64_t buffer_bytes_of(uint64_t row_bytes) { return round_up(row_bytes + READER_PAGE - 1, READER_PAGE); }

/* The store and its tables, from mem: *rs gets their addresses. Returns where *rs is to live; NULL: mem is too small. Writes nothing
 * behind the addresses, so mem may be a measuring arena. */
static struct row_store *allocate(struct row_store *rs, struct arena *mem)
{
    struct row_store *at = arena_alloc(mem, sizeof *at);
    rs->read = arena_array(mem, ROWS_IN_FLIGHT, sizeof *rs->read);
    rs->order = arena_array(mem, (size_t)rs->n_want, sizeof *rs->order);
    rs->work = arena_array(mem, (size_t)rs->n_want, sizeof *rs->work);
    rs->buffers = arena_alloc_aligned(mem, ROWS_IN_FLIGHT * rs->buffer_bytes, READER_PAGE);
    return row_cache_allocate(&rs->cache, mem) == 0 && rs->read && rs->order && rs->work && rs->buffers ? at : NULL;
}

static struct row_store sized(uint64_t row_bytes, int n_want, int n_cell)
{
    return (struct row_store){.cache = {.n = n_cell, .row_bytes = row_bytes},
                              .buffer_bytes = buffer_bytes_of(row_bytes),
                              .n_want = n_want,
                              .queue_head = -1,
                              .queue_tail = -1};
}

uint64_t row_store_bytes(uint64_t row_bytes, int n_want, int n_cell)
{
    struct row_store rs = sized(row_bytes, n_want, n_cell);
    struct arena measure;
    arena_init_measuring(&measure);
    allocate(&rs, &measure);
    return arena_measured(&measure) + READER_PAGE; /* to begin the buffers at a page */
}

uint64_t row_store_cell_bytes(uint64_t row_bytes) { return row_cell_bytes(row_bytes); }

int row_store_create(struct row_store **out, struct arena *mem, struct reader *reader, const struct row_source *source,
                     int n_want, int n_cell, struct error *err)
{
    struct row_store made = sized(source->row_bytes, n_want, n_cell), *rs = allocate(&made, mem);
    if (!rs)
        return error_set(err, ERR_BUG, "the plan gave the rows of %s less than row_store_bytes()", source->tensor);
    made.reader = reader;
    made.source = *source;
    made.align = reader_align(reader);
    *rs = made;
    row_cache_init(&rs->cache);
    for (int i = 0; i < ROWS_IN_FLIGHT; i++)
        rs->read[i] = (struct row_read){.buffer = rs->buffers + (uint64_t)i * rs->buffer_bytes, .state = READ_FREE};
    *out = rs;
    return 0;
}

/* ---- rows in order ------------------------------------------------------------------------------------------------------------ */

static void sort_few(struct row_at *x, int n)
{
    for (int i = 1; i < n; i++) {
        struct row_at moved = x[i];
        int at = i;
        for (; at > 0 && x[at - 1].row > moved.row; at--)
            x[at] = x[at - 1];
        x[at] = moved;
    }
}

/* By one byte of the row, equal ones in the order they have. */
static void sort_by_byte(struct row_at *to, const struct row_at *from, int n, int byte)
{
    int start[257] = {0};
    for (int i = 0; i < n; i++)
        start[(from[i].row >> 8 * byte & 255) + 1]++;
    for (int b = 0; b < 256; b++)
        start[b + 1] += start[b];
    for (int i = 0; i < n; i++)
        to[start[from[i].row >> 8 * byte & 255]++] = from[i];
}

/* rs->order: the rows of a call, ascending. */
static void sort_rows(struct row_store *rs, const int32_t *row, int n)
{
    for (int i = 0; i < n; i++) {
        assert(row[i] >= 0 && (uint64_t)row[i] < rs->source.n_row);
        rs->order[i] = (struct row_at){row[i], i};
    }
    if (n <= FEW) {
        sort_few(rs->order, n);
        return;
    }
    for (int byte = 0; byte < 4; byte += 2) {
        sort_by_byte(rs->work, rs->order, n, byte);
        sort_by_byte(rs->order, rs->work, n, byte + 1);
    }
}

/* The first entry behind those of the same row. */
static int next_row(const struct row_at *x, int i, int n)
{
    int32_t row = x[i].row;
    while (i < n && x[i].row == row)
        i++;
    return i;
}

/* ---- reads -------------------------------------------------------------------------------------------------------------------- */

static uint64_t row_begin(const struct row_store *rs, int32_t row)
{
    return rs->source.offset + (uint64_t)row * rs->source.row_bytes;
}

static uint64_t row_end(const struct row_store *rs, int32_t row) { return row_begin(rs, row) + rs->source.row_bytes; }

/* May `row` come in the read that begins with `first` and ends with `last` so far? Only if that reads its first block anyway. */
static int may_join(const struct row_store *rs, int32_t first, int32_t last, int32_t row)
{
    uint64_t begin = round_down(row_begin(rs, first), READER_PAGE);
    return row_begin(rs, row) < round_up(row_end(rs, last), READER_PAGE) &&
           round_up(row_end(rs, row), READER_PAGE) - begin <= rs->buffer_bytes;
}

static struct read_request *start(struct row_store *rs, struct row_read *r, int32_t first, int32_t last,
                                  enum read_rank rank)
{
    uint64_t begin = row_begin(rs, first), end = row_end(rs, last);
    r->state = READ_OUT;
    r->request = (struct read_request){.file = rs->source.file,
                                       .offset = begin,
                                       .length = end - begin,
                                       .to = r->buffer,
                                       .what = rs->source.tensor,
                                       .unit = "row",
                                       .id = first,
                                       .rank = rank,
                                       .user = r};
    count(&rs->reads, 1);
    count(&rs->bytes, round_up(end, rs->align) - round_down(begin, rs->align));
    return &r->request;
}

/* The head of the queue, with what joins it. */
static struct read_request *start_cells(struct row_store *rs, struct row_read *r)
{
    struct row_cell *cell = rs->cache.cell;
    int32_t first = rs->queue_head, last = first;
    r->cell = first;
    r->n = 0;
    for (int32_t at = first; at >= 0 && (at == first || cell[at].joins); at = cell[at].next_in_queue) {
        cell[at].state = ROW_READING;
        cell[at].read = (int32_t)(r - rs->read);
        rs->queue_head = cell[at].next_in_queue;
        last = at;
        r->n++;
    }
    return start(rs, r, cell[first].row, cell[last].row, (enum read_rank)cell[first].rank);
}

static struct read_request *start_direct(struct row_store *rs, struct row_read *r)
{
    struct direct *d = &rs->direct;
    int first = d->next, last = first;
    for (d->next++; d->next < d->n; last = d->next++)
        if (d->entry[d->next].row != d->entry[last].row &&
            !may_join(rs, d->entry[first].row, d->entry[last].row, d->entry[d->next].row))
            break;
    r->cell = -1;
    r->first = first;
    r->n = d->next - first;
    d->out++;
    return start(rs, r, d->entry[first].row, d->entry[last].row, READ_NOW);
}

/* Gives free reads what waits for one. */
static void submit(struct row_store *rs)
{
    struct read_request *batch[ROWS_IN_FLIGHT];
    int n = 0;
    for (int i = 0; i < ROWS_IN_FLIGHT && (rs->queue_head >= 0 || rs->direct.next < rs->direct.n); i++)
        if (rs->read[i].state == READ_FREE)
            batch[n++] = rs->queue_head >= 0 ? start_cells(rs, &rs->read[i]) : start_direct(rs, &rs->read[i]);
    if (n > 0)
        reader_submit(rs->reader, &rs->list, batch, n);
}

static const uint8_t *row_in(const struct row_store *rs, const struct row_read *r, int32_t row)
{
    return r->buffer + r->request.offset % rs->align + (row_begin(rs, row) - r->request.offset);
}

static void cells_done(struct row_store *rs, const struct row_read *r, int failed)
{
    int32_t at = r->cell;
    for (int i = 0; i < r->n; i++) {
        struct row_cell *x = &rs->cache.cell[at];
        if (!failed)
            memcpy(row_cache_at(&rs->cache, at), row_in(rs, r, x->row), rs->source.row_bytes);
        x->state = failed ? ROW_FAILED : ROW_READY;
        rs->n_failed += failed;
        at = x->next_in_queue;
    }
}

static void give(struct row_store *rs, int at, const uint8_t *bytes)
{
    uint8_t *to = rs->direct.to + (uint64_t)at * rs->source.row_bytes;
    rs->direct.failed[at] = !bytes;
    if (bytes)
        memcpy(to, bytes, rs->source.row_bytes);
    else
        memset(to, 0, rs->source.row_bytes);
}

static void direct_done(struct row_store *rs, const struct row_read *r, int failed)
{
    const struct row_at *entry = rs->direct.entry + r->first;
    for (int i = 0; i < r->n; i++)
        give(rs, entry[i].at, failed ? NULL : row_in(rs, r, entry[i].row));
    rs->direct.out--;
}

static void on_completion(struct row_store *rs, const struct read_request *q)
{
    struct row_read *r = q->user;
    int failed = q->state == READ_FAILED;
    if (r->state == READ_OUT) {
        if (failed)
            reader_error(rs->reader, q, &rs->why);
        count(&rs->failed, (uint64_t)failed);
        if (r->cell >= 0)
            cells_done(rs, r, failed);
        else
            direct_done(rs, r, failed);
    }
    r->state = q->draining ? READ_LOST : READ_FREE;
}

/* Every buffer is held by a read that never came back: what waits for one fails. */
static void fail_waiting(struct row_store *rs)
{
    struct direct *d = &rs->direct;
    error_set(&rs->why, ERR_IO, "reads of %s that never came back hold all of its buffers; restart stoker",
              rs->source.tensor);
    for (; rs->queue_head >= 0; rs->queue_head = rs->cache.cell[rs->queue_head].next_in_queue) {
        rs->cache.cell[rs->queue_head].state = ROW_FAILED;
        rs->n_failed++;
    }
    for (; d->next < d->n; d->next++)
        give(rs, d->entry[d->next].at, NULL);
}

/* Waits for one read. */
static void wait_for_one(struct row_store *rs)
{
    struct read_request *q = reader_reap(rs->reader, &rs->list, 0);
    if (!q) {
        uint64_t since = clock_ns();
        q = reader_reap(rs->reader, &rs->list, 1);
        count(&rs->wait_ns, clock_ns() - since);
    }
    if (q)
        on_completion(rs, q);
    else
        fail_waiting(rs);
    submit(rs);
}

void rows_poll(struct row_store *rs)
{
    struct read_request *q;
    if (rs->list.active == 0 && !rs->list.head)
        return;
    while ((q = reader_reap(rs->reader, &rs->list, 0)))
        on_completion(rs, q);
    submit(rs);
}

/* ---- wants ---------------------------------------------------------------------------------------------------------------------- */

static void raise_rank(struct row_store *rs, struct row_cell *x, enum read_rank rank)
{
    if (x->state == ROW_READING)
        reader_promote(rs->reader, &rs->read[x->read].request, rank);
    else if (x->state == ROW_QUEUED && rank < x->rank)
        x->rank = (uint8_t)rank;
}

/* Those that have a cell are pinned before any other row gets one. */
static void pin_hits(struct row_store *rs, int n, enum read_rank rank)
{
    uint8_t pins = rank == READ_AHEAD ? 2 : 1;
    for (int i = 0; i < n; i = next_row(rs->order, i, n)) {
        int32_t at = row_cache_find(&rs->cache, rs->order[i].row);
        if (at < 0)
            continue;
        struct row_cell *x = &rs->cache.cell[at];
        if (x->pins == 0)
            row_cache_pin(&rs->cache, at);
        if (x->pins < pins)
            x->pins = pins;
        raise_rank(rs, x, rank);
    }
}

static void put_misses(struct row_store *rs, int n, enum read_rank rank)
{
    int32_t first = -1, last = -1; /* rows of the read that the next one may join */
    for (int i = 0; i < n; i = next_row(rs->order, i, n)) {
        int32_t row = rs->order[i].row;
        if (row_cache_find(&rs->cache, row) >= 0)
            continue;
        int32_t at = row_cache_put(&rs->cache, row);
        if (at < 0)
            return;
        struct row_cell *x = &rs->cache.cell[at];
        x->pins = rank == READ_AHEAD ? 2 : 1;
        x->rank = (uint8_t)rank;
        x->fresh = 1;
        x->joins = first >= 0 && may_join(rs, first, last, row);
        first = x->joins ? first : row;
        last = row;
        x->next_in_queue = -1;
        if (rs->queue_head < 0)
            rs->queue_head = at;
        else
            rs->cache.cell[rs->queue_tail].next_in_queue = at;
        rs->queue_tail = at;
    }
}

void rows_want(struct row_store *rs, const int32_t *row, int n, enum read_rank rank)
{
    rows_poll(rs);
    for (int first = 0; first < n && rs->cache.n > 0; first += rs->n_want) {
        int some = n - first < rs->n_want ? n - first : rs->n_want;
        sort_rows(rs, row + first, some);
        pin_hits(rs, some, rank);
        put_misses(rs, some, rank);
    }
    submit(rs);
}

/* ---- takes ---------------------------------------------------------------------------------------------------------------------- */

/* Pins the cells of the rows in rs->order; those that have none become rs->direct. */
static void begin_take(struct row_store *rs, int n)
{
    struct direct *d = &rs->direct;
    uint64_t unique = 0, cached = 0;
    for (int i = 0, next; i < n; i = next) {
        int32_t at = row_cache_find(&rs->cache, rs->order[i].row);
        next = next_row(rs->order, i, n);
        unique++;
        if (at < 0) {
            memcpy(d->entry + d->n, rs->order + i, (size_t)(next - i) * sizeof *d->entry);
            d->n += next - i;
            continue;
        }
        struct row_cell *x = &rs->cache.cell[at];
        cached += !x->fresh;
        x->fresh = 0;
        row_cache_pin(&rs->cache, at);
        raise_rank(rs, x, READ_NOW);
    }
    count(&rs->wanted, (uint64_t)n);
    count(&rs->unique, unique);
    count(&rs->cached, cached);
}

static void take_cells(struct row_store *rs, int n)
{
    for (int i = 0, next; i < n; i = next) {
        int32_t at = row_cache_find(&rs->cache, rs->order[i].row);
        next = next_row(rs->order, i, n);
        if (at < 0)
            continue;
        const struct row_cell *x = &rs->cache.cell[at];
        while (x->state == ROW_QUEUED || x->state == ROW_READING)
            wait_for_one(rs);
        for (int k = i; k < next; k++)
            give(rs, rs->order[k].at, x->state == ROW_READY ? row_cache_at(&rs->cache, at) : NULL);
    }
}

static void take_some(struct row_store *rs, const int32_t *row, int n, uint8_t *to, unsigned char *failed)
{
    sort_rows(rs, row, n);
    rs->direct = (struct direct){.entry = rs->work, .to = to, .failed = failed};
    begin_take(rs, n);
    submit(rs);
    take_cells(rs, n);
    while (rs->direct.next < rs->direct.n || rs->direct.out > 0)
        wait_for_one(rs);
    rs->direct.n = rs->direct.next = 0;
}

int rows_take(struct row_store *rs, const int32_t *row, int n, uint8_t *to, unsigned char *failed, struct error *err)
{
    uint64_t waited = rs->wait_ns;
    int lost = 0;
    rows_poll(rs);
    for (int first = 0; first < n; first += rs->n_want)
        take_some(rs, row + first, n - first < rs->n_want ? n - first : rs->n_want,
                  to + (uint64_t)first * rs->source.row_bytes, failed + first);
    for (int i = 0; i < n; i++)
        lost += failed[i];
    count(&rs->takes, 1);
    count(&rs->late, rs->wait_ns != waited);
    if (lost > 0)
        error_set(err, rs->why.code, "%s", rs->why.text);
    return lost;
}

void rows_step_end(struct row_store *rs)
{
    struct row_cache *c = &rs->cache;
    rows_poll(rs);
    for (int32_t at = c->pinned.oldest, next; at >= 0; at = next) {
        struct row_cell *x = &c->cell[at];
        next = x->newer;
        if (x->pins > 1) {
            x->pins--;
            continue;
        }
        while (x->state == ROW_QUEUED || x->state == ROW_READING)
            wait_for_one(rs);
        rs->n_failed -= x->state == ROW_FAILED;
        if (x->state == ROW_FAILED)
            row_cache_drop(c, at);
        else
            row_cache_unpin(c, at);
    }
    if (rs->n_failed == 0)
        rs->why = (struct error){0};
}

/* ---- the end, statistics ---------------------------------------------------------------------------------------------------------- */

void row_store_destroy(struct row_store *rs)
{
    if (!rs)
        return;
    uint64_t until = clock_ns() + destroy_wait_ns;
    rs->queue_head = -1;
    for (int out = 1; out > 0 && clock_ns() < until;) {
        rows_poll(rs);
        out = 0;
        for (int i = 0; i < ROWS_IN_FLIGHT; i++)
            out += rs->read[i].state != READ_FREE;
        if (out > 0)
            nanosleep(&(struct timespec){0, 100000}, NULL);
    }
    for (int i = 0; i < ROWS_IN_FLIGHT; i++)
        if (rs->read[i].state != READ_FREE)
            reader_abandon(rs->reader, &rs->read[i].request);
}

void rows_stats(const struct row_store *rs, struct rows_stats *out)
{
    *out = (struct rows_stats){.wanted = rs->wanted,
                               .unique = rs->unique,
                               .cached = rs->cached,
                               .reads = rs->reads,
                               .bytes = rs->bytes,
                               .failed = rs->failed,
                               .takes = rs->takes,
                               .late = rs->late,
                               .wait_seconds = (double)rs->wait_ns * 1e-9};
}
