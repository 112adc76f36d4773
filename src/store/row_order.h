/* The rows of a call in ascending order, equal ones in the order they have: rows of one block become neighbours, and each row is looked up
 * once. In time that grows with their number, and without memory of its own. */
#ifndef STORE_ROW_ORDER_H
#define STORE_ROW_ORDER_H

#include <stdint.h>

/* A row and its place among the rows of a call. */
struct row_at {
    int32_t row, at;
};

/* order [n]: the n rows, each below n_row. work: as large. */
void row_order_sort(struct row_at *order, struct row_at *work, const int32_t *row, int n, uint64_t n_row);

/* The first of n entries behind entry i and those of the same row. */
int row_order_next(const struct row_at *x, int i, int n);

#endif
