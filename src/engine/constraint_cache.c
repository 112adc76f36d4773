/* Compiled constraints, shared and kept: see constraint_cache.h.
 *
 *     get   found READY -> its user | found COMPILING -> wait | not found -> compile in a lane, take its bytes from the budget
 *     put   one user less; idle entries stay until their memory is needed, at most half of the budget
 *
 * One lock and one condition for all: everything that could let somebody go on wakes everybody, who looks again. Compiling,
 * and asking whether the caller is still there, happens outside the lock. */
#include "engine/constraint_cache.h"

#include "base/error.h"
#include "engine/engine.h"
#include "text/grammar/compile.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ASK_MS = 50 }; /* a waiting asker looks whether its client is still there */

static void constraint_clear(struct stoker_constraint *c)
{
    constraint_destroy(c->constraint);
    for (size_t i = 0; i < c->n_warning; i++)
        free(c->warning[i]);
    free(c->warning);
    *c = (struct stoker_constraint){0};
}

enum entry_state { COMPILING, READY, FAILED };

struct entry {
    struct stoker_constraint constraint; /* first: users hold a pointer to it */
    struct entry *next;
    uint8_t key[SHA256_BYTES];
    enum entry_state state;
    struct error error; /* FAILED */
    int n_user;         /* who holds it, and who waits for it */
    uint64_t used;      /* time of the last use, for eviction */
    size_t bytes;       /* taken from the budget */
};

struct constraint_cache {
    struct constraint_cache_options how;
    pthread_mutex_t lock; /* guards all below, and the entries */
    pthread_cond_t changed;
    struct entry *first;
    int small_taken, large_taken; /* lanes */
    uint64_t clock;
    struct constraint_cache_stats stats;
};

/* ---- entries --------------------------------------------------------------------------------------------------------------- */

/* Under the lock: its memory is the budget's again. */
static void dispose(struct constraint_cache *c, struct entry *e)
{
    constraint_clear(&e->constraint);
    if (e->bytes)
        atomic_fetch_add(&c->how.budget->left, e->bytes);
    c->stats.held -= e->bytes;
    free(e);
}

static void unlink_entry(struct constraint_cache *c, struct entry *e)
{
    struct entry **at = &c->first;
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    c->stats.n_entry--;
}

/* ---- waiting --------------------------------------------------------------------------------------------------------------- */

/* Under the lock, until something has changed. -1: nobody wants the answer any more, or too many wait. */
static int wait_turn(struct constraint_cache *c, const struct constraint_source *source, struct error *err)
{
    struct timespec until;
    if (c->stats.n_waiting >= c->how.most_waiting)
        return error_set(err, ERR_BUSY, "too many requests are waiting for their constraints; try again later");
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ASK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    c->stats.n_waiting++;
    pthread_cond_timedwait(&c->changed, &c->lock, &until);
    c->stats.n_waiting--;
    if (!source->stopped)
        return 0;
    pthread_mutex_unlock(&c->lock);
    int stopped = source->stopped(source->stopped_arg);
    pthread_mutex_lock(&c->lock);
    return stopped ? error_set(err, ERR_CANCELLED, "the request was given up while its constraint was compiled") : 0;
}

/* ---- lanes ----------------------------------------------------------------------------------------------------------------- */

static int enter_lane(struct constraint_cache *c, int *taken, int places, const struct constraint_source *source,
                      struct error *err)
{
    int failed = 0;
    pthread_mutex_lock(&c->lock);
    while (*taken == places && !failed)
        failed = wait_turn(c, source, err);
    *taken += !failed;
    pthread_mutex_unlock(&c->lock);
    return failed;
}

