/* Reading hyperparameters: see params.h. Key names: the GGUF specification. */
#include "model/params.h"

#include "base/error.h"
#include "base/f64.h"
#include "format/gguf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { KEY = 200, MAX_WIDTH = PARAMS_MAX_WIDTH, MAX_HEADS = 1 << 14, MAX_EXPERTS = 1 << 14 };
/* Experts of a row are chosen one after another: a header with thousands would make a step last for minutes. */
enum { MAX_USED = 256 };

static const char *arch_key(const struct gguf *g, const char *key, char out[KEY])
{
    const struct gguf_value *arch = gguf_find(g, "general.architecture");
    snprintf(out, KEY, "%s.%s", arch && arch->kind == GGUF_STRING ? arch->as.string.text : "", key);
    return out;
}

static int missing(const struct gguf *g, const char *name, struct error *err)
{
    return error_set(err, ERR_FORMAT, "%s: the key %s is missing; the file is incomplete or of another architecture",
                     g->file->path, name);
}

int params_int(const struct gguf *g, const char *key, int min, int max, int fallback, int *out, struct error *err)
{
    char name[KEY];
    uint64_t v;
    int found = gguf_u64(g, arch_key(g, key, name), (uint64_t)min, (uint64_t)max, &v, err);
    if (found < 0)
        return -1;
    if (found == 0 && fallback < 0)
        return missing(g, name, err);
    *out = found ? (int)v : fallback;
    return 0;
}

static int is_whole_list(const struct gguf_value *v)
{
    return v->kind == GGUF_ARRAY && v->item != GGUF_STRING && v->item != GGUF_ARRAY && v->item != GGUF_F32 &&
           v->item != GGUF_F64;
}

/* The numbers of a key that may be an array of whole numbers (or of truths): those of layers [first, end), the largest in *out. */
static int largest_of(const struct gguf *g, const char *key, int first, int end, int min, int max, int fallback,
                      int *out, struct error *err)
{
    char name[KEY];
    const struct gguf_value *v = gguf_find(g, arch_key(g, key, name));
    if (!v || v->kind != GGUF_ARRAY)
        return params_int(g, key, min, max, fallback, out, err);
    if (v->item == GGUF_STRING || v->item == GGUF_ARRAY || v->item == GGUF_F32 || v->item == GGUF_F64)
        return error_set(err, ERR_FORMAT, "%s: the key %s is an array of %s where stoker takes whole numbers",
                         g->file->path, name, gguf_kind_name(v->item));
    if (v->n < (uint64_t)end)
        return error_set(err, ERR_FORMAT, "%s: the key %s has %llu numbers for %d layers", g->file->path, name,
                         (unsigned long long)v->n, end);
    *out = min;
    for (int l = first; l < end; l++) {
        int64_t n = gguf_item_int(v, (uint64_t)l);
        if (n < min || n > max)
            return error_set(err, ERR_FORMAT, "%s: the key %s is %lld for layer %d; it must be between %d and %d",
                             g->file->path, name, (long long)n, l, min, max);
        *out = n > *out ? (int)n : *out;
    }
    return 0;
}

int params_int_of(const struct gguf *g, const char *key, int l, int min, int max, int fallback, int *out,
                  struct error *err)
{
    return largest_of(g, key, l, l + 1, min, max, fallback, out, err);
}

int params_int_most(const struct gguf *g, const char *key, int n_layer, int min, int max, int fallback, int *out,
                    struct error *err)
{
    return largest_of(g, key, 0, n_layer, min, max, fallback, out, err);
}

int params_has(const struct gguf *g, const char *key)
{
    char name[KEY];
    return gguf_find(g, arch_key(g, key, name)) != NULL;
}

int params_is_list(const struct gguf *g, const char *key)
{
    char name[KEY];
    const struct gguf_value *v = gguf_find(g, arch_key(g, key, name));
    return v && v->kind == GGUF_ARRAY;
}

