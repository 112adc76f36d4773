/* The tile of AVX2, and of 256-bit VNNI where the compiler has it: sixteen weight rows are unpacked one step at a time to a panel in L1,
 * which meets the activation rows three at a time. Lanes are rows, as in avx512/tile.c.
 *
 * Without VNNI a product of bytes goes through 16-bit pairs. Codes of up to 7 bits are made unsigned (the zero point is taken
 * off the sums), so that several products may be added in 16 bits before they are widened: 8 * 2 * 15 * 127, 4 * 2 * 31 * 127,
 * 2 * 2 * 63 * 127 and 2 * 127 * 127 are below 32768. The K family's integer scale is the factor of that widening. Codes of 8 bits
 * become signed words, already times their integer scale, and meet activations that are words too: two products of words replace a
 * product of bytes, its widening and the moving of signs, and are 1.1 to 1.25 times as fast (AMD family 25). VNNI adds four
 * products in 32 bits at once, of codes that are all made unsigned; a scale multiplies their sum. */
#ifndef KERNEL_AVX2_TILE_H
#define KERNEL_AVX2_TILE_H

#include "kernel/avx2/panel.h"
#include "kernel/unpack.h"

#include <stdbool.h>

enum { TOKENS = 3 };

/* together: products added in 16 bits before widening; 0: words. zp: the zero point of unsigned codes. */
struct variant {
    enum act_family family;
    int sub, together, zp;
    enum minima minima;
};

/* One step of some activation rows; the pointers are those of its first row. */
struct part {
    int m, n_blocks;
    const int8_t *q;
    const float *dx;
    const int16_t *s16, *s32;
    float *acc;      /* [m][ROWS] */
    uintptr_t ahead; /* what to prefetch meanwhile, */
    int ahead_lines; /* spread over the groups of rows */
};

/* Keeps gcc 12 from forming all products first and spilling them. */
#define PIN(v) __asm__("" : "+x"(v))

/* sum + the products of group g of T rows (a constant), times `factor`, 16 bits twice, or 1 where it is NULL. */
#if defined(VNNI)
INL void group_products(__m256i sum[R][TOKENS], const struct panel *P, const struct variant kind, const int T, int g,
                        const int8_t *q, const __m256i *factor)
{
    const int depth = kind.sub / 4;
    __m256i a[R][TOKENS];
    UNROLL for (int t = 0; t < T; t++) UNROLL for (int r = 0; r < R; r++) a[r][t] = factor ? _mm256_setzero_si256()
                                                                                           : sum[r][t];
    UNROLL for (int k = 0; k < depth; k++)
    {
        const __m256i *w = P->code[g * depth + k];
        UNROLL for (int t = 0; t < T; t++)
        {
            __m256i b = broadcast32(q + t * STEP + (g * depth + k) * 4);
            UNROLL for (int r = 0; r < R; r++) a[r][t] = ADD_FOUR_PRODUCTS(a[r][t], w[r], b);
        }
    }
    UNROLL for (int r = 0; r < R; r++)
    {
        const __m256i scale = factor ? _mm256_srai_epi32(factor[r], 16) : _mm256_setzero_si256();
        UNROLL for (int t = 0; t < T; t++)
            sum[r][t] = factor ? _mm256_add_epi32(sum[r][t], _mm256_mullo_epi32(a[r][t], scale)) : a[r][t];
    }
}
#else
INL void group_products(__m256i sum[R][TOKENS], const struct panel *P, const struct variant kind, const int T, int g,
                        const int8_t *q, const __m256i *factor)
{
    const __m256i ones = _mm256_set1_epi16(1);
    const int depth = kind.sub / 4, together = kind.together;
    UNROLL for (int k = 0; k < depth; k += together)
    {
        __m256i a[R][TOKENS];
        UNROLL for (int j = 0; j < together; j++)
        {
            const __m256i *w = P->code[g * depth + k + j];
            UNROLL for (int t = 0; t < T; t++)
            {
                __m256i b = broadcast32(q + t * STEP + (g * depth + k + j) * 4);
                UNROLL for (int r = 0; r < R; r++)
                {
                    __m256i p = _mm256_maddubs_epi16(w[r], b);
                    a[r][t] = j ? _mm256_add_epi16(a[r][t], p) : p;
                    PIN(a[r][t]);
                }
            }
        }
        UNROLL for (int t = 0; t < T; t++) UNROLL for (int r = 0; r < R; r++)
            sum[r][t] = _mm256_add_epi32(sum[r][t], _mm256_madd_epi16(a[r][t], factor ? factor[r] : ones));
    }
}
#endif

