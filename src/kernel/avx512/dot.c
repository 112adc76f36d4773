/* The dot of one activation row, AVX-512 VNNI: four weight rows at a time, their sums closed together, the float sums in four
 * lanes, so that a step costs little beyond reading it.
 *
 * Every load lies inside its block. The loop over rows and the prefetching are in dot_rows.h. */
#if defined(__x86_64__)
#include "format/grids.h"
#include "kernel/avx512/loads.h"
#include "kernel/avx512/simd.h"
#include "kernel/dot_rows.h"
#include "kernel/small_block.h"
#include "kernel/tiers.h"
#include "kernel/unpack.h"

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
INL __m128i minima_sums(__m512i bytes, const int16_t *s32)
{
    const __m512i widen = _mm512_broadcast_i32x4(
        _mm_setr_epi8(8, -1, 9, -1, 10, -1, 11, -1, 12, -1, 13, -1, 14, -1, 15, -1));
    __m512i sums = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)s32));
    return slot_sums(_mm512_madd_epi16(_mm512_shuffle_epi8(bytes, widen), sums));
}

/* m, a constant: the activation rows that share the unpacking. */
INL void step_q4_k(__m128 *acc, const int m, const uint8_t *p, size_t rs, const struct xq *x, const size_t *at)
{
    const __m512i m4 = _mm512_set1_epi8(15);
    const __m512i first = _mm512_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
    /* 16-bit lanes of scale 0 below and of scale 2 above: + 4 c + high nibble */
    const __m512i pick = _mm512_inserti64x4(_mm512_set1_epi16((short)0x8000), _mm256_set1_epi16((short)0x8002), 1);
    __m512i xs[QUAD_ROWS][4], v[QUAD_ROWS][4];
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
        __m128i msum = minima_sums(bytes, x->sum32 + at[i] * 8);
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
    __m512i v[QUAD_ROWS][4];
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

/* ---- small blocks: four blocks of four rows become one vector of sums, slot = block, lane = row ----
 *
 * A block here is what has a scale of its own: sixteen values of nvfp4, 32 of the others. Four of nvfp4's and of q1_0's are one block of
 * the file. */

INL int block_values(const enum block_type t) { return t == TYPE_NVFP4 ? 16 : 32; }

/* From one of the four to the next: q1_0's and nvfp4's lie together. */
INL size_t block_stride(const enum block_type t) { return t == TYPE_NVFP4 || t == TYPE_Q1_0 ? 0 : small_type(t).bytes; }

/* The values of four blocks, a slot each, as load_halves(): nvfp4 has no upper ones. */
INL struct halves block_halves(const enum block_type t, const int8_t *q)
{
    return t == TYPE_NVFP4 ? (struct halves){.low = _mm512_loadu_si512(q)} : load_halves(q);
}

/* Heads of blocks that begin with f16, and their codes: an even number of bytes. Four whole blocks lie in two loads that overlap: which
 * words make slot i, from word `first` of block i on. */
#define WORD(w, lap) ((w) < 32 ? (w) : (w) + 32 - (lap))
#define SLOT(w, lap)                                                                                                   \
    WORD(w, lap), WORD((w) + 1, lap), WORD((w) + 2, lap), WORD((w) + 3, lap), WORD((w) + 4, lap), WORD((w) + 5, lap),  \
        WORD((w) + 6, lap), WORD((w) + 7, lap)
#define SLOTS(size, first)                                                                                             \
    {                                                                                                                  \
        SLOT(first, 4 * (size)-32), SLOT((size) + (first), 4 * (size)-32), SLOT(2 * (size) + (first), 4 * (size)-32),  \
            SLOT(3 * (size) + (first), 4 * (size)-32)                                                                  \
    }
static const uint16_t heads_9[32] = SLOTS(9, 0), codes_9[32] = SLOTS(9, 1);     /* q4_0, iq4_nl: scale */
static const uint16_t heads_10[32] = SLOTS(10, 0), codes_10[32] = SLOTS(10, 2); /* q4_1: scale, minimum */
static const uint16_t heads_11[32] = SLOTS(11, 0), codes_11[32] = SLOTS(11, 3); /* q5_0: scale, fifth bits */
static const uint16_t heads_12[32] = SLOTS(12, 0), codes_12[32] = SLOTS(12, 4); /* q5_1: scale, minimum, fifth bits */

INL int has_heads(const enum block_type t)
{
    return t == TYPE_Q4_0 || t == TYPE_IQ4_NL || t == TYPE_Q4_1 || t == TYPE_Q5_0 || t == TYPE_Q5_1;
}

INL __m512i head_words(const enum block_type t)
{
    return _mm512_loadu_si512(t == TYPE_Q4_1   ? heads_10
                              : t == TYPE_Q5_0 ? heads_11
                              : t == TYPE_Q5_1 ? heads_12
                                               : heads_9);
}

INL __m512i code_words(const enum block_type t)
{
    return _mm512_loadu_si512(t == TYPE_Q4_1   ? codes_10
                              : t == TYPE_Q5_0 ? codes_11
                              : t == TYPE_Q5_1 ? codes_12
                                               : codes_9);
}

/* Bits of a slot as a mask of its bytes; from: the byte of the slot that has the first eight. */
INL __mmask64 bits_of_slots(__m512i v, __m512i from)
{
    const __m512i next = _mm512_set4_epi32(0x01010101, 0x01010101, 0, 0);
    v = _mm512_shuffle_epi8(v, _mm512_add_epi8(from, next));
    return _mm512_test_epi8_mask(v, _mm512_set1_epi64((long long)0x8040201008040201));
}

INL __m512i block_codes(const enum block_type t, __m512i nibbles)
{
    __m512i n = _mm512_and_si512(nibbles, _mm512_set1_epi8(15));
    if (t != TYPE_MXFP4 && t != TYPE_NVFP4 && t != TYPE_IQ4_NL)
        return n;
    const __m128i zero_point = _mm_set1_epi8((char)small_type(t).zero_point);
    __m128i table = _mm_loadu_si128((const __m128i *)(t == TYPE_IQ4_NL ? codes_iq4_nl : codes_e2m1));
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_add_epi8(table, zero_point)), n);
}

