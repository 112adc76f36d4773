/* The reader: opening, submitting, completing, timeouts. See reader.h.
 *
 *     uncut[rank][drive]  ->  pieces out (with the back end)  ->  list->head, finished
 *                               |    ^
 *                               v    | due
 *                              held for another attempt, after a pause
 *
 * Requests of a smaller rank are cut and submitted first; within a rank drives take turns. A piece of a file with a mirror goes to the
 * copy whose drive would be done first, by its rate and the bytes that it has in flight; after EIO to the other copy.
 *
 * ages holds the unfinished requests in the order in which their first piece was submitted, so the timeout looks at one of them. A
 * request that is still uncut is late only when its drive has completed nothing for that long: a slow disk may need long for a
 * long queue. A failed request finishes at once; its pieces that are still at the device are "lost": they no longer count for the
 * depth, and the request is returned a second time when the last of them has completed.
 *
 * Completions: reader_pieces.c; files: reader_files.c; lists: reader_queue.h. */
#include "store/reader.h"

#include "base/clock.h"
#include "base/error.h"
#include "store/reader_inside.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { REAP = 64, CAPACITY = 1024 };
static const uint64_t close_wait_ns = 2000000000;

/* ---- options ---- */

static int n_threads(const struct reader_options *opt)
{
    int n = opt->depth > 0 ? opt->depth : 8;
    return n < READER_MAX_THREADS ? n : READER_MAX_THREADS;
}

static int ring_depth(const struct reader_options *opt)
{
    int n = opt->depth > 0 ? opt->depth : 1024;
    return n < READER_MAX_DEPTH ? n : READER_MAX_DEPTH;
}

static int n_pieces(const struct reader_options *opt)
{
    int n = ring_depth(opt);
    return n > CAPACITY ? n : CAPACITY;
}

/* The reader and its pieces, from mem: *r gets their addresses. Returns where *r is to live; NULL: mem is too small. Writes nothing
 * behind the addresses, so mem may be a measuring arena. */
static struct reader *allocate(struct reader *r, const struct reader_options *opt, struct arena *mem)
{
    struct reader *at = arena_alloc(mem, sizeof *at);
    r->capacity = n_pieces(opt);
    r->piece = arena_array(mem, (size_t)r->capacity, sizeof *r->piece);
    r->batch = arena_array(mem, (size_t)r->capacity, sizeof *r->batch);
    return r->piece && r->batch ? at : NULL;
}

/* What reader_open() allocates: allocate(), the tables of files, and the states of both back ends, since the second is tried after the
 * first. */
uint64_t reader_bytes(const struct reader_options *opt)
{
    struct reader r;
    struct arena measure;
    arena_init_measuring(&measure);
    allocate(&r, opt, &measure);
    arena_alloc(&measure, READER_URING_BYTES);
    arena_alloc(&measure, READER_THREADS_BYTES);
    return arena_measured(&measure) + reader_files_bytes(opt);
}

/* ---- opening ---- */

static int try_ops(struct reader *r, const struct reader_ops *ops, int depth, struct arena *mem)
{
    struct backend_setup setup = {.depth = depth,
                                  .capacity = r->capacity,
                                  .fd = r->files.direct,
                                  .n_fd = r->files.n * r->files.n_copy,
                                  .mem = mem};
    int rc = ops->open(&r->state, &setup);
    if (rc == 0) {
        r->ops = ops;
        r->seen = depth;
        r->depth = ops == &reader_threads ? r->capacity : depth; /* the pool queues what its threads cannot take yet */
    }
    return rc;
}

static int choose_ops(struct reader *r, const struct reader_options *opt, struct arena *mem, struct error *err)
{
    int rc = -ENOSYS;
    if (opt->ops)
        return try_ops(r, opt->ops, ring_depth(opt), mem) == 0
                   ? 0
                   : error_set(err, ERR_BUG, "the test's reader does not open");
    if (opt->backend == READER_AUTO || opt->backend == READER_URING)
        rc = try_ops(r, &reader_uring, ring_depth(opt), mem);
    if (rc != 0 && opt->backend == READER_URING)
        return error_set(err, ERR_UNSUPPORTED, "io_uring does not work here: %s; try --reader threads", strerror(-rc));
    if (rc != 0)
        rc = try_ops(r, &reader_threads, n_threads(opt), mem);
    if (rc != 0)
        return error_set(err, ERR_MEMORY, "starting the reader's threads failed: %s", strerror(-rc));
    return 0;
}

