/* Importance, collected: sums of squares of what each matrix of weights is multiplied with, column by column (quantize.md 5.4).
 *
 * Operations tell of every product (struct op.watch), and a product belongs to a weight if it begins with the weight's first row: so an
 * architecture says nothing of it, and of a matrix that is multiplied part by part the rows count once. What operations are not told of
 * says so itself: experts, a matrix that is only ever used in another form, the output, whose rows are all rows.
 *
 * Sums are f64, rows in the order of the steps: threads split columns, never a sum, so threads, the length of steps and the budget change
 * no bit. Nothing of a step reads them. */
#ifndef MODEL_COLLECTOR_H
#define MODEL_COLLECTOR_H

#include "model/model.h"
#include "op/moe.h"

/* Of a tensor, or of two that are multiplied with the same rows: gate and up of experts. */
struct collected {
    const struct gguf_tensor *tensor, *also; /* also: NULL, or the other one */
    const uint8_t *data;                     /* of the weight; NULL: experts */
    int n_cols, n_mat, n_count;              /* n_mat: experts or heads; n_count: n_mat of experts, else 1 */
    double *sum;                             /* [n_mat][n_cols] */
    double *count;                           /* [n_count] rows */
};

struct collector {
    struct op *op;
    struct collected *
        entry; /* [n]: first those of weights, ascending by data, then of each layer with experts the inputs of gate and up ... */
    int n, n_weight;
    int *experts; /* [n_layer] ... which are here, and those of down, the next; -1: the layer has none */
};

/* Bytes of the plan; what collector_make() takes of mem, which is zeroed. */
size_t collector_bytes(const struct model *m);

/* The model is loaded; from now on its op is watched. -1: mem is too small. */
int collector_make(struct collector **out, struct model *m, struct arena *mem);

/* Rows that a weight would have been multiplied with. */
void collector_rows(struct collector *c, const struct weight *w, struct op_rows rows);

/* Rows that experts e [n], of numbers id [n], were multiplied with: gate and up with rows of x, down with hidden rows h, that of a use at
 * [use - first_use]. */
void collector_experts(struct collector *c, int layer, const struct moe_expert *e, const int32_t *id, int n,
                       const struct act *x, const float *h, int first_use);

#endif
