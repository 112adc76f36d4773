/* The merge loop: see merge.h. */
#include "text/tokenizer/merge.h"

#include "base/reqmem.h"

#include <stdlib.h>
#include <string.h>

enum { SHORT = 64, LARGE = 1 << 16 };

/* A large one grows by a quarter, so that little of it is never used: the system moves its pages. */
static int heap_grow(struct heap *h)
{
    size_t cap = !h->cap ? 64 : h->cap < LARGE ? 2 * h->cap : h->cap + h->cap / 4;
    uint64_t *grown = reqmem_realloc(h->item, cap * sizeof *grown);
    if (!grown)
        return -1;
    h->item = grown;
    h->cap = cap;
    return 0;
}

int heap_push(struct heap *h, uint64_t item)
{
    if (h->n == h->cap && heap_grow(h) != 0)
        return -1;
    size_t at = h->n++;
    for (; at > 0 && h->item[(at - 1) / 2] > item; at = (at - 1) / 2)
        h->item[at] = h->item[(at - 1) / 2];
    h->item[at] = item;
    return 0;
}

uint64_t heap_pop(struct heap *h)
{
    uint64_t top = h->item[0], last = h->item[--h->n];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < h->n; at = child) {
        if (child + 1 < h->n && h->item[child + 1] < h->item[child])
            child++;
        if (h->item[child] >= last)
            break;
        h->item[at] = h->item[child];
    }
    h->item[at] = last;
    return top;
}

/* ---- the queue of merges --------------------------------------------------------------------------------------------------- */

static int append(struct heap *h, uint64_t item)
{
    if (h->n == h->cap && heap_grow(h) != 0)
        return -1;
    h->item[h->n++] = item;
    return 0;
}

static int queue_push(struct rank_queue *q, uint64_t item)
{
    if (item < q->last)
        return heap_push(&q->early, item);
    return append(&q->bucket[item == q->last ? 0 : 64 - __builtin_clzll(item ^ q->last)], item);
}

/* Distribute the first non-empty bucket over those before it. 1: bucket 0 holds the least items; 0: there are none. The memory of a large
 * bucket is given back: else that of all pairs of a long word would stay beside the same pairs in other buckets. */
static int queue_distribute(struct rank_queue *q)
{
    int b = 0;
    while (b <= 64 && q->bucket[b].n == 0)
        b++;
    if (b == 0 || b > 64)
        return b == 0;
    struct heap *from = &q->bucket[b];
    q->last = from->item[0];
    for (size_t i = 1; i < from->n; i++)
        q->last = from->item[i] < q->last ? from->item[i] : q->last;
    for (size_t i = 0; i < from->n; i++)
        if (queue_push(q, from->item[i]) != 0)
            return -1;
    from->n = 0;
    if (from->cap > LARGE) {
        reqmem_free(from->item);
        *from = (struct heap){0};
    }
    return 1;
}

/* 1 and the least item; 0: empty; -1: no memory. */
static int queue_pop(struct rank_queue *q, uint64_t *item)
{
    int rc = queue_distribute(q);
    if (rc < 0 || (rc == 0 && q->early.n == 0))
        return rc;
    if (q->early.n > 0 && (rc == 0 || q->early.item[0] < q->last)) {
        *item = heap_pop(&q->early);
    } else {
        q->bucket[0].n--;
        *item = q->last;
    }
    return 1;
}

/* ---- merging --------------------------------------------------------------------------------------------------------------- */

int merge_begin(struct merger *m, size_t n)
{
    m->n = 0;
    if (n <= m->cap)
        return 0;
    size_t cap = n > SHORT ? n : SHORT;
    reqmem_free(m->symbol);
    m->symbol = reqmem_malloc(cap * sizeof *m->symbol);
    m->cap = m->symbol ? cap : 0;
    return m->symbol ? 0 : -1;
}

void merge_add(struct merger *m, uint32_t start, uint32_t length, int32_t id)
{
    int32_t at = (int32_t)m->n++;
    if (at > 0)
        m->symbol[at - 1].next = at;
    m->symbol[at] = (struct symbol){start, length, at - 1, -1, id, MERGE_NEVER, -1};
}

static int rank_pair(struct merger *m, int32_t at, merge_rank *rank, const void *context)
{
    struct symbol *left = &m->symbol[at];
    left->rank = left->next < 0 ? MERGE_NEVER : rank(context, left, &m->symbol[left->next], &left->joined);
    return left->rank == MERGE_NEVER ? 0 : queue_push(&m->queue, (uint64_t)left->rank << 32 | (uint32_t)at);
}

/* Words are short: then looking at every rank again is faster than a heap. */
static void run_short(struct merger *m, merge_rank *rank, const void *context)
{
    struct symbol *s = m->symbol;
    uint32_t ranks[SHORT];
    size_t n = m->n;
    for (size_t i = 0; i + 1 < n; i++)
        ranks[i] = rank(context, &s[i], &s[i + 1], &s[i].joined);
    for (;;) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            best = ranks[i] < ranks[best] ? i : best;
        if (n < 2 || ranks[best] == MERGE_NEVER)
            break;
        s[best].id = s[best].joined;
        s[best].length += s[best + 1].length;
        n--;
        memmove(&s[best + 1], &s[best + 2], (n - best - 1) * sizeof *s);
        memmove(&ranks[best], &ranks[best + 1], (n - best - 1) * sizeof *ranks);
        if (best + 1 < n)
            ranks[best] = rank(context, &s[best], &s[best + 1], &s[best].joined);
        if (best > 0)
            ranks[best - 1] = rank(context, &s[best - 1], &s[best], &s[best - 1].joined);
    }
    for (size_t i = 0; i < n; i++)
        s[i].next = i + 1 < n ? (int32_t)i + 1 : -1;
}

static int run_many(struct merger *m, merge_rank *rank, const void *context)
{
    uint64_t best;
    int rc;
    for (int b = 0; b <= 64; b++)
        m->queue.bucket[b].n = 0;
    m->queue.early.n = 0;
    m->queue.last = 0;
    for (size_t i = 0; i + 1 < m->n; i++)
        if (rank_pair(m, (int32_t)i, rank, context) != 0)
            return -1;
    while ((rc = queue_pop(&m->queue, &best)) > 0) {
        int32_t at = (int32_t)(uint32_t)best;
        struct symbol *left = &m->symbol[at];
        if (left->rank != best >> 32)
            continue;
        struct symbol *right = &m->symbol[left->next];
        left->id = left->joined;
        left->length += right->length;
        left->next = right->next;
        right->rank = MERGE_NEVER; /* gone: its entries are stale */
        if (left->next >= 0)
            m->symbol[left->next].prev = at;
        if (rank_pair(m, at, rank, context) != 0 || (left->prev >= 0 && rank_pair(m, left->prev, rank, context) != 0))
            return -1;
    }
    return rc;
}

int merge_run(struct merger *m, merge_rank *rank, const void *context)
{
    if (m->n > SHORT)
        return run_many(m, rank, context);
    run_short(m, rank, context);
    return 0;
}

void merge_free(struct merger *m)
{
    reqmem_free(m->symbol);
    for (int b = 0; b <= 64; b++)
        reqmem_free(m->queue.bucket[b].item);
    reqmem_free(m->queue.early.item);
    *m = (struct merger){0};
}
