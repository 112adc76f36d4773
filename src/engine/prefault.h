/* The first use of memory is slow: the kernel finds and clears each page then, in a virtual machine at 0.8 GB/s (measured). So it is
 * done at start. The tables are prefaulted at once, by all threads; the rest by a background thread in the order of its use (weights,
 * expert slots, pages of keys and values) while weights and the first prompt are read. What is needed before its turn is prefaulted by
 * the write or read that needs it. */
#ifndef ENGINE_PREFAULT_H
#define ENGINE_PREFAULT_H

#include "base/arena.h"
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>

struct prefault {
    struct arena later; /* the background thread's range of the mapping */
    pthread_t thread;
    int running;
    atomic_int stop;
};

/* Prefaults the mapping: all but its first `later` bytes before the call returns, those in the background. If they are few, or no thread
 * can be started, they are prefaulted at once too. */
void prefault_begin(struct prefault *t, const struct arena *mapping, uint64_t later, struct pool *pool);

/* Stops the thread and waits for it, some milliseconds. Call it before the mapping goes. */
void prefault_end(struct prefault *t);

#endif
