/* Products of rows of int8 codes, NEON: 64 codes at a time. */
#if defined(__aarch64__)
#include "kernel/neon/simd.h"
#include "kernel/tiers.h"

static void dot_codes(int32_t *out, const int8_t *row, int n_row, const int8_t *x, int n)
{
    for (int r = 0; r < n_row; r++, row += n) {
        int32x4_t sum[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
        for (int i = 0; i < n; i += 64)
            UNROLL for (int h = 0; h < 4; h++)
                sum[h] = vdotq_s32(sum[h], vld1q_s8(row + i + 16 * h), vld1q_s8(x + i + 16 * h));
        out[r] = vaddvq_s32(vaddq_s32(vaddq_s32(sum[0], sum[1]), vaddq_s32(sum[2], sum[3])));
    }
}

void fill_codes_neon(struct kernels *k) { k->dot_codes = dot_codes; }

#endif
