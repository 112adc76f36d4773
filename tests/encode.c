/* links: quant machine kernel format base
 *
 * Encoders to the nearest, by their error: encode [FOLDER] with encoder_rows.bin, encoder_edges.bin and encoder_bars.jsonl.
 *
 *   bars     the mean relative error of 20 rows is at most so many times that of the peer's search (weights 1)
 *   edges    no value that is none; rows and blocks of zeros are zeros
 *   grid     values that a type holds come back, bit for bit (q8_0, q4_0, q5_0, iq4_nl, mxfp4, tq1_0, tq2_0, q1_0)
 *   bytes    the hash of everything that was encoded is the one below: on every machine, by every compiler
 *
 * A change of an encoder's bytes changes the hash, and QUANT_ENCODER_VERSION with it. */
#include "quant/encode.h"
#include "base/hash.h"
#include "quant/quant.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t BYTES_OF_ALL = 0x0effe7b92f4322ef;

enum { COLUMNS = 1024, ROWS_MOST = 64 };

static int n_passed, n_failed;

static void check(int holds, const char *type, const char *what)
{
    n_passed += holds;
    n_failed += !holds;
    if (!holds)
        printf("FAIL %s: %s\n", type, what);
}

struct rows {
    int n;
    float x[ROWS_MOST][COLUMNS];
};

static int read_rows(struct rows *r, const char *folder, const char *name)
{
    char path[400];
    struct {
        char magic[8];
        uint32_t n_rows, n_cols;
    } head;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    int whole = f && fread(&head, 1, sizeof head, f) == sizeof head && memcmp(head.magic, "STKENC1", 8) == 0 &&
                head.n_cols == COLUMNS && head.n_rows <= ROWS_MOST &&
                fread(r->x, sizeof r->x[0], head.n_rows, f) == head.n_rows;
    r->n = whole ? (int)head.n_rows : 0;
    if (f)
        fclose(f);
    return whole ? 0 : -1;
}

static struct hash_stream *all;

/* There and back. */
static void through(enum block_type t, const float *x, float *y)
{
    uint8_t blocks[COLUMNS * 4];
    quant_encode(t, x, COLUMNS, blocks);
    hash_add(all, blocks, type_row_bytes(type_info(t), COLUMNS));
    type_info(t)->decode(y, blocks, COLUMNS);
}

/* How much larger than the peer's, which searches, the error to the nearest may be: all were within, when they were written. */
static double times_peer(enum block_type t)
{
    switch (t) {
    case TYPE_TQ1_0:
    case TYPE_TQ2_0:
        return 0.6;
    case TYPE_IQ1_M:
        return 0.75;
    case TYPE_IQ3_XXS:
    case TYPE_IQ3_S:
        return 0.85;
    case TYPE_IQ1_S:
    case TYPE_IQ2_S:
        return 0.95;
    case TYPE_IQ2_XXS:
    case TYPE_IQ2_XS:
        return 1.0;
    default:
        return type_info(t)->block == 256 ? 1.11 : 1.05;
    }
}

static void check_bar(enum block_type t, const struct rows *r, double peer)
{
    double sum = 0;
    char what[120];
    for (int i = 0; i < r->n; i++) {
        float y[COLUMNS];
        double e = 0, p = 0;
        through(t, r->x[i], y);
        for (int k = 0; k < COLUMNS; k++) {
            double x = (double)r->x[i][k], d = x - (double)y[k];
            e += d * d;
            p += x * x;
        }
        sum += sqrt(e / p);
    }
    snprintf(what, sizeof what, "error %.5f, %.3f of the peer's %.5f", sum / r->n, sum / r->n / peer, peer);
    printf("%-8s %s\n", type_info(t)->name, what);
    check(sum / r->n <= peer * times_peer(t), type_info(t)->name, what);
}

static void check_edges(enum block_type t, const struct rows *r)
{
    for (int i = 0; i < r->n; i++) {
        float y[COLUMNS];
        int finite = 1, zero = 1, stays_zero = 1;
        through(t, r->x[i], y);
        for (int k = 0; k < COLUMNS; k++) {
            finite &= isfinite(y[k]) != 0;
            zero &= r->x[i][k] == 0;
            stays_zero &= y[k] == 0;
        }
        check(finite, type_info(t)->name, "an edge row has values that are none");
        check(!zero || stays_zero, type_info(t)->name, "a row of zeros is none");
    }
}

/* What was decoded once, with the extreme level in each block, is encoded without loss. */
static void check_grid(enum block_type t, const struct rows *r)
{
    static const enum block_type exact[] = {TYPE_Q8_0,  TYPE_Q4_0,  TYPE_Q5_0,  TYPE_IQ4_NL,
                                            TYPE_MXFP4, TYPE_TQ1_0, TYPE_TQ2_0, TYPE_Q1_0};
    int is_exact = 0;
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        is_exact |= exact[i] == t;
    for (int i = 0; is_exact && i < r->n; i++) {
        float y[COLUMNS], z[COLUMNS];
        through(t, r->x[i], y);
        through(t, y, z);
        int same = 1;
        for (int k = 0; k < COLUMNS; k++)
            same &= y[k] == z[k];
        check(same, type_info(t)->name, "values of its own grid change");
    }
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : TEST_DATA "/quantize";
    static struct rows rows, edges;
    char path[400], *line = NULL;
    size_t size = 0;
    if (read_rows(&rows, folder, "encoder_rows.bin") || read_rows(&edges, folder, "encoder_edges.bin")) {
        printf("%s: no rows\n", folder);
        return 1;
    }
    snprintf(path, sizeof path, "%s/encoder_bars.jsonl", folder);
    FILE *f = fopen(path, "r");
    all = hash_begin();
    while (f && getline(&line, &size, f) > 0) {
        json_t *bar = json_loads(line, 0, NULL);
        int t = type_by_name(json_string_value(json_object_get(bar, "type")));
        if (t >= 0 && !json_integer_value(json_object_get(bar, "importance"))) {
            check_bar((enum block_type)t, &rows, json_number_value(json_object_get(bar, "peer_mean_rel")));
            check_edges((enum block_type)t, &edges);
            check_grid((enum block_type)t, &rows);
        }
        json_decref(bar);
    }
    uint64_t hash = hash_end(all);
    printf("all bytes: %016" PRIx64 ", encoders %d\n", hash, QUANT_ENCODER_VERSION);
    check(hash == BYTES_OF_ALL, "all types", "other bytes than before");
    check(n_passed > 600, "all types", "few were looked at");
    free(line);
    if (f)
        fclose(f);
    printf("%d passed, %d failed, 0 skipped\n", n_passed, n_failed);
    return n_failed != 0;
}
