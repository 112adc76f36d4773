/* Pages and states of sequences: see kv_pages.h. */
#include "model/kv_pages.h"

#include <string.h>

static int pages_of(int n_pos) { return n_pos / KV_PAGE + (n_pos % KV_PAGE != 0); }

int kv_pages_needed(int window, int n_ctx, int n_chunk)
{
    int all = pages_of(n_ctx);
    if (window <= 0 || window >= n_ctx)
        return all;
    long long kept = ((long long)window + n_chunk - 1 + KV_PAGE - 1) / KV_PAGE + 1;
    return kept < all ? (int)kept : all;
}

/* It sees positions from n_pos - window + 1 on. */
int kv_first_page(int window, int n_pos) { return window > 0 && n_pos >= window ? (n_pos - window + 1) / KV_PAGE : 0; }

size_t kv_pool_bytes(const struct kv_shape *s, int n_layer, int n_page)
{
    return kv_page_bytes(s) * (size_t)n_layer * (size_t)n_page;
}

size_t kv_pool_table_bytes(int n_page) { return (size_t)n_page * (sizeof(int32_t) + sizeof(uint16_t)) + 2 * 64; }

int kv_pool_init(struct kv_pool *pool, const struct kv_shape *s, int n_layer, int window, int n_page,
                 struct arena *pages, struct arena *tables)
{
    *pool = (struct kv_pool){.shape = *s,
                             .n_layer = n_layer,
                             .window = window,
                             .layer_bytes = kv_page_bytes(s),
                             .n_page = n_page,
                             .n_free = n_page};
    pool->page_bytes = pool->layer_bytes * (size_t)n_layer;
    if (n_layer == 0)
        return 0;
    pool->memory = arena_alloc(pages, pool->page_bytes * (size_t)n_page);
    pool->free_page = arena_array(tables, (size_t)n_page, sizeof *pool->free_page);
    pool->users = arena_array(tables, (size_t)n_page, sizeof *pool->users);
    if (!pool->memory || !pool->free_page || !pool->users)
        return -1;
    memset(pool->users, 0, (size_t)n_page * sizeof *pool->users);
    for (int i = 0; i < n_page; i++)
        pool->free_page[i] = n_page - 1 - i;
    return 0;
}

size_t seq_table_bytes(int max_page, int n_snapshot)
{
    return KV_KINDS * ((size_t)max_page * sizeof(uint8_t *) + 64) + (size_t)n_snapshot * sizeof(struct snapshot) + 64;
}

static size_t aligned(size_t n) { return (n + 63) / 64 * 64; }

size_t seq_state_bytes(size_t state_bytes, int n_snapshot)
{
    return state_bytes ? aligned(state_bytes) * (size_t)(1 + n_snapshot) : 0;
}

int seq_init(struct sequence *seq, struct kv_pool *pools, int max_page, size_t state_bytes, int n_snapshot,
             struct arena *tables, struct arena *states)
{
    *seq = (struct sequence){.pool = pools, .max_page = max_page, .state_bytes = state_bytes};
    for (int k = 0; k < KV_KINDS; k++) {
        if (pools[k].n_layer == 0)
            continue;
        seq->page[k] = arena_array(tables, (size_t)max_page, sizeof(uint8_t *));
        if (!seq->page[k])
            return -1;
        memset(seq->page[k], 0, (size_t)max_page * sizeof(uint8_t *));
    }
    if (state_bytes == 0)
        return 0;
    seq->n_snapshot = n_snapshot;
    seq->snapshot = arena_array(tables, (size_t)n_snapshot, sizeof *seq->snapshot);
    seq->state = arena_alloc(states, state_bytes);
    if (!seq->state || !seq->snapshot)
        return -1;
    memset(seq->state, 0, state_bytes);
    for (int i = 0; i < n_snapshot; i++) {
        seq->snapshot[i] = (struct snapshot){-1, arena_alloc(states, state_bytes)};
        if (!seq->snapshot[i].state)
            return -1;
    }
    return 0;
}

