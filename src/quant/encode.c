/* The table of encoders: see encode.h. A block is encoded in every way that the effort has, and the bytes with the least error stay;
 * what gain asks of them follows. */
#include "quant/encode.h"

#include "quant/encoders.h"
#include "quant/search.h"

#include "format/grids.h"

/* Levels are as the decoders have them: those of q8_0 and so on are codes less an offset. */
static const struct shape shapes[] = {
    [TYPE_Q8_0] = {LEVELS_WHOLE, SCALE_F16, 32, 32, 0, -127, 127, 127, 1.5f, 9, 0},
    [TYPE_Q4_0] = {LEVELS_WHOLE, SCALE_F16, 32, 32, 0, -8, 7, 8, 0.12f, 25, 1},
    [TYPE_Q5_0] = {LEVELS_WHOLE, SCALE_F16, 32, 32, 0, -16, 15, 16, 0.12f, 19, 1},
    [TYPE_IQ4_NL] = {LEVELS_IQ4, SCALE_F16, 32, 32, 0, -127, 113, 127, 1.5f, 25, 1},
    [TYPE_Q4_1] = {LEVELS_WHOLE, SCALE_F16, 32, 32, 1, 0, 15, 0, 0.05f, 37, 0},
    [TYPE_Q5_1] = {LEVELS_WHOLE, SCALE_F16, 32, 32, 1, 0, 31, 0, 0.05f, 37, 0},
    [TYPE_TQ1_0] = {LEVELS_WHOLE, SCALE_F16, 256, 256, 0, -1, 1, 6.5f, 0.75f, 15, 0},
    [TYPE_TQ2_0] = {LEVELS_WHOLE, SCALE_F16, 256, 256, 0, -1, 1, 6.5f, 0.75f, 15, 0},
    [TYPE_MXFP4] = {LEVELS_E2M1, SCALE_CODES, 32, 32, 0, -12, 12},
    [TYPE_NVFP4] = {LEVELS_E2M1, SCALE_CODES, 64, 16, 0, -12, 12},
    [TYPE_Q6_K] = {LEVELS_WHOLE, SCALE_STEPS, 256, 16, 0, -32, 31, 32, 0.1f, 19, 0, 1, 0, 1, -128, 127, 0, 1},
    [TYPE_Q3_K] = {LEVELS_WHOLE, SCALE_STEPS, 256, 16, 0, -4, 3, 4, 0.1f, 25, 1, 1, 0, 1, -32, 31},
    [TYPE_IQ4_XS] = {LEVELS_IQ4, SCALE_STEPS, 256, 32, 0, -127, 113, 127, 1.5f, 25, 1, 1, 0, 1, -32, 31},
    [TYPE_Q2_K] = {LEVELS_WHOLE, SCALE_STEPS, 256, 16, 1, 0, 3, 0, 0.05f, 37, 0, 1, 0, 1, 0, 15, 15},
    [TYPE_Q4_K] = {LEVELS_WHOLE, SCALE_STEPS, 256, 32, 1, 0, 15, 0, 0.05f, 37, 0, 1, 0, 1, 0, 63, 63},
    [TYPE_Q5_K] = {LEVELS_WHOLE, SCALE_STEPS, 256, 32, 1, 0, 31, 0, 0.05f, 37, 0, 1, 0, 1, 0, 63, 63},
#define GRID      LEVELS_GRID, SCALE_STEPS, 256
#define NO_STARTS 0, 0, 0, 0, 0, 0, 0
    [TYPE_IQ2_XXS] = {GRID, 32, NO_STARTS, 0.25f, 0.5f, 1, 0, 15, 0, 0, grid_iq2_xxs, 256, 8, 1, 0, 43},
    [TYPE_IQ2_XS] = {GRID, 16, NO_STARTS, 0.25f, 0.5f, 1, 0, 15, 0, 0, grid_iq2_xs, 512, 8, 1, 0, 43},
    [TYPE_IQ2_S] = {GRID, 16, NO_STARTS, 0.25f, 0.5f, 1, 0, 15, 0, 0, grid_iq2_s, 1024, 8, 0, 0, 43},
    [TYPE_IQ3_XXS] = {GRID, 32, NO_STARTS, 0.5f, 0.5f, 1, 0, 15, 0, 0, grid_iq3_xxs, 256, 4, 1, 0, 62},
    [TYPE_IQ3_S] = {GRID, 32, NO_STARTS, 1, 1, 2, 0, 15, 0, 0, grid_iq3_s, 512, 4, 0, 0, 15},
    [TYPE_IQ1_S] = {GRID, 32, NO_STARTS, 1, 1, 2, 0, 7, 0, 0, grid_iq1, 2048, 8, 0, 1, 2},
    [TYPE_IQ1_M] = {GRID, 16, NO_STARTS, 1, 1, 2, 0, 7, 0, 0, grid_iq1, 2048, 8, 0, 2, 2},
};

