/* Writing GGUF files: see gguf_write.h. The layout stands in gguf_header.h. */
#include "format/gguf_write.h"

#include "base/checked.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 3, DEFAULT_ALIGNMENT = 32 };

static int failed(const struct gguf_writer *w) { return w->err.code != ERR_NONE; }

static void put(struct gguf_writer *w, FILE *f, const void *bytes, uint64_t n)
{
    if (!failed(w) && n && fwrite(bytes, 1, n, f) != n)
        error_set(&w->err, ERR_IO, "%s: writing failed: %s", w->path, strerror(errno));
}

static void put_u32(struct gguf_writer *w, FILE *f, uint32_t v) { put(w, f, &v, sizeof v); }
static void put_u64(struct gguf_writer *w, FILE *f, uint64_t v) { put(w, f, &v, sizeof v); }

static void put_string(struct gguf_writer *w, FILE *f, const char *text, uint64_t length)
{
    put_u64(w, f, length);
    put(w, f, text, length);
}

void gguf_write_begin(struct gguf_writer *w, const char *path, uint32_t alignment)
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
    else if (alignment != DEFAULT_ALIGNMENT)
        gguf_write_u32(w, "general.alignment", alignment);
}

/* ---- keys --------------------------------------------------------------------------------------------------------- */

static size_t kind_size(enum gguf_kind k)
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

static void put_array(struct gguf_writer *w, const struct gguf_value *v)
{
    put_u32(w, w->keys, v->item);
    put_u64(w, w->keys, v->n);
    if (v->item != GGUF_STRING)
        put(w, w->keys, v->as.items, v->n * kind_size(v->item));
    else
        for (uint64_t i = 0; i < v->n; i++)
            put_string(w, w->keys, v->as.strings[i].text, v->as.strings[i].length);
}

void gguf_write_value(struct gguf_writer *w, const struct gguf_value *v)
{
    if (failed(w))
        return;
    if (w->in_data) {
        error_set(&w->err, ERR_BUG, "%s: a key was written after tensor data", w->path);
        return;
    }
    put_string(w, w->keys, v->key.text, v->key.length);
    put_u32(w, w->keys, v->kind);
    float f = v->kind == GGUF_F32 ? (float)v->as.f : 0;
    if (v->kind == GGUF_STRING)
        put_string(w, w->keys, v->as.string.text, v->as.string.length);
    else if (v->kind == GGUF_ARRAY)
        put_array(w, v);
    else if (v->kind == GGUF_F32)
        put(w, w->keys, &f, sizeof f);
    else
        put(w, w->keys, &v->as, kind_size(v->kind)); /* the low bytes: little-endian */
    w->n_key++;
}

static struct gguf_string name_of(const char *key) { return (struct gguf_string){key, strlen(key)}; }

void gguf_write_u32(struct gguf_writer *w, const char *key, uint32_t v)
{
    gguf_write_value(w, &(struct gguf_value){.key = name_of(key), .kind = GGUF_U32, .n = 1, .as.u = v});
}

void gguf_write_f32(struct gguf_writer *w, const char *key, float v)
{
    gguf_write_value(w, &(struct gguf_value){.key = name_of(key), .kind = GGUF_F32, .n = 1, .as.f = (double)v});
}

void gguf_write_bool(struct gguf_writer *w, const char *key, int v)
{
    gguf_write_value(w, &(struct gguf_value){.key = name_of(key), .kind = GGUF_BOOL, .n = 1, .as.u = v != 0});
}

void gguf_write_string(struct gguf_writer *w, const char *key, const char *text, size_t length)
{
    gguf_write_value(
        w, &(struct gguf_value){.key = name_of(key), .kind = GGUF_STRING, .n = 1, .as.string = {text, length}});
}

void gguf_write_strings(struct gguf_writer *w, const char *key, const struct gguf_string *s, uint64_t n)
{
    gguf_write_value(
        w, &(struct gguf_value){.key = name_of(key), .kind = GGUF_ARRAY, .item = GGUF_STRING, .n = n, .as.strings = s});
}

void gguf_write_numbers(struct gguf_writer *w, const char *key, enum gguf_kind item, const void *items, uint64_t n)
{
    gguf_write_value(
        w, &(struct gguf_value){.key = name_of(key), .kind = GGUF_ARRAY, .item = item, .n = n, .as.items = items});
}

/* ---- tensors ------------------------------------------------------------------------------------------------------ */

/* Bytes of a tensor, or 0 and the failure. */
static uint64_t tensor_bytes(struct gguf_writer *w, const char *name, enum block_type type, int n_dims,
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

void gguf_write_tensor(struct gguf_writer *w, const char *name, enum block_type type, int n_dims, const uint64_t *ne)
{
    uint64_t n = failed(w) ? 0 : tensor_bytes(w, name, type, n_dims, ne);
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
    put_string(w, w->tensors, name, strlen(name));
    put_u32(w, w->tensors, (uint32_t)n_dims);
    for (int d = 0; d < n_dims; d++)
        put_u64(w, w->tensors, ne[d]);
    put_u32(w, w->tensors, type);
    put_u64(w, w->tensors, w->data_size);
    w->data_size += round_up(n, w->alignment);
}

/* Zeros up to the next multiple of the alignment; n bytes are there. */
static void pad(struct gguf_writer *w, uint64_t n)
{
    for (uint64_t left = round_up(n, w->alignment) - n; left; left--)
        put(w, w->file, "", 1);
}

static void write_header(struct gguf_writer *w)
{
    w->in_data = 1;
    if (fflush(w->keys) != 0 || fflush(w->tensors) != 0)
        error_set(&w->err, ERR_MEMORY, "%s: no memory for its header", w->path);
    put(w, w->file, "GGUF", 4);
    put_u32(w, w->file, VERSION);
    put_u64(w, w->file, w->n_tensor);
    put_u64(w, w->file, w->n_key);
    put(w, w->file, w->keys_text, w->keys_size);
    put(w, w->file, w->tensors_text, w->tensors_size);
    pad(w, 24 + w->keys_size + w->tensors_size);
}

void gguf_write_data(struct gguf_writer *w, const void *bytes, uint64_t n)
{
    if (!failed(w) && !w->in_data)
        write_header(w);
    if (failed(w))
        return;
    if (w->next >= w->n_tensor || n > w->size[w->next] - w->wrote) {
        error_set(&w->err, ERR_BUG, "%s: more data than tensor %" PRIu64 " of %" PRIu64 " holds", w->path, w->next,
                  w->n_tensor);
        return;
    }
    put(w, w->file, bytes, n);
    w->wrote += n;
    if (w->wrote == w->size[w->next]) {
        pad(w, w->wrote);
        w->next++;
        w->wrote = 0;
    }
}

int gguf_write_end(struct gguf_writer *w, struct error *err)
{
    if (!failed(w) && !w->in_data)
        write_header(w);
    if (!failed(w) && w->next != w->n_tensor)
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
    int status = failed(w) ? error_set(err, w->err.code, "%s", w->err.text) : 0;
    if (status != 0 && w->file)
        remove(w->path);
    *w = (struct gguf_writer){0};
    return status;
}
