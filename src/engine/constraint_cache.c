/* Compiled constraints, shared and kept: see constraint_cache.h.
 *
 *     get   found READY -> its user | found REFUSED -> the same sentence | found COMPILING -> wait
 *           not found -> compile in a lane, take its bytes from the budget
 *     put   one user less; idle entries stay until their memory is needed, at most half of the budget
 *
 * One lock and one condition for all: everything that could let a waiting thread go on wakes all of them, and each looks again.
 * Compiling, and asking whether the caller is still there, happens outside the lock. */
#include "engine/constraint_cache.h"

#include "base/error.h"
#include "engine/engine.h"
#include "text/grammar/compile.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    ASK_MS = 50,       /* a waiting asker looks whether its client is still there */
    MALLOC_MORE = 32,  /* bytes of an allocation beside those that were asked for, at most */
    REFUSALS_KEPT = 64 /* some 0.6 KiB each; counted in the budget like compiled constraints */
};

static void constraint_clear(struct stoker_constraint *c)
{
    constraint_destroy(c->constraint);
    for (size_t i = 0; i < c->n_warning; i++)
        free(c->warning[i]);
    free(c->warning);
    *c = (struct stoker_constraint){0};
}

/* REFUSED: it can never be compiled under this plan, so the sentence is kept. FAILED: for a reason that may pass; not kept. */
enum entry_state { COMPILING, READY, REFUSED, FAILED };

struct entry {
    struct stoker_constraint constraint; /* first: users hold a pointer to it */
    struct entry *next;
    uint8_t key[SHA256_BYTES];
    enum entry_state state;
    struct error error; /* REFUSED, FAILED */
    int n_user;         /* who holds it, and who waits for it */
    uint64_t used;      /* time of the last use, for eviction */
    size_t bytes;       /* taken from the budget */
};

/* Somebody who waits for a lane, on the stack of its thread. */
struct waiter {
    struct waiter *next;
};

/* Memory and work that so many compilations may use at a time; first come, first served. */
struct lane {
    int taken, places;
    size_t bytes;         /* of memory, for each compilation */
    uint64_t work;        /* steps, for each compilation */
    struct waiter *first; /* in the order in which they came */
};

struct constraint_cache {
    struct constraint_cache_options how;
    pthread_mutex_t lock; /* guards all below, and the entries */
    pthread_cond_t changed;
    struct entry *first;
    struct lane small, large;
    int n_refused; /* entries that are REFUSED */
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

/* Under the lock, until something may have changed. -1: nobody wants the answer any more. */
static int wait_a_moment(struct constraint_cache *c, const struct constraint_source *source, struct error *err)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ASK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&c->changed, &c->lock, &until);
    if (!source->stopped)
        return 0;
    pthread_mutex_unlock(&c->lock);
    int stopped = source->stopped(source->stopped_arg);
    pthread_mutex_lock(&c->lock);
    return stopped ? error_set(err, ERR_CANCELLED, "the request was given up while its constraint was compiled") : 0;
}

/* Under the lock, until ready(c, arg) is 1. -1: nobody wants the answer any more, or too many wait. Whoever waits is counted until
 * it ends, so that nobody who comes later takes its turn. */
static int wait_until(struct constraint_cache *c, const struct constraint_source *source,
                      int (*ready)(struct constraint_cache *c, void *arg), void *arg, struct error *err)
{
    int failed = 0, is_ready = ready(c, arg);
    if (is_ready)
        return 0;
    if (c->stats.n_waiting >= c->how.most_waiting)
        return error_set(err, ERR_BUSY, "too many requests are waiting for their constraints; try again later");
    c->stats.n_waiting++;
    while (!failed && !is_ready) {
        failed = wait_a_moment(c, source, err);
        is_ready = !failed && ready(c, arg);
    }
    c->stats.n_waiting--;
    return failed;
}

/* ---- lanes ----------------------------------------------------------------------------------------------------------------- */