/* Codes of types whose blocks have no f16 head; the blocks begin at p + at[i]. */
INL struct halves codes_headless(const enum block_type t, const uint8_t *p, const size_t at[4])
{
    p += small_type(t).codes;
    if (t == TYPE_Q8_0) {
        const __m512i flip = _mm512_set1_epi8((char)0x80);
        __m512i a = _mm512_xor_si512(load_2x32(p + at[0], p + at[1]), flip);
        __m512i b = _mm512_xor_si512(load_2x32(p + at[2], p + at[3]), flip);
        return halves_of(a, b);
    }
    if (t == TYPE_Q1_0) {
        const __m512i slot = _mm512_setr_epi64(0, 0, 0x0404040404040404, 0x0404040404040404, 0x0808080808080808,
                                               0x0808080808080808, 0x0c0c0c0c0c0c0c0c, 0x0c0c0c0c0c0c0c0c);
        __m512i bits = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p)), two = _mm512_set1_epi8(2);
        return (struct halves){
            _mm512_maskz_mov_epi8(bits_of_slots(bits, slot), two),
            _mm512_maskz_mov_epi8(bits_of_slots(bits, _mm512_add_epi8(slot, two)), two),
        };
    }
    if (t == TYPE_NVFP4) { /* eight bytes a slot: low nibbles, then high ones */
        __m512i w = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)p));
        w = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3), w);
        return (struct halves){.low = block_codes(t, _mm512_srlv_epi64(w, _mm512_set4_epi64(4, 0, 4, 0)))};
    }
    __m512i w = load_4x16(p + at[0], p + at[1], p + at[2], p + at[3]);
    return (struct halves){block_codes(t, w), block_codes(t, _mm512_srli_epi16(w, 4))};
}

