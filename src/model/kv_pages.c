/* Pages of sequences: see kv_pages.h. */
#include "model/kv_pages.h"

#include <string.h>

size_t kv_pool_bytes(const struct kv_shape *s, int n_layer, int n_page)
{
    return kv_page_bytes(s) * (size_t)n_layer * (size_t)n_page;
}

size_t kv_table_bytes(int n_page, int n_seq, int max_page)
{
    return (size_t)n_page * (sizeof(int32_t) + sizeof(uint16_t)) +
           (size_t)n_seq * ((size_t)max_page * sizeof(uint8_t *) + 64) + 3 * 64;
}

int kv_pool_init(struct kv_pool *pool, const struct kv_shape *s, int n_layer, int n_page, struct arena *pages,
                 struct arena *tables)
{
    *pool = (struct kv_pool){
        .shape = *s, .n_layer = n_layer, .layer_bytes = kv_page_bytes(s), .n_page = n_page, .n_free = n_page};
    pool->page_bytes = pool->layer_bytes * (size_t)n_layer;
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

int seq_init(struct sequence *seq, struct kv_pool *pool, int max_page, struct arena *tables)
{
    *seq = (struct sequence){.max_page = max_page};
    seq->pool[KV_FULL] = pool;
    seq->page[KV_FULL] = arena_array(tables, (size_t)max_page, sizeof(uint8_t *));
    return seq->page[KV_FULL] ? 0 : -1;
}

int seq_reserve(struct sequence *seq, int n_pos)
{
    struct kv_pool *pool = seq->pool[KV_FULL];
    int want = (n_pos + KV_PAGE - 1) / KV_PAGE;
    if (want > seq->max_page)
        return -1;
    while (seq->n_page < want) {
        if (pool->n_free == 0)
            return -1;
        int32_t page = pool->free_page[--pool->n_free];
        pool->users[page] = 1;
        seq->page[KV_FULL][seq->n_page++] = pool->memory + (size_t)page * pool->page_bytes;
    }
    return 0;
}

static void drop_pages(struct sequence *seq, int keep)
{
    struct kv_pool *pool = seq->pool[KV_FULL];
    while (seq->n_page > keep) {
        size_t page = (size_t)(seq->page[KV_FULL][--seq->n_page] - pool->memory) / pool->page_bytes;
        if (--pool->users[page] == 0)
            pool->free_page[pool->n_free++] = (int32_t)page;
    }
}

void seq_clear(struct sequence *seq)
{
    drop_pages(seq, 0);
    seq->n_pos = 0;
    atomic_store(&seq->cancelled, 0);
}

int seq_rewind(struct sequence *seq, int n_pos)
{
    if (n_pos < seq->n_pos) {
        seq->n_pos = n_pos;
        drop_pages(seq, (n_pos + KV_PAGE - 1) / KV_PAGE);
    }
    return seq->n_pos;
}
