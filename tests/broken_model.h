/* A model in which one token has no numbers: texts with it have vectors of NaN, and the others have theirs. */
#ifndef TESTS_BROKEN_MODEL_H
#define TESTS_BROKEN_MODEL_H

#include "base/error.h"
#include "format/gguf.h"
#include "stoker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A copy of the model at path, of any type of weights: 0, or -1. */
static inline int write_broken_model(const char *path, const char *to, stoker_token token)
{
    struct error err = {0};
    struct gguf *g;
    if (gguf_open(&g, path, &err))
        return -1;
    const struct gguf_tensor *t = gguf_tensor(g, "token_embd.weight");
    size_t n = (size_t)g->file[0].size;
    size_t row = (size_t)(t->n_bytes / t->ne[1]);
    char *bytes = malloc(n);
    FILE *in = fopen(path, "rb"), *out = fopen(to, "wb");
    int ok = bytes && in && out && fread(bytes, 1, n, in) == n;
    if (ok)
        memset(bytes + t->offset + (size_t)token * row, 0xFF, row); /* of blocks the scales are NaN then */
    ok = ok && fwrite(bytes, 1, n, out) == n;
    if (in)
        fclose(in);
    if (out)
        ok = fclose(out) == 0 && ok;
    free(bytes);
    gguf_close(g);
    return ok ? 0 : -1;
}

#endif