int reader_open(struct reader **out, const struct gguf_file *file, int n_file, const struct reader_options *opt,
                struct arena *mem, struct error *err)
{
    struct reader made = {.align = reader_align_of(file, n_file)}, *r = allocate(&made, opt, mem);
    if (!r)
        return error_set(err, ERR_BUG, "the plan gave the reader less than its %llu bytes",
                         (unsigned long long)reader_bytes(opt));
    *r = made;
    r->timeout_ns = (uint64_t)((opt->timeout_seconds > 0 ? opt->timeout_seconds : 120.0) * 1e9);
    for (int i = r->capacity - 1; i >= 0; i--) {
        r->piece[i] = (struct piece){.next = r->free};
        r->free = &r->piece[i];
    }
    if (reader_files_open(&r->files, file, n_file, opt, mem, err) != 0)
        return -1;
    if (choose_ops(r, opt, mem, err) != 0) {
        reader_files_close(&r->files);
        return -1;
    }
    *out = r;
    return 0;
}

uint32_t reader_align(const struct reader *r) { return r->align; }

const char *reader_backend_name(const struct reader *r)
{
    return reader_files_any_direct(&r->files) ? r->ops->name : "buffered";
}

/* ---- submitting ---- */

static struct piece *cut(struct reader *r, struct read_request *q, uint64_t now)
{
    struct piece *p = r->free;
    r->free = p->next;
    if (q->cut == 0)
        ages_append(&r->ages, q, now);
    uint64_t begin = range_begin(r, q), left = range_length(r, q) - q->cut, end = q->offset + q->length;
    uint64_t length = left < READER_PIECE ? left : READER_PIECE;
    *p = (struct piece){.copy_index = q->file,
                        .offset = begin + q->cut,
                        .length = (uint32_t)length,
                        .to = q->to + q->cut,
                        .request = q};
    p->need = p->offset + length < end ? p->offset + length : end;
    if (length == left)
        forget_uncut(r, q);
    q->cut += length;
    return p;
}

/* Seconds until a drive would be done with one piece more. */
static double done_after(const struct reader *r, int drive)
{
    return (double)(r->drive[drive].bytes_out + READER_PIECE) / r->files.rate[drive];
}

static int better_copy(const struct reader *r, int a, int b)
{
    int x = r->files.drive[a], y = r->files.drive[b];
    double dx = done_after(r, x), dy = done_after(r, y);
    return dx < dy || (dx == dy && r->drive[x].given < r->drive[y].given);
}

/* Which copy of its file a request can be read from now; -1: the windows of all are full. */
static int choose_copy(const struct reader *r, const struct read_request *q)
{
    int best = -1;
    for (int copy = 0; copy < r->files.n_copy; copy++) {
        int copy_index = copy * r->files.n + q->file;
        const struct drive *d = &r->drive[r->files.drive[copy_index]];
        if (d->bytes_out >= (q->rank == READ_NOW ? READER_WINDOW_NOW : READER_WINDOW))
            continue;
        if (best < 0 || better_copy(r, copy_index, best))
            best = copy_index;
    }
    return best;
}

static struct piece *next_uncut(struct reader *r, uint64_t now)
{
    int n = r->files.n_drive;
    if (r->n_uncut == 0 || !r->free)
        return NULL;
    for (int rank = 0; rank < READ_RANKS; rank++)
        for (int i = 0; i < n; i++) {
            int drive = (r->next_drive + i) % n;
            struct read_request *q = r->uncut[rank][drive].head;
            int copy_index = q ? choose_copy(r, q) : -1;
            if (copy_index < 0)
                continue;
            r->next_drive = (drive + 1) % n;
            struct piece *p = cut(r, q, now);
            p->copy_index = copy_index;
            return p;
        }
    return NULL;
}

