/* What was collected and what was not: see imatrix.h. */
#include "cli/imatrix/imatrix.h"

#include "base/error.h"
#include "base/utf8.h"
#include "format/gguf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 256 };

/* ---- entries -------------------------------------------------------------------------------------------------------------------- */

static int has_rows(const struct stoker_importance *e)
{
    for (uint64_t i = 0; i < e->n_count; i++)
        if (e->count[i] > 0)
            return 1;
    return 0;
}

/* A tied table is one only by its use as output: otherwise it is looked up. */
static int is_output(const char *name)
{
    return strcmp(name, "output.weight") == 0 || strcmp(name, "token_embd.weight") == 0;
}

int imatrix_sums(const struct imatrix_command *m, const struct stoker *engine, struct importance_sums **out, size_t *n,
                 struct error *err)
{
    struct stoker_importance e;
    size_t most = 0;
    while (stoker_importance_of(engine, most, &e))
        most++;
    struct importance_sums *s = malloc((2 * most + 1) * sizeof *s);
    if (!s)
        return error_set(err, ERR_MEMORY, "no memory for a list of %zu tensors", most);
    *n = 0;
    for (size_t i = 0; stoker_importance_of(engine, i, &e); i++) {
        if (!has_rows(&e) || (m->no_output && is_output(e.name)))
            continue;
        s[*n] = (struct importance_sums){e.name, e.n_cols, e.n_mat, e.n_count, e.sum, e.count};
        if (e.also)
            s[*n + 1] = s[*n], s[*n + 1].name = e.also;
        *n += e.also ? 2 : 1;
    }
    *out = s;
    return 0;
}

/* ---- experts -------------------------------------------------------------------------------------------------------------------- */

/* Of the tensors of a layer's experts the one of down: each layer has one. */
static int is_of_layer(const struct importance_sums *s) { return s->n_counts > 1 && strstr(s->name, "ffn_down_exps"); }

struct coverage_layer *imatrix_layers(const struct importance_sums *s, size_t n, size_t *n_layer)
{
    struct coverage_layer *layer = malloc((n + 1) * sizeof *layer);
    const char *rest;
    *n_layer = 0;
    for (size_t i = 0; layer && i < n; i++)
        if (is_of_layer(&s[i]))
            layer[(*n_layer)++] = (struct coverage_layer){gguf_layer_of(s[i].name, &rest), s[i].n_counts,
                                                          (double *)s[i].count};
    return layer;
}

struct coverage imatrix_cover(const struct importance_sums *s, size_t n)
{
    size_t n_layer;
    struct coverage_layer *layer = imatrix_layers(s, n, &n_layer);
    struct coverage c = coverage_of(layer, n_layer);
    free(layer);
    return c;
}

json_t *imatrix_cover_json(const struct importance_sums *s, size_t n)
{
    struct coverage c = imatrix_cover(s, n);
    return json_pack("{s:I, s:I, s:I}", "all", (json_int_t)c.experts, "without_rows", (json_int_t)c.unseen,
                     "with_few_rows", (json_int_t)c.few);
}

void imatrix_show_experts(const struct importance_sums *s, size_t n)
{
    size_t n_layer;
    struct coverage_layer *layer = imatrix_layers(s, n, &n_layer);
    coverage_show(layer, n_layer, INFINITY);
    free(layer);
}

/* ---- what is left out ----------------------------------------------------------------------------------------------------------- */

typedef char tensor_name[NAME];

static void without_layer(const char *name, tensor_name out)
{
    const char *rest;
    if (gguf_layer_of(name, &rest) < 0)
        snprintf(out, NAME, "%s", name);
    else
        snprintf(out, NAME, "blk.*.%s", rest);
}

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

/* Each of the names once, and how often it is there. Sorts them. */
static void put_names(FILE *f, tensor_name *name, size_t n)
{
    qsort(name, n, sizeof *name, by_text);
    for (size_t i = 0, same; i < n; i += same) {
        for (same = 1; i + same < n && strcmp(name[i], name[i + same]) == 0;)
            same++;
        fprintf(f, "%s%s", i ? ", " : "", name[i]);
        if (same > 1)
            fprintf(f, " (%zu)", same);
    }
}

/* Layers that predict further tokens are not part of a text's way through the model. */
static void put_drafts(FILE *f, uint64_t first, size_t n, int is_alone)
{
    if (n)
        fprintf(
            f,
            "%s%zu matrices of layers that predict further tokens (from blk.%llu on): quantize has their columns all "
            "weigh the same",
            is_alone ? "" : "; ", n, (unsigned long long)first);
}

char *imatrix_left_out(const char *model, struct importance_sums *s, size_t n, struct error *err)
{
    struct gguf *g;
    char *text = NULL;
    size_t length = 0, n_name = 0, n_draft = 0;
    if (gguf_open(&g, model, err))
        return NULL;
    importance_sums_sort(s, n);
    tensor_name *name = malloc((g->n_tensor + 1) * sizeof *name);
    FILE *f = name ? open_memstream(&text, &length) : NULL;
    const uint64_t first_draft = gguf_first_draft(g);
    const char *rest;
    for (uint64_t i = 0; f && i < g->n_tensor; i++) {
        int layer = gguf_layer_of(g->tensor[i].name, &rest);
        if (g->tensor[i].ne[1] < 2 || importance_sums_named(s, n, g->tensor[i].name))
            continue;
        if (layer >= 0 && (uint64_t)layer >= first_draft)
            n_draft++;
        else
            without_layer(g->tensor[i].name, name[n_name++]);
    }
    if (f) {
        put_names(f, name, n_name);
        put_drafts(f, first_draft, n_draft, n_name == 0);
    }
    if (!f || fclose(f))
        error_set(err, ERR_MEMORY, "no memory for a list of tensors");
    free(name);
    gguf_close(g);
    if (err->code || n_name + n_draft == 0) {
        free(text);
        return NULL;
    }
    utf8_make_plain(text);
    return text;
}