/* NULL: q1_0, whose best scale is found without a search. */
static const struct shape *shape_of(enum block_type type) { return type == TYPE_Q1_0 ? NULL : &shapes[type]; }

struct encoder {
    nearest_fn *nearest; /* NULL: a search of little effort is all there is */
    pack_fn *pack;
    int gain; /* d, and dmin where there is one, lie at these bytes; d -1: no gain by default */
    int d, dmin;
    int favours_large; /* blocks that are better at large values are taken, where they cost little: see favour_large() */
};

enum { BY_BLOCK = 1, BY_ROW = 2, NONE = -1 };

static const struct encoder table[TYPE_COUNT] = {
    [TYPE_Q4_0] = {nearest_q4_0, pack_q4_0, BY_ROW, 0, NONE},
    [TYPE_Q4_1] = {nearest_q4_1, pack_q4_1, BY_ROW, 0, 2},
    [TYPE_Q5_0] = {nearest_q5_0, pack_q5_0, BY_ROW, 0, NONE},
    [TYPE_Q5_1] = {nearest_q5_1, pack_q5_1, BY_ROW, 0, 2},
    [TYPE_Q8_0] = {nearest_q8_0, pack_q8_0},
    [TYPE_Q1_0] = {NULL, pack_q1_0},
    [TYPE_IQ4_NL] = {nearest_iq4_nl, pack_iq4_nl, BY_ROW, 0, NONE},
    [TYPE_MXFP4] = {nearest_mxfp4, pack_mxfp4},
    [TYPE_NVFP4] = {nearest_nvfp4, pack_nvfp4},
    [TYPE_TQ1_0] = {nearest_trits, pack_tq1_0},
    [TYPE_TQ2_0] = {nearest_trits, pack_tq2_0},
    [TYPE_Q2_K] = {nearest_q2_k, pack_q2_k, BY_BLOCK, 80, 82},
    [TYPE_Q3_K] = {nearest_q3_k, pack_q3_k, BY_BLOCK, 108, NONE},
    [TYPE_Q4_K] = {nearest_q4_k, pack_q4_k, BY_BLOCK, 0, 2},
    [TYPE_Q5_K] = {nearest_q5_k, pack_q5_k, BY_BLOCK, 0, 2},
    [TYPE_Q6_K] = {nearest_q6_k, pack_q6_k},
    [TYPE_IQ4_XS] = {nearest_iq4_xs, pack_iq4_xs, BY_BLOCK, 0, NONE},
    [TYPE_IQ2_XXS] = {NULL, pack_iq2_xxs, BY_BLOCK, 0, NONE},
    [TYPE_IQ2_XS] = {NULL, pack_iq2_xs, BY_BLOCK, 0, NONE},
    [TYPE_IQ2_S] = {NULL, pack_iq2_s, BY_BLOCK, 0, NONE},
    [TYPE_IQ3_XXS] = {NULL, pack_iq3_xxs, BY_BLOCK, 0, NONE, 1},
    [TYPE_IQ3_S] = {NULL, pack_iq3_s, BY_BLOCK, 0, NONE, 1},
    [TYPE_IQ1_S] = {NULL, pack_iq1_s, BY_BLOCK, 0, NONE},
    [TYPE_IQ1_M] = {NULL, pack_iq1_m, BY_BLOCK, 48, NONE},
};

