/* Products of rows of int8 codes, AVX-512 with VNNI: 64 codes at a time. Its products are of an unsigned factor and a signed one, so a code
 * has 128 added to it, and the sum loses 128 times that of x. */
#if defined(__x86_64__)
#include "kernel/avx512/simd.h"
#include "kernel/tiers.h"

static int32_t sum_of(const int8_t *x, int n)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

/* Rows row, row + n, ..: N_ROW of them, which share what is loaded of x. */
#define DOT(N_ROW)                                                                                                     \
    do {                                                                                                               \
        __m512i sum[N_ROW];                                                                                            \
        for (int r = 0; r < N_ROW; r++)                                                                                \
            sum[r] = _mm512_setzero_si512();                                                                           \
        for (int i = 0; i < n; i += 64) {                                                                              \
            const __m512i at = _mm512_loadu_si512(x + i);                                                              \
            UNROLL for (int r = 0; r < N_ROW; r++)                                                                     \
            {                                                                                                          \
                __m512i code = _mm512_loadu_si512(row + (size_t)r * (size_t)n + i);                                    \
                sum[r] = _mm512_dpbusd_epi32(sum[r], _mm512_xor_si512(code, top), at);                                 \
            }                                                                                                          \
        }                                                                                                              \
        for (int r = 0; r < N_ROW; r++)                                                                                \
            *out++ = _mm512_reduce_add_epi32(sum[r]) - less;                                                           \
    } while (0)

static void dot_codes(int32_t *out, const int8_t *row, int n_row, const int8_t *x, int n)
{
    const __m512i top = _mm512_set1_epi8((char)0x80);
    const int32_t less = 128 * sum_of(x, n);
    for (; n_row >= 4; n_row -= 4, row += 4 * (size_t)n)
        DOT(4);
    for (; n_row > 0; n_row--, row += n)
        DOT(1);
}

void fill_codes_avx512(struct kernels *k) { k->dot_codes = dot_codes; }

#endif
