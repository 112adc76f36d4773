/* Counts allocations while counting is switched on: malloc, calloc, realloc and the like, and mmap, of all threads.
 *
 * Included by one file of a test program: its definitions stand before the C library's, and pass the calls on. Not possible
 * under AddressSanitizer, which has an allocator of its own: COUNT_MALLOC is 0 there. glibc only. */
#ifndef TESTS_COUNT_MALLOC_H
#define TESTS_COUNT_MALLOC_H

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sanitized.h"

#if defined(__GLIBC__) && !SANITIZED
#define COUNT_MALLOC 1
#else
#define COUNT_MALLOC 0
#endif

static atomic_int count_on, count_calls;

static inline void count_begin(void)
{
    atomic_store(&count_calls, 0);
    atomic_store(&count_on, 1);
}

static inline int count_end(void)
{
    atomic_store(&count_on, 0);
    return atomic_load(&count_calls);
}

#if COUNT_MALLOC
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static inline void count_one(void)
{
    if (atomic_load_explicit(&count_on, memory_order_relaxed))
        atomic_fetch_add(&count_calls, 1);
}

void *malloc(size_t n)
{
    count_one();
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    count_one();
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    count_one();
    return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    count_one();
    return __libc_memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
    count_one();
    *out = __libc_memalign(align, n);
    return *out ? 0 : ENOMEM;
}

void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
    count_one();
    return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, offset);
}
#endif

#endif
