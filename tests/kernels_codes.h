/* Products of rows of int8 codes: every tier against sums in 64 bits. */
#ifndef KERNELS_CODES_H
#define KERNELS_CODES_H

#include "kernels_common.h"

enum { CODE_ROWS = 9, CODE_COLS = 1 << 16 };

/* kind 0: any codes; else the extremes, whose products are what a narrow sum would not hold. */
static int8_t any_code(int kind, int least)
{
    if (kind == 0)
        return (int8_t)(rnd_below(128 - least) + least);
    return (int8_t)(kind == 1 || rnd_below(2) ? least : 127);
}

static void codes_equal(struct guarded rows, struct guarded query, struct guarded sums, int n_row, int n, int kind)
{
    next_case();
    int8_t *row = place(rows, (size_t)n_row * (size_t)n), *x = place(query, (size_t)n);
    int32_t *out = place(sums, (size_t)(n_row + 1) * sizeof *out);
    for (int i = 0; i < n_row * n; i++)
        row[i] = any_code(kind, -128);
    for (int i = 0; i < n; i++)
        x[i] = any_code(kind, -127);
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++) {
        out[n_row] = 12345;
        kernels_for((enum cpu_tier)tier)->dot_codes(out, row, n_row, x, n);
        for (int r = 0; r < n_row; r++) {
            int64_t sum = 0;
            for (int i = 0; i < n; i++)
                sum += (int64_t)row[r * n + i] * x[i];
            check(out[r] == sum, "codes %s, %d of %d rows of %d, kind %d: %d, not %lld", cpu_tier_name(tier), r, n_row,
                  n, kind, out[r], (long long)sum);
        }
        check(out[n_row] == 12345, "codes %s: writes behind %d rows", cpu_tier_name(tier), n_row);
        hash_bytes(tier, out, (size_t)n_row * sizeof *out);
    }
}

static void check_codes(void)
{
    static const int cols[] = {64, 128, 192, 384, 768, 1088};
    struct guarded rows = guarded_new((size_t)CODE_ROWS * CODE_COLS), query = guarded_new(CODE_COLS),
                   sums = guarded_new((CODE_ROWS + 1) * sizeof(int32_t));
    for (int n_row = 0; n_row <= CODE_ROWS; n_row++)
        for (size_t i = 0; i < sizeof cols / sizeof *cols; i++)
            for (int kind = 0; kind < 3; kind++)
                codes_equal(rows, query, sums, n_row, cols[i], kind);
    codes_equal(rows, query, sums, 5, CODE_COLS, 1);
    codes_equal(rows, query, sums, 1, CODE_COLS, 2);
}

#endif
