/* Writing GGUF v3: metadata first, then the table of tensors, then their bytes in the same order. For tests: the product only reads.
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
#ifndef TESTS_GGUF_WRITE_H
#define TESTS_GGUF_WRITE_H

#include "base/checked.h"
#include "base/error.h"
#include "format/gguf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gguf_writer {
    const char *path; /* the caller's, until gguf_write_end() */
    FILE *file;
    FILE *keys, *tensors; /* the header as it grows, in memory */
    char *keys_text, *tensors_text;
    size_t keys_size, tensors_size;
    uint64_t n_key, n_tensor;
    uint64_t *size;       /* [n_tensor] bytes */
    uint64_t data_size;   /* of the tensors so far, padded: the offset of the next */
    uint64_t next, wrote; /* the tensor whose data is written now, and its bytes so far */
    uint32_t alignment;
    int in_data;
    struct error err;
};

enum { GGUF_WRITE_VERSION = 3, GGUF_WRITE_ALIGNMENT = 32 };

static inline int gguf_write_failed(const struct gguf_writer *w) { return w->err.code != ERR_NONE; }

static inline void gguf_put(struct gguf_writer *w, FILE *f, const void *bytes, uint64_t n)
{
    if (!gguf_write_failed(w) && n && fwrite(bytes, 1, n, f) != n)
        error_set(&w->err, ERR_IO, "%s: writing failed: %s", w->path, strerror(errno));
}

static inline void gguf_put_u32(struct gguf_writer *w, FILE *f, uint32_t v) { gguf_put(w, f, &v, sizeof v); }
static inline void gguf_put_u64(struct gguf_writer *w, FILE *f, uint64_t v) { gguf_put(w, f, &v, sizeof v); }

static inline void gguf_put_string(struct gguf_writer *w, FILE *f, const char *text, uint64_t length)
{
    gguf_put_u64(w, f, length);
    gguf_put(w, f, text, length);
}

static inline void gguf_write_u32(struct gguf_writer *w, const char *key, uint32_t v);

/* alignment: a power of two, 8 at least. */
static inline void gguf_write_begin(struct gguf_writer *w, const char *path, uint32_t alignment)
{
    *w = (struct gguf_writer){.path = path, .alignment = alignment};
    w->file = fopen(path, "wbe");
    if (!w->file) {
        error_set(&w->err, ERR_IO, "%s: cannot be created: %s", path, strerror(errno));
        return;
    }
    w->keys = open_memstream(&w->keys_text, &w->keys_size);
    w->tensors = open_memstream(&w->tensors_text, &w->tensors_size);
    if (!w->keys || !w->tensors)
        error_set(&w->err, ERR_MEMORY, "%s: no memory for its header", path);
    else if (alignment < 8 || (alignment & (alignment - 1)))
        error_set(&w->err, ERR_INPUT, "%s: alignment %" PRIu32 " is not a power of two of 8 or more", path, alignment);
    else if (alignment != GGUF_WRITE_ALIGNMENT)
        gguf_write_u32(w, "general.alignment", alignment);
}

/* ---- keys --------------------------------------------------------------------------------------------------------- */

static inline size_t gguf_kind_size(enum gguf_kind k)
{
    switch (k) {
    case GGUF_U8:
    case GGUF_I8:
    case GGUF_BOOL:
        return 1;
    case GGUF_U16:
    case GGUF_I16:
        return 2;
    case GGUF_U32:
    case GGUF_I32:
    case GGUF_F32:
        return 4;
    case GGUF_U64:
    case GGUF_I64:
    case GGUF_F64:
        return 8;
    default:
        return 0;
    }
}

static inline void gguf_put_array(struct gguf_writer *w, const struct gguf_value *v)
{
    gguf_put_u32(w, w->keys, v->item);
    gguf_put_u64(w, w->keys, v->n);
    if (v->item != GGUF_STRING)
        gguf_put(w, w->keys, v->as.items, v->n * gguf_kind_size(v->item));
    else
        for (uint64_t i = 0; i < v->n; i++)
            gguf_put_string(w, w->keys, v->as.strings[i].text, v->as.strings[i].length);
}

