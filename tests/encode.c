/* links: quant machine kernel format base
 *
 * Encoders, by their error: encode [--bytes] [FOLDER] with encoder_rows.bin, encoder_edges.bin and encoder_bars.jsonl (quantize.md 4.1,
 * 4.7).
 *
 *   bars     without and with importance, the mean error of 20 rows is not above the peer's, nor that of 18 rows, nor 1.5 % above that of
 *            the prototype of quantize.md 4.3; 0.3 % where the effort is max
 *   effort   more is never worse, on any row
 *   edges    no value that is none; rows of zeros are zeros; constants are near; more effort is never worse
 *   grid     values that a type holds come back, bit for bit or within 1e-4 of their power
 *   weights  only ratios count; where the mean is nothing, all weigh the same
 *   gain     products lose at most a thousandth, and the error grows by what that must cost
 *   large    with the gain iq3_s and iq3_xxs have smaller errors of large values; fast has not
 *   bytes    the best tier's are the scalar one's, and the hash of all is the one below: on every machine, by every compiler
 *
 * --bytes: a few rows of each type alone, whose hash is below too: for compilers and machines that take long.
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

static const uint64_t BYTES_OF_ALL = 0x9d3de1621edec576, BYTES_OF_FEW = 0xfb77c2f108fda41c;

enum { COLUMNS = 1024, ROWS = 20, EDGES = 12, BYTES_MOST = COLUMNS * 4 };

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
    float x[ROWS][COLUMNS], importance[ROWS][COLUMNS];
};

/* wanted: how many there are; laws that hold for fewer are none. */
static int read_rows(struct rows *r, const char *folder, const char *name, uint32_t wanted)
{
    char path[400];
    struct {
        char magic[8];
        uint32_t n_rows, n_cols;
    } head;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    int whole = f && fread(&head, 1, sizeof head, f) == sizeof head && memcmp(head.magic, "STKENC1", 8) == 0 &&
                head.n_cols == COLUMNS && head.n_rows == wanted &&
                fread(r->x, sizeof r->x[0], head.n_rows, f) == head.n_rows &&
                fread(r->importance, sizeof r->x[0], head.n_rows, f) == head.n_rows;
    r->n = whole ? (int)head.n_rows : 0;
    if (f)
        fclose(f);
    return whole ? 0 : -1;
}

/* ---- encoding ---------------------------------------------------------------------------------------------------------------------- */

static struct hash_stream *all;
static void *scratch;

/* Tiers with a search of their own, but for the best one. */
static const enum cpu_tier lower[] = {
    TIER_SCALAR,
#if defined(__x86_64__)
    TIER_AVX2,
#endif
};

/* There and back by the best tier and by the others, whose bytes are the same. w: NULL, or weights. */
static void through(struct quant_encoding how, const float *x, const float *w, float *y)
{
    static uint8_t law[BYTES_MOST], blocks[BYTES_MOST];
    static unsigned n_through;
    size_t n = type_row_bytes(type_info(how.type), COLUMNS);
    how.tier = cpu_best_tier();
    memset(blocks, 0x55, n);
    quant_encode(&how, x, w, COLUMNS, blocks, scratch);
    int is_compared = how.effort != QUANT_MAX || n_through++ % 8 == 0; /* that takes long */
    for (size_t i = 0; is_compared && i < sizeof lower / sizeof *lower && lower[i] < cpu_best_tier(); i++) {
        how.tier = lower[i];
        memset(law, 0xaa, n);
        quant_encode(&how, x, w, COLUMNS, law, scratch);
        check(memcmp(law, blocks, n) == 0, type_info(how.type)->name, "a tier's bytes differ from the best one's");
    }
    hash_add(all, blocks, n);
    type_info(how.type)->decode(y, blocks, COLUMNS);
}

struct measure {
    double e, power, product; /* sums of w times (x - x̂)^2, x^2, x x̂ */
};

static struct measure measure(const float *x, const float *y, const float *importance)
{
    struct measure m = {0, 0, 0};
    for (int k = 0; k < COLUMNS; k++) {
        double w = importance ? (double)importance[k] : 1, v = (double)x[k], off = v - (double)y[k];
        m.e += w * off * off;
        m.power += w * v * v;
        m.product += w * v * (double)y[k];
    }
    return m;
}