/* Codes of types with heads, and the heads: dword 0 of a slot is the scale, or scale and minimum. n: all four blocks are there. */
INL struct halves codes_with_heads(const enum block_type t, const uint8_t *p, const size_t at[4], const int n,
                                   __m512i *head)
{
    const struct small_type k = small_type(t);
    __m512i w;
    if (n == 4) {
        __m512i a = _mm512_loadu_si512(p), b = _mm512_loadu_si512(p + 4 * k.bytes - 64);
        w = _mm512_permutex2var_epi16(a, code_words(t), b);
        *head = _mm512_permutex2var_epi16(a, head_words(t), b);
    } else {
        const uint8_t *c = p + k.codes;
        w = load_4x16(c + at[0], c + at[1], c + at[2], c + at[3]);
        *head = load_4x16(p + at[0], p + at[1], p + at[2], p + at[3]);
    }
    struct halves c = {block_codes(t, w), block_codes(t, _mm512_srli_epi16(w, 4))};
    if (t == TYPE_Q5_0 || t == TYPE_Q5_1) {
        const __m512i fifths = _mm512_set1_epi8((char)(k.codes - 4)), sixteen = _mm512_set1_epi8(16);
        c.low = _mm512_mask_add_epi8(c.low, bits_of_slots(*head, fifths), c.low, sixteen);
        c.high = _mm512_mask_add_epi8(c.high, bits_of_slots(*head, _mm512_add_epi8(fifths, _mm512_set1_epi8(2))),
                                      c.high, sixteen);
    }
    return c;
}

INL __m128i half8(const uint8_t *p, const uint8_t *q, size_t rs) /* 16 bits at p of four rows, then at q */
{
    return _mm_set_epi64x((long long)u16x4(q, rs), (long long)u16x4(p, rs));
}

INL int u8x4(const uint8_t *p, size_t rs) /* a byte of four rows */
{
    return (int)(p[0] | (uint32_t)p[rs] << 8 | (uint32_t)p[2 * rs] << 16 | (uint32_t)p[3 * rs] << 24);
}

INL __m512 low_halves(__m512i v) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v)); }

/* Scales of the four blocks, slot = block, lane = row; heads: those of types that have them. */
INL __m512 block_scales(const enum block_type t, const uint8_t *p, size_t rs, const size_t at[4], __m512i heads)
{
    if (has_heads(t))
        return low_halves(heads);
    if (t == TYPE_MXFP4) {
        __m128i e = _mm_set_epi32(u8x4(p + at[3], rs), u8x4(p + at[2], rs), u8x4(p + at[1], rs), u8x4(p, rs));
        return e8m0_half512(_mm512_cvtepu8_epi32(e));
    }
    if (t == TYPE_Q1_0)
        return _mm512_broadcast_f32x4(half4(p, rs));
    if (t == TYPE_NVFP4) {
        const __m128i by_group = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        __m128i rows = _mm_setr_epi32((int)load_u32(p), (int)load_u32(p + rs), (int)load_u32(p + 2 * rs),
                                      (int)load_u32(p + 3 * rs));
        return ue4m3_half512(_mm512_cvtepu8_epi32(_mm_shuffle_epi8(rows, by_group)));
    }
    return _mm512_cvtph_ps(_mm256_set_m128i(half8(p + at[2], p + at[3], rs), half8(p, p + at[1], rs)));
}

INL __m128 slot_of(__m512 v, const int i)
{
    return i == 0   ? _mm512_castps512_ps128(v)
           : i == 1 ? _mm512_extractf32x4_ps(v, 1)
           : i == 2 ? _mm512_extractf32x4_ps(v, 2)
                    : _mm512_extractf32x4_ps(v, 3);
}

/* The four sums of slots; those of blocks that exist, n, are added to acc. g: the first block in its step; at: its activation row. */
INL __m128 close_four(__m128 acc, const enum block_type t, __m512i isum, __m512 d, __m512 min, const struct xq *x,
                      size_t at, int g, const int n)
{
    const struct small_type k = small_type(t);
    const __m512i slot = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const int sixteens = t == TYPE_NVFP4;
    const int16_t *s = sixteens ? x->sum16 + at * 16 + g : x->sum32 + at * 8 + g;
    __m512i sum = _mm512_cvtepi16_epi32(_mm256_castsi128_si256(_mm_loadl_epi64((const __m128i *)s)));
    sum = _mm512_permutexvar_epi32(slot, sum);
    if (k.zero_point)
        isum = _mm512_sub_epi32(isum, _mm512_slli_epi32(sum, (unsigned)__builtin_ctz((unsigned)k.zero_point)));
    const float *scale = x->scale + at * 8 + (sixteens ? g / 2 : g);
    __m128 dx4 = sixteens ? _mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)scale)) : _mm_loadu_ps(scale);
    __m512 dx = _mm512_castps128_ps512(dx4);
    dx = _mm512_permutexvar_ps(sixteens ? _mm512_srli_epi32(slot, 1) : slot, dx);
    __m512 f = _mm512_cvtepi32_ps(isum), df = _mm512_mul_ps(d, dx);
    __m512 mf = _mm512_mul_ps(min, dx), sums = _mm512_cvtepi32_ps(sum);
    UNROLL for (int i = 0; i < 4; i++)
    {
        if (i >= n)
            break;
        acc = _mm_fmadd_ps(slot_of(df, i), slot_of(f, i), acc);
        if (k.has_min)
            acc = _mm_fmadd_ps(slot_of(mf, i), slot_of(sums, i), acc);
    }
    return acc;
}

