/* Reading control vectors: see vector.h. Names and shapes first, then the keys, then the numbers. */
#include "format/vector.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "format/gguf.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A header of VECTOR_LAYERS directions takes 160 KiB. */
static const struct gguf_small limits = {.file = 64 << 20, .header = VECTOR_HEADER};

static const char *const kind_names[VECTOR_KINDS] = {"add", "project"};
static const char *const hook_names[VECTOR_HOOKS] = {"residual_stream_post_layer", "attn_out_pre_residual",
                                                     "ffn_out_pre_residual"};

const char *vector_kind_name(enum vector_kind k) { return kind_names[k]; }
const char *vector_hook_name(enum vector_hook h) { return hook_names[h]; }

/* What is printed of a text of the file. */
static void copy_text(char *to, size_t room, const char *text, uint64_t n)
{
    size_t i = 0;
    for (; i < n && i + 1 < room; i++)
        to[i] = text[i] >= ' ' && text[i] < 127 ? text[i] : '?';
    to[i] = 0;
}

static int is_text(struct gguf_string s, const char *text)
{
    return s.length == strlen(text) && memcmp(s.text, text, s.length) == 0;
}

/* ---- names and shapes ------------------------------------------------------------------------------------------------------- */

/* The N of "direction.N", 1 to 99999, without leading zeros; -1: another name. */
static int layer_of(const char *name)
{
    static const char stem[] = "direction.";
    int n = 0, digits = 0;
    if (strncmp(name, stem, sizeof stem - 1) != 0 || name[sizeof stem - 1] == '0')
        return -1;
    for (const char *p = name + sizeof stem - 1; *p; p++, digits++) {
        if (*p < '0' || *p > '9' || digits == 5)
            return -1;
        n = 10 * n + *p - '0';
    }
    return digits ? n : -1;
}

static int check_tensor(const struct gguf *g, const struct gguf_tensor *t, struct vector *v, struct error *err)
{
    const char *path = g->file->path;
    int layer = layer_of(t->name);
    if (layer < 0)
        return error_set(err, ERR_FORMAT,
                         "%s: tensor %.80s; a control vector has tensors direction.N, N from 1, one a layer, and no "
                         "others",
                         path, t->name);
    if (layer >= VECTOR_LAYERS)
        return error_set(err, ERR_FORMAT, "%s: %s: no model has more than %d layers", path, t->name, VECTOR_LAYERS);
    if (t->type != TYPE_F32 && t->type != TYPE_F16 && t->type != TYPE_BF16)
        return error_set(err, ERR_FORMAT, "%s: %s is %s; directions are f32, f16 or bf16", path, t->name,
                         type_info(t->type)->name);
    if (t->n_dims != 1 || t->ne[0] == 0 || t->ne[0] > VECTOR_WIDTH)
        return error_set(err, ERR_FORMAT, "%s: %s has %d dimensions, the first of %" PRIu64 "; it must be one row",
                         path, t->name, t->n_dims, t->ne[0]);
    if (v->n_embd && t->ne[0] != (uint64_t)v->n_embd)
        return error_set(err, ERR_FORMAT, "%s: %s has %" PRIu64 " values, direction.%d has %d", path, t->name, t->ne[0],
                         v->last, v->n_embd);
    v->n_embd = (int)t->ne[0];
    v->first = v->first == 0 || layer < v->first ? layer : v->first;
    v->last = layer > v->last ? layer : v->last;
    v->n_held++;
    return 0;
}

static int check_tensors(const struct gguf *g, struct vector *v, struct error *err)
{
    struct gguf_string arch = {"", 0};
    if (gguf_str(g, "general.architecture", &arch, err) < 0)
        return -1;
    if (arch.length && !is_text(arch, "controlvector") && !is_text(arch, "glp")) {
        char shown[40];
        copy_text(shown, sizeof shown, arch.text, arch.length);
        return error_set(err, ERR_FORMAT, "%s is a %s model, not a control vector", g->file->path, shown);
    }
    for (uint64_t i = 0; i < g->n_tensor; i++)
        if (check_tensor(g, &g->tensor[i], v, err))
            return -1;
    return v->n_held ? 0 : error_set(err, ERR_FORMAT, "%s: it has no direction", g->file->path);
}

