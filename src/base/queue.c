/* A ring under a mutex: see queue.h. Requests and events are few (tens a second), so a lock is the simplest right thing. */
#include "base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct queue {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    size_t n, item_size, head, count;
    unsigned wakes;
    unsigned char item[];
};

struct queue *queue_create(size_t n, size_t item_size)
{
    struct queue *q = malloc(sizeof *q + n * item_size);
    if (!q)
        return NULL;
    *q = (struct queue){.n = n, .item_size = item_size};
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, &attr);
    pthread_condattr_destroy(&attr);
    return q;
}

void queue_destroy(struct queue *q)
{
    if (!q)
        return;
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

int queue_push(struct queue *q, const void *item)
{
    pthread_mutex_lock(&q->lock);
    int fits = q->count < q->n;
    if (fits) {
        memcpy(q->item + (q->head + q->count) % q->n * q->item_size, item, q->item_size);
        q->count++;
        pthread_cond_signal(&q->changed);
    }
    pthread_mutex_unlock(&q->lock);
    return fits;
}

int queue_pop(struct queue *q, void *item, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    if (timeout_ms > 0) {
        until.tv_sec += timeout_ms / 1000;
        until.tv_nsec += timeout_ms % 1000 * 1000000L;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000L;
        }
    }
    pthread_mutex_lock(&q->lock);
    unsigned wakes = q->wakes;
    while (q->count == 0 && q->wakes == wakes && timeout_ms != 0) {
        if (timeout_ms < 0)
            pthread_cond_wait(&q->changed, &q->lock);
        else if (pthread_cond_timedwait(&q->changed, &q->lock, &until) == ETIMEDOUT)
            break;
    }
    int got = q->count > 0;
    if (got) {
        memcpy(item, q->item + q->head * q->item_size, q->item_size);
        q->head = (q->head + 1) % q->n;
        q->count--;
    }
    pthread_mutex_unlock(&q->lock);
    return got;
}

void queue_wake(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->wakes++;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

size_t queue_free(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    size_t free = q->n - q->count;
    pthread_mutex_unlock(&q->lock);
    return free;
}