/* sum + the products of values `first` .. `first` + n - 1 (n a constant) of T rows x. */
INL void word_products(__m256i sum[R][TOKENS], const struct panel *P, const int T, const int16_t (*x)[STEP], int first,
                       const int n)
{
    const __m256i(*w)[R] = P->word + first / 2;
    for (int k = 0; k < n / 2; k++) {
        UNROLL for (int t = 0; t < T; t++)
        {
            __m256i b = broadcast32(x[t] + first + 2 * k);
            UNROLL for (int r = 0; r < R; r++)
            {
                sum[r][t] = _mm256_add_epi32(sum[r][t], _mm256_madd_epi16(w[k][r], b));
                PIN(sum[r][t]);
            }
        }
    }
}

/* The codes of T rows as words. */
INL void words_of_rows(int16_t (*x)[STEP], const int8_t *q, const int T)
{
    for (int i = 0; i < T * STEP; i += 16)
        _mm256_storeu_si256((__m256i *)(x[0] + i), _mm256_cvtepi8_epi16(load128(q + i)));
}

/* Sum of pairs times sums of activations. */
INL __m256i pair_sums(const struct panel *P, int r, const int16_t *s16)
{
    __m256i m = _mm256_setzero_si256();
    UNROLL for (int i = 0; i < 8; i++)
        m = _mm256_add_epi32(m, _mm256_madd_epi16(P->pair[i][r], broadcast32(s16 + 2 * i)));
    return m;
}

INL void k_step(const struct panel *P, const struct variant kind, const int T, const struct part *a)
{
    __m256i s[R][TOKENS];
    UNROLL for (int t = 0; t < T; t++) UNROLL for (int r = 0; r < R; r++) s[r][t] = _mm256_setzero_si256();
    if (kind.together) {
        for (int g = 0; g < STEP / kind.sub; g++)
            group_products(s, P, kind, T, g, a->q, P->scale[g]);
    } else {
        int16_t x[TOKENS][STEP];
        words_of_rows(x, a->q, T);
        word_products(s, P, T, x, 0, STEP);
    }
    UNROLL for (int t = 0; t < T; t++) UNROLL for (int r = 0; r < R; r++)
    {
        float *o = a->acc + t * ROWS + r * 8;
        const __m256 dx = _mm256_set1_ps(a->dx[t]);
        __m256 y = _mm256_loadu_ps(o);
        __m256i pairs = kind.zp || kind.minima ? pair_sums(P, r, a->s16 + 16 * t) : _mm256_setzero_si256();
        if (kind.zp)
            s[r][t] = _mm256_sub_epi32(s[r][t], _mm256_mullo_epi32(pairs, _mm256_set1_epi32(kind.zp)));
        y = _mm256_fmadd_ps(_mm256_mul_ps(P->d[0][r], dx), _mm256_cvtepi32_ps(s[r][t]), y);
        if (kind.minima == MIN_INT)
            y = _mm256_fnmadd_ps(_mm256_mul_ps(P->dmin[r], dx), _mm256_cvtepi32_ps(pairs), y);
        _mm256_storeu_ps(o, y);
    }
}

