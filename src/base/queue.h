/* A bounded queue of fixed-size items between threads. Full and empty are results, not errors: a caller whose item does not
 * fit tries again later. All functions but queue_destroy() may be called from any thread at any time. */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <stddef.h>

struct queue;

/* A queue of at most n items of item_size bytes; NULL without memory. */
struct queue *queue_create(size_t n, size_t item_size);
/* NULL: nothing. No other thread may be using q; items that are left are lost. */
void queue_destroy(struct queue *q);

/* 1: *item was copied in; 0: the queue is full. */
int queue_push(struct queue *q, const void *item);

/* 1: copied out into *item; 0: the queue is still empty after timeout_ms milliseconds (-1: waits without limit, 0: does not wait), or
 * queue_wake() was called. */
int queue_pop(struct queue *q, void *item, int timeout_ms);

/* Items that can still be pushed. */
size_t queue_free(struct queue *q);

/* Wake all threads that wait in queue_pop(): there it returns 0 if the queue is empty. */
void queue_wake(struct queue *q);

#endif