static void leave_lane(struct constraint_cache *c, int *taken)
{
    pthread_mutex_lock(&c->lock);
    --*taken;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

/* ---- the budget ------------------------------------------------------------------------------------------------------------ */

/* Under the lock. 0: all entries are in use. */
static int evict_one(struct constraint_cache *c)
{
    struct entry *oldest = NULL;
    for (struct entry *e = c->first; e; e = e->next)
        if (e->state == READY && e->n_user == 0 && (!oldest || e->used < oldest->used))
            oldest = e;
    if (!oldest)
        return 0;
    unlink_entry(c, oldest);
    dispose(c, oldest);
    c->stats.evicted++;
    return 1;
}

/* For a constraint at work that needs more. */
static int reclaim(void *cache)
{
    struct constraint_cache *c = cache;
    pthread_mutex_lock(&c->lock);
    int evicted = evict_one(c);
    pthread_mutex_unlock(&c->lock);
    return evicted;
}

static int take(struct constraint_budget *budget, size_t bytes)
{
    size_t left = atomic_load(&budget->left);
    while (left >= bytes)
        if (atomic_compare_exchange_weak(&budget->left, &left, left - bytes))
            return 0;
    return -1;
}

/* The entry's constraint is compiled: what it holds is counted from now on, once there is room for it. */
static int take_room(struct constraint_cache *c, const struct constraint_source *source, struct entry *e,
                     struct error *err)
{
    size_t bytes = sizeof *e + (e->constraint.constraint ? constraint_held_bytes(e->constraint.constraint) : 0);
    if (bytes > c->how.memory.held)
        return error_set(
            err, ERR_INPUT,
            "the constraint holds %zu KiB of memory once it is compiled, and the plan has %zu KiB for them: "
            "simplify it, or try a larger --memory",
            bytes >> 10, c->how.memory.held >> 10);
    int failed = 0;
    pthread_mutex_lock(&c->lock);
    while (!failed && take(c->how.budget, bytes))
        failed = evict_one(c) ? 0 : wait_turn(c, source, err);
    if (!failed) {
        e->bytes = bytes;
        c->stats.held += bytes;
    }
    pthread_mutex_unlock(&c->lock);
    return failed;
}

/* ---- life ------------------------------------------------------------------------------------------------------------------ */

struct constraint_cache *constraint_cache_create(const struct constraint_cache_options *how)
{
    struct constraint_cache *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->how = *how;
    c->how.budget->reclaim = reclaim;
    c->how.budget->arg = c;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return c;
}

void constraint_cache_destroy(struct constraint_cache *c)
{
    if (!c)
        return;
    while (c->first) {
        struct entry *e = c->first;
        unlink_entry(c, e);
        dispose(c, e);
    }
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* ---- compiling ------------------------------------------------------------------------------------------------------------- */

struct lane {
    int *taken, places;
    size_t bytes;
    uint64_t work;
};

/* 1: it was too much for this lane. */
static int compile_in(struct constraint_cache *c, const struct lane *lane, const struct constraint_source *source,
                      struct entry *e, struct error *err)
{
    if (enter_lane(c, lane->taken, lane->places, source, err))
        return -1;
    struct compile limits = {
        .most_bytes = lane->bytes, .most_work = lane->work, .stopped = source->stopped, .arg = source->stopped_arg};
    int failed = source->compile(source->arg, &limits, &e->constraint, err);
    int outgrew = failed && (limits.end == COMPILE_MEMORY || limits.end == COMPILE_WORK_DONE);
    if (failed)
        constraint_clear(&e->constraint);
    else
        failed = take_room(c, source, e, err);
    leave_lane(c, lane->taken);
    return outgrew ? 1 : failed;
}

static int compile(struct constraint_cache *c, const struct constraint_source *source, struct entry *e,
                   struct error *err)
{
    const struct constraint_memory *m = &c->how.memory;
    const struct lane small = {&c->small_taken, m->n_small, m->small, COMPILE_WORK / 8},
                      large = {&c->large_taken, 1, m->large, COMPILE_WORK};
    struct error too_small = {0};
    int failed = m->n_small > 0 ? compile_in(c, &small, source, e, &too_small) : 1;
    if (failed == 1)
        return compile_in(c, &large, source, e, err) ? -1 : 0;
    if (failed)
        *err = too_small;
    return failed;
}

/* Under the lock: one user less of an entry that failed. */
static void leave_failed(struct constraint_cache *c, struct entry *e)
{
    if (--e->n_user == 0)
        dispose(c, e);
}

/* The first asker compiles for all. */
static int make(struct constraint_cache *c, const struct constraint_source *source, struct entry *e, struct error *err)
{
    struct error why = {0};
    int failed = compile(c, source, e, &why);
    pthread_mutex_lock(&c->lock);
    c->stats.compiled += !failed;
    c->stats.failed += failed != 0;
    e->state = failed ? FAILED : READY;
    if (failed) {
        unlink_entry(c, e);
        e->error = why;
        leave_failed(c, e);
        *err = why;
    }
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return failed ? -1 : 0;
}

/* ---- asking ---------------------------------------------------------------------------------------------------------------- */

static struct entry *find(const struct constraint_cache *c, const uint8_t *key)
{
    for (struct entry *e = c->first; e; e = e->next)
        if (memcmp(e->key, key, SHA256_BYTES) == 0)
            return e;
    return NULL;
}

static struct entry *add(struct constraint_cache *c, const uint8_t *key)
{
    struct entry *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    memcpy(e->key, key, SHA256_BYTES);
    e->n_user = 1;
    e->next = c->first;
    c->first = e;
    c->stats.n_entry++;
    return e;
}

/* Under the lock, of an entry that somebody else may be compiling. 0: it is READY; -1: *err; 1: whoever compiled it gave up, for a
 * reason of its own. Not READY: it is let go. */
static int join(struct constraint_cache *c, const struct constraint_source *source, struct entry *e, struct error *err)
{
    int failed = 0;
    e->n_user++;
    while (e->state == COMPILING && !failed)
        failed = wait_turn(c, source, err);
    if (!failed && e->state == READY) {
        c->stats.hits++;
        return 0;
    }
    int gave_up = e->error.code == ERR_CANCELLED || e->error.code == ERR_BUSY;
    if (!failed && !gave_up)
        *err = e->error;
    if (e->state == FAILED)
        leave_failed(c, e);
    else
        e->n_user--;
    return !failed && gave_up ? 1 : -1;
}

int constraint_cache_get(struct constraint_cache *c, const struct constraint_source *source,
                         const struct stoker_constraint **out, struct error *err)
{
    struct entry *e = NULL;
    int found = 0, result = 1;
    while (result == 1) {
        pthread_mutex_lock(&c->lock);
        e = find(c, source->key);
        found = e != NULL;
        if (found)
            result = join(c, source, e, err);
        else if (!(e = add(c, source->key)))
            result = error_set(err, ERR_MEMORY, "no memory for a constraint");
        pthread_mutex_unlock(&c->lock);
        if (!found && e)
            result = make(c, source, e, err);
    }
    if (result == 0)
        *out = &e->constraint;
    return result;
}

void constraint_cache_put(struct constraint_cache *c, const struct stoker_constraint *constraint)
{
    if (!constraint)
        return;
    pthread_mutex_lock(&c->lock);
    struct entry *e = (struct entry *)(uintptr_t)constraint;
    e->n_user--;
    e->used = ++c->clock;
    size_t idle = 0;
    for (struct entry *i = c->first; i; i = i->next)
        idle += i->n_user == 0 ? i->bytes : 0;
    for (size_t before = c->stats.held; idle > c->how.memory.held / 2 && evict_one(c); before = c->stats.held)
        idle -= before - c->stats.held;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

struct constraint_cache_stats constraint_cache_stats(struct constraint_cache *c)
{
    pthread_mutex_lock(&c->lock);
    struct constraint_cache_stats now = c->stats;
    pthread_mutex_unlock(&c->lock);
    return now;
}
