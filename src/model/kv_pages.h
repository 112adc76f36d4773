/* What a sequence keeps: pages of keys and values, and recurrent state.
 *
 * Layers whose keys and values have the same shape and window form a kind; a model numbers its kinds. A page of a kind holds 256
 * positions of every layer of that kind: layer i's part (op/kv.h) begins at i * layer_bytes. Pages count their users, since several
 * sequences may share a full one. A sequence has a table of page addresses for each kind, by absolute page number; pages that a
 * window has left are released, and their entries are NULL. The states of recurrent layers are one block a sequence; a pool of
 * blocks of that size holds copies for the prefix cache. The plan sizes memory and tables; nothing is allocated afterwards. *_bytes
 * functions state bytes of the arenas pages, states and tables; *_init functions take them and return 0, or -1 where an arena is too
 * small. One thread at a time calls these functions. */
#ifndef MODEL_KV_PAGES_H
#define MODEL_KV_PAGES_H

#include "base/arena.h"
#include "op/kv.h"

#include <stdatomic.h>
#include <stdint.h>

enum { KV_KINDS = 6 }; /* at most, of a model */

/* The positions that a row sees, itself included: all (n 0), the last n, or, chunked, those from the last multiple of n on; or, of
 * bidirectional rows, those at most n / 2 away on either side. */
struct kv_window {
    int n, chunked, around;
};
static inline struct kv_window see_all(void) { return (struct kv_window){0}; }
static inline struct kv_window see_last(int n) { return (struct kv_window){.n = n}; } /* n 0: all */
static inline struct kv_window see_chunk(int n) { return (struct kv_window){.n = n, .chunked = 1}; }
static inline struct kv_window see_around(int n) { return (struct kv_window){.n = n, .around = n > 0}; } /* n 0: all */

/* The first position that the row at pos sees. */
static inline int kv_first_position(struct kv_window w, int pos)
{
    if (w.around)
        return pos > w.n / 2 ? pos - w.n / 2 : 0;
    if (w.n <= 0 || pos < w.n)
        return 0;
    return w.chunked ? pos - pos % w.n : pos - w.n + 1;
}

/* The last one, of a bidirectional row whose text ends at position end. */
static inline int kv_last_position(struct kv_window w, int pos, int end)
{
    return w.around && end - pos > w.n / 2 ? pos + w.n / 2 : end;
}

struct steering;

struct kv_pool {
    struct kv_shape shape;
    int n_layer; /* 0: the model has no such kind */
    struct kv_window window;
    size_t layer_bytes, page_bytes;
    size_t nextn_bytes; /* of a page, at its end: of the layer that predicts further tokens, where it is bound */
    int n_page;
    uint8_t *memory;    /* [n_page][page_bytes], of the plan */
    int32_t *free_page; /* [n_free] stack of free pages */
    int n_free;
    uint16_t *users; /* [n_page]; 0: free */
};

struct sequence {
    struct kv_pool *pool;                       /* [KV_KINDS] */
    uint8_t **page[KV_KINDS];                   /* [max_page] */
    int first_page[KV_KINDS], n_page[KV_KINDS]; /* held: [first_page, n_page) */
    int max_page;
    int n_pos;      /* positions that are committed */
    uint8_t *state; /* [state_bytes], of all recurrent layers after n_pos positions; NULL: none */
    size_t state_bytes;
    /* Where its rows of the coming step leave the state after each of them but the last (seq_go_back()), since some are drafts: blocks of
     * state_pool_init(). NULL: they leave none. Its user's to set before the step and to clear after it */
    uint8_t **kept;
    int invalid; /* 1: its rows left in the middle of a step, so some layers have updated the state and others not */
    atomic_int cancelled; /* set by any thread: its rows leave at the next layer's end */
    const struct steering
        *steer; /* what is done to its rows (model/steering.h); NULL: nothing. Its user's to set and to clear */
    const struct taps *taps; /* what is recorded of them (model/taps.h); NULL: nothing. Likewise */
};

/* The most pages of a kind that a sequence of n_ctx positions needs at a time, when steps have at most n_chunk rows. */
int kv_pages_needed(struct kv_window window, int n_ctx, int n_chunk);

/* The first page that the row at position n_pos sees; pages before it can be released. */
int kv_first_page(struct kv_window window, int n_pos);

/* A pool of n_page pages of one shape for n_layer layers: bytes of the pages, and of the tables. kv_pool_init() takes just these of the
 * two arenas, which outlive the pool; all pages are free. window: what rows of the layers see. -1: an arena is too small. */
size_t kv_pool_bytes(const struct kv_shape *s, int n_layer, int n_page);
size_t kv_pool_table_bytes(int n_page);
int kv_pool_init(struct kv_pool *pool, const struct kv_shape *s, int n_layer, struct kv_window window, int n_page,
                 struct arena *pages, struct arena *tables);

/* A pool of n blocks for copies of states; n 0: none. */
size_t state_pool_bytes(size_t state_bytes, int n);
int state_pool_init(struct kv_pool *pool, size_t state_bytes, int n, struct arena *states, struct arena *tables);

/* Take a page, with one user, and return its number; -1: none is free. hold adds a user, give removes one; the page is free when the last
 * is gone. */
int kv_page_take(struct kv_pool *pool);
void kv_page_hold(struct kv_pool *pool, int page);
void kv_page_give(struct kv_pool *pool, int page);
static inline uint8_t *kv_page_at(const struct kv_pool *pool, int page)
{
    return pool->memory + (size_t)page * pool->page_bytes;
}
static inline int kv_page_number(const struct kv_pool *pool, const uint8_t *page)
{
    return (int)((size_t)(page - pool->memory) / pool->page_bytes);
}

/* A sequence of at most max_page pages of each kind, and a state of state_bytes: bytes of its tables, and of its state with padding.
 * seq_init() takes just these of the two arenas; the sequence is empty. pools [KV_KINDS] outlive it. -1: an arena is too small. */
size_t seq_table_bytes(int max_page);
size_t seq_state_bytes(size_t state_bytes);
int seq_init(struct sequence *seq, struct kv_pool *pools, int max_page, size_t state_bytes, struct arena *tables,
             struct arena *states);

/* Take the pages that positions below n_pos still lack. -1: a pool has none left, or n_pos is beyond max_page pages; the pages that were
 * taken stay with the sequence. */
int seq_reserve(struct sequence *seq, int n_pos);

/* The positions below n_pos are computed. Releases the pages that windows have left. */
void seq_commit(struct sequence *seq, int n_pos);

/* Releases the pages behind the committed positions: those of rows that do not count. */
void seq_trim(struct sequence *seq);

/* Of the rows of the last step, which left states in seq->kept, the first n > 0 hold, but not all: the state is that after them again. The
 * block of the refused state takes the place of theirs in seq->kept. Without a state, or without such blocks, it does nothing. */
void seq_go_back(struct sequence *seq, int n);

/* Release all pages and zero the state: the sequence is empty, valid and not cancelled. */
void seq_clear(struct sequence *seq);

/* Call it when the sequence's rows left in the middle of a step: committed positions stay, but a recurrent state is lost. */
void seq_invalidate(struct sequence *seq);

#endif
