/* Requests into pieces, pieces into requests: see reader.h.
 *
 *     uncut  ->  pieces out (with the back end)  ->  list->head, finished
 *                  |    ^
 *                  v    | due
 *                 held: another attempt, after a pause
 *
 * oldest/newest chain the unfinished requests in the order in which their first piece went out, so the timeout looks at one. What
 * still waits in uncut is late only when nothing at all has come home for that long: a slow disk may take its time for a long
 * queue. A failed request is finished at once; its pieces that are still out are "lost": they no longer count for the depth, and the request comes back
 * a second time when the last of them is home. Files: reader_files.c. */
#include "store/reader.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/error.h"
#include "store/reader_backend.h"
#include "store/reader_files.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MAX_TRIES = 3, REAP = 64, EAGAIN_AT_ONCE = 16, CAPACITY = 1024 };
static const uint64_t pause_ns[MAX_TRIES] = {0, 10000000, 100000000}; /* before attempt 2 and 3 */
static const uint64_t eagain_pause_ns = 1000000, close_wait_ns = 2000000000;

struct reader {
    const struct reader_ops *ops;
    void *state;
    struct reader_files files;
    uint32_t align;
    int seen, depth, capacity; /* pieces that the device sees at once; that may be out; that there are */
    uint64_t timeout_ns;
    struct read_request *uncut, *uncut_last, *oldest, *newest;
    struct piece *piece, *free, *held;
    struct piece **batch; /* [capacity] */
    int out, lost;        /* with the back end; of these, of requests that were given up */
    uint64_t home_ns;     /* when a piece last came home */
    uint64_t changed_ns;  /* when out last changed */
    /* written by the owner, read by any thread */
    _Atomic uint64_t requests, pieces, bytes, retries, shorts, busy_ns, depth_ns;
};

