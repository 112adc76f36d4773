/* Cells of rows: see row_cache.h. */
#include "store/row_cache.h"

static int buckets_of(int n)
{
    int most = 1;
    while (most < n)
        most *= 2;
    return most;
}

uint64_t row_cell_bytes(uint64_t row_bytes) { return row_bytes + sizeof(struct row_cell) + 2 * sizeof(int32_t); }

int row_cache_allocate(struct row_cache *c, struct arena *mem)
{
    c->n_bucket = buckets_of(c->n);
    c->cell = arena_array(mem, (size_t)c->n, sizeof *c->cell);
    c->bucket = arena_array(mem, (size_t)c->n_bucket, sizeof *c->bucket);
    c->memory = arena_array(mem, (size_t)c->n, c->row_bytes);
    return c->cell && c->bucket && c->memory ? 0 : -1;
}

static struct row_list *list_of(struct row_cache *c, const struct row_cell *x)
{
    return x->state == ROW_FREE ? &c->free : x->pins ? &c->pinned : &c->unpinned;
}

static void append(struct row_cache *c, int32_t at)
{
    struct row_list *l = list_of(c, &c->cell[at]);
    c->cell[at].older = l->newest;
    c->cell[at].newer = -1;
    if (l->newest >= 0)
        c->cell[l->newest].newer = at;
    else
        l->oldest = at;
    l->newest = at;
}

static void take_out(struct row_cache *c, int32_t at)
{
    const struct row_cell *x = &c->cell[at];
    struct row_list *l = list_of(c, x);
    if (x->older >= 0)
        c->cell[x->older].newer = x->newer;
    else
        l->oldest = x->newer;
    if (x->newer >= 0)
        c->cell[x->newer].older = x->older;
    else
        l->newest = x->older;
}

void row_cache_init(struct row_cache *c)
{
    c->free = c->unpinned = c->pinned = (struct row_list){-1, -1};
    for (int i = 0; i < c->n_bucket; i++)
        c->bucket[i] = -1;
    for (int32_t i = 0; i < c->n; i++) {
        c->cell[i] = (struct row_cell){.state = ROW_FREE};
        append(c, i);
    }
}

static int32_t *bucket_of(const struct row_cache *c, int32_t row)
{
    uint32_t h = (uint32_t)row * 2654435761u;
    return &c->bucket[(h ^ h >> 15) & (uint32_t)(c->n_bucket - 1)];
}

int32_t row_cache_find(const struct row_cache *c, int32_t row)
{
    int32_t at = *bucket_of(c, row);
    while (at >= 0 && c->cell[at].row != row)
        at = c->cell[at].next_in_bucket;
    return at;
}

void row_cache_drop(struct row_cache *c, int32_t at)
{
    int32_t *link = bucket_of(c, c->cell[at].row);
    while (*link != at)
        link = &c->cell[*link].next_in_bucket;
    *link = c->cell[at].next_in_bucket;
    take_out(c, at);
    c->cell[at].state = ROW_FREE;
    c->cell[at].pins = 0;
    append(c, at);
}

int32_t row_cache_put(struct row_cache *c, int32_t row)
{
    if (c->free.oldest < 0 && c->unpinned.oldest >= 0)
        row_cache_drop(c, c->unpinned.oldest);
    int32_t at = c->free.oldest, *link = bucket_of(c, row);
    if (at < 0)
        return -1;
    take_out(c, at);
    c->cell[at] = (struct row_cell){.row = row, .next_in_bucket = *link, .state = ROW_QUEUED, .pins = 1};
    *link = at;
    append(c, at);
    return at;
}

void row_cache_pin(struct row_cache *c, int32_t at)
{
    take_out(c, at);
    if (c->cell[at].pins == 0)
        c->cell[at].pins = 1;
    append(c, at);
}

void row_cache_unpin(struct row_cache *c, int32_t at)
{
    take_out(c, at);
    c->cell[at].pins = 0;
    append(c, at);
}
