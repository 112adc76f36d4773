/* See ahead.h. The reader owns a buffer until it is full, the caller from then until the next call. */
#include "base/io/ahead.h"

#include "base/checked.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HUGE_PAGE = 2 << 20 };

struct ahead {
    struct ahead_range range;
    int direct; /* the file once more, to be read past the page cache; -1: it is read through it */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint8_t *memory, *buffer[AHEAD_BUFFERS];
    size_t n[AHEAD_BUFFERS]; /* bytes of its piece */
    int is_last[AHEAD_BUFFERS];
    unsigned n_read, n_given; /* pieces so far */
    int is_held, is_over;     /* the caller works on piece n_given; it has had the last one */
    int failure, stop;        /* failure: errno of the reader */
};

/* The drive may read these already, up to the end. */
static void will_need(const struct ahead *a, uint64_t at, uint64_t n, uint64_t end)
{
    if (a->direct < 0 && at < end)
        posix_fadvise(a->range.fd, (off_t)at, (off_t)(end - at < n ? end - at : n), POSIX_FADV_WILLNEED);
}

/* What pread() gives, n at most. Past the page cache whole pages are read; where that cannot be, as behind a short read, the rest is read
 * through it. */
static ssize_t read_at(struct ahead *a, uint8_t *to, size_t n, uint64_t at)
{
    if (a->direct >= 0) {
        ssize_t got = pread(a->direct, to, round_up(n, AHEAD_PAGE), (off_t)at);
        if (got >= 0 || errno != EINVAL)
            return got > (ssize_t)n ? (ssize_t)n : got;
        close(a->direct);
        a->direct = -1;
    }
    return pread(a->range.fd, to, n, (off_t)at);
}

static size_t piece_of(const struct ahead *a, const struct ahead_span *left)
{
    const uint64_t n = left->end - left->from;
    return n < a->range.piece ? (size_t)n : a->range.piece;
}

/* Bytes of a whole piece, or up to the end of the span or the file; -1. */
static ssize_t read_piece(struct ahead *a, uint8_t *to, const struct ahead_span *left)
{
    const struct ahead_range *r = &a->range;
    const uint64_t at = left->from;
    const size_t most = piece_of(a, left);
    size_t n = 0;
    will_need(a, at + AHEAD_DRIVE, r->piece, left->end);
    while (n < most) {
        ssize_t got = read_at(a, to + n, most - n, at + n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    if (r->is_large && a->direct < 0)
        posix_fadvise(r->fd, (off_t)at, (off_t)n, POSIX_FADV_DONTNEED);
    return (ssize_t)n;
}

/* What is left behind n bytes of it, or the next span. 1: nothing is, or the file has ended. */
static int advance(const struct ahead *a, struct ahead_span *left, size_t *next, ssize_t n)
{
    if (n < (ssize_t)piece_of(a, left))
        return 1;
    left->from += (uint64_t)n;
    if (left->from < left->end)
        return 0;
    if (*next == a->range.n_more)
        return 1;
    *left = a->range.more[(*next)++];
    will_need(a, left->from, AHEAD_DRIVE, left->end);
    return 0;
}

static void *reader(void *arg)
{
    struct ahead *a = arg;
    const struct ahead_range *r = &a->range;
    struct ahead_span left = {r->from, r->end};
    size_t next = 0; /* of r->more */
    will_need(a, left.from, AHEAD_DRIVE, left.end);
    for (int is_last = 0; !is_last;) {
        pthread_mutex_lock(&a->lock);
        while (a->n_read - a->n_given >= AHEAD_BUFFERS && !a->stop)
            pthread_cond_wait(&a->changed, &a->lock);
        int stop = a->stop;
        unsigned i = a->n_read % AHEAD_BUFFERS;
        pthread_mutex_unlock(&a->lock);
        if (stop)
            break;
        ssize_t n = read_piece(a, a->buffer[i] + r->room, &left);
        const int number = errno;
        is_last = advance(a, &left, &next, n);
        pthread_mutex_lock(&a->lock);
        if (n < 0)
            a->failure = number;
        a->n[i] = n < 0 ? 0 : (size_t)n;
        a->is_last[i] = is_last;
        a->n_read++;
        pthread_cond_broadcast(&a->changed);
        pthread_mutex_unlock(&a->lock);
    }
    return NULL;
}

static void free_all(struct ahead *a)
{
    if (!a)
        return;
    if (a->direct >= 0)
        close(a->direct);
    free(a->memory);
    free(a);
}

static int open_direct(int fd)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
}

int ahead_open(struct ahead **out, const struct ahead_range *range, struct error *err)
{
    const size_t buffer = range->room + range->piece, bytes = (size_t)round_up(AHEAD_BUFFERS * buffer, HUGE_PAGE);
    struct ahead *a = calloc(1, sizeof *a);
    int is_whole = a && (a->memory = aligned_alloc(HUGE_PAGE, bytes)) != NULL;
    *out = NULL;
    if (is_whole) {
        madvise(a->memory, bytes, MADV_HUGEPAGE); /* a drive reads into few stretches of memory faster */
        for (int i = 0; i < AHEAD_BUFFERS; i++)
            a->buffer[i] = a->memory + (size_t)i * buffer;
        a->range = *range;
        a->direct = range->is_large ? open_direct(range->fd) : -1;
        pthread_mutex_init(&a->lock, NULL);
        pthread_cond_init(&a->changed, NULL);
        is_whole = pthread_create(&a->thread, NULL, reader, a) == 0;
    }
    if (!is_whole) {
        free_all(a);
        return error_set(err, ERR_MEMORY, "%s: no memory for reading it: %zu MiB and a thread", range->name,
                         bytes >> 20);
    }
    *out = a;
    return 0;
}

int ahead_next(struct ahead *a, uint8_t **data, size_t *n, struct error *err)
{
    pthread_mutex_lock(&a->lock);
    if (a->is_held) {
        a->is_over = a->is_last[a->n_given % AHEAD_BUFFERS];
        a->is_held = 0;
        a->n_given++;
        pthread_cond_broadcast(&a->changed);
    }
    while (!a->is_over && a->n_read == a->n_given)
        pthread_cond_wait(&a->changed, &a->lock);
    unsigned i = a->n_given % AHEAD_BUFFERS;
    *data = a->buffer[i] + a->range.room;
    *n = a->is_over ? 0 : a->n[i];
    a->is_held = !a->is_over;
    int failure = *n ? 0 : a->failure;
    pthread_mutex_unlock(&a->lock);
    return failure ? error_set(err, ERR_IO, "%s: reading it failed: %s", a->range.name, strerror(failure)) : 0;
}

void ahead_close(struct ahead *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->stop = 1;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free_all(a);
}
