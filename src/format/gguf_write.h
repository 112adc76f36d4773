/* Writing GGUF v3: metadata first, then the table of tensors, then their bytes in the same order. Used by tests and tools.
 *
 *     struct gguf_writer w;
 *     gguf_write_begin(&w, "x.gguf", 32);            alignment
 *     gguf_write_u32(&w, "llama.block_count", 2);    ...
 *     gguf_write_tensor(&w, "output.weight", TYPE_F32, 2, (uint64_t[]){8, 4});
 *     gguf_write_data(&w, bytes, n);                 tensor by tensor, in order, in any pieces; begins the data part
 *     gguf_write_end(&w, &err);                      -1 if anything failed on the way; the file is then removed
 *
 * Between begin and end the functions return nothing: the first failure is kept, and the rest does nothing. The header is
 * collected in memory, data goes straight to the file. A general.alignment other than 32 is written as the first key. */
#ifndef FORMAT_GGUF_WRITE_H
#define FORMAT_GGUF_WRITE_H

#include "base/error.h"
#include "format/gguf.h"

#include <stdio.h>

struct gguf_writer {
    const char *path; /* the caller's, until gguf_write_end() */
    FILE *file;
    FILE *keys, *tensors; /* the header as it grows, in memory */
    char *keys_text, *tensors_text;
    size_t keys_size, tensors_size;
    uint64_t n_key, n_tensor;
    uint64_t *size;       /* [n_tensor] bytes */
    uint64_t data_size;   /* of the tensors so far, padded: the offset of the next */
    uint64_t next, wrote; /* whose data comes now, and how much of it has come */
    uint32_t alignment;
    int in_data;
    struct error err;
};

/* alignment: a power of two, 8 at least. */
void gguf_write_begin(struct gguf_writer *w, const char *path, uint32_t alignment);

void gguf_write_u32(struct gguf_writer *w, const char *key, uint32_t v);
void gguf_write_f32(struct gguf_writer *w, const char *key, float v);
void gguf_write_bool(struct gguf_writer *w, const char *key, int v);
void gguf_write_string(struct gguf_writer *w, const char *key, const char *text, size_t length);
void gguf_write_strings(struct gguf_writer *w, const char *key, const struct gguf_string *s, uint64_t n);
/* items [n], packed, of a number kind. */
void gguf_write_numbers(struct gguf_writer *w, const char *key, enum gguf_kind item, const void *items, uint64_t n);
/* Any value: of a parsed file as it is, or one of a kind that has no function here. */
void gguf_write_value(struct gguf_writer *w, const struct gguf_value *v);

/* ne [n_dims], row length first, rows of whole blocks. */
void gguf_write_tensor(struct gguf_writer *w, const char *name, enum block_type type, int n_dims, const uint64_t *ne);

/* The next n bytes of the data of the current tensor; not across the end of it. */
void gguf_write_data(struct gguf_writer *w, const void *bytes, uint64_t n);

/* 0, or -1 and the first failure. Everything is released in either case. */
int gguf_write_end(struct gguf_writer *w, struct error *err);

#endif
