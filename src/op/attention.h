/* Attention of a batch of rows, each seeing rows of its own sequence: up to itself, or later ones too. */
#ifndef OP_ATTENTION_H
#define OP_ATTENTION_H

#include "op/kv.h"
#include "op/op.h"

/* A row of the batch. With n = kv_page_rows(), page i of its sequence in this layer holds rows [n i, n i + n): positions, or
 * where rows are compressed each of several. */
struct attn_row {
    uint8_t *const *page; /* pages of the whole sequence up to last; each is layer_offset into the page's memory */
    int pos;              /* its own: where its key and value are stored */
    int first, last;      /* the rows that it sees: from a window's edge, or 0, to itself, or, bidirectional, further */
    int seq;              /* rows of one sequence are neighbours with ascending positions */
};

/* What a row attends to besides its own positions, under the same softmax: rows in pages of another shape, with one key head of the same
 * d_k, whose values are their keys. They come after the row's own pages, ascending, ATTN_PAGE rows in a split. */
struct attn_beside {
    struct kv_shape shape;
    size_t layer_offset;
    const struct attn_row *row; /* [n_rows]: it sees rows 0 .. pos */
    const int32_t *chosen;      /* [n_rows][most], ascending: only these, where pos >= most; NULL: all */
    int most;
};

struct attention {
    struct kv_shape shape;
    int d_v;                    /* of a value: shape.d_v, or, where that is 0, of the head of each key */
    const float *sinks;         /* [n_head], or NULL */
    const float *slopes;        /* [n_head] taken off scores a position of distance, or NULL; not beside chosen */
    size_t layer_offset;        /* of this layer in a page */
    int n_head;                 /* of queries: a multiple of shape.n_head_kv */
    float scale, cap;           /* of scores; cap 0: none */
    const struct attn_row *row; /* [n_rows] */
    const int32_t *
        chosen; /* [n_rows][most] ascending; NULL: all. Groups of chosen_ratio positions: where more than most are complete,
                            * only these, and the incomplete last one */
    int most, chosen_ratio; /* chosen_ratio: a divisor of ATTN_PAGE; 0: 1 */
    int lists; /* 0: one list a row. Else n_head_kv, [n_rows][lists][most], one for the queries of each KV head: where more
                             * than most groups begin at or before the row these, and the incomplete one only if it is among them */
    int n_rows;
    const struct attn_beside *beside; /* NULL: nothing */
};

/* Store k [n_rows][n_head_kv * d_k] and v [n_rows][n_head_kv * d_v] in the rows' pages, as shape.type; v NULL where shape.d_v is 0. */
void op_kv_store(struct op *op, const struct attention *a, const float *k, const float *v);

/* out [n_rows][n_head * d_v] from q [n_rows][n_head * d_k]. The keys and values that the rows attend to have been stored. */
void op_attend(struct op *op, const struct attention *a, float *out, const float *q);

#endif
