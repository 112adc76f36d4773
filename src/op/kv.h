/* Keys and values are stored in pages of 256 positions: the unit of memory, of attention's sums, of sharing and of the disk cache.
 *
 * A row stands for one position, or, compressed, for several: n = 256 / ratio rows a page. One page of one KV layer:
 * K[n_head_kv][n][d_k], then V[n_head_kv][n][d_v], elements of one type. Of q8_0 a head is its codes [n][kv_codes(d)], then f16 scales
 * [kv_groups(d)][n]. A page is written by
 * one sequence and, once full and committed, immutable: then any number of sequences may read it. */
#ifndef OP_KV_H
#define OP_KV_H

#include "kernel/kernel.h"

#include <stdint.h>

enum { KV_PAGE = ATTN_PAGE };

struct kv_shape {
    int n_head_kv;
    /* Values of a head's key and value; d_v 0: a value is the head of its key (latents), or there is none. */
    int d_k, d_v;
    int ratio; /* positions of a row, a divisor of 256; 0: 1 */
    int index; /* 1: an indexer's keys, which are never quantised: f16 where the others are q8_0 */
    enum kv_type type;
};

static inline const char *kv_type_name(enum kv_type t) { return t == KV_F16 ? "f16" : t == KV_F32 ? "f32" : "q8_0"; }

static inline struct kv_shape kv_shape_as(struct kv_shape s, enum kv_type t)
{
    s.type = s.index && t == KV_Q8_0 ? KV_F16 : t;
    return s;
}

/* Bytes of a row of d values of a head, without scales; scales beside it; positions of a row; rows of a page; bytes of a head's d values in
 * a page, and of a page of one layer. */
static inline size_t kv_row_bytes(enum kv_type t, int d)
{
    return t == KV_Q8_0 ? (size_t)kv_codes(d) : (size_t)d * (t == KV_F16 ? 2 : 4);
}

static inline int kv_row_scales(enum kv_type t, int d) { return t == KV_Q8_0 ? kv_groups(d) : 0; }
static inline int kv_ratio(const struct kv_shape *s) { return s->ratio ? s->ratio : 1; }
static inline int kv_page_rows(const struct kv_shape *s) { return KV_PAGE / kv_ratio(s); }

static inline size_t kv_head_bytes(const struct kv_shape *s, int d)
{
    return (size_t)kv_page_rows(s) * (kv_row_bytes(s->type, d) + (size_t)kv_row_scales(s->type, d) * sizeof(uint16_t));
}

static inline size_t kv_page_bytes(const struct kv_shape *s)
{
    return (size_t)s->n_head_kv * (kv_head_bytes(s, s->d_k) + kv_head_bytes(s, s->d_v));
}

/* Where the keys and the values of head 0 <= head < n_head_kv begin in a layer's page of this shape. */
static inline uint8_t *kv_keys(const struct kv_shape *s, uint8_t *page, int head)
{
    return page + (size_t)head * kv_head_bytes(s, s->d_k);
}

static inline uint8_t *kv_values(const struct kv_shape *s, uint8_t *page, int head)
{
    return kv_keys(s, page, s->n_head_kv) + (size_t)head * kv_head_bytes(s, s->d_v);
}

/* The scales of a head of d values that begins at `head`: [kv_row_scales()][kv_page_rows()]. */
static inline uint16_t *kv_scales(const struct kv_shape *s, uint8_t *head, int d)
{
    return (uint16_t *)(void *)(head + (size_t)kv_page_rows(s) * kv_row_bytes(s->type, d));
}

/* The first n rows of a layer's page, as pieces of memory: piece i lies [at, at + bytes) of the page. 0: there is no piece i. */
struct kv_piece {
    size_t at, bytes;
};

static inline int kv_piece(const struct kv_shape *s, int n, int i, struct kv_piece *out)
{
    int of_key = 1 + kv_row_scales(s->type, s->d_k), of_value = s->d_v ? 1 + kv_row_scales(s->type, s->d_v) : 0;
    int is_value = i >= of_key * s->n_head_kv, d = is_value ? s->d_v : s->d_k, of_head = is_value ? of_value : of_key;
    if (i >= (of_key + of_value) * s->n_head_kv)
        return 0;
    i -= is_value ? of_key * s->n_head_kv : 0;
    size_t begin = (is_value ? (size_t)s->n_head_kv * kv_head_bytes(s, s->d_k) : 0) +
                   (size_t)(i / of_head) * kv_head_bytes(s, d),
           row = kv_row_bytes(s->type, d), rows = (size_t)kv_page_rows(s), plane = (size_t)(i % of_head);
    *out = (struct kv_piece){begin, (size_t)n * row};
    if (plane)
        *out = (struct kv_piece){begin + rows * row + (plane - 1) * rows * sizeof(uint16_t),
                                 (size_t)n * sizeof(uint16_t)};
    return 1;
}

#endif
