/* The end of a thread's stack, for recursion that somebody else's text decides: it asks how deep it may go before it goes deeper.
 *
 * Counting calls cannot tell: a frame takes three times as much in one build as in another, and whoever called first has used
 * some already. So addresses are compared. */
#ifndef BASE_STACK_H
#define BASE_STACK_H

#include <stdint.h>

/* The smallest stack of a thread that renders templates: of a server's connection. */
enum { STACK_LEAST = 1 << 20 };

/* The lowest address that recursion which begins here may reach: `most` bytes on, so that what is too deep is so on every thread;
 * less where the thread's stack ends before, whose last `kept` bytes stay free for the functions that do not ask. */
uintptr_t stack_limit(uintptr_t most, uintptr_t kept);

/* 1: the caller's frame is beyond the limit. */
static inline int stack_is_beyond(uintptr_t limit) { return (uintptr_t)__builtin_frame_address(0) < limit; }

#endif
