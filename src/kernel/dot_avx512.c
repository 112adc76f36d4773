/* The dot of one activation row, AVX-512 VNNI: four weight rows at a time, their sums closed together, the float sums in four
 * lanes, so that a step costs little beyond reading it.
 *
 * Every load lies inside its block. The loop over rows and the prefetching are in dot_rows.h. */
#if defined(__x86_64__)
#include "format/grids.h"
#include "kernel/dot_rows.h"
#include "kernel/simd_avx512.h"
#include "kernel/tiers.h"
#include "kernel/unpack.h"

#include <math.h>

/* Four rows' sums over all slots. */
INL __m128i fold(__m512i v)
{
    __m256i h = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
}

INL __m512i load_2x32(const void *a, const void *b)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)a)),
                              _mm256_loadu_si256((const __m256i *)b), 1);
}

INL __m512i load_4x16(const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d)
{
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)a));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)b), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)c), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)d), 3);
}

INL __m128 half4(const uint8_t *p, size_t rs) { return _mm_cvtph_ps(_mm_cvtsi64_si128((long long)u16x4(p, rs))); }

/* ---- the K family: acc of four rows at p, rs bytes apart, with one step added ---- */

/* The four headers, one a slot, decode as one vector: d dmin | s0 | s1 | s2 -> eight scales, eight minima in bytes. */
INL __m512i header_bytes(__m512i h)
{
    __m512i low = _mm512_srlv_epi32(_mm512_shuffle_epi32(h, 0xed), _mm512_set4_epi32(4, 0, 0, 0));
    __m512i high = _mm512_srli_epi32(_mm512_shuffle_epi32(h, 0x84), 2);
    low = _mm512_and_si512(low, _mm512_set4_epi32(0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f));
    return _mm512_or_si512(low, _mm512_and_si512(high, _mm512_set4_epi32(0x30303030, 0, 0x30303030, 0)));
}

/* Sums of minima times sums of activations, the four rows' in lanes 0..3. */
INL __m128i minima_sums(__m512i bytes, const int16_t *s32, __m512i first)
{
    const __m512i widen = _mm512_broadcast_i32x4(
        _mm_setr_epi8(8, -1, 9, -1, 10, -1, 11, -1, 12, -1, 13, -1, 14, -1, 15, -1));
    __m512i sums = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)s32));
    __m512i n = _mm512_madd_epi16(_mm512_shuffle_epi8(bytes, widen), sums);
    n = _mm512_add_epi32(n, _mm512_shuffle_epi32(n, 0x4e));
    n = _mm512_add_epi32(n, _mm512_shuffle_epi32(n, 0xb1));
    return _mm512_castsi512_si128(_mm512_permutexvar_epi32(first, n));
}

/* m, a constant: the activation rows that share the unpacking. */
INL void step_q4_k(__m128 *acc, const int m, const uint8_t *p, size_t rs, const struct xq *x, const size_t *at)
{
    const __m512i m4 = _mm512_set1_epi8(15);
    const __m512i first = _mm512_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
    /* 16-bit lanes of scale 0 below and of scale 2 above: + 4 c + high nibble */
    const __m512i pick = _mm512_inserti64x4(_mm512_set1_epi16((short)0x8000), _mm256_set1_epi16((short)0x8002), 1);
    __m512i xs[2][4], v[2][4];
    UNROLL for (int i = 0; i < m; i++)
    {
        const int8_t *q = x->code + at[i] * STEP;
        UNROLL for (int c = 0; c < 2; c++)
        {
            xs[i][2 * c] = load_2x32(q + 128 * c, q + 128 * c + 64);
            xs[i][2 * c + 1] = load_2x32(q + 128 * c + 32, q + 128 * c + 96);
        }
    }
    __m512i h = load_4x16(p, p + rs, p + 2 * rs, p + 3 * rs), bytes = header_bytes(h);
    UNROLL for (int r = 0; r < 4; r++)
    {
        const __m512i scales = _mm512_permutexvar_epi64(_mm512_set1_epi64(2 * r), bytes);
        UNROLL for (int i = 0; i < m; i++) v[i][r] = _mm512_setzero_si512();
        UNROLL for (int c = 0; c < 2; c++)
        {
            __m512i w = _mm512_loadu_si512(p + (size_t)r * rs + 16 + 64 * c);
            __m512i low = _mm512_and_si512(w, m4), high = _mm512_and_si512(_mm512_srli_epi16(w, 4), m4);
            __m512i s0 = _mm512_shuffle_epi8(scales, _mm512_add_epi16(pick, _mm512_set1_epi16((short)(4 * c))));
            __m512i s1 = _mm512_shuffle_epi8(scales, _mm512_add_epi16(pick, _mm512_set1_epi16((short)(4 * c + 1))));
            UNROLL for (int i = 0; i < m; i++)
            {
                v[i][r] = _mm512_dpwssd_epi32(v[i][r], _mm512_maddubs_epi16(low, xs[i][2 * c]), s0);
                v[i][r] = _mm512_dpwssd_epi32(v[i][r], _mm512_maddubs_epi16(high, xs[i][2 * c + 1]), s1);
            }
        }
    }
    __m128i dd = _mm512_castsi512_si128(_mm512_permutexvar_epi32(first, h));
    __m128 d = _mm_cvtph_ps(_mm_cvtepi32_epi16(dd)), dmin = _mm_cvtph_ps(_mm_cvtepi32_epi16(_mm_srli_epi32(dd, 16)));
    UNROLL for (int i = 0; i < m; i++)
    {
        __m128i msum = minima_sums(bytes, x->sum32 + at[i] * 8, first);
        __m128 dx = _mm_set1_ps(x->scale[at[i]]);
        acc[i] = _mm_fmadd_ps(_mm_mul_ps(d, dx), _mm_cvtepi32_ps(fold(rows4(v[i]))), acc[i]);
        acc[i] = _mm_fnmadd_ps(_mm_mul_ps(dmin, dx), _mm_cvtepi32_ps(msum), acc[i]);
    }
}

