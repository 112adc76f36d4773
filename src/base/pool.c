/* Fork and join over one shared line: see pool.h.
 *
 *   job    the leader increments it (release) after writing fn and arg
 *   taken  the last job whose share of this worker was taken: by the worker when it sees the job, or by the leader when it has done its
 *          own share and the worker was asleep or had no core. So on a busy machine the leader never waits for a worker that has
 *          not begun
 *   done   counts the workers that have finished the shares they took
 *
 * A worker that waits for a job spins, then yields its core, then sleeps on a futex: waking a sleeping core takes 0.05 ms, a virtual one
 * up to 1 ms, and while experts are read some ms pass between the jobs of two layers. With fewer cores than threads it sleeps
 * almost at once, and under a quota of processor time it only spins for a moment, because that time would be taken from the work; unless
 * somebody sets how long. Measured round trip of two spinning threads: about 0.5 us. */
#include "base/pool.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/thread.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

struct pool {
    _Alignas(64) _Atomic unsigned job;
    _Atomic unsigned sleeping; /* workers in futex wait, or about to be */
    _Alignas(64) _Atomic int done;
    _Alignas(64) pool_fn *fn; /* written by the leader before job */
    void *arg;
    int n_threads, stop;
    uint64_t spin_most_ns;     /* spinning; then it yields */
    _Atomic uint64_t awake_ns; /* spinning and yielding together */
    uint64_t join_ns;          /* the leader's */
    pthread_t thread[POOL_MAX_THREADS];
    struct worker {
        _Alignas(64) _Atomic unsigned taken;
        struct pool *pool;
        int index;
    } worker[POOL_MAX_THREADS];
};

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static unsigned wait_for_job(struct pool *p, unsigned seen)
{
    uint64_t start = 0;
    for (int i = 0;; i++) {
        unsigned job = atomic_load_explicit(&p->job, memory_order_acquire);
        if (job != seen)
            return job;
        relax();
        if (i % 32 != 31)
            continue;
        uint64_t now = clock_ns();
        if (start == 0)
            start = now;
        if (now - start < atomic_load_explicit(&p->awake_ns, memory_order_relaxed)) {
            if (now - start >= p->spin_most_ns)
                sched_yield();
            continue;
        }
        atomic_fetch_add(&p->sleeping, 1);
        syscall(SYS_futex, &p->job, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
        atomic_fetch_sub(&p->sleeping, 1);
        start = 0;
    }
}

static int take_share(struct worker *w, unsigned job)
{
    unsigned before = job - 1;
    return atomic_compare_exchange_strong(&w->taken, &before, job);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;
    for (unsigned seen = 0;;) {
        seen = wait_for_job(p, seen);
        if (!take_share(w, seen))
            continue;
        if (p->stop)
            return NULL;
        p->fn(p->arg, w->index, p->n_threads);
        atomic_fetch_add_explicit(&p->done, 1, memory_order_release);
    }
}

static void start_job(struct pool *p)
{
    atomic_store_explicit(&p->done, 0, memory_order_relaxed);
    atomic_fetch_add(&p->job, 1);
    if (atomic_load(&p->sleeping) > 0)
        syscall(SYS_futex, &p->job, FUTEX_WAKE_PRIVATE, p->n_threads, NULL, NULL, 0);
}

static int is_oversubscribed(int n_threads) { return n_threads > cpu_usable_cores(); }

static uint64_t spin_most_ns(int n_threads) { return is_oversubscribed(n_threads) ? 1000 : 20000; }

double pool_usual_spin_ms(int n_threads)
{
    int stays = !is_oversubscribed(n_threads) && cpu_quota_cores() == 0;
    return stays ? 5 : (double)spin_most_ns(n_threads) / 1e6;
}

void pool_set_spin_ms(struct pool *p, double ms) { p->awake_ns = (uint64_t)(ms * 1e6); }

int pool_create(struct pool **out, int n_threads, struct error *err)
{
    if (n_threads < 1 || n_threads > POOL_MAX_THREADS)
        return error_set(err, ERR_INPUT, "%d threads asked for; 1 to %d are possible", n_threads, POOL_MAX_THREADS);
    struct pool *p = aligned_alloc(64, sizeof *p);
    if (!p)
        return error_set(err, ERR_MEMORY, "no memory for the compute pool");
    *p = (struct pool){.n_threads = n_threads, .spin_most_ns = spin_most_ns(n_threads)};
    pool_set_spin_ms(p, pool_usual_spin_ms(n_threads));
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, POOL_STACK);
    for (int i = 1; i < n_threads; i++) {
        p->worker[i].pool = p;
        p->worker[i].index = i;
        if (thread_create(&p->thread[i], &attr, work, &p->worker[i]) != 0) {
            p->n_threads = i;
            pthread_attr_destroy(&attr);
            pool_destroy(p);
            return error_set(err, ERR_MEMORY, "starting compute thread %d of %d failed; try a smaller --threads", i + 1,
                             n_threads);
        }
    }
    pthread_attr_destroy(&attr);
    *out = p;
    return 0;
}

void pool_destroy(struct pool *p)
{
    if (!p)
        return;
    p->stop = 1;
    start_job(p);
    for (int i = 1; i < p->n_threads; i++)
        pthread_join(p->thread[i], NULL);
    free(p);
}

int pool_threads(const struct pool *p) { return p->n_threads; }

/* Two readings of the clock a join: some 50 ns beside jobs of 20 us and more. */
static void join(struct pool *p, int by_workers)
{
    if (atomic_load_explicit(&p->done, memory_order_acquire) == by_workers)
        return;
    uint64_t begin = clock_ns();
    for (int i = 0; atomic_load_explicit(&p->done, memory_order_acquire) != by_workers; i++) {
        relax();
        if (i > 2000)
            sched_yield();
    }
    p->join_ns += clock_ns() - begin;
}

void pool_run(struct pool *p, pool_fn *fn, void *arg)
{
    if (p->n_threads == 1) {
        fn(arg, 0, 1);
        return;
    }
    p->fn = fn;
    p->arg = arg;
    start_job(p);
    fn(arg, 0, p->n_threads);
    int by_workers = 0;
    for (int i = 1; i < p->n_threads; i++) {
        if (take_share(&p->worker[i], p->job))
            fn(arg, i, p->n_threads);
        else
            by_workers++;
    }
    join(p, by_workers);
}

uint64_t pool_join_ns(const struct pool *p) { return p->join_ns; }

void pool_share(int n, int unit, int thread, int n_threads, int *begin, int *end)
{
    long long units = ((long long)n + unit - 1) / unit;
    long long b = units * thread / n_threads * unit, e = units * (thread + 1) / n_threads * unit;
    *begin = (int)(b < n ? b : n);
    *end = (int)(e < n ? e : n);
}
