/* See row_order.h. */
#include "store/row_order.h"

#include <assert.h>

enum { SORT_FEW = 24 }; /* rows that are sorted by insertion */

static void sort_few(struct row_at *x, int n)
{
    for (int i = 1; i < n; i++) {
        struct row_at moved = x[i];
        int at = i;
        for (; at > 0 && x[at - 1].row > moved.row; at--)
            x[at] = x[at - 1];
        x[at] = moved;
    }
}

/* By one byte of the row, equal ones in the order they have. */
static void sort_by_byte(struct row_at *to, const struct row_at *from, int n, int byte)
{
    int start[257] = {0};
    for (int i = 0; i < n; i++)
        start[(from[i].row >> 8 * byte & 255) + 1]++;
    for (int b = 0; b < 256; b++)
        start[b + 1] += start[b];
    for (int i = 0; i < n; i++)
        to[start[from[i].row >> 8 * byte & 255]++] = from[i];
}

void row_order_sort(struct row_at *order, struct row_at *work, const int32_t *row, int n, uint64_t n_row)
{
    for (int i = 0; i < n; i++) {
        assert(row[i] >= 0 && (uint64_t)row[i] < n_row);
        order[i] = (struct row_at){row[i], i};
    }
    if (n <= SORT_FEW) {
        sort_few(order, n);
        return;
    }
    for (int byte = 0; byte < 4; byte += 2) {
        sort_by_byte(work, order, n, byte);
        sort_by_byte(order, work, n, byte + 1);
    }
}

int row_order_next(const struct row_at *x, int i, int n)
{
    int32_t row = x[i].row;
    while (i < n && x[i].row == row)
        i++;
    return i;
}
