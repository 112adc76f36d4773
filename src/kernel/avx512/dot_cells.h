/* A step of the codebook types by 512-bit vectors: four weight rows at a time; 64 values, 8 or 16 cells of a grid, become one vector. On
 * CPUs whose gathers are as fast as loads (cpu.h) it gathers them, by indices that vectors put together (dot_gather.c). Elsewhere it
 * loads those of iq1_s and iq1_m one by one (dot_k.c); grids of at most 512 are looked up in registers (dot_codebook.c).
 *
 * What is summed is that of avx2/dot_k.h, so are the bits. Every load lies inside its block. */
#ifndef KERNEL_AVX512_DOT_CELLS_H
#define KERNEL_AVX512_DOT_CELLS_H

#include "format/grids.h"
#include "kernel/avx2/step.h"
#include "kernel/avx512/sums.h"

/* How cells come; by loads those of iq1_s and iq1_m alone. */
enum fetch { BY_GATHERS, BY_LOADS };

enum { CHUNKS = 4 /* of 64 values in a step */ };

/* The 32 cells of a step, where they have eight values. */
struct cells {
    __m512i index;  /* words */
    __mmask32 down; /* iq1: those whose delta is -1 */
};

/* Eight words at v, each four times, shifted right by width, twice width, ... */
INL __m512i words_of_cells(__m128i v, const int width)
{
    const __m512i four_times = _mm512_set_epi64(0x0007000700070007, 0x0006000600060006, 0x0005000500050005,
                                                0x0004000400040004, 0x0003000300030003, 0x0002000200020002,
                                                0x0001000100010001, 0);
    const __m512i shift = _mm512_set1_epi64((long long)(0x0003000200010000 * (uint64_t)width));
    return _mm512_srlv_epi16(_mm512_permutexvar_epi16(four_times, _mm512_castsi128_si512(v)), shift);
}

/* low: where the 32 low bytes of the indices are; the bits above them are in the words. */
INL __m512i indices(const uint8_t *low, __m512i words, const int mask)
{
    __m512i high = _mm512_slli_epi16(_mm512_and_si512(words, _mm512_set1_epi16((short)mask)), 8);
    return _mm512_or_si512(_mm512_cvtepu8_epi16(load256(low)), high);
}

INL struct cells load_cells(const enum block_type t, const uint8_t *p)
{
    __m128i rest;
    __m512i words;
    switch (t) {
    case TYPE_IQ1_S: /* three bits a cell, three of the scale, that of delta */
        rest = load128(p + 34);
        return (struct cells){indices(p + 2, words_of_cells(rest, 3), 7),
                              _mm512_test_epi16_mask(words_of_cells(rest, 0), _mm512_set1_epi16((short)0x8000))};
    case TYPE_IQ1_M: /* three bits a cell, and that of delta */
        words = words_of_cells(load128(p + 32), 4);
        return (struct cells){indices(p, words, 7), _mm512_test_epi16_mask(words, _mm512_set1_epi16(8))};
    case TYPE_IQ2_XXS: /* four bytes, then four of signs and scale */
        return (struct cells){.index = _mm512_cvtepu8_epi16(_mm512_cvtepi64_epi32(_mm512_loadu_si512(p + 2)))};
    case TYPE_IQ2_XS: /* seven bits of signs above the index */
        return (struct cells){.index = _mm512_and_si512(_mm512_loadu_si512(p + 2), _mm512_set1_epi16(511))};
    default: /* iq2_s: two bits a cell */
        words = words_of_cells(_mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(p + 66))), 2);
        return (struct cells){.index = indices(p + 2, words, 3)};
    }
}

/* As eighths() of avx2/codebook.h; down: the cells whose delta is -1. */
INL __m512i eighths_of(__m512i trits, __mmask8 down)
{
    const __m512i delta = _mm512_mask_mov_epi64(_mm512_set1_epi8(IQ1_ZERO_POINT + 1), down,
                                                _mm512_set1_epi8(IQ1_ZERO_POINT - 1));
    return _mm512_add_epi8(_mm512_and_si512(_mm512_slli_epi16(trits, 3), _mm512_set1_epi8((char)0xf8)), delta);
}

/* The indices of 16 cells of four values. */
INL __m512i indices_iq3(const enum block_type t, const uint8_t *p, const int c)
{
    const __m512i low = _mm512_cvtepu8_epi32(load128(p + 2 + 16 * c));
    if (t == TYPE_IQ3_XXS)
        return low;
    return _mm512_mask_add_epi32(low, _cvtu32_mask16(load_u16(p + 66 + 2 * c)), low, _mm512_set1_epi32(256));
}

/* Those of eight cells, chunk c of 32. An extract would need a constant, which c is to no compiler that does not optimise. */
INL __m256i indices_of_chunk(__m512i words, const int c)
{
    const __m512i quarter = _mm512_set_epi64(0, 0, 0, 0, 0, 0, 2 * c + 1, 2 * c);
    return _mm256_cvtepu16_epi32(_mm512_castsi512_si128(_mm512_permutexvar_epi64(quarter, words)));
}

