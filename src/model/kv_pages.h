/* The pages of all sequences, and who has them.
 *
 * A page of a kind holds 256 positions of every layer of that kind: layer i's part (op/kv.h) begins at i * layer_bytes. Pages
 * are counted: several sequences may share a full one. A sequence has a table of page addresses per kind. Memory and tables
 * are sized by the plan; nothing is allocated afterwards. */
#ifndef MODEL_KV_PAGES_H
#define MODEL_KV_PAGES_H

#include "base/arena.h"
#include "op/kv.h"

#include <stdatomic.h>
#include <stdint.h>

struct error;

/* Kinds of layers by which positions they keep; no architecture so far has windows or compressed rows. */
enum kv_kind { KV_FULL, KV_WINDOW, KV_COMPRESSED, KV_KINDS };

struct kv_pool {
    struct kv_shape shape;
    int n_layer;
    size_t layer_bytes, page_bytes;
    int n_page;
    uint8_t *memory;    /* [n_page][page_bytes] */
    int32_t *free_page; /* stack of free pages */
    int n_free;
    uint16_t *users; /* [n_page] */
};

struct sequence {
    struct kv_pool *pool[KV_KINDS]; /* NULL: no layer of that kind */
    uint8_t **page[KV_KINDS];       /* [max_page] */
    int n_page, max_page;
    int n_pos;            /* positions that are committed */
    atomic_int cancelled; /* set from outside: its rows leave at the next layer boundary */
};

size_t kv_pool_bytes(const struct kv_shape *s, int n_layer, int n_page); /* pages */
size_t kv_table_bytes(int n_page, int n_seq, int max_page);              /* tables of a pool and its sequences */
int kv_pool_init(struct kv_pool *pool, const struct kv_shape *s, int n_layer, int n_page, struct arena *pages,
                 struct arena *tables);

int seq_init(struct sequence *seq, struct kv_pool *pool, int max_page, struct arena *tables);

/* Pages for positions [0, n_pos). -1: the pool has none left; what was taken stays with the sequence. */
int seq_reserve(struct sequence *seq, int n_pos);

/* Give all pages back: the sequence is empty and new. */
void seq_clear(struct sequence *seq);

/* Forget positions from n_pos on; returns the position really reached. */
int seq_rewind(struct sequence *seq, int n_pos);

#endif