INL void step_q6_k(__m128 *acc, const int m, const uint8_t *p, size_t rs, const struct xq *x, const size_t *at)
{
    const __m512i m4 = _mm512_set1_epi8(15), m30 = _mm512_set1_epi8(0x30);
    /* high bits: the lower 32 codes take two bits, the upper 32 the next two */
    const __m512i left = _mm512_inserti64x4(_mm512_set1_epi16(4), _mm256_set1_epi16(2), 1);
    const __m512i right = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(2), 1);
    /* four 16-bit scales in every slot: slot j takes scale j of them */
    const __m512i spread = _mm512_set_epi64(0x0706070607060706, 0x0706070607060706, 0x0504050405040504,
                                            0x0504050405040504, 0x0302030203020302, 0x0302030203020302,
                                            0x0100010001000100, 0x0100010001000100);
    const __m256i zp = _mm256_set1_epi32(-32);
    __m512i v[2][4];
    UNROLL for (int r = 0; r < 4; r++)
    {
        const uint8_t *b = p + (size_t)r * rs;
        __m256i sc = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(b + 192)));
        UNROLL for (int i = 0; i < m; i++)
        {
            const __m256i sums = _mm256_loadu_si256((const __m256i *)(x->sum16 + at[i] * 16));
            v[i][r] = _mm512_zextsi256_si512(_mm256_mullo_epi32(_mm256_madd_epi16(sc, sums), zp));
        }
        UNROLL for (int c = 0; c < 2; c++)
        {
            __m512i w = _mm512_loadu_si512(b + 64 * c);
            __m512i h = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(b + 128 + 32 * c)));
            __m512i low = _mm512_and_si512(w, m4), high = _mm512_and_si512(_mm512_srli_epi16(w, 4), m4);
            low = _mm512_or_si512(low, _mm512_and_si512(_mm512_sllv_epi16(h, left), m30));
            high = _mm512_or_si512(high, _mm512_and_si512(_mm512_srlv_epi16(h, right), m30));
            __m512i wide = _mm512_castsi256_si512(sc);
            __m512i s0 = _mm512_shuffle_epi8(_mm512_permutexvar_epi64(_mm512_set1_epi64(2 * c), wide), spread);
            __m512i s1 = _mm512_shuffle_epi8(_mm512_permutexvar_epi64(_mm512_set1_epi64(2 * c + 1), wide), spread);
            UNROLL for (int i = 0; i < m; i++)
            {
                const int8_t *q = x->code + at[i] * STEP + 128 * c;
                v[i][r] = _mm512_dpwssd_epi32(v[i][r], _mm512_maddubs_epi16(low, _mm512_loadu_si512(q)), s0);
                v[i][r] = _mm512_dpwssd_epi32(v[i][r], _mm512_maddubs_epi16(high, _mm512_loadu_si512(q + 64)), s1);
            }
        }
    }
    __m128 half = half4(p + 208, rs);
    UNROLL for (int i = 0; i < m; i++)
    {
        __m128 d = _mm_mul_ps(half, _mm_set1_ps(x->scale[at[i]]));
        acc[i] = _mm_fmadd_ps(d, _mm_cvtepi32_ps(fold(rows4(v[i]))), acc[i]);
    }
}