static void count(_Atomic uint64_t *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

/* Options */

static int threads_wanted(const struct reader_options *opt)
{
    int n = opt->depth > 0 ? opt->depth : 8;
    return n < READER_MAX_THREADS ? n : READER_MAX_THREADS;
}

static int ring_wanted(const struct reader_options *opt)
{
    int n = opt->depth > 0 ? opt->depth : 1024;
    return n < READER_MAX_DEPTH ? n : READER_MAX_DEPTH;
}

static int pieces_wanted(const struct reader_options *opt)
{
    int n = ring_wanted(opt);
    return n > CAPACITY ? n : CAPACITY;
}

uint64_t reader_bytes(const struct reader_options *opt)
{
    uint64_t n = (uint64_t)pieces_wanted(opt);
    return round_up(sizeof(struct reader), 64) + round_up(n * sizeof(struct piece), 64) +
           round_up(n * sizeof(struct piece *), 64) + reader_files_bytes() + READER_URING_BYTES + READER_THREADS_BYTES +
           64;
}

/* Opening */

static int try_ops(struct reader *r, const struct reader_ops *ops, int depth, struct arena *mem)
{
    struct backend_setup setup = {
        .depth = depth, .capacity = r->capacity, .fd = r->files.direct, .n_fd = r->files.n, .mem = mem};
    int rc = ops->open(&r->state, &setup);
    if (rc == 0) {
        r->ops = ops;
        r->seen = depth;
        r->depth = ops == &reader_threads ? r->capacity : depth; /* the pool has a queue of its own */
    }
    return rc;
}

static int choose_ops(struct reader *r, const struct reader_options *opt, struct arena *mem, struct error *err)
{
    int rc = -ENOSYS;
    if (opt->ops)
        return try_ops(r, opt->ops, ring_wanted(opt), mem) == 0
                   ? 0
                   : error_set(err, ERR_BUG, "the test's reader does not open");
    if (opt->backend == READER_AUTO || opt->backend == READER_URING)
        rc = try_ops(r, &reader_uring, ring_wanted(opt), mem);
    if (rc != 0 && opt->backend == READER_URING)
        return error_set(err, ERR_UNSUPPORTED, "io_uring does not work here: %s; try --reader threads", strerror(-rc));
    if (rc != 0)
        rc = try_ops(r, &reader_threads, threads_wanted(opt), mem);
    if (rc != 0)
        return error_set(err, ERR_MEMORY, "starting the reader's threads failed: %s", strerror(-rc));
    return 0;
}

int reader_open(struct reader **out, const struct gguf_file *file, int n_file, const struct reader_options *opt,
                struct arena *mem, struct error *err)
{
    struct reader *r = arena_alloc(mem, sizeof *r);
    int n = pieces_wanted(opt);
    struct piece *piece = arena_array(mem, (size_t)n, sizeof *piece);
    struct piece **batch = arena_array(mem, (size_t)n, sizeof *batch);
    if (!r || !piece || !batch)
        return error_set(err, ERR_BUG, "the plan gave the reader less than its %llu bytes",
                         (unsigned long long)reader_bytes(opt));
    *r = (struct reader){.capacity = n, .piece = piece, .batch = batch, .align = reader_align_of(file, n_file)};
    r->timeout_ns = (uint64_t)((opt->timeout_seconds > 0 ? opt->timeout_seconds : 120.0) * 1e9);
    for (int i = n - 1; i >= 0; i--) {
        piece[i] = (struct piece){.next = r->free};
        r->free = &piece[i];
    }
    if (reader_files_open(&r->files, file, n_file, opt->backend == READER_BUFFERED, mem, err) != 0)
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

/* Lists of requests */

static void forget_uncut(struct reader *r, struct read_request *q)
{
    struct read_request *before = NULL;
    for (struct read_request *x = r->uncut; x; before = x, x = x->next) {
        if (x != q)
            continue;
        if (before)
            before->next = q->next;
        else
            r->uncut = q->next;
        if (r->uncut_last == q)
            r->uncut_last = before;
        return;
    }
}

static void start_age(struct reader *r, struct read_request *q, uint64_t now)
{
    q->started_ns = now;
    q->newer = NULL;
    q->older = r->newest;
    if (r->newest)
        r->newest->newer = q;
    else
        r->oldest = q;
    r->newest = q;
}

static void forget_age(struct reader *r, struct read_request *q)
{
    if (q->older)
        q->older->newer = q->newer;
    else
        r->oldest = q->newer;
    if (q->newer)
        q->newer->older = q->older;
    else
        r->newest = q->older;
}

static void put_finished(struct read_request *q)
{
    if (q->finished)
        return;
    q->finished = 1;
    q->next = NULL;
    if (q->list->tail)
        q->list->tail->next = q;
    else
        q->list->head = q;
    q->list->tail = q;
}

static void drop_finished(struct read_request *q)
{
    struct read_request *before = NULL;
    for (struct read_request *x = q->list->head; x != q; x = x->next)
        before = x;
    if (before)
        before->next = q->next;
    else
        q->list->head = q->next;
    if (q->list->tail == q)
        q->list->tail = before;
    q->finished = 0;
}

/* Pieces and their ends */

static void free_piece(struct reader *r, struct piece *p)
{
    p->request = NULL;
    p->next = r->free;
    r->free = p;
}

static void hold(struct reader *r, struct piece *p, uint64_t pause)
{
    p->due_ns = pause ? clock_ns() + pause : 0;
    p->next = r->held;
    r->held = p;
    p->request->pieces_held++;
}

static void drop_held(struct reader *r, struct read_request *q)
{
    for (struct piece **at = &r->held; *at && q->pieces_held > 0;) {
        struct piece *p = *at;
        if (p->request != q) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        q->pieces_held--;
        free_piece(r, p);
    }
}

static uint64_t range_begin(const struct reader *r, const struct read_request *q)
{
    return round_down(q->offset, r->align);
}

static uint64_t range_length(const struct reader *r, const struct read_request *q)
{
    return round_up(q->offset + q->length, r->align) - range_begin(r, q);
}

/* Out of every queue but that of pieces at the device. */
static void withdraw(struct reader *r, struct read_request *q)
{
    if (q->cut > 0)
        forget_age(r, q);
    if (q->cut < range_length(r, q))
        forget_uncut(r, q);
    drop_held(r, q);
    q->list->active--;
    r->lost += q->pieces_out;
}

static void fail(struct reader *r, struct read_request *q, int cause, int number)
{
    withdraw(r, q);
    q->state = READ_FAILED;
    q->cause = cause;
    q->failed_errno = number;
    q->draining = q->pieces_out > 0;
    put_finished(q);
}

static void finish_if_whole(struct reader *r, struct read_request *q)
{
    if (q->pieces_out > 0 || q->pieces_held > 0 || q->cut < range_length(r, q))
        return;
    forget_age(r, q);
    q->list->active--;
    q->state = READ_DONE;
    put_finished(q);
}

static void piece_done(struct reader *r, struct piece *p)
{
    struct read_request *q = p->request;
    free_piece(r, p);
    finish_if_whole(r, q);
}

/* Once more after a pause, unless the attempts are used up. */
static void try_again(struct reader *r, struct piece *p, int cause, int number)
{
    struct read_request *q = p->request;
    if (++p->tries >= MAX_TRIES) {
        free_piece(r, p);
        fail(r, q, cause, number);
        return;
    }
    count(&r->retries, 1);
    hold(r, p, pause_ns[p->tries]);
}

/* Fewer bytes than wanted: the end of a file that has shrunk, or a device that gives them in portions. Go on from the last
 * aligned boundary; a portion without one counts as a failed attempt. */
static void short_read(struct reader *r, struct piece *p)
{
    struct read_request *q = p->request;
    count(&r->shorts, 1);
    uint64_t size;
    if (reader_file_size(&r->files, q->file, &size) == 0 && size < q->offset + q->length) {
        q->found_size = size;
        free_piece(r, p);
        fail(r, q, FAIL_SHRUNK, 0);
        return;
    }
    uint32_t whole = (uint32_t)round_down((uint64_t)p->result, r->align);
    if (whole == 0) {
        try_again(r, p, FAIL_SHORT, 0);
        return;
    }
    p->offset += whole;
    p->to += whole;
    p->length -= whole;
    p->tries = 0;
    hold(r, p, 0);
}

static void read_error(struct reader *r, struct piece *p)
{
    struct read_request *q = p->request;
    int number = -p->result;
    int again = number == EAGAIN || number == EINTR;
    if (again) {
        count(&r->retries, 1);
        hold(r, p, ++p->busy > EAGAIN_AT_ONCE ? eagain_pause_ns : 0);
    } else if ((number == EINVAL || number == EOPNOTSUPP) && p->direct) {
        reader_files_refuse_direct(&r->files, q->file);
        count(&r->retries, 1);
        hold(r, p, 0);
    } else if (number == EIO) {
        try_again(r, p, FAIL_ERRNO, EIO);
    } else {
        free_piece(r, p);
        fail(r, q, FAIL_ERRNO, number);
    }
}

/* A piece of a request that was given up. */
static void lost_piece_home(struct reader *r, struct piece *p)
{
    struct read_request *q = p->request;
    r->lost--;
    free_piece(r, p);
    if (q && q->pieces_out == 0) {
        q->draining = 0;
        put_finished(q);
    }
}

static void piece_home(struct reader *r, struct piece *p)
{
    struct read_request *q = p->request;
    if (p->result > 0)
        count(&r->bytes, (uint64_t)p->result);
    if (q)
        q->pieces_out--;
    if (!q || q->state == READ_FAILED)
        lost_piece_home(r, p);
    else if (p->result < 0)
        read_error(r, p);
    else if (p->offset + (uint32_t)p->result >= p->need)
        piece_done(r, p);
    else
        short_read(r, p);
}

/* Submitting */

static struct piece *next_held(struct reader *r, uint64_t now)
{
    for (struct piece **at = &r->held; *at; at = &(*at)->next) {
        struct piece *p = *at;
        if (p->due_ns > now)
            continue;
        *at = p->next;
        p->request->pieces_held--;
        return p;
    }
    return NULL;
}

static struct piece *cut(struct reader *r, uint64_t now)
{
    struct read_request *q = r->uncut;
    struct piece *p = r->free;
    if (!q || !p)
        return NULL;
    r->free = p->next;
    if (q->cut == 0)
        start_age(r, q, now);
    uint64_t begin = range_begin(r, q), left = range_length(r, q) - q->cut, end = q->offset + q->length;
    uint64_t length = left < READER_PIECE ? left : READER_PIECE;
    *p = (struct piece){
        .file = q->file, .offset = begin + q->cut, .length = (uint32_t)length, .to = q->to + q->cut, .request = q};
    p->need = p->offset + length < end ? p->offset + length : end;
    q->cut += length;
    if (length == left) {
        r->uncut = q->next;
        if (!r->uncut)
            r->uncut_last = NULL;
    }
    return p;
}

static void book_depth(struct reader *r, uint64_t now, int out)
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
    if (!r->uncut && !r->held)
        return;
    uint64_t now = clock_ns();
    int n = 0;
    struct piece *p;
    while (r->out - r->lost + n < r->depth && ((p = next_held(r, now)) || (p = cut(r, now)))) {
        p->direct = r->files.direct[p->file] >= 0;
        p->fd = p->direct ? r->files.direct[p->file] : r->files.buffered[p->file];
        p->request->pieces_out++;
        r->batch[n++] = p;
    }
    if (n == 0)
        return;
    book_depth(r, now, r->out + n);
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
        q->next = NULL;
        if (r->uncut_last)
            r->uncut_last->next = q;
        else
            r->uncut = q;
        r->uncut_last = q;
    }
    list->active += n;
    count(&r->requests, (uint64_t)n);
    top_up(r);
}

