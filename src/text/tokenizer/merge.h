/* Merging neighbours, best pair first: the loop that byte-level BPE and SentencePiece BPE share.
 *
 * The symbols of a word form a list in an array (index = place, so that "leftmost" is "lowest index"). Each symbol knows the rank
 * of the pair that it begins; in long words a queue holds rank << 32 | index. An entry whose rank is no longer the symbol's is stale
 * and skipped. O(n log n) for n symbols. */
#ifndef TEXT_TOKENIZER_MERGE_H
#define TEXT_TOKENIZER_MERGE_H

#include <stddef.h>
#include <stdint.h>

#define MERGE_NEVER UINT32_MAX

/* A min-heap of numbers. Zeroed: empty. */
struct heap {
    uint64_t *item;
    size_t n, cap;
};
int heap_push(struct heap *h, uint64_t item); /* -1: no memory */
uint64_t heap_pop(struct heap *h);            /* n > 0 */

struct symbol {
    uint32_t start, length; /* in the word, bytes */
    int32_t prev, next;     /* -1: none */
    int32_t id;             /* the tokenizer's own name of this text */
    uint32_t rank;          /* of the pair (this, next), lowest first; MERGE_NEVER */
    int32_t joined;         /* id of that pair's text */
};

/* A radix heap: what merging makes can hardly merge before what it was made of, so the least item seldom falls. Bucket b > 0 holds
 * items whose highest bit that differs from `last` is b - 1; bucket 0 those equal to it; what falls below goes to `early`. */
struct rank_queue {
    uint64_t last;
    struct heap bucket[65], early; /* buckets are plain lists */
};

/* Fewer than 2^31 symbols; zeroed: empty. */
struct merger {
    struct symbol *symbol;
    size_t n, cap;
    struct rank_queue queue;
};

/* Rank of a pair and the id of its joined text. */
typedef uint32_t merge_rank(const void *context, const struct symbol *left, const struct symbol *right,
                            int32_t *joined);

/* An empty list, with memory for n symbols; -1: there is none. */
int merge_begin(struct merger *m, size_t n);

/* Append one of these symbols to the list. */
void merge_add(struct merger *m, uint32_t start, uint32_t length, int32_t id);

/* Merge until no pair has a rank. What is left: from symbol[0] along next. -1: no memory. */
int merge_run(struct merger *m, merge_rank *rank, const void *context);

void merge_free(struct merger *m);

#endif
