/* Blocks of the x32 family in AVX2 registers, for dots and tiles; small_block.h says where things lie. */
#ifndef KERNEL_AVX2_SMALL_H
#define KERNEL_AVX2_SMALL_H

#include "format/grids.h"
#include "kernel/avx2/simd.h"
#include "kernel/small_block.h"

/* 32 nibbles: the low ones of 16 bytes, then the high ones. */
INL __m256i nibbles(const uint8_t *p)
{
    const __m256i shifts = _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4);
    return _mm256_and_si256(_mm256_srlv_epi32(_mm256_broadcastsi128_si256(load128(p)), shifts), _mm256_set1_epi8(15));
}

INL __m256i table_codes(const int8_t codes[16], int zero_point, __m256i index)
{
    __m128i table = _mm_add_epi8(load128(codes), _mm_set1_epi8((char)zero_point));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), index);
}

/* Codes 32 part .. 32 part + 31 of the block at p, + their zero point if that is below 128. */
INL __m256i block_codes(const enum block_type t, const uint8_t *p, int part)
{
    const struct small_type k = small_type(t);
    p += k.codes;
    switch (t) {
    case TYPE_Q8_0:
        return load256(p);
    case TYPE_Q4_0:
    case TYPE_Q4_1:
        return nibbles(p);
    case TYPE_Q5_0:
    case TYPE_Q5_1:
        return _mm256_or_si256(nibbles(p), bits_as(p - 4, 16));
    case TYPE_IQ4_NL:
        return table_codes(codes_iq4_nl, 0, nibbles(p));
    case TYPE_MXFP4:
        return table_codes(codes_e2m1, k.zero_point, nibbles(p));
    case TYPE_NVFP4: /* eight bytes for each sixteen */
        return table_codes(codes_e2m1, k.zero_point, _mm256_permute4x64_epi64(nibbles(p + 16 * part), 0xd8));
    default: /* q1_0 */
        return bits_as(p + 4 * part, 2);
    }
}

#endif