/* Any value: of a parsed file as it is, or one of a kind that has no function here. */
static inline void gguf_write_value(struct gguf_writer *w, const struct gguf_value *v)
{
    if (gguf_write_failed(w))
        return;
    if (w->in_data) {
        error_set(&w->err, ERR_BUG, "%s: a key was written after tensor data", w->path);
        return;
    }
    gguf_put_string(w, w->keys, v->key.text, v->key.length);
    gguf_put_u32(w, w->keys, v->kind);
    float f = v->kind == GGUF_F32 ? (float)v->as.f : 0;
    if (v->kind == GGUF_STRING)
        gguf_put_string(w, w->keys, v->as.string.text, v->as.string.length);
    else if (v->kind == GGUF_ARRAY)
        gguf_put_array(w, v);
    else if (v->kind == GGUF_F32)
        gguf_put(w, w->keys, &f, sizeof f);
    else
        gguf_put(w, w->keys, &v->as, gguf_kind_size(v->kind)); /* the low bytes: little-endian */
    w->n_key++;
}

static inline struct gguf_string gguf_name_of(const char *key) { return (struct gguf_string){key, strlen(key)}; }

static inline void gguf_write_u32(struct gguf_writer *w, const char *key, uint32_t v)
{
    gguf_write_value(w, &(struct gguf_value){.key = gguf_name_of(key), .kind = GGUF_U32, .n = 1, .as.u = v});
}

static inline void gguf_write_f32(struct gguf_writer *w, const char *key, float v)
{
    gguf_write_value(w, &(struct gguf_value){.key = gguf_name_of(key), .kind = GGUF_F32, .n = 1, .as.f = (double)v});
}

static inline void gguf_write_bool(struct gguf_writer *w, const char *key, int v)
{
    gguf_write_value(w, &(struct gguf_value){.key = gguf_name_of(key), .kind = GGUF_BOOL, .n = 1, .as.u = v != 0});
}

static inline void gguf_write_string(struct gguf_writer *w, const char *key, const char *text, size_t length)
{
    gguf_write_value(
        w, &(struct gguf_value){.key = gguf_name_of(key), .kind = GGUF_STRING, .n = 1, .as.string = {text, length}});
}

static inline void gguf_write_strings(struct gguf_writer *w, const char *key, const struct gguf_string *s, uint64_t n)
{
    gguf_write_value(w,
                     &(struct gguf_value){
                         .key = gguf_name_of(key), .kind = GGUF_ARRAY, .item = GGUF_STRING, .n = n, .as.strings = s});
}

/* items [n], packed, of a number kind. */
static inline void gguf_write_numbers(struct gguf_writer *w, const char *key, enum gguf_kind item, const void *items,
                                      uint64_t n)
{
    gguf_write_value(
        w, &(struct gguf_value){.key = gguf_name_of(key), .kind = GGUF_ARRAY, .item = item, .n = n, .as.items = items});
}

/* ---- tensors ------------------------------------------------------------------------------------------------------ */

/* Bytes of a tensor, or 0 and the failure. */
static inline uint64_t gguf_tensor_bytes(struct gguf_writer *w, const char *name, enum block_type type, int n_dims,
                                         const uint64_t *ne)
{
    const struct block_info *t = type_info(type);
    uint64_t n = 1;
    int fits = t && n_dims >= 1 && n_dims <= GGUF_MAX_DIMS && ne[0] % (uint64_t)t->block == 0;
    for (int d = 0; fits && d < n_dims; d++)
        fits = ne[d] > 0 && checked_mul(n, ne[d], &n);
    if (!fits || !checked_mul(n / (uint64_t)t->block, (uint64_t)t->bytes, &n)) {
        error_set(&w->err, ERR_INPUT, "%s: tensor %s cannot be written: type %d with these %d dimensions", w->path,
                  name, (int)type, n_dims);
        return 0;
    }
    return n;
}