int params_axes(const struct gguf *g, int most, int out[3], struct error *err)
{
    char name[KEY];
    const struct gguf_value *v = gguf_find(g, arch_key(g, "rope.dimension_sections", name));
    if (!v)
        return 0;
    if (!is_whole_list(v))
        return error_set(err, ERR_FORMAT, "%s: the key %s is no array of whole numbers", g->file->path, name);
    if (v->n < 3)
        return error_set(err, ERR_FORMAT, "%s: the key %s has %llu numbers for 3 axes", g->file->path, name,
                         (unsigned long long)v->n);
    for (int i = 0; i < 3; i++) {
        int64_t n = gguf_item_int(v, (uint64_t)i);
        if (n < 0 || n > most)
            return error_set(err, ERR_FORMAT, "%s: the key %s is %lld for axis %d; it must be between 0 and %d",
                             g->file->path, name, (long long)n, i, most);
        out[i] = (int)n;
    }
    return 1;
}

/* The key's array of n whole numbers; NULL with the sentence. */
static const struct gguf_value *whole_list(const struct gguf *g, const char *name, uint64_t n, struct error *err)
{
    const struct gguf_value *v = gguf_find(g, name);
    if (!v)
        missing(g, name, err);
    else if (!is_whole_list(v))
        error_set(err, ERR_FORMAT, "%s: the key %s is no array of whole numbers", g->file->path, name);
    else if (v->n != n)
        error_set(err, ERR_FORMAT, "%s: the key %s has %llu numbers where there must be %llu", g->file->path, name,
                  (unsigned long long)v->n, (unsigned long long)n);
    else
        return v;
    return NULL;
}

int params_list(const struct gguf *g, const char *key, int n, uint64_t *out, struct error *err)
{
    char name[KEY];
    const struct gguf_value *v = whole_list(g, arch_key(g, key, name), (uint64_t)n, err);
    for (int i = 0; v && i < n; i++)
        out[i] = (uint64_t)gguf_item_int(v, (uint64_t)i);
    return v ? 0 : -1;
}

int params_count(const struct gguf *g, const char *key, int min, int max, int *out, struct error *err)
{
    char name[KEY];
    const struct gguf_value *v = gguf_find(g, arch_key(g, key, name));
    if (!v)
        return missing(g, name, err);
    if (v->kind != GGUF_ARRAY || v->n < (uint64_t)min || v->n > (uint64_t)max)
        return error_set(err, ERR_FORMAT, "%s: the key %s has %llu numbers; stoker takes an array of %d to %d",
                         g->file->path, name, (unsigned long long)v->n, min, max);
    *out = (int)v->n;
    return 0;
}

int params_numbers(const struct gguf *g, const char *key, uint64_t n, int32_t *out, struct error *err)
{
    char name[KEY];
    const struct gguf_value *v = whole_list(g, arch_key(g, key, name), n, err);
    if (!v)
        return -1;
    for (uint64_t i = 0; i < n; i++) {
        int64_t x = gguf_item_int(v, i);
        if (x < 0 || x > INT32_MAX)
            return error_set(err, ERR_FORMAT, "%s: the key %s has the number %lld at %llu; it must be between 0 and %d",
                             g->file->path, name, (long long)x, (unsigned long long)i, INT32_MAX);
        out[i] = (int32_t)x;
    }
    return 0;
}

/* 1: the key, a whole number or a list of them, has this number; 0: it has not; -1: it is something else. */
static int names(const struct gguf *g, const char *key, int number, struct error *err)
{
    char name[KEY];
    const struct gguf_value *v = gguf_find(g, arch_key(g, key, name));
    int is_signed = v->kind == GGUF_I8 || v->kind == GGUF_I16 || v->kind == GGUF_I32 || v->kind == GGUF_I64;
    if (v->kind == GGUF_STRING || v->kind == GGUF_BOOL || v->kind == GGUF_F32 || v->kind == GGUF_F64 ||
        (v->kind == GGUF_ARRAY && !is_whole_list(v)))
        return error_set(err, ERR_FORMAT, "%s: the key %s is neither a whole number nor an array of them",
                         g->file->path, name);
    if (v->kind != GGUF_ARRAY)
        return is_signed ? v->as.i == number : v->as.u == (uint64_t)number;
    for (uint64_t i = 0; i < v->n; i++)
        if (gguf_item_int(v, i) == number)
            return 1;
    return 0;
}