/* Eight cells of iq1_s or iq1_m, chunk c of the step. */
INL __m512i load_cells_of_chunk(const enum block_type t, const uint8_t *p, const int c)
{
    const uint8_t *low = p + (t == TYPE_IQ1_S ? 2 : 0) + 8 * c;
    const uint32_t high = load_u32(p + (t == TYPE_IQ1_S ? 34 : 32) + 4 * c) &
                          (t == TYPE_IQ1_S ? 0x0fff0fff : 0x77777777);
    const int bits = t == TYPE_IQ1_S ? 3 : 4;
    return _mm512_inserti64x4(_mm512_castsi256_si512(four_cells_of(grid_iq1, low, high & 0xffff, bits)),
                              four_cells_of(grid_iq1, low + 4, high >> 16, bits), 1);
}

/* Values 64 c .. 64 c + 63 of the step at p, as load_codes() has them, without signs. */
INL __m512i codes_of_chunk(const enum block_type t, const enum fetch fetch, const uint8_t *p, const struct cells *cells,
                           const int c)
{
    if (fetch == BY_LOADS)
        return eighths_of(load_cells_of_chunk(t, p, c), (__mmask8)(cells->down >> 8 * c));
    if (t == TYPE_IQ3_S || t == TYPE_IQ3_XXS)
        return _mm512_i32gather_epi32(indices_iq3(t, p, c), t == TYPE_IQ3_S ? grid_iq3_s : grid_iq3_xxs, 4);
    const __m256i index = indices_of_chunk(cells->index, c);
    switch (t) {
    case TYPE_IQ2_XXS:
        return _mm512_i32gather_epi64(index, grid_iq2_xxs, 8);
    case TYPE_IQ2_XS:
        return _mm512_i32gather_epi64(index, grid_iq2_xs, 8);
    case TYPE_IQ2_S:
        return _mm512_i32gather_epi64(index, grid_iq2_s, 8);
    default:
        return eighths_of(_mm512_i32gather_epi64(index, grid_iq1, 8), (__mmask8)(cells->down >> 8 * c));
    }
}

/* Sixteen scales, twice each, to the words that hold products of their values in chunk c. */
INL __m512i scales_of_chunk(__m512i twice_each, const int c)
{
    const __m512i fourth = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    return _mm512_permutexvar_epi32(_mm512_add_epi32(fourth, _mm512_set1_epi32(4 * c)), twice_each);
}

/* What the zero point adds to the sums, to be taken off. */
INL __m512i less_zero_point(const enum block_type t, __m256i scale, const int16_t *sum16)
{
    if (!k_type(t).zero_point)
        return _mm512_setzero_si512();
    const __m256i sums = _mm256_madd_epi16(scale, load256(sum16));
    return _mm512_zextsi256_si512(_mm256_mullo_epi32(sums, _mm256_set1_epi32(-IQ1_ZERO_POINT)));
}

/* Adds the weight row at p times m activation rows. */
INL void add_row(__m512i v[2], const enum block_type t, const enum fetch fetch, const int m, const uint8_t *p,
                 const struct xq *x, const size_t *at)
{
    struct cells cells = {.down = 0};
    struct head h;
    load_head(&h, t, p);
    if (t != TYPE_IQ3_S && t != TYPE_IQ3_XXS)
        cells = load_cells(t, p);
    const __m512i scale = _mm512_cvtepi16_epi32(h.scale),
                  twice_each = _mm512_or_si512(scale, _mm512_slli_epi32(scale, 16));
    UNROLL for (int i = 0; i < m; i++) v[i] = less_zero_point(t, h.scale, x->sum16 + at[i] * 16);
    UNROLL for (int c = 0; c < CHUNKS; c++)
    {
        const __m512i u = codes_of_chunk(t, fetch, p, &cells, c), s = scales_of_chunk(twice_each, c);
        UNROLL for (int i = 0; i < m; i++)
        {
            __m512i q = _mm512_loadu_si512(x->code + at[i] * STEP + 64 * c);
            if (k_type(t).has_signs) {
                const uint64_t negative = h.negative[2 * c] | (uint64_t)h.negative[2 * c + 1] << 32;
                q = _mm512_mask_sub_epi8(q, _cvtu64_mask64(negative), _mm512_setzero_si512(), q);
            }
            v[i] = _mm512_dpwssd_epi32(v[i], _mm512_maddubs_epi16(u, q), s);
        }
    }
}

/* One step of four rows at p, rs bytes apart, with m activation rows; t, fetch and m are constants. */
INL void step_cells(__m128 *acc, const enum block_type t, const enum fetch fetch, const int m, const uint8_t *p,
                    size_t rs, const struct xq *x, const size_t *at)
{
    __m512i v[4][2];
    UNROLL for (int r = 0; r < 4; r++) add_row(v[r], t, fetch, m, p + (size_t)r * rs, x, at);
    const __m128 d = load_d4(t, p, rs);
    UNROLL for (int i = 0; i < m; i++)
    {
        const __m512i sums[4] = {v[0][i], v[1][i], v[2][i], v[3][i]};
        acc[i] = close_rows(acc[i], sums, d, x->scale[at[i]]);
    }
}

#endif
