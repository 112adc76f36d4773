/* stoker inspect: what is in a GGUF file. Any file: also of architectures that stoker cannot run, and vocabularies alone.
 *
 * Text for a person: a summary, or the whole list of keys or tensors; --json for programs. Names and texts of the file are shown
 * with control characters and wrong UTF-8 made harmless. */
#include "base/error.h"
#include "cli/common/anatomy.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/common/header.h"
#include "cli/common/vector_about.h"
#include "cli/inspect/context.h"
#include "cli/inspect/file_text.h"
#include "cli/inspect/lacks.h"
#include "cli/inspect/origin.h"
#include "cli/inspect/picture.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "stoker inspect [MODEL.gguf] [flags]: what is in a file. Any GGUF, also one that stoker cannot run.\n\n"
    "  stoker inspect MODEL.gguf               kind, sizes, how its experts lie\n"
    "  stoker inspect MODEL.gguf --metadata    every key (long arrays shortened)\n"
    "  stoker inspect MODEL.gguf --tensors     every tensor: type, shape, bytes, place in the file\n"
    "  stoker inspect MODEL.gguf --layers      a map of the layers\n"
    "  stoker inspect MODEL.gguf --json | jq .experts\n"
    "  stoker inspect VECTOR.gguf              a control vector: what it does, where, whose it is\n"
    "  stoker inspect MODEL-00001-of-00003.gguf    a split model: the first part\n"
    "  curl -sLr 0-16777215 URL | stoker inspect -     before a download, from the beginning of the file\n\n";

enum { SHOWN_ITEMS = 6, JSON_ITEMS = 16, KEY_WIDTH = 44 };

/* ---- values ------------------------------------------------------------------------------------------------------------------ */

static int is_real(enum gguf_kind k) { return k == GGUF_F32 || k == GGUF_F64; }
static int is_unsigned(enum gguf_kind k) { return k == GGUF_U8 || k == GGUF_U16 || k == GGUF_U32 || k == GGUF_U64; }

static void put_number(enum gguf_kind k, uint64_t u, int64_t i, double f)
{
    if (k == GGUF_BOOL)
        fputs(u ? "true" : "false", stdout);
    else if (is_real(k))
        printf(k == GGUF_F32 ? "%.7g" : "%.16g", f);
    else if (is_unsigned(k))
        printf("%" PRIu64, u);
    else
        printf("%" PRId64, i);
}

static void put_item(const struct gguf_value *v, uint64_t i)
{
    if (v->item == GGUF_STRING) {
        putchar('"');
        put_text(v->as.strings[i], 40);
        putchar('"');
        return;
    }
    int64_t n = gguf_item_int(v, i);
    put_number(v->item, (uint64_t)n, n, gguf_item_float(v, i));
}

static void put_value(const struct gguf_value *v)
{
    if (v->kind == GGUF_STRING) {
        put_text(v->as.string, 72);
        return;
    }
    if (v->kind != GGUF_ARRAY) {
        put_number(v->kind, v->as.u, v->as.i, v->as.f);
        return;
    }
    printf("[");
    for (uint64_t i = 0; i < v->n && i < SHOWN_ITEMS; i++) {
        fputs(i ? ", " : "", stdout);
        put_item(v, i);
    }
    if (v->n > SHOWN_ITEMS)
        printf(", ... (%" PRIu64 " of kind %s)", v->n, gguf_kind_name(v->item));
    printf("]");
}

static json_t *json_number_of(enum gguf_kind k, uint64_t u, int64_t i, double f)
{
    if (k == GGUF_BOOL)
        return json_boolean(u != 0);
    json_t *j = is_real(k) ? json_real(f)
                : is_unsigned(k) && u > (uint64_t)INT64_MAX
                    ? json_real((double)u)
                    : json_integer(is_unsigned(k) ? (json_int_t)u : (json_int_t)i);
    return j ? j : json_null(); /* JSON has no NaN */
}

static json_t *json_item(const struct gguf_value *v, uint64_t i)
{
    if (v->item == GGUF_STRING)
        return json_text(v->as.strings[i]);
    int64_t n = gguf_item_int(v, i);
    return json_number_of(v->item, (uint64_t)n, n, gguf_item_float(v, i));
}

