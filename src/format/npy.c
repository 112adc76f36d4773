/* See npy.h. */
#include "format/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void npy_header(char out[NPY_HEADER], const char *type, int n_dim, const uint64_t *shape)
{
    static const char begin[] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, NPY_HEADER - 10, 0};
    char second[24] = "", text[NPY_HEADER];
    if (n_dim > 1)
        snprintf(second, sizeof second, " %" PRIu64, shape[1]);
    int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (%" PRIu64 ",%s), }", type,
                     shape[0], second);
    memset(out, ' ', NPY_HEADER);
    memcpy(out, begin, sizeof begin);
    memcpy(out + sizeof begin, text, (size_t)n);
    out[NPY_HEADER - 1] = '\n';
}