/* Blocks g .. g + n - 1 of a step, at p, of m activation rows (1 or 2); the missing of four read the last again and count for
 * nothing. */
INL void four_blocks(__m128 *acc, const enum block_type t, const int m, const uint8_t *p, size_t rs, const struct xq *x,
                     const size_t *row, int g, const int n)
{
    const size_t stride = block_stride(t);
    const size_t at[4] = {0, (n > 1 ? 1 : 0) * stride, (size_t)(n > 2 ? 2 : n - 1) * stride, (size_t)(n - 1) * stride};
    __m512i heads = _mm512_setzero_si512(), v[2][4];
    struct halves q[2];
    UNROLL for (int i = 0; i < m; i++) q[i] = block_halves(t, x->code + row[i] * STEP + block_values(t) * g);
    UNROLL for (int r = 0; r < 4; r++)
    {
        const uint8_t *b = p + (size_t)r * rs;
        struct halves c;
        if (has_heads(t)) {
            __m512i head;
            c = codes_with_heads(t, b, at, n, &head);
            heads = _mm512_mask_shuffle_epi32(heads, (__mmask16)(0x1111 << r), head, 0);
        } else {
            c = codes_headless(t, b, at);
        }
        UNROLL for (int i = 0; i < m; i++)
        {
            v[i][r] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), c.low, q[i].low);
            if (block_values(t) == 32)
                v[i][r] = _mm512_dpbusd_epi32(v[i][r], c.high, q[i].high);
        }
    }
    const __m512 d = block_scales(t, p, rs, at, heads);
    const __m512 min = low_halves(_mm512_srli_epi32(heads, 16));
    UNROLL for (int i = 0; i < m; i++) acc[i] = close_four(acc[i], t, rows4(v[i]), d, min, x, row[i], g, n);
}

/* n: blocks of 32 values in this step. */
INL void step_small(__m128 *acc, const enum block_type t, const int m, const uint8_t *p, size_t rs, const struct xq *x,
                    const size_t *row, int n)
{
    const struct small_type k = small_type(t);
    const size_t four = (size_t)(4 * block_values(t) / k.values) * k.bytes;
    n *= 32 / block_values(t);
    if (n == 8) {
        four_blocks(acc, t, m, p, rs, x, row, 0, 4);
        four_blocks(acc, t, m, p + four, rs, x, row, 4, 4);
        return;
    }
    for (int g = 0; g < n; g += 4, p += four)
        four_blocks(acc, t, m, p, rs, x, row, g, n - g < 4 && block_stride(t) ? n - g : 4);
}

DOT(dot_q4_k, step_q4_k(acc, 1, p, rs, x, at))
DOT(dot_q6_k, step_q6_k(acc, 1, p, rs, x, at))
PAIR(pair_q4_k, step_q4_k(acc, 2, p, rs, x, at))
PAIR(pair_q6_k, step_q6_k(acc, 2, p, rs, x, at))
QUAD(quad_q4_k, step_q4_k(acc, 3, p, rs, x, at), step_q4_k(acc, 4, p, rs, x, at))
QUAD(quad_q6_k, step_q6_k(acc, 3, p, rs, x, at), step_q6_k(acc, 4, p, rs, x, at))
SMALL_TYPES(DOT_SMALL)

void fill_dot_avx512(struct kernels *k)
{
    static const struct own_dot own[] = {OWN_DOT(q4_k, TYPE_Q4_K) OWN_DOT(q6_k, TYPE_Q6_K) SMALL_TYPES(OWN_DOT)};
    fill_dots(k, own, sizeof own / sizeof own[0]);
    k->quad[TYPE_Q4_K] = quad_q4_k;
    k->quad[TYPE_Q6_K] = quad_q6_k;
}

#endif