/* Short arrays whole; long ones as {"count": n, "item": kind, "first": [...]}. */
static json_t *json_value(const struct gguf_value *v)
{
    if (v->kind == GGUF_STRING)
        return json_text(v->as.string);
    if (v->kind != GGUF_ARRAY)
        return json_number_of(v->kind, v->as.u, v->as.i, v->as.f);
    json_t *a = json_array();
    for (uint64_t i = 0; i < v->n && i < JSON_ITEMS; i++)
        json_array_append_new(a, json_item(v, i));
    if (v->n <= JSON_ITEMS)
        return a;
    return json_pack("{s:I, s:s, s:o}", "count", (json_int_t)v->n, "item", gguf_kind_name(v->item), "first", a);
}

/* ---- text -------------------------------------------------------------------------------------------------------------------- */

static void print_key(const struct gguf_value *v, int width)
{
    printf("  ");
    put_text(v->key, 80);
    printf("%*s ", v->key.length < (uint64_t)width ? width - (int)v->key.length : 0, "");
    put_value(v);
    putchar('\n');
}

static void print_metadata(const struct gguf *g)
{
    for (uint64_t i = 0; i < g->n_value; i++)
        print_key(&g->value[i], KEY_WIDTH);
}

static const char *shape(const struct gguf_tensor *t)
{
    static char out[96];
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < t->n_dims && used < sizeof out; i++)
        used += (size_t)snprintf(out + used, sizeof out - used, "%s%" PRIu64, i ? " x " : "", t->ne[i]);
    return out;
}

static void print_tensors(const struct gguf *g)
{
    printf("%-32s %-8s %-24s %14s %16s%s\n", "name", "type", "shape (row length first)", "bytes", "offset",
           g->n_file > 1 ? "  part" : "");
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        size_t length = strlen(t->name);
        put_text(text_of(t->name), 128);
        printf("%*s %-8s %-24s %14" PRIu64 " %16" PRIu64, length < 32 ? 32 - (int)length : 0, "",
               type_info(t->type)->name, shape(t), t->n_bytes, t->offset);
        printf(g->n_file > 1 ? "  %4d\n" : "\n", t->file + 1);
    }
}

/* The architecture's own keys, and a line about the tokenizer. */
static void print_keys_in_short(const struct gguf *g, const struct anatomy *a)
{
    const struct gguf_value *tokens = gguf_find(g, "tokenizer.ggml.tokens"),
                            *model = gguf_find(g, "tokenizer.ggml.model"), *pre = gguf_find(g, "tokenizer.ggml.pre");
    for (uint64_t i = 0; i < g->n_value; i++) {
        struct gguf_string k = g->value[i].key;
        if (a->arch.length && k.length > a->arch.length && memcmp(k.text, a->arch.text, a->arch.length) == 0 &&
            k.text[a->arch.length] == '.')
            print_key(&g->value[i], KEY_WIDTH);
    }
    if (model && model->kind == GGUF_STRING) {
        printf("  tokenizer ");
        put_text(model->as.string, 40);
        if (pre && pre->kind == GGUF_STRING) {
            printf(" (");
            put_text(pre->as.string, 40);
            printf(")");
        }
        if (tokens)
            printf(", %" PRIu64 " tokens", tokens->n);
        print_template(g);
    }
}

/* "30.5 B", of a count. */
static const char *show_count(uint64_t n)
{
    static char out[4][32];
    static int turn;
    static const char unit[] = " kMBT";
    double x = (double)n;
    int u = 0;
    for (; x >= 999.5 && u < 4; u++)
        x /= 1000;
    turn = (turn + 1) % 4;
    snprintf(out[turn], sizeof out[turn], u ? "%.3g %c" : "%.0f", x, unit[u]);
    return out[turn];
}

static double bits_of(const struct share *s) { return s->weights ? 8 * (double)s->bytes / (double)s->weights : 0; }

static void print_weights(const struct anatomy *a)
{
    uint64_t active = anatomy_active(a);
    printf("  weights: %s of %.2f bits", show_count(a->all.weights), bits_of(&a->all));
    if (active)
        printf("; a token is computed with %s of them", show_count(active));
    putchar('\n');
}

static double percent(uint64_t part, uint64_t all) { return all ? 100.0 * (double)part / (double)all : 0; }

static void print_types_of(const struct share *type)
{
    const char *comma = "";
    for (int t = 0; t < TYPE_COUNT; t++)
        if (type[t].n) {
            printf("%s%s", comma, type_info((uint32_t)t)->name);
            comma = ", ";
        }
    putchar('\n');
}