/* One allocation: the vector, its table of layers, then the directions. */
static uint64_t bytes_of(const struct vector *v)
{
    return sizeof *v + ((uint64_t)v->last + 1) * sizeof *v->direction +
           (uint64_t)v->n_held * (uint64_t)v->n_embd * sizeof(float);
}

/* ---- keys ------------------------------------------------------------------------------------------------------------------- */

static const char *const stems[] = {"glp.", "dspark."};

static int has_stem(const struct gguf_value *v)
{
    for (size_t i = 0; i < sizeof stems / sizeof stems[0]; i++)
        if (v->key.length >= strlen(stems[i]) && memcmp(v->key.text, stems[i], strlen(stems[i])) == 0)
            return 1;
    return 0;
}

static int equal_values(const struct gguf_value *a, const struct gguf_value *b)
{
    if (a->kind != b->kind || a->kind == GGUF_ARRAY)
        return 0;
    return a->kind != GGUF_STRING ? a->as.u == b->as.u : is_text(a->as.string, b->as.string.text);
}

/* The value of glp.NAME, or of dspark.NAME; NULL: neither. -1 in *failed: they differ. */
static const struct gguf_value *find(const struct gguf *g, const char *name, int *failed, struct error *err)
{
    const struct gguf_value *found[2];
    for (int i = 0; i < 2; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s%s", stems[i], name);
        found[i] = gguf_find(g, key);
    }
    if (found[0] && found[1] && !equal_values(found[0], found[1]))
        *failed = error_set(err, ERR_FORMAT, "%s: glp.%s and dspark.%s differ", g->file->path, name, name);
    return found[0] ? found[0] : found[1];
}

/* Which of n words a key has; otherwise if it is absent, -1 with the sentence if it is another. */
static int read_word(const struct gguf *g, const char *name, const char *const *word, int n, int otherwise,
                     struct error *err)
{
    char shown[48] = "no text";
    int failed = 0;
    const struct gguf_value *v = find(g, name, &failed, err);
    if (failed || !v)
        return failed ? -1 : otherwise;
    for (int i = 0; v->kind == GGUF_STRING && i < n; i++)
        if (is_text(v->as.string, word[i]))
            return i;
    if (v->kind == GGUF_STRING)
        copy_text(shown, sizeof shown, v->as.string.text, v->as.string.length);
    return error_set(err, ERR_UNSUPPORTED, "%s: glp.%s is \"%s\"; %s%s%s%s%s are known", g->file->path, name, shown,
                     word[0], n > 1 ? ", " : "", n > 1 ? word[1] : "", n > 2 ? ", " : "", n > 2 ? word[2] : "");
}

/* A number, or the text of one. 1: found, 0: absent, -1: neither. */
static int read_number(const struct gguf *g, const char *name, double *out, struct error *err)
{
    int failed = 0;
    const struct gguf_value *v = find(g, name, &failed, err);
    if (failed || !v)
        return failed;
    switch (v->kind) {
    case GGUF_F32:
    case GGUF_F64:
        *out = v->as.f;
        break;
    case GGUF_U8:
    case GGUF_U16:
    case GGUF_U32:
    case GGUF_U64:
        *out = (double)v->as.u;
        break;
    case GGUF_I8:
    case GGUF_I16:
    case GGUF_I32:
    case GGUF_I64:
        *out = (double)v->as.i;
        break;
    case GGUF_STRING: {
        char *end;
        *out = strtod(v->as.string.text, &end);
        failed = v->as.string.length == 0 || end != v->as.string.text + v->as.string.length;
        break;
    }
    default:
        failed = 1;
    }
    if (failed || !isfinite(*out))
        return error_set(err, ERR_FORMAT, "%s: glp.%s is no finite number", g->file->path, name);
    return 1;
}