/* Reaping */

static void collect(struct reader *r, uint64_t wait_ns)
{
    struct piece *home[REAP];
    int n;
    do {
        n = r->out > 0 ? r->ops->reap(r->state, home, REAP, (int64_t)wait_ns) : 0;
        wait_ns = 0;
        if (n == 0)
            return;
        r->home_ns = clock_ns();
        book_depth(r, r->home_ns, r->out - n);
        for (int i = 0; i < n; i++)
            piece_home(r, home[i]);
    } while (n == REAP);
}

/* The last moment for the request that waits longest to be sent. */
static uint64_t uncut_until(const struct reader *r)
{
    uint64_t since = r->uncut->started_ns > r->home_ns ? r->uncut->started_ns : r->home_ns;
    return since + r->timeout_ns;
}

static void expire(struct reader *r)
{
    uint64_t now = clock_ns();
    while (r->oldest && now > r->oldest->started_ns + r->timeout_ns)
        fail(r, r->oldest, FAIL_TIMEOUT, 0);
    while (r->uncut && now > uncut_until(r))
        fail(r, r->uncut, FAIL_TIMEOUT, 0);
}

void reader_poll(struct reader *r)
{
    if (r->out == 0 && !r->oldest && !r->uncut)
        return;
    collect(r, 0);
    top_up(r);
    expire(r);
}