static void count_depth(struct reader *r, uint64_t now, int out)
{
    if (r->out > 0) {
        int seen = r->out < r->seen ? r->out : r->seen;
        count(&r->busy_ns, now - r->changed_ns);
        count(&r->depth_ns, (now - r->changed_ns) * (uint64_t)seen);
    }
    r->changed_ns = now;
    r->out = out;
}

static void top_up(struct reader *r)
{
    if (r->n_uncut == 0 && !r->held)
        return;
    uint64_t now = clock_ns();
    int n = 0;
    struct piece *p;
    while (r->out - r->lost + n < r->depth && ((p = reader_next_held(r, now)) || (p = next_uncut(r, now)))) {
        struct drive *d = &r->drive[r->files.drive[p->copy_index]];
        p->direct = r->files.direct[p->copy_index] >= 0;
        p->fd = p->direct ? r->files.direct[p->copy_index] : r->files.buffered[p->copy_index];
        p->request->pieces_out++;
        d->bytes_out += p->length;
        d->given += (double)p->length / r->files.rate[r->files.drive[p->copy_index]];
        r->batch[n++] = p;
    }
    if (n == 0)
        return;
    count_depth(r, now, r->out + n);
    count(&r->pieces, (uint64_t)n);
    r->ops->submit(r->state, r->batch, n);
}

void reader_submit(struct reader *r, struct read_list *list, struct read_request *const *req, int n)
{
    uint64_t now = clock_ns();
    for (int i = 0; i < n; i++) {
        struct read_request *q = req[i];
        assert(q->length > 0 && q->file >= 0 && q->file < r->files.n && (uintptr_t)q->to % r->align == 0);
        q->state = READ_PENDING;
        q->cut = 0;
        q->draining = q->finished = q->pieces_out = q->pieces_held = 0;
        q->started_ns = now;
        q->list = list;
        queue_append(queue_of(r, q), q);
    }
    r->n_uncut += n;
    list->active += n;
    count(&r->requests, (uint64_t)n);
    top_up(r);
}

void reader_promote(struct reader *r, struct read_request *q, enum read_rank rank)
{
    if (q->state != READ_PENDING || rank >= q->rank)
        return;
    int waits = q->cut < range_length(r, q);
    if (waits)
        queue_remove(queue_of(r, q), q);
    q->rank = rank;
    if (waits)
        queue_append(queue_of(r, q), q);
}

int reader_withdraw(struct reader *r, struct read_request *q)
{
    if (q->state != READ_PENDING || q->cut > 0)
        return 0;
    reader_give_up(r, q);
    q->list = NULL;
    return 1;
}

/* ---- completing ---- */

/* Take all completed pieces from the back end: expire() counts those that were not taken as late. */
static void collect(struct reader *r, uint64_t wait_ns)
{
    struct piece *done[REAP];
    for (int n; r->out > 0 && (n = r->ops->reap(r->state, done, REAP, (int64_t)wait_ns)) > 0; wait_ns = 0) {
        uint64_t now = clock_ns();
        count_depth(r, now, r->out - n);
        for (int i = 0; i < n; i++)
            reader_on_completion(r, done[i], now);
    }
}

/* When the request that has waited longest for a drive in this rank is late. */
static uint64_t uncut_until(const struct reader *r, int rank, int drive)
{
    const struct read_request *q = r->uncut[rank][drive].head;
    uint64_t last = r->drive[drive].completion_ns;
    return q ? (q->started_ns > last ? q->started_ns : last) + r->timeout_ns : UINT64_MAX;
}

static void expire(struct reader *r)
{
    uint64_t now = clock_ns();
    while (r->ages.oldest && now > r->ages.oldest->started_ns + r->timeout_ns)
        reader_fail(r, r->ages.oldest, r->ages.oldest->file, FAIL_TIMEOUT, 0);
    for (int rank = 0; rank < READ_RANKS && r->n_uncut > 0; rank++)
        for (int d = 0; d < r->files.n_drive; d++)
            while (now > uncut_until(r, rank, d))
                reader_fail(r, r->uncut[rank][d].head, r->uncut[rank][d].head->file, FAIL_TIMEOUT, 0);
}

