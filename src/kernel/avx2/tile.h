/* The tile of AVX2, and of 256-bit VNNI where the compiler has it: sixteen weight rows are unpacked one step at a time to a panel in L1,
 * which meets the activation rows three at a time. Lanes are rows, as in avx512/tile.c.
 *
 *   panel vector (k4, r): four codes, 4 k4 .. 4 k4 + 3, of eight weight rows, one row a lane
 *
 * Without VNNI a product of bytes goes through 16-bit pairs. Codes of up to 7 bits are made unsigned (the zero point is taken
 * off the sums), so that several products may be added in 16 bits before they are widened: 8 * 2 * 15 * 127, 4 * 2 * 31 * 127,
 * 2 * 2 * 63 * 127 and 2 * 127 * 127 are below 32768. Other types keep signed codes, at most 128 in magnitude, and widen every
 * pair. The K family's integer scale is the factor of that widening. VNNI adds four products in 32 bits at once, of codes
 * that are all made unsigned; a scale multiplies their sum. */
#ifndef KERNEL_AVX2_TILE_H
#define KERNEL_AVX2_TILE_H

#include "kernel/avx2/simd.h"
#include "kernel/avx2/small.h"
#include "kernel/tiers.h"
#include "kernel/unpack.h"

enum { R = 2, ROWS = 8 * R, TOKENS = 3 };

struct panel {
    __m256i code[64][R];
    __m256i scale[16][R]; /* int16, the same one twice: a group of the K family */
    /* pairs of int16, of 16-value groups 2 i and 2 i + 1: minima, or the scales that a zero point needs */
    __m256i pair[8][R];
    __m256 d[16][R], dmin[R], m[8][R];
};

_Static_assert(sizeof(struct panel) <= TILE_PANEL_BYTES && (int)ROWS <= (int)TILE_GROUP, "the panel fits its scratch");

/* together: products added in 16 bits before widening; 0: signed codes. zp: the zero point of unsigned codes. */
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
    float *acc; /* [m][ROWS] */
};

#if defined(__AVXVNNI__)
#define VNNI              1
#define ADD_FOUR_PRODUCTS _mm256_dpbusd_avx_epi32
#elif defined(__AVX512VNNI__) && defined(__AVX512VL__)
#define VNNI              1
#define ADD_FOUR_PRODUCTS _mm256_dpbusd_epi32
#endif

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
/* Keeps gcc 12 from forming all products first and spilling them. */
#define PIN(v) __asm__("" : "+x"(v))

