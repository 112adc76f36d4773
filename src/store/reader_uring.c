/* io_uring back end: one ring, one thread.
 *
 * Under DEFER_TASKRUN completions appear only when the owner enters the kernel; TASKRUN_FLAG tells from user space whether
 * entering is worth it, so an idle poll costs two loads. SINGLE_ISSUER binds the ring to the thread that made it: when another
 * thread takes over (nothing in flight then) the ring is made anew. No SQPOLL: it would burn a core.
 *
 * Where the ring cannot be made anew (no descriptor is free for a moment: the one of the old ring may be taken by another thread
 * at once), the owner reads by pread(), piece by piece, and tries again with the next pieces: slow, and a dead disk holds it, but no
 * answer fails for want of a descriptor.
 *
 * Buffered files (O_DIRECT refused) are read by the kernel's own workers (IOSQE_ASYNC): inline, the copy out of the page cache
 * would be made by the thread that computes. */
#include "base/file.h"
#include "store/reader_backend.h"

#include <errno.h>
#include <liburing.h>
#include <pthread.h>

struct uring {
    struct io_uring ring;
    int open, registered;
    pthread_t owner;
    unsigned entries;
    const int *fd;
    int n_fd;
    int out;                /* pieces with the kernel */
    struct piece *finished; /* pieces that were read without a ring */
};

_Static_assert(sizeof(struct uring) <= READER_URING_BYTES, "the plan counts READER_URING_BYTES");

/* The kinds of ring, best first: 6.1 and later, 5.19 and later, any. */
static const unsigned kinds[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
    0,
};

/* IORING_OP_READ came with 5.6, as did the probe. */
static int can_read(struct io_uring *ring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    int can = probe && io_uring_opcode_supported(probe, IORING_OP_READ);
    io_uring_free_probe(probe);
    return can;
}

static int make_ring(struct uring *u)
{
    int rc = -ENOSYS;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        rc = io_uring_queue_init(u->entries, &u->ring, kinds[i]);
        if (rc != -EINVAL)
            break;
    }
    if (rc < 0)
        return rc;
    u->open = 1;
    u->owner = pthread_self();
    u->registered = io_uring_register_files(&u->ring, u->fd, (unsigned)u->n_fd) == 0;
    return 0;
}

static void close_ring(struct uring *u)
{
    if (u->open)
        io_uring_queue_exit(&u->ring);
    u->open = 0;
}

static int uring_open(void **state, const struct backend_setup *s)
{
    struct uring *u = arena_alloc(s->mem, READER_URING_BYTES);
    if (!u)
        return -ENOMEM;
    /* a few entries more than the depth: pieces that never come back do not count for it */
    *u = (struct uring){.entries = (unsigned)(s->depth < 32 ? 32 : s->depth), .fd = s->fd, .n_fd = s->n_fd};
    int rc = make_ring(u);
    if (rc == 0 && !can_read(&u->ring)) {
        close_ring(u);
        rc = -ENOSYS;
    }
    *state = u;
    return rc;
}

/* Push what the ring holds into the kernel. What it does not take now (EAGAIN, EBUSY: short of memory or of completion entries)
 * stays in the ring for the next call. */
static void push(struct uring *u)
{
    while (io_uring_sq_ready(&u->ring) > 0) {
        int rc = io_uring_submit(&u->ring);
        if (rc <= 0 && rc != -EINTR)
            break;
    }
}

static void take_over(struct uring *u)
{
    if (u->out == 0 && (!u->open || !pthread_equal(u->owner, pthread_self()))) {
        close_ring(u);
        make_ring(u);
    }
}

static void prepare(struct uring *u, struct piece *p)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    if (!sqe) {
        push(u);
        sqe = io_uring_get_sqe(&u->ring);
    }
    if (!sqe)
        return; /* the kernel takes nothing at all: the request's timeout speaks */
    int fixed = p->direct && u->registered;
    io_uring_prep_read(sqe, fixed ? p->copy_index : p->fd, p->to, p->length, p->offset);
    io_uring_sqe_set_flags(sqe, (fixed ? IOSQE_FIXED_FILE : 0u) | (p->direct ? 0u : IOSQE_ASYNC));
    io_uring_sqe_set_data(sqe, p);
}

static void read_without_ring(struct uring *u, struct piece *const *p, int n)
{
    for (int i = 0; i < n; i++) {
        p[i]->result = backend_pread(p[i]->fd, p[i]->to, p[i]->length, p[i]->offset, p[i]->direct);
        p[i]->next = u->finished;
        u->finished = p[i];
    }
}

static int take_finished(struct uring *u, struct piece **out, int max)
{
    int n = 0;
    for (; n < max && u->finished; u->finished = u->finished->next)
        out[n++] = u->finished;
    return n;
}

static void uring_submit(void *state, struct piece *const *p, int n)
{
    struct uring *u = state;
    take_over(u);
    if (!u->open) {
        read_without_ring(u, p, n);
        return;
    }
    u->out += n;
    for (int i = 0; i < n; i++)
        prepare(u, p[i]);
    push(u);
}

static int take_completions(struct uring *u, struct piece **out, int max)
{
    int n = 0;
    unsigned head, seen = 0;
    struct io_uring_cqe *cqe;
    io_uring_for_each_cqe(&u->ring, head, cqe)
    {
        if (n == max)
            break;
        seen++;
        if (cqe->user_data == LIBURING_UDATA_TIMEOUT)
            continue;
        struct piece *p = io_uring_cqe_get_data(cqe);
        p->result = cqe->res;
        if (!p->direct && cqe->res > 0)
            file_drop_cache(p->fd, p->offset, (uint64_t)cqe->res);
        out[n++] = p;
    }
    io_uring_cq_advance(&u->ring, seen);
    u->out -= n;
    return n;
}

static int uring_reap(void *state, struct piece **out, int max, int64_t wait_ns)
{
    struct uring *u = state;
    int n = take_finished(u, out, max);
    if (n > 0 || !u->open)
        return n;
    if (io_uring_sq_ready(&u->ring) > 0)
        push(u);
    n = take_completions(u, out, max);
    if (n > 0)
        return n;
    if (wait_ns > 0) {
        struct __kernel_timespec t = {wait_ns / 1000000000, wait_ns % 1000000000};
        struct io_uring_cqe *cqe;
        io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &t, NULL);
        return take_completions(u, out, max);
    }
    if (IO_URING_READ_ONCE(*u->ring.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) {
        io_uring_get_events(&u->ring);
        n = take_completions(u, out, max);
    }
    return n;
}

static void uring_close(void *state) { close_ring(state); }

const struct reader_ops reader_uring = {"uring", uring_open, uring_submit, uring_reap, uring_close};
