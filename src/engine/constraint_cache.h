/* Compiled constraints, shared by all requests that ask for the same one, and kept for those that come later.
 *
 *     key        SHA-256 of everything that a constraint depends on: equal keys are equal constraints
 *     entry      COMPILING by whoever asked first, while others wait; then READY; or REFUSED, where it can never be compiled under
 *                this plan: the sentence is kept for those who ask again (64 of them); or FAILED for all who wait, and forgotten
 *     lanes      compilations run in memory that is planned: a few small ones at a time, and one large one beside them; first come,
 *                first served. One that outgrows the small lane begins anew in the large lane; what outgrows that is refused
 *     budget     what compiled constraints and refusals hold; unused ones are evicted, longest unused first
 *
 * An agent sends the same tools with each request: they are compiled once. An ordinary constraint never waits for a hostile
 * one, which can hold the large lane alone. Who waits asks the caller in between whether somebody still wants the answer.
 * Threads: any. */
#ifndef ENGINE_CONSTRAINT_CACHE_H
#define ENGINE_CONSTRAINT_CACHE_H

#include "base/sha256.h"
#include "engine/plan.h"
#include "text/constraint/constraint.h"

struct compile;
struct constraint_cache;
struct error;
struct stoker_constraint;

struct constraint_cache_options {
    struct constraint_memory memory;
    struct constraint_budget *budget; /* of memory.held bytes; outlives the cache */
    int most_waiting;                 /* threads that may wait at a time; one more gets ERR_BUSY */
};

/* NULL: no memory. */
struct constraint_cache *constraint_cache_create(const struct constraint_cache_options *how);
/* All entries have been put back. */
void constraint_cache_destroy(struct constraint_cache *c);

struct constraint_source {
    uint8_t key[SHA256_BYTES];
    /* Fills *out, which is zeroed, within the limits. -1: *err. */
    int (*compile)(void *arg, struct compile *limits, struct stoker_constraint *out, struct error *err);
    void *arg;
    int (*stopped)(
        void *arg); /* 1: nobody wants it any more; asked often, by the thread that asks for it. NULL: never */
    void *stopped_arg;
};

/* *out is the caller's until constraint_cache_release(). -1: ERR_INPUT: it cannot be, or takes more than the plan has for one;
 * ERR_BUSY: too many wait already; ERR_CANCELLED: stopped() said so. */
int constraint_cache_acquire(struct constraint_cache *c, const struct constraint_source *source,
                             const struct stoker_constraint **out, struct error *err);
void constraint_cache_release(struct constraint_cache *c, const struct stoker_constraint *constraint);

struct constraint_cache_stats {
    uint64_t hits;             /* found compiled, or refused */
    uint64_t compiled, failed; /* compilations that ended so */
    uint64_t evicted;          /* entries */
    size_t held;               /* bytes, by entries */
    int n_entry, n_waiting;    /* now */
};
struct constraint_cache_stats constraint_cache_stats(struct constraint_cache *c);

#endif
