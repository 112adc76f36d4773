/* The requests' memory: see reqmem.h. A piece counts as much as the allocator says it holds, and its header: so nobody keeps sizes. */
#include "base/reqmem.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

/* TRIM: a request that took more leaves holes behind that the next one may not fit: they are given back. LARGE: a piece of so much is given
 * back at once. */
enum { TRIM = 8 << 20, HEADER = 8, ARENAS = 4, LARGE = 256 << 10 };

static _Thread_local struct reqmem_account *here; /* NULL: the thread works for no request */

void reqmem_prepare(void)
{
    mallopt(M_ARENA_MAX, ARENAS);
    mallopt(M_MMAP_THRESHOLD, LARGE);
}

/* ---- the budget ------------------------------------------------------------------------------------------------------------ */

void reqmem_init(struct reqmem *m, size_t most, size_t kept)
{
    atomic_init(&m->taken, 0);
    m->most = (long long)most;
    m->kept = (long long)kept;
}

/* What requests of a share may take together. */
static long long share_bytes(const struct reqmem *m, enum reqmem_share share)
{
    return m->most - m->kept * share / REQMEM_LARGE;
}

size_t reqmem_alone(const struct reqmem *m) { return (size_t)share_bytes(m, REQMEM_LARGE); }

size_t reqmem_left(const struct reqmem *m, enum reqmem_share share)
{
    long long left = share_bytes(m, share) - atomic_load(&m->taken);
    return left > 0 ? (size_t)left : 0;
}

size_t reqmem_taken(const struct reqmem *m) { return (size_t)atomic_load(&m->taken); }

/* Bytes that are wanted, and what of everybody's may be taken then. */
struct reqmem_demand {
    struct reqmem *of;
    long long more, most;
};

static int try_take(const struct reqmem_demand *w)
{
    long long taken = atomic_load(&w->of->taken);
    do
        if (taken + w->more > w->most)
            return 0;
    while (!atomic_compare_exchange_weak(&w->of->taken, &taken, taken + w->more));
    return 1;
}

/* ---- a request's account --------------------------------------------------------------------------------------------------- */

void reqmem_enter(struct reqmem_account *a, size_t taken)
{
    here = a;
    a->mine = a->peak = (long long)taken;
    a->why = REQMEM_ENOUGH;
}

void reqmem_leave(void)
{
    struct reqmem_account *a = here;
    reqmem_end_grant(a);
    reqmem_wait_by(a, NULL, NULL);
    here = NULL;
    if (a->peak > TRIM)
        malloc_trim(0);
}

void reqmem_wait_by(struct reqmem_account *a, reqmem_waits *wait, void *arg)
{
    a->wait = wait;
    a->wait_arg = arg;
}

void reqmem_spare(struct reqmem_account *a, size_t n) { a->spare = n; }

enum reqmem_short reqmem_short(const struct reqmem_account *a) { return a->why; }

static void add_mine(struct reqmem_account *a, long long n)
{
    a->mine += n;
    a->peak = a->mine > a->peak ? a->mine : a->peak;
}

/* What is taken for a request that has so much. */
static long long counted(const struct reqmem_account *a, long long mine)
{
    return a->granted && mine < a->granted ? a->granted : mine;
}

static void add(struct reqmem_account *a, long long n)
{
    if (a->reserving) {
        a->paid += n;
        return;
    }
    atomic_fetch_add(&a->of->taken, counted(a, a->mine + n) - counted(a, a->mine));
    add_mine(a, n);
}

static int refused(struct reqmem_account *a, int never)
{
    if (a->why != REQMEM_NEVER)
        a->why = never ? REQMEM_NEVER : REQMEM_BUSY;
    return -1;
}

/* Who has waited in vain once has waited long enough. */
static int wait_for(struct reqmem_account *a, const struct reqmem_demand *w)
{
    int there = a->wait && a->wait(a->wait_arg, try_take, w);
    if (!there)
        a->wait = NULL;
    return there;
}

