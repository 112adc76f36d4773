/* A copy of a model of f32 in which matrices are of another type: as models are that people run. */
#ifndef TESTS_TYPED_COPY_H
#define TESTS_TYPED_COPY_H

#include "gguf_write.h"
#include "quant/encode.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Tables of which rows are added, and routers, stay as they are; so does a matrix whose rows are no whole blocks. */
static inline enum block_type typed_copy_type(const struct gguf_tensor *t, enum block_type type)
{
    static const char *const kept[] = {"token_types.", "position_embd.", "ffn_gate_inp."};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (strstr(t->name, kept[i]))
            return t->type;
    int is_matrix = t->n_dims > 1 && t->type == TYPE_F32;
    return is_matrix && t->ne[0] % (uint64_t)type_info(type)->block == 0 ? type : t->type;
}

static inline void typed_copy_data(struct gguf_writer *w, const struct gguf *g, const struct gguf_tensor *t,
                                   enum block_type type)
{
    float *x = malloc(t->n_bytes);
    uint8_t *blocks = malloc(t->n_bytes); /* never larger */
    void *scratch = aligned_alloc(64, (quant_scratch_bytes() + 63) / 64 * 64);
    int ok = x && blocks && scratch &&
             pread(g->file[t->file].fd, x, t->n_bytes, (off_t)t->offset) == (ssize_t)t->n_bytes;
    if (ok && type == t->type) {
        gguf_write_data(w, x, t->n_bytes);
    } else if (ok) {
        const struct quant_encoding how = {.type = type, .effort = QUANT_FAST, .tier = TIER_SCALAR};
        size_t n = t->n_bytes / sizeof *x;
        quant_encode(&how, x, NULL, (int64_t)n, blocks, scratch);
        gguf_write_data(w, blocks, type_row_bytes(type_info(type), n));
    }
    free(scratch);
    free(blocks);
    free(x);
}

/* Returns how many tensors are of that type now, or -1 with the sentence. */
static inline int typed_copy(const char *from, const char *to, enum block_type type, struct error *err)
{
    struct gguf *g;
    struct gguf_writer w;
    int n = 0;
    if (gguf_open(&g, from, err))
        return -1;
    gguf_write_begin(&w, to, 32);
    for (uint64_t i = 0; i < g->n_value; i++)
        gguf_write_value(&w, &g->value[i]);
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        gguf_write_tensor(&w, t->name, typed_copy_type(t, type), t->n_dims, t->ne);
        n += typed_copy_type(t, type) == type;
    }
    for (uint64_t i = 0; i < g->n_tensor; i++)
        typed_copy_data(&w, g, &g->tensor[i], typed_copy_type(&g->tensor[i], type));
    gguf_close(g);
    return gguf_write_end(&w, err) ? -1 : n;
}

#endif
