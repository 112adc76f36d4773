/* stoker_about(): what the headers of a model's files say. stoker_model_hash(): which model it is. stoker_layers() and stoker_expert_use():
 * what each of its layers is, and how often its experts are used. */
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "engine/engine.h"
#include "engine/public_error.h"
#include "format/gguf.h"
#include "model/pooling.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void copy_text(char *out, size_t size, const struct gguf *g, const char *key)
{
    struct error ignored = {0};
    struct gguf_string s = {"", 0};
    gguf_str(g, key, &s, &ignored);
    snprintf(out, size, "%.*s", (int)(s.length < size ? s.length : size - 1), s.text);
}

/* The number of "ARCH.key", of a list (a number for each layer) the largest; 0 where it is neither. */
static uint64_t number(const struct gguf *g, const char *arch, const char *key)
{
    struct error ignored = {0};
    char name[160];
    uint64_t n = 0;
    snprintf(name, sizeof name, "%s.%s", arch, key);
    const struct gguf_value *v = gguf_find(g, name);
    for (uint64_t i = 0; v && v->kind == GGUF_ARRAY && i < v->n; i++) {
        int64_t item = gguf_item_int(v, i);
        n = item > (int64_t)n ? (uint64_t)item : n;
    }
    gguf_u64(g, name, 0, UINT32_MAX, &n, &ignored);
    return n;
}

static void add_tensors(struct stoker_about *a, const struct gguf *g)
{
    uint64_t bytes[TYPE_COUNT] = {0};
    int most = 0;
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        uint64_t n = 1;
        for (int d = 0; d < t->n_dims; d++)
            n *= t->ne[d];
        a->n_params += n;
        bytes[t->type] += t->n_bytes;
        most = bytes[t->type] > bytes[most] ? (int)t->type : most;
        a->hash = hash64(t->name, strlen(t->name), a->hash);
        a->hash = hash64(&t->offset, sizeof t->offset, a->hash);
        a->hash = hash64(&t->n_bytes, sizeof t->n_bytes, a->hash);
    }
    snprintf(a->type, sizeof a->type, "%s", g->n_tensor ? type_info((uint32_t)most)->name : "");
}

static void copy_pooling(struct stoker_about *out, const struct gguf *g)
{
    char key[80];
    uint64_t type = number(g, out->arch, "pooling_type");
    snprintf(key, sizeof key, "%s.pooling_type", out->arch);
    if (gguf_find(g, key) && type < POOLING_RANK)
        snprintf(out->pooling, sizeof out->pooling, "%s", pooling_name((enum pooling)(type + 1)));
}

/* ---- public ----------------------------------------------------------------------------------------------------------------- */

int stoker_about(struct stoker_about *out, const char *path, struct stoker_error *public)
{
    struct error err = {0};
    struct gguf *g = NULL;
    *out = (struct stoker_about){0};
    if (gguf_open(&g, path, &err))
        return error_to_public(public, &err);
    copy_text(out->name, sizeof out->name, g, "general.name");
    copy_text(out->arch, sizeof out->arch, g, "general.architecture");
    copy_text(out->license, sizeof out->license, g, "general.license");
    out->n_ctx_train = number(g, out->arch, "context_length");
    out->n_layer = number(g, out->arch, "block_count");
    out->n_embd = number(g, out->arch, "embedding_length");
    out->n_head = number(g, out->arch, "attention.head_count");
    out->n_head_kv = number(g, out->arch, "attention.head_count_kv");
    out->n_expert = number(g, out->arch, "expert_count");
    out->n_expert_used = number(g, out->arch, "expert_used_count");
    copy_pooling(out, g);
    out->hash = hash64(out, sizeof *out, 0);
    add_tensors(out, g);
    for (int i = 0; i < g->n_file; i++) {
        const struct gguf_file *f = &g->file[i];
        out->bytes += f->size;
        out->hash = hash64(&f->mtime, sizeof f->mtime, hash64(&f->size, sizeof f->size, out->hash));
    }
    out->modified = (int64_t)g->file[0].mtime.tv_sec;
    gguf_close(g);
    return 0;
}

/* ---- which model it is ------------------------------------------------------------------------------------------------------ */

enum { SAMPLE = 4096 }; /* bytes at either end of a tensor */

static void add_string(struct hash_stream *h, const struct gguf_string *s)
{
    hash_add(h, &s->length, sizeof s->length);
    hash_add(h, s->text, s->length);
}

static void add_value(struct hash_stream *h, const struct gguf_value *v)
{
    const uint64_t what[] = {v->kind, v->kind == GGUF_ARRAY ? v->item : v->kind, v->n};
    add_string(h, &v->key);
    hash_add(h, what, sizeof what);
    if (v->kind == GGUF_STRING)
        add_string(h, &v->as.string);
    else if (v->kind != GGUF_ARRAY)
        hash_add(h, &v->as.u, sizeof v->as.u);
    else
        for (uint64_t i = 0; i < v->n; i++) {
            int64_t whole = v->item == GGUF_STRING ? 0 : gguf_item_int(v, i);
            double real = v->item == GGUF_STRING ? 0 : gguf_item_float(v, i);
            if (v->item == GGUF_STRING)
                add_string(h, &v->as.strings[i]);
            hash_add(h, &whole, sizeof whole);
            hash_add(h, &real, sizeof real);
        }
}