struct turn {
    struct lane *lane;
    struct waiter waiter;
};

static int is_my_turn(struct constraint_cache *c, void *arg)
{
    const struct turn *t = arg;
    (void)c;
    return t->lane->first == &t->waiter && t->lane->taken < t->lane->places;
}

static int enter_lane(struct constraint_cache *c, struct lane *lane, const struct constraint_source *source,
                      struct error *err)
{
    struct turn turn = {.lane = lane};
    struct waiter **at = &lane->first;
    pthread_mutex_lock(&c->lock);
    while (*at)
        at = &(*at)->next;
    *at = &turn.waiter;
    int failed = wait_until(c, source, is_my_turn, &turn, err);
    for (at = &lane->first; *at != &turn.waiter;)
        at = &(*at)->next;
    *at = turn.waiter.next;
    lane->taken += !failed;
    pthread_cond_broadcast(&c->changed); /* the next one is the first now */
    pthread_mutex_unlock(&c->lock);
    return failed;
}

static void leave_lane(struct constraint_cache *c, struct lane *lane)
{
    pthread_mutex_lock(&c->lock);
    lane->taken--;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

/* ---- the budget ------------------------------------------------------------------------------------------------------------ */

/* Under the lock: the idle entry that was not used for longest. only_refused: among those that are REFUSED. */
static struct entry *longest_unused(const struct constraint_cache *c, int only_refused)
{
    struct entry *oldest = NULL;
    for (struct entry *e = c->first; e; e = e->next)
        if ((e->state == REFUSED || (e->state == READY && !only_refused)) && e->n_user == 0 &&
            (!oldest || e->used < oldest->used))
            oldest = e;
    return oldest;
}

/* Under the lock. 0: e is NULL, for all entries are in use. */
static int evict(struct constraint_cache *c, struct entry *e)
{
    if (!e)
        return 0;
    c->n_refused -= e->state == REFUSED;
    unlink_entry(c, e);
    dispose(c, e);
    c->stats.evicted++;
    return 1;
}

static int evict_one(struct constraint_cache *c) { return evict(c, longest_unused(c, 0)); }

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

static int take_evicting(struct constraint_cache *c, void *bytes)
{
    do
        if (take(c->how.budget, *(const size_t *)bytes) == 0)
            return 1;
    while (evict_one(c));
    return 0;
}

/* A warning's memory: its text, its place in the list, and what malloc() adds to it. */
static size_t warning_bytes(const struct stoker_constraint *c)
{
    size_t bytes = c->n_warning ? MALLOC_MORE : 0;
    for (size_t i = 0; i < c->n_warning; i++)
        bytes += strlen(c->warning[i]) + 1 + MALLOC_MORE + sizeof *c->warning;
    return bytes;
}

/* The entry's constraint is compiled: what it holds is counted from now on, once the budget has so much. */
static int take_bytes(struct constraint_cache *c, const struct constraint_source *source, struct entry *e,
                      struct error *err)
{
    size_t bytes = sizeof *e + (e->constraint.constraint ? constraint_held_bytes(e->constraint.constraint) : 0) +
                   warning_bytes(&e->constraint);
    if (bytes > c->how.memory.held)
        return error_set(
            err, ERR_INPUT,
            "the constraint holds %zu KiB of memory once it is compiled, and the plan has %zu KiB for them: "
            "simplify it, or try a larger --memory",
            bytes >> 10, c->how.memory.held >> 10);
    pthread_mutex_lock(&c->lock);
    int failed = wait_until(c, source, take_evicting, &bytes, err);
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
    c->small = (struct lane){.places = how->memory.n_small, .bytes = how->memory.small, .work = COMPILE_WORK / 8};
    c->large = (struct lane){.places = 1, .bytes = how->memory.large, .work = COMPILE_WORK};
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

/* 1: it was too much for this lane. */
static int compile_in(struct constraint_cache *c, struct lane *lane, const struct constraint_source *source,
                      struct entry *e, struct error *err)
{
    if (enter_lane(c, lane, source, err))
        return -1;
    struct compile limits = {.most_bytes = lane->bytes,
                             .most_work = lane->work,
                             .stopped = source->stopped,
                             .arg = source->stopped_arg,
                             .is_last = lane == &c->large};
    int failed = source->compile(source->arg, &limits, &e->constraint, err);
    int outgrew = failed && (limits.end == COMPILE_MEMORY || limits.end == COMPILE_WORK_DONE);
    int is_transient = limits.error.code == ERR_CANCELLED || limits.error.code == ERR_MEMORY;
    if (failed && is_transient) { /* whatever the compiler made of it */
        *err = (struct error){0};
        compile_refused(&limits, err);
    }
    if (!failed)
        failed = take_bytes(c, source, e, err);
    if (failed)
        constraint_clear(&e->constraint);
    leave_lane(c, lane);
    return outgrew ? 1 : failed;
}

static int compile(struct constraint_cache *c, const struct constraint_source *source, struct entry *e,
                   struct error *err)
{
    struct error too_small = {0};
    int failed = c->small.places > 0 ? compile_in(c, &c->small, source, e, &too_small) : 1;
    if (failed == 1)
        return compile_in(c, &c->large, source, e, err) ? -1 : 0;
    if (failed)
        *err = too_small;
    return failed;
}

/* Under the lock: one user less of an entry that has no constraint. */
static void leave_failed(struct constraint_cache *c, struct entry *e)
{
    e->n_user--;
    e->used = ++c->clock;
    if (e->state == FAILED && e->n_user == 0)
        dispose(c, e);
}

/* Under the lock. 1: the refusal of e is remembered; its memory comes from the budget. */
static int keep_refusal(struct constraint_cache *c, struct entry *e)
{
    while (c->n_refused == REFUSALS_KEPT || take(c->how.budget, sizeof *e))
        if (!evict(c, longest_unused(c, 1)))
            return 0;
    e->bytes = sizeof *e;
    c->stats.held += e->bytes;
    c->n_refused++;
    return 1;
}

/* 1: whoever asks for the same again under this plan gets the same answer. */
static int is_final(const struct error *why) { return why->code == ERR_INPUT || why->code == ERR_UNSUPPORTED; }

/* The first asker compiles for all. */
static int make(struct constraint_cache *c, const struct constraint_source *source, struct entry *e, struct error *err)
{
    struct error why = {0};
    int failed = compile(c, source, e, &why);
    pthread_mutex_lock(&c->lock);
    c->stats.compiled += !failed;
    c->stats.failed += failed != 0;
    e->state = !failed ? READY : is_final(&why) && keep_refusal(c, e) ? REFUSED : FAILED;
    if (e->state == FAILED)
        unlink_entry(c, e);
    if (failed) {
        e->error = *err = why;
        leave_failed(c, e);
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

static int is_compiled(struct constraint_cache *c, void *entry)
{
    (void)c;
    return ((const struct entry *)entry)->state != COMPILING;
}

/* Under the lock, of an entry that somebody else may be compiling. 0: it is READY; -1: *err; 1: whoever compiled it gave up, for a
 * reason of its own. Not READY: it is let go. */
static int join(struct constraint_cache *c, const struct constraint_source *source, struct entry *e, struct error *err)
{
    e->n_user++;
    int failed = wait_until(c, source, is_compiled, e, err);
    if (!failed && e->state == READY) {
        c->stats.hits++;
        return 0;
    }
    int gave_up = e->error.code == ERR_CANCELLED || e->error.code == ERR_BUSY;
    if (!failed && !gave_up)
        *err = e->error;
    c->stats.hits += !failed && e->state == REFUSED;
    leave_failed(c, e);
    return !failed && gave_up ? 1 : -1;
}

int constraint_cache_acquire(struct constraint_cache *c, const struct constraint_source *source,
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

void constraint_cache_release(struct constraint_cache *c, const struct stoker_constraint *constraint)
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