INL void small_step(const struct panel *P, const struct variant kind, const int T, const struct part *a)
{
    int16_t x16[TOKENS][STEP];
    if (!kind.together)
        words_of_rows(x16, a->q, T);
    for (int g = 0; g < a->n_blocks * (32 / kind.sub); g++) {
        __m256i v[R][TOKENS];
        UNROLL for (int t = 0; t < T; t++) UNROLL for (int r = 0; r < R; r++)
            v[r][t] = _mm256_set1_epi32(-kind.zp * (kind.sub == 16 ? a->s16[t * 16 + g] : a->s32[t * 8 + g]));
        if (kind.together)
            group_products(v, P, kind, T, g, a->q, NULL);
        else
            word_products(v, P, T, x16, g * kind.sub, kind.sub);
        UNROLL for (int t = 0; t < T; t++)
        {
            const int x = t * 8 + g * kind.sub / 32;
            const __m256 dx = _mm256_set1_ps(a->dx[x]);
            UNROLL for (int r = 0; r < R; r++)
            {
                float *o = a->acc + t * ROWS + r * 8;
                __m256 y = _mm256_loadu_ps(o);
                y = _mm256_fmadd_ps(_mm256_mul_ps(P->d[g][r], dx), _mm256_cvtepi32_ps(v[r][t]), y);
                if (kind.minima == MIN_FLOAT)
                    y = _mm256_fmadd_ps(_mm256_mul_ps(P->m[g][r], dx), _mm256_set1_ps((float)a->s32[x]), y);
                _mm256_storeu_ps(o, y);
            }
        }
    }
}

INL void all_rows(const struct panel *P, const struct variant kind, struct part a)
{
    for (int left = (a.m + TOKENS - 1) / TOKENS; left > 0; left--) {
        int T = (a.m + left - 1) / left, lines = (a.ahead_lines + left - 1) / left;
        for (int i = 0; i < lines; i++, a.ahead += 64)
            prefetch_l2((const void *)a.ahead);
        a.ahead_lines -= lines;
        if (kind.family == ACT_X256) {
            switch (T) {
            case 3:
                k_step(P, kind, 3, &a);
                break;
            case 2:
                k_step(P, kind, 2, &a);
                break;
            default:
                k_step(P, kind, 1, &a);
                break;
            }
        } else {
            switch (T) {
            case 3:
                small_step(P, kind, 3, &a);
                break;
            case 2:
                small_step(P, kind, 2, &a);
                break;
            default:
                small_step(P, kind, 1, &a);
                break;
            }
        }
        a.m -= T;
        a.q += T * STEP;
        a.dx += T * (kind.family == ACT_X256 ? 1 : 8);
        a.s16 += T * 16;
        a.s32 += T * 8;
        a.acc += T * ROWS;
    }
}

#define VARIANT(name, ...)                                                                                             \
    static __attribute__((noinline)) void name(const struct panel *P, const struct part *a)                            \
    {                                                                                                                  \
        all_rows(P, (struct variant){__VA_ARGS__}, *a);                                                                \
    }
VARIANT(q4_k_products, ACT_X256, 32, 8, 0, MIN_INT)
VARIANT(q6_k_products, ACT_X256, 16, 2, 32, MIN_NONE)
VARIANT(q4_0_products, ACT_X32, 32, 8, 8, MIN_NONE)
VARIANT(q5_0_products, ACT_X32, 32, 4, 16, MIN_NONE)
VARIANT(q4_1_products, ACT_X32, 32, 8, 0, MIN_FLOAT)
VARIANT(q5_1_products, ACT_X32, 32, 4, 0, MIN_FLOAT)
VARIANT(mxfp4_products, ACT_X32, 32, 4, 16, MIN_NONE)
VARIANT(nvfp4_products, ACT_X32, 16, 4, 16, MIN_NONE)
VARIANT(q1_0_products, ACT_X32, 32, 8, 1, MIN_NONE)
VARIANT(q2_k_products, ACT_X256, 16, 4, 0, MIN_INT)
VARIANT(q3_k_products, ACT_X256, 16, 4, 4, MIN_NONE)
VARIANT(q5_k_products, ACT_X256, 32, 4, 0, MIN_INT)
VARIANT(tq_products, ACT_X256, 32, 8, 1, MIN_NONE)
VARIANT(k32_5_bits, ACT_X256, 32, 4, 16, MIN_NONE)
VARIANT(k16_5_bits, ACT_X256, 16, 4, 16, MIN_NONE)
VARIANT(k32_7_bits, ACT_X256, 32, 1, 64, MIN_NONE)
VARIANT(k16_7_bits, ACT_X256, 16, 1, 64, MIN_NONE)
#if defined(VNNI) /* one operand is unsigned */
enum { SIGNED_WORDS = 0 };
VARIANT(k32_signed, ACT_X256, 32, 1, 128, MIN_NONE)
VARIANT(b32_signed, ACT_X32, 32, 1, 128, MIN_NONE)
#else
enum { SIGNED_WORDS = 1 };
VARIANT(k32_signed, ACT_X256, 32, 0, 0, MIN_NONE)
VARIANT(b32_signed, ACT_X32, 32, 0, 0, MIN_NONE)
#endif

