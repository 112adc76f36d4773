/* See vector_write.h. */
#include "format/vector_write.h"

#include "base/checked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 3, ALIGNMENT = 32 };

/* Written twice: first with p NULL, to know how long it becomes. */
struct out {
    uint8_t *p;
    size_t n;
};

static void put(struct out *o, const void *from, size_t n)
{
    if (o->p)
        memcpy(o->p + o->n, from, n);
    o->n += n;
}

static void put_u32(struct out *o, uint32_t v) { put(o, &v, sizeof v); }
static void put_u64(struct out *o, uint64_t v) { put(o, &v, sizeof v); }

static void put_text(struct out *o, const char *text)
{
    size_t n = strlen(text);
    put_u64(o, n);
    put(o, text, n);
}

static void put_zeros(struct out *o)
{
    static const uint8_t zero[ALIGNMENT];
    put(o, zero, (size_t)round_up(o->n, ALIGNMENT) - o->n);
}

static void put_key(struct out *o, const struct vector_key *k)
{
    float f = (float)k->number;
    int32_t i = (int32_t)k->number;
    put_text(o, k->name);
    put_u32(o, (uint32_t)k->kind);
    if (k->kind == GGUF_STRING)
        put_text(o, k->text);
    else if (k->kind == GGUF_F32)
        put(o, &f, sizeof f);
    else if (k->kind == GGUF_I32)
        put(o, &i, sizeof i);
    else
        put_u32(o, (uint32_t)k->number);
}

static void put_all(struct out *o, const struct vector_key *key, size_t n_key, const struct vector_row *row,
                    size_t n_row, int n_embd)
{
    uint64_t bytes = (uint64_t)n_embd * sizeof(float), offset = 0;
    put(o, "GGUF", 4);
    put_u32(o, VERSION);
    put_u64(o, n_row);
    put_u64(o, n_key);
    for (size_t i = 0; i < n_key; i++)
        put_key(o, &key[i]);
    for (size_t i = 0; i < n_row; i++, offset += round_up(bytes, ALIGNMENT)) {
        char name[24];
        snprintf(name, sizeof name, "direction.%d", row[i].layer);
        put_text(o, name);
        put_u32(o, 1);
        put_u64(o, (uint64_t)n_embd);
        put_u32(o, TYPE_F32);
        put_u64(o, offset);
    }
    for (size_t i = 0; i < n_row; i++) {
        put_zeros(o);
        put(o, row[i].v, (size_t)bytes);
    }
    put_zeros(o);
}

uint8_t *vector_write(const struct vector_key *key, size_t n_key, const struct vector_row *row, size_t n_row,
                      int n_embd, size_t *bytes)
{
    struct out o = {0};
    put_all(&o, key, n_key, row, n_row, n_embd);
    o.p = malloc(o.n);
    o.n = 0;
    if (o.p)
        put_all(&o, key, n_key, row, n_row, n_embd);
    *bytes = o.n;
    return o.p;
}