int reqmem_take(struct reqmem_account *a, size_t n, enum reqmem_share share)
{
    if (n > SIZE_MAX / 4)
        return refused(a, 1);
    if (a->reserving) {
        a->paid += (long long)n;
        return 0;
    }
    long long mine = a->mine + (long long)n;
    long long alone = share_bytes(a->of, mine > REQMEM_LARGE_FROM ? REQMEM_LARGE : share);
    struct reqmem_demand w = {a->of, counted(a, mine) - counted(a, a->mine), alone};
    if (!w.more || n <= a->spare)
        atomic_fetch_add(&a->of->taken, w.more);
    else if (!try_take(&w) && (mine > alone || !wait_for(a, &w)))
        return refused(a, mine > alone);
    a->spare -= n < a->spare ? n : a->spare;
    add_mine(a, (long long)n);
    return 0;
}

void reqmem_give(struct reqmem_account *a, size_t n) { add(a, -(long long)n); }

int reqmem_grant(struct reqmem_account *a, size_t n)
{
    if (reqmem_take(a, n, REQMEM_LARGE))
        return -1;
    a->granted = a->mine;
    a->mine -= (long long)n;
    return 0;
}

void reqmem_end_grant(struct reqmem_account *a)
{
    atomic_fetch_sub(&a->of->taken, counted(a, a->mine) - a->mine);
    a->granted = 0;
}

/* ---- allocations of the thread's request ----------------------------------------------------------------------------------- */

int reqmem_reserve(size_t n)
{
    if (!here)
        return 0;
    if (reqmem_take(here, n, REQMEM_SMALL))
        return -1;
    here->reserving = 1;
    here->reserved = (long long)n;
    here->paid = 0;
    return 0;
}

void reqmem_release(void)
{
    if (!here)
        return;
    here->reserving = 0;
    add(here, here->paid - here->reserved);
}

static size_t size_of(void *p) { return p ? malloc_usable_size(p) + HEADER : 0; }

static int take_here(size_t n) { return here ? reqmem_take(here, n, REQMEM_SMALL) : 0; }

/* Correct the account by the difference between n, which was taken before the allocation, and the allocated size. */
static void *correct_taken(void *p, size_t n)
{
    if (here)
        add(here, (long long)size_of(p) - (long long)n);
    return p;
}

void *reqmem_malloc(size_t n) { return take_here(n) ? NULL : correct_taken(malloc(n), n); }

void *reqmem_calloc(size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || take_here(bytes))
        return NULL;
    return correct_taken(calloc(n, size), bytes);
}

void *reqmem_realloc(void *p, size_t n)
{
    size_t had = size_of(p), more = n > had ? n - had : 0;
    if (take_here(more))
        return NULL;
    void *grown = realloc(p, n);
    return grown ? correct_taken(grown, had + more) : correct_taken(NULL, more);
}

void reqmem_free(void *p)
{
    correct_taken(NULL, size_of(p));
    free(p);
}

struct reqmem *reqmem_here(void) { return here ? here->of : NULL; }

int reqmem_take_of(struct reqmem *m, size_t n)
{
    if (m && here && here->of == m)
        return reqmem_take(here, n, REQMEM_SMALL);
    if (m)
        atomic_fetch_add(&m->taken, (long long)n);
    return 0;
}

void reqmem_give_to(struct reqmem *m, size_t n)
{
    if (m && here && here->of == m)
        reqmem_give(here, n);
    else if (m)
        atomic_fetch_sub(&m->taken, (long long)n);
}

int reqmem_take_apart(struct reqmem *m, size_t n, enum reqmem_share share)
{
    if (m && n > SIZE_MAX / 4)
        return -1;
    struct reqmem_demand w = {m, (long long)n, m ? share_bytes(m, share) : 0};
    return !m || try_take(&w) ? 0 : -1;
}

void reqmem_give_apart(struct reqmem *m, size_t n)
{
    if (m)
        atomic_fetch_sub(&m->taken, (long long)n);
}
