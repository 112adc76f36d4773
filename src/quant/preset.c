/* See preset.h. The table of quantize.md 3.4, a function for each of its rows. */
#include "quant/preset.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum name { /* of a preset, in the order of the table below */
            F32,
            F16,
            BF16,
            Q4_0,
            Q4_1,
            Q5_0,
            Q5_1,
            Q8_0,
            Q2_K,
            Q2_K_S,
            Q3_K_S,
            Q3_K_M,
            Q3_K_L,
            Q4_K_S,
            Q4_K_M,
            Q5_K_S,
            Q5_K_M,
            Q6_K,
            IQ1_S,
            IQ1_M,
            IQ2_XXS,
            IQ2_XS,
            IQ2_S,
            IQ2_M,
            IQ3_XXS,
            IQ3_XS,
            IQ3_S,
            IQ3_M,
            IQ4_NL,
            IQ4_XS,
            TQ1_0,
            TQ2_0,
            MXFP4_MOE,
            NVFP4,
            Q1_0,
            N_PRESET
};

static const struct preset table[N_PRESET] = {
    [F32] = {"F32", TYPE_F32, 0},
    [F16] = {"F16", TYPE_F16, 1},
    [BF16] = {"BF16", TYPE_BF16, 32},
    [Q4_0] = {"Q4_0", TYPE_Q4_0, 2},
    [Q4_1] = {"Q4_1", TYPE_Q4_1, 3},
    [Q5_0] = {"Q5_0", TYPE_Q5_0, 8},
    [Q5_1] = {"Q5_1", TYPE_Q5_1, 9},
    [Q8_0] = {"Q8_0", TYPE_Q8_0, 7},
    [Q2_K] = {"Q2_K", TYPE_Q2_K, 10},
    [Q2_K_S] = {"Q2_K_S", TYPE_Q2_K, 21},
    [Q3_K_S] = {"Q3_K_S", TYPE_Q3_K, 11},
    [Q3_K_M] = {"Q3_K_M", TYPE_Q3_K, 12},
    [Q3_K_L] = {"Q3_K_L", TYPE_Q3_K, 13},
    [Q4_K_S] = {"Q4_K_S", TYPE_Q4_K, 14},
    [Q4_K_M] = {"Q4_K_M", TYPE_Q4_K, 15},
    [Q5_K_S] = {"Q5_K_S", TYPE_Q5_K, 16},
    [Q5_K_M] = {"Q5_K_M", TYPE_Q5_K, 17},
    [Q6_K] = {"Q6_K", TYPE_Q6_K, 18},
    [IQ1_S] = {"IQ1_S", TYPE_IQ1_S, 24},
    [IQ1_M] = {"IQ1_M", TYPE_IQ1_M, 31},
    [IQ2_XXS] = {"IQ2_XXS", TYPE_IQ2_XXS, 19},
    [IQ2_XS] = {"IQ2_XS", TYPE_IQ2_XS, 20},
    [IQ2_S] = {"IQ2_S", TYPE_IQ2_XS, 28},
    [IQ2_M] = {"IQ2_M", TYPE_IQ2_S, 29},
    [IQ3_XXS] = {"IQ3_XXS", TYPE_IQ3_XXS, 23},
    [IQ3_XS] = {"IQ3_XS", TYPE_IQ3_S, 22},
    [IQ3_S] = {"IQ3_S", TYPE_IQ3_S, 26},
    [IQ3_M] = {"IQ3_M", TYPE_IQ3_S, 27},
    [IQ4_NL] = {"IQ4_NL", TYPE_IQ4_NL, 25},
    [IQ4_XS] = {"IQ4_XS", TYPE_IQ4_XS, 30},
    [TQ1_0] = {"TQ1_0", TYPE_TQ1_0, 36},
    [TQ2_0] = {"TQ2_0", TYPE_TQ2_0, 37},
    [MXFP4_MOE] = {"MXFP4_MOE", TYPE_MXFP4, 38},
    [NVFP4] = {"NVFP4", TYPE_NVFP4, 39},
    [Q1_0] = {"Q1_0", TYPE_Q1_0, 40},
};

