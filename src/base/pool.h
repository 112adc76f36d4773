/* The compute pool: a leader (the engine thread) and n_threads - 1 workers that join it for one function at a time.
 *
 * pool_run() returns when all have returned. Work is split by output rows, heads or experts, never inside a sum, so the number
 * of threads cannot change a bit. Workers stay awake for a time after a job (pool.c), then sleep. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct pool;

enum { POOL_MAX_THREADS = 256, POOL_STACK = 256 << 10 }; /* POOL_STACK: bytes of a worker's stack */

/* One share of a job, of n_threads: the leader does share 0, worker i share i, and the leader those of workers that have not begun
 * when it has done its own. Shares run at the same time or one after the other: none waits for another. */
typedef void pool_fn(void *arg, int thread, int n_threads);

/* n_threads: with the leader, 1 to POOL_MAX_THREADS (else ERR_INPUT). ERR_MEMORY: a thread could not be started. */
int pool_create(struct pool **out, int n_threads, struct error *err);
void pool_destroy(struct pool *p); /* no job may be running */
int pool_threads(const struct pool *p);

/* How long a worker waits awake for the next job, before it sleeps: spinning, and behind the first moment yielding its core. Usual are
 * 5 ms; 0.02 under a quota of processor time, 0.001 with more threads than cores. A time of somebody's own holds there too. */
#define POOL_SPIN_MOST_MS 10000
double pool_usual_spin_ms(int n_threads);
void pool_set_spin_ms(struct pool *p, double ms); /* above 0, up to POOL_SPIN_MOST_MS; at any time */

/* Calls fn(arg, share, n_threads) for every share. By one thread at a time, which is the leader of this job; not from within a job. */
void pool_run(struct pool *p, pool_fn *fn, void *arg);

/* Nanoseconds that leaders, their own shares done, have waited for others since the pool was made. By the leader's thread. */
uint64_t pool_join_ns(const struct pool *p);

/* This thread's contiguous share of n items, a whole number of units but for the end: [*begin, *end), perhaps empty. */
void pool_share(int n, int unit, int thread, int n_threads, int *begin, int *end);

#endif
