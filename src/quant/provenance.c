/* The keys of the output: those of the source in their order, and how the file was made (quantize.md 7). */
#include "quant/importance.h"
#include "quant/inside.h"

#include "base/checked.h"
#include "base/log.h"
#include "format/header_write.h"

#include <stdio.h>
#include <string.h>

enum { OWN_KEYS = 14 };

static int changes_types(const struct quant_job *j)
{
    for (uint64_t t = 0; t < j->in->n_tensor; t++)
        if (!quant_is_copied(j, t))
            return 1;
    return 0;
}

/* Not copied: written anew, or not true of the output any more. */
static int is_replaced(const struct quant_job *j, struct gguf_string key)
{
    static const char *const names[] = {"general.file_type", "general.quantization_version"};
    static const char *const groups[] = {"split.", "stoker.quantize."};
    if (strcmp(key.text, "general.alignment") == 0)
        return j->alignment != j->in->alignment;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(key.text, names[i]) == 0)
            return 1;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (strncmp(key.text, groups[i], strlen(groups[i])) == 0)
            return 1;
    return strncmp(key.text, "quantize.imatrix.", 17) == 0 && (changes_types(j) || j->importance);
}

/* general.file_type by the type with most bytes; numbers of the peers. -1: of the source, or none. */
static int file_type_of(enum block_type t)
{
    static const struct {
        enum block_type type;
        int number;
    } table[] = {
        {TYPE_F32, 0},    {TYPE_F16, 1},     {TYPE_Q4_0, 2},     {TYPE_Q4_1, 3},    {TYPE_Q8_0, 7},
        {TYPE_Q5_0, 8},   {TYPE_Q5_1, 9},    {TYPE_Q2_K, 10},    {TYPE_Q3_K, 12},   {TYPE_Q4_K, 15},
        {TYPE_Q5_K, 17},  {TYPE_Q6_K, 18},   {TYPE_IQ2_XXS, 19}, {TYPE_IQ2_XS, 20}, {TYPE_IQ3_XXS, 23},
        {TYPE_IQ1_S, 24}, {TYPE_IQ4_NL, 25}, {TYPE_IQ3_S, 26},   {TYPE_IQ2_S, 28},  {TYPE_IQ4_XS, 30},
        {TYPE_IQ1_M, 31}, {TYPE_BF16, 32},   {TYPE_TQ1_0, 36},   {TYPE_TQ2_0, 37},  {TYPE_MXFP4, 38},
        {TYPE_NVFP4, 39}, {TYPE_Q1_0, 40},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].type == t)
            return table[i].number;
    return -1;
}