/* ---- small blocks: four blocks of four rows become one vector of sums, slot = block, lane = row ---- */

enum small { SMALL_Q8_0, SMALL_Q4_0, SMALL_Q5_0, SMALL_IQ4_NL, SMALL_MXFP4 };

INL size_t small_bytes(const enum small t)
{
    return t == SMALL_Q8_0 ? 34 : t == SMALL_Q5_0 ? 22 : t == SMALL_MXFP4 ? 17 : 18;
}

INL __m512i block_codes(const enum small t, __m512i nibbles)
{
    __m512i n = _mm512_and_si512(nibbles, _mm512_set1_epi8(15));
    if (t == SMALL_Q4_0 || t == SMALL_Q5_0)
        return n;
    const int8_t *codes = t == SMALL_MXFP4 ? codes_e2m1 : codes_iq4_nl;
    __m128i table = _mm_xor_si128(_mm_loadu_si128((const __m128i *)codes), _mm_set1_epi8((char)0x80));
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), n);
}

INL __m128i half8(const uint8_t *p, const uint8_t *q, size_t rs) /* 16 bits at p of four rows, then at q */
{
    __m128i v = _mm_cvtsi32_si128(load_u16(p));
    v = _mm_insert_epi16(v, load_u16(p + rs), 1);
    v = _mm_insert_epi16(v, load_u16(p + 2 * rs), 2);
    v = _mm_insert_epi16(v, load_u16(p + 3 * rs), 3);
    v = _mm_insert_epi16(v, load_u16(q), 4);
    v = _mm_insert_epi16(v, load_u16(q + rs), 5);
    v = _mm_insert_epi16(v, load_u16(q + 2 * rs), 6);
    return _mm_insert_epi16(v, load_u16(q + 3 * rs), 7);
}

INL int u8x4(const uint8_t *p, size_t rs) /* a byte of four rows */
{
    return (int)(p[0] | (uint32_t)p[rs] << 8 | (uint32_t)p[2 * rs] << 16 | (uint32_t)p[3 * rs] << 24);
}

/* Four whole blocks of an even size lie in two loads that overlap: which words make slot i, from word `first` of block i on. */
#define WORD(w, lap) ((w) < 32 ? (w) : (w) + 32 - (lap))
#define SLOT(w, lap)                                                                                                   \
    WORD(w, lap), WORD((w) + 1, lap), WORD((w) + 2, lap), WORD((w) + 3, lap), WORD((w) + 4, lap), WORD((w) + 5, lap),  \
        WORD((w) + 6, lap), WORD((w) + 7, lap)
#define SLOTS(size, first)                                                                                             \
    {                                                                                                                  \
        SLOT(first, 4 * (size)-32), SLOT((size) + (first), 4 * (size)-32), SLOT(2 * (size) + (first), 4 * (size)-32),  \
            SLOT(3 * (size) + (first), 4 * (size)-32)                                                                  \
    }
static const uint16_t heads_9[32] = SLOTS(9, 0), codes_9[32] = SLOTS(9, 1);     /* q4_0, iq4_nl: scale, 16 bytes */
static const uint16_t heads_11[32] = SLOTS(11, 0), codes_11[32] = SLOTS(11, 3); /* q5_0: scale, fifth bits, 16 bytes */

/* The fifth bits of four blocks from their heads; from: the byte of a slot that has the first eight. */
INL __mmask64 bits_of_heads(__m512i heads, const int from)
{
    const long long spread = 0x0101010101010101 * from;
    __m512i byte = _mm512_broadcast_i32x4(_mm_set_epi64x(spread + 0x0101010101010101, spread));
    return _mm512_test_epi8_mask(_mm512_shuffle_epi8(heads, byte), _mm512_set1_epi64((long long)0x8040201008040201));
}