typedef void variant_fn(const struct panel *P, const struct part *a);

static const struct own_panel { /* codes and scales NULL: the panel is filled from unpacked steps */
    void (*codes)(uint8_t *u, const uint8_t *p, int n);
    void (*scales)(struct panel *P, int r, int lane, const uint8_t *p, int n);
    variant_fn *products;
    int zero_point; /* to be added to the codes */
    bool words;     /* a panel of words, without a zero point */
} own[TYPE_COUNT] = {
    [TYPE_Q4_K] = {codes_q4_k, scales_q4_k, q4_k_products},
    [TYPE_Q6_K] = {codes_q6_k, scales_q6_k, q6_k_products},
    [TYPE_Q8_0] = {codes_q8_0_row, scales_q8_0, b32_signed, SIGNED_ZERO, SIGNED_WORDS},
    [TYPE_Q4_0] = {codes_q4_0_row, scales_q4_0, q4_0_products},
    [TYPE_Q4_1] = {codes_q4_1_row, scales_q4_1, q4_1_products},
    [TYPE_Q5_0] = {codes_q5_0_row, scales_q5_0, q5_0_products},
    [TYPE_Q5_1] = {codes_q5_1_row, scales_q5_1, q5_1_products},
    [TYPE_IQ4_NL] = {codes_iq4_nl_row, scales_iq4_nl, b32_signed, SIGNED_ZERO, SIGNED_WORDS},
    [TYPE_MXFP4] = {codes_mxfp4_row, scales_mxfp4, mxfp4_products},
    [TYPE_NVFP4] = {codes_nvfp4_row, scales_nvfp4, nvfp4_products},
    [TYPE_Q1_0] = {codes_q1_0_row, scales_q1_0, q1_0_products},
    [TYPE_Q2_K] = {.products = q2_k_products},
    [TYPE_Q3_K] = {.products = q3_k_products, .zero_point = 4},
    [TYPE_Q5_K] = {.products = q5_k_products},
    [TYPE_TQ1_0] = {.products = tq_products, .zero_point = 1},
    [TYPE_TQ2_0] = {.products = tq_products, .zero_point = 1},
    [TYPE_IQ1_S] = {.products = k32_5_bits, .zero_point = 16},
    [TYPE_IQ1_M] = {.products = k16_5_bits, .zero_point = 16},
    [TYPE_IQ4_XS] = {.products = k32_signed, .zero_point = SIGNED_ZERO, .words = SIGNED_WORDS},
    [TYPE_IQ3_S] = {.products = k32_5_bits, .zero_point = 16},
    [TYPE_IQ3_XXS] = {.products = k32_7_bits, .zero_point = 64},
    [TYPE_IQ2_XXS] = {.products = k32_7_bits, .zero_point = 64},
    [TYPE_IQ2_XS] = {.products = k16_7_bits, .zero_point = 64},
    [TYPE_IQ2_S] = {.products = k16_7_bits, .zero_point = 64},
};

/* A step of eight rows at p to half r, unpacked first. */
static void fill_from_steps(struct panel *P, int r, const struct wmat *w, const uint8_t *p)
{
    const struct unpacking *u = &unpackings[w->type];
    struct step s[8];
    for (int lane = 0; lane < 8; lane++) {
        unpack_avx2[w->type](&s[lane], p + (size_t)lane * w->row_bytes, STEP);
        put_f32(&P->d[0][r], lane, s[lane].d[0]);
        if (u->minima == MIN_INT)
            put_f32(&P->dmin[r], lane, s[lane].dmin);
    }
    integer_scales(P, r, s, u);
    if (own[w->type].words)
        transpose_words(P, r, s[0].code, sizeof s[0], STEP, P->scale);
    else
        transpose(P, r, s[0].code, sizeof s[0], STEP, own[w->type].zero_point);
}