int params_agree(const struct gguf *g, int l, int is_so, const char *role, const char *const *key, int n_key,
                 struct error *err)
{
    for (int i = 0; i < n_key; i++) {
        int named = params_has(g, key[i]) ? names(g, key[i], l, err) : is_so;
        if (named < 0)
            return -1;
        if (named != is_so)
            return error_set(err, ERR_FORMAT, "%s: by its tensors layer %d %s, but the key %s %s it", g->file->path, l,
                             role, key[i], named ? "names" : "does not name");
    }
    return 0;
}

int params_alike(const struct gguf *g, int n_layer, struct error *err)
{
    static const char *const keys[] = {"feed_forward_length", "attention.head_count", "attention.head_count_kv"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char name[KEY];
        const struct gguf_value *v = gguf_find(g, arch_key(g, keys[i], name));
        if (!v || v->kind != GGUF_ARRAY)
            continue;
        if (!is_whole_list(v) || v->n < (uint64_t)n_layer)
            return error_set(err, ERR_FORMAT, "%s: the key %s is no array of a whole number for each of %d layers",
                             g->file->path, name, n_layer);
        for (int l = 1; l < n_layer; l++)
            if (gguf_item_int(v, (uint64_t)l) != gguf_item_int(v, 0))
                return error_set(err, ERR_FORMAT,
                                 "%s: the key %s is %lld for layer 0 and %lld for layer %d, but layers of this "
                                 "architecture are alike",
                                 g->file->path, name, (long long)gguf_item_int(v, 0),
                                 (long long)gguf_item_int(v, (uint64_t)l), l);
    }
    return 0;
}

int params_real(const struct gguf *g, const char *key, double min, double max, double fallback, double *out,
                struct error *err)
{
    char name[KEY];
    *out = fallback;
    int found = gguf_f64(g, arch_key(g, key, name), min, max, out, err);
    if (found == 0 && isnan(fallback))
        return missing(g, name, err);
    return found < 0 ? -1 : 0;
}

int params_real_of(const struct gguf *g, const char *key, int l, double min, double max, double fallback, double *out,
                   struct error *err)
{
    char name[KEY];
    const struct gguf_value *v = gguf_find(g, arch_key(g, key, name));
    if (!v || v->kind != GGUF_ARRAY)
        return params_real(g, key, min, max, fallback, out, err);
    if (v->item != GGUF_F32 && v->item != GGUF_F64)
        return error_set(err, ERR_FORMAT, "%s: the key %s is an array of %s where stoker takes real numbers",
                         g->file->path, name, gguf_kind_name(v->item));
    if (v->n <= (uint64_t)l)
        return error_set(err, ERR_FORMAT, "%s: the key %s has %llu numbers; layer %d has none", g->file->path, name,
                         (unsigned long long)v->n, l);
    *out = gguf_item_float(v, (uint64_t)l);
    if (!(*out >= min && *out <= max))
        return error_set(err, ERR_FORMAT, "%s: the key %s is %g for layer %d; it must be between %g and %g",
                         g->file->path, name, *out, l, min, max);
    return 0;
}

int params_bool(const struct gguf *g, const char *key, int *out, struct error *err)
{
    char name[KEY];
    return gguf_bool(g, arch_key(g, key, name), out, err) < 0 ? -1 : 0;
}

