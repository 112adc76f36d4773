/* The end of a thread's stack, for recursion whose depth a foreign text decides: each call checks that stack is left before it goes deeper.
 *
 * Counting calls would not do: a frame takes three times as much in one build as in another, and the callers have used some of the
 * stack already. So addresses are compared. */
#ifndef BASE_STACK_H
#define BASE_STACK_H

#include <stdint.h>

/* Bytes of the smallest stack of a thread that renders templates and compiles schemas: of a server's connection. ThreadSanitizer keeps
 * some 700 KiB of its own in each. */
#ifdef __SANITIZE_THREAD__
enum { STACK_LEAST = 2 << 20 };
#else
enum { STACK_LEAST = 1 << 20 };
#endif

/* The lowest address that recursion which begins here may reach, on this thread only: `most` bytes further, so that the same text is too
 * deep on every thread; less where the thread's stack ends before that. The stack's last `kept` bytes stay free for functions that do not
 * check. */
uintptr_t stack_limit(uintptr_t most, uintptr_t kept);

/* 1: the caller's frame is beyond the limit. */
static inline int stack_is_beyond(uintptr_t limit) { return (uintptr_t)__builtin_frame_address(0) < limit; }

#endif
