/* Address space for the tables of one part of a constraint. They are laid out by one function, which runs on a measuring arena first
 * (base/arena.h), so that what is reserved is what is used. */
#ifndef TEXT_CONSTRAINT_RESERVE_H
#define TEXT_CONSTRAINT_RESERVE_H

#include "base/arena.h"

/* A fixed arena over so many bytes, which take memory when they are used first. ERR_MEMORY: there is no address space.
 * arena_unmap() gives it back. */
int reserve(struct arena *a, size_t bytes, struct error *err);
/* The memory of all whole pages from here to the end of the arena goes back to the system; the address space stays, zeroed. */
void reserve_discard(const struct arena *a, const void *from);

#endif