void reader_poll(struct reader *r)
{
    if (r->out == 0 && !r->ages.oldest && r->n_uncut == 0)
        return;
    collect(r, 0);
    top_up(r);
    expire(r);
}

/* Nanoseconds until something is to be done even if nothing completes: a request is late, or a held piece is due. */
static uint64_t wait_time(const struct reader *r)
{
    uint64_t until = UINT64_MAX, now = clock_ns();
    if (r->ages.oldest)
        until = r->ages.oldest->started_ns + r->timeout_ns + 1;
    for (int rank = 0; rank < READ_RANKS && r->n_uncut > 0; rank++)
        for (int d = 0; d < r->files.n_drive; d++)
            if (uncut_until(r, rank, d) < until)
                until = uncut_until(r, rank, d) + 1;
    if (r->out - r->lost < r->depth)
        for (const struct piece *p = r->held; p; p = p->next)
            if (p->due_ns < until)
                until = p->due_ns;
    return until > now ? until - now : 1;
}

static void wait_for_something(struct reader *r)
{
    uint64_t ns = wait_time(r);
    if (r->out > 0) {
        collect(r, ns);
    } else {
        struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
        nanosleep(&t, NULL);
    }
}

struct read_request *reader_reap(struct reader *r, struct read_list *list, int wait)
{
    reader_poll(r);
    while (!list->head && wait && list->active > 0) {
        wait_for_something(r);
        reader_poll(r);
    }
    struct read_request *q = list->head;
    if (q)
        finished_remove(q);
    return q;
}

void reader_abandon(struct reader *r, struct read_request *q)
{
    if (q->state == READ_PENDING)
        reader_give_up(r, q);
    if (q->finished)
        finished_remove(q);
    for (int i = 0; i < r->capacity; i++)
        if (r->piece[i].request == q)
            r->piece[i].request = NULL;
}

int reader_close(struct reader *r)
{
    uint64_t until = clock_ns() + close_wait_ns;
    while (r->out > r->lost && clock_ns() < until)
        collect(r, 10000000);
    int left = r->out;
    r->ops->close(r->state);
    reader_files_close(&r->files);
    return left;
}

/* ---- errors and statistics ---- */

int reader_error(const struct reader *r, const struct read_request *q, struct error *err)
{
    char why[160], of[32] = "";
    if (q->cause == FAIL_TIMEOUT)
        snprintf(why, sizeof why, "not answered for %g s", (double)r->timeout_ns * 1e-9);
    else if (q->cause == FAIL_SHRUNK)
        snprintf(why, sizeof why, "the file has shrunk from %llu to %llu bytes while in use",
                 (unsigned long long)reader_file(&r->files, q->failed_copy)->size, (unsigned long long)q->found_size);
    else if (q->cause == FAIL_SHORT)
        snprintf(why, sizeof why, "the device gives fewer bytes than asked for");
    else
        snprintf(why, sizeof why, "%s", strerror(q->failed_errno));
    if (q->unit)
        snprintf(of, sizeof of, ", %s %d", q->unit, q->id);
    return error_set(err, ERR_IO, "%s: reading %llu bytes at %llu failed: %s (%s%s)",
                     reader_file_name(&r->files, q->failed_copy), (unsigned long long)q->length,
                     (unsigned long long)q->offset, why, q->what, of);
}

void reader_stats(const struct reader *r, struct reader_stats *out)
{
    *out = (struct reader_stats){.requests = r->requests,
                                 .pieces = r->pieces,
                                 .bytes = r->bytes,
                                 .retries = r->retries,
                                 .shorts = r->shorts,
                                 .busy_seconds = (double)r->busy_ns * 1e-9,
                                 .piece_seconds = (double)r->depth_ns * 1e-9,
                                 .n_drive = r->files.n_drive};
    for (int d = 0; d < r->files.n_drive; d++)
        out->drive_bytes[d] = r->drive_bytes[d];
}

int reader_check_files(struct reader *r, struct error *err) { return reader_files_check(&r->files, err); }
