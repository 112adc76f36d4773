/* See vector_write.h. */
#include "format/vector_write.h"

#include "base/checked.h"
#include "format/header_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_key(struct header_out *o, const struct vector_key *k)
{
    struct gguf_value v = {.key = {k->name, strlen(k->name)}, .kind = k->kind, .n = 1};
    if (k->kind == GGUF_STRING)
        v.as.string = (struct gguf_string){k->text, strlen(k->text)};
    else if (k->kind == GGUF_F32 || k->kind == GGUF_F64)
        v.as.f = k->number;
    else if (k->kind == GGUF_I32)
        v.as.i = (int64_t)k->number;
    else
        v.as.u = (uint64_t)k->number;
    header_put_value(o, &v);
}

static void put_all(struct header_out *o, const struct vector_key *key, size_t n_key, const struct vector_row *row,
                    size_t n_row, int n_embd)
{
    uint64_t bytes = (uint64_t)n_embd * sizeof(float), offset = 0;
    header_put_head(o, n_row, n_key);
    for (size_t i = 0; i < n_key; i++)
        put_key(o, &key[i]);
    for (size_t i = 0; i < n_row; i++, offset += round_up(bytes, HEADER_ALIGNMENT)) {
        char name[24];
        snprintf(name, sizeof name, "direction.%d", row[i].layer);
        header_put_tensor(o, name, 1, (uint64_t[]){(uint64_t)n_embd}, TYPE_F32, offset);
    }
    for (size_t i = 0; i < n_row; i++) {
        header_put_padding(o, HEADER_ALIGNMENT);
        header_put(o, row[i].v, (size_t)bytes);
    }
    header_put_padding(o, HEADER_ALIGNMENT);
}

uint8_t *vector_write(const struct vector_key *key, size_t n_key, const struct vector_row *row, size_t n_row,
                      int n_embd, size_t *bytes)
{
    struct header_out o = {0};
    put_all(&o, key, n_key, row, n_row, n_embd);
    o.p = malloc(o.n);
    o.n = 0;
    if (o.p)
        put_all(&o, key, n_key, row, n_row, n_embd);
    *bytes = o.n;
    return o.p;
}
