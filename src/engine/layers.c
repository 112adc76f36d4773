/* stoker_layers() and stoker_expert_use(): what each layer of a model is, and how often its experts are used. */
#include "base/error.h"
#include "engine/engine.h"
#include "engine/public_error.h"
#include "format/gguf.h"

static enum stoker_layer_kind kind_of(const struct model *m, int l)
{
    switch (m->keeps[l]) {
    case LAYER_KEEPS_WINDOW:
        return STOKER_LAYER_WINDOW;
    case LAYER_KEEPS_COMPRESSED:
        return STOKER_LAYER_COMPRESSED;
    case LAYER_KEEPS_STATE:
        return STOKER_LAYER_RECURRENT;
    case LAYER_KEEPS_NOTHING:
        return STOKER_LAYER_NOTHING;
    case LAYER_KEEPS_ALL:
        break;
    }
    return STOKER_LAYER_FULL;
}

static int layers_of(const struct model *m, struct stoker_layer *out, int n)
{
    const struct gguf *g = m->file;
    uint64_t largest[PARAMS_MAX_LAYERS] = {0};
    for (int l = 0; l < n && l < m->p.n_layer; l++) {
        int n_expert = m->expert_layer[l].n_expert;
        out[l] = (struct stoker_layer){.kind = kind_of(m, l),
                                       .type = "",
                                       .n_expert = n_expert,
                                       .n_expert_used = n_expert ? m->p.n_expert_used : 0};
    }
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        const char *rest;
        int l = gguf_layer_of(t->name, &rest);
        if (l < 0 || l >= n || l >= m->p.n_layer)
            continue;
        out[l].bytes += t->n_bytes;
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