static int read_operation(const struct gguf *g, struct vector *v, struct error *err)
{
    static const int VERSION = 1;
    double version = VERSION, rank = 1, scale = 1;
    int any = 0, failed = 0;
    for (uint64_t i = 0; i < g->n_value; i++)
        any |= has_stem(&g->value[i]);
    struct gguf_string arch = {"", 0};
    v->scale = 1;
    if (gguf_str(g, "general.architecture", &arch, err) < 0)
        return -1;
    if (!any && !is_text(arch, "glp"))
        return 0;
    if (!find(g, "mode", &failed, err) && !failed)
        return error_set(err, ERR_FORMAT, "%s: it has keys of glp, and no glp.mode: is it added or projected?",
                         g->file->path);
    int mode = failed ? -1 : read_word(g, "mode", kind_names, VECTOR_KINDS, 0, err);
    int hook = mode < 0 ? -1 : read_word(g, "hook_point", hook_names, VECTOR_HOOKS, VECTOR_LAYER, err);
    if (mode < 0 || hook < 0 || read_number(g, "spec_version", &version, err) < 0 ||
        read_number(g, "rank", &rank, err) < 0 || read_number(g, "alpha_default", &scale, err) < 0)
        return -1;
    if (version > VERSION || rank != 1)
        return error_set(err, ERR_UNSUPPORTED,
                         "%s: glp.spec_version %g, glp.rank %g; version %d and rank 1 are possible", g->file->path,
                         version, rank, VERSION);
    if (!(fabs(scale) <= 1000))
        return error_set(err, ERR_FORMAT, "%s: glp.alpha_default is %g; a scale is from -1000 to 1000", g->file->path,
                         scale);
    v->kind = (enum vector_kind)mode;
    v->hook = (enum vector_hook)hook;
    v->scale = mode == VECTOR_PROJECT ? (float)scale : 1;
    const struct gguf_value *derived = find(g, "derived_at", &failed, err);
    v->hook_differs = derived && derived->kind == GGUF_STRING && !is_text(derived->as.string, hook_names[v->hook]);
    return failed;
}

/* The key is our own, so it is checked as strictly as those that say what is done. */
static int read_suggestion(const struct gguf *g, struct vector *v, struct error *err)
{
    if (gguf_f64(g, VECTOR_SUGGESTION, 0, 1000, &v->suggested, err) < 0)
        return -1;
    if (v->kind != VECTOR_ADD)
        v->suggested = 0;
    return 0;
}

static void read_text(const struct gguf *g, const char *key, char *to)
{
    const struct gguf_value *v = gguf_find(g, key);
    if (v && v->kind == GGUF_STRING && !*to)
        copy_text(to, VECTOR_TEXT, v->as.string.text, v->as.string.length);
}

static void read_texts(const struct gguf *g, struct vector_texts *t)
{
    read_text(g, "general.name", t->name);
    read_text(g, "general.license", t->license);
    read_text(g, "general.author", t->author);
    read_text(g, "general.source.url", t->source);
    read_text(g, "general.base_model.0.name", t->base_model);
    read_text(g, "controlvector.model_hint", t->model_hint);
    read_text(g, "glp.method", t->method);
    read_text(g, "dspark.method", t->method);
    read_text(g, "controlvector.stoker.method", t->method);
}

/* ---- numbers ---------------------------------------------------------------------------------------------------------------- */

/* The values of a tensor into out, widened in place: 16-bit values are read into its upper half. */
static int read_values(const struct gguf *g, const struct gguf_tensor *t, float *out, struct error *err)
{
    uint8_t *raw = (uint8_t *)out + (t->ne[0] * sizeof *out - t->n_bytes);
    const struct gguf_file *file = &g->file[t->file];
    const char *why;
    if (file_read_at(file->fd, raw, t->n_bytes, t->offset, &why))
        return error_set(err, ERR_IO, "%s: reading %s failed: %s", file->path, t->name, why);
    const struct block_info *type = type_info(t->type);
    for (uint64_t i = 0; i < t->ne[0]; i++) {
        float value; /* is written where nothing is left to read */
        type->decode(&value, raw + i * (uint64_t)type->bytes, 1);
        if (!isfinite(value))
            return error_set(err, ERR_FORMAT, "%s: %s: value %" PRIu64 " is not finite", g->file->path, t->name, i);
        out[i] = value;
    }
    return 0;
}

/* A unit vector, as far as f32 goes, is left as it is. squares: their sum. */
static int make_unit(const struct gguf *g, int layer, float *v, int n, double squares, struct error *err)
{
    double norm = sqrt(squares);
    if (!(fabs(norm - 1) <= 1e-3))
        return error_set(err, ERR_FORMAT, "%s: direction.%d has the norm %g; a projection has unit vectors",
                         g->file->path, layer, norm);
    for (int i = 0; i < n && fabs(squares - 1) > 1e-5; i++)
        v[i] = (float)((double)v[i] / norm);
    return 0;
}

