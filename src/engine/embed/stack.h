/* What steps of an encoder take of the stack that they have of their own (embed.c): asked by tests. */
#ifndef ENGINE_EMBED_STACK_H
#define ENGINE_EMBED_STACK_H

#include <stddef.h>

struct stoker;

/* The most bytes that were in use at a time; of an engine that stands beside another. */
size_t encoding_stack_used(const struct stoker *s);

#endif