enum { BLOCK_MOST = 256, BYTES_MOST = 256 };

static const float TINY = 0x1p-70f; /* such values are zeros in all types with f16 scales, and their squares in f32 */

static const struct search *search_of(enum cpu_tier tier)
{
#if defined(__x86_64__)
    enum cpu_tier best = tier < cpu_best_tier() ? tier : cpu_best_tier();
    if (best >= TIER_AVX2)
        return best >= TIER_AVX512 ? &search_avx512 : &search_avx2;
#endif
    (void)tier;
    return &search_scalar;
}

size_t quant_scratch_bytes(void) { return search_scalar.scratch(); }

/* ---- the best of several ways ------------------------------------------------------------------------------------------------------ */

/* sum w (x - x̂)^2, x̂ as it is decoded. */
static float error_of(const struct block_info *type, const float *x, const float *w, const uint8_t *bytes)
{
    float y[BLOCK_MOST], sum[8] = {0};
    type->decode(y, bytes, (size_t)type->block);
    for (int i = 0; i < type->block; i++) {
        float off = x[i] - y[i];
        sum[i % 8] += w[i] * off * off;
    }
    return join_sums(sum);
}

struct row_of {
    const struct quant_encoding *how;
    const struct block_info *type;
    const struct search *search;
    const float *x, *w;
    void *scratch;
};

/* Puts block b in place of what is there, where its error is less. */
static void put_better(const struct row_of *r, int at, const struct block *b, uint8_t *out, float *error)
{
    uint8_t bytes[BYTES_MOST];
    const float *x = r->x + at * r->type->block, *w = r->w + at * r->type->block;
    table[r->how->type].pack(b, bytes);
    float e = error_of(r->type, x, w, bytes);
    if (e < *error || !(*error < INFINITY)) {
        memcpy(out, bytes, (size_t)r->type->bytes);
        *error = e;
    }
}

static void encode_some(const struct row_of *r, int n, uint8_t *out)
{
    static const struct effort efforts[] = {[QUANT_FAST] = {0, 0, 1, 1, 0, NULL},
                                            [QUANT_NORMAL] = {0.35f, 3, 2, 3, 1, NULL},
                                            [QUANT_MAX] = {3, 8, 15, 8, 2, &efforts[QUANT_NORMAL]}};
    const struct encoder *e = &table[r->how->type];
    struct block b[SEARCH_BLOCKS];
    float error[SEARCH_BLOCKS];
    for (int i = 0; i < n; i++) {
        const float *x = r->x + i * r->type->block;
        memset(&b[i], 0, sizeof b[i]);
        error[i] = INFINITY;
        if (r->how->type == TYPE_Q1_0)
            find_q1_0(x, r->w + i * r->type->block, &b[i]);
        else if (e->nearest)
            e->nearest(x, &b[i]);
        put_better(r, i, &b[i], out + i * r->type->bytes, &error[i]);
    }
    /* On grids a larger effort tries what a lesser one does. */
    int from = e->nearest ? QUANT_NORMAL : r->how->effort;
    const struct shape *h = shape_of(r->how->type);
    for (int effort = from; h && effort <= (int)r->how->effort; effort++) {
        r->search->blocks(h, &efforts[effort], r->x, r->w, n, b, r->scratch);
        for (int i = 0; i < n; i++)
            if (fabsf(extreme_of(r->x + i * r->type->block, r->type->block)) > TINY)
                put_better(r, i, &b[i], out + i * r->type->bytes, &error[i]);
    }
}

/* ---- gain --------------------------------------------------------------------------------------------------------------------------- */

struct products {
    double xx, xy, yy;
};

static void add_products(struct products *p, const struct row_of *r, int at, const uint8_t *bytes)
{
    float y[BLOCK_MOST];
    const float *x = r->x + at * r->type->block, *w = r->w ? r->w + at * r->type->block : NULL;
    r->type->decode(y, bytes, (size_t)r->type->block);
    for (int i = 0; i < r->type->block; i++) {
        double wx = (double)(w ? w[i] : 1) * (double)x[i];
        p->xx += wx * (double)x[i];
        p->xy += wx * (double)y[i];
        p->yy += (double)(w ? w[i] : 1) * (double)y[i] * (double)y[i];
    }
}