/* A copy keeps the source's number: q4_k alone would not tell Q4_K_S from Q4_K_M. */
static void set_file_type(struct quant_job *j)
{
    const struct gguf_value *stated = gguf_find(j->in, "general.file_type");
    uint64_t bytes[TYPE_COUNT] = {0};
    int most = TYPE_F32;
    if (stated && stated->kind < GGUF_F32 && stated->as.u <= INT32_MAX && !changes_types(j)) {
        j->file_type = (int)stated->as.u;
        return;
    }
    for (uint64_t t = 0; t < j->in->n_tensor; t++) {
        const struct gguf_tensor *from = &j->in->tensor[t];
        const struct block_info *b = type_info(j->tensor[t].type);
        bytes[j->tensor[t].type] += from->ne[0] / (uint64_t)b->block * (uint64_t)b->bytes * from->ne[1] * from->ne[2] *
                                    from->ne[3];
    }
    for (int t = 0; t < TYPE_COUNT; t++)
        most = bytes[t] > bytes[most] ? t : most;
    j->file_type = file_type_of((enum block_type)most);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void add(struct quant_job *j, struct gguf_value v) { j->value[j->n_value++] = v; }

/* The source's files: names without folders, bytes, hashes of headers. */
static int add_sources(struct quant_job *j, struct error *err)
{
    size_t n = (size_t)j->in->n_file;
    struct gguf_string *name = arena_array(&j->arena, n, sizeof *name);
    uint64_t *size = arena_array(&j->arena, n, sizeof *size);
    if (!name || !size)
        return error_set(err, ERR_MEMORY, "%s: no memory for its keys", j->options->out);
    for (size_t i = 0; i < n; i++) {
        const char *text = base_name(j->in->file[i].path);
        name[i] = (struct gguf_string){text, strlen(text)};
        size[i] = j->in->file[i].size;
    }
    add(j, header_texts("stoker.quantize.source.name", name, n));
    add(j, header_u64s("stoker.quantize.source.size", size, n));
    add(j, header_u64s("stoker.quantize.source.header_xxh3", j->source_hash, n));
    return 0;
}

/* Zeros, as long as what quant_run() makes of them. */
static int add_sha256(struct quant_job *j, struct error *err)
{
    size_t n = (size_t)j->in->n_file;
    struct gguf_string *text = arena_array(&j->arena, n, sizeof *text);
    j->source_sha256 = arena_array(&j->arena, n, sizeof *j->source_sha256);
    if (!text || !j->source_sha256)
        return error_set(err, ERR_MEMORY, "%s: no memory for its keys", j->options->out);
    for (size_t i = 0; i < n; i++) {
        memset(j->source_sha256[i], '0', QUANT_HEX - 1);
        j->source_sha256[i][QUANT_HEX - 1] = 0;
        text[i] = (struct gguf_string){j->source_sha256[i], QUANT_HEX - 1};
    }
    add(j, header_texts("stoker.quantize.source.sha256", text, n));
    return 0;
}

/* Texts are the job's, and their names those that peers write. */
static void add_importance(struct quant_job *j)
{
    static const char *const counted[] = {"quantize.imatrix.entries_count", "quantize.imatrix.chunks_count"};
    const struct importance *m = j->importance;
    const uint64_t count[] = {m->n_entry, m->n_chunks};
    add(j, header_text("quantize.imatrix.file", base_name(j->options->imatrix)));
    add(j, header_text("quantize.imatrix.dataset", base_name(m->dataset)));
    for (int i = 0; i < 2; i++) {
        struct gguf_value v = header_u64(counted[i], GGUF_U32, 0);
        v.kind = GGUF_I32;
        v.as.i = (int64_t)count[i];
        add(j, v);
    }
    add(j, header_text("stoker.quantize.imatrix.sha256", m->sha256));
}

/* What may be done with the output is for whoever made the source to say, and nobody finds it out later. */
static void check_licence(const struct quant_job *j)
{
    if (!gguf_find(j->in, "general.license"))
        log_line(LOG_WARN, "%s names no licence (general.license), so the output will not name one either",
                 j->options->in);
}

int quant_keys(struct quant_job *j, struct error *err)
{
    char text[90], *version;
    check_licence(j);
    j->value = arena_array(&j->arena, j->in->n_value + OWN_KEYS, sizeof *j->value);
    if (!j->value)
        return error_set(err, ERR_MEMORY, "%s: no memory for its keys", j->options->out);
    for (uint64_t i = 0; i < j->in->n_value; i++)
        if (!is_replaced(j, j->in->value[i].key))
            add(j, j->in->value[i]);
    if (j->file_type < 0)
        set_file_type(j);
    if (j->alignment != j->in->alignment && j->alignment != HEADER_ALIGNMENT)
        add(j, header_u64("general.alignment", GGUF_U32, j->alignment));
    if (j->file_type >= 0)
        add(j, header_u64("general.file_type", GGUF_U32, (uint64_t)j->file_type));
    add(j, header_u64("general.quantization_version", GGUF_U32, 2));
    snprintf(text, sizeof text, "%.60s, encoders %d", j->options->program, QUANT_ENCODER_VERSION);
    version = arena_copy(&j->arena, text, strlen(text));
    if (!version)
        return error_set(err, ERR_MEMORY, "%s: no memory for its keys", j->options->out);
    add(j, header_text("stoker.quantize.version", version));
    add(j, header_text("stoker.quantize.recipe", j->recipe));
    if (j->importance)
        add_importance(j);
    return add_sources(j, err) || (j->options->hash_source && add_sha256(j, err)) ? -1 : 0;
}
