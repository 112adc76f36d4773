/* Writing GGUF v3: metadata first, then the table of tensors, then their bytes in the same order. Used by tests and tools.
 *
 *     struct gguf_writer w;
 *     gguf_write_begin(&w, "x.gguf", 32);            alignment
 *     gguf_write_u32(&w, "llama.block_count", 2);    ...
 *     gguf_write_tensor(&w, "output.weight", TYPE_F32, 2, (uint64_t[]){8, 4});
 *     gguf_write_data(&w, bytes, n);                 tensor by tensor, in order; begins the data part
 *     gguf_write_end(&w, &err);                      -1 if anything failed on the way
 */
#ifndef FORMAT_GGUF_WRITE_H
#define FORMAT_GGUF_WRITE_H

#include "base/arena.h"
#include "base/error.h"
#include "format/gguf.h"

#include <stdio.h>

struct gguf_writer {
    FILE *file;
    const char *path;
    struct arena arena; /* the header as it grows */
    struct gguf_write_header *header;
    uint32_t alignment;
    uint64_t data_written;
    int next_tensor; /* whose data comes now */
    struct error err;
};

void gguf_write_begin(struct gguf_writer *w, const char *path, uint32_t alignment);
void gguf_write_u32(struct gguf_writer *w, const char *key, uint32_t v);
void gguf_write_f32(struct gguf_writer *w, const char *key, float v);
void gguf_write_bool(struct gguf_writer *w, const char *key, int v);
void gguf_write_string(struct gguf_writer *w, const char *key, const char *text, size_t length);
void gguf_write_strings(struct gguf_writer *w, const char *key, const struct gguf_string *s, uint64_t n);
void gguf_write_numbers(struct gguf_writer *w, const char *key, enum gguf_kind item, const void *items, uint64_t n);
/* Any value of a parsed file, as it is. */
void gguf_write_value(struct gguf_writer *w, const struct gguf_value *v);
void gguf_write_tensor(struct gguf_writer *w, const char *name, enum block_type type, int n_dims, const uint64_t *ne);
void gguf_write_data(struct gguf_writer *w, const void *bytes, uint64_t n);
int gguf_write_end(struct gguf_writer *w, struct error *err);

#endif
