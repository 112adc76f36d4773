/* See coverage.h. */
#include "cli/imatrix/coverage.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMED = 16 }; /* experts of a layer that a line names */

static int by_layer(const void *a, const void *b)
{
    int l = ((const struct coverage_layer *)a)->layer, k = ((const struct coverage_layer *)b)->layer;
    return (l > k) - (l < k);
}

static int by_count(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct coverage coverage_of(const struct coverage_layer *l, size_t n)
{
    struct coverage c = {.least = INFINITY};
    for (size_t i = 0; i < n; i++)
        for (uint64_t e = 0; e < l[i].n_expert; e++) {
            double rows = l[i].rows[e];
            c.experts++;
            c.unseen += rows == 0;
            c.few += rows > 0 && rows < COVERAGE_FEW;
            c.least = rows < c.least ? rows : c.least;
        }
    return c;
}

/* Rows of the experts in ascending order; malloc(). */
static double *sorted_rows(const struct coverage_layer *l)
{
    double *sorted = malloc(l->n_expert * sizeof *sorted);
    if (sorted) {
        memcpy(sorted, l->rows, l->n_expert * sizeof *sorted);
        qsort(sorted, l->n_expert, sizeof *sorted, by_count);
    }
    return sorted;
}

/* ---- text ----------------------------------------------------------------------------------------------------------------------- */

/* Experts whose rows are in [from, below). */
static void name_experts(const struct coverage_layer *l, double from, double below, const char *what)
{
    int n = 0;
    for (uint64_t e = 0; e < l->n_expert; e++) {
        if (l->rows[e] < from || l->rows[e] >= below)
            continue;
        if (n < NAMED)
            printf("%s%llu", n ? ", " : what, (unsigned long long)e);
        n++;
    }
    if (n > NAMED)
        printf(" and %d more", n - NAMED);
}

static void show_layer(const struct coverage_layer *l)
{
    double *sorted = sorted_rows(l);
    if (!sorted)
        return;
    printf("%5d %8llu %10.0f %10.0f %10.0f", l->layer, (unsigned long long)l->n_expert, sorted[0],
           sorted[l->n_expert / 2], sorted[l->n_expert - 1]);
    name_experts(l, 0, 1, "  no rows: ");
    name_experts(l, 1, COVERAGE_FEW, "  few rows: ");
    putchar('\n');
    free(sorted);
}

void coverage_show(struct coverage_layer *l, size_t n, double below)
{
    int shown = 0;
    qsort(l, n, sizeof *l, by_layer);
    for (size_t i = 0; i < n; i++) {
        if (!(coverage_of(&l[i], 1).least < below))
            continue;
        if (!shown++)
            printf("layer  experts  least rows     median       most\n");
        show_layer(&l[i]);
    }
}

/* ---- JSON ----------------------------------------------------------------------------------------------------------------------- */

static json_t *experts_json(const struct coverage_layer *l, double from, double below)
{
    json_t *list = json_array();
    for (uint64_t e = 0; e < l->n_expert; e++)
        if (l->rows[e] >= from && l->rows[e] < below)
            json_array_append_new(list, json_integer((json_int_t)e));
    return list;
}

static json_t *layer_json(const struct coverage_layer *l)
{
    double *sorted = sorted_rows(l);
    if (!sorted)
        return NULL;
    json_t *o = json_pack("{s:i, s:I, s:f, s:f, s:f, s:o, s:o}", "layer", l->layer, "experts", (json_int_t)l->n_expert,
                          "least", sorted[0], "median", sorted[l->n_expert / 2], "most", sorted[l->n_expert - 1],
                          "without_rows", experts_json(l, 0, 1), "with_few_rows", experts_json(l, 1, COVERAGE_FEW));
    free(sorted);
    return o;
}

json_t *coverage_json(struct coverage_layer *l, size_t n)
{
    json_t *list = json_array();
    qsort(l, n, sizeof *l, by_layer);
    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(list, layer_json(&l[i]))) {
            json_decref(list);
            return NULL;
        }
    return list;
}
