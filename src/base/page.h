/* The size of a page of memory: 4 KiB on x86-64; 4, 16 or 64 KiB on arm64, as the kernel was configured. */
#ifndef BASE_PAGE_H
#define BASE_PAGE_H

#include <stddef.h>
#include <unistd.h>

static inline size_t page_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

#endif
