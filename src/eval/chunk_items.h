/* The lines that files of results have of a chunk: evaluation.md 4. */
#ifndef EVAL_CHUNK_ITEMS_H
#define EVAL_CHUNK_ITEMS_H

#include "eval/kld.h"
#include "eval/ppl.h"

#include <jansson.h>

/* NULL: no memory. */
json_t *eval_ppl_item(size_t chunk, const struct eval_ppl_chunk *c);
/* Without the lists of kld and dp. */
json_t *eval_kld_item(size_t chunk, const struct eval_kld_sums *s);

/* Such a line, which must be of this chunk and of n positions. ERR_INPUT: a sentence about the line, which figures can be no chunk's
 * either. kld, dp [n] are filled in. */
int eval_ppl_item_read(struct eval_ppl_chunk *c, const json_t *item, size_t chunk, size_t n, struct error *err);
int eval_kld_item_read(struct eval_kld_sums *s, float *kld, float *dp, const json_t *item, size_t chunk, size_t n,
                       struct error *err);

#endif
