/* See lens.h. */
#include "study/lens.h"

#include "base/error.h"
#include "base/file.h"
#include "format/gguf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE_BY_SIDE = 8, ROWS = 256 };

struct study_lens {
    struct gguf *g;
    const struct gguf_tensor *norm, *output; /* norm NULL: the model has none */
    int n_embd;
};

static const struct gguf_tensor *first_of(const struct gguf *g, const char *const *name)
{
    const struct gguf_tensor *t = NULL;
    for (; *name && !t; name++)
        t = gguf_tensor(g, *name);
    return t;
}

int study_lens_open(struct study_lens **out, const char *path, int n_embd, struct error *err)
{
    static const char *const norms[] = {"output_norm.weight", "token_embd_norm.weight", NULL}, *const outputs[] = {
                                                                                                   "output.weight",
                                                                                                   "token_embd.weight",
                                                                                                   NULL};
    struct study_lens *l = calloc(1, sizeof *l);
    if (!l)
        return error_set(err, ERR_MEMORY, "%s: no memory for a model's header", path);
    if (gguf_open(&l->g, path, err)) {
        free(l);
        return -1;
    }
    l->n_embd = n_embd;
    l->norm = first_of(l->g, norms);
    l->output = first_of(l->g, outputs);
    int fits = l->output && l->output->n_dims == 2 && l->output->ne[0] == (uint64_t)n_embd &&
               type_info(l->output->type)->decode &&
               (!l->norm || (l->norm->ne[0] == (uint64_t)n_embd && type_info(l->norm->type)->decode));
    if (fits) {
        *out = l;
        return 0;
    }
    study_lens_close(l);
    return error_set(err, ERR_UNSUPPORTED, "%s: it has no output matrix of rows of %d weights", path, n_embd);
}

void study_lens_close(struct study_lens *l)
{
    if (l)
        gguf_close(l->g);
    free(l);
}

/* Rows [first, first + n) of a tensor, decoded; raw has room for them. */
static int read_rows(const struct study_lens *l, const struct gguf_tensor *t, uint64_t first, size_t n, uint8_t *raw,
                     float *out, struct error *err)
{
    const struct block_info *type = type_info(t->type);
    const struct gguf_file *f = &l->g->file[t->file];
    size_t bytes = type_row_bytes(type, t->ne[0]) * n;
    const char *why;
    if (file_read_at(f->fd, raw, bytes, t->offset + first * (bytes / n), &why))
        return error_set(err, ERR_IO, "%s: %s cannot be read: %s", f->path, t->name, why);
    type->decode(out, raw, n * t->ne[0]);
    return 0;
}

/* A sum in a fixed order that a CPU can work on side by side. */
static double product(const float *row, const double *v, int n)
{
    double s[SIDE_BY_SIDE] = {0}, sum = 0;
    int i = 0;
    for (; i + SIDE_BY_SIDE <= n; i += SIDE_BY_SIDE)
        for (int j = 0; j < SIDE_BY_SIDE; j++)
            s[j] += (double)row[i + j] * v[i + j];
    for (int j = 0; j < SIDE_BY_SIDE; j++)
        sum += s[j];
    for (; i < n; i++)
        sum += (double)row[i] * v[i];
    return sum;
}

/* Into a list that is sorted by sign * value. */
static void keep(struct study_lens_token *list, int top, int id, double value, double sign)
{
    int at = top;
    while (at > 0 && (list[at - 1].id < 0 || sign * value > sign * list[at - 1].value))
        at--;
    if (at == top)
        return;
    memmove(list + at + 1, list + at, (size_t)(top - at - 1) * sizeof *list);
    list[at] = (struct study_lens_token){id, value};
}

struct work {
    uint8_t *raw;
    float *row; /* [ROWS][n_embd] */
    double *v;  /* [n][n_embd] times the norm's weights */
};

static int weigh(struct study_lens *l, const struct study_lens_wants *w, struct work *k, struct error *err)
{
    size_t n = (size_t)l->n_embd;
    if (l->norm && read_rows(l, l->norm, 0, 1, k->raw, k->row, err))
        return -1;
    for (size_t i = 0; i < w->n; i++)
        for (size_t j = 0; j < n; j++)
            k->v[i * n + j] = (double)w->v[i][j] * (l->norm ? (double)k->row[j] : 1);
    return 0;
}

static int look(struct study_lens *l, const struct study_lens_wants *w, struct work *k, struct study_lens_token *raised,
                struct study_lens_token *lowered, struct error *err)
{
    size_t n = (size_t)l->n_embd, n_vocab = (size_t)l->output->ne[1], top = (size_t)w->top;
    for (size_t i = 0; i < w->n * top; i++)
        raised[i] = lowered[i] = (struct study_lens_token){-1, 0};
    if (weigh(l, w, k, err))
        return -1;
    for (size_t at = 0; at < n_vocab; at += ROWS) {
        size_t rows = n_vocab - at < ROWS ? n_vocab - at : ROWS;
        if (w->stopped(w->arg))
            return error_set(err, ERR_CANCELLED, "stopped");
        if (read_rows(l, l->output, at, rows, k->raw, k->row, err))
            return -1;
        for (size_t r = 0; r < rows; r++)
            for (size_t i = 0; i < w->n; i++) {
                double value = product(k->row + r * n, k->v + i * n, l->n_embd);
                keep(raised + i * top, w->top, (int)(at + r), value, 1);
                keep(lowered + i * top, w->top, (int)(at + r), value, -1);
            }
        w->progress(w->arg, at + rows, n_vocab);
    }
    return 0;
}

int study_lens_look(struct study_lens *l, const struct study_lens_wants *w, struct study_lens_token *raised,
                    struct study_lens_token *lowered, struct error *err)
{
    size_t n = (size_t)l->n_embd;
    /* no type takes more bytes a value than an f64 */
    struct work k = {malloc(ROWS * n * sizeof(double)), malloc(ROWS * n * sizeof(float)),
                     malloc(w->n * n * sizeof(double))};
    int failed = k.raw && k.row && k.v ? look(l, w, &k, raised, lowered, err)
                                       : error_set(err, ERR_MEMORY, "no memory for rows of an output matrix");
    free(k.raw);
    free(k.row);
    free(k.v);
    return failed;
}
