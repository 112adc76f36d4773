/* Memory comes page by page, at the first write, and in a virtual machine slowly (0.8 GB/s measured). So it is had at start: the
 * tables at once, by all threads; the rest by a thread of its own, in the order of its use: weights, expert slots, pages of keys and
 * values, while weights and the first prompt are read. What is wanted before its turn is simply had by the write or read into it. */
#ifndef ENGINE_PREFAULT_H
#define ENGINE_PREFAULT_H

#include "base/arena.h"
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>

struct prefault {
    struct arena later; /* the stretch of the thread */
    pthread_t thread;
    int running;
    atomic_int stop;
};

/* All of the mapping but its first `later` bytes now; those in the background, unless they are so few that nobody waits for them. */
void prefault_begin(struct prefault *t, const struct arena *mapping, uint64_t later, struct pool *pool);

/* Waits for the thread, which stops within some milliseconds. Before the memory is unmapped. */
void prefault_end(struct prefault *t);

#endif
