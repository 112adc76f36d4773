/* Which keys a row attends to: the top_k that an indexer scores highest (DeepSeek-V3.2, arXiv 2512.02556; V4 over compressed keys).
 *
 *     score_c = sum_h w_h max(0, q_h k_c)      heads ascending; ties: the lower c
 *
 * Or blocks of keys, each head by itself (MiniMax-M3):
 *
 *     score_h,b = max over the visible keys c of block b of  q_h k_c; the last n_local blocks that the row sees go before all others
 *
 * Or in two steps (DeepSeek-V4.1): blocks of keys, by the best score_c of each, in which other layers choose keys. */
#ifndef OP_INDEXER_H
#define OP_INDEXER_H

#include "op/attention.h"

struct indexer {
    int n_head, d, top_k;  /* of the indexer; d: values of a query and of a key; top_k: keys that are chosen */
    struct kv_shape shape; /* of the index keys: one head of d values, f16 or f32 */
    size_t layer_offset;
    const struct attn_row *row; /* [n_rows], over keys 0 .. pos */
    int n_rows;
    const float *q, *w; /* [n_rows][n_head][d], [n_rows][n_head]; w NULL: all 1 */
    int block, n_local; /* keys of a block, a divisor of a page's; 0: keys are chosen. n_local <= top_k */
    int together;       /* 1: one choice of blocks, by score_c of their keys instead of the products of each head */
    /* NULL, or [n_rows][n_within] numbers of blocks of `within_block` keys, ascending: keys of other blocks are not chosen, where a row
     * sees more blocks than so many. Together they have top_k keys at least, the last one counting one. */
    const int32_t *within;
    int n_within, within_block;
};

/* chosen [n_rows][top_k]: numbers of keys, ascending; by blocks [n_rows][n_head][top_k], numbers of blocks. Rows that see at most top_k
 * attend to all of them: theirs are not written. A score that is not a number counts as -Inf. */
void op_index(struct op *op, const struct indexer *x, int32_t *chosen);

#endif