/* n of four blocks at p, `bytes` apart; the missing ones read the last again and count for nothing. */
INL __m128 four_blocks(__m128 acc, const enum small t, const uint8_t *p, size_t rs, const int8_t *q, const float *dx,
                       const int16_t *s32, const int n)
{
    const size_t bytes = small_bytes(t), head = t == SMALL_MXFP4 ? 1 : t == SMALL_Q5_0 ? 6 : 2;
    const int five = t == SMALL_Q5_0, heads = five || t == SMALL_Q4_0 || t == SMALL_IQ4_NL;
    const __m512i slot = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m512i head_words = _mm512_loadu_si512(five ? heads_11 : heads_9);
    const __m512i code_words = _mm512_loadu_si512(five ? codes_11 : codes_9);
    const size_t o1 = (n > 1 ? 1 : 0) * bytes, o2 = (size_t)(n > 2 ? 2 : n - 1) * bytes, o3 = (size_t)(n - 1) * bytes;
    __m512i x01 = _mm512_loadu_si512(q), x23 = _mm512_loadu_si512(q + 64), v[4], scales = _mm512_setzero_si512();
    __m512i x_low = _mm512_shuffle_i32x4(x01, x23, 0x88), x_high = _mm512_shuffle_i32x4(x01, x23, 0xdd);
    UNROLL for (int r = 0; r < 4; r++)
    {
        const uint8_t *first = p + (size_t)r * rs, *b = first + head;
        if (t == SMALL_Q8_0) {
            const __m512i flip = _mm512_set1_epi8((char)0x80), zero = _mm512_setzero_si512();
            __m512i a = _mm512_dpbusd_epi32(zero, _mm512_xor_si512(load_2x32(b, b + o1), flip), x01);
            __m512i c = _mm512_dpbusd_epi32(zero, _mm512_xor_si512(load_2x32(b + o2, b + o3), flip), x23);
            v[r] = _mm512_add_epi32(_mm512_shuffle_i32x4(a, c, 0x88), _mm512_shuffle_i32x4(a, c, 0xdd));
            continue;
        }
        __m512i w, h = scales;
        if (heads && n == 4) {
            __m512i a = _mm512_loadu_si512(first), c = _mm512_loadu_si512(first + 4 * bytes - 64);
            w = _mm512_permutex2var_epi16(a, code_words, c);
            h = _mm512_permutex2var_epi16(a, head_words, c);
        } else {
            w = load_4x16(b, b + o1, b + o2, b + o3);
            if (heads)
                h = load_4x16(first, first + o1, first + o2, first + o3);
        }
        __m512i low = block_codes(t, w), high = block_codes(t, _mm512_srli_epi16(w, 4));
        if (heads)
            scales = _mm512_mask_shuffle_epi32(scales, (__mmask16)(0x1111 << r), h, 0);
        if (five) {
            low = _mm512_mask_add_epi8(low, bits_of_heads(h, 2), low, _mm512_set1_epi8(16));
            high = _mm512_mask_add_epi8(high, bits_of_heads(h, 4), high, _mm512_set1_epi8(16));
        }
        v[r] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), low, x_low);
        v[r] = _mm512_dpbusd_epi32(v[r], high, x_high);
    }
    __m512i z = _mm512_cvtepi16_epi32(_mm256_castsi128_si256(_mm_loadl_epi64((const __m128i *)s32)));
    const unsigned zero_point = t == SMALL_Q4_0 ? 3 : five ? 4 : 7; /* 8, 16 or 128 */
    z = _mm512_slli_epi32(_mm512_permutexvar_epi32(slot, z), zero_point);
    __m512 isum = _mm512_cvtepi32_ps(_mm512_sub_epi32(rows4(v), z)), d;
    if (t == SMALL_MXFP4) {
        __m128i e = _mm_set_epi32(u8x4(p + o3, rs), u8x4(p + o2, rs), u8x4(p + o1, rs), u8x4(p, rs));
        d = e8m0_half512(_mm512_cvtepu8_epi32(e));
    } else if (heads) {
        d = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(scales));
    } else {
        d = _mm512_cvtph_ps(_mm256_set_m128i(half8(p + o2, p + o3, rs), half8(p, p + o1, rs)));
    }
    d = _mm512_mul_ps(d, _mm512_permutexvar_ps(slot, _mm512_castps128_ps512(_mm_loadu_ps(dx))));
    acc = _mm_fmadd_ps(_mm512_castps512_ps128(d), _mm512_castps512_ps128(isum), acc);
    if (n > 1)
        acc = _mm_fmadd_ps(_mm512_extractf32x4_ps(d, 1), _mm512_extractf32x4_ps(isum, 1), acc);
    if (n > 2)
        acc = _mm_fmadd_ps(_mm512_extractf32x4_ps(d, 2), _mm512_extractf32x4_ps(isum, 2), acc);
    if (n > 3)
        acc = _mm_fmadd_ps(_mm512_extractf32x4_ps(d, 3), _mm512_extractf32x4_ps(isum, 3), acc);
    return acc;
}

INL __m128 step_small(__m128 acc, const enum small t, const uint8_t *p, size_t rs, const struct xq *x, size_t at, int n)
{
    const size_t four = 4 * small_bytes(t);
    const int8_t *q = x->code + at * STEP;
    const float *dx = x->scale + at * 8;
    const int16_t *s32 = x->sum32 + at * 8;
    if (n == 8) {
        acc = four_blocks(acc, t, p, rs, q, dx, s32, 4);
        return four_blocks(acc, t, p + four, rs, q + 128, dx + 4, s32 + 4, 4);
    }
    for (int i = 0; i < n; i += 4, p += four)
        acc = four_blocks(acc, t, p, rs, q + 32 * i, dx + i, s32 + i, n - i < 4 ? n - i : 4);
    return acc;
}