/* ---- bars -------------------------------------------------------------------------------------------------------------------------- */

enum { EFFORTS = QUANT_MAX + 1 };

struct bar {
    enum block_type type;
    int importance;
    double peer, prototype; /* mean relative errors; prototype 0: there is none */
    json_t *peer_rows;
};

static int has_gain(enum block_type t)
{
    switch (t) {
    case TYPE_Q8_0:
    case TYPE_Q6_K:
    case TYPE_MXFP4:
    case TYPE_NVFP4:
    case TYPE_TQ1_0:
    case TYPE_TQ2_0:
    case TYPE_Q1_0:
        return 0;
    default:
        return 1;
    }
}

/* What the gain may cost: e / (1 - e / power) of each block that it was restored in. */
static double price_of_gain(enum block_type t, const float *x, const float *y, const float *importance)
{
    double sum = 0;
    int n = type_info(t)->block == 256 ? 256 : COLUMNS;
    for (int at = 0; at < COLUMNS; at += n) {
        double e = 0, power = 0;
        for (int k = at; k < at + n; k++) {
            double w = importance ? (double)importance[k] : 1, off = (double)x[k] - (double)y[k];
            e += w * off * off;
            power += w * (double)x[k] * (double)x[k];
        }
        sum += e / (1 - e / power);
    }
    return sum;
}

/* Products keep their size. price: see above. */
static void check_gain(const struct bar *b, const float *x, const float *importance, const float *w, double price)
{
    float y[COLUMNS];
    char what[160];
    struct quant_encoding how = {b->type, QUANT_NORMAL, 1, TIER_SCALAR};
    through(how, x, w, y);
    struct measure m = measure(x, y, importance);
    double bias = m.product / m.power - 1, dear = m.e / price;
    snprintf(what, sizeof what, "with gain products are %.5f too large, the error %.4f of what it may be", bias, dear);
    check(!has_gain(b->type) || (fabs(bias) <= 1e-3 && dear <= 1.02), type_info(b->type)->name, what);
}

static void check_bar(const struct bar *b, const struct rows *r)
{
    double sum[EFFORTS] = {0};
    int good[EFFORTS] = {0};
    const char *name = type_info(b->type)->name;
    for (int i = 0; i < r->n; i++) {
        float w[COLUMNS], y[COLUMNS];
        const float *importance = b->importance ? r->importance[i] : NULL;
        double last = INFINITY, price = 0;
        quant_weights(r->importance[i], COLUMNS, w);
        for (int effort = 0; effort < EFFORTS; effort++) {
            struct quant_encoding how = {b->type, (enum quant_effort)effort, 0, TIER_SCALAR};
            through(how, r->x[i], importance ? w : NULL, y);
            struct measure m = measure(r->x[i], y, importance);
            sum[effort] += sqrt(m.e / m.power);
            good[effort] += m.e <= json_number_value(json_array_get(b->peer_rows, (size_t)i)) * (1 + 1e-5);
            check(m.e <= last * (1 + 1e-5), name, "more effort is worse");
            last = m.e;
            price = effort == QUANT_NORMAL ? price_of_gain(b->type, r->x[i], y, importance) : price;
        }
        check_gain(b, r->x[i], importance, importance ? w : NULL, price);
    }
    printf("%-8s %s", name, b->importance ? "w  " : "1  ");
    for (int effort = 0; effort < EFFORTS; effort++) {
        double mean = sum[effort] / r->n, most = effort == QUANT_MAX ? 1.003 : 1.015;
        char what[160];
        snprintf(what, sizeof what, "error %.5f, %.4f of the peer's, %.4f of the prototype's, %d rows", mean,
                 mean / b->peer, b->prototype > 0 ? mean / b->prototype : 0, good[effort]);
        printf("  %.5f %.4f %2d", mean, mean / b->peer, good[effort]);
        int is_good = mean <= b->peer * (1 + 1e-4) && good[effort] >= r->n - 2 &&
                      (!(b->prototype > 0) || mean <= most * b->prototype);
        check(effort == QUANT_FAST || is_good, name, what);
    }
    putchar('\n');
}

/* ---- edges ------------------------------------------------------------------------------------------------------------------------- */

