/* What a file of importance says of each tensor (quantize.md 5.4): figures of the mean squares of its columns, of experts of their means
 * over those that saw rows. Columns that matter much more than others are what types of few bits profit from. */
#include "cli/imatrix/imatrix.h"

#include "base/error.h"
#include "base/utf8.h"
#include "format/gguf.h"
#include "quant/importance.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct figures {
    double rows; /* of all matrices */
    double sum, least, most, mean, sigma;
    double above;   /* share of columns above mean + sigma */
    double entropy; /* bits of a column's choice by importance: log2 of the columns where all matter alike */
    double cosine;  /* to the same tensor of the layer before; NAN: there is none */
};

static double cosine(const float *a, const float *b, uint64_t n)
{
    double aa = 0, bb = 0, ab = 0;
    for (uint64_t i = 0; i < n; i++) {
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
        ab += (double)a[i] * (double)b[i];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : NAN;
}

/* A file, and of each entry the mean squares of its columns. */
struct means {
    const struct importance *m;
    float **of; /* [m->n_entry] */
};

static void free_means(struct means *s)
{
    for (uint64_t i = 0; s->of && i < s->m->n_entry; i++)
        free(s->of[i]);
    free(s->of);
}

static int read_mean(struct means *s, uint64_t i, struct error *err)
{
    const struct importance_entry *e = &s->m->entry[i];
    struct importance_values v;
    float *room = malloc(importance_floats(e) * sizeof *room);
    s->of[i] = malloc(e->n_cols * sizeof **s->of);
    int status = room && s->of[i] ? importance_read(s->m, e, room, &v, err)
                                  : error_set(err, ERR_MEMORY, "no memory for the sums of %s", e->name);
    if (!status)
        memcpy(s->of[i], v.mean, e->n_cols * sizeof **s->of);
    free(room);
    return status;
}

static int read_means(struct means *s, const struct importance *m, struct error *err)
{
    *s = (struct means){m, calloc(m->n_entry, sizeof *s->of)};
    if (!s->of)
        return error_set(err, ERR_MEMORY, "no memory for %" PRIu64 " tensors", m->n_entry);
    for (uint64_t i = 0; i < m->n_entry; i++)
        if (read_mean(s, i, err))
            return -1;
    return 0;
}

static const float *mean_of(const struct means *s, const struct importance_entry *e) { return s->of[e - s->m->entry]; }

/* The same tensor of the layer before; NULL: none, or one of other columns. */
static const struct importance_entry *before(const struct importance *m, const struct importance_entry *e)
{
    const char *rest;
    int layer = gguf_layer_of(e->name, &rest);
    char *name = NULL;
    const struct importance_entry *found = NULL;
    if (layer > 0 && asprintf(&name, "blk.%d.%s", layer - 1, rest) >= 0) {
        found = importance_named(m, name);
        free(name);
    }
    return found && found->n_cols == e->n_cols ? found : NULL;
}

static struct figures figures_of(const struct means *s, const struct importance_entry *e)
{
    struct figures f = {.least = INFINITY};
    double n = (double)e->n_cols, squares = 0;
    const struct importance_entry *last = before(s->m, e);
    const float *mean = mean_of(s, e);
    for (uint64_t i = 0; i < e->n_cols; i++) {
        double v = (double)mean[i];
        f.sum += v;
        f.least = v < f.least ? v : f.least;
        f.most = v > f.most ? v : f.most;
    }
    for (uint64_t i = 0; i < e->n_counts; i++)
        f.rows += (double)e->count[i];
    f.mean = f.sum / n;
    for (uint64_t i = 0; i < e->n_cols; i++)
        squares += ((double)mean[i] - f.mean) * ((double)mean[i] - f.mean);
    f.sigma = sqrt(squares / n);
    for (uint64_t i = 0; i < e->n_cols; i++) {
        double v = (double)mean[i], share = f.sum > 0 ? v / f.sum : 0;
        f.above += (v > f.mean + f.sigma) / n;
        f.entropy -= share > 0 ? share * log2(share) : 0;
    }
    f.cosine = last ? cosine(mean, mean_of(s, last), e->n_cols) : NAN;
    return f;
}

/* ---- experts -------------------------------------------------------------------------------------------------------------------- */

/* What the experts' table is made of: sums of which only counts are there. free() them and the array. */
static struct importance_sums *sums_of(const struct importance *m, struct error *err)
{
    struct importance_sums *s = calloc(m->n_entry, sizeof *s);
    for (uint64_t i = 0; s && i < m->n_entry; i++) {
        const struct importance_entry *e = &m->entry[i];
        double *count = malloc(e->n_counts * sizeof *count);
        for (uint64_t k = 0; count && k < e->n_counts; k++)
            count[k] = (double)e->count[k];
        s[i] = (struct importance_sums){e->name, e->n_cols, e->n_mat, count ? e->n_counts : 0, NULL, count};
        if (!count)
            error_set(err, ERR_MEMORY, "no memory for the counts of %s", e->name);
    }
    if (!s)
        error_set(err, ERR_MEMORY, "no memory for %" PRIu64 " tensors", m->n_entry);
    return s;
}

/* ---- telling -------------------------------------------------------------------------------------------------------------------- */

static void print(const struct means *means, const struct importance_sums *s)
{
    const struct importance *m = means->m;
    printf("%-32s %8s %9s %10s %10s %10s %10s %10s %7s %8s %7s\n", "tensor", "columns", "rows", "sum", "least", "most",
           "mean", "sigma", "above", "entropy", "cosine");
    for (uint64_t i = 0; i < m->n_entry; i++) {
        const struct importance_entry *e = &m->entry[i];
        struct figures f = figures_of(means, e);
        char name[256], near[16] = "-";
        snprintf(name, sizeof name, "%s", e->name);
        utf8_make_plain(name);
        if (!isnan(f.cosine))
            snprintf(near, sizeof near, "%.4f", f.cosine);
        printf("%-32s %8" PRIu64 " %9.0f %10.4g %10.4g %10.4g %10.4g %10.4g %6.2f%% %8.4f %7s\n", name, e->n_cols,
               f.rows, f.sum, f.least, f.most, f.mean, f.sigma, 100 * f.above, f.entropy, near);
    }
    imatrix_show_experts(s, m->n_entry);
}

static json_t *tensor_json(const struct means *means, const struct importance_entry *e)
{
    struct figures f = figures_of(means, e);
    char *name = strdup(e->name);
    if (name)
        utf8_make_plain(name);
    json_t *near = isnan(f.cosine) ? json_null() : json_real(f.cosine);
    json_t *o = json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o}", "name", name ? name : "",
                          "columns", (json_int_t)e->n_cols, "matrices", (json_int_t)e->n_mat, "rows", f.rows, "sum",
                          f.sum, "least", f.least, "most", f.most, "mean", f.mean, "sigma", f.sigma, "above", f.above,
                          "entropy", f.entropy, "cosine", near);
    free(name);
    return o;
}

