/* See ngram.h. */
#include "engine/draft/ngram.h"

#include <string.h>

enum { LENGTHS = 3, MOST_PLACES = 1 << 18 };
/* How many tokens must be alike, longest first, and how many are drafted behind so many: short matches are often by chance. */
static const size_t length[LENGTHS] = {5, 3, 2};
static const int drafted[LENGTHS] = {STOKER_DRAFT_MOST, 4, 2};

static uint32_t places(int n_ctx)
{
    uint32_t n = 256;
    while (n < (uint32_t)n_ctx && n < MOST_PLACES)
        n *= 2;
    return n;
}

size_t ngram_bytes(int n_ctx) { return LENGTHS * (size_t)places(n_ctx) * sizeof(uint32_t); }

void ngram_init(struct ngram *g, void *memory, int n_ctx)
{
    *g = (struct ngram){.next = memory, .n_place = places(n_ctx)};
}

void ngram_begin(struct ngram *g, uint64_t text)
{
    g->text = text;
    g->n_known = 0;
}

/* The place of the n tokens that end before `end`. */
static uint32_t *place_of(const struct ngram *g, int i, const stoker_token *end)
{
    uint64_t hash = 0;
    for (size_t k = 1; k <= length[i]; k++) {
        hash = (hash ^ (uint32_t)end[-(ptrdiff_t)k]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return g->next + (size_t)i * g->n_place + ((hash >> 32) & (g->n_place - 1));
}

void ngram_learn(struct ngram *g, const stoker_token *text, size_t n)
{
    for (; g->n_known + 1 < n; g->n_known++)
        for (int i = 0; i < LENGTHS; i++)
            if (g->n_known + 1 >= length[i])
                *place_of(g, i, text + g->n_known + 1) = (uint32_t)g->n_known + 1;
}

/* Where the text went on after its last tokens of this length; 0: they are new. */
static size_t follows(const struct ngram *g, int i, const stoker_token *text, size_t n)
{
    size_t same = length[i], at;
    if (n <= same)
        return 0;
    at = *place_of(g, i, text + n);
    return at >= same && at < n && memcmp(text + at - same, text + n - same, same * sizeof *text) == 0 ? at : 0;
}

int ngram_propose(struct ngram *g, const stoker_token *text, size_t n, int most, stoker_token *out)
{
    ngram_learn(g, text, n);
    for (int i = 0; i < LENGTHS; i++) {
        size_t at = follows(g, i, text, n);
        if (!at)
            continue;
        most = most < drafted[i] ? most : drafted[i];
        for (int k = 0; k < most; k++, at++)
            out[k] = at < n ? text[at] : out[at - n]; /* a text that repeats itself goes on doing so */
        return most;
    }
    return 0;
}