static int levels_of(enum block_type t)
{
    switch (t) {
    case TYPE_Q8_0:
        return 256;
    case TYPE_Q6_K:
        return 64;
    case TYPE_Q5_0:
    case TYPE_Q5_1:
    case TYPE_Q5_K:
        return 32;
    case TYPE_Q4_0:
    case TYPE_Q4_1:
    case TYPE_Q4_K:
    case TYPE_IQ4_NL:
    case TYPE_IQ4_XS:
        return 16;
    case TYPE_Q3_K:
        return 8;
    case TYPE_Q2_K:
        return 4;
    default:
        return 0;
    }
}

/* Returns the error. */
static double check_edge(struct quant_encoding how, const float *x, const float *w)
{
    const char *name = type_info(how.type)->name;
    float y[COLUMNS];
    int finite = 1, zero = 1, stays_zero = 1, constant = 1, near = 1, levels = levels_of(how.type);
    through(how, x, w, y);
    for (int k = 0; k < COLUMNS; k++) {
        finite &= isfinite(y[k]) != 0;
        zero &= x[k] == 0;
        stays_zero &= y[k] == 0;
        constant &= x[k] == x[0];
        near &= levels == 0 || fabsf(y[k] - x[k]) <= fabsf(x[k]) / (2 * (float)levels);
    }
    check(finite, name, "an edge row has values that are none");
    check(!zero || stays_zero, name, "a row of zeros is none");
    check(!constant || fabsf(x[0]) < 1e-20f || fabsf(x[0]) > 1e5f || near, name, "a constant is far off");
    return measure(x, y, w).e;
}

static void check_edges(enum block_type t, const struct rows *r)
{
    for (int i = 0; i < r->n; i++) {
        double last[2] = {INFINITY, INFINITY}; /* of less effort without the gain: without weights and with them */
        for (int k = 0; k < EFFORTS * 4; k++) {
            float w[COLUMNS], y[COLUMNS];
            struct quant_encoding how = {t, (enum quant_effort)(k / 4), k & 1, TIER_SCALAR};
            quant_weights(r->importance[i], COLUMNS, w);
            double e = check_edge(how, r->x[i], k & 2 ? w : NULL);
            if (!how.gain) {
                check(e <= last[k / 2 & 1] * (1 + 1e-5), type_info(t)->name, "more effort is worse on an edge row");
                last[k / 2 & 1] = e;
            }
            for (int c = 0; c < COLUMNS; c++)
                y[c] = r->x[i][c] * 1e33f;
            if (isfinite(y[0]) && i < 5)
                check_edge(how, y, NULL);
        }
    }
}

/* ---- own grids, weights ------------------------------------------------------------------------------------------------------------ */

/* What was decoded once is encoded without loss: bit for bit where the extreme level is in each block. (A group of iq1_m may be all alike:
 * several scales give that, and the block's was another's.) */
static void check_grid(enum block_type t, const struct rows *r)
{
    static const enum block_type exact[] = {TYPE_Q8_0,  TYPE_Q4_0,  TYPE_Q5_0,  TYPE_IQ4_NL,
                                            TYPE_MXFP4, TYPE_TQ1_0, TYPE_TQ2_0, TYPE_Q1_0};
    int is_exact = 0, is_k = type_info(t)->block == 256 && t != TYPE_IQ1_M;
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        is_exact |= exact[i] == t;
    for (int i = 0; (is_exact || is_k) && i < r->n; i++)
        for (int effort = 0; effort < EFFORTS; effort++) {
            float y[COLUMNS], z[COLUMNS];
            char what[100];
            struct quant_encoding first = {t, QUANT_FAST, 0, TIER_SCALAR},
                                  again = {t, (enum quant_effort)effort, 1, TIER_SCALAR};
            through(first, r->x[i], NULL, y);
            through(again, y, NULL, z);
            int same = 1;
            for (int k = 0; k < COLUMNS; k++)
                same &= y[k] == z[k];
            struct measure m = measure(y, z, NULL);
            snprintf(what, sizeof what, "values of its own grid change by %.3g of their power", m.e / m.power);
            check(is_exact ? same : effort == QUANT_FAST || m.e <= 1e-4 * m.power, type_info(t)->name, what);
        }
}

