/* The end of the stack: see stack.h. Frame addresses, not those of variables: a sanitizer may keep variables elsewhere. */
#include "base/stack.h"

#include <pthread.h>

/* The lowest address of this thread's stack; 0: the system does not say. Asked once a thread: of the main one it is a file in /proc. */
static uintptr_t lowest_address(void)
{
    static _Thread_local uintptr_t lowest;
    static _Thread_local int asked;
    pthread_attr_t attr;
    void *base;
    size_t size;
    if (asked)
        return lowest;
    asked = 1;
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return 0;
    if (pthread_attr_getstack(&attr, &base, &size) == 0)
        lowest = (uintptr_t)base;
    pthread_attr_destroy(&attr);
    return lowest;
}

uintptr_t stack_limit(uintptr_t most, uintptr_t kept)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), end = lowest_address() + kept;
    uintptr_t limit = here > most ? here - most : 0;
    return limit > end ? limit : end;
}
