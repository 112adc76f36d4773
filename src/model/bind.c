/* Binding: see bind.h. */
#include "model/bind.h"

#include "base/error.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { NAME = 128 };

static const char *tensor_name(int l, const char *name, char out[NAME])
{
    if (l < 0)
        snprintf(out, NAME, "%s", name);
    else
        snprintf(out, NAME, "blk.%d.%s", l, name);
    return out;
}

static const char *shape_text(const uint64_t *ne, int n, char *out, size_t capacity)
{
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < n && used < capacity; i++)
        used += (size_t)snprintf(out + used, capacity - used, "%s%llu", i ? " x " : "", (unsigned long long)ne[i]);
    return out;
}

static int has_shape(const struct gguf_tensor *t, const uint64_t *ne, int n)
{
    for (int i = 0; i < GGUF_MAX_DIMS; i++)
        if (t->ne[i] != (i < n ? ne[i] : 1))
            return 0;
    return 1;
}

static const struct gguf_tensor *find_any(struct binder *b, int l, const char *name, int required, const uint64_t *ne,
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
    if (!has_shape(t, ne, n)) {
        b->failed = error_set(b->err, ERR_FORMAT, "%s: %s has shape %s where the metadata asks for %s",
                              b->m->file->file->path, full, shape_text(t->ne, t->n_dims, got, sizeof got),
                              shape_text(ne, n, want, sizeof want));
        return NULL;
    }
    b->known[t - b->m->file->tensor] = 1;
    return t;
}