INL void group_products(__m256i sum[R][TOKENS], const struct panel *P, const struct variant kind, const int T, int g,
                        const int8_t *q, const __m256i *factor)
{
    const __m256i ones = _mm256_set1_epi16(1);
    const int depth = kind.sub / 4, together = kind.together ? kind.together : 1;
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
                    __m256i p = kind.together ? _mm256_maddubs_epi16(w[r], b) : signed_pairs(w[r], b);
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
    for (int g = 0; g < STEP / kind.sub; g++)
        group_products(s, P, kind, T, g, a->q, P->scale[g]);
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
    for (int g = 0; g < a->n_blocks * (32 / kind.sub); g++) {
        __m256i v[R][TOKENS];
        UNROLL for (int t = 0; t < T; t++) UNROLL for (int r = 0; r < R; r++)
            v[r][t] = _mm256_set1_epi32(-kind.zp * (kind.sub == 16 ? a->s16[t * 16 + g] : a->s32[t * 8 + g]));
        group_products(v, P, kind, T, g, a->q, NULL);
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
        int T = (a.m + left - 1) / left;
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
enum { SIGNED_ZERO = 128 };
VARIANT(k32_signed, ACT_X256, 32, 1, 128, MIN_NONE)
VARIANT(b32_signed, ACT_X32, 32, 1, 128, MIN_NONE)
#else
enum { SIGNED_ZERO = 0 };
VARIANT(k32_signed, ACT_X256, 32, 0, 0, MIN_NONE)
VARIANT(b32_signed, ACT_X32, 32, 0, 0, MIN_NONE)
#endif

typedef void variant_fn(const struct panel *P, const struct part *a);

/* ---- filling the panel: a row's codes in a line, then eight lines transposed ---- */

static void codes_q4_k(uint8_t *u, const uint8_t *p, int n)
{
    const __m256i m4 = _mm256_set1_epi8(15);
    (void)n;
    for (int c = 0; c < 4; c++) {
        __m256i w = load256(p + 16 + 32 * c);
        _mm256_storeu_si256((__m256i *)(u + 64 * c), _mm256_and_si256(w, m4));
        _mm256_storeu_si256((__m256i *)(u + 64 * c + 32), _mm256_and_si256(_mm256_srli_epi16(w, 4), m4));
    }
}

static void codes_q6_k(uint8_t *u, const uint8_t *p, int n)
{
    const __m256i m4 = _mm256_set1_epi8(15), m30 = _mm256_set1_epi8(0x30);
    (void)n;
    for (int c = 0; c < 2; c++) {
        __m256i a = load256(p + 64 * c), b = load256(p + 64 * c + 32), h = load256(p + 128 + 32 * c);
        __m256i *o = (__m256i *)(u + 128 * c);
        _mm256_storeu_si256(o,
                            _mm256_or_si256(_mm256_and_si256(a, m4), _mm256_and_si256(_mm256_slli_epi16(h, 4), m30)));
        _mm256_storeu_si256(o + 1,
                            _mm256_or_si256(_mm256_and_si256(b, m4), _mm256_and_si256(_mm256_slli_epi16(h, 2), m30)));
        _mm256_storeu_si256(o + 2,
                            _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(a, 4), m4), _mm256_and_si256(h, m30)));
        _mm256_storeu_si256(o + 3, _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(b, 4), m4),
                                                   _mm256_and_si256(_mm256_srli_epi16(h, 2), m30)));
    }
}

/* The x32 types: n codes of a row, + their zero point if that is below 128. */
INL void codes_small(const enum block_type t, uint8_t *u, const uint8_t *p, int n)
{
    const struct small_type k = small_type(t);
    for (int i = 0; i < n; i += 32) {
        const uint8_t *b = p + (size_t)(i / k.values) * k.bytes;
        _mm256_storeu_si256((__m256i *)(u + i), block_codes(t, b, i % k.values / 32));
    }
}

/* Eight dwords at p of eight rows, rs bytes apart: vector j holds their dword j, lane = row. */
INL void load_transposed(__m256i o[8], const void *p, size_t rs)
{
    __m256i a[8], b[8];
    UNROLL for (int l = 0; l < 8; l += 2)
    {
        __m256i v = load256((const uint8_t *)p + (size_t)l * rs),
                w = load256((const uint8_t *)p + (size_t)(l + 1) * rs);
        a[l] = _mm256_unpacklo_epi32(v, w);
        a[l + 1] = _mm256_unpackhi_epi32(v, w);
    }
    UNROLL for (int l = 0; l < 8; l += 4)
    { /* b[l + j]: dword j (and j + 4) of rows l .. l + 3 */
        b[l] = _mm256_unpacklo_epi64(a[l], a[l + 2]);
        b[l + 1] = _mm256_unpackhi_epi64(a[l], a[l + 2]);
        b[l + 2] = _mm256_unpacklo_epi64(a[l + 1], a[l + 3]);
        b[l + 3] = _mm256_unpackhi_epi64(a[l + 1], a[l + 3]);
    }
    UNROLL for (int j = 0; j < 4; j++)
    {
        o[j] = _mm256_permute2x128_si256(b[j], b[j + 4], 0x20);
        o[4 + j] = _mm256_permute2x128_si256(b[j], b[j + 4], 0x31);
    }
}

