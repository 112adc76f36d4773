/* See tensors.h. Tensors do not overlap (gguf_open() has refused that), so their bytes pass by one tensor after another. */
#include "cli/check/tensors.h"

#include "base/error.h"
#include "format/damage.h"

#include <stdlib.h>
#include <string.h>

static int by_offset(const void *a, const void *b)
{
    const struct gguf_tensor *x = *(const struct gguf_tensor *const *)a, *y = *(const struct gguf_tensor *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

int tensor_check_begin(struct tensor_check *c, const struct gguf *g, int file, struct error *err)
{
    *c = (struct tensor_check){.g = g, .order = malloc((g->n_tensor + 1) * sizeof *c->order)};
    if (!c->order)
        return error_set(err, ERR_MEMORY, "no memory for the list of %llu tensors", (unsigned long long)g->n_tensor);
    for (uint64_t i = 0; i < g->n_tensor; i++)
        if (g->tensor[i].file == file && g->tensor[i].n_bytes)
            c->order[c->n++] = &g->tensor[i];
    qsort(c->order, c->n, sizeof *c->order, by_offset);
    return 0;
}

/* Whole blocks of the tensor at hand. */
static void look_at(struct tensor_check *c, const uint8_t *blocks, size_t n)
{
    const struct gguf_tensor *t = c->order[c->next];
    size_t first = c->is_bad ? n : blocks_find_damage(t->type, blocks, n);
    if (first < n) {
        c->is_bad = 1;
        if (c->n_bad < BAD_MOST)
            c->bad[c->n_bad] = (struct bad_tensor){t, c->block + first};
        c->n_bad++;
    }
    c->block += n;
}

/* The next bytes of the tensor at hand; blocks may lie across their ends. */
static void add_bytes(struct tensor_check *c, const uint8_t *data, size_t n)
{
    const size_t bytes = (size_t)type_info(c->order[c->next]->type)->bytes;
    if (c->n_part) {
        size_t rest = bytes - c->n_part < n ? bytes - c->n_part : n;
        memcpy(c->part + c->n_part, data, rest);
        c->n_part += rest;
        data += rest;
        n -= rest;
        if (c->n_part < bytes)
            return;
        look_at(c, c->part, 1);
        c->n_part = 0;
    }
    look_at(c, data, n / bytes);
    c->n_part = n % bytes;
    memcpy(c->part, data + n / bytes * bytes, c->n_part);
}

void tensor_check_add(struct tensor_check *c, const uint8_t *data, size_t n)
{
    const uint64_t end = c->at + n;
    while (c->next < c->n && c->order[c->next]->offset < end) {
        const struct gguf_tensor *t = c->order[c->next];
        uint64_t from = t->offset > c->at ? t->offset : c->at,
                 to = t->offset + t->n_bytes < end ? t->offset + t->n_bytes : end;
        add_bytes(c, data + (from - c->at), (size_t)(to - from));
        if (to < t->offset + t->n_bytes)
            break;
        c->next++;
        c->block = 0;
        c->n_part = 0;
        c->is_bad = 0;
    }
    c->at = end;
}

void tensor_check_end(struct tensor_check *c)
{
    free(c->order);
    c->order = NULL;
}