static void print_sizes(const struct anatomy *a)
{
    printf("\n%-16s %7s %12s %7s %6s  types\n", "kind", "tensors", "size", "share", "bits");
    for (int k = 0; k < KIND_COUNT; k++)
        if (a->kind[k].n) {
            printf("%-16s %7" PRIu64 " %12s %5.1f %% %6.2f  ", kind_name((enum tensor_kind)k), a->kind[k].n,
                   show_bytes(a->kind[k].bytes), percent(a->kind[k].bytes, a->all.bytes), bits_of(&a->kind[k]));
            print_types_of(a->kind_type[k]);
        }
    printf("\n%-16s %7s %12s %7s  kernel\n", "type", "tensors", "size", "share");
    for (int t = 0; t < TYPE_COUNT; t++)
        if (a->type[t].n) {
            const char *name = type_info((uint32_t)t)->name, *kernel = stoker_kernel_tier(name);
            printf("%-16s %7" PRIu64 " %12s %5.1f %%  %s\n", name, a->type[t].n, show_bytes(a->type[t].bytes),
                   percent(a->type[t].bytes, a->all.bytes), kernel ? kernel : "none");
        }
}

/* "gate_up" of "blk.3.ffn_gate_up_exps.weight". */
static void put_part_name(const char *tensor)
{
    const char *name = strstr(tensor, "ffn_"), *end;
    name = name ? name + 4 : tensor;
    end = strstr(name, "_exps");
    put_text((struct gguf_string){name, end ? (uint64_t)(end - name) : strlen(name)}, 40);
}

static void print_class(const struct expert_group *e, int number)
{
    printf("  class %d: ", number);
    if (e->n_layer == 1)
        printf("layer %d", e->first);
    else
        printf("%d layers (%d to %d)", e->n_layer, e->first, e->last);
    printf(", %" PRIu64 " experts of %" PRIu64 " bytes:", e->n_expert, e->expert_bytes);
    for (int p = 0; p < e->n_part; p++) {
        fputs(p ? ", " : " ", stdout);
        put_part_name(e->part[p].tensor);
        printf(" %" PRIu64 " %s", e->part[p].bytes, type_info(e->part[p].type)->name);
    }
    putchar('\n');
}

static void print_experts(const struct anatomy *a)
{
    if (!a->n_moe_layer)
        return;
    printf("\nexperts: %d layer%s, %s in all", a->n_moe_layer, a->n_moe_layer == 1 ? "" : "s",
           show_bytes(a->expert_bytes_total));
    if (a->n_used)
        printf("; a token uses %" PRIu64 " in each: %s", a->n_used, show_bytes(a->expert_bytes_per_token));
    putchar('\n');
    for (int i = 0; i < a->n_group; i++)
        print_class(&a->group[i], i + 1);
    if (a->left_out)
        printf("  and %d layers of other sizes\n", a->left_out);
    printf("  in the file they begin at multiples of %" PRIu64 " bytes\n", a->expert_alignment);
}

static void print_files(const struct gguf *g, const struct anatomy *a)
{
    uint64_t size = 0;
    for (int i = 0; i < g->n_file; i++)
        size += g->file[i].size;
    put_text(text_of(g->file->path), 4096);
    printf(": GGUF version %u, %s, alignment %u\n", g->version, show_bytes(size), g->alignment);
    for (int i = 0; g->n_file > 1 && i < g->n_file; i++) {
        uint64_t n = 0;
        for (uint64_t t = 0; t < g->n_tensor; t++)
            n += g->tensor[t].file == i;
        printf("  part %d of %d: %s, %" PRIu64 " tensors, ", i + 1, g->n_file, show_bytes(g->file[i].size), n);
        put_text(text_of(g->file[i].path), 4096);
        putchar('\n');
    }
    printf("  architecture ");
    put_text(a->arch.length ? a->arch : text_of("not named"), 80);
    const struct gguf_value *name = gguf_find(g, "general.name");
    if (name && name->kind == GGUF_STRING) {
        printf(", \"");
        put_text(name->as.string, 80);
        putchar('"');
    }
    printf("; %d layers, %" PRIu64 " tensors (--tensors), %" PRIu64 " keys (--metadata)\n", a->n_layer, g->n_tensor,
           g->n_value);
}