/* The n codes at p of eight rows, rs bytes apart, to half r of the panel. */
static void transpose(struct panel *P, int r, const void *p, size_t rs, int n, int zero_point)
{
    __m256i v[8];
    for (int i = 0; i < n; i += 32) {
        load_transposed(v, (const uint8_t *)p + i, rs);
        UNROLL for (int j = 0; j < 8; j++)
            P->code[i / 4 + j][r] = _mm256_add_epi8(v[j], _mm256_set1_epi8((char)zero_point));
    }
}

INL void put16x2(__m256i *v, int lane, int low, int high)
{
    ((uint32_t *)v)[lane] = (uint16_t)low | (uint32_t)(uint16_t)high << 16;
}

INL void put_f32(__m256 *v, int lane, float f) { ((float *)v)[lane] = f; }

static void scales_q4_k(struct panel *P, int r, int lane, const uint8_t *p, int n)
{
    (void)n;
    put_f32(&P->d[0][r], lane, load_f16(p));
    put_f32(&P->dmin[r], lane, load_f16(p + 2));
    for (int g = 0; g < 8; g++) {
        const uint8_t *c = p + 4;
        int scale = g < 4 ? c[g] & 63 : (c[g + 4] & 15) | c[g - 4] >> 6 << 4;
        int min = g < 4 ? c[g + 4] & 63 : c[g + 4] >> 4 | c[g] >> 6 << 4;
        put16x2(&P->scale[g][r], lane, scale, scale);
        put16x2(&P->pair[g][r], lane, min, min); /* the two sixteens of its thirty-two */
    }
}

static void scales_q6_k(struct panel *P, int r, int lane, const uint8_t *p, int n)
{
    (void)n;
    const int8_t *s = (const int8_t *)p + 192;
    put_f32(&P->d[0][r], lane, load_f16(p + 208));
    for (int g = 0; g < 16; g++)
        put16x2(&P->scale[g][r], lane, s[g], s[g]);
    for (int g = 0; g < 8; g++)
        put16x2(&P->pair[g][r], lane, s[2 * g], s[2 * g + 1]);
}

INL void scales_small(const enum block_type t, struct panel *P, int r, int lane, const uint8_t *p, int n)
{
    const struct small_type k = small_type(t);
    for (int g = 0; g < n / 32; g++) {
        const uint8_t *b = p + (size_t)(32 * g / k.values) * k.bytes;
        if (t == TYPE_NVFP4) {
            put_f32(&P->d[2 * g][r], lane, ue4m3_half(b[g % 2 * 2]));
            put_f32(&P->d[2 * g + 1][r], lane, ue4m3_half(b[g % 2 * 2 + 1]));
            continue;
        }
        put_f32(&P->d[g][r], lane, t == TYPE_MXFP4 ? e8m0_half(b[0]) : _cvtsh_ss(load_u16(b)));
        if (k.has_min)
            put_f32(&P->m[g][r], lane, _cvtsh_ss(load_u16(b + 2)));
    }
}

#define SMALL(name, TYPE)                                                                                              \
    static void codes_##name##_row(uint8_t *u, const uint8_t *p, int n) { codes_small(TYPE, u, p, n); }                \
    static void scales_##name(struct panel *P, int r, int lane, const uint8_t *p, int n)                               \
    {                                                                                                                  \
        scales_small(TYPE, P, r, lane, p, n);                                                                          \
    }
SMALL(q4_0, TYPE_Q4_0)
SMALL(q4_1, TYPE_Q4_1)
SMALL(q5_0, TYPE_Q5_0)
SMALL(q5_1, TYPE_Q5_1)
SMALL(q8_0, TYPE_Q8_0)
SMALL(iq4_nl, TYPE_IQ4_NL)
SMALL(mxfp4, TYPE_MXFP4)
SMALL(nvfp4, TYPE_NVFP4)
SMALL(q1_0, TYPE_Q1_0)

