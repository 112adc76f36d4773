/* Counts of experts as a table, as CSV, or a line of JSON a layer: see routes.h. */
#include "cli/routes/routes.h"

#include <math.h>
#include <stdio.h>

static double share_of(const struct route_layer *l, int e)
{
    return l->uses ? (double)l->count[e] / (double)l->uses : 0;
}

/* NAN: it has none. */
static double weight_of(const struct route_counts *c, const struct route_layer *l, int e)
{
    return c->has_weights && l->count[e] ? l->weight[e] / (double)l->count[e] : NAN;
}

/* A number, or what stands where there is none. */
static void put(const char *format, double value, const char *otherwise)
{
    if (isnan(value))
        printf("%s", otherwise);
    else
        printf(format, value);
}

/* ---- a table ----------------------------------------------------------------------------------------------------------------- */

static void print_heading(const struct route_layer *l, const char *what)
{
    int n = 0;
    printf("%s%d: %llu rows, %d of %d experts each, entropy %.3f of %.3f bits, never used:", what, l->index,
           (unsigned long long)l->rows, l->k, l->n_expert, route_layer_entropy(l), log2(l->n_expert));
    for (int e = 0; e < l->n_expert; e++)
        if (l->count[e] == 0)
            printf("%s%d", n++ ? "," : " ", e);
    printf(n ? "\n" : " none\n");
}

static void print_layer(const struct route_counts *a, const struct route_layer *l, const struct route_counts *b,
                        const struct route_layer *m)
{
    print_heading(l, "layer ");
    if (m)
        print_heading(m, "against, layer ");
    printf("%6s %9s %8s %8s", "expert", "count", "share", "weight");
    printf(m ? " %9s %8s %8s %10s\n" : "\n", "count", "share", "weight", "difference");
    for (int e = 0; e < l->n_expert; e++) {
        printf("%6d %9llu %7.3f%%", e, (unsigned long long)l->count[e], 100 * share_of(l, e));
        put(" %8.5f", weight_of(a, l, e), "        -");
        if (m) {
            printf(" %9llu %7.3f%%", (unsigned long long)m->count[e], 100 * share_of(m, e));
            put(" %8.5f", weight_of(b, m, e), "        -");
            printf(" %+10.2f", route_layer_difference(l, m, e));
        }
        printf("\n");
    }
    printf("\n");
}

/* ---- CSV --------------------------------------------------------------------------------------------------------------------- */

static void print_csv(const struct route_counts *a, const struct route_layer *l, const struct route_counts *b,
                      const struct route_layer *m)
{
    for (int e = 0; e < l->n_expert; e++) {
        printf("%d,%d,%llu,%.9g,", l->index, e, (unsigned long long)l->count[e], share_of(l, e));
        put("%.9g", weight_of(a, l, e), "");
        if (m) {
            printf(",%llu,%.9g,", (unsigned long long)m->count[e], share_of(m, e));
            put("%.9g", weight_of(b, m, e), "");
            printf(",%.9g", route_layer_difference(l, m, e));
        }
        printf("\n");
    }
}

/* ---- JSON -------------------------------------------------------------------------------------------------------------------- */

static void json_counts(const struct route_counts *c, const struct route_layer *l)
{
    int n = 0;
    printf("\"rows\":%llu,\"uses\":%llu,\"entropy\":%.9g,\"never\":[", (unsigned long long)l->rows,
           (unsigned long long)l->uses, route_layer_entropy(l));
    for (int e = 0; e < l->n_expert; e++)
        if (l->count[e] == 0)
            printf("%s%d", n++ ? "," : "", e);
    printf("],\"count\":[");
    for (int e = 0; e < l->n_expert; e++)
        printf("%s%llu", e ? "," : "", (unsigned long long)l->count[e]);
    printf("],\"weight\":[");
    for (int e = 0; e < l->n_expert; e++) {
        printf(e ? "," : "");
        put("%.9g", weight_of(c, l, e), "null");
    }
    printf("]");
}

static void print_json(const struct route_counts *a, const struct route_layer *l, const struct route_counts *b,
                       const struct route_layer *m)
{
    printf("{\"layer\":%d,\"experts\":%d,\"experts_used\":%d,", l->index, l->n_expert, l->k);
    json_counts(a, l);
    if (m) {
        printf(",\"against\":{");
        json_counts(b, m);
        printf("},\"difference\":[");
        for (int e = 0; e < l->n_expert; e++)
            printf("%s%.9g", e ? "," : "", route_layer_difference(l, m, e));
        printf("]");
    }
    printf("}\n");
}

void routes_print(const struct routes_command *c, const struct route_counts *a, const struct route_counts *b)
{
    if (c->csv)
        printf("layer,expert,count,share,weight%s\n",
               b ? ",against_count,against_share,against_weight,difference" : "");
    for (int l = 0; l < a->n; l++)
        (c->csv ? print_csv : c->json ? print_json : print_layer)(a, &a->layer[l], b, b ? &b->layer[l] : NULL);
}