static int read_direction(const struct gguf *g, struct vector *v, int layer, float *values, struct sha256 *all,
                          struct error *err)
{
    char name[24];
    double squares = 0;
    snprintf(name, sizeof name, "direction.%d", layer);
    const struct gguf_tensor *t = gguf_tensor(g, name);
    struct vector_direction *d = &v->direction[layer];
    if (!t)
        return 0;
    if (read_values(g, t, values, err))
        return -1;
    for (int i = 0; i < v->n_embd; i++)
        squares += (double)values[i] * (double)values[i];
    sha256_add(all, values, (size_t)v->n_embd * sizeof *values);
    d->norm = sqrt(squares);
    if (v->kind == VECTOR_PROJECT && make_unit(g, layer, values, v->n_embd, squares, err))
        return -1;
    sha256(values, (size_t)v->n_embd * sizeof *values, d->sha256);
    d->v = values;
    return 1;
}

static int read_directions(const struct gguf *g, struct vector *v, struct error *err)
{
    float *values = (float *)(v->direction + v->last + 1);
    struct sha256 all;
    uint8_t hash[SHA256_BYTES];
    sha256_begin(&all);
    for (int l = v->first, read; l <= v->last; l++, values += read ? v->n_embd : 0)
        if ((read = read_direction(g, v, l, values, &all, err)) < 0)
            return -1;
    sha256_end(&all, hash);
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(v->sha256 + 2 * i, 3, "%02x", hash[i]);
    return 0;
}

/* ---- opening ---------------------------------------------------------------------------------------------------------------- */

static int open_header(struct gguf **g, struct vector *head, int dir, const char *name, struct error *err)
{
    struct gguf_small small = limits;
    small.dir = dir;
    *head = (struct vector){0};
    if (gguf_open_small(g, name, &small, err))
        return -1;
    if (check_tensors(*g, head, err) == 0 && read_operation(*g, head, err) == 0 &&
        read_suggestion(*g, head, err) == 0) {
        head->bytes = bytes_of(head);
        return 0;
    }
    gguf_close(*g);
    return -1;
}

int vector_bytes(int dir, const char *name, uint64_t *bytes, struct error *err)
{
    struct vector head;
    struct gguf *g;
    if (open_header(&g, &head, dir, name, err))
        return -1;
    gguf_close(g);
    *bytes = head.bytes;
    return 0;
}

int vector_open(struct vector **out, int dir, const char *name, uint64_t most, struct error *err)
{
    struct vector head, *v = NULL;
    struct gguf *g;
    const char *slash = strrchr(name, '/');
    if (open_header(&g, &head, dir, name, err))
        return -1;
    int failed = -1;
    if (head.bytes > most)
        error_set(err, ERR_MEMORY,
                  "%s takes %" PRIu64 " bytes, and %" PRIu64 " are left for vectors; raise --steer-memory", name,
                  head.bytes, most);
    else if (!(v = calloc(1, head.bytes)))
        error_set(err, ERR_MEMORY, "%s: no memory for its %" PRIu64 " bytes", name, head.bytes);
    else {
        *v = head;
        v->direction = (struct vector_direction *)(v + 1);
        name = slash ? slash + 1 : name;
        copy_text(v->file, sizeof v->file, name, strlen(name));
        read_texts(g, &v->texts);
        failed = read_directions(g, v, err);
    }
    gguf_close(g);
    if (failed)
        free(v);
    else
        *out = v;
    return failed;
}

void vector_close(struct vector *v) { free(v); }

int vector_check_model(const struct vector *v, int n_layer, int n_embd, const uint8_t *hooks, struct error *err)
{
    if (v->n_embd != n_embd)
        return error_set(err, ERR_INPUT,
                         "%s: its directions have %d values, the model's rows %d: it is for another model", v->file,
                         v->n_embd, n_embd);
    if (v->last >= n_layer)
        return error_set(err, ERR_INPUT, "%s: direction.%d: the model has %d layers", v->file, v->last, n_layer);
    for (int l = v->first; v->hook != VECTOR_LAYER && hooks && l <= v->last; l++)
        if (v->direction[l].v && !(hooks[l] >> v->hook & 1))
            return error_set(err, ERR_INPUT, "%s: direction.%d acts at %s, which this layer of the model does not have",
                             v->file, l, hook_names[v->hook]);
    return 0;
}