static int read_rope_scaling(struct params *p, const struct gguf *g, struct error *err)
{
    struct rope_params *r = &p->rope[0];
    char name[KEY];
    struct gguf_string type = {"none", 4};
    if (gguf_str(g, arch_key(g, "rope.scaling.type", name), &type, err) < 0)
        return -1;
    const double least = 1e-3; /* below that angles are beyond those that f64_sincos() takes */
    double n_ctx = p->n_ctx_train, old_linear, magnitude;
    if (params_real(g, "rope.scale_linear", least, 1e6, 1, &old_linear, err) ||
        params_real(g, "rope.scaling.factor", least, 1e6, old_linear, &r->factor, err) ||
        params_real(g, "rope.scaling.original_context_length", 1, 1e9, n_ctx, &r->n_orig, err) ||
        params_real(g, "rope.scaling.attn_factor", 1e-6, 1e6, 1, &r->attn_factor, err) ||
        params_real(g, "rope.scaling.yarn_attn_factor", 1e-6, 1e6, 0, &magnitude, err) ||
        params_real(g, "rope.scaling.yarn_beta_fast", 1e-3, 1e6, 32, &r->beta_fast, err) ||
        params_real(g, "rope.scaling.yarn_beta_slow", 1e-3, 1e6, 1, &r->beta_slow, err))
        return -1;
    if (strcmp(type.text, "none") == 0)
        r->scaling = old_linear != 1 ? ROPE_LINEAR : ROPE_PLAIN;
    else if (strcmp(type.text, "linear") == 0)
        r->scaling = ROPE_LINEAR;
    else if (strcmp(type.text, "yarn") == 0)
        r->scaling = ROPE_YARN;
    else if (strcmp(type.text, "longrope") == 0)
        r->scaling = ROPE_LONG; /* whose factors are tensors: bind_long_rope() */
    else
        return error_set(err, ERR_UNSUPPORTED, "%s: %s is \"%.40s\"; stoker knows none, linear, yarn and longrope here",
                         g->file->path, name, type.text);
    if (r->scaling == ROPE_YARN && r->factor < 1)
        return error_set(err, ERR_FORMAT, "%s: rope.scaling.factor is %g; YaRN stretches a context, by 1 or more",
                         g->file->path, r->factor);
    if (r->scaling == ROPE_YARN && magnitude > 0)
        r->attn_factor = magnitude / rope_yarn_magnitude(r->factor);
    return 0;
}

static int read_rope(struct params *p, const struct gguf *g, enum rope_pairs pairs, struct error *err)
{
    struct rope_params *r = &p->rope[0];
    *r = (struct rope_params){.pairs = pairs};
    if (params_int(g, "rope.dimension_count", 2, p->d_k, p->d_k, &r->n_rot, err) ||
        params_real(g, "rope.freq_base", 1.5, 1e12, 10000, &r->base, err))
        return -1;
    if (r->n_rot % 2)
        return error_set(err, ERR_FORMAT, "%s: rope.dimension_count is %d; it must be even", g->file->path, r->n_rot);
    return read_rope_scaling(p, g, err);
}

int params_read_sizes(struct params *p, const struct gguf *g, struct error *err)
{
    double eps;
    int n_draft; /* layers that are left alone */
    if (params_int(g, "block_count", 1, PARAMS_MAX_LAYERS, -1, &p->n_layer, err) ||
        params_int(g, "embedding_length", 1, MAX_WIDTH, -1, &p->n_embd, err) ||
        params_int(g, "context_length", 1, 1 << 30, -1, &p->n_ctx_train, err) ||
        params_int_most(g, "feed_forward_length", p->n_layer, 0, MAX_WIDTH, 0, &p->n_ff, err) ||
        params_real(g, "attention.layer_norm_rms_epsilon", 1e-30, 1, 1e-6, &eps, err) ||
        params_int(g, "nextn_predict_layers", 0, p->n_layer - 1, 0, &n_draft, err))
        return -1;
    int causal = !p->bidirectional;
    if (params_bool(g, "attention.causal", &causal, err))
        return -1;
    if (causal == p->bidirectional)
        return error_set(err, ERR_UNSUPPORTED,
                         "%s: attention.causal is %s, but rows of this architecture %s later ones", g->file->path,
                         causal ? "true" : "false", causal ? "see" : "do not see");
    p->norm_eps = (float)eps;
    p->n_layer -= (int)gguf_draft_layers(g, (uint64_t)p->n_layer, (uint64_t)n_draft);
    return 0;
}

int params_read_unrotated(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read_sizes(p, g, err) ||
        params_int_most(g, "attention.head_count", p->n_layer, 1, MAX_HEADS, -1, &p->n_head, err) ||
        params_int_most(g, "attention.head_count_kv", p->n_layer, 0, MAX_HEADS, p->n_head, &p->n_head_kv, err))
        return -1;
    if (p->n_head_kv == 0 || p->n_head % p->n_head_kv)
        return error_set(
            err, ERR_FORMAT,
            "%s: %d attention heads cannot share %d key heads evenly (attention.head_count, attention.head_count_kv)",
            g->file->path, p->n_head, p->n_head_kv);
    int from_width = p->n_embd / p->n_head;
    if (params_int(g, "attention.key_length", 2, 4096, from_width > 0 ? from_width : -1, &p->d_k, err) ||
        params_int(g, "attention.value_length", 1, 4096, p->d_k, &p->d_v, err))
        return -1;
    if ((long long)p->n_head * p->d_k > MAX_WIDTH || (long long)p->n_head * p->d_v > MAX_WIDTH)
        return error_set(err, ERR_FORMAT, "%s: %d heads of %d values are more than stoker takes (%d)", g->file->path,
                         p->n_head, p->d_k, MAX_WIDTH);
    return 0;
}

