/* The embedded model with its weights in another order: a model that does not know what it says. */
#ifndef TESTS_SHUFFLED_MODEL_H
#define TESTS_SHUFFLED_MODEL_H

#include "base/error.h"
#include "base/rng.h"
#include "format/gguf.h"
#include "format/types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Blocks of a tensor change places by chance: the same values, no meaning. */
static inline void shuffle(uint8_t *data, uint64_t n_block, size_t size, uint64_t seed)
{
    uint8_t kept[512];
    for (uint64_t i = n_block - 1; i > 0; i--) {
        uint64_t k = rng_u64(seed, i, 0, 0) % (i + 1);
        memcpy(kept, data + i * size, size);
        memmove(data + i * size, data + k * size, size);
        memcpy(data + k * size, kept, size);
    }
}

/* -1: it could not be read or written. */
static inline int shuffled_copy(const char *from, const char *to)
{
    struct error err = {0};
    struct gguf *g = NULL;
    if (gguf_open(&g, from, &err) != 0) {
        printf("%s\n", err.text);
        return -1;
    }
    uint64_t size = g->file[0].size;
    uint8_t *all = malloc(size);
    int ok = all && pread(g->file[0].fd, all, size, 0) == (ssize_t)size;
    for (uint64_t i = 0; ok && i < g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        size_t block = (size_t)type_info(t->type)->bytes;
        if (block <= 512 && t->n_bytes >= 2 * block)
            shuffle(all + t->offset, t->n_bytes / block, block, i + 1);
    }
    FILE *f = ok ? fopen(to, "wb") : NULL;
    ok = f && fwrite(all, 1, size, f) == size;
    if (f)
        ok = fclose(f) == 0 && ok;
    free(all);
    gguf_close(g);
    return ok ? 0 : -1;
}

#endif
