/* See show.h. */
#include "cli/quantize/show.h"

#include "base/utf8.h"
#include "cli/common/anatomy.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/imatrix/coverage.h"
#include "quant/importance.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t weights_of(const struct gguf_tensor *t) { return t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3]; }

static double bits(uint64_t bytes, uint64_t weights) { return weights ? 8 * (double)bytes / (double)weights : 0; }

/* Shares of the output by kind of tensor. */
static void sum_kinds(const struct quant_job *j, struct share kind[KIND_COUNT], struct share *all)
{
    struct anatomy a;
    anatomy_of(&a, j->in);
    memset(kind, 0, KIND_COUNT * sizeof *kind);
    *all = (struct share){0};
    for (uint64_t i = 0; i < j->in->n_tensor; i++) {
        struct share *k = &kind[kind_of(&a, j->in->tensor[i].name)];
        uint64_t n = weights_of(&j->in->tensor[i]);
        k->n++;
        k->bytes += j->tensor[i].n_bytes;
        k->weights += n;
        all->bytes += j->tensor[i].n_bytes;
        all->weights += n;
    }
}

double quantize_bits(const struct quant_job *j)
{
    struct share kind[KIND_COUNT], all;
    sum_kinds(j, kind, &all);
    return bits(all.bytes, all.weights);
}

/* ---- experts ---------------------------------------------------------------------------------------------------------------------- */

/* What the file of importance says of experts, layer by layer; of layers that are copied nobody asks. free_layers() it. */
static struct coverage_layer *layers_of(const struct quant_job *j, size_t *n)
{
    struct coverage_layer *layer = calloc(j->in->n_tensor + 1, sizeof *layer);
    *n = 0;
    for (uint64_t t = 0; layer && t < j->in->n_tensor; t++) {
        const struct importance_entry *e = j->tensor[t].experts;
        double *rows = e ? malloc(e->n_mat * sizeof *rows) : NULL;
        const char *rest;
        for (uint64_t i = 0; rows && i < e->n_mat; i++)
            rows[i] = (double)importance_rows(e, i);
        if (rows)
            layer[(*n)++] = (struct coverage_layer){gguf_layer_of(j->in->tensor[t].name, &rest), e->n_mat, rows};
    }
    return layer;
}

static void free_layers(struct coverage_layer *layer, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(layer[i].rows);
    free(layer);
}

void quantize_show_experts(const struct quant_job *j, double below)
{
    size_t n;
    struct coverage_layer *layer = layers_of(j, &n);
    coverage_show(layer, n, below);
    free_layers(layer, n);
}

static json_t *experts_json(const struct quant_job *j)
{
    size_t n;
    struct coverage_layer *layer = layers_of(j, &n);
    json_t *list = coverage_json(layer, n);
    free_layers(layer, n);
    return list;
}

/* ---- text ------------------------------------------------------------------------------------------------------------------------ */

static void print_tensor(const struct gguf_tensor *from, const struct quant_tensor *to)
{
    char shape[96] = "";
    size_t used = 0;
    for (int d = 0; d < from->n_dims && used < sizeof shape; d++)
        used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%" PRIu64, d ? " x " : "", from->ne[d]);
    char instead[60] = "", name[256], reason[1024]; /* names and rules are bytes of files */
    snprintf(name, sizeof name, "%s", from->name);
    snprintf(reason, sizeof reason, "%s", to->reason ? to->reason : "");
    utf8_make_plain(name);
    utf8_make_plain(reason);
    if (to->type != to->wanted)
        snprintf(instead, sizeof instead, "; for %s, whose blocks have %d", type_info(to->wanted)->name,
                 type_info(to->wanted)->block);
    printf("%-32s %-22s %-7s %-7s %14" PRIu64 "  %s%s%s%s\n", name, shape, type_info(from->type)->name,
           type_info(to->type)->name, to->n_bytes, quant_why_name(to->why), *reason ? ": " : "", reason, instead);
}

static void print_plan(const struct quant_plan *p)
{
    printf("memory: %s of %s (", show_limit(p->total), show_bytes(p->memory));
    for (int s = 0; s < QUANT_SHARES; s++)
        printf("%s%s %s", s ? ", " : "", quant_share_name((enum quant_share)s), show_bytes(p->share[s]));
    printf("); %d thread%s\n", p->n_threads, p->n_threads == 1 ? "" : "s");
}

static uint64_t source_bytes(const struct quant_job *j)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < j->in->n_tensor; i++)
        n += j->in->tensor[i].n_bytes;
    return n;
}

static void print_time(const struct quant_job *j)
{
    double seconds = quant_seconds(j);
    if (isnan(seconds))
        return;
    if (seconds < 100)
        printf("time: some %.0f s of encoding", seconds);
    else
        printf("time: some %.0f min of encoding", seconds / 60);
    printf(" where nothing else runs; meanwhile %s are read, and %s written\n", show_bytes(source_bytes(j)),
           show_bytes(j->n_bytes));
}

