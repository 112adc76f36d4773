/* links: quant machine kernel format base
 *
 * Which type each tensor gets: recipes [FOLDER] holds the presets against recipes.jsonl, 594 lines of shape, preset and importance, and
 * seed_mix.json against the rules that it names, also by part of the model. Sources are headers without data, which the test writes. */
#include "base/error.h"
#include "format/header_write.h"
#include "quant/quant.h"
#include "temporary.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LAYERS_MOST = 256 };

static int n_passed, n_failed;

static void check(int holds, const char *what, const char *why)
{
    n_passed += holds;
    n_failed += !holds;
    if (!holds)
        printf("FAIL %s: %s\n", what, why);
}

/* "0-3,6,9" as marks; returns how many. */
static int read_layers(const char *text, unsigned char marked[LAYERS_MOST])
{
    int n = 0, first, last, used;
    memset(marked, 0, LAYERS_MOST);
    while (*text && sscanf(text, "%d%n", &first, &used) == 1) {
        text += used;
        last = first;
        if (*text == '-' && sscanf(text, "-%d%n", &last, &used) == 1)
            text += used;
        for (int l = first; l <= last && l < LAYERS_MOST; l++, n++)
            marked[l] = 1;
        text += *text == ',';
    }
    return n;
}

static void name_of(char *out, size_t n, const char *pattern, int layer)
{
    const char *star = strchr(pattern, '*');
    if (star)
        snprintf(out, n, "%.*s%d%s", (int)(star - pattern), pattern, layer, star + 1);
    else
        snprintf(out, n, "%s", pattern);
}

/* ---- sources ----------------------------------------------------------------------------------------------------------------------- */

static enum block_type source_type(const json_t *tensor, size_t n_dims)
{
    const char *type = json_string_value(json_object_get(tensor, "type"));
    return n_dims < 2 || (type && strcmp(type, "f32") == 0) ? TYPE_F32 : TYPE_F16;
}

/* One row of the shape's list: a tensor, or one for each of its layers. */
static void put_tensors(struct header_out *o, const json_t *tensor, uint64_t *n_tensor, uint64_t *offset)
{
    const char *pattern = json_string_value(json_object_get(tensor, "name")),
               *layers = json_string_value(json_object_get(tensor, "layers"));
    const json_t *dims = json_object_get(tensor, "dims");
    unsigned char marked[LAYERS_MOST] = {1};
    uint64_t ne[4], n = 1;
    size_t n_dims = json_array_size(dims);
    enum block_type type = source_type(tensor, n_dims);
    for (size_t d = 0; d < n_dims; d++)
        n *= ne[d] = (uint64_t)json_integer_value(json_array_get(dims, d));
    if (layers)
        read_layers(layers, marked);
    for (int l = 0; l < LAYERS_MOST; l++) {
        char name[100];
        if (!marked[l])
            continue;
        name_of(name, sizeof name, pattern, l);
        header_put_tensor(o, name, (int)n_dims, ne, type, *offset);
        *offset += (n * (type == TYPE_F32 ? 4 : 2) + 31) / 32 * 32;
        ++*n_tensor;
    }
}

static void put_keys(struct header_out *o, const char *arch, const json_t *shape)
{
    static const struct {
        const char *field, *key;
    } keys[] = {{"n_layer", "block_count"},
                {"n_head", "attention.head_count"},
                {"n_head_kv", "attention.head_count_kv"},
                {"n_expert", "expert_count"}};
    struct gguf_value v = header_text("general.architecture", arch);
    header_put_value(o, &v);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char key[100];
        snprintf(key, sizeof key, "%s.%s", arch, keys[i].key);
        v = header_u64(key, GGUF_U32, (uint64_t)json_integer_value(json_object_get(shape, keys[i].field)));
        header_put_value(o, &v);
    }
}

/* A header of these tensors, without data. */
static int write_source(const char *path, const char *arch, const json_t *shape)
{
    uint64_t n_tensor = 0, offset = 0;
    size_t i;
    const json_t *tensor;
    struct header_out o = {0};
    uint8_t *p = NULL;
    for (int pass = 0; pass < 2; pass++) {
        uint64_t n = n_tensor;
        o = (struct header_out){.p = p};
        n_tensor = offset = 0;
        header_put_head(&o, n, 5);
        put_keys(&o, arch, shape);
        json_array_foreach(json_object_get(shape, "tensors"), i, tensor) put_tensors(&o, tensor, &n_tensor, &offset);
        header_put_padding(&o, HEADER_ALIGNMENT);
        if (!pass && !(p = malloc(o.n)))
            return -1;
    }
    FILE *f = fopen(path, "wb");
    int written = f && fwrite(p, 1, o.n, f) == o.n;
    if (f)
        fclose(f);
    free(p);
    return written ? 0 : -1;
}

