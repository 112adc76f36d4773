/* Wants, takes and reads of rows: see row_store.h; cells and victims: row_cache.h.
 *
 *     rows_want   sorts the rows; each that has no cell gets one and joins the queue
 *     queue       cell -> cell -> cell       in the order of wants; a cell that joins the one before it is in the same read
 *     reads       a free one takes the head of the queue, then what a running take has no cells for. Its buffer holds the aligned range;
 *                 rows are copied out of it as it completes, and it is free again
 *
 * What joins a read is decided and counted when rows are asked for, not when a buffer is free: the number of reads does not depend on the
 * drive. A row that its step did not take leaves its cell, whether it has come or not: cells after a step follow from its calls alone, and
 * nobody waits for what nobody takes. A buffer that the device may still write into is not used again before the device is done with it. */
#include "store/row_store.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/error.h"
#include "store/row_cache.h"
#include "store/row_order.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum {
    CAUSES = 8,    /* of failures in a step: more that differ have the words of the last */
    NO_BUFFER = -1 /* the cause of a row that was never read */
};

struct row_read {
    struct read_request request;
    uint8_t *buffer;
    enum { READ_FREE, READ_OUT, READ_LOST } state;
    int of_take;
    int32_t cell; /* the first of its n cells */
    int first, n; /* of a take: its entries */
};

