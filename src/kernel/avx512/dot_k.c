/* The dots and the pairs of the x256 types of avx2/dot_k.h, AVX-512 VNNI; those most of them by steps of 512-bit
 * vectors. Every load lies inside its block. */
#if defined(__x86_64__)
#include "kernel/avx2/dot_k.h"
#include "kernel/avx512/dot_cells.h"
#include "kernel/avx512/loads.h"
#include "kernel/avx512/sums.h"
#include "kernel/tiers.h"

INL __m512i set4(int a, int b, int c, int d) { return _mm512_set4_epi32(d, c, b, a); }

/* ---- q2_K, q3_K, whose third bits lie apart: a vector has codes j (avx2/step.h) and j + 4 of a row ----
 *
 * Its slots are the groups 2 j, 2 j + 1, 2 j + 8, 2 j + 9. A scale byte becomes a word with its sign by one shuffle that puts it into
 * the upper half: sums are 256 times too large until the end. The largest, of q3_K with its zero point, is 256 * 7 * 127 * 32 * 256,
 * which int32 holds. */

/* Sixteen scales of four rows in bytes, a row a slot, as in head_q3_k(). */
INL __m512i scales_q3_k(const uint8_t *p, size_t rs)
{
    __m512i abc = load_4x16(p + 92, p + 92 + rs, p + 92 + 2 * rs, p + 92 + 3 * rs);
    __m512i low = _mm512_srlv_epi32(_mm512_shuffle_epi32(abc, 0x99), set4(0, 0, 4, 4));
    __m512i top = _mm512_srlv_epi32(_mm512_shuffle_epi32(abc, 0xff), set4(0, 2, 4, 6));
    top = _mm512_slli_epi16(_mm512_and_si512(top, _mm512_set1_epi8(3)), 4);
    low = _mm512_and_si512(low, _mm512_set1_epi8(15));
    return _mm512_sub_epi8(_mm512_or_si512(low, top), _mm512_set1_epi8(32));
}

/* 256 times the sums of sixteen bytes times sums of activations, of each row. */
INL __m128i bytes_by_sums(__m512i bytes, const int16_t *sum16)
{
    const __m512i zero = _mm512_setzero_si512();
    __m512i n = _mm512_madd_epi16(_mm512_unpacklo_epi8(zero, bytes), _mm512_broadcast_i32x4(load128(sum16)));
    n = _mm512_dpwssd_epi32(n, _mm512_unpackhi_epi8(zero, bytes), _mm512_broadcast_i32x4(load128(sum16 + 8)));
    return slot_sums(n);
}

/* The third bits of q3_K: bit j of a byte is that of codes j, in the upper half of codes j + 4. Bits 4 to 7 are not used. */
INL __m512i third_bits(const uint8_t *p)
{
    const __m512i halves = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(4), 1);
    return _mm512_srlv_epi16(_mm512_broadcast_i64x4(load256(p)), halves);
}

INL __m512i with_third_bit(__m512i code, __m512i bits, const int j)
{
    bits = j < 2 ? _mm512_slli_epi16(bits, (unsigned)(2 - j)) : _mm512_srli_epi16(bits, (unsigned)(j - 2));
    return _mm512_ternarylogic_epi32(code, bits, _mm512_set1_epi8(4), 0xf8); /* code | (bits & 4) */
}

/* 16 bits at p and at p + 2 of four rows. */
INL void two_halves4(const uint8_t *p, size_t rs, __m128 *first, __m128 *second)
{
    const __m128i both = _mm_setr_epi32((int)load_u32(p), (int)load_u32(p + rs), (int)load_u32(p + 2 * rs),
                                        (int)load_u32(p + 3 * rs));
    *first = _mm_cvtph_ps(_mm_cvtepi32_epi16(both));
    *second = _mm_cvtph_ps(_mm_cvtepi32_epi16(_mm_srli_epi32(both, 16)));
}