/* ---- presets ----------------------------------------------------------------------------------------------------------------------- */

static const struct quant_tensor *find(const struct quant_job *j, const char *name)
{
    const struct gguf_tensor *t = gguf_tensor(j->in, name);
    return t ? &j->tensor[t - j->in->tensor] : NULL;
}

/* All tensors of a pattern are of this type; layers NULL: all layers that have one. */
static int all_are(const struct quant_job *j, const char *pattern, const char *layers, const char *type)
{
    unsigned char marked[LAYERS_MOST];
    if (layers)
        read_layers(layers, marked);
    int n = 0;
    for (int l = 0; l < LAYERS_MOST; l++) {
        char name[100];
        name_of(name, sizeof name, pattern, l);
        const struct quant_tensor *t = !layers || marked[l] ? find(j, name) : NULL;
        if (t && strcmp(type_info(t->type)->name, type) != 0) {
            printf("%s is %s, not %s\n", name, type_info(t->type)->name, type);
            return 0;
        }
        n += t != NULL;
    }
    return n > 0;
}

static uint64_t tensor_bytes(const struct quant_job *j)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < j->in->n_tensor; i++)
        n += j->tensor[i].n_bytes;
    return n;
}

static void check_line(const char *folder, const json_t *line)
{
    char path[400], what[200], why[600] = "";
    const char *shape = json_string_value(json_object_get(line, "shape")),
               *preset = json_string_value(json_object_get(line, "preset")), *pattern;
    int importance = json_is_true(json_object_get(line, "imatrix"));
    struct error err = {0};
    struct quant_job *j;
    json_t *types = json_object_get(line, "types"), *value;
    snprintf(path, sizeof path, "%s/%s.gguf", folder, shape);
    snprintf(what, sizeof what, "%s %s%s", shape, preset, importance ? " with importance" : "");
    struct quant_options o = {.in = path,
                              .out = "out.gguf",
                              .program = "recipes",
                              .type = preset,
                              .header_only = 1,
                              .has_importance = importance};
    if (quant_open(&j, &o, &err)) {
        check(0, what, err.text);
        return;
    }
    int holds = 1;
    json_object_foreach(types, pattern, value)
    {
        const char *type;
        json_t *layers;
        if (json_is_string(value))
            holds &= all_are(j, pattern, NULL, json_string_value(value));
        else
            json_object_foreach(value, type, layers) holds &= all_are(j, pattern, json_string_value(layers), type);
    }
    uint64_t bytes = tensor_bytes(j), wanted = (uint64_t)json_integer_value(json_object_get(line, "bytes"));
    snprintf(why, sizeof why, "types %s; %" PRIu64 " bytes, %" PRIu64 " wanted", holds ? "agree" : "differ", bytes,
             wanted);
    check(holds && bytes == wanted, what, why);
    quant_close(j);
}

static void check_presets(const char *data, const char *folder)
{
    char path[400];
    json_error_t at;
    snprintf(path, sizeof path, "%s/recipe_shapes.json", data);
    json_t *shapes = json_load_file(path, 0, &at), *shape;
    const char *name;
    json_object_foreach(shapes, name, shape)
    {
        snprintf(path, sizeof path, "%s/%s.gguf", folder, name);
        if (write_source(path, json_string_value(json_object_get(shape, "arch")), shape))
            check(0, name, "its header cannot be written");
    }
    json_decref(shapes);
    snprintf(path, sizeof path, "%s/recipes.jsonl", data);
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t n = 0;
    int lines = 0;
    for (; f && getline(&line, &n, f) > 0; lines++) {
        json_t *o = json_loads(line, 0, &at);
        check_line(folder, o);
        json_decref(o);
    }
    check(lines == 594, path, "does not have 594 lines");
    free(line);
    if (f)
        fclose(f);
}

/* ---- the mix of the seeds ------------------------------------------------------------------------------------------------------------ */

