/* Pages and states of sequences: see kv_pages.h. */
#include "model/kv_pages.h"

#include <string.h>

static int pages_of(int n_pos) { return n_pos / KV_PAGE + (n_pos % KV_PAGE != 0); }

/* Of a chunk at most as many positions are seen as of a window of its length. */
int kv_pages_needed(struct kv_window window, int n_ctx, int n_chunk)
{
    int all = pages_of(n_ctx);
    if (window.n <= 0 || window.n >= n_ctx)
        return all;
    long long kept = ((long long)window.n + n_chunk - 1 + KV_PAGE - 1) / KV_PAGE + 1;
    return kept < all ? (int)kept : all;
}

int kv_first_page(struct kv_window window, int n_pos) { return kv_first_position(window, n_pos) / KV_PAGE; }

size_t kv_pool_bytes(const struct kv_shape *s, int n_layer, int n_page)
{
    return kv_page_bytes(s) * (size_t)n_layer * (size_t)n_page;
}

/* A pool's tables; writes nothing but *pool, so the arena may be a measuring one. */
static int place_tables(struct kv_pool *pool, struct arena *tables)
{
    size_t n = (size_t)pool->n_page;
    pool->free_page = arena_array(tables, n, sizeof *pool->free_page);
    pool->users = arena_array(tables, n, sizeof *pool->users);
    return pool->free_page && pool->users ? 0 : -1;
}

size_t kv_pool_table_bytes(int n_page)
{
    struct kv_pool pool = {.n_page = n_page};
    struct arena measure;
    arena_init_measuring(&measure);
    place_tables(&pool, &measure);
    return arena_measured(&measure);
}

/* All pages are free. */
static int make_pages(struct kv_pool *pool, struct arena *pages, struct arena *tables)
{
    pool->memory = arena_alloc(pages, pool->page_bytes * (size_t)pool->n_page);
    if (!pool->memory || place_tables(pool, tables))
        return -1;
    pool->n_free = pool->n_page;
    memset(pool->users, 0, (size_t)pool->n_page * sizeof *pool->users);
    for (int i = 0; i < pool->n_page; i++)
        pool->free_page[i] = pool->n_page - 1 - i;
    return 0;
}

int kv_pool_init(struct kv_pool *pool, const struct kv_shape *s, int n_layer, struct kv_window window, int n_page,
                 struct arena *pages, struct arena *tables)
{
    *pool = (struct kv_pool){
        .shape = *s, .n_layer = n_layer, .window = window, .layer_bytes = kv_page_bytes(s), .n_page = n_page};
    pool->page_bytes = pool->layer_bytes * (size_t)n_layer;
    return n_layer ? make_pages(pool, pages, tables) : 0;
}

static size_t aligned(size_t n) { return (n + 63) / 64 * 64; }

size_t state_pool_bytes(size_t state_bytes, int n) { return aligned(state_bytes) * (size_t)n; }

int state_pool_init(struct kv_pool *pool, size_t state_bytes, int n, struct arena *states, struct arena *tables)
{
    *pool = (struct kv_pool){.n_page = n, .page_bytes = aligned(state_bytes)};
    return n ? make_pages(pool, states, tables) : 0;
}

int kv_page_take(struct kv_pool *pool)
{
    if (pool->n_free == 0)
        return -1;
    int page = pool->free_page[--pool->n_free];
    pool->users[page] = 1;
    return page;
}

void kv_page_hold(struct kv_pool *pool, int page) { pool->users[page]++; }

void kv_page_give(struct kv_pool *pool, int page)
{
    if (--pool->users[page] == 0)
        pool->free_page[pool->n_free++] = page;
}

size_t seq_table_bytes(int max_page) { return KV_KINDS * ((size_t)max_page * sizeof(uint8_t *) + 64) + 64; }

size_t seq_state_bytes(size_t state_bytes) { return state_bytes ? aligned(state_bytes) : 0; }

int seq_init(struct sequence *seq, struct kv_pool *pools, int max_page, size_t state_bytes, struct arena *tables,
             struct arena *states)
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
    seq->state = arena_alloc(states, state_bytes);
    if (!seq->state)
        return -1;
    memset(seq->state, 0, state_bytes);
    return 0;
}

static int reserve_kind(struct sequence *seq, int k, int want)
{
    struct kv_pool *pool = &seq->pool[k];
    while (seq->n_page[k] < want) {
        int page = kv_page_take(pool);
        if (page < 0)
            return -1;
        seq->page[k][seq->n_page[k]++] = kv_page_at(pool, page);
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

void seq_go_back(struct sequence *seq, int n)
{
    if (!seq->state || !seq->kept)
        return;
    uint8_t *refused = seq->state;
    seq->state = seq->kept[n - 1];
    seq->kept[n - 1] = refused;
}

static void drop(struct sequence *seq, int k, int page)
{
    struct kv_pool *pool = &seq->pool[k];
    kv_page_give(pool, kv_page_number(pool, seq->page[k][page]));
    seq->page[k][page] = NULL;
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

void seq_trim(struct sequence *seq)
{
    for (int k = 0; k < KV_KINDS; k++)
        while (seq->n_page[k] > seq->first_page[k] && seq->n_page[k] > pages_of(seq->n_pos))
            drop(seq, k, --seq->n_page[k]);
}

void seq_clear(struct sequence *seq)
{
    for (int k = 0; k < KV_KINDS; k++) {
        while (seq->n_page[k] > seq->first_page[k])
            drop(seq, k, --seq->n_page[k]);
        seq->first_page[k] = seq->n_page[k] = 0;
    }
    seq->n_pos = 0;
    if (seq->state)
        memset(seq->state, 0, seq->state_bytes);
    seq->invalid = 0;
    atomic_store(&seq->cancelled, 0);
}

void seq_invalidate(struct sequence *seq) { seq->invalid = seq->state != NULL; }
