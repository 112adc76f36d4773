/* Eight f32 numbers side by side, for searches that look at eight groups of values at a time.
 *
 * These are the compiler's vectors: each lane is computed as a number alone would be, so any width of registers gives the same bits. */
#ifndef QUANT_LANES_H
#define QUANT_LANES_H

#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#pragma GCC diagnostic ignored "-Wpsabi" /* nothing of this is passed between files: no ABI counts */

enum { LANES = 8 };
typedef float lanes __attribute__((vector_size(32)));
typedef int32_t lane_mask __attribute__((vector_size(32)));

#define LANE_OP static inline __attribute__((always_inline))

LANE_OP lanes all_of(float v) { return (lanes){v, v, v, v, v, v, v, v}; }

LANE_OP lanes load_lanes(const float *p)
{
    lanes v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* lesser, larger: of equal numbers, and beside a NaN, b. lane_bits, sign_bits: bit l for lane l. */
#if defined(__AVX2__)
LANE_OP lanes choose(lane_mask m, lanes yes, lanes no) { return _mm256_blendv_ps(no, yes, (lanes)m); }
LANE_OP lanes lesser(lanes a, lanes b) { return _mm256_min_ps(a, b); }
LANE_OP lanes larger(lanes a, lanes b) { return _mm256_max_ps(a, b); }
LANE_OP unsigned sign_bits(lane_mask m) { return (unsigned)_mm256_movemask_ps((lanes)m); }
LANE_OP unsigned lane_bits(lane_mask m) { return sign_bits(m); }
#else
LANE_OP lanes choose(lane_mask m, lanes yes, lanes no) { return (lanes)(((lane_mask)yes & m) | ((lane_mask)no & ~m)); }
LANE_OP lanes lesser(lanes a, lanes b) { return choose(a < b, a, b); }
LANE_OP lanes larger(lanes a, lanes b) { return choose(a > b, a, b); }
LANE_OP unsigned lane_bits(lane_mask m)
{
    unsigned bits = 0;
    for (int l = 0; l < LANES; l++)
        bits |= (unsigned)(m[l] & 1) << l;
    return bits;
}
LANE_OP unsigned sign_bits(lane_mask m) { return lane_bits(m < 0); }
#endif

/* As many numbers as a register holds, for what is looked at in bulk and bounds results without being one: add_product and less_product,
 * a + b c and a - b c, are rounded once or twice. */
#if defined(__AVX512F__)
enum { BULK = 16 };
typedef float bulk __attribute__((vector_size(64)));
typedef int32_t bulk_mask __attribute__((vector_size(64)));
LANE_OP bulk load_bulk(const float *p) { return _mm512_loadu_ps(p); }
LANE_OP bulk bulk_of(float v) { return _mm512_set1_ps(v); }
LANE_OP bulk lesser_bulk(bulk a, bulk b) { return _mm512_min_ps(a, b); }
LANE_OP bulk add_product(bulk a, bulk b, bulk c) { return _mm512_fmadd_ps(b, c, a); }
LANE_OP bulk less_product(bulk a, bulk b, bulk c) { return _mm512_fnmadd_ps(b, c, a); }
LANE_OP unsigned bulk_sign_bits(bulk_mask m) { return _mm512_movepi32_mask((__m512i)m); }
#else
enum { BULK = LANES };
typedef lanes bulk;
typedef lane_mask bulk_mask;
LANE_OP bulk load_bulk(const float *p) { return load_lanes(p); }
LANE_OP bulk bulk_of(float v) { return all_of(v); }
LANE_OP bulk lesser_bulk(bulk a, bulk b) { return lesser(a, b); }
LANE_OP unsigned bulk_sign_bits(bulk_mask m) { return sign_bits(m); }
#if defined(__FMA__)
LANE_OP bulk add_product(bulk a, bulk b, bulk c) { return _mm256_fmadd_ps(b, c, a); }
LANE_OP bulk less_product(bulk a, bulk b, bulk c) { return _mm256_fnmadd_ps(b, c, a); }
#else
LANE_OP bulk add_product(bulk a, bulk b, bulk c) { return a + b * c; }
LANE_OP bulk less_product(bulk a, bulk b, bulk c) { return a - b * c; }
#endif
#endif

LANE_OP lanes clamp(lanes v, lanes low, lanes high) { return larger(lesser(v, high), low); }
LANE_OP lanes magnitude(lanes v) { return (lanes)((lane_mask)v & 0x7fffffff); }

/* To whole numbers, half to even; |v| <= 2^22. */
LANE_OP lanes round_lanes(lanes v) { return (v + 0x1.8p23f) - 0x1.8p23f; }

/* 1 / v, of zero 0. */
LANE_OP lanes inverse(lanes v)
{
    lane_mask is_zero = v == 0;
    return choose(is_zero, all_of(0), 1 / choose(is_zero, all_of(1), v));
}

/* The least of all, and a lane that has it: of several the first. */
LANE_OP int lane_of_least(lanes v, float *least)
{
    lanes m = lesser(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3));
    m = lesser(m, __builtin_shufflevector(m, m, 2, 3, 0, 1, 6, 7, 4, 5));
    m = lesser(m, __builtin_shufflevector(m, m, 1, 0, 3, 2, 5, 4, 7, 6));
    *least = m[0];
    return __builtin_ctz(lane_bits(v == m) | 1 << (LANES - 1));
}

LANE_OP float sum_lanes(lanes v) { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }

#endif