/* Slot r of v in all slots. */
INL __m512i slot_in_all(__m512i v, const int r)
{
    return r == 0   ? _mm512_shuffle_i32x4(v, v, 0)
           : r == 1 ? _mm512_shuffle_i32x4(v, v, 0x55)
           : r == 2 ? _mm512_shuffle_i32x4(v, v, 0xaa)
                    : _mm512_shuffle_i32x4(v, v, 0xff);
}

INL void step_two_bits(__m128 *acc, const enum block_type t, const int m, const uint8_t *p, size_t rs,
                       const struct xq *x, const size_t *at)
{
    const int is_q3 = t == TYPE_Q3_K;
    const __m512i three = _mm512_set1_epi8(3), m4 = _mm512_set1_epi8(15);
    const __m512i spread = _mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_setr_m128i(_mm_set1_epi16(0x0080), _mm_set1_epi16(0x0180))),
        _mm256_setr_m128i(_mm_set1_epi16(0x0880), _mm_set1_epi16(0x0980)), 1);
    const __m512i head = is_q3 ? scales_q3_k(p, rs) : load_4x16(p, p + rs, p + 2 * rs, p + 3 * rs);
    const __m512i scales = is_q3 ? head : _mm512_and_si512(head, m4);
    __m512i q[2][4], v[2][4];
    UNROLL for (int i = 0; i < m; i++)
    {
        const int8_t *codes = x->code + at[i] * STEP;
        UNROLL for (int j = 0; j < 4; j++) q[i][j] = load_2x32(codes + 32 * j, codes + 32 * j + 128);
    }
    UNROLL for (int r = 0; r < 4; r++)
    {
        const uint8_t *b = p + (size_t)r * rs;
        const __m512i w = _mm512_loadu_si512(b + (is_q3 ? 32 : 16));
        const __m512i bits = is_q3 ? third_bits(b) : w;
        const __m512i scale = slot_in_all(scales, r);
        UNROLL for (int i = 0; i < m; i++) v[i][r] = _mm512_setzero_si512();
        UNROLL for (int j = 0; j < 4; j++)
        {
            __m512i code = _mm512_and_si512(_mm512_srli_epi16(w, (unsigned)(2 * j)), three);
            code = is_q3 ? with_third_bit(code, bits, j) : code;
            const __m512i s = _mm512_shuffle_epi8(scale,
                                                  _mm512_add_epi16(spread, _mm512_set1_epi16((short)(0x0200 * j))));
            UNROLL for (int i = 0; i < m; i++)
            {
                v[i][r] = _mm512_dpwssd_epi32(v[i][r], _mm512_maddubs_epi16(code, q[i][j]), s);
            }
        }
    }
    const struct k_type k = k_type(t);
    __m128 d, dmin = _mm_setzero_ps();
    if (k.has_min)
        two_halves4(p + k.d, rs, &d, &dmin);
    else
        d = half4(p + k.d, rs);
    const __m512i mins = _mm512_and_si512(_mm512_srli_epi16(head, 4), m4);
    UNROLL for (int i = 0; i < m; i++)
    {
        const int16_t *sum16 = x->sum16 + at[i] * 16;
        const __m128 dx = _mm_set1_ps(x->scale[at[i]]);
        __m128i sums = fold(rows4(v[i]));
        if (k.zero_point) /* 4 */
            sums = _mm_sub_epi32(sums, _mm_slli_epi32(bytes_by_sums(scales, sum16), 2));
        acc[i] = _mm_fmadd_ps(_mm_mul_ps(d, dx), _mm_cvtepi32_ps(_mm_srai_epi32(sums, 8)), acc[i]);
        if (k.has_min) {
            sums = _mm_srai_epi32(bytes_by_sums(mins, sum16), 8);
            acc[i] = _mm_fnmadd_ps(_mm_mul_ps(dmin, dx), _mm_cvtepi32_ps(sums), acc[i]);
        }
    }
}

