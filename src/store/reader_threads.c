/* pread back end: a pool of threads around one bounded queue, for where io_uring is not allowed.
 *
 *     todo  [head, head + n)  copies of pieces that wait for a thread
 *     done  [head, head + n)  pieces with their result, for the owner
 *
 * A pread cannot be called back, and a dead disk holds it for ever. So nothing of the reader's memory is used by a thread
 * (but the destination): the queue is a block of its own that the last one out frees, and close() leaves a stuck thread alone. */
#include "base/file.h"
#include "store/reader_backend.h"

#include "base/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { STACK = 64 << 10 };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK_MORE = 1 << 20 };
#else
enum { STACK_MORE = 0 };
#endif

struct job {
    struct piece *piece; /* never looked into by a thread */
    int fd, direct, result;
    uint32_t length;
    uint64_t offset;
    uint8_t *to;
};

struct pread_pool {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work, finished;
    int stop, users; /* users: threads, and the owner */
    int capacity, todo_head, n_todo, done_head, n_done;
    struct job *todo, *done;
    struct job job[]; /* [2][capacity] */
};

struct threads {
    struct pread_pool *pool;
};

static void leave(struct pread_pool *p)
{
    pthread_mutex_lock(&p->lock);
    int last = --p->users == 0;
    pthread_mutex_unlock(&p->lock);
    if (!last)
        return;
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->finished);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

int backend_pread(int fd, uint8_t *to, uint32_t length, uint64_t offset, int direct)
{
    ssize_t got = pread(fd, to, length, (off_t)offset);
    int result = got < 0 ? -errno : (int)got;
    if (!direct && got > 0)
        file_drop_cache(fd, offset, (uint64_t)got);
    return result;
}

static void *serve(void *arg)
{
    struct pread_pool *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->n_todo == 0 && !p->stop)
            pthread_cond_wait(&p->work, &p->lock);
        if (p->stop)
            break;
        struct job j = p->todo[p->todo_head];
        p->todo_head = (p->todo_head + 1) % p->capacity;
        p->n_todo--;
        pthread_mutex_unlock(&p->lock);
        j.result = backend_pread(j.fd, j.to, j.length, j.offset, j.direct);
        pthread_mutex_lock(&p->lock);
        p->done[(p->done_head + p->n_done++) % p->capacity] = j;
        pthread_cond_signal(&p->finished);
    }
    pthread_mutex_unlock(&p->lock);
    leave(p);
    return NULL;
}

static struct pread_pool *make_pool(int capacity)
{
    struct pread_pool *p = malloc(sizeof *p + 2 * (size_t)capacity * sizeof *p->job);
    if (!p)
        return NULL;
    *p = (struct pread_pool){.users = 1, .capacity = capacity};
    p->todo = p->job;
    p->done = p->job + capacity;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->finished, &attr);
    pthread_condattr_destroy(&attr);
    return p;
}

/* As many of n threads as the system gives; one is enough. */
static int start_threads(struct pread_pool *p, int n)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK + STACK_MORE);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int made = 0, rc = 0;
    while (made < n && rc == 0) {
        pthread_t thread;
        pthread_mutex_lock(&p->lock);
        p->users++;
        pthread_mutex_unlock(&p->lock);
        rc = thread_create(&thread, &attr, serve, p);
        if (rc == 0)
            made++;
        else
            leave(p);
    }
    pthread_attr_destroy(&attr);
    return made > 0 ? 0 : -rc;
}

static int threads_open(void **state, const struct backend_setup *s)
{
    struct threads *t = arena_alloc(s->mem, READER_THREADS_BYTES);
    struct pread_pool *p = t ? make_pool(s->capacity) : NULL;
    if (!p)
        return -ENOMEM;
    *t = (struct threads){p};
    int rc = start_threads(p, s->depth);
    if (rc != 0)
        leave(p);
    *state = t;
    return rc;
}

static void threads_submit(void *state, struct piece *const *piece, int n)
{
    struct pread_pool *p = ((struct threads *)state)->pool;
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < n; i++) {
        const struct piece *q = piece[i];
        p->todo[(p->todo_head + p->n_todo++) % p->capacity] = (struct job){
            .piece = piece[i], .fd = q->fd, .direct = q->direct, .length = q->length, .offset = q->offset, .to = q->to};
    }
    if (n > 1)
        pthread_cond_broadcast(&p->work);
    else
        pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
}

static void wait_finished(struct pread_pool *p, int64_t wait_ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + wait_ns % 1000000000;
    until.tv_sec += wait_ns / 1000000000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    while (p->n_done == 0)
        if (pthread_cond_timedwait(&p->finished, &p->lock, &until) == ETIMEDOUT)
            break;
}

static int threads_reap(void *state, struct piece **out, int max, int64_t wait_ns)
{
    struct pread_pool *p = ((struct threads *)state)->pool;
    pthread_mutex_lock(&p->lock);
    if (p->n_done == 0 && wait_ns > 0)
        wait_finished(p, wait_ns);
    int n = 0;
    while (n < max && p->n_done > 0) {
        const struct job *j = &p->done[p->done_head];
        j->piece->result = j->result;
        out[n++] = j->piece;
        p->done_head = (p->done_head + 1) % p->capacity;
        p->n_done--;
    }
    pthread_mutex_unlock(&p->lock);
    return n;
}

static void threads_close(void *state)
{
    struct pread_pool *p = ((struct threads *)state)->pool;
    pthread_mutex_lock(&p->lock);
    p->stop = 1;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    leave(p);
}

const struct reader_ops reader_threads = {"threads", threads_open, threads_submit, threads_reap, threads_close};
