/* The anatomy of a file: see anatomy.h. Names of tensors: the GGUF specification. */
#include "cli/common/anatomy.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[KIND_COUNT] = {"embedding",      "attention",    "recurrent", "ffn",
                                                   "shared experts", "experts",      "router",    "norms",
                                                   "output",         "draft layers", "other"};

const char *kind_name(enum tensor_kind k) { return kind_names[k]; }

/* The first pattern that a name holds decides; "^" binds it to the name's beginning behind "blk.N.". */
static const struct {
    const char *pattern;
    enum tensor_kind kind;
} patterns[] = {
    {"norm", KIND_NORMS},
    {"token_embd", KIND_EMBEDDING},
    {"^token_types", KIND_EMBEDDING},
    {"^position_embd", KIND_EMBEDDING},
    {"ffn_gate_inp", KIND_ROUTER},
    {"exp_probs", KIND_ROUTER},
    {"ffn_gate_tid2eid", KIND_ROUTER},
    {"_shexp", KIND_SHARED},
    {"_exps", KIND_EXPERTS},
    {"^attn_", KIND_ATTENTION},
    {"^indexer", KIND_ATTENTION},
    {"^ssm_", KIND_RECURRENT},
    {"^time_mix", KIND_RECURRENT},
    {"^shortconv", KIND_RECURRENT},
    {"^ffn_", KIND_FFN},
    {"^channel_mix", KIND_FFN},
    {"^output.", KIND_OUTPUT},
};

enum tensor_kind kind_of(const struct anatomy *a, const char *name)
{
    const char *rest;
    int layer = gguf_layer_of(name, &rest);
    if (layer >= 0 && (uint64_t)layer >= a->first_draft)
        return KIND_DRAFT;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        const char *p = patterns[i].pattern;
        if (*p == '^' ? strncmp(rest, p + 1, strlen(p + 1)) == 0 : strstr(rest, p) != NULL)
            return patterns[i].kind;
    }
    return KIND_OTHER;
}

/* ---- experts ---------------------------------------------------------------------------------------------------------------- */

/* A tensor that holds one matrix an expert, behind one another. */
static int is_expert_tensor(const struct anatomy *a, const struct gguf_tensor *t)
{
    return t->n_dims == 3 && t->ne[2] > 0 && kind_of(a, t->name) == KIND_EXPERTS;
}

static void add_alignment(struct anatomy *a, uint64_t at)
{
    while (at % a->expert_alignment)
        a->expert_alignment /= 2;
}

static void add_expert_tensor(struct anatomy *a, struct expert_group *l, const struct gguf_tensor *t)
{
    uint64_t bytes = t->n_bytes / t->ne[2];
    l->n_expert = t->ne[2];
    l->expert_bytes += bytes;
    l->expert_weights += t->ne[0] * t->ne[1];
    if (l->n_part < ANATOMY_PARTS) {
        l->part[l->n_part].tensor = t->name;
        l->part[l->n_part].type = t->type;
        l->part[l->n_part++].bytes = bytes;
    }
    a->expert_bytes_total += t->n_bytes;
    add_alignment(a, t->offset);
    add_alignment(a, bytes);
}

static int alike(const struct expert_group *x, const struct expert_group *y)
{
    if (x->n_part != y->n_part || x->n_expert != y->n_expert || x->expert_bytes != y->expert_bytes)
        return 0;
    for (int i = 0; i < x->n_part; i++)
        if (x->part[i].type != y->part[i].type || x->part[i].bytes != y->part[i].bytes)
            return 0;
    return 1;
}

static void add_layer(struct anatomy *a, const struct expert_group *l, int layer)
{
    int i = 0;
    a->n_moe_layer++;
    uint64_t used = a->n_used < l->n_expert ? a->n_used : l->n_expert;
    a->expert_bytes_per_token += l->expert_bytes * used;
    a->expert_weights_per_token += l->expert_weights * used;
    while (i < a->n_group && !alike(&a->group[i], l))
        i++;
    if (i == ANATOMY_GROUPS) {
        a->left_out++;
        return;
    }
    if (i == a->n_group) {
        a->group[a->n_group++] = *l;
        a->group[i].first = layer;
    }
    a->group[i].last = layer;
    a->group[i].n_layer++;
}

static int by_layer(const void *a, const void *b)
{
    const struct gguf_tensor *x = *(const struct gguf_tensor *const *)a, *y = *(const struct gguf_tensor *const *)b;
    const char *rest;
    int lx = gguf_layer_of(x->name, &rest), ly = gguf_layer_of(y->name, &rest);
    return lx != ly ? (lx > ly) - (lx < ly) : strcmp(x->name, y->name);
}

static void read_experts(struct anatomy *a, const struct gguf *g)
{
    const struct gguf_tensor **expert_tensor = calloc(g->n_tensor + 1, sizeof *expert_tensor);
    const char *rest;
    size_t n = 0;
    for (uint64_t i = 0; expert_tensor && i < g->n_tensor; i++)
        if (is_expert_tensor(a, &g->tensor[i]) && gguf_layer_of(g->tensor[i].name, &rest) >= 0)
            expert_tensor[n++] = &g->tensor[i];
    if (n)
        qsort(expert_tensor, n, sizeof *expert_tensor, by_layer);
    for (size_t i = 0; i < n;) {
        int layer = gguf_layer_of(expert_tensor[i]->name, &rest);
        struct expert_group l = {0};
        for (; i < n && gguf_layer_of(expert_tensor[i]->name, &rest) == layer; i++)
            add_expert_tensor(a, &l, expert_tensor[i]);
        add_layer(a, &l, layer);
    }
    free(expert_tensor);
}

/* ---- all of it -------------------------------------------------------------------------------------------------------------- */

static void add(struct share *s, const struct gguf_tensor *t)
{
    s->n++;
    s->bytes += t->n_bytes;
    s->weights += t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3]; /* below 2^64: gguf_open() */
}

uint64_t anatomy_active(const struct anatomy *a)
{
    uint64_t left_out = a->kind[KIND_EXPERTS].weights + a->kind[KIND_DRAFT].weights + a->kind[KIND_EMBEDDING].weights;
    if (a->n_moe_layer && !a->n_used)
        return 0;
    /* One table is embedding and output where the file has no output of its own. */
    uint64_t tied = a->kind[KIND_OUTPUT].n ? 0 : a->kind[KIND_EMBEDDING].weights;
    return a->all.weights - left_out + tied + a->expert_weights_per_token;
}

/* A number of the architecture's; 0: absent or absurd. */
static uint64_t number(const struct anatomy *a, const struct gguf *g, const char *name)
{
    char key[160];
    struct error ignored = {0};
    uint64_t v;
    snprintf(key, sizeof key, "%s.%s", a->arch.text, name);
    return gguf_u64(g, key, 0, UINT32_MAX, &v, &ignored) == 1 ? v : 0;
}

void anatomy_of(struct anatomy *a, const struct gguf *g)
{
    struct error ignored = {0};
    *a = (struct anatomy){.expert_alignment = 4096, .arch = {"", 0}};
    gguf_str(g, "general.architecture", &a->arch, &ignored);
    a->n_used = number(a, g, "expert_used_count");
    a->first_draft = gguf_first_draft(g);
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        enum tensor_kind k = kind_of(a, t->name);
        const char *rest;
        int layer = gguf_layer_of(t->name, &rest);
        add(&a->all, t);
        add(&a->kind[k], t);
        add(&a->type[t->type], t);
        add(&a->kind_type[k][t->type], t);
        a->n_layer = layer >= a->n_layer ? layer + 1 : a->n_layer;
    }
    read_experts(a, g);
}
