/* Products of rows of int8 codes, AVX2: 32 codes at a time. */
#if defined(__x86_64__)
#include "kernel/avx2/simd.h"
#include "kernel/tiers.h"

static void dot_codes(int32_t *out, const int8_t *row, int n_row, const int8_t *x, int n)
{
    const __m256i ones = _mm256_set1_epi16(1);
    for (int r = 0; r < n_row; r++, row += n) {
        __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        for (int i = 0; i < n; i += 64)
            UNROLL for (int h = 0; h < 2; h++)
            {
                __m256i pairs = signed_pairs(load256(row + i + 32 * h), load256(x + i + 32 * h));
                sum[h] = _mm256_add_epi32(sum[h], _mm256_madd_epi16(pairs, ones));
            }
        const __m256i all[4] = {_mm256_add_epi32(sum[0], sum[1]), _mm256_setzero_si256(), _mm256_setzero_si256(),
                                _mm256_setzero_si256()};
        out[r] = _mm_cvtsi128_si32(sums4(all));
    }
}

void fill_codes_avx2(struct kernels *k) { k->dot_codes = dot_codes; }

#endif
