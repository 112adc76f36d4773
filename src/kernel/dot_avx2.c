/* The dot of one activation row, AVX2: four weight rows at a time (dot_rows.h), each with its eight partial sums, closed
 * together so that the float sums run in four lanes. Every load lies inside its block. */
#if defined(__x86_64__)
#include "format/grids.h"
#include "kernel/dot_rows.h"
#include "kernel/simd_avx2.h"
#include "kernel/tiers.h"

#include <math.h>

/* ---- the K family ---- */

/* Twelve bytes of 6-bit scales and minima: eight of each, as bytes. */
INL void header_bytes(const uint8_t *p, uint32_t scale[2], uint32_t min[2])
{
    uint32_t a = load_u32(p), b = load_u32(p + 4), c = load_u32(p + 8);
    scale[0] = a & 0x3f3f3f3f;
    scale[1] = (c & 0x0f0f0f0f) | (a >> 6 & 0x03030303) << 4;
    min[0] = b & 0x3f3f3f3f;
    min[1] = (c >> 4 & 0x0f0f0f0f) | (b >> 6 & 0x03030303) << 4;
}

INL __m128i widen8(const uint32_t bytes[2]) { return _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)bytes)); }

INL __m128 step_q4_k(__m128 acc, const uint8_t *p, size_t rs, const struct xq *x, size_t at)
{
    const __m256i m4 = _mm256_set1_epi8(15);
    const __m128i s32 = load128(x->sum32 + at * 8);
    const int8_t *q = x->code + at * STEP;
    __m256i v[4];
    __m128i m[4];
    UNROLL for (int r = 0; r < 4; r++)
    {
        const uint8_t *b = p + (size_t)r * rs;
        uint32_t scale[2], min[2];
        header_bytes(b + 4, scale, min);
        __m256i scales = _mm256_broadcastsi128_si256(widen8(scale));
        m[r] = _mm_madd_epi16(widen8(min), s32);
        v[r] = _mm256_setzero_si256();
        UNROLL for (int c = 0; c < 4; c++)
        {
            __m256i w = load256(b + 16 + 32 * c), pick = _mm256_set1_epi16((short)(0x0100 + 0x0404 * c));
            __m256i low = _mm256_maddubs_epi16(_mm256_and_si256(w, m4), load256(q + 64 * c));
            __m256i high = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(w, 4), m4),
                                                load256(q + 64 * c + 32));
            v[r] = _mm256_add_epi32(v[r], _mm256_madd_epi16(low, _mm256_shuffle_epi8(scales, pick)));
            pick = _mm256_add_epi16(pick, _mm256_set1_epi16(0x0202));
            v[r] = _mm256_add_epi32(v[r], _mm256_madd_epi16(high, _mm256_shuffle_epi8(scales, pick)));
        }
    }
    __m128 dx = _mm_set1_ps(x->scale[at]);
    __m128i msum = _mm_hadd_epi32(_mm_hadd_epi32(m[0], m[1]), _mm_hadd_epi32(m[2], m[3]));
    acc = _mm_fmadd_ps(_mm_mul_ps(half4(p, rs), dx), _mm_cvtepi32_ps(sums4(v)), acc);
    return _mm_fnmadd_ps(_mm_mul_ps(half4(p + 2, rs), dx), _mm_cvtepi32_ps(msum), acc);
}

