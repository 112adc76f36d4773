/* Memory with one owner and one lifetime: allocations only move forward, and everything is freed at once.
 *
 *   fixed       a range of somebody else's mapping, sized by the plan; arena_alloc fails when it is full
 *   growing     a chain of blocks of its own, for parsed text and tables whose size is known only afterwards; a thread that works
 *               for a request takes the blocks from the memory of requests (base/reqmem.h)
 *   measuring   no memory at all: allocations succeed and are counted, but their pointers must not be read or written. Code that
 *               runs on a measuring arena first and on a fixed one afterwards cannot plan one size and allocate another.
 *
 * Allocations are zeroed in a growing arena and in a fresh mapping, and 64-byte aligned unless asked otherwise. Under
 * AddressSanitizer the unused rest of an arena is poisoned. An arena belongs to one thread at a time. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct arena_block;
struct reqmem;

struct arena {
    uint8_t *base;             /* of the current block */
    size_t size, used;         /* bytes of the current block */
    size_t peak;               /* fixed and measuring: the largest `used` so far, bytes */
    struct arena_block *block; /* growing arenas: newest first */
    size_t total;              /* bytes mapped: what the plan counts */
    int growing, measuring;
    struct reqmem *counted; /* growing: the budget that its blocks are taken of, or NULL */
};

/* A fixed arena over [base, base + size); base is aligned to 64. */
void arena_init(struct arena *a, void *base, size_t size);

/* A growing arena, empty: it takes no memory until it is used. */
void arena_init_growing(struct arena *a);

/* A measuring arena, empty: `peak` is what a fixed arena needs for the same calls. There is nothing to free. */
void arena_init_measuring(struct arena *a);

/* Its peak rounded up to 64 bytes: parts that follow each other in one fixed arena may be measured one by one and added up. */
static inline size_t arena_measured(const struct arena *a) { return (a->peak + 63) / 64 * 64; }

/* A fixed arena with a mapping of its own: private, zeroed, size rounded up to a multiple of 2 MiB, in huge pages where the kernel
 * has them. -1 with ERR_MEMORY and the limit that forbade it. arena_unmap() gives the mapping back. */
int arena_map(struct arena *a, size_t size, struct error *err);
void arena_unmap(struct arena *a);

/* Prefault part i of n of a mapping, so that a plan that is too large fails at start and not in the middle of an answer. Several
 * threads may each prefault a part: in a virtual machine the first use of memory is slow. The contents stay as they are, even
 * while another thread or a device writes them. */
void arena_prefault(struct arena *a, int i, int n);

/* Frees the blocks of a growing arena, which is then empty. */
void arena_free(struct arena *a);

/* Likewise, but the newest block stays for what comes next, if it is of the usual size: to map it and fault it in again would take longer
 * than small work. */
void arena_clear(struct arena *a);

/* Frees the blocks of a growing arena but those that hold what these n pointers point to: other allocations must not be used any more. */
void arena_keep(struct arena *a, const void *const *p, size_t n);

/* `size` bytes, aligned to 64 or to align, a power of two. NULL when a fixed arena is full, or when the system or the memory of requests
 * has none left. */
void *arena_alloc_aligned(struct arena *a, size_t size, size_t align);
void *arena_alloc(struct arena *a, size_t size);

/* n objects of `size` bytes each, the product checked against overflow; NULL as arena_alloc. */
void *arena_array(struct arena *a, size_t n, size_t size);

/* A copy of [text, text + length) followed by a NUL byte; NULL as arena_alloc. */
char *arena_copy(struct arena *a, const char *text, size_t length);

/* Scratch memory in a fixed or measuring arena: the reset frees everything that was allocated after the mark was taken. What is allocated
 * there next is not zeroed. */
static inline size_t arena_mark(const struct arena *a) { return a->used; }
void arena_reset(struct arena *a, size_t mark);

#endif
