/* See header_write.h. Numbers are put as they lie in memory: little-endian, as the format wants them. */
#include "format/header_write.h"

#include "base/checked.h"
#include "format/gguf_header.h"

#include <string.h>

void header_put(struct header_out *o, const void *bytes, size_t n)
{
    if (o->p && n)
        memcpy(o->p + o->n, bytes, n);
    o->n += n;
}

static void put_u32(struct header_out *o, uint32_t v) { header_put(o, &v, sizeof v); }
static void put_u64(struct header_out *o, uint64_t v) { header_put(o, &v, sizeof v); }

static void put_string(struct header_out *o, struct gguf_string s)
{
    put_u64(o, s.length);
    header_put(o, s.text, (size_t)s.length);
}

void header_put_head(struct header_out *o, uint64_t n_tensor, uint64_t n_value)
{
    header_put(o, "GGUF", 4);
    put_u32(o, HEADER_VERSION);
    put_u64(o, n_tensor);
    put_u64(o, n_value);
}

static void put_array(struct header_out *o, const struct gguf_value *v)
{
    put_u32(o, (uint32_t)v->item);
    put_u64(o, v->n);
    if (v->item != GGUF_STRING)
        header_put(o, v->as.items, (size_t)v->n * gguf_kind_bytes(v->item));
    else
        for (uint64_t i = 0; i < v->n; i++)
            put_string(o, v->as.strings[i]);
}

void header_put_value(struct header_out *o, const struct gguf_value *v)
{
    float f = v->kind == GGUF_F32 ? (float)v->as.f : 0;
    put_string(o, v->key);
    put_u32(o, (uint32_t)v->kind);
    if (v->kind == GGUF_STRING)
        put_string(o, v->as.string);
    else if (v->kind == GGUF_ARRAY)
        put_array(o, v);
    else if (v->kind == GGUF_F32)
        header_put(o, &f, sizeof f);
    else
        header_put(o, &v->as, gguf_kind_bytes(v->kind));
}

void header_put_tensor(struct header_out *o, const char *name, int n_dims, const uint64_t *ne, enum block_type type,
                       uint64_t offset)
{
    put_string(o, gguf_text(name));
    put_u32(o, (uint32_t)n_dims);
    for (int d = 0; d < n_dims; d++)
        put_u64(o, ne[d]);
    put_u32(o, (uint32_t)type);
    put_u64(o, offset);
}

void header_put_padding(struct header_out *o, uint32_t alignment)
{
    size_t n = (size_t)round_up(o->n, alignment) - o->n;
    if (o->p)
        memset(o->p + o->n, 0, n);
    o->n += n;
}

struct gguf_value header_u64(const char *key, enum gguf_kind kind, uint64_t v)
{
    return (struct gguf_value){.key = gguf_text(key), .kind = kind, .n = 1, .as.u = v};
}

struct gguf_value header_text(const char *key, const char *text)
{
    return (struct gguf_value){.key = gguf_text(key), .kind = GGUF_STRING, .n = 1, .as.string = gguf_text(text)};
}

struct gguf_value header_texts(const char *key, const struct gguf_string *s, uint64_t n)
{
    return (struct gguf_value){.key = gguf_text(key), .kind = GGUF_ARRAY, .item = GGUF_STRING, .n = n, .as.strings = s};
}

struct gguf_value header_u64s(const char *key, const uint64_t *v, uint64_t n)
{
    return (struct gguf_value){.key = gguf_text(key), .kind = GGUF_ARRAY, .item = GGUF_U64, .n = n, .as.items = v};
}
