/* A bounded queue of fixed-size items between threads. Full and empty are answers, not errors: whoever hands something over is
 * told to come back. All functions may be called from any thread. */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <stddef.h>

struct queue;

/* Room for n items of item_size bytes; NULL without memory. */
struct queue *queue_create(size_t n, size_t item_size);
void queue_destroy(struct queue *q);

/* 1: copied in; 0: full. */
int queue_push(struct queue *q, const void *item);

/* 1: copied out; 0: still empty after timeout_ms (-1: waits for ever, 0: does not wait). */
int queue_pop(struct queue *q, void *item, int timeout_ms);

/* Items that can still be pushed. */
size_t queue_free(struct queue *q);

/* Wake everyone who waits in queue_pop; they return 0 if the queue is empty. */
void queue_wake(struct queue *q);

#endif
