/* stoker_about(): what the headers of a model's files say. */
#include "base/error.h"
#include "base/hash.h"
#include "engine/engine.h"
#include "engine/public_error.h"
#include "format/gguf.h"

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
