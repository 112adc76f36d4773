/* How many rows the experts of each layer saw while importance was collected: for `imatrix` and `quantize`. */
#ifndef CLI_IMATRIX_COVERAGE_H
#define CLI_IMATRIX_COVERAGE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum { COVERAGE_FEW = 32 }; /* rows below which an expert's own importance says little */

struct coverage_layer {
    int layer;
    uint64_t n_expert;
    double *rows; /* [n_expert]; the caller's */
};

struct coverage {
    uint64_t experts, unseen,
        few;      /* of all layers: without a row; with fewer than COVERAGE_FEW of those that have some */
    double least; /* rows of the expert with the fewest; INFINITY: there are no experts */
};
struct coverage coverage_of(const struct coverage_layer *l, size_t n);

/* A table on stdout of the layers that have an expert with fewer than `below` rows (INFINITY: of all layers), which names the experts with
 * no rows and those with few. Sorts l [n] by layer. */
void coverage_show(struct coverage_layer *l, size_t n, double below);

/* The same of all layers. NULL: no memory. */
json_t *coverage_json(struct coverage_layer *l, size_t n);

#endif
