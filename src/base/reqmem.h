/* Memory that requests take, counted while they take it, and refused when it is more than was planned.
 *
 * What a request costs is known only when it was read: its JSON, its prompt, its tokens, its answer. So everything of which a client
 * chooses the size is allocated here, and the sum of all requests stays below one number, which the plan holds:
 *
 *     [ kept: small, small and middle | everybody's                              ]     reqmem_set(most, kept)
 *
 * A thread that works for a request says so (reqmem_enter), and its allocations fail when the requests have no memory left for them. A
 * request that takes more than REQMEM_LARGE_FROM leaves the kept part alone, so the small ones get through beside any number of large
 * ones. Other threads are counted, for they may free what a request has taken, but never refused. Before reqmem_set() nobody is.
 *
 * Threads: any may take, and give what another took. */
#ifndef BASE_REQMEM_H
#define BASE_REQMEM_H

#include <stddef.h>

enum { REQMEM_LARGE_FROM = 4 << 20 };

/* From now on requests may take most bytes beyond what is taken at this time; kept of them are for small requests. */
void reqmem_set(size_t most, size_t kept);
size_t reqmem_alone(void); /* the most that a large request may take, where there is no other */
size_t reqmem_taken(void); /* now, by all */

/* A middle one may have half of what is kept. */
enum reqmem_share { REQMEM_SMALL, REQMEM_MIDDLE, REQMEM_LARGE };
size_t reqmem_left(enum reqmem_share share); /* what requests of a share may take now, all together */

/* The calling thread works for a request that has taken so much already; and for none. */
void reqmem_enter(size_t taken);
void reqmem_leave(void);

/* What the thread does where others have the memory that its request needs: it waits until try(of) is 1, which takes the memory, or
 * gives up (0), and the allocation is refused. Until reqmem_leave(), or another call; NULL: allocations are refused at once. */
typedef int reqmem_waits(void *arg, int (*try)(const void *of), const void *of);
void reqmem_wait_by(reqmem_waits *wait, void *arg);

/* Whether an allocation of this request was refused, and what would help. */
enum reqmem_short { REQMEM_ENOUGH, REQMEM_BUSY /* others have it: try again */, REQMEM_NEVER /* not even alone */ };
enum reqmem_short reqmem_short(void);

/* The next n bytes that this thread takes are counted, but not refused, until n is set to 0: for what tells a client of a refusal. */
enum { REQMEM_REFUSAL = 64 << 10 };
void reqmem_spare(size_t n);

/* Bytes for memory of the caller's own. -1: not now. */
int reqmem_take(size_t n, enum reqmem_share share);
void reqmem_give(size_t n);
int reqmem_entered(void); /* 1: this thread works for a request */

/* n bytes beyond what this thread's request has are taken for it: it may have that much whatever others take, and what it gives back
 * stays its own. Until reqmem_end_grant(), or reqmem_leave(); reqmem_enter() with what it has goes on with it. -1: not now. Not to be
 * nested. */
int reqmem_grant(size_t n);
void reqmem_end_grant(void);

/* For work that does not survive a refusal, as of a library that ignores it: n bytes are taken at once, and until reqmem_release()
 * the thread's allocations are paid of them and none is refused. What is left then is given back. -1: not now. Not to be nested. */
int reqmem_reserve(size_t n);
void reqmem_release(void);

/* As malloc() and its kin; NULL: the system has none, or the requests have none left. What they return is theirs to free and to
 * grow. */
void *reqmem_malloc(size_t n);
void *reqmem_calloc(size_t n, size_t size);
void *reqmem_realloc(void *p, size_t n);
void reqmem_free(void *p);

#endif
