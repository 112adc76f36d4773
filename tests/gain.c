/* links: quant machine kernel format base
 *
 * Gain: products keep their size. gain FOLDER EMBER [-v] encodes rows of every matrix of EMBER/ember.gguf in every type of quantize.md 4.1,
 * law 8, as quantize does by default, without importance and with that of FOLDER/imatrix_ember.gguf, and decodes them:
 *
 *     |sum of w x x̂ / sum of w x² - 1| <= 1e-3 of each matrix
 *
 * Of a matrix ROWS rows are taken, from its first to its last, so of every expert some: fewer rows average less, so that this asks more
 * than all of them would. Rows that are no multiple of a type's block have another type in a file too, and are passed over. -v: the worst
 * of each type. */
#include "base/error.h"
#include "base/file.h"
#include "format/gguf.h"
#include "quant/encode.h"
#include "quant/importance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 48 };
static const double MOST = 1e-3;
static const enum block_type types[] = {TYPE_Q2_K,    TYPE_Q3_K,   TYPE_Q4_K,   TYPE_Q5_K,   TYPE_Q4_0,    TYPE_Q4_1,
                                        TYPE_Q5_0,    TYPE_Q5_1,   TYPE_IQ2_S,  TYPE_IQ2_XS, TYPE_IQ2_XXS, TYPE_IQ3_S,
                                        TYPE_IQ3_XXS, TYPE_IQ4_NL, TYPE_IQ4_XS, TYPE_IQ1_S,  TYPE_IQ1_M};
enum { TYPES = sizeof types / sizeof *types };

static int n_passed, n_failed, n_matrices;
static double worst[TYPES];

static void fail(const char *what, const char *why)
{
    printf("FAIL %s: %s\n", what, why);
    n_failed++;
}

/* Rows of a matrix as f32, and of each the weights of its columns; w NULL: none. */
struct rows {
    const char *name;
    uint64_t n, n_cols;
    float *x, *w, *importance; /* importance: what w was made of */
};

static double bias_of(const struct rows *r, enum block_type type, int weighs, void *scratch)
{
    const struct quant_encoding how = {type, QUANT_NORMAL, 1, TIER_COUNT};
    uint8_t *blocks = malloc(type_row_bytes(type_info(type), r->n_cols));
    float *y = malloc(r->n_cols * sizeof *y);
    double product = 0, power = 0;
    for (uint64_t i = 0; blocks && y && i < r->n; i++) {
        const float *x = r->x + i * r->n_cols, *w = r->importance + i * r->n_cols;
        quant_encode(&how, x, weighs ? r->w + i * r->n_cols : NULL, (int64_t)r->n_cols, blocks, scratch);
        type_info(type)->decode(y, blocks, r->n_cols);
        for (uint64_t k = 0; k < r->n_cols; k++) {
            double weight = weighs ? (double)w[k] : 1;
            product += weight * (double)x[k] * (double)y[k];
            power += weight * (double)x[k] * (double)x[k];
        }
    }
    free(blocks);
    free(y);
    return power > 0 ? product / power - 1 : NAN;
}

static void check_rows(const struct rows *r, int has_importance, void *scratch)
{
    char why[120];
    for (int t = 0; t < TYPES; t++)
        for (int weighs = 0; weighs <= has_importance; weighs++) {
            if (r->n_cols % (uint64_t)type_info(types[t])->block != 0)
                continue;
            double bias = bias_of(r, types[t], weighs, scratch);
            snprintf(why, sizeof why, "%s%s: products are %.5f too large", type_info(types[t])->name,
                     weighs ? " with importance" : "", bias);
            worst[t] = fmax(worst[t], fabs(bias));
            if (fabs(bias) <= MOST)
                n_passed++;
            else
                fail(r->name, why);
        }
}

/* Row i of ROWS that lie between the first and the last. */
static uint64_t row_number(const struct gguf_tensor *t, uint64_t i, uint64_t n)
{
    uint64_t all = t->ne[1] * t->ne[2];
    return n < 2 ? 0 : i * (all - 1) / (n - 1);
}

static int read_row(const struct gguf *g, const struct gguf_tensor *t, uint64_t row, float *x)
{
    size_t n = type_row_bytes(type_info(t->type), t->ne[0]);
    uint8_t *bytes = malloc(n);
    const char *why;
    int status = bytes ? file_read_at(g->file[t->file].fd, bytes, n, t->offset + row * n, &why) : -1;
    if (!status)
        type_info(t->type)->decode(x, bytes, t->ne[0]);
    free(bytes);
    return status;
}

static void check_matrix(const struct gguf *g, const struct gguf_tensor *t, const struct importance *m, void *scratch)
{
    uint64_t n = t->ne[1] * t->ne[2] < ROWS ? t->ne[1] * t->ne[2] : ROWS, all = n * t->ne[0];
    const struct importance_entry *e = importance_find(m, t->name);
    float *room = e ? malloc(importance_floats(e) * sizeof *room) : NULL, *memory = malloc(3 * all * sizeof *memory);
    struct rows r = {t->name, n, t->ne[0], memory, memory + all, memory + 2 * all};
    struct importance_values v;
    struct error err = {0};
    int status = !memory || (e && (!room || importance_read(m, e, room, &v, &err)));
    for (uint64_t i = 0; i < n && !status; i++) {
        uint64_t row = row_number(t, i, n), at = i * t->ne[0];
        status = read_row(g, t, row, r.x + at);
        if (e)
            importance_of(&v, t->ne[0], row / t->ne[1], r.importance + at);
        if (e)
            quant_weights(r.importance + at, (int64_t)t->ne[0], r.w + at);
    }
    n_matrices++;
    if (status)
        fail(t->name, "its rows cannot be read");
    else
        check_rows(&r, e != NULL, scratch);
    free(memory);
    free(room);
}

int main(int argc, char **argv)
{
    char path[1024];
    struct gguf *g = NULL;
    struct importance *m = NULL;
    struct error err = {0};
    void *scratch = aligned_alloc(64, (quant_scratch_bytes() + 63) / 64 * 64);
    snprintf(path, sizeof path, "%s/ember.gguf", argc > 2 ? argv[2] : "models/ember");
    if (!scratch || gguf_open(&g, path, &err))
        fail(path, err.text);
    snprintf(path, sizeof path, "%s/imatrix_ember.gguf", argc > 1 ? argv[1] : TEST_DATA "/quantize");
    if (g && importance_open(&m, path, &err))
        fail(path, err.text);
    for (uint64_t i = 0; m && i < g->n_tensor; i++)
        if (g->tensor[i].ne[1] > 1)
            check_matrix(g, &g->tensor[i], m, scratch);
    if (n_matrices < 49)
        fail("ember", "fewer matrices than it has");
    for (int t = 0; argc > 3 && t < TYPES; t++)
        printf("%-8s %.6f\n", type_info(types[t])->name, worst[t]);
    importance_close(m);
    gguf_close(g);
    free(scratch);
    printf("%d passed, %d failed, 0 skipped\n", n_passed, n_failed);
    return n_failed != 0;
}