/* ---- iq4_xs: a vector has sixteen codes each of four groups of 32, a group a slot; codes have a zero point of 128 ---- */

INL void step_iq4_xs(__m128 *acc, const int m, const uint8_t *p, size_t rs, const struct xq *x, const size_t *at)
{
    const __m512i m4 = _mm512_set1_epi8(15), zero = _mm512_setzero_si512();
    const __m512i table = _mm512_broadcast_i32x4(_mm_xor_si128(load128(codes_iq4_nl), _mm_set1_epi8((char)0x80)));
    const __m512i slot = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    struct halves q[2][2];
    __m512i v[2][4];
    UNROLL for (int i = 0; i < m; i++)
    {
        UNROLL for (int c = 0; c < 2; c++) q[i][c] = load_halves(x->code + at[i] * STEP + 128 * c);
    }
    UNROLL for (int r = 0; r < 4; r++)
    {
        const uint8_t *b = p + (size_t)r * rs;
        const __m256i scales = _mm256_sub_epi32(scales_iq4_xs(b), _mm256_set1_epi32(32));
        UNROLL for (int i = 0; i < m; i++)
        {
            const __m256i sums = _mm256_cvtepi16_epi32(load128(x->sum32 + at[i] * 8));
            const __m256i zeros = _mm256_slli_epi32(_mm256_mullo_epi32(scales, sums), 7);
            v[i][r] = _mm512_zextsi256_si512(_mm256_sub_epi32(_mm256_setzero_si256(), zeros));
        }
        UNROLL for (int c = 0; c < 2; c++)
        {
            const __m512i w = _mm512_loadu_si512(b + 8 + 64 * c);
            const __m512i low = _mm512_shuffle_epi8(table, _mm512_and_si512(w, m4));
            const __m512i high = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(w, 4), m4));
            const __m512i s = _mm512_permutexvar_epi32(_mm512_add_epi32(slot, _mm512_set1_epi32(4 * c)),
                                                       _mm512_castsi256_si512(scales));
            UNROLL for (int i = 0; i < m; i++)
            {
                __m512i n = _mm512_dpbusd_epi32(zero, low, q[i][c].low);
                n = _mm512_dpbusd_epi32(n, high, q[i][c].high);
                v[i][r] = _mm512_add_epi32(v[i][r], _mm512_mullo_epi32(n, s));
            }
        }
    }
    const __m128 d = half4(p, rs);
    UNROLL for (int i = 0; i < m; i++) acc[i] = close_rows(acc[i], v[i], d, x->scale[at[i]]);
}

#define DOT_LOADS(name, TYPE)                                                                                          \
    DOT(dot_##name, step_cells(acc, TYPE, BY_LOADS, 1, p, rs, x, at))                                                  \
    PAIR(pair_##name, step_cells(acc, TYPE, BY_LOADS, 2, p, rs, x, at))

IQ1_TYPES(DOT_LOADS)
DOT(dot_q2_k, step_two_bits(acc, TYPE_Q2_K, 1, p, rs, x, at))
DOT(dot_q3_k, step_two_bits(acc, TYPE_Q3_K, 1, p, rs, x, at))
DOT(dot_iq4_xs, step_iq4_xs(acc, 1, p, rs, x, at))
PAIR(pair_q2_k, step_two_bits(acc, TYPE_Q2_K, 2, p, rs, x, at))
PAIR(pair_q3_k, step_two_bits(acc, TYPE_Q3_K, 2, p, rs, x, at))
PAIR(pair_iq4_xs, step_iq4_xs(acc, 2, p, rs, x, at))

void fill_dot_k_avx512(struct kernels *k)
{
    static const struct own_dot own[] = {WIDE_K_TYPES(OWN_DOT)};
    fill_dots(k, own, sizeof own / sizeof own[0]);
    fill_dot_k(k);
}

#endif