static void print_json(const struct means *means, const struct importance_sums *s)
{
    const struct importance *m = means->m;
    size_t n_layer;
    struct coverage_layer *layer = imatrix_layers(s, m->n_entry, &n_layer);
    json_t *tensors = json_array();
    for (uint64_t i = 0; i < m->n_entry; i++)
        json_array_append_new(tensors, tensor_json(means, &m->entry[i]));
    json_t *o = json_pack("{s:o, s:o}", "tensors", tensors, "experts", coverage_json(layer, layer ? n_layer : 0));
    eval_print_json(o);
    json_decref(o);
    free(layer);
}

int imatrix_stats(const struct imatrix_command *c)
{
    struct error err = {0};
    struct importance *m;
    struct means means = {0};
    eval_called = "imatrix";
    if (importance_open_of(&m, c->file[0], c->c.n_ctx, &err))
        return imatrix_refuse(&err);
    struct importance_sums *s = sums_of(m, &err);
    if (!err.code && read_means(&means, m, &err) == 0)
        (c->json ? print_json : print)(&means, s);
    free_means(&means);
    for (uint64_t i = 0; s && i < m->n_entry; i++)
        free((void *)s[i].count);
    free(s);
    importance_close(m);
    return err.code ? imatrix_refuse(&err) : 0;
}