static void check_mix_tensor(const struct quant_job *j, const json_t *tensor)
{
    const char *pattern = json_string_value(json_object_get(tensor, "name")),
               *layers = json_string_value(json_object_get(tensor, "layers")),
               *type = json_string_value(json_object_get(tensor, "type"));
    unsigned char marked[LAYERS_MOST] = {1};
    uint64_t bytes = 0;
    if (layers)
        read_layers(layers, marked);
    for (int l = 0; l < LAYERS_MOST; l++) {
        char name[100];
        name_of(name, sizeof name, pattern, l);
        const struct quant_tensor *t = marked[l] ? find(j, name) : NULL;
        bytes += t ? t->n_bytes : 0;
    }
    check(all_are(j, pattern, layers, type) && bytes == (uint64_t)json_integer_value(json_object_get(tensor, "bytes")),
          pattern, "another type, or other bytes, than in seed_mix.json");
}

/* Which of seed_mix.json's parts a tensor belongs to. */
static const char *part_of(const char *name)
{
    static const char *const part[][2] = {{"_norm", "norms"},     {"token_embd", "embedding"}, {"ssm_", "recurrent"},
                                          {"gate_inp", "router"}, {"_exps", "experts"},        {"_shexp", "shared"},
                                          {"attn_", "attention"}};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        if (strstr(name, part[i][0]))
            return part[i][1];
    return "output";
}

/* Bytes, weights and bits a weight of a part, or of all. */
static void check_share(const struct quant_job *j, const char *part, const json_t *wanted)
{
    char why[200];
    uint64_t bytes = 0, weights = 0;
    for (uint64_t i = 0; i < j->in->n_tensor; i++) {
        const struct gguf_tensor *t = &j->in->tensor[i];
        if (part && strcmp(part_of(t->name), part) != 0)
            continue;
        bytes += j->tensor[i].n_bytes;
        weights += t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
    }
    double bits = 8 * (double)bytes / (double)weights;
    snprintf(why, sizeof why, "%" PRIu64 " bytes, %" PRIu64 " weights, %.4f bits a weight", bytes, weights, bits);
    check(bytes == (uint64_t)json_integer_value(json_object_get(wanted, "bytes")) &&
              weights == (uint64_t)json_integer_value(json_object_get(wanted, "params")) &&
              fabs(bits - json_number_value(json_object_get(wanted, "bpw"))) <= 6e-5,
          part ? part : "the mix", why);
}

static void check_shares(const struct quant_job *j, const json_t *mix)
{
    char why[60];
    json_t *parts = json_object_get(mix, "parts"), *wanted;
    const char *part;
    check(json_object_size(parts) == 8, "the mix", "seed_mix.json does not have 8 parts");
    json_object_foreach(parts, part, wanted) check_share(j, part, wanted);
    check_share(j, NULL, mix);
    double gib = (double)tensor_bytes(j) / (1 << 30);
    snprintf(why, sizeof why, "%.4f GiB", gib);
    check(fabs(gib - json_number_value(json_object_get(mix, "gib"))) <= 0.005, "the mix", why);
}

static void check_mix(const char *data, const char *folder)
{
    char path[400], rules[400];
    json_error_t at;
    struct error err = {0};
    struct quant_job *j;
    snprintf(path, sizeof path, "%s/seed_mix.json", data);
    json_t *mix = json_load_file(path, 0, &at), *tensor;
    size_t i;
    snprintf(path, sizeof path, "%s/mix.gguf", folder);
    snprintf(rules, sizeof rules, "%s/smol-iq2_xs.rules", data);
    struct quant_options o = {
        .in = path, .out = "out.gguf", .program = "recipes", .recipe = rules, .header_only = 1, .strict = 1};
    if (write_source(path, "qwen35moe", mix) || quant_open(&j, &o, &err)) {
        check(0, "the mix", err.text);
        return;
    }
    json_array_foreach(json_object_get(mix, "tensors"), i, tensor) check_mix_tensor(j, tensor);
    check_shares(j, mix);
    check(j->n_needs_importance == 180, "the mix", "not all experts demand importance");
    quant_close(j);
    json_decref(mix);
}

int main(int argc, char **argv)
{
    const char *data = argc > 1 ? argv[1] : TEST_DATA "/quantize";
    char folder[TEMPORARY_PATH];
    if (temporary_folder(folder, "recipes")) {
        printf("%s cannot be made\n", folder);
        return 1;
    }
    check_presets(data, folder);
    check_mix(data, folder);
    char remove_all[100];
    snprintf(remove_all, sizeof remove_all, "rm -r %s", folder);
    if (system(remove_all) != 0)
        printf("%s is left\n", folder);
    printf("%d passed, %d failed, 0 skipped\n", n_passed, n_failed);
    return n_failed != 0;
}