static const struct own_panel { /* codes and scales NULL: the panel is filled from unpacked steps */
    void (*codes)(uint8_t *u, const uint8_t *p, int n);
    void (*scales)(struct panel *P, int r, int lane, const uint8_t *p, int n);
    variant_fn *products;
    int zero_point; /* to be added to the codes */
} own[TYPE_COUNT] = {
    [TYPE_Q4_K] = {codes_q4_k, scales_q4_k, q4_k_products},
    [TYPE_Q6_K] = {codes_q6_k, scales_q6_k, q6_k_products},
    [TYPE_Q8_0] = {codes_q8_0_row, scales_q8_0, b32_signed, SIGNED_ZERO},
    [TYPE_Q4_0] = {codes_q4_0_row, scales_q4_0, q4_0_products},
    [TYPE_Q4_1] = {codes_q4_1_row, scales_q4_1, q4_1_products},
    [TYPE_Q5_0] = {codes_q5_0_row, scales_q5_0, q5_0_products},
    [TYPE_Q5_1] = {codes_q5_1_row, scales_q5_1, q5_1_products},
    [TYPE_IQ4_NL] = {codes_iq4_nl_row, scales_iq4_nl, b32_signed, SIGNED_ZERO},
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
    [TYPE_IQ4_XS] = {.products = k32_signed, .zero_point = SIGNED_ZERO},
    [TYPE_IQ3_S] = {.products = k32_5_bits, .zero_point = 16},
    [TYPE_IQ3_XXS] = {.products = k32_7_bits, .zero_point = 64},
    [TYPE_IQ2_XXS] = {.products = k32_7_bits, .zero_point = 64},
    [TYPE_IQ2_XS] = {.products = k16_7_bits, .zero_point = 64},
    [TYPE_IQ2_S] = {.products = k16_7_bits, .zero_point = 64},
};

/* Integer scales and minima of eight steps at s, of the x256 family. */
static void integer_scales(struct panel *P, int r, const struct step *s, const struct unpacking *u)
{
    const __m256i first = _mm256_set_epi8(13, 12, 13, 12, 9, 8, 9, 8, 5, 4, 5, 4, 1, 0, 1, 0, 13, 12, 13, 12, 9, 8, 9,
                                          8, 5, 4, 5, 4, 1, 0, 1, 0);
    const __m256i second = _mm256_add_epi8(first, _mm256_set1_epi8(2));
    __m256i v[8], m[8];
    load_transposed(v, s->scale, sizeof *s);
    load_transposed(m, u->minima == MIN_INT ? s->min : s->scale, sizeof *s);
    UNROLL for (int j = 0; j < 8; j++)
    {
        P->pair[j][r] = m[j];
        if (u->sub == 32) {
            P->scale[j][r] = v[j]; /* both of a pair are equal */
        } else {
            P->scale[2 * j][r] = _mm256_shuffle_epi8(v[j], first);
            P->scale[2 * j + 1][r] = _mm256_shuffle_epi8(v[j], second);
        }
    }
}

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
    transpose(P, r, s[0].code, sizeof s[0], STEP, own[w->type].zero_point);
    integer_scales(P, r, s, u);
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
    transpose(P, r, line, sizeof line[0], n, o->zero_point);
}

static void group_rows(const struct wmat *w, const uint8_t *rows, const struct xq *x, struct panel *P, float *acc)
{
    variant_fn *products = own[w->type].products;
    const size_t step_bytes = type_row_bytes(type_info(w->type), STEP);
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
        tile_by_pairs(k, w, n0, n1, x, out, ld_out, then);
        return;
    }
    for (int n = n0; n < n1; n += ROWS) {
        if (n + ROWS > n1)
            n = n1 - ROWS; /* overlaps the group before: the same bits, written twice */
        group_rows(w, w->data + (size_t)n * w->row_bytes, x, P, acc);
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
