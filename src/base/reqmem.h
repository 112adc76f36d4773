/* Memory that requests take, counted while they take it, and refused when it is more than was planned.
 *
 * What a request costs is known only when it was read: its JSON, its prompt, its tokens, its answer. So everything of which a client
 * chooses the size is counted here, and the sum of all requests of a server stays below one number, which its plan holds:
 *
 *     struct reqmem            a server's budget    [ kept: small, small and middle | everybody's                              ]
 *     struct reqmem_account    what one request has of it; its connection holds it
 *     reqmem_enter(account)    from here on the thread's allocations, jansson's too, are that request's
 *
 * An allocation fails when the requests have no memory left for it. A request that takes more than REQMEM_LARGE_FROM leaves the kept
 * part alone, so the small ones get through beside any number of large ones. A thread that works for no request has what the system
 * has, uncounted.
 *
 * Memory goes back to the budget of the thread that frees it: who frees what a request took works for a request of the same server, be
 * it another one. docs/DECISIONS.md says why a thread has an account, and not each call.
 *
 * Threads: any may use a budget; an account belongs to one at a time. */
#ifndef BASE_REQMEM_H
#define BASE_REQMEM_H

#include <stdatomic.h>
#include <stddef.h>

enum { REQMEM_LARGE_FROM = 4 << 20 };

/* Of the process, before requests take memory: few arenas, and large pieces given back at once, so that what one thread freed serves the
 * next. */
void reqmem_prepare(void);

/* ---- the budget ------------------------------------------------------------------------------------------------------------ */

struct reqmem {
    atomic_llong taken;   /* bytes, by all its accounts */
    long long most, kept; /* of most bytes, kept are for small requests */
};

/* Nothing is taken. most: bytes of all requests together; kept: of these, bytes that only small requests may take. */
void reqmem_init(struct reqmem *m, size_t most, size_t kept);
size_t reqmem_alone(const struct reqmem *m); /* the most that a large request may take, where there is no other */
size_t reqmem_taken(const struct reqmem *m); /* now, by all */

/* A middle one may have half of what is kept. */
enum reqmem_share { REQMEM_SMALL, REQMEM_MIDDLE, REQMEM_LARGE };
size_t reqmem_left(const struct reqmem *m,
                   enum reqmem_share share); /* what requests of a share may take now, all together */

/* ---- a request's account --------------------------------------------------------------------------------------------------- */

/* Whether an allocation was refused, and what would help. */
enum reqmem_short { REQMEM_ENOUGH, REQMEM_BUSY /* others have it: try again */, REQMEM_NEVER /* not even alone */ };

/* What is done where others have the memory that a request needs: it waits until try(of) is 1, which takes the memory, or gives up (0),
 * and the allocation is refused. */
struct reqmem_demand;
typedef int reqmem_waits(void *arg, int (*try)(const struct reqmem_demand *of), const struct reqmem_demand *of);

/* Zeroed, but for its budget. The rest is reqmem.c's. */
struct reqmem_account {
    struct reqmem *of;
    long long mine, peak; /* since reqmem_enter() */
    long long granted;    /* at least this much is taken for this request; 0: nothing was granted */
    size_t spare;
    enum reqmem_short why;
    reqmem_waits *wait;
    void *wait_arg;
    int reserving; /* between reqmem_reserve() and reqmem_release() */
    long long reserved, paid;
};

/* The calling thread works for a request that has taken so much already, and was refused nothing; and for none. */
void reqmem_enter(struct reqmem_account *a, size_t taken);
void reqmem_leave(void);

/* Bytes for memory of the caller's own. -1: not now. */
int reqmem_take(struct reqmem_account *a, size_t n, enum reqmem_share share);
void reqmem_give(struct reqmem_account *a, size_t n);

/* n bytes beyond what the request has are taken for it: it may have that much whatever others take, and what it gives back stays its
 * own. Until reqmem_end_grant(), or reqmem_leave(); reqmem_enter() with what it has goes on with it. -1: not now. Not to be nested. */
int reqmem_grant(struct reqmem_account *a, size_t n);
void reqmem_end_grant(struct reqmem_account *a);

/* How the request waits. Until reqmem_leave(), another call, or until it has waited in vain once; NULL: allocations are refused at once. */
void reqmem_wait_by(struct reqmem_account *a, reqmem_waits *wait, void *arg);

enum reqmem_short reqmem_short(const struct reqmem_account *a);

/* The next n bytes that are taken are counted, but not refused, until n is set to 0: for what tells a client of a refusal. */
enum { REQMEM_REFUSAL = 64 << 10 };
void reqmem_spare(struct reqmem_account *a, size_t n);

/* ---- allocations of the thread's request ----------------------------------------------------------------------------------- */

/* As malloc() and its kin; NULL: the system has none, or the requests have none left. What they return is theirs to free and to
 * grow. */
void *reqmem_malloc(size_t n);
void *reqmem_calloc(size_t n, size_t size);
void *reqmem_realloc(void *p, size_t n);
void reqmem_free(void *p);

/* For work that does not survive a refusal, as of a library that ignores it: n bytes are taken at once, and until reqmem_release()
 * the thread's allocations are paid of them and none is refused. What is left then is given back. -1: not now. Not to be nested. */
int reqmem_reserve(size_t n);
void reqmem_release(void);

/* For memory of other kinds: the budget of the thread's request, or NULL; bytes of it, also where the thread works for no request of its
 * own any more: then they are counted, and never refused. NULL is a budget without an end. */
struct reqmem *reqmem_here(void);
int reqmem_take_of(struct reqmem *m, size_t n);
void reqmem_give_to(struct reqmem *m, size_t n);

/* Bytes of a budget, but of no account and no grant, for what one thread takes for a request and another one may give back. -1: not now.
 * NULL is a budget without an end. */
int reqmem_take_apart(struct reqmem *m, size_t n, enum reqmem_share share);
void reqmem_give_apart(struct reqmem *m, size_t n);

#endif
