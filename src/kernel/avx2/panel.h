/* The panel of the AVX2 tile: sixteen weight rows of one step, unpacked so that lanes are rows. It is filled from a row's codes in a line,
 * eight lines transposed, or from steps that were unpacked before.
 *
 *   code (k4, r): four codes, 4 k4 .. 4 k4 + 3, of eight weight rows, one row a lane
 *   word (k2, r): two codes as 16 bits, 2 k2 and 2 k2 + 1, of eight weight rows, times their integer scale where there is one */
#ifndef KERNEL_AVX2_PANEL_H
#define KERNEL_AVX2_PANEL_H

#include "kernel/avx2/simd.h"
#include "kernel/avx2/small.h"
#include "kernel/tiers.h"
#include "kernel/unpack.h"

enum { R = 2, ROWS = 8 * R };

struct panel {
    union {
        __m256i code[64][R];
        __m256i word[128][R];
    };
    __m256i scale[16][R]; /* int16, the same one twice: a group of the K family */
    /* pairs of int16, of 16-value groups 2 i and 2 i + 1: minima, or the scales that a zero point needs */
    __m256i pair[8][R];
    __m256 d[16][R], dmin[R], m[8][R];
};

_Static_assert(sizeof(struct panel) <= TILE_PANEL_BYTES && (int)ROWS <= (int)TILE_GROUP, "the panel fits its scratch");

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

/* The same as words, which are their codes times `scale`, the integer scale of each thirty-two, or NULL. */
static void transpose_words(struct panel *P, int r, const void *p, size_t rs, int n, const __m256i (*scale)[R])
{
    const __m256i low = _mm256_set_epi8(13, -1, 12, -1, 9, -1, 8, -1, 5, -1, 4, -1, 1, -1, 0, -1, 13, -1, 12, -1, 9, -1,
                                        8, -1, 5, -1, 4, -1, 1, -1, 0, -1);
    const __m256i high = _mm256_set_epi8(15, -1, 14, -1, 11, -1, 10, -1, 7, -1, 6, -1, 3, -1, 2, -1, 15, -1, 14, -1, 11,
                                         -1, 10, -1, 7, -1, 6, -1, 3, -1, 2, -1);
    __m256i v[8];
    for (int i = 0; i < n; i += 32) {
        load_transposed(v, (const uint8_t *)p + i, rs);
        const __m256i s = scale ? scale[i / 32][r] : _mm256_set1_epi16(1);
        UNROLL for (int j = 0; j < 8; j++)
        {
            __m256i *o = &P->word[i / 2 + 2 * j][r];
            o[0] = _mm256_mullo_epi16(_mm256_srai_epi16(_mm256_shuffle_epi8(v[j], low), 8), s);
            o[R] = _mm256_mullo_epi16(_mm256_srai_epi16(_mm256_shuffle_epi8(v[j], high), 8), s);
        }
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

#endif
