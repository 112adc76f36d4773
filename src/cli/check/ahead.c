/* See ahead.h. The reader owns a buffer until it is full, the caller from then until the next call. What was read leaves the page cache:
 * a file larger than memory would push everything else out of it. */
#include "cli/check/ahead.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 8 << 20, BUFFERS = 2 };

struct ahead {
    int fd;
    const char *path;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint8_t *buffer[BUFFERS];
    size_t n[BUFFERS];        /* bytes in it; the file ends with one that is not full */
    unsigned n_read, n_given; /* pieces so far */
    int is_held, is_over;     /* the caller works on piece n_given; it has had the last one */
    int failure, stop;        /* failure: errno of the reader */
};

/* Bytes of a whole piece, or up to the end of the file; -1. */
static ssize_t read_piece(const struct ahead *a, uint8_t *to, off_t at)
{
    size_t n = 0;
    while (n < PIECE) {
        ssize_t got = pread(a->fd, to + n, PIECE - n, at + (off_t)n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    posix_fadvise(a->fd, at, (off_t)n, POSIX_FADV_DONTNEED);
    return (ssize_t)n;
}

static void *reader(void *arg)
{
    struct ahead *a = arg;
    off_t at = 0;
    ssize_t n = PIECE;
    while (n == PIECE) {
        pthread_mutex_lock(&a->lock);
        while (a->n_read - a->n_given >= BUFFERS && !a->stop)
            pthread_cond_wait(&a->changed, &a->lock);
        int stop = a->stop;
        unsigned i = a->n_read % BUFFERS;
        pthread_mutex_unlock(&a->lock);
        if (stop)
            break;
        n = read_piece(a, a->buffer[i], at);
        pthread_mutex_lock(&a->lock);
        if (n < 0)
            a->failure = errno;
        a->n[i] = n < 0 ? 0 : (size_t)n;
        a->n_read++;
        pthread_cond_broadcast(&a->changed);
        pthread_mutex_unlock(&a->lock);
        at += n;
    }
    return NULL;
}

int ahead_open(struct ahead **out, int fd, const char *path, struct error *err)
{
    struct ahead *a = calloc(1, sizeof *a);
    int is_whole = a != NULL;
    *out = NULL;
    for (int i = 0; is_whole && i < BUFFERS; i++)
        is_whole = (a->buffer[i] = malloc(PIECE)) != NULL;
    if (is_whole) {
        a->fd = fd;
        a->path = path;
        pthread_mutex_init(&a->lock, NULL);
        pthread_cond_init(&a->changed, NULL);
        posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        is_whole = pthread_create(&a->thread, NULL, reader, a) == 0;
    }
    if (!is_whole) {
        for (int i = 0; a && i < BUFFERS; i++)
            free(a->buffer[i]);
        free(a);
        return error_set(err, ERR_MEMORY, "%s: no memory for reading it: 16 MiB and a thread", path);
    }
    *out = a;
    return 0;
}

int ahead_next(struct ahead *a, const uint8_t **data, size_t *n, struct error *err)
{
    pthread_mutex_lock(&a->lock);
    if (a->is_held) {
        a->is_over = a->n[a->n_given % BUFFERS] < PIECE;
        a->is_held = 0;
        a->n_given++;
        pthread_cond_broadcast(&a->changed);
    }
    while (!a->is_over && a->n_read == a->n_given)
        pthread_cond_wait(&a->changed, &a->lock);
    unsigned i = a->n_given % BUFFERS;
    *data = a->buffer[i];
    *n = a->is_over ? 0 : a->n[i];
    a->is_held = !a->is_over;
    int failure = *n ? 0 : a->failure;
    pthread_mutex_unlock(&a->lock);
    return failure ? error_set(err, ERR_IO, "%s: reading it failed: %s", a->path, strerror(failure)) : 0;
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
    for (int i = 0; i < BUFFERS; i++)
        free(a->buffer[i]);
    free(a);
}
