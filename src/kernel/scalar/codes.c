/* Products of rows of int8 codes: integers, so there is nothing to define but their sum. */
#include "kernel/tiers.h"

static void dot_codes(int32_t *out, const int8_t *row, int n_row, const int8_t *x, int n)
{
    for (int r = 0; r < n_row; r++, row += n) {
        int32_t sum = 0;
        for (int i = 0; i < n; i++)
            sum += row[i] * x[i];
        out[r] = sum;
    }
}

void fill_codes_scalar(struct kernels *k) { k->dot_codes = dot_codes; }