static void scale_f16(uint8_t *at, double by)
{
    uint16_t h;
    memcpy(&h, at, 2);
    put_f16(at, (float)((double)f16_to_f32(h) * by));
}

/* d of iq1_m: four bits of it lie above the scales in each of four words, the lowest first. */
static void scale_spread_f16(uint8_t *words, double by)
{
    unsigned bits = 0;
    for (int w = 0; w < 4; w++)
        bits |= (unsigned)(words[2 * w + 1] >> 4) << 4 * w;
    bits = f16_from_f32((float)((double)f16_to_f32((uint16_t)bits) * by));
    for (int w = 0; w < 4; w++)
        words[2 * w + 1] = (uint8_t)((words[2 * w + 1] & 15) | (bits >> 4 * w & 15) << 4);
}

static void apply_gain(const struct row_of *r, const struct products *p, int n, uint8_t *out)
{
    const struct encoder *e = &table[r->how->type];
    double by = p->xx / p->xy;
    for (int i = 0; p->xy > 0 && p->xx > 0 && by < 4 && i < n; i++) {
        (r->how->type == TYPE_IQ1_M ? scale_spread_f16 : scale_f16)(out + i * r->type->bytes + e->d, by);
        if (e->dmin >= 0)
            scale_f16(out + i * r->type->bytes + e->dmin, by);
    }
}

static void restore_gain(const struct row_of *r, int64_t n_block, uint8_t *out)
{
    struct products p = {0, 0, 0};
    int is_by_row = table[r->how->type].gain == BY_ROW;
    for (int64_t i = 0; i < n_block; i++) {
        uint8_t *block = out + i * r->type->bytes;
        add_products(&p, r, (int)i, block);
        if (!is_by_row) {
            apply_gain(r, &p, 1, block);
            p = (struct products){0, 0, 0};
        }
    }
    if (is_by_row)
        apply_gain(r, &p, (int)n_block, out);
}

/* ---- large values ------------------------------------------------------------------------------------------------------------------- */

/* Of the error that stays with the gain: 1.02 is the law (quantize.md 4.7), and the rounding of d takes a thousandth. */
static const double MOST_FOR_LARGE = 1.019;

/* sum w (x - x̂)^2 of a block once its gain is restored: the angle between x and x̂ decides it. NAN: the gain is not. */
static double error_with_gain(const struct products *p)
{
    return p->xy > 0 ? p->xx * (p->xx * p->yy / (p->xy * p->xy) - 1) : NAN;
}

/* x^2 / mean x^2; n is a power of two, whose inverse is exact. */
static void share_squares(const float *x, int n, double *share)
{
    double mean = 0, part = 1 / (double)n;
    for (int i = 0; i < n; i++)
        mean += (double)x[i] * (double)x[i] * part;
    for (int i = 0; i < n; i++)
        share[i] = mean > 0 ? (double)x[i] * (double)x[i] / mean : 0;
}

/* Encodes block i again, with errors of large values weighing more, and puts it in place of what is there if its error by w is hardly
 * greater: quantize.md 4.6. First strongly, then less so. */
static void favour_large(const struct row_of *r, int i, uint8_t *out)
{
    static const double less[] = {4, 8};
    float w[BLOCK_MOST];
    double share[BLOCK_MOST];
    uint8_t other[BYTES_MOST];
    int block = r->type->block, bytes = r->type->bytes;
    struct row_of one = *r, weighed = *r;
    struct products first = {0, 0, 0};
    one.x = weighed.x = r->x + i * block;
    one.w = r->w + i * block;
    weighed.w = w;
    share_squares(one.x, block, share);
    add_products(&first, &one, 0, out + i * bytes);
    for (int k = 0; k < 2; k++) {
        struct products second = {0, 0, 0};
        for (int j = 0; j < block; j++)
            w[j] = one.w[j] * (float)sqrt(less[k] + share[j]);
        encode_some(&weighed, 1, other);
        add_products(&second, &one, 0, other);
        if (error_with_gain(&second) <= MOST_FOR_LARGE * error_with_gain(&first)) {
            memcpy(out + i * bytes, other, (size_t)bytes);
            return;
        }
    }
}

