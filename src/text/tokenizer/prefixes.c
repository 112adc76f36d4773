/* The order of token texts, and walks in it: see prefixes.h. */
#include "text/tokenizer/prefixes.h"

#include "base/error.h"
#include "text/tokenizer/vocab.h"

#include <stdlib.h>

/* A text to be sorted; most pairs differ in the first eight bytes. */
struct head {
    uint64_t bytes;
    int32_t id;
};

static size_t text_at(const struct tokenizer *t, int32_t id, const uint8_t **text)
{
    *text = (const uint8_t *)t->text.bytes + t->text.start[id];
    return t->text.start[id + 1] - t->text.start[id];
}

static uint64_t head_of(const uint8_t *text, size_t n)
{
    uint64_t head = 0;
    for (size_t i = 0; i < 8; i++)
        head = head << 8 | (i < n ? text[i] : 0);
    return head;
}

static int compare_texts(const struct tokenizer *t, int32_t a, int32_t b)
{
    const uint8_t *x, *y;
    size_t n = text_at(t, a, &x), m = text_at(t, b, &y);
    int order = memcmp(x, y, n < m ? n : m);
    return order ? order : (n > m) - (n < m);
}

static int compare_heads(const void *a, const void *b, void *tokenizer)
{
    const struct head *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    int order = compare_texts(tokenizer, x->id, y->id);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

/* Texts of one byte have their place, the others are collected. Returns how many, -1: refused. */
static int64_t collect(struct tokenizer *t, int takes(const struct tokenizer *t, int32_t id), struct head *head,
                       struct error *err)
{
    int64_t n = 0;
    for (int32_t id = 0; id < t->n_vocab; id++) {
        const uint8_t *text;
        size_t length = text_at(t, id, &text);
        if (length == 0 || !takes(t, id))
            continue;
        if (length > PREFIX_MOST)
            return error_set(err, ERR_FORMAT,
                             "token %d of the vocabulary has %zu bytes; a piece of this kind has at most %d", (int)id,
                             length, PREFIX_MOST);
        if (length == 1)
            t->prefixes.one[*text] = id;
        else
            head[n++] = (struct head){head_of(text, length), id};
    }
    return n;
}

static void keep_last_of_equal(struct tokenizer *t, const struct head *head, size_t n)
{
    struct prefixes *p = &t->prefixes;
    uint32_t kept = 0, pair = 0;
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && compare_texts(t, head[i].id, head[i + 1].id) == 0)
            continue;
        while (pair <= head[i].bytes >> 48)
            p->pair[pair++] = kept;
        p->id[kept++] = head[i].id;
    }
    while (pair <= 65536)
        p->pair[pair++] = kept;
}

int prefixes_load(struct tokenizer *t, int takes(const struct tokenizer *t, int32_t id), struct error *err)
{
    struct prefixes *p = &t->prefixes;
    size_t n_vocab = (size_t)t->n_vocab;
    memset(p->one, 0xFF, sizeof p->one);
    p->id = arena_array(&t->arena, n_vocab, sizeof *p->id);
    p->pair = arena_array(&t->arena, 65537, sizeof *p->pair);
    struct head *head = malloc(n_vocab * sizeof *head);
    int64_t n = -1;
    if (!p->id || !p->pair || !head)
        error_set(err, ERR_MEMORY, "no memory for the vocabulary");
    else
        n = collect(t, takes, head, err);
    if (n >= 0) {
        qsort_r(head, (size_t)n, sizeof *head, compare_heads, t);
        keep_last_of_equal(t, head, (size_t)n);
    }
    free(head);
    return n >= 0 ? 0 : -1;
}

/* ---- walking --------------------------------------------------------------------------------------------------------------- */

/* The first of [low, high) whose byte at depth is at least `byte`; all of them are longer than depth. */
static uint32_t bound(const struct tokenizer *t, uint32_t low, uint32_t high, uint32_t depth, unsigned byte)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const uint8_t *text = (const uint8_t *)t->text.bytes + t->text.start[t->prefixes.id[middle]];
        if (text[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int ends_at(const struct tokenizer *t, int32_t id, uint32_t depth)
{
    return t->text.start[id + 1] - t->text.start[id] == depth;
}

int32_t prefix_step(const struct tokenizer *t, struct prefix_walk *w, uint8_t byte)
{
    const struct prefixes *p = &t->prefixes;
    if (w->depth == 0) {
        w->depth = 1;
        w->first = byte;
        int longer = p->pair[byte << 8] < p->pair[(byte + 1) << 8];
        return p->one[byte] >= 0 ? p->one[byte] : longer ? PREFIX_NONE : PREFIX_DEAD;
    }
    if (w->depth == 1) {
        w->low = p->pair[w->first << 8 | byte];
        w->high = p->pair[(w->first << 8 | byte) + 1];
    } else {
        if (w->low < w->high && ends_at(t, p->id[w->low], w->depth))
            w->low++;
        w->low = bound(t, w->low, w->high, w->depth, byte);
        w->high = bound(t, w->low, w->high, w->depth, byte + 1u);
    }
    w->depth++;
    if (w->low == w->high)
        return PREFIX_DEAD;
    return ends_at(t, p->id[w->low], w->depth) ? p->id[w->low] : PREFIX_NONE;
}