int params_read(struct params *p, const struct gguf *g, enum rope_pairs pairs, struct error *err)
{
    return params_read_unrotated(p, g, err) || read_rope(p, g, pairs, err) ? -1 : 0;
}

int params_read_window_rope(struct params *p, const struct gguf *g, double base_absent, struct error *err)
{
    struct rope_params *r = &p->rope[WINDOW_ROPE];
    int n_rot = p->rope[ROPE].n_rot;
    *r = (struct rope_params){.n_rot = n_rot, .pairs = p->rope[ROPE].pairs};
    return params_real(g, "rope.freq_base_swa", 1.5, 1e12, base_absent, &r->base, err) ||
                   params_int(g, "rope.dimension_count_swa", n_rot, n_rot, n_rot, &r->n_rot, err)
               ? -1
               : 0;
}

int params_unscaled(const struct params *p, const struct gguf *g, struct error *err)
{
    if (p->rope[ROPE].scaling == ROPE_PLAIN)
        return 0;
    return error_set(err, ERR_UNSUPPORTED,
                     "%s: rope.scaling.type does not say whether layers with a window are scaled too; stoker takes "
                     "such a model without scaling",
                     g->file->path);
}

int params_windowed(const struct gguf *g, int l, int period_absent, int *windowed, struct error *err)
{
    static const char key[] = "attention.sliding_window_pattern";
    int period;
    if (params_is_list(g, key))
        return params_int_of(g, key, l, 0, 1, -1, windowed, err);
    if (params_int(g, key, 1, PARAMS_MAX_LAYERS, period_absent, &period, err))
        return -1;
    *windowed = (l + 1) % period != 0;
    return 0;
}

int params_read_temperature(struct params *p, const struct gguf *g, int length_absent, struct error *err)
{
    if (params_real(g, "attention.temperature_scale", 0, 1e3, 0, &p->temperature.scale, err))
        return -1;
    if (p->temperature.scale == 0)
        return 0;
    return params_int(g, "attention.temperature_length", 1, 1 << 30, length_absent, &p->temperature.n, err);
}

float params_temperature(const struct temperature_params *t, int pos)
{
    return (float)(1 + t->scale * f64_ln(1 + (double)((pos + t->first) / t->n)));
}

static int read_experts(struct params *p, const struct gguf *g, int n_list, struct error *err)
{
    static const char width[] = "expert_feed_forward_length";
    int absent = p->n_ff > 0 ? p->n_ff : -1;
    if (params_int(g, "expert_count", 1, MAX_EXPERTS, -1, &p->n_expert, err) ||
        params_int(g, "expert_used_count", 1, p->n_expert < MAX_USED ? p->n_expert : MAX_USED, -1, &p->n_expert_used,
                   err) ||
        (n_list ? params_int_most(g, width, n_list, 1, MAX_WIDTH, absent, &p->n_ff_expert, err)
                : params_int(g, width, 1, MAX_WIDTH, absent, &p->n_ff_expert, err)))
        return -1;
    for (int l = 0, n; l < n_list; l++) {
        if (params_int_of(g, width, l, 1, MAX_WIDTH, absent, &n, err))
            return -1;
        if (n != p->n_ff_expert)
            return error_set(err, ERR_FORMAT,
                             "%s: %s is %d for layer %d and %d for another, but experts of this architecture are alike",
                             g->file->path, width, n, l, p->n_ff_expert);
    }
    return 0;
}

int params_read_experts(struct params *p, const struct gguf *g, struct error *err)
{
    return read_experts(p, g, 0, err);
}

int params_read_experts_listed(struct params *p, const struct gguf *g, struct error *err)
{
    return read_experts(p, g, p->n_layer, err);
}