/* What a running rows_take() found no cells for. */
struct direct {
    struct row_at *entry; /* [n] by row */
    int n, next, out;     /* next: the first that no read has taken; out: reads under way */
    uint8_t *to;
    unsigned char *failed;
    int n_failed, first_failed; /* of the whole call; the first by its place in it ... */
    int32_t cause;              /* ... and why it is */
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
    struct row_at *order, *work; /* [n_want] order: the rows of a call, ascending */
    int n_want;
    struct direct direct;
    int n_busy;                        /* reads that are not free */
    struct read_request cause[CAUSES]; /* [n_cause] of failures since the last step's end */
    int n_cause;
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

static uint64_t bytes_from_drive(const struct row_store *rs, int32_t first, int32_t last)
{
    return round_up(row_end(rs, last), rs->align) - round_down(row_begin(rs, first), rs->align);
}

static struct read_request *start(struct row_store *rs, struct row_read *r, int32_t first, int32_t last,
                                  enum read_rank rank)
{
    uint64_t begin = row_begin(rs, first), end = row_end(rs, last);
    rs->n_busy++;
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
    return &r->request;
}

/* The head of the queue, with what joins it, as urgent as the most urgent of them. */
static struct read_request *start_cells(struct row_store *rs, struct row_read *r)
{
    struct row_cell *cell = rs->cache.cell;
    int32_t first = rs->queue_head, last = first;
    uint8_t rank = cell[first].rank;
    r->of_take = 0;
    r->cell = first;
    r->n = 0;
    for (int32_t at = first; at >= 0 && (at == first || cell[at].joins); at = cell[at].next_in_queue) {
        cell[at].state = ROW_READING;
        cell[at].read = (int32_t)(r - rs->read);
        rank = cell[at].rank < rank ? cell[at].rank : rank;
        rs->queue_head = cell[at].next_in_queue;
        last = at;
        r->n++;
    }
    return start(rs, r, cell[first].row, cell[last].row, (enum read_rank)rank);
}

static struct read_request *start_direct(struct row_store *rs, struct row_read *r)
{
    struct direct *d = &rs->direct;
    int first = d->next, last = first;
    for (d->next++; d->next < d->n; last = d->next++)
        if (d->entry[d->next].row != d->entry[last].row &&
            !may_join(rs, d->entry[first].row, d->entry[last].row, d->entry[d->next].row))
            break;
    r->of_take = 1;
    r->first = first;
    r->n = d->next - first;
    d->out++;
    count(&rs->reads, 1);
    count(&rs->bytes, bytes_from_drive(rs, d->entry[first].row, d->entry[last].row));
    return start(rs, r, d->entry[first].row, d->entry[last].row, READ_NOW);
}

/* Gives free reads what waits for one: first what a take waits for, then the queue, where rows of a later step may be. */
static void submit(struct row_store *rs)
{
    struct read_request *batch[ROWS_IN_FLIGHT];
    int n = 0;
    for (int i = 0; i < ROWS_IN_FLIGHT && (rs->queue_head >= 0 || rs->direct.next < rs->direct.n); i++)
        if (rs->read[i].state == READ_FREE)
            batch[n++] = rs->direct.next < rs->direct.n ? start_direct(rs, &rs->read[i])
                                                        : start_cells(rs, &rs->read[i]);
    if (n > 0)
        reader_submit(rs->reader, &rs->list, batch, n);
}

static const uint8_t *row_in(const struct row_store *rs, const struct row_read *r, int32_t row)
{
    return r->buffer + r->request.offset % rs->align + (row_begin(rs, row) - r->request.offset);
}

/* Why reads fail is kept by cause, and a row's sentence made when somebody takes it. */
static int32_t cause_of(struct row_store *rs, const struct read_request *q)
{
    int32_t i = 0;
    while (i < rs->n_cause && (rs->cause[i].cause != q->cause || rs->cause[i].failed_errno != q->failed_errno ||
                               rs->cause[i].failed_copy != q->failed_copy))
        i++;
    i = i < CAUSES ? i : CAUSES - 1;
    rs->cause[i] = *q;
    rs->n_cause = i < rs->n_cause ? rs->n_cause : i + 1;
    return i;
}

static void explain(const struct row_store *rs, int32_t row, int32_t cause, struct error *err)
{
    if (cause == NO_BUFFER) {
        error_set(err, ERR_IO,
                  "%s: row %d of %s cannot be read: reads that never came back hold all of its buffers; restart stoker",
                  rs->source.path, (int)row, rs->source.tensor);
        return;
    }
    struct read_request q = rs->cause[cause];
    q.offset = row_begin(rs, row);
    q.length = rs->source.row_bytes;
    q.id = row;
    reader_error(rs->reader, &q, err);
}

static void cell_failed(struct row_cell *x, int32_t cause)
{
    x->state = ROW_FAILED;
    x->read = cause;
}

static void give(struct row_store *rs, int at, const uint8_t *bytes)
{
    memcpy(rs->direct.to + (uint64_t)at * rs->source.row_bytes, bytes, rs->source.row_bytes);
    rs->direct.failed[at] = 0;
}

static void give_none(struct row_store *rs, int at, int32_t cause)
{
    struct direct *d = &rs->direct;
    memset(d->to + (uint64_t)at * rs->source.row_bytes, 0, rs->source.row_bytes);
    d->failed[at] = 1;
    if (d->n_failed++ == 0 || at < d->first_failed) {
        d->first_failed = at;
        d->cause = cause;
    }
}

static void cells_done(struct row_store *rs, const struct row_read *r)
{
    int32_t at = r->cell;
    for (int i = 0; i < r->n; i++) {
        struct row_cell *x = &rs->cache.cell[at];
        memcpy(row_cache_at(&rs->cache, at), row_in(rs, r, x->row), rs->source.row_bytes);
        x->state = ROW_READY;
        at = x->next_in_queue;
    }
}

static void direct_done(struct row_store *rs, const struct row_read *r)
{
    const struct row_at *entry = rs->direct.entry + r->first;
    for (int i = 0; i < r->n; i++)
        give(rs, entry[i].at, row_in(rs, r, entry[i].row));
}

static void read_failed(struct row_store *rs, const struct row_read *r, int32_t cause)
{
    int32_t at = r->cell;
    for (int i = 0; i < r->n && r->of_take; i++)
        give_none(rs, rs->direct.entry[r->first + i].at, cause);
    for (int i = 0; i < r->n && !r->of_take; i++, at = rs->cache.cell[at].next_in_queue)
        cell_failed(&rs->cache.cell[at], cause);
    count(&rs->failed, 1);
}

static void on_completion(struct row_store *rs, const struct read_request *q)
{
    struct row_read *r = q->user;
    if (r->state == READ_OUT) {
        rs->direct.out -= r->of_take;
        if (q->state == READ_FAILED)
            read_failed(rs, r, cause_of(rs, q));
        else if (r->of_take)
            direct_done(rs, r);
        else
            cells_done(rs, r);
    }
    r->state = q->draining ? READ_LOST : READ_FREE;
    rs->n_busy -= !q->draining;
}

/* Every buffer is held by a read that never came back: what waits for one fails. */
static void fail_waiting(struct row_store *rs)
{
    struct direct *d = &rs->direct;
    for (; rs->queue_head >= 0; rs->queue_head = rs->cache.cell[rs->queue_head].next_in_queue)
        cell_failed(&rs->cache.cell[rs->queue_head], NO_BUFFER);
    for (; d->next < d->n; d->next++)
        give_none(rs, d->entry[d->next].at, NO_BUFFER);
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

int rows_poll(struct row_store *rs)
{
    struct read_request *q;
    while (rs->n_busy > 0 && (q = reader_reap(rs->reader, &rs->list, 0)))
        on_completion(rs, q);
    submit(rs);
    return rs->list.active > 0;
}

/* ---- wants ---------------------------------------------------------------------------------------------------------------------- */

static void raise_rank(struct row_store *rs, struct row_cell *x, enum read_rank rank)
{
    if (x->state == ROW_READING)
        reader_promote(rs->reader, &rs->read[x->read].request, rank);
    else if (x->state == ROW_QUEUED && rank < x->rank)
        x->rank = (uint8_t)rank;
}

/* Those that have a cell are pinned before any other row gets one. What was read early and failed, and nobody has taken, is read again. */
static void pin_hits(struct row_store *rs, int n, enum read_rank rank)
{
    uint8_t pins = rank == READ_AHEAD ? 2 : 1;
    for (int i = 0; i < n; i = row_order_next(rs->order, i, n)) {
        int32_t at = row_cache_find(&rs->cache, rs->order[i].row);
        if (at < 0)
            continue;
        struct row_cell *x = &rs->cache.cell[at];
        if (x->state == ROW_FAILED && x->fresh) {
            row_cache_drop(&rs->cache, at);
            continue;
        }
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
    for (int i = 0; i < n; i = row_order_next(rs->order, i, n)) {
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
        count(&rs->reads, !x->joins);
        count(&rs->bytes, x->joins ? bytes_from_drive(rs, first, row) - bytes_from_drive(rs, first, last)
                                   : bytes_from_drive(rs, row, row));
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
        row_order_sort(rs->order, rs->work, row + first, some, rs->source.n_row);
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
        next = row_order_next(rs->order, i, n);
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
        next = row_order_next(rs->order, i, n);
        if (at < 0)
            continue;
        const struct row_cell *x = &rs->cache.cell[at];
        while (x->state == ROW_QUEUED || x->state == ROW_READING)
            wait_for_one(rs);
        for (int k = i; k < next; k++)
            if (x->state == ROW_READY)
                give(rs, rs->order[k].at, row_cache_at(&rs->cache, at));
            else
                give_none(rs, rs->order[k].at, x->read);
    }
}

int rows_take(struct row_store *rs, const int32_t *row, int n, uint8_t *to, unsigned char *failed, struct error *err)
{
    uint64_t waited = rs->wait_ns;
    struct direct *d = &rs->direct;
    assert(n <= rs->n_want);
    row_order_sort(rs->order, rs->work, row, n, rs->source.n_row);
    *d = (struct direct){.entry = rs->work, .to = to, .failed = failed};
    begin_take(rs, n);
    submit(rs);
    take_cells(rs, n);
    while (d->next < d->n || d->out > 0)
        wait_for_one(rs);
    d->n = d->next = 0;
    count(&rs->takes, 1);
    count(&rs->late, rs->wait_ns != waited);
    if (d->n_failed > 0)
        explain(rs, row[d->first_failed], d->cause, err);
    return d->n_failed;
}

/* ---- the end of a step ------------------------------------------------------------------------------------------------------------ */

/* What waits for a read and is not for the next step waits no more. The others of a read remain one. */
static void drop_queued(struct row_store *rs)
{
    int32_t *link = &rs->queue_head, next;
    int begun = 0; /* a row of this read is left */
    for (int32_t at = rs->queue_head; at >= 0; at = next) {
        struct row_cell *x = &rs->cache.cell[at];
        next = x->next_in_queue;
        begun = begun && x->joins;
        if (x->pins == 1)
            continue;
        x->joins = (uint8_t)begun;
        begun = 1;
        *link = rs->queue_tail = at;
        link = &x->next_in_queue;
    }
    *link = -1;
}

/* Its read goes on without it. */
static void detach(struct row_store *rs, int32_t at)
{
    struct row_cell *cell = rs->cache.cell;
    struct row_read *r = &rs->read[cell[at].read];
    int32_t *link = &r->cell;
    while (*link != at)
        link = &cell[*link].next_in_queue;
    *link = cell[at].next_in_queue;
    r->n--;
}

void rows_step_end(struct row_store *rs)
{
    struct row_cache *c = &rs->cache;
    drop_queued(rs);
    for (int32_t at = c->pinned.oldest, next; at >= 0; at = next) {
        struct row_cell *x = &c->cell[at];
        next = x->newer;
        int leaves = x->state == ROW_FAILED || (x->fresh && x->pins == 1);
        if (leaves && x->state == ROW_READING)
            detach(rs, at);
        if (leaves)
            row_cache_drop(c, at);
        else if (x->pins > 1)
            x->pins--;
        else
            row_cache_unpin(c, at);
    }
    rs->n_cause = 0;
    rows_poll(rs);
}

/* ---- the end, statistics ---------------------------------------------------------------------------------------------------------- */

void row_store_destroy(struct row_store *rs, uint64_t until_ns)
{
    if (!rs)
        return;
    rs->queue_head = -1;
    for (rows_poll(rs); rs->n_busy > 0 && clock_ns() < until_ns; rows_poll(rs))
        nanosleep(&(struct timespec){0, 100000}, NULL);
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