/* Until the next thing that happens without a completion: a request is too old, or a held piece is due. */
static uint64_t wait_time(const struct reader *r)
{
    uint64_t until = UINT64_MAX, now = clock_ns();
    if (r->oldest)
        until = r->oldest->started_ns + r->timeout_ns + 1;
    if (r->uncut && uncut_until(r) + 1 < until)
        until = uncut_until(r) + 1;
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
        drop_finished(q);
    return q;
}

void reader_abandon(struct reader *r, struct read_request *q)
{
    if (q->state == READ_PENDING)
        withdraw(r, q);
    if (q->finished)
        drop_finished(q);
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

/* Telling */

int reader_error(const struct reader *r, const struct read_request *q, struct error *err)
{
    char why[160], of[32] = "";
    if (q->cause == FAIL_TIMEOUT)
        snprintf(why, sizeof why, "not answered for %g s", (double)r->timeout_ns * 1e-9);
    else if (q->cause == FAIL_SHRUNK)
        snprintf(why, sizeof why, "the file has shrunk from %llu to %llu bytes while in use",
                 (unsigned long long)r->files.file[q->file].size, (unsigned long long)q->found_size);
    else if (q->cause == FAIL_SHORT)
        snprintf(why, sizeof why, "the device gives fewer bytes than asked for");
    else
        snprintf(why, sizeof why, "%s", strerror(q->failed_errno));
    if (q->unit)
        snprintf(of, sizeof of, ", %s %d", q->unit, q->id);
    return error_set(err, ERR_IO, "%s: reading %llu bytes at %llu failed: %s (%s%s)",
                     reader_file_name(&r->files, q->file), (unsigned long long)q->length, (unsigned long long)q->offset,
                     why, q->what, of);
}

void reader_stats(const struct reader *r, struct reader_stats *out)
{
    double busy = (double)r->busy_ns, depth = (double)r->depth_ns;
    *out = (struct reader_stats){.requests = r->requests,
                                 .pieces = r->pieces,
                                 .bytes = r->bytes,
                                 .retries = r->retries,
                                 .shorts = r->shorts,
                                 .busy_seconds = busy * 1e-9,
                                 .depth_mean = busy > 0 ? depth / busy : 0};
}

int reader_check_files(struct reader *r, struct error *err) { return reader_files_check(&r->files, err); }
