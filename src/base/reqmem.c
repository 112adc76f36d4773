/* The requests' memory: see reqmem.h. A piece counts as much as the allocator says it holds, and its header: so nobody keeps sizes. */
#include "base/reqmem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

/* A request that took more leaves holes behind that the next one may not fit: they are given back. */
enum { TRIM = 8 << 20, HEADER = 8 };

static struct {
    atomic_llong taken; /* by all threads; what was taken before reqmem_set() too */
    atomic_llong most, kept;
    atomic_llong before; /* taken when the limit was set */
} budget = {.most = INT64_MAX / 2};

static _Thread_local struct {
    int entered;
    long long mine, peak; /* since reqmem_enter() */
    long long granted;    /* at least this much is taken for this request; 0: nothing was granted */
    size_t spare;
    enum reqmem_short why;
    reqmem_waits *wait;
    void *wait_arg;
    int reserving; /* between reqmem_reserve() and reqmem_release() */
    long long reserved, paid;
} here;

void reqmem_set(size_t most, size_t kept)
{
    atomic_store(&budget.before, atomic_load(&budget.taken));
    atomic_store(&budget.kept, (long long)kept);
    atomic_store(&budget.most, (long long)most);
}

/* What requests of a share may take together. */
static long long share_bytes(enum reqmem_share share)
{
    return atomic_load(&budget.most) - atomic_load(&budget.kept) * share / REQMEM_LARGE;
}

size_t reqmem_alone(void) { return (size_t)share_bytes(REQMEM_LARGE); }

size_t reqmem_left(enum reqmem_share share)
{
    long long left = atomic_load(&budget.before) + share_bytes(share) - atomic_load(&budget.taken);
    return left > 0 ? (size_t)left : 0;
}

size_t reqmem_taken(void)
{
    long long taken = atomic_load(&budget.taken) - atomic_load(&budget.before);
    return taken > 0 ? (size_t)taken : 0;
}

void reqmem_enter(size_t taken)
{
    here.entered = 1;
    here.mine = here.peak = (long long)taken;
    here.why = REQMEM_ENOUGH;
}

void reqmem_leave(void)
{
    reqmem_end_grant();
    reqmem_wait_by(NULL, NULL);
    here.entered = 0;
    if (here.peak > TRIM)
        malloc_trim(0);
}

void reqmem_wait_by(reqmem_waits *wait, void *arg)
{
    here.wait = wait;
    here.wait_arg = arg;
}

void reqmem_spare(size_t n) { here.spare = n; }

int reqmem_entered(void) { return here.entered; }

enum reqmem_short reqmem_short(void) { return here.why; }

static void add_mine(long long n)
{
    here.mine += n;
    here.peak = here.mine > here.peak ? here.mine : here.peak;
}

/* What is taken for a request that has so much. */
static long long counted(long long mine) { return here.granted && mine < here.granted ? here.granted : mine; }

static void add(long long n)
{
    if (here.reserving) {
        here.paid += n;
        return;
    }
    atomic_fetch_add(&budget.taken, counted(here.mine + n) - counted(here.mine));
    add_mine(n);
}

static int refused(int never)
{
    if (here.why != REQMEM_NEVER)
        here.why = never ? REQMEM_NEVER : REQMEM_BUSY;
    return -1;
}

/* Bytes that are wanted, and what of everybody's may be taken then. */
struct wanted {
    long long more, most;
};

static int try_take(const void *of)
{
    const struct wanted *w = of;
    long long taken = atomic_load(&budget.taken);
    do
        if (taken + w->more > w->most)
            return 0;
    while (!atomic_compare_exchange_weak(&budget.taken, &taken, taken + w->more));
    return 1;
}

/* Who has waited in vain once has waited long enough. */
static int wait_for(const struct wanted *w)
{
    int there = here.wait && here.wait(here.wait_arg, try_take, w);
    if (!there)
        here.wait = NULL;
    return there;
}

int reqmem_take(size_t n, enum reqmem_share share)
{
    if (n > SIZE_MAX / 4)
        return refused(1);
    if (here.reserving) {
        here.paid += (long long)n;
        return 0;
    }
    long long mine = here.mine + (long long)n, alone = share_bytes(mine > REQMEM_LARGE_FROM ? REQMEM_LARGE : share);
    struct wanted w = {counted(mine) - counted(here.mine), atomic_load(&budget.before) + alone};
    if (!here.entered || !w.more || n <= here.spare)
        atomic_fetch_add(&budget.taken, w.more);
    else if (!try_take(&w) && (mine > alone || !wait_for(&w)))
        return refused(mine > alone);
    here.spare -= n < here.spare ? n : here.spare;
    add_mine((long long)n);
    return 0;
}

void reqmem_give(size_t n) { add(-(long long)n); }

int reqmem_grant(size_t n)
{
    if (reqmem_take(n, REQMEM_LARGE))
        return -1;
    here.granted = here.mine;
    here.mine -= (long long)n;
    return 0;
}

void reqmem_end_grant(void)
{
    atomic_fetch_sub(&budget.taken, counted(here.mine) - here.mine);
    here.granted = 0;
}

int reqmem_reserve(size_t n)
{
    if (reqmem_take(n, REQMEM_SMALL))
        return -1;
    here.reserving = 1;
    here.reserved = (long long)n;
    here.paid = 0;
    return 0;
}

void reqmem_release(void)
{
    here.reserving = 0;
    add(here.paid - here.reserved);
}

static size_t size_of(void *p) { return p ? malloc_usable_size(p) + HEADER : 0; }

/* What was taken for n bytes is what the piece holds now. */
static void *settle(void *p, size_t n)
{
    add((long long)size_of(p) - (long long)n);
    return p;
}

void *reqmem_malloc(size_t n) { return reqmem_take(n, REQMEM_SMALL) ? NULL : settle(malloc(n), n); }

void *reqmem_calloc(size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || reqmem_take(bytes, REQMEM_SMALL))
        return NULL;
    return settle(calloc(n, size), bytes);
}

void *reqmem_realloc(void *p, size_t n)
{
    size_t had = size_of(p), more = n > had ? n - had : 0;
    if (reqmem_take(more, REQMEM_SMALL))
        return NULL;
    void *grown = realloc(p, n);
    if (!grown) {
        add(-(long long)more);
        return NULL;
    }
    return settle(grown, had + more);
}

void reqmem_free(void *p)
{
    add(-(long long)size_of(p));
    free(p);
}