static int add_sample(struct hash_stream *h, const struct gguf_file *f, const char *tensor, uint64_t offset, size_t n,
                      struct error *err)
{
    uint8_t bytes[SAMPLE];
    const char *why;
    if (file_read_at(f->fd, bytes, n, offset, &why))
        return error_set(err, ERR_IO, "%s: reading %s at %llu failed: %s", f->path, tensor, (unsigned long long)offset,
                         why);
    hash_add(h, bytes, n);
    return 0;
}

static int add_tensor(struct hash_stream *h, const struct gguf *g, const struct gguf_tensor *t, struct error *err)
{
    const uint64_t what[] = {t->type, t->ne[0], t->ne[1], t->ne[2], t->ne[3]};
    const struct gguf_file *f = &g->file[t->file];
    size_t n = t->n_bytes < SAMPLE ? (size_t)t->n_bytes : SAMPLE;
    hash_add(h, t->name, strlen(t->name) + 1);
    hash_add(h, what, sizeof what);
    return add_sample(h, f, t->name, t->offset, n, err) || add_sample(h, f, t->name, t->offset + t->n_bytes - n, n, err)
               ? -1
               : 0;
}

/* Keys that say how the files are laid out, not what the model is. */
static int is_layout(const char *key)
{
    return strncmp(key, "split.", 6) == 0 || strcmp(key, "general.alignment") == 0;
}

int stoker_model_hash(uint64_t *out, const char *path, struct stoker_error *public)
{
    struct error err = {0};
    struct gguf *g = NULL;
    if (gguf_open(&g, path, &err))
        return error_to_public(public, &err);
    struct hash_stream *h = hash_begin();
    if (!h)
        error_set(&err, ERR_MEMORY, "%s: no memory for its hash", path);
    for (uint64_t i = 0; h && i < g->n_value; i++)
        if (!is_layout(g->value[i].key.text))
            add_value(h, &g->value[i]);
    for (uint64_t i = 0; !err.code && i < g->n_tensor; i++)
        add_tensor(h, g, &g->tensor[i], &err);
    *out = hash_end(h);
    gguf_close(g);
    return err.code ? error_to_public(public, &err) : 0;
}

/* ---- layers ------------------------------------------------------------------------------------------------------------------ */

enum stoker_layer_kind engine_layer_kind(enum layer_keeps keeps)
{
    static const enum stoker_layer_kind kinds[LAYER_KEEPS_KINDS] = {
        [LAYER_KEEPS_NOTHING] = STOKER_LAYER_NOTHING, [LAYER_KEEPS_STATE] = STOKER_LAYER_RECURRENT,
        [LAYER_KEEPS_WINDOW] = STOKER_LAYER_WINDOW,   [LAYER_KEEPS_COMPRESSED] = STOKER_LAYER_COMPRESSED,
        [LAYER_KEEPS_ALL] = STOKER_LAYER_FULL,        [LAYER_KEEPS_LATENTS] = STOKER_LAYER_LATENT};
    return kinds[keeps];
}

static int keeps_index(const struct model *m, int l)
{
    for (int k = 0; k < KV_KINDS; k++)
        if (m->kept[l].n_kv[k] && m->kv_layout[k].shape.index)
            return 1;
    return 0;
}

static int layers_of(const struct model *m, struct stoker_layer *out, int n)
{
    const struct gguf *g = m->file;
    uint64_t largest[PARAMS_MAX_LAYERS] = {0};
    for (int l = 0; l < n && l < m->p.n_layer; l++) {
        int n_expert = m->expert_layer[l].n_expert;
        out[l] = (struct stoker_layer){.kind = engine_layer_kind(m->kept[l].most),
                                       .type = "",
                                       .n_expert = n_expert,
                                       .n_expert_used = n_expert ? m->p.n_expert_used : 0,
                                       .taps = m->taps[l],
                                       .has_index = keeps_index(m, l)};
    }
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        const char *rest;
        int l = gguf_layer_of(t->name, &rest);
        if (l < 0 || l >= n || l >= m->p.n_layer)
            continue;
        out[l].bytes += t->n_bytes;
        out[l].has_shared |= strstr(rest, "_shexp") != NULL;
        if (t->n_bytes > largest[l]) {
            largest[l] = t->n_bytes;
            out[l].type = type_info(t->type)->name;
        }
    }
    return m->p.n_layer;
}

int stoker_layers(const struct stoker *s, struct stoker_layer *out, int n)
{
    return layers_of(s->session->model, out, n);
}

int stoker_header_layers(struct stoker_layer *out, int n, const char *path, struct stoker_error *public)
{
    struct error err = {0};
    struct gguf *g = NULL;
    struct model *m = NULL;
    int n_layer = gguf_open_header(&g, path, &err) || model_open(&m, g, &err) ? -1 : layers_of(m, out, n);
    model_close(m);
    gguf_close(g);
    return n_layer < 0 ? error_to_public(public, &err) : n_layer;
}

void stoker_expert_use(const struct stoker *s, int layer, uint64_t *out)
{
    const struct model *m = s->session->model;
    if (layer >= 0 && layer < m->p.n_layer && m->expert_layer[layer].n_expert)
        store_uses(m->store, layer, out);
}