static int reserve_kind(struct sequence *seq, int k, int want)
{
    struct kv_pool *pool = &seq->pool[k];
    while (seq->n_page[k] < want) {
        if (pool->n_free == 0)
            return -1;
        int32_t page = pool->free_page[--pool->n_free];
        pool->users[page] = 1;
        seq->page[k][seq->n_page[k]++] = pool->memory + (size_t)page * pool->page_bytes;
    }
    return 0;
}

int seq_reserve(struct sequence *seq, int n_pos)
{
    if (pages_of(n_pos) > seq->max_page)
        return -1;
    for (int k = 0; k < KV_KINDS; k++)
        if (seq->pool[k].n_layer && reserve_kind(seq, k, pages_of(n_pos)))
            return -1;
    return 0;
}

static void drop(struct sequence *seq, int k, int page)
{
    struct kv_pool *pool = &seq->pool[k];
    size_t i = (size_t)(seq->page[k][page] - pool->memory) / pool->page_bytes;
    seq->page[k][page] = NULL;
    if (--pool->users[i] == 0)
        pool->free_page[pool->n_free++] = (int32_t)i;
}

void seq_commit(struct sequence *seq, int n_pos)
{
    seq->n_pos = n_pos;
    for (int k = 0; k < KV_KINDS; k++) {
        int first = kv_first_page(seq->pool[k].window, n_pos);
        for (; seq->first_page[k] < seq->n_page[k] && seq->first_page[k] < first; seq->first_page[k]++)
            drop(seq, k, seq->first_page[k]);
    }
}

static void keep_pages(struct sequence *seq, int n)
{
    for (int k = 0; k < KV_KINDS; k++) {
        while (seq->n_page[k] > n && seq->n_page[k] > seq->first_page[k])
            drop(seq, k, --seq->n_page[k]);
        if (n == 0)
            seq->first_page[k] = seq->n_page[k] = 0;
    }
}

void seq_clear(struct sequence *seq)
{
    keep_pages(seq, 0);
    seq->n_pos = 0;
    if (seq->state)
        memset(seq->state, 0, seq->state_bytes);
    for (int i = 0; i < seq->n_snapshot; i++)
        seq->snapshot[i].pos = -1;
    seq->torn = 0;
    atomic_store(&seq->cancelled, 0);
}

void seq_tear(struct sequence *seq) { seq->torn = seq->state != NULL; }

void seq_snapshot(struct sequence *seq)
{
    struct snapshot *to = seq->snapshot;
    if (!seq->state || seq->n_snapshot == 0 || seq->torn)
        return;
    for (int i = 0; i < seq->n_snapshot; i++) {
        if (seq->snapshot[i].pos == seq->n_pos)
            return;
        if (seq->snapshot[i].pos < to->pos)
            to = &seq->snapshot[i];
    }
    memcpy(to->state, seq->state, seq->state_bytes);
    to->pos = seq->n_pos;
}

/* The furthest position at or below n_pos from which the windows can go on; 0 always works. */
static int reachable(const struct sequence *seq, int n_pos)
{
    for (int k = 0; k < KV_KINDS; k++) {
        int window = seq->pool[k].window, oldest = seq->first_page[k] * KV_PAGE;
        if (seq->pool[k].n_layer && window > 0 && oldest > 0 && n_pos - window + 1 < oldest)
            return 0;
    }
    return n_pos;
}

int seq_rewind(struct sequence *seq, int n_pos)
{
    if (n_pos >= seq->n_pos && !seq->torn)
        return seq->n_pos;
    const struct snapshot *from = NULL;
    int cancelled = atomic_load(&seq->cancelled), target = seq->state ? 0 : n_pos;
    for (int i = 0; i < seq->n_snapshot; i++)
        if (seq->snapshot[i].pos <= n_pos && seq->snapshot[i].pos > target) {
            from = &seq->snapshot[i];
            target = from->pos;
        }
    target = reachable(seq, target);
    if (target == 0) {
        seq_clear(seq);
        atomic_store(&seq->cancelled, cancelled);
        return 0;
    }
    if (from)
        memcpy(seq->state, from->state, seq->state_bytes);
    seq->torn = 0;
    for (int i = 0; i < seq->n_snapshot; i++)
        if (seq->snapshot[i].pos > target)
            seq->snapshot[i].pos = -1;
    keep_pages(seq, pages_of(target));
    seq->n_pos = target;
    return target;
}