void quantize_show(const struct quant_job *j)
{
    struct share kind[KIND_COUNT], all;
    printf("%-32s %-22s %-7s %-7s %14s  %s\n", "name", "shape (row length first)", "from", "to", "bytes", "by");
    for (uint64_t i = 0; i < j->in->n_tensor; i++)
        print_tensor(&j->in->tensor[i], &j->tensor[i]);
    sum_kinds(j, kind, &all);
    printf("\n%-20s %8s %16s %14s\n", "part of the model", "tensors", "bytes", "bits a weight");
    for (int k = 0; k < KIND_COUNT; k++)
        if (kind[k].n)
            printf("%-20s %8" PRIu64 " %16" PRIu64 " %14.4f\n", kind_name((enum tensor_kind)k), kind[k].n,
                   kind[k].bytes, bits(kind[k].bytes, kind[k].weights));
    printf("%-20s %8" PRIu64 " %16" PRIu64 " %14.4f\n\n", "all", j->in->n_tensor, all.bytes,
           bits(all.bytes, all.weights));
    for (int i = 0; i < j->n_part; i++)
        printf("%s: %" PRIu64 " bytes, %" PRIu64 " tensors\n", j->part[i].path, j->part[i].header + j->part[i].data,
               j->part[i].n);
    if (j->n_needs_importance)
        printf("importance is demanded by %" PRIu64 " tensors, %s first, and there is none\n", j->n_needs_importance,
               show_text(j->needs_importance, strlen(j->needs_importance)));
    if (j->n_needs_draft)
        printf("%" PRIu64 " of them are of layers that predict further tokens, of which none is collected\n",
               j->n_needs_draft);
    quantize_show_experts(j, INFINITY);
    print_plan(&j->plan);
    print_time(j);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------------------ */

/* Names and rules are bytes of files and of a command line. */
static json_t *plain_json(const char *text)
{
    char *plain = text ? strdup(text) : NULL;
    if (plain)
        utf8_make_plain(plain);
    json_t *string = plain ? json_string(plain) : json_null();
    free(plain);
    return string;
}

static json_t *tensor_json(const struct gguf_tensor *from, const struct quant_tensor *to)
{
    json_t *shape = json_array();
    for (int d = 0; d < from->n_dims; d++)
        json_array_append_new(shape, json_integer((json_int_t)from->ne[d]));
    return json_pack("{s:o, s:o, s:s, s:s, s:s, s:I, s:i, s:s, s:o}", "name", plain_json(from->name), "shape", shape,
                     "from", type_info(from->type)->name, "type", type_info(to->type)->name, "wanted",
                     type_info(to->wanted)->name, "bytes", (json_int_t)to->n_bytes, "part", to->part + 1, "by",
                     quant_why_name(to->why), "reason", plain_json(to->reason));
}

static json_t *kinds_json(const struct share *kind)
{
    json_t *o = json_object();
    for (int k = 0; k < KIND_COUNT; k++)
        if (kind[k].n)
            json_object_set_new(o, kind_name((enum tensor_kind)k),
                                json_pack("{s:I, s:I, s:I, s:f}", "tensors", (json_int_t)kind[k].n, "bytes",
                                          (json_int_t)kind[k].bytes, "weights", (json_int_t)kind[k].weights, "bpw",
                                          bits(kind[k].bytes, kind[k].weights)));
    return o;
}

static json_t *plan_json(const struct quant_plan *p)
{
    json_t *o = json_object();
    json_object_set_new(o, "memory", json_integer((json_int_t)p->memory));
    json_object_set_new(o, "least", json_integer((json_int_t)p->least));
    json_object_set_new(o, "total", json_integer((json_int_t)p->total));
    for (int s = 0; s < QUANT_SHARES; s++)
        json_object_set_new(o, quant_share_name((enum quant_share)s), json_integer((json_int_t)p->share[s]));
    json_object_set_new(o, "threads", json_integer(p->n_threads));
    return o;
}

void quantize_show_json(const struct quant_job *j)
{
    struct share kind[KIND_COUNT], all;
    json_t *tensors = json_array(), *parts = json_array();
    sum_kinds(j, kind, &all);
    for (uint64_t i = 0; i < j->in->n_tensor; i++)
        json_array_append_new(tensors, tensor_json(&j->in->tensor[i], &j->tensor[i]));
    for (int i = 0; i < j->n_part; i++)
        json_array_append_new(parts, json_pack("{s:o, s:I, s:I}", "path", plain_json(j->part[i].path), "bytes",
                                               (json_int_t)(j->part[i].header + j->part[i].data), "tensors",
                                               (json_int_t)j->part[i].n));
    double seconds = quant_seconds(j);
    json_t *o = json_pack("{s:o, s:I, s:I, s:I, s:f, s:i, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "recipe",
                          plain_json(j->recipe), "bytes", (json_int_t)j->n_bytes, "tensor_bytes", (json_int_t)all.bytes,
                          "weights", (json_int_t)all.weights, "bpw", bits(all.bytes, all.weights), "file_type",
                          j->file_type, "fallbacks", (json_int_t)j->n_fallback, "need_importance",
                          (json_int_t)j->n_needs_importance, "experts", experts_json(j), "kinds", kinds_json(kind),
                          "parts", parts, "plan", plan_json(&j->plan), "encode_seconds",
                          isnan(seconds) ? json_null() : json_real(seconds), "tensors", tensors);
    if (o)
        json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(o);
}