static void check_weights(const struct rows *r)
{
    static float more[COLUMNS], a[COLUMNS], b[COLUMNS];
    for (int i = 0; i < r->n; i++) {
        for (int k = 0; k < COLUMNS; k++)
            more[k] = 1024 * r->importance[i][k];
        check(!quant_weights(r->importance[i], COLUMNS, a) && !quant_weights(more, COLUMNS, b), "weights", "refused");
        check(memcmp(a, b, sizeof a) == 0, "weights", "their size counts");
    }
    for (int k = 0; k < COLUMNS; k++)
        more[k] = ldexpf(a[k] = k % 2 ? 1e-43f : 0, 40);
    check(!quant_weights(a, COLUMNS, a) && !quant_weights(more, COLUMNS, b), "weights", "tiny ones refused");
    check(memcmp(a, b, sizeof a) == 0 && a[1] > 0.5f && a[1] < 4, "weights", "tiny ones have others");
    const float nothing[3] = {0, 0, 0}, endless[3] = {1, INFINITY, 1}, no_number[3] = {1, NAN, 1};
    check(quant_weights(nothing, 3, a) < 0 && a[0] == 1 && a[2] == 1, "weights", "a mean of 0");
    check(quant_weights(endless, 3, a) < 0 && a[1] == 1, "weights", "an infinite one");
    check(quant_weights(no_number, 3, a) < 0 && a[1] == 1, "weights", "one that is no number");
}

/* ---- large values ------------------------------------------------------------------------------------------------------------------ */

enum { BLOCK = 256 };

/* Errors of a block against its power, both weighed by w sqrt(4 + x^2 / mean x^2). by: y is that many times as large. */
static double error_of_large(const float *x, const float *y, const float *w, double by)
{
    double mean = 0, e = 0, power = 0;
    for (int k = 0; k < BLOCK; k++)
        mean += (double)x[k] * (double)x[k] / BLOCK;
    for (int k = 0; k < BLOCK; k++) {
        double v = (double)x[k], off = v - by * (double)y[k], weight = (double)w[k] * sqrt(4 + v * v / mean);
        e += weight * off * off;
        power += weight * v * v;
    }
    return e / power;
}

static double gain_of(const float *x, const float *y, const float *w)
{
    double power = 0, product = 0;
    for (int k = 0; k < BLOCK; k++) {
        power += (double)w[k] * (double)x[k] * (double)x[k];
        product += (double)w[k] * (double)x[k] * (double)y[k];
    }
    return power / product;
}

/* The errors of all rows with the gain, as large values weigh, against those of the blocks of least error times their gain. */
static void check_large(const struct rows *r, enum block_type type, enum quant_effort effort, double least, double most)
{
    double ours = 0, alone = 0;
    for (int i = 0; i < r->n; i++) {
        float w[COLUMNS], y[COLUMNS], z[COLUMNS];
        quant_weights(r->importance[i], COLUMNS, w);
        through((struct quant_encoding){type, effort, 0, TIER_SCALAR}, r->x[i], w, y);
        through((struct quant_encoding){type, effort, 1, TIER_SCALAR}, r->x[i], w, z);
        for (int at = 0; at < COLUMNS; at += BLOCK) {
            alone += error_of_large(r->x[i] + at, y + at, w + at, gain_of(r->x[i] + at, y + at, w + at));
            ours += error_of_large(r->x[i] + at, z + at, w + at, 1);
        }
    }
    char what[100];
    snprintf(what, sizeof what, "effort %d: errors of large values are %.4f of those with the gain alone", (int)effort,
             ours / alone);
    check(ours >= least * alone && ours <= most * alone, type_info(type)->name, what);
}

/* ---- a few rows -------------------------------------------------------------------------------------------------------------------- */

/* Values halfway between levels of a scale of 1, where the extreme level is -half: they round to even ones. */
static void encode_ties(enum block_type t)
{
    static const int halves[] = {4, 8, 16, 32, 127};
    float x[COLUMNS], y[COLUMNS];
    for (size_t h = 0; h < sizeof halves / sizeof *halves; h++) {
        for (int k = 0; k < COLUMNS; k++)
            x[k] = k % 16 == 0 ? (float)-halves[h] : (float)(k * 5 % (2 * halves[h]) - halves[h]) + 0.5f;
        through((struct quant_encoding){t, QUANT_FAST, 0, TIER_SCALAR}, x, NULL, y);
    }
}

