/* A hash that differs between models that compute different things. Files of prefixes record it, so that they are not used with another
 * model. It is the same whether the layer that predicts further tokens is bound, which depends on free memory. */
#include "base/hash.h"
#include "model/model.h"

#include <string.h>
#include <unistd.h>

static uint64_t hash_value(const struct gguf_value *v, uint64_t h)
{
    const uint64_t kinds[] = {v->kind, v->item, v->n};
    h = hash64(v->key.text, v->key.length, h);
    h = hash64(kinds, sizeof kinds, h);
    if (v->kind == GGUF_STRING)
        return hash64(v->as.string.text, v->as.string.length, h);
    if (v->kind != GGUF_ARRAY)
        return hash64(&v->as.u, sizeof v->as.u, h);
    for (uint64_t i = 0; i < v->n; i++) {
        if (v->item == GGUF_STRING)
            h = hash64(v->as.strings[i].text, v->as.strings[i].length, h);
        else if (v->item == GGUF_F32 || v->item == GGUF_F64)
            h = hash64(&(double){gguf_item_float(v, i)}, sizeof(double), h);
        else
            h = hash64(&(int64_t){gguf_item_int(v, i)}, sizeof(int64_t), h);
    }
    return h;
}

/* Some KiB from the middle of a matrix, which differ between two trained models of one shape. What cannot be read is left out. */
static uint64_t hash_sample(const struct gguf *g, const struct gguf_tensor *t, uint64_t h)
{
    uint8_t bytes[4096];
    uint64_t n = t->n_bytes < sizeof bytes ? t->n_bytes : sizeof bytes;
    ssize_t got = pread(g->file[t->file].fd, bytes, n, (off_t)(t->offset + (t->n_bytes - n) / 2));
    return got > 0 ? hash64(bytes, (size_t)got, h) : h;
}

/* File sizes, tensor table, the architecture's keys; the vectors, and a sample of every tensor; which factors of rope are used. */
uint64_t model_identity(const struct model *m)
{
    const struct gguf *g = m->file;
    size_t stem = strlen(m->arch->name);
    uint64_t h = hash64(m->arch->name, stem, 0);
    for (int i = 0; i < g->n_file; i++)
        h = hash64(&g->file[i].size, sizeof g->file[i].size, h);
    for (uint64_t i = 0; i < g->n_value; i++)
        if (strncmp(g->value[i].key.text, m->arch->name, stem) == 0 && g->value[i].key.text[stem] == '.')
            h = hash_value(&g->value[i], h);
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        const uint64_t where[] = {t->type, (uint64_t)t->file, t->offset, t->n_bytes};
        h = hash64(t->name, strlen(t->name), h);
        h = hash64(t->ne, sizeof t->ne, h);
        h = hash64(where, sizeof where, h);
        h = hash_sample(g, t, h);
    }
    int n_own = m->nextn.proj ? m->nextn.first : m->n_weight; /* the layer's are behind them */
    for (int i = 0; i < n_own; i++)
        if (m->weight[i].vector)
            h = hash64(m->weight[i].vector, m->weight[i].tensor->ne[0] * sizeof(float),
                       h);          /* of a table the first row */
    for (int i = 0; i < ROPES; i++) /* pages made with other angles are another model's */
        if (model_has_long_rope(m, i))
            h = hash64(&i, sizeof i, h);
    return h;
}