/* ---- rows --------------------------------------------------------------------------------------------------------------------------- */

static void encode_blocks(const struct quant_encoding *how, const float *x, const float *w, int64_t n_block,
                          uint8_t *out, void *scratch)
{
    const struct block_info *type = type_info(how->type);
    struct row_of r = {how, type, search_of(how->tier), x, w, scratch};
    int favours_large = how->gain && how->effort != QUANT_FAST && table[how->type].favours_large;
    float ones[SEARCH_BLOCKS * BLOCK_MOST];
    for (int i = 0; !w && i < SEARCH_BLOCKS * type->block; i++)
        ones[i] = 1;
    if (shape_of(how->type))
        r.search->begin(shape_of(how->type), scratch);
    for (int64_t at = 0; at < n_block; at += SEARCH_BLOCKS) {
        int n = n_block - at < SEARCH_BLOCKS ? (int)(n_block - at) : SEARCH_BLOCKS;
        r.x = x + at * type->block;
        r.w = w ? w + at * type->block : ones;
        encode_some(&r, n, out + at * type->bytes);
        for (int i = 0; favours_large && i < n; i++)
            favour_large(&r, i, out + at * type->bytes);
    }
}

/* One number a block, rounded to nearest even. */
static void encode_f16(const float *x, int64_t n, uint8_t *out)
{
    for (int64_t i = 0; i < n; i++)
        put_f16(out + 2 * i, x[i]);
}

static void encode_bf16(const float *x, int64_t n, uint8_t *out)
{
    for (int64_t i = 0; i < n; i++)
        put_u16(out + 2 * i, bf16_from_f32(x[i]));
}

void quant_encode(const struct quant_encoding *how, const float *x, const float *w, int64_t n, uint8_t *out,
                  void *scratch)
{
    const struct block_info *type = type_info(how->type);
    if (how->type == TYPE_F32)
        memcpy(out, x, (size_t)n * sizeof *x);
    else if (how->type == TYPE_F16)
        encode_f16(x, n, out);
    else if (how->type == TYPE_BF16)
        encode_bf16(x, n, out);
    else {
        struct row_of r = {how, type, NULL, x, w, scratch};
        encode_blocks(how, x, w, n / type->block, out, scratch);
        if (how->gain && table[how->type].gain)
            restore_gain(&r, n / type->block, out);
    }
}

int quant_weights(const float *importance, int64_t n, float *w)
{
    double sum = 0;
    int exponent = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)importance[i];
    double mean = sum / (double)n;
    int is_usable = mean > 0 && mean < INFINITY;
    double part = is_usable ? frexp(mean, &exponent) : 0;
    double by = is_usable ? ldexp(1, part < 0.7 ? 1 - exponent : -exponent)
                          : 0; /* of a tiny mean no float is that large */
    for (int64_t i = 0; i < n; i++)
        w[i] = is_usable ? (float)((double)importance[i] * by) + 1e-6f * (float)(mean * by) : 1;
    return is_usable ? 0 : -1;
}

int64_t quant_find_bad(enum block_type type, const float *x, int64_t n)
{
    /* bf16 and f16 round: from half a step above their largest number on they would be infinite. */
    const float most = type == TYPE_F16 ? 65520.0f : type == TYPE_BF16 ? 0x1.ffp127f : INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (!(fabsf(x[i]) < most))
            return i;
    return -1;
}

uint64_t quant_count_lost(enum block_type type, const float *x, int64_t n)
{
    uint64_t lost = 0;
    for (int64_t i = 0; type == TYPE_F16 && i < n; i++)
        lost += x[i] != 0 && as_f16(x[i]) == 0;
    return lost;
}