/* ne [n_dims], row length first, rows of whole blocks. */
static inline void gguf_write_tensor(struct gguf_writer *w, const char *name, enum block_type type, int n_dims,
                                     const uint64_t *ne)
{
    uint64_t n = gguf_write_failed(w) ? 0 : gguf_tensor_bytes(w, name, type, n_dims, ne);
    if (n == 0)
        return;
    if (w->in_data) {
        error_set(&w->err, ERR_BUG, "%s: tensor %s was declared after tensor data", w->path, name);
        return;
    }
    uint64_t *size = realloc(w->size, (w->n_tensor + 1) * sizeof *size);
    if (!size) {
        error_set(&w->err, ERR_MEMORY, "%s: no memory for tensor %s", w->path, name);
        return;
    }
    w->size = size;
    w->size[w->n_tensor++] = n;
    gguf_put_string(w, w->tensors, name, strlen(name));
    gguf_put_u32(w, w->tensors, (uint32_t)n_dims);
    for (int d = 0; d < n_dims; d++)
        gguf_put_u64(w, w->tensors, ne[d]);
    gguf_put_u32(w, w->tensors, type);
    gguf_put_u64(w, w->tensors, w->data_size);
    w->data_size += round_up(n, w->alignment);
}

/* Zeros up to the next multiple of the alignment; n bytes are there. */
static inline void gguf_pad(struct gguf_writer *w, uint64_t n)
{
    for (uint64_t left = round_up(n, w->alignment) - n; left; left--)
        gguf_put(w, w->file, "", 1);
}

static inline void gguf_write_header(struct gguf_writer *w)
{
    w->in_data = 1;
    if (fflush(w->keys) != 0 || fflush(w->tensors) != 0)
        error_set(&w->err, ERR_MEMORY, "%s: no memory for its header", w->path);
    gguf_put(w, w->file, "GGUF", 4);
    gguf_put_u32(w, w->file, GGUF_WRITE_VERSION);
    gguf_put_u64(w, w->file, w->n_tensor);
    gguf_put_u64(w, w->file, w->n_key);
    gguf_put(w, w->file, w->keys_text, w->keys_size);
    gguf_put(w, w->file, w->tensors_text, w->tensors_size);
    gguf_pad(w, 24 + w->keys_size + w->tensors_size);
}

/* The next n bytes of the data of the current tensor; not across the end of it. */
static inline void gguf_write_data(struct gguf_writer *w, const void *bytes, uint64_t n)
{
    if (!gguf_write_failed(w) && !w->in_data)
        gguf_write_header(w);
    if (gguf_write_failed(w))
        return;
    if (w->next >= w->n_tensor || n > w->size[w->next] - w->wrote) {
        error_set(&w->err, ERR_BUG, "%s: more data than tensor %" PRIu64 " of %" PRIu64 " holds", w->path, w->next,
                  w->n_tensor);
        return;
    }
    gguf_put(w, w->file, bytes, n);
    w->wrote += n;
    if (w->wrote == w->size[w->next]) {
        gguf_pad(w, w->wrote);
        w->next++;
        w->wrote = 0;
    }
}

/* 0, or -1 and the first failure. Everything is released in either case. */
static inline int gguf_write_end(struct gguf_writer *w, struct error *err)
{
    if (!gguf_write_failed(w) && !w->in_data)
        gguf_write_header(w);
    if (!gguf_write_failed(w) && w->next != w->n_tensor)
        error_set(&w->err, ERR_BUG, "%s: the data of only %" PRIu64 " of %" PRIu64 " tensors was written", w->path,
                  w->next, w->n_tensor);
    if (w->keys)
        fclose(w->keys);
    if (w->tensors)
        fclose(w->tensors);
    free(w->keys_text);
    free(w->tensors_text);
    free(w->size);
    if (w->file && fclose(w->file) != 0)
        error_set(&w->err, ERR_IO, "%s: writing failed: %s", w->path, strerror(errno));
    int status = gguf_write_failed(w) ? error_set(err, w->err.code, "%s", w->err.text) : 0;
    if (status != 0 && w->file)
        remove(w->path);
    *w = (struct gguf_writer){0};
    return status;
}

#endif
