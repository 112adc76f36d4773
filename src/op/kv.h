/* Keys and values are stored in pages of 256 positions: the unit of memory, of attention's sums, of sharing and of the disk cache.
 *
 * A row stands for one position, or, compressed, for several: n = 256 / ratio rows a page. One page of one KV layer:
 * K[n_head_kv][n][d_k], then V[n_head_kv][n][d_v], elements of one type. A page is written by
 * one sequence and, once full and committed, immutable: then any number of sequences may read it. */
#ifndef OP_KV_H
#define OP_KV_H

#include "kernel/kernel.h"

#include <stdint.h>

enum { KV_PAGE = ATTN_PAGE };

struct kv_shape {
    int n_head_kv;
    int d_k,
        d_v;   /* values of a head's key and value; d_v 0: a value is the head of its key (latents), or there is none */
    int ratio; /* positions of a row, a divisor of 256; 0: 1 */
    enum kv_type type;
};

/* Bytes of one value; positions of a row; rows of a page; bytes of a page of one layer. */
static inline size_t kv_element_bytes(enum kv_type t) { return t == KV_F16 ? 2 : 4; }

static inline int kv_ratio(const struct kv_shape *s) { return s->ratio ? s->ratio : 1; }
static inline int kv_page_rows(const struct kv_shape *s) { return KV_PAGE / kv_ratio(s); }

static inline size_t kv_page_bytes(const struct kv_shape *s)
{
    return (size_t)kv_page_rows(s) * (size_t)s->n_head_kv * (size_t)(s->d_k + s->d_v) * kv_element_bytes(s->type);
}

/* Where the keys and the values of head 0 <= head < n_head_kv begin in a layer's page of this shape. */
static inline uint8_t *kv_keys(const struct kv_shape *s, uint8_t *page, int head)
{
    return page + (size_t)head * (size_t)kv_page_rows(s) * (size_t)s->d_k * kv_element_bytes(s->type);
}

static inline uint8_t *kv_values(const struct kv_shape *s, uint8_t *page, int head)
{
    return kv_keys(s, page, s->n_head_kv) +
           (size_t)head * (size_t)kv_page_rows(s) * (size_t)s->d_v * kv_element_bytes(s->type);
}

#endif