/* ---- all of it in short ---------------------------------------------------------------------------------------------------------- */

static void print_summary(const struct gguf *g, const struct anatomy *a, const struct context *c, const struct lacks *l)
{
    print_files(g, a);
    if (g->n_tensor)
        print_weights(a);
    print_origin(g);
    print_keys_in_short(g, a);
    if (g->n_tensor == 0) {
        printf("\nno tensors: a vocabulary alone\n");
        print_lacks(l);
        return;
    }
    print_context(c);
    print_lacks(l);
    print_sizes(a);
    print_experts(a);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------------------- */

static json_t *json_share(const struct share *s)
{
    return json_pack("{s:I, s:I, s:I, s:f}", "tensors", (json_int_t)s->n, "bytes", (json_int_t)s->bytes, "weights",
                     (json_int_t)s->weights, "bits", bits_of(s));
}

static json_t *json_tensors(const struct anatomy *a, const struct gguf *g)
{
    json_t *list = json_array();
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        json_t *ne = json_array();
        for (int d = 0; d < t->n_dims; d++)
            json_array_append_new(ne, json_integer((json_int_t)t->ne[d]));
        json_array_append_new(
            list, json_pack("{s:o, s:s, s:s, s:o, s:I, s:I, s:i}", "name", json_text(text_of(t->name)), "kind",
                            kind_name(kind_of(a, t->name)), "type", type_info(t->type)->name, "shape", ne, "bytes",
                            (json_int_t)t->n_bytes, "offset", (json_int_t)t->offset, "file", t->file));
    }
    return list;
}

static json_t *json_metadata(const struct gguf *g)
{
    json_t *o = json_object();
    for (uint64_t i = 0; i < g->n_value; i++) {
        json_t *key = json_text(g->value[i].key);
        if (key)
            json_object_set_new(o, json_string_value(key), json_value(&g->value[i]));
        json_decref(key);
    }
    return o;
}

static json_t *json_experts(const struct anatomy *a)
{
    json_t *classes = json_array();
    for (int i = 0; i < a->n_group; i++) {
        const struct expert_group *e = &a->group[i];
        json_t *parts = json_array();
        for (int p = 0; p < e->n_part; p++)
            json_array_append_new(parts,
                                  json_pack("{s:o, s:s, s:I}", "tensor", json_text(text_of(e->part[p].tensor)), "type",
                                            type_info(e->part[p].type)->name, "bytes", (json_int_t)e->part[p].bytes));
        json_array_append_new(classes, json_pack("{s:i, s:i, s:i, s:I, s:I, s:o}", "layers", e->n_layer, "first",
                                                 e->first, "last", e->last, "count", (json_int_t)e->n_expert,
                                                 "expert_bytes", (json_int_t)e->expert_bytes, "parts", parts));
    }
    return json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:o}", "layers", a->n_moe_layer, "count",
                     (json_int_t)a->group[0].n_expert, "used", (json_int_t)a->n_used, "bank",
                     (json_int_t)a->expert_bytes_total, "cycle", (json_int_t)a->expert_bytes_per_token, "alignment",
                     (json_int_t)a->expert_alignment, "classes", classes);
}

static json_t *json_files(const struct gguf *g)
{
    json_t *list = json_array();
    for (int i = 0; i < g->n_file; i++)
        json_array_append_new(list,
                              json_pack("{s:o, s:I, s:I}", "path", json_text(text_of(g->file[i].path)), "size",
                                        (json_int_t)g->file[i].size, "data_start", (json_int_t)g->file[i].data_start));
    return list;
}

