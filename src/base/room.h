/* Memory that requests take, counted while they take it, and refused when it is more than was planned.
 *
 * What a request costs is known only when it was read: its JSON, its prompt, its tokens, its answer. So everything of which a client
 * chooses the size is allocated here, and the sum of all requests stays below one number, which the plan holds:
 *
 *     [ kept: small, small and middle | everybody's                              ]     room_set(most, kept)
 *
 * A thread that works for a request says so (room_enter), and its allocations fail when there is no room for them. A request that
 * takes more than ROOM_LARGE_FROM leaves the kept part alone, so the small ones get through beside any number of large ones. Other
 * threads are counted, for they may free what a request has taken, but never refused. Before room_set() nobody is.
 *
 * Threads: any may take, and give what another took. */
#ifndef BASE_ROOM_H
#define BASE_ROOM_H

#include <stddef.h>

enum { ROOM_LARGE_FROM = 4 << 20 };

/* From now on requests may take most bytes beyond what is taken at this time; kept of them are for small requests. */
void room_set(size_t most, size_t kept);
size_t room_alone(void); /* the most that a large request may take, where there is no other */
size_t room_taken(void); /* now, by all */

/* A middle one may have half of what is kept. */
enum room_share { ROOM_SMALL, ROOM_MIDDLE, ROOM_LARGE };
size_t room_left(enum room_share share); /* what requests of a share may take now, all together */

/* The calling thread works for a request that has taken so much already; and for none. */
void room_enter(size_t taken);
void room_leave(void);

/* What the thread does where others have the memory that its request needs: it waits until try(of) is 1, which takes the memory, or
 * gives up (0), and the allocation is refused. Until room_leave(), or another call; NULL: allocations are refused at once. */
typedef int room_waits(void *arg, int (*try)(const void *of), const void *of);
void room_wait_by(room_waits *wait, void *arg);

/* Whether an allocation of this request was refused, and what would help. */
enum room_short { ROOM_ENOUGH, ROOM_BUSY /* others have it: try again */, ROOM_NEVER /* not even alone */ };
enum room_short room_short(void);

/* The next n bytes that this thread takes are counted, but not refused, until n is set to 0: for what tells a client of a refusal. */
enum { ROOM_REFUSAL = 64 << 10 };
void room_spare(size_t n);

/* Bytes for memory of the caller's own. -1: not now. */
int room_take(size_t n, enum room_share share);
void room_give(size_t n);
int room_entered(void); /* 1: this thread works for a request */

/* n bytes beyond what this thread's request has are taken for it: it may have that much whatever others take, and what it gives back
 * stays its own. Until room_end_grant(), or room_leave(); room_enter() with what it has goes on with it. -1: not now. Not to be
 * nested. */
int room_grant(size_t n);
void room_end_grant(void);

/* For work that does not survive a refusal, as of a library that ignores it: n bytes are taken at once, and until room_release()
 * the thread's allocations are paid of them and none is refused. What is left then is given back. -1: not now. Not to be nested. */
int room_reserve(size_t n);
void room_release(void);

/* As malloc() and its kin; NULL: the system has none, or there is no room. What they return is theirs to free and to grow. */
void *room_malloc(size_t n);
void *room_calloc(size_t n, size_t size);
void *room_realloc(void *p, size_t n);
void room_free(void *p);

#endif