INL __m128 step_q6_k(__m128 acc, const uint8_t *p, size_t rs, const struct xq *x, size_t at)
{
    const __m256i m4 = _mm256_set1_epi8(15), m30 = _mm256_set1_epi8(0x30);
    /* the first scale of a pair to the lower half, the second to the upper */
    const __m256i pair = _mm256_inserti128_si256(_mm256_set1_epi16(0x0100), _mm_set1_epi16(0x0302), 1);
    const __m256i sums = load256(x->sum16 + at * 16);
    const int8_t *q = x->code + at * STEP;
    __m256i v[4];
    UNROLL for (int r = 0; r < 4; r++)
    {
        const uint8_t *b = p + (size_t)r * rs;
        __m256i scale = _mm256_cvtepi8_epi16(load128(b + 192));
        v[r] = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(_mm256_madd_epi16(scale, sums), 5));
        UNROLL for (int c = 0; c < 2; c++)
        {
            __m256i a = load256(b + 64 * c), d = load256(b + 64 * c + 32), h = load256(b + 128 + 32 * c), code[4];
            /* its eight scales in both halves */
            __m256i half = c ? _mm256_permute4x64_epi64(scale, 0xee) : _mm256_permute4x64_epi64(scale, 0x44);
            code[0] = _mm256_or_si256(_mm256_and_si256(a, m4), _mm256_and_si256(_mm256_slli_epi16(h, 4), m30));
            code[1] = _mm256_or_si256(_mm256_and_si256(d, m4), _mm256_and_si256(_mm256_slli_epi16(h, 2), m30));
            code[2] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(a, 4), m4), _mm256_and_si256(h, m30));
            code[3] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(d, 4), m4),
                                      _mm256_and_si256(_mm256_srli_epi16(h, 2), m30));
            UNROLL for (int i = 0; i < 4; i++)
            {
                __m256i s = _mm256_shuffle_epi8(half, _mm256_add_epi16(pair, _mm256_set1_epi16((short)(0x0404 * i))));
                __m256i t = _mm256_maddubs_epi16(code[i], load256(q + 128 * c + 32 * i));
                v[r] = _mm256_add_epi32(v[r], _mm256_madd_epi16(t, s));
            }
        }
    }
    __m128 d = _mm_mul_ps(half4(p + 208, rs), _mm_set1_ps(x->scale[at]));
    return _mm_fmadd_ps(d, _mm_cvtepi32_ps(sums4(v)), acc);
}

/* ---- small blocks ---- */

enum small { SMALL_Q8_0, SMALL_Q4_0, SMALL_Q5_0, SMALL_IQ4_NL, SMALL_MXFP4 };

/* 32 nibbles: the low ones of 16 bytes, then the high ones. */
INL __m256i nibbles(const uint8_t *p)
{
    __m128i w = load128(p);
    return _mm256_and_si256(_mm256_inserti128_si256(_mm256_castsi128_si256(w), _mm_srli_epi16(w, 4), 1),
                            _mm256_set1_epi8(15));
}

/* Eight partial sums of a block and its activations; q4_0's and q5_0's without their zero points. */
INL __m256i block_sums(const enum small t, const uint8_t *p, __m256i x)
{
    const __m256i ones = _mm256_set1_epi16(1);
    if (t == SMALL_Q8_0)
        return _mm256_madd_epi16(signed_pairs(load256(p), x), ones);
    if (t == SMALL_Q4_0)
        return _mm256_madd_epi16(_mm256_maddubs_epi16(nibbles(p), x), ones);
    if (t == SMALL_Q5_0)
        return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_or_si256(nibbles(p), fifth_bits(p - 4)), x), ones);
    __m256i table = _mm256_broadcastsi128_si256(load128(t == SMALL_MXFP4 ? codes_e2m1 : codes_iq4_nl));
    return _mm256_madd_epi16(signed_pairs(_mm256_shuffle_epi8(table, nibbles(p)), x), ones);
}

/* 2^(e - 128) of a byte of four rows. */
INL __m128 e8m0_half4(const uint8_t *p, size_t rs)
{
    __m128i e = _mm_setr_epi32(p[0], p[rs], p[2 * rs], p[3 * rs]);
    __m128i tiny = _mm_cmplt_epi32(e, _mm_set1_epi32(2));
    __m128i normal = _mm_slli_epi32(_mm_sub_epi32(e, _mm_set1_epi32(1)), 23);
    return _mm_castsi128_ps(_mm_blendv_epi8(normal, _mm_sllv_epi32(_mm_set1_epi32(0x00200000), e), tiny));
}