DOT(dot_q4_k, step_q4_k(acc, 1, p, rs, x, at))
DOT(dot_q6_k, step_q6_k(acc, 1, p, rs, x, at))
PAIR(pair_q4_k, step_q4_k(acc, 2, p, rs, x, at))
PAIR(pair_q6_k, step_q6_k(acc, 2, p, rs, x, at))
DOT(dot_q8_0, *acc = step_small(*acc, SMALL_Q8_0, p, rs, x, *at, n))
DOT(dot_q4_0, *acc = step_small(*acc, SMALL_Q4_0, p, rs, x, *at, n))
DOT(dot_q5_0, *acc = step_small(*acc, SMALL_Q5_0, p, rs, x, *at, n))
DOT(dot_iq4_nl, *acc = step_small(*acc, SMALL_IQ4_NL, p, rs, x, *at, n))
DOT(dot_mxfp4, *acc = step_small(*acc, SMALL_MXFP4, p, rs, x, *at, n))

/* ---- any other type: unpacked by the scalar code, multiplied here ---- */

/* Sums of code times activation over each sixteen values; values beyond n are not looked at. */
INL __m512i products16(const struct step *s, const int8_t *q, const int16_t *s16, int n)
{
    __m512i part[4];
    UNROLL for (int i = 0; i < 4; i++)
    {
        __mmask64 live = n >= 64 * (i + 1) ? ~0ull : n <= 64 * i ? 0 : ~0ull >> (64 * (i + 1) - n);
        __m512i u = _mm512_xor_si512(_mm512_maskz_loadu_epi8(live, s->code + 64 * i), _mm512_set1_epi8((char)0x80));
        part[i] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), u, _mm512_loadu_si512(q + 64 * i));
    }
    __m512i z = _mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)s16));
    return _mm512_sub_epi32(group_sums(part), _mm512_slli_epi32(z, 7));
}

INL __m512i load_16x16(const int16_t *p) { return _mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)p)); }

static float step_any(const struct unpacking *u, const struct step *s, const struct xq *x, size_t at, int n, float acc)
{
    const int16_t *s16 = x->sum16 + at * 16;
    __m512i sums = products16(s, x->code + at * STEP, s16, n);
    if (u->family == ACT_X256) {
        float dx = x->scale[at];
        int32_t isum = _mm512_reduce_add_epi32(_mm512_mullo_epi32(sums, load_16x16(s->scale)));
        acc = fmaf(s->d[0] * dx, (float)isum, acc);
        if (u->minima == MIN_NONE)
            return acc;
        int32_t msum = _mm512_reduce_add_epi32(_mm512_mullo_epi32(load_16x16(s->min), load_16x16(s16)));
        return fmaf(-(s->dmin * dx), (float)msum, acc);
    }
    int32_t sum[16];
    const float *dx = x->scale + at * 8;
    if (u->sub == 32)
        sums = _mm512_add_epi32(sums, _mm512_shuffle_epi32(sums, 0xb1)); /* of 32 values, twice */
    _mm512_storeu_si512(sum, sums);
    for (int g = 0; g < n / 16; g += u->sub / 16) {
        acc = fmaf(s->d[g] * dx[g / 2], (float)sum[g], acc);
        if (u->minima == MIN_FLOAT)
            acc = fmaf(s->m[g / 2] * dx[g / 2], (float)x->sum32[at * 8 + (size_t)g / 2], acc);
    }
    return acc;
}

DOT_ANY(step_any)

static dot_fn *const own[TYPE_COUNT] = {
    [TYPE_Q4_K] = dot_q4_k, [TYPE_Q6_K] = dot_q6_k,     [TYPE_Q8_0] = dot_q8_0,   [TYPE_Q4_0] = dot_q4_0,
    [TYPE_Q5_0] = dot_q5_0, [TYPE_IQ4_NL] = dot_iq4_nl, [TYPE_MXFP4] = dot_mxfp4,
};

void fill_dot_avx512(struct kernels *k)
{
    for (int t = 0; t < TYPE_COUNT; t++)
        if (unpackings[t].unpack)
            k->dot[t] = own[t] ? own[t] : dot_any;
    k->pair[TYPE_Q4_K] = pair_q4_k;
    k->pair[TYPE_Q6_K] = pair_q6_k;
}

#endif
