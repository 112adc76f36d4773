/* Binding: see bind.h. */
#include "model/bind.h"

#include "base/error.h"

#include <stdio.h>

enum { NAME = 128 };

static const char *tensor_name(int l, const char *name, char out[NAME])
{
    if (l < 0)
        snprintf(out, NAME, "%s", name);
    else
        snprintf(out, NAME, "blk.%d.%s", l, name);
    return out;
}

static const char *shape_text(const uint64_t *ne, int n, char *out, size_t room)
{
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < n && used < room; i++)
        used += (size_t)snprintf(out + used, room - used, "%s%llu", i ? " x " : "", (unsigned long long)ne[i]);
    return out;
}

static const struct gguf_tensor *find(struct binder *b, int l, const char *name, int required, const uint64_t *ne,
                                      int n)
{
    char full[NAME], want[96], got[96];
    if (b->failed)
        return NULL;
    const struct gguf_tensor *t = gguf_tensor(b->m->file, tensor_name(l, name, full));
    if (!t) {
        if (required)
            b->failed = error_set(b->err, ERR_FORMAT,
                                  "%s: the tensor %s is missing; the file is incomplete or not of architecture %s",
                                  b->m->file->file->path, full, b->m->arch->name);
        return NULL;
    }
    for (int i = 0; i < GGUF_MAX_DIMS; i++)
        if (t->ne[i] != (i < n ? ne[i] : 1)) {
            b->failed = error_set(b->err, ERR_FORMAT, "%s: %s has shape %s where the metadata asks for %s",
                                  b->m->file->file->path, full, shape_text(t->ne, t->n_dims, got, sizeof got),
                                  shape_text(ne, n, want, sizeof want));
            return NULL;
        }
    if (!type_info(t->type)->decode) {
        b->failed = error_set(b->err, ERR_FORMAT, "%s: %s has type %s, which holds no weights", b->m->file->file->path,
                              full, type_info(t->type)->name);
        return NULL;
    }
    return t;
}

static struct weight *add(struct binder *b, const struct gguf_tensor *t, int is_vector)
{
    struct model *m = b->m;
    if (!t)
        return NULL;
    for (int i = 0; i < m->n_weight; i++) /* the same tensor again: tied output */
        if (m->weight[i].tensor == t)
            return &m->weight[i];
    struct weight *w = &m->weight[m->n_weight++]; /* room for every tensor of the file */
    *w = (struct weight){.tensor = t, .is_vector = is_vector};
    w->mat = (struct wmat){.type = t->type,
                           .n_rows = (int)t->ne[1],
                           .n_cols = (int)t->ne[0],
                           .row_bytes = type_row_bytes(type_info(t->type), t->ne[0])};
    return w;
}

struct weight *bind_matrix(struct binder *b, int l, const char *name, int n_out, int n_in)
{
    return add(b, find(b, l, name, 1, (uint64_t[]){(uint64_t)n_in, (uint64_t)n_out}, 2), 0);
}

struct weight *bind_matrix_if(struct binder *b, int l, const char *name, int n_out, int n_in)
{
    return add(b, find(b, l, name, 0, (uint64_t[]){(uint64_t)n_in, (uint64_t)n_out}, 2), 0);
}

struct weight *bind_vector(struct binder *b, int l, const char *name, int n)
{
    return add(b, find(b, l, name, 1, (uint64_t[]){(uint64_t)n}, 1), 1);
}

struct weight *bind_vector_if(struct binder *b, int l, const char *name, int n)
{
    return add(b, find(b, l, name, 0, (uint64_t[]){(uint64_t)n}, 1), 1);
}

static void add_part(struct experts *e, struct expert_layer *s, const struct gguf_tensor *t)
{
    e->part[e->n_part++] = (struct wmat){.type = t->type,
                                         .n_rows = (int)t->ne[1],
                                         .n_cols = (int)t->ne[0],
                                         .row_bytes = type_row_bytes(type_info(t->type), t->ne[0])};
    s->part[s->n_part++] = (struct expert_extent){t->name, t->file, t->offset, t->n_bytes / t->ne[2]};
}

const struct experts *bind_experts(struct binder *b, int l)
{
    const struct params *p = &b->m->p;
    uint64_t up[] = {(uint64_t)p->n_embd, (uint64_t)p->n_ff_expert, (uint64_t)p->n_expert};
    uint64_t down[] = {(uint64_t)p->n_ff_expert, (uint64_t)p->n_embd, (uint64_t)p->n_expert};
    const struct gguf_tensor *t[EXPERT_PARTS] = {find(b, l, "ffn_gate_exps.weight", 1, up, 3),
                                                 find(b, l, "ffn_up_exps.weight", 1, up, 3),
                                                 find(b, l, "ffn_down_exps.weight", 1, down, 3)};
    struct experts *e = b->failed ? NULL : arena_alloc(&b->m->arena, sizeof *e);
    if (!e) {
        b->failed = error_set(b->err, ERR_MEMORY, "no memory for the description of the model");
        return NULL;
    }
    *e = (struct experts){.layer = l, .n_expert = p->n_expert, .n_ff = p->n_ff_expert};
    struct expert_layer *s = &b->m->expert_layer[l];
    *s = (struct expert_layer){.layer = l, .n_expert = p->n_expert};
    for (int i = 0; i < EXPERT_PARTS; i++)
        add_part(e, s, t[i]);
    b->m->n_moe_layer++;
    return e;
}