static const struct gguf_tensor *find(struct binder *b, int l, const char *name, int required, const uint64_t *ne,
                                      int n)
{
    const struct gguf_tensor *t = find_any(b, l, name, required, ne, n);
    if (t && !type_info(t->type)->decode) {
        b->failed = error_set(b->err, ERR_FORMAT, "%s: %s has type %s, which holds no weights", b->m->file->file->path,
                              t->name, type_info(t->type)->name);
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
        if (m->weight[i].tensor == t && !m->weight[i].keys_of)
            return &m->weight[i];
    struct weight *w = &m->weight[m->n_weight++]; /* large enough for every tensor of the file */
    *w = (struct weight){.tensor = t, .is_vector = is_vector};
    w->mat = (struct wmat){.type = t->type,
                           .n_rows = (int)t->ne[1],
                           .n_cols = (int)t->ne[0],
                           .row_bytes = type_row_bytes(type_info(t->type), t->ne[0])};
    return w;
}

/* "X.weight" has a factor "X.scale" in some files (nvfp4): n values. */
static struct weight *scale_of(struct binder *b, int l, const char *name, int n)
{
    char scale[NAME];
    int stem = (int)strlen(name) - (int)strlen(".weight");
    if (stem <= 0 || strcmp(name + stem, ".weight") != 0)
        return NULL;
    snprintf(scale, sizeof scale, "%.*s.scale", stem, name);
    return bind_vector_if(b, l, scale, n);
}

static struct weight *scaled(struct binder *b, int l, const char *name, struct weight *w)
{
    if (w)
        w->scale = scale_of(b, l, name, 1);
    return w;
}

struct weight *bind_matrix(struct binder *b, int l, const char *name, int n_out, int n_in)
{
    return scaled(b, l, name, add(b, find(b, l, name, 1, (uint64_t[]){(uint64_t)n_in, (uint64_t)n_out}, 2), 0));
}

struct weight *bind_matrix_least(struct binder *b, int l, const char *name, int n_out, int n_in)
{
    char full[NAME];
    const struct gguf_tensor *t = gguf_tensor(b->m->file, tensor_name(l, name, full));
    int longer = t && t->ne[1] >= (uint64_t)n_out && t->ne[1] <= INT32_MAX;
    return bind_matrix(b, l, name, longer ? (int)t->ne[1] : n_out, n_in);
}

struct weight *bind_matrix_if(struct binder *b, int l, const char *name, int n_out, int n_in)
{
    return scaled(b, l, name, add(b, find(b, l, name, 0, (uint64_t[]){(uint64_t)n_in, (uint64_t)n_out}, 2), 0));
}

struct weight *bind_bare_matrix(struct binder *b, int l, const char *name, int n_out, int n_in)
{
    return add(b, find(b, l, name, 1, (uint64_t[]){(uint64_t)n_in, (uint64_t)n_out}, 2), 0);
}

struct weight *bind_vector(struct binder *b, int l, const char *name, int n)
{
    return add(b, find(b, l, name, 1, (uint64_t[]){(uint64_t)n}, 1), 1);
}

struct weight *bind_vector_if(struct binder *b, int l, const char *name, int n)
{
    return add(b, find(b, l, name, 0, (uint64_t[]){(uint64_t)n}, 1), 1);
}

struct weight *bind_column(struct binder *b, int l, const char *name, int n)
{
    const uint64_t flat[] = {(uint64_t)n}, deep[] = {1, (uint64_t)n};
    char full[NAME];
    const struct gguf_tensor *t = gguf_tensor(b->m->file, tensor_name(l, name, full));
    int is_deep = t && has_shape(t, deep, 2);
    return add(b, find(b, l, name, 1, is_deep ? deep : flat, is_deep ? 2 : 1), 1);
}

int bind_has(const struct binder *b, int l, const char *name)
{
    char full[NAME];
    return gguf_tensor(b->m->file, tensor_name(l, name, full)) != NULL;
}

const char *bind_spelling(struct binder *b, int l, const char *name, const char *other)
{
    return bind_has(b, l, other) ? other : name;
}

struct weight *bind_conv(struct binder *b, int l, const char *name, int width, int n_channel)
{
    const uint64_t flat[] = {(uint64_t)width, (uint64_t)n_channel}, deep[] = {(uint64_t)width, 1, (uint64_t)n_channel};
    char full[NAME];
    const struct gguf_tensor *t = gguf_tensor(b->m->file, tensor_name(l, name, full));
    int is_deep = t && has_shape(t, deep, 3);
    struct weight *w = add(b, find(b, l, name, 1, is_deep ? deep : flat, is_deep ? 3 : 2), 0);
    if (w) {
        w->mat = (struct wmat){
            .type = TYPE_F32, .n_rows = n_channel, .n_cols = width, .row_bytes = (size_t)width * sizeof(float)};
        w->transposed = 1;
    }
    return w;
}

struct weight *bind_table(struct binder *b, int l, const char *name, int n_rows, int n_cols)
{
    return add(b, find(b, l, name, 1, (uint64_t[]){(uint64_t)n_cols, (uint64_t)n_rows}, 2), 1);
}

struct weight *bind_table_if(struct binder *b, int l, const char *name, int n_rows, int n_cols)
{
    return add(b, find(b, l, name, 0, (uint64_t[]){(uint64_t)n_cols, (uint64_t)n_rows}, 2), 1);
}

struct weight *bind_ids(struct binder *b, int l, const char *name, int n_rows, int n_cols, int n)
{
    struct weight *w = add(b, find_any(b, l, name, 1, (uint64_t[]){(uint64_t)n_cols, (uint64_t)n_rows}, 2), 0);
    if (w && w->tensor->type != TYPE_I32)
        b->failed = error_set(b->err, ERR_FORMAT, "%s: %s has type %s; numbers of experts are i32",
                              b->m->file->file->path, w->tensor->name, type_info(w->tensor->type)->name);
    if (w)
        w->ids_below = n;
    return w;
}

void bind_rope_factors(struct binder *b, int l, int rope, int n_rot)
{
    if (l == 0)
        b->m->rope[rope].factors = bind_vector_if(b, -1, "rope_freqs.weight", n_rot / 2);
}

void bind_long_rope(struct binder *b, int l, int rope)
{
    struct model_rope *r = &b->m->rope[rope];
    struct rope_params *p = &b->m->p.rope[rope];
    if (l != 0)
        return;
    r->factors = bind_vector_if(b, -1, "rope_factors_short.weight", p->n_rot / 2);
    if (r->factors || gguf_tensor(b->m->file, "rope_factors_long.weight")) {
        r->factors = bind_vector(b, -1, "rope_factors_short.weight", p->n_rot / 2);
        r->long_factors = bind_vector(b, -1, "rope_factors_long.weight", p->n_rot / 2);
        p->scaling = ROPE_LONG;
    }
}

void bind_unused(struct binder *b, int l, const char *name)
{
    char full[NAME];
    const struct gguf_tensor *t = gguf_tensor(b->m->file, tensor_name(l, name, full));
    if (t)
        b->known[t - b->m->file->tensor] = 1;
}

int bind_rest(struct binder *b)
{
    const struct gguf *g = b->m->file;
    for (uint64_t i = 0; i < g->n_tensor && !b->failed; i++) {
        const char *rest = g->tensor[i].name;
        if (b->known[i] || gguf_layer_of(g->tensor[i].name, &rest) >= b->m->p.n_layer || gguf_is_beside_text(rest))
            continue;
        b->failed = error_set(b->err, ERR_UNSUPPORTED,
                              "%s: the tensor %s is none that stoker knows of architecture %s; without it the answers "
                              "would be another model's",
                              g->file->path, g->tensor[i].name, b->m->arch->name);
    }
    return b->failed ? -1 : 0;
}

static int same_kind(const struct kv_layout *k, const struct kv_shape *s, struct kv_window window)
{
    const struct kv_shape *t = &k->shape;
    return t->n_head_kv == s->n_head_kv && t->d_k == s->d_k && t->d_v == s->d_v && kv_ratio(t) == kv_ratio(s) &&
           t->index == s->index && k->window.n == window.n && k->window.chunked == window.chunked &&
           k->window.around == window.around;
}

/* A text goes through the layers once, in one step, so a layer may write over the keys and values of the one before it, unless a later
 * layer attends to them too. */
static int keeps_one_layer(const struct params *p)
{
    return p->pooling && p->n_shared_kv == 0 && p->index.top_k == 0 && p->hyper.n == 0;
}

static enum layer_keeps keeps_of(const struct kv_shape *s, struct kv_window window)
{
    return kv_ratio(s) > 1 ? LAYER_KEEPS_COMPRESSED : window.n ? LAYER_KEEPS_WINDOW : LAYER_KEEPS_ALL;
}

static void note_keeps(struct binder *b, enum layer_keeps keeps)
{
    if (keeps > b->kept.most)
        b->kept.most = keeps;
}

struct kv_ref bind_kv(struct binder *b, int n_head, struct kv_shape shape, struct kv_window window)
{
    struct kv_layout *all = b->m->kv_layout;
    int kind = 0;
    assert(KV_PAGE % kv_ratio(&shape) == 0);
    if (n_head % shape.n_head_kv)
        b->failed = error_set(b->err, ERR_FORMAT,
                              "%s: %d attention heads cannot share %d key heads evenly (attention.head_count_kv)",
                              b->m->file->file->path, n_head, shape.n_head_kv);
    while (kind < KV_KINDS && all[kind].n_layer && !same_kind(&all[kind], &shape, window))
        kind++;
    if (kind == KV_KINDS) {
        b->failed = error_set(b->err, ERR_UNSUPPORTED,
                              "%s: its layers have more than %d shapes of keys and values; stoker takes no more",
                              b->m->file->file->path, KV_KINDS);
        return (struct kv_ref){0};
    }
    note_keeps(b, keeps_of(&shape, window));
    if (all[kind].n_layer == 0)
        all[kind] = (struct kv_layout){.shape = shape, .window = window};
    else if (keeps_one_layer(&b->m->p))
        return (struct kv_ref){kind, 0};
    b->kept.n_kv[kind]++;
    return (struct kv_ref){kind, all[kind].n_layer++};
}

size_t bind_state(struct binder *b, size_t n)
{
    size_t at = b->m->state_bytes;
    note_keeps(b, LAYER_KEEPS_STATE);
    b->kept.state_floats += n;
    b->m->state_floats += n;
    b->m->state_bytes += (n * sizeof(float) + 63) / 64 * 64;
    return at;
}

int bind_rows(struct binder *b, struct weight *matrix, int n_take)
{
    struct model *m = b->m;
    if (!matrix)
        return 0;
    assert(m->n_table < MODEL_TABLES && n_take > 0);
    m->table[m->n_table] = (struct row_table){.weight = matrix, .n_take = n_take};
    return m->n_table++;
}

int bind_rows_by_text(struct binder *b, struct weight *matrix, int n_take, int n_before, row_ids_fn *ids)
{
    struct model *m = b->m;
    int table = bind_rows(b, matrix, n_take);
    if (!matrix)
        return 0;
    assert(n_before > 0 && n_before <= MODEL_BEFORE && (m->n_before == 0 || m->n_before == n_before));
    if (m->n_before == 0)
        m->before_at = bind_state(b, (size_t)n_before);
    m->n_before = n_before;
    m->table[table].ids = ids;
    return table;
}

static struct weight *heads(struct binder *b, int l, const char *name, int required, int n_head, int n_out, int n_in)
{
    uint64_t ne[] = {(uint64_t)n_in, (uint64_t)n_out, (uint64_t)n_head};
    struct weight *w = scaled(b, l, name, add(b, find(b, l, name, required, ne, 3), 0));
    if (w)
        w->mat.n_rows = n_head * n_out;
    return w;
}

struct weight *bind_heads(struct binder *b, int l, const char *name, int n_head, int n_out, int n_in)
{
    return heads(b, l, name, 1, n_head, n_out, n_in);
}

struct weight *bind_heads_if(struct binder *b, int l, const char *name, int n_head, int n_out, int n_in)
{
    return heads(b, l, name, 0, n_head, n_out, n_in);
}

struct weight *bind_keys_of(struct binder *b, const struct weight *kv_b, int n_head, int d)
{
    if (!kv_b)
        return NULL;
    struct weight *w = &b->m->weight[b->m->n_weight++]; /* large enough for two of every tensor */
    *w = (struct weight){.tensor = kv_b->tensor, .keys_of = kv_b};
    w->mat = (struct wmat){
        .type = TYPE_F32, .n_rows = n_head * kv_b->mat.n_cols, .n_cols = d, .row_bytes = (size_t)d * sizeof(float)};
    return w;
}

static struct wmat part_of(const struct gguf_tensor *t, int n_rows)
{
    return (struct wmat){.type = t->type,
                         .n_rows = n_rows,
                         .n_cols = (int)t->ne[0],
                         .row_bytes = type_row_bytes(type_info(t->type), t->ne[0])};
}

static void stream(struct expert_layer *s, const struct gguf_tensor *t)
{
    s->part[s->n_part++] = (struct expert_extent){t->name, t->file, t->offset, t->n_bytes / t->ne[2]};
}

struct experts *bind_experts(struct binder *b, int l, int n_expert)
{
    const struct params *p = &b->m->p;
    const uint64_t width = (uint64_t)params_expert_width(p), n_ff = (uint64_t)p->n_ff_expert, n = (uint64_t)n_expert;
    const uint64_t in[] = {width, n_ff, n}, in_both[] = {width, 2 * n_ff, n}, out[] = {n_ff, width, n};
    const struct gguf_tensor *both = NULL, *gate = NULL, *up, *down;
    if (params_gated(p))
        both = gate = find(b, l, "ffn_gate_up_exps.weight", 0, in_both, 3);
    if (params_gated(p) && !both)
        gate = find(b, l, "ffn_gate_exps.weight", 1, in, 3);
    up = both ? both : find(b, l, "ffn_up_exps.weight", 1, in, 3);
    down = find(b, l, "ffn_down_exps.weight", 1, out, 3);
    struct experts *e = b->failed ? NULL : arena_alloc(&b->m->arena, sizeof *e);
    if (!e) {
        b->failed = error_set(b->err, ERR_MEMORY, "no memory for the description of the model");
        return NULL;
    }
    *e = (struct experts){.layer = l, .n_expert = n_expert, .n_ff = p->n_ff_expert};
    if (gate) {
        e->gate = part_of(gate, p->n_ff_expert);
        e->gate_scale = scale_of(b, l, both ? "ffn_gate_up_exps.weight" : "ffn_gate_exps.weight", n_expert);
    }
    e->up = part_of(up, p->n_ff_expert);
    e->down = part_of(down, (int)width);
    e->up_scale = both ? e->gate_scale : scale_of(b, l, "ffn_up_exps.weight", n_expert);
    e->down_scale = scale_of(b, l, "ffn_down_exps.weight", n_expert);
    struct expert_layer *s = &b->m->expert_layer[l];
    *s = (struct expert_layer){.layer = l, .n_expert = n_expert};
    if (gate)
        stream(s, gate);
    if (both)
        e->up_offset = n_ff * e->gate.row_bytes;
    else {
        e->up_part = s->n_part;
        stream(s, up);
    }
    e->down_part = s->n_part;
    stream(s, down);
    b->m->n_moe_layer++;
    if (p->n_latent_expert) {
        e->latent_down = bind_matrix(b, l, "ffn_latent_down.weight", (int)width, p->n_embd);
        e->latent_up = bind_matrix(b, l, "ffn_latent_up.weight", p->n_embd, (int)width);
    }
    return e;
}