static void print_json(const struct gguf *g, const struct anatomy *a, const struct context *c, const struct lacks *l,
                       const struct vector *v)
{
    json_t *kinds = json_object(), *types = json_object();
    for (int k = 0; k < KIND_COUNT; k++)
        if (a->kind[k].n)
            json_object_set_new(kinds, kind_name((enum tensor_kind)k), json_share(&a->kind[k]));
    for (int t = 0; t < TYPE_COUNT; t++)
        if (a->type[t].n) {
            const char *name = type_info((uint32_t)t)->name, *kernel = stoker_kernel_tier(name);
            json_t *share = json_share(&a->type[t]);
            json_object_set_new(share, "kernel", kernel ? json_string(kernel) : json_null());
            json_object_set_new(types, name, share);
        }
    json_t *o = json_pack("{s:o, s:i, s:i, s:o, s:i, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "arch", json_text(a->arch),
                          "version", (int)g->version, "alignment", (int)g->alignment, "files", json_files(g), "layers",
                          a->n_layer, "bytes", (json_int_t)a->all.bytes, "weights", (json_int_t)a->all.weights,
                          "active_weights", (json_int_t)anatomy_active(a), "kinds", kinds, "types", types, "metadata",
                          json_metadata(g), "tensors", json_tensors(a, g));
    if (o)
        json_object_set_new(o, "context", json_context(c));
    if (o && !c->n_layer && is_model_header(g))
        json_object_set_new(o, "lacks", json_lacks(l, c->refusal));
    if (o)
        json_object_set_new(o, "origin", json_origin(g));
    if (o)
        json_object_set_new(o, "tool_format", json_tool_format(g));
    if (o && a->n_moe_layer)
        json_object_set_new(o, "experts", json_experts(a));
    if (o && v)
        json_object_set_new(o, "vector", vector_json(v));
    json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(o);
}

int cmd_inspect(int argc, char **argv)
{
    int json = 0, tensors = 0, metadata = 0, map = 0, svg = 0, header_only = 0, n_rest;
    const char *model = NULL;
    const struct flag mine[] = {
        {"--metadata", NULL, FLAG_SWITCH, &metadata, 0, 0, NULL, "every key and its value"},
        {"--tensors", NULL, FLAG_SWITCH, &tensors, 0, 0, NULL, "every tensor"},
        {"--layers", NULL, FLAG_SWITCH, &map, 0, 0, NULL,
         "a map of the layers: what each keeps, which have experts, shared ones, index keys"},
        {"--svg", NULL, FLAG_SWITCH, &svg, 0, 0, NULL, "the same as a picture"},
        {"--json", NULL, FLAG_SWITCH, &json, 0, 0, NULL, "all of it for programs: stable names, integers in bytes"},
        {"--header-only", NULL, FLAG_SWITCH, &header_only, 0, 0, NULL,
         "the file's beginning is here, its tensors need not be; so it is for MODEL -, standard input"},
    };
    const struct flag_table table = {mine, sizeof mine / sizeof *mine};
    int status = flags_parse("inspect", usage, &table, 1, argc, argv, &model, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    if (!(model = model_of(model)))
        return 1;
    if (svg && (json || tensors || metadata || map)) {
        fprintf(
            stderr,
            "stoker inspect: --svg is a picture and nothing else; leave --json, --layers, --metadata and --tensors\n");
        return 2;
    }
    struct error err = {0};
    struct gguf *g;
    if (!(model = header_path(model, &header_only)))
        return 1;
    if (header_only ? gguf_open_header(&g, model, &err) : gguf_open(&g, model, &err)) {
        fprintf(stderr, "stoker: %s\n", err.text);
        return 1;
    }
    struct vector *v = NULL;
    int is_short = !json && !metadata && !tensors && !map && !svg;
    if (!header_only && is_vector_file(g) && vector_open(&v, AT_FDCWD, model, UINT64_MAX, &err)) {
        fprintf(stderr, "stoker: %s\n", err.text);
        if (is_short) {
            gguf_close(g);
            return 1;
        }
    }
    struct anatomy a;
    struct context c;
    struct lacks lacks = {.n_tensor = 0};
    anatomy_of(&a, g);
    inspect_context(&c, model);
    if (!c.n_layer && is_model_header(g) && (is_short || json))
        find_lacks(&lacks, g, model);
    if (svg && !c.n_layer)
        fprintf(stderr, "stoker inspect: --svg: stoker does not run it: %s\n", c.refusal);
    if (svg) {
        if (c.n_layer)
            draw_layers(stdout, &c, strrchr(model, '/') ? strrchr(model, '/') + 1 : model);
    } else if (json)
        print_json(g, &a, &c, &lacks, v);
    else {
        if (is_short && v)
            vector_print(v);
        else if (is_short)
            print_summary(g, &a, &c, &lacks);
        if (map)
            print_layer_map(&c);
        if (metadata)
            print_metadata(g);
        if (tensors)
            print_tensors(g);
    }
    vector_close(v);
    gguf_close(g);
    return svg && !c.n_layer;
}