const struct preset *preset_find(const char *name)
{
    for (int i = 0; i < N_PRESET; i++)
        if (strcasecmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

/* ---- the model ------------------------------------------------------------------------------------------------------------------- */

static int is_value(const char *name)
{
    return strstr(name, "attn_v.weight") || strstr(name, "attn_qkv.weight") || strstr(name, "attn_kv_b.weight");
}

/* A whole number of the architecture, the first that is not 0 where there is one for each layer. */
static uint64_t number_of(const struct gguf *g, struct gguf_string arch, const char *name)
{
    char key[120];
    snprintf(key, sizeof key, "%.*s.%s", (int)(arch.length < 60 ? arch.length : 60), arch.text, name);
    const struct gguf_value *v = gguf_find(g, key);
    if (!v || v->kind == GGUF_STRING || v->kind == GGUF_F32 || v->kind == GGUF_F64)
        return 0;
    if (v->kind != GGUF_ARRAY)
        return v->as.u;
    for (uint64_t i = 0; i < v->n; i++)
        if (gguf_item_int(v, i) > 0)
            return (uint64_t)gguf_item_int(v, i);
    return 0;
}

void preset_model_of(struct preset_model *m, const struct gguf *g, int has_importance)
{
    const struct gguf_value *v = gguf_find(g, "general.architecture");
    struct gguf_string arch = v && v->kind == GGUF_STRING ? v->as.string : (struct gguf_string){"", 0};
    *m = (struct preset_model){.n_layer = number_of(g, arch, "block_count"),
                               .n_head = number_of(g, arch, "attention.head_count"),
                               .n_head_kv = number_of(g, arch, "attention.head_count_kv"),
                               .n_expert = number_of(g, arch, "expert_count"),
                               .is_llama = strcmp(arch.text, "llama") == 0,
                               .is_tied = !gguf_tensor(g, "output.weight"),
                               .has_importance = has_importance};
    m->n_head_kv = m->n_head_kv ? m->n_head_kv : m->n_head;
    for (uint64_t i = 0; i < g->n_tensor; i++)
        m->n_value += is_value(g->tensor[i].name) != 0;
}

int preset_before(const char *a, const char *b)
{
    const char *rest;
    int la = gguf_layer_of(a, &rest), lb = gguf_layer_of(b, &rest);
    return la != lb ? (la > lb) - (la < lb) : strcmp(a, b);
}

/* ---- the rows of the table ------------------------------------------------------------------------------------------------------- */

static enum name name_of(const struct preset *p) { return (enum name)(p - table); }
static int is_iq1(enum name n) { return n == IQ1_S || n == IQ1_M; }
static int is_iq2(enum name n) { return n >= IQ2_XXS && n <= IQ2_M; }
static int is_iq3(enum name n) { return n >= IQ3_XXS && n <= IQ3_M; }
static int is_iq4(enum name n) { return n == IQ4_NL || n == IQ4_XS; }
static int is_better_iq2(enum name n) { return n == IQ2_S || n == IQ2_M; }
static int is_grouped(const struct preset_model *m) { return m->n_head_kv && m->n_head / m->n_head_kv >= 4; }

/* The first and last eighth, and every third between. */
static int more(uint64_t i, uint64_t n) { return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2; }

static enum block_type output(const struct preset *p, const struct gguf_tensor *t)
{
    enum name n = name_of(p);
    if (t->ne[0] % (uint64_t)type_info(p->base)->block != 0)
        return TYPE_Q8_0;
    if (is_iq1(n) || is_iq2(n) || n == IQ3_XXS)
        return TYPE_Q5_K;
    return n == MXFP4_MOE || p->base == TYPE_Q8_0 ? TYPE_Q8_0 : TYPE_Q6_K;
}

static enum block_type embedding(const struct preset *p)
{
    enum name n = name_of(p);
    if (is_iq1(n) || n == IQ2_XXS || n == IQ2_XS)
        return TYPE_Q2_K;
    if (is_better_iq2(n) || n == IQ3_XXS)
        return TYPE_IQ3_S;
    if (n == TQ1_0 || n == TQ2_0)
        return TYPE_Q4_K;
    return n == MXFP4_MOE ? TYPE_Q8_0 : p->base;
}

static enum block_type value_of_few_bits(const struct preset *p, const struct preset_model *m)
{
    if (is_grouped(m) || m->n_expert >= 4)
        return TYPE_Q4_K;
    return is_better_iq2(name_of(p)) ? TYPE_IQ3_S : TYPE_Q2_K;
}

static enum block_type value(const struct preset *p, const struct preset_model *m, uint64_t i)
{
    switch ((int)name_of(p)) {
    case Q2_K:
        return is_grouped(m) ? TYPE_Q4_K : TYPE_Q3_K;
    case Q2_K_S:
    case IQ3_XS:
    case IQ3_S:
        return is_grouped(m) ? TYPE_Q4_K : p->base;
    case IQ3_XXS:
        return is_grouped(m) ? TYPE_Q4_K : m->has_importance ? TYPE_IQ3_XXS : TYPE_IQ3_S;
    case IQ3_M:
        return TYPE_Q4_K;
    case Q3_K_M:
        return i < 2 ? TYPE_Q5_K : TYPE_Q4_K;
    case Q3_K_L:
        return TYPE_Q5_K;
    case IQ4_NL:
    case IQ4_XS:
        return is_grouped(m) ? TYPE_Q5_K : p->base;
    case Q4_K_M:
    case Q5_K_M:
        return more(i, m->n_value) ? TYPE_Q6_K : p->base;
    case Q4_K_S:
        return i < 4 ? TYPE_Q5_K : p->base;
    default:
        return p->base;
    }
}

/* With what is given to values of llama's 70B, and of eight experts. */
static enum block_type any_value(const struct preset *p, struct preset_model *m)
{
    uint64_t i = m->i_value++;
    enum name n = name_of(p);
    if (is_iq1(n) || is_iq2(n))
        return value_of_few_bits(p, m);
    enum block_type t = value(p, m, i);
    if (m->is_llama && m->n_layer == 80 && m->n_head != m->n_head_kv && (t == TYPE_Q3_K || t == TYPE_Q4_K))
        t = TYPE_Q5_K;
    return m->n_expert == 8 ? TYPE_Q8_0 : t;
}

static enum block_type key(const struct preset *p, const struct preset_model *m)
{
    enum name n = name_of(p);
    if (m->n_expert == 8)
        return is_iq1(n) || is_iq2(n) ? TYPE_Q4_K : TYPE_Q8_0;
    return n == IQ3_XS ? TYPE_IQ3_XXS : n == IQ3_XXS ? TYPE_IQ2_S : p->base;
}

static enum block_type query(const struct preset *p)
{
    enum name n = name_of(p);
    return n == IQ3_XS ? TYPE_IQ3_XXS : n == IQ3_XXS ? TYPE_IQ2_S : p->base;
}

/* counted: such tensors before this one; i: its layer, where there are experts. */
static enum block_type down(const struct preset *p, const struct preset_model *m, uint64_t counted, uint64_t i)
{
    enum name n = name_of(p);
    uint64_t n_layer = m->n_layer;
    int is_early = i < n_layer / 8;
    if (is_iq1(n) || is_iq2(n))
        return counted >= n_layer / 8 ? p->base : is_better_iq2(n) ? TYPE_IQ3_S : TYPE_Q2_K;
    switch ((int)n) {
    case Q2_K:
        return TYPE_Q3_K;
    case Q2_K_S:
        return is_early ? TYPE_Q4_K : p->base;
    case IQ3_XXS:
        return m->has_importance ? p->base : is_early ? TYPE_Q4_K : TYPE_Q3_K;
    case Q3_K_M:
        return i < n_layer / 16 ? TYPE_Q5_K : TYPE_Q4_K;
    case IQ3_M:
        return is_early || (m->n_expert == 8 && more(i, n_layer)) ? TYPE_Q4_K : p->base;
    case Q3_K_L:
        return TYPE_Q5_K;
    case Q4_K_M:
    case Q5_K_M:
        return more(i, n_layer) ? TYPE_Q6_K : p->base;
    case IQ4_NL:
    case IQ4_XS:
        return is_early && !m->has_importance ? TYPE_Q5_K : p->base;
    case Q4_K_S:
        return is_early ? TYPE_Q5_K : p->base;
    case Q4_0:
        return is_early && m->has_importance ? TYPE_Q4_1 : p->base;
    case Q5_0:
        return is_early && m->has_importance ? TYPE_Q5_1 : p->base;
    default:
        return p->base;
    }
}

static enum block_type attention_output(const struct preset *p, const struct preset_model *m)
{
    enum name n = name_of(p);
    if (is_iq1(n) || is_iq2(n))
        return m->n_expert == 8 ? TYPE_Q5_K : is_iq1(n) ? TYPE_IQ2_XXS : is_better_iq2(n) ? TYPE_IQ3_S : p->base;
    if (m->n_expert == 8)
        return n == Q2_K || is_iq3(n) || n == Q3_K_S || n == Q3_K_M || is_iq4(n) || n == Q4_K_S || n == Q4_K_M
                   ? TYPE_Q5_K
                   : p->base;
    switch ((int)n) {
    case Q2_K:
        return TYPE_Q3_K;
    case IQ3_XXS:
        return TYPE_IQ3_S;
    case Q3_K_M:
    case IQ3_M:
        return TYPE_Q4_K;
    case Q3_K_L:
        return TYPE_Q5_K;
    default:
        return p->base;
    }
}

static enum block_type gate_or_up(const struct preset *p, const struct preset_model *m, uint64_t i)
{
    int is_middle = i >= m->n_layer / 8 && i < 7 * m->n_layer / 8;
    return name_of(p) == IQ3_XS && is_middle ? TYPE_IQ3_XXS : p->base;
}

enum block_type preset_type(const struct preset *p, struct preset_model *m, const struct gguf_tensor *t)
{
    const char *rest;
    int layer = gguf_layer_of(t->name, &rest);
    uint64_t in_layer = layer >= 0 ? (uint64_t)layer : 0;
    if (type_info(p->base)->block == 1) /* floats: for all */
        return p->base;
    if (strcmp(t->name, "output.weight") == 0 || (m->is_tied && strcmp(t->name, "token_embd.weight") == 0))
        return output(p, t);
    if (strcmp(t->name, "token_embd.weight") == 0)
        return embedding(p);
    if (name_of(p) == MXFP4_MOE)
        return t->n_dims == 3 ? TYPE_MXFP4 : TYPE_Q8_0;
    if (is_value(t->name))
        return any_value(p, m);
    if (strstr(rest, "attn_k.weight"))
        return key(p, m);
    if (strstr(rest, "attn_q.weight"))
        return query(p);
    if (strstr(rest, "attn_output.weight"))
        return attention_output(p, m);
    if (strstr(rest, "ffn_down")) {
        uint64_t counted = m->i_down++;
        return down(p, m, counted, m->n_expert > 1 ? in_layer : counted);
    }
    if (strstr(rest, "ffn_gate")) {
        uint64_t counted = m->i_gate++;
        return gate_or_up(p, m, m->n_expert > 1 ? in_layer : counted);
    }
    if (strstr(rest, "ffn_up")) {
        uint64_t counted = m->i_up++;
        return gate_or_up(p, m, m->n_expert > 1 ? in_layer : counted);
    }
    return p->base;
}
