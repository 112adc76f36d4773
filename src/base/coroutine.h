/* A function on a stack of its own that may pause in the middle and continue later: long computations in pieces, without a thread.
 *
 *     co = coroutine_create();
 *     done = coroutine_begin(co, body, arg);          body calls coroutine_pause(co) now and then
 *     while (!done) { ...; done = coroutine_resume(co); }
 *
 * Nothing runs at the same time: begin and resume return when the body pauses or has ended. Each call may come from another
 * thread, one at a time; the body must not keep what belongs to a thread across a pause. */
#ifndef BASE_COROUTINE_H
#define BASE_COROUTINE_H

#include <stddef.h>

struct coroutine;
struct error;

/* -1 with ERR_MEMORY. */
int coroutine_create(struct coroutine **out, struct error *err);
void coroutine_destroy(struct coroutine *co); /* NULL: nothing; a body that has paused is abandoned */
/* Bytes of a coroutine's memory at most; the system provides pages as the body uses them. */
size_t coroutine_bytes(void);
/* The most bytes of the stack that were in use at a time, since it was created or since coroutine_release(). */
size_t coroutine_stack_used(const struct coroutine *co);

/* Run the body until it ends (1) or pauses (0). begin: no body of co may be paused; resume: one must be. */
int coroutine_begin(struct coroutine *co, void (*body)(void *arg), void *arg);
int coroutine_resume(struct coroutine *co);
/* Called by the body only. */
void coroutine_pause(struct coroutine *co);
/* The paused body never continues, and memory that it holds is leaked. Does nothing where no body has paused. */
void coroutine_abandon(struct coroutine *co);
/* Returns the stack's memory to the system. No body may be paused. */
void coroutine_release(struct coroutine *co);

#endif