INL __m128 step_small(__m128 acc, const enum small t, const uint8_t *p, size_t rs, const struct xq *x, size_t at, int n)
{
    const size_t bytes = t == SMALL_Q8_0 ? 34 : t == SMALL_Q5_0 ? 22 : t == SMALL_MXFP4 ? 17 : 18;
    const size_t head = t == SMALL_MXFP4 ? 1 : t == SMALL_Q5_0 ? 6 : 2;
    const int8_t *q = x->code + at * STEP;
    for (int g = 0; g < n; g++, p += bytes) {
        const __m256i xg = load256(q + 32 * g);
        __m256i v[4];
        UNROLL for (int r = 0; r < 4; r++) v[r] = block_sums(t, p + (size_t)r * rs + head, xg);
        __m128i isum = sums4(v);
        if (t == SMALL_Q4_0 || t == SMALL_Q5_0)
            isum = _mm_sub_epi32(isum, _mm_set1_epi32((t == SMALL_Q4_0 ? 8 : 16) * x->sum32[at * 8 + (size_t)g]));
        __m128 d = t == SMALL_MXFP4 ? e8m0_half4(p, rs) : half4(p, rs);
        d = _mm_mul_ps(d, _mm_set1_ps(x->scale[at * 8 + (size_t)g]));
        acc = _mm_fmadd_ps(d, _mm_cvtepi32_ps(isum), acc);
    }
    return acc;
}

DOT(dot_q4_k, *acc = step_q4_k(*acc, p, rs, x, *at))
DOT(dot_q6_k, *acc = step_q6_k(*acc, p, rs, x, *at))
DOT(dot_q8_0, *acc = step_small(*acc, SMALL_Q8_0, p, rs, x, *at, n))
DOT(dot_q4_0, *acc = step_small(*acc, SMALL_Q4_0, p, rs, x, *at, n))
DOT(dot_q5_0, *acc = step_small(*acc, SMALL_Q5_0, p, rs, x, *at, n))
DOT(dot_iq4_nl, *acc = step_small(*acc, SMALL_IQ4_NL, p, rs, x, *at, n))
DOT(dot_mxfp4, *acc = step_small(*acc, SMALL_MXFP4, p, rs, x, *at, n))

/* ---- any other type: unpacked by the scalar code, multiplied here ---- */

/* sum[g]: code times activation over sixteen values, for the n / 16 groups that exist (n a multiple of 32). */
INL void products16(int32_t sum[16], const struct step *s, const int8_t *q, int n)
{
    for (int i = 0; i < n; i += 32) {
        __m256i v = _mm256_madd_epi16(signed_pairs(load256(s->code + i), load256(q + i)), _mm256_set1_epi16(1));
        v = _mm256_add_epi32(v, _mm256_shuffle_epi32(v, 0x4e));
        v = _mm256_add_epi32(v, _mm256_shuffle_epi32(v, 0xb1));
        sum[i / 16] = _mm256_cvtsi256_si32(v);
        sum[i / 16 + 1] = _mm_cvtsi128_si32(_mm256_extracti128_si256(v, 1));
    }
}

static float step_any(const struct unpacking *u, const struct step *s, const struct xq *x, size_t at, int n, float acc)
{
    const int16_t *s16 = x->sum16 + at * 16;
    int32_t sum[16], isum = 0, msum = 0;
    products16(sum, s, x->code + at * STEP, n);
    if (u->family == ACT_X256) {
        float dx = x->scale[at];
        for (int g = 0; g < 16; g++)
            isum += sum[g] * s->scale[g];
        acc = fmaf(s->d[0] * dx, (float)isum, acc);
        if (u->minima == MIN_NONE)
            return acc;
        for (int g = 0; g < 16; g++)
            msum += s->min[g] * s16[g];
        return fmaf(-(s->dmin * dx), (float)msum, acc);
    }
    const float *dx = x->scale + at * 8;
    for (int g = 0; g < n / 16; g += u->sub / 16) {
        int32_t both = u->sub == 32 ? sum[g] + sum[g + 1] : sum[g];
        acc = fmaf(s->d[g] * dx[g / 2], (float)both, acc);
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

void fill_dot_avx2(struct kernels *k)
{
    for (int t = 0; t < TYPE_COUNT; t++)
        if (unpackings[t].unpack)
            k->dot[t] = own[t] ? own[t] : dot_any;
}

#endif
