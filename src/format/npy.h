/* Headers of .npy files, version 1.0: one array, row by row, little-endian. */
#ifndef FORMAT_NPY_H
#define FORMAT_NPY_H

#include <stddef.h>
#include <stdint.h>

enum { NPY_HEADER = 128 };

/* The header of an array of 1 or 2 dimensions; type: "<f4", "<f2", "<i4". NPY_HEADER bytes. */
void npy_header(char out[NPY_HEADER], const char *type, int n_dim, const uint64_t *shape);

#endif