/* The same through codes and scales of the type's own. */
static void fill_from_lines(struct panel *P, int r, const struct wmat *w, const uint8_t *p, int n)
{
    const struct own_panel *o = &own[w->type];
    uint8_t line[8][STEP] __attribute__((aligned(32)));
    for (int lane = 0; lane < 8; lane++, p += w->row_bytes) {
        o->codes(line[lane], p, n);
        o->scales(P, r, lane, p, n);
    }
    if (o->words)
        transpose_words(P, r, line, sizeof line[0], n, NULL);
    else
        transpose(P, r, line, sizeof line[0], n, o->zero_point);
}

/* acc[n_rows][16] of the 16 weight rows at w; next: the bytes that this thread reads after them, prefetched in shares. */
static void group_rows(const struct wmat *w, const uint8_t *rows, const uint8_t *next, const struct xq *x,
                       struct panel *P, float *acc)
{
    variant_fn *products = own[w->type].products;
    const size_t step_bytes = type_row_bytes(type_info(w->type), STEP);
    const size_t share = (size_t)ROWS * w->row_bytes / (size_t)x->n_steps;
    const size_t d_row = x->family == ACT_X256 ? 1 : 8;
    memset(acc, 0, (size_t)x->n_rows * ROWS * sizeof *acc);
    for (int b = 0; b < x->n_steps; b++, rows += step_bytes) {
        const size_t at = (size_t)b * (size_t)x->plane;
        const int n = step_values(w->n_cols, b);
        for (int r = 0; r < R; r++) {
            const uint8_t *p = rows + (size_t)r * 8 * w->row_bytes;
            if (own[w->type].codes)
                fill_from_lines(P, r, w, p, n);
            else
                fill_from_steps(P, r, w, p);
        }
        products(P, &(struct part){
                        .m = x->n_rows,
                        .n_blocks = n / 32,
                        .q = x->code + at * STEP,
                        .dx = x->scale + at * d_row,
                        .s16 = x->sum16 + at * 16,
                        .s32 = x->sum32 + at * 8,
                        .acc = acc,
                        .ahead = (uintptr_t)next + (size_t)b * share,
                        .ahead_lines = next ? (int)(share / 64) + 1 : 0,
                    });
    }
}

/* Below this many activation rows pairs are faster (AMD family 25). */
static int tile_rows_min(enum block_type t)
{
    switch (t) {
    case TYPE_Q2_K:
    case TYPE_Q3_K:
    case TYPE_Q5_K:
    case TYPE_IQ4_XS:
    case TYPE_TQ2_0:
        return 5;
    default:
        return own[t].codes ? 5 : 4;
    }
}

static void tile(const struct kernels *k, const struct wmat *w, int n0, int n1, const struct xq *x, float *out,
                 size_t ld_out, const uint8_t *then, void *scratch)
{
    struct panel *P = scratch;
    float *acc = (float *)((char *)scratch + TILE_PANEL_BYTES);
    if (n1 - n0 < ROWS || x->n_rows < tile_rows_min(w->type)) {
        tile_by_dots(k, w, n0, n1, x, out, ld_out, then);
        return;
    }
    for (int n = n0; n < n1; n += ROWS) {
        if (n + ROWS > n1)
            n = n1 - ROWS; /* overlaps the group before: the same bits, written twice */
        const uint8_t *rows = w->data + (size_t)n * w->row_bytes;
        const uint8_t *next = n + ROWS < n1 ? rows + ROWS * w->row_bytes : then;
        group_rows(w, rows, next, x, P, acc);
        for (int r = 0; r < x->n_rows; r++)
            memcpy(out + (size_t)r * ld_out + n, acc + (size_t)r * ROWS, ROWS * sizeof *acc);
    }
}

static inline void fill_tile(struct kernels *k)
{
    for (int t = 0; t < TYPE_COUNT; t++)
        if (own[t].products)
            k->tile[t] = tile;
}

#endif