/* Every type, effort and kind of row, with importance and without, with gain and without: not each with each. */
static void encode_few(const struct rows *rows, const struct rows *edges)
{
    float w[COLUMNS], y[COLUMNS];
    for (uint32_t t = 0; t < TYPE_COUNT; t++) {
        if (type_info(t) == NULL || type_info(t)->block == 1 || COLUMNS % type_info(t)->block != 0)
            continue;
        encode_ties((enum block_type)t);
        for (int i = 0; i < edges->n; i++)
            through((struct quant_encoding){(enum block_type)t, QUANT_FAST, i & 1, TIER_SCALAR}, edges->x[i], NULL, y);
        for (int i = 0; i < rows->n; i += 6) {
            quant_weights(rows->importance[i], COLUMNS, w);
            through((struct quant_encoding){(enum block_type)t, QUANT_NORMAL, 1, TIER_SCALAR}, rows->x[i],
                    i % 4 ? w : NULL, y);
        }
        through((struct quant_encoding){(enum block_type)t, QUANT_MAX, 0, TIER_SCALAR}, rows->x[1], NULL, y);
    }
}

/* The hash of what was encoded since `all` began. */
static void check_hash(uint64_t wanted, const char *what)
{
    uint64_t hash = hash_end(all);
    printf("%s bytes: %016" PRIx64 ", encoders %d\n", what, hash, QUANT_ENCODER_VERSION);
    check(hash == wanted, what, "other bytes than before");
}

static void check_type(json_t *bar, const struct rows *rows, const struct rows *edges)
{
    int t = type_by_name(json_string_value(json_object_get(bar, "type")));
    if (t < 0)
        return;
    struct bar b = {(enum block_type)t, (int)json_integer_value(json_object_get(bar, "importance")),
                    json_number_value(json_object_get(bar, "peer_mean_rel")),
                    json_number_value(json_object_get(bar, "proto_mean_rel")), json_object_get(bar, "peer_rows")};
    check_bar(&b, rows);
    if (b.importance)
        return;
    check_edges(b.type, edges);
    check_grid(b.type, rows);
}

static int report(void)
{
    free(scratch);
    printf("%d passed, %d failed, 0 skipped\n", n_passed, n_failed);
    return n_failed != 0;
}

int main(int argc, char **argv)
{
    int few_alone = argc > 1 && strcmp(argv[1], "--bytes") == 0;
    const char *folder = argc > 1 + few_alone ? argv[1 + few_alone] : TEST_DATA "/quantize";
    static struct rows rows, edges;
    char path[400], *line = NULL;
    size_t size = 0;
    if (read_rows(&rows, folder, "encoder_rows.bin", ROWS) || read_rows(&edges, folder, "encoder_edges.bin", EDGES)) {
        printf("%s: encoder_rows.bin and encoder_edges.bin do not have %d and %d rows\n", folder, ROWS, EDGES);
        return 1;
    }
    scratch = aligned_alloc(64, (quant_scratch_bytes() + 63) / 64 * 64);
    all = hash_begin();
    check_weights(&rows);
    for (int k = 0; k < 2; k++) {
        enum block_type type = k ? TYPE_IQ3_XXS : TYPE_IQ3_S;
        check_large(&rows, type, QUANT_FAST, 0.999, 1.001);
        check_large(&rows, type, QUANT_NORMAL, 0, 0.995);
    }
    encode_few(&rows, &edges);
    check_hash(BYTES_OF_FEW, "few");
    if (few_alone)
        return report();
    snprintf(path, sizeof path, "%s/encoder_bars.jsonl", folder);
    FILE *f = fopen(path, "r");
    int n_lines = 0;
    all = hash_begin();
    puts("type          fast: error, of the peer's, rows   normal                max");
    for (; f && scratch && getline(&line, &size, f) > 0; n_lines++) {
        json_t *bar = json_loads(line, 0, NULL);
        check_type(bar, &rows, &edges);
        json_decref(bar);
    }
    check_hash(BYTES_OF_ALL, "all");
    check(n_lines == 48, "all types", "there are 48 lines of bars");
    free(line);
    if (f)
        fclose(f);
    return report();
}
