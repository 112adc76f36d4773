/* Memory with one owner and one end of life: allocate forward, free the whole.
 *
 *   fixed     a stretch of somebody's mapping, sized by the plan; arena_alloc fails when it is full
 *   growing   a chain of blocks of its own, for parsed text and tables whose size is known only afterwards; of a thread that works
 *             for a request: out of the room of requests
 *
 * Allocations are zeroed in a growing arena and in a fresh mapping, 64-byte aligned unless asked otherwise. Under
 * AddressSanitizer the unused rest of an arena is poisoned. Not for use by several threads at a time. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct arena_block;

struct arena {
    uint8_t *base;             /* of the current block */
    size_t size, used;         /* of the current block */
    struct arena_block *block; /* growing arenas: newest first */
    size_t total;              /* bytes mapped: what the plan counts */
    int growing;
    int counted; /* its blocks are a request's: base/room.h */
};

/* A fixed arena over [base, base + size); base is aligned to 64. */
void arena_init(struct arena *a, void *base, size_t size);

/* A growing arena, empty: costs nothing until used. */
void arena_init_growing(struct arena *a);

/* Map a fixed arena of its own: private, zeroed, a multiple of 2 MiB in huge pages where the kernel has them. */
int arena_map(struct arena *a, size_t size, struct error *err);
void arena_unmap(struct arena *a);

/* Have the pages of part i of n of a mapping now, so that a wrong plan fails at once and not in the middle of an answer. Several
 * threads may each touch a part: in a virtual machine new memory is slow to come. What is in the memory stays, even while
 * somebody writes it. */
void arena_prefault(struct arena *a, int i, int n);

/* Give a growing arena's blocks back. */
void arena_free(struct arena *a);

/* NULL when a fixed arena is full, or the system or the room of requests has no memory. align is a power of two. */
void *arena_alloc_aligned(struct arena *a, size_t size, size_t align);
void *arena_alloc(struct arena *a, size_t size);

/* n objects of a size, checked against overflow; NULL like arena_alloc. */
void *arena_array(struct arena *a, size_t n, size_t size);

/* A copy of [text, text + length) with a NUL behind it. */
char *arena_copy(struct arena *a, const char *text, size_t length);

/* Scratch use of a fixed arena: what was allocated since the mark is gone after the reset. */
static inline size_t arena_mark(const struct arena *a) { return a->used; }
void arena_reset(struct arena *a, size_t mark);

#endif
