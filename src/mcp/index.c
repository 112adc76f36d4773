/* See index.h. Weights of a definition's parts and the formula: library.md 15 and 11 (Robertson and Zaragoza, The Probabilistic Relevance
 * Framework: BM25 and Beyond, 2009, 3.1; the bound of idf is FTS5's). */
#include "mcp/index.h"

#include "base/f64.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "mcp/tools.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORD = 64,              /* bytes of a word; more of it do not count */
    DEFINITION_WORDS = 512, /* different ones */
    LEAST_WORDS = 16,
    DESCRIPTION = 8 << 10, /* bytes of it that are searched */
    PARAMETERS = 128,
    OF_NAME = 8,
    OF_DESCRIPTION = 1,
    OF_PARAMETER = 2
};

/* ---- words ---------------------------------------------------------------------------------------------- */

struct word_taker {
    void (*take)(void *arg, uint32_t hash);
    void *arg;
};

/* Greek and Cyrillic capitals, and those of Latin-1, as small ones; of other scripts letters as they are. */
static uint32_t lower(uint32_t c)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9) ||
        (c >= 0x410 && c <= 0x42F))
        return c + 32;
    return c >= 0x400 && c <= 0x40F ? c + 80 : c;
}

enum kind { BETWEEN, OF_WORD, WORD_ALONE };

/* Characters from U+0E00 on are mostly of scripts without word borders: each is a word of its own. */
static enum kind kind_of(uint32_t c)
{
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ? OF_WORD : BETWEEN;
    if (c < 0xC0 || c == 0xD7 || c == 0xF7 || (c >= 0x2000 && c < 0x2070) || (c >= 0x3000 && c < 0x3004) ||
        (c >= 0x3008 && c < 0x3012) || (c >= 0xFF00 && c < 0xFF10) || c == 0xFFFD)
        return BETWEEN;
    return c < 0x0E00 ? OF_WORD : WORD_ALONE;
}

/* A plural's s does not count: "issues" finds create_issue. */
static void give_word(const struct word_taker *to, const char *text, size_t n)
{
    char word[WORD + 4];
    size_t length, k = 0;
    uint32_t c;
    for (size_t i = 0; i < n && k < WORD; i += length) {
        utf8_read(text + i, n - i, &length, &c);
        k += utf8_write(lower(c), word + k);
    }
    if (k > 3 && word[k - 1] == 's' && word[k - 2] != 's')
        k--;
    to->take(to->arg, (uint32_t)(hash64(word, k, 0) >> 32));
}

static int is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static int is_lower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/* Parts of a word where its case changes: getHTTPUrl is get, HTTP, Url. */
static void give_parts(const struct word_taker *to, const char *text, size_t n)
{
    size_t from = 0;
    for (size_t i = 1; i <= n; i++) {
        int divides = i < n && is_upper(text[i]) &&
                      (is_lower(text[i - 1]) || (is_upper(text[i - 1]) && i + 1 < n && is_lower(text[i + 1])));
        if (!divides && i < n)
            continue;
        if (from > 0 || i < n)
            give_word(to, text + from, i - from);
        from = i;
    }
}

/* Each word of a text; of a name, its parts too. */
static void give_words(const struct word_taker *to, const char *text, size_t n, int is_name)
{
    size_t length, from = 0;
    uint32_t c;
    for (size_t i = 0; i <= n; i += length) {
        enum kind k = BETWEEN;
        length = 1;
        if (i < n) {
            utf8_read(text + i, n - i, &length, &c);
            k = kind_of(c);
        }
        if (k == OF_WORD)
            continue;
        if (i > from) {
            give_word(to, text + from, i - from);
            if (is_name)
                give_parts(to, text + from, i - from);
        }
        if (k == WORD_ALONE)
            give_word(to, text + i, length);
        from = i + length;
    }
}

/* ---- making --------------------------------------------------------------------------------------------- */

struct definition { /* the words of one */
    uint32_t hash[DEFINITION_WORDS];
    unsigned count[DEFINITION_WORDS];
    int n, most;
    unsigned weight;
    uint32_t length;
};

static void count_word(void *arg, uint32_t hash)
{
    struct definition *d = arg;
    int i = 0;
    d->length++;
    while (i < d->n && d->hash[i] != hash)
        i++;
    if (i == d->most)
        return;
    if (i == d->n) {
        d->hash[d->n] = hash;
        d->count[d->n++] = 0;
    }
    d->count[i] += d->weight;
}

/* A text in quotes: its beginning. */
static void count_string(const struct word_taker *to, struct span v, int is_name)
{
    char text[DESCRIPTION];
    size_t n = 0, at = 1;
    struct json_piece p;
    while (v.n && json_piece(v.text, v.n, &at, &p)) {
        size_t part = p.n < sizeof text - n ? p.n : sizeof text - n;
        memcpy(text + n, p.text, part);
        n += part;
        if (part < p.n)
            break;
    }
    give_words(to, text, n, is_name);
}

static void read_definition(struct definition *d, const struct mcp_tool *t)
{
    const struct word_taker to = {count_word, d};
    struct span_walk w;
    struct span key, value;
    d->n = 0;
    d->length = 0;
    d->weight = OF_NAME;
    give_words(&to, t->name, strlen(t->name), 1);
    d->weight = OF_PARAMETER;
    span_walk(&w, span_member(t->schema, "properties"));
    for (int i = 0; i < PARAMETERS && span_next(&w, &key, &value); i++)
        count_string(&to, key, 1);
    d->weight = OF_DESCRIPTION;
    count_string(&to, t->description, 0);
}

static int ascending(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

int mcp_index_make(struct mcp_index *x, const struct mcp_tool *tool, size_t n, size_t most)
{
    struct definition d;
    size_t share = INDEX_POSTINGS / (n ? n : 1), cap = 0;
    d.most = share < LEAST_WORDS ? LEAST_WORDS : share > DEFINITION_WORDS ? DEFINITION_WORDS : (int)share;
    *x = (struct mcp_index){.length = calloc(n + 1, sizeof *x->length)};
    if (!x->length)
        return -1;
    for (size_t i = 0; i < n; i++) {
        read_definition(&d, &tool[i]);
        if ((size_t)d.n > most - x->n)
            d.n = (int)(most - x->n);
        if (x->n + (size_t)d.n > cap) {
            cap = 2 * cap + 2 * DEFINITION_WORDS;
            cap = cap < most ? cap : most;
            uint64_t *grown = realloc(x->posting, cap * sizeof *grown);
            if (!grown)
                return -1;
            x->posting = grown;
        }
        for (int k = 0; k < d.n; k++)
            x->posting[x->n++] = (uint64_t)d.hash[k] << 32 | (uint64_t)i << 8 | (d.count[k] < 255 ? d.count[k] : 255);
        x->length[i] = d.length;
        x->mean += d.length;
    }
    x->mean = n && x->mean > 0 ? x->mean / (double)n : 1;
    if (x->n) {
        uint64_t *exact = realloc(x->posting, x->n * sizeof *exact);
        x->posting = exact ? exact : x->posting;
        qsort(x->posting, x->n, sizeof *x->posting, ascending);
    }
    return 0;
}

void mcp_index_free(struct mcp_index *x)
{
    free(x->posting);
    free(x->length);
    *x = (struct mcp_index){0};
}

/* ---- searching ------------------------------------------------------------------------------------------ */

struct question {
    uint32_t hash[INDEX_QUERY_WORDS];
    int n;
};

static void ask_word(void *arg, uint32_t hash)
{
    struct question *q = arg;
    for (int i = 0; i < q->n; i++)
        if (q->hash[i] == hash)
            return;
    if (q->n < INDEX_QUERY_WORDS)
        q->hash[q->n++] = hash;
}

/* The first posting of a word, or of the next one. */
static size_t first_of(const struct mcp_index *x, uint32_t hash)
{
    size_t low = 0, high = x->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (x->posting[middle] >> 32 < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void add_scores(const struct mcp_index *x, size_t n_tool, uint32_t hash, double *score)
{
    const double k1 = 1.2, b = 0.75;
    size_t from = first_of(x, hash), to = from;
    while (to < x->n && x->posting[to] >> 32 == hash)
        to++;
    double n = (double)(to - from), idf = f64_ln(((double)n_tool - n + 0.5) / (n + 0.5));
    for (size_t i = from; i < to; i++) {
        size_t of = x->posting[i] >> 8 & 0xFFFFFF;
        double f = (double)(x->posting[i] & 0xFF);
        double norm = k1 * (1 - b + b * x->length[of] / x->mean);
        score[of] += (idf > 1e-6 ? idf : 1e-6) * f * (k1 + 1) / (f + norm);
    }
}

static int is_better(const double *score, const struct mcp_tool *tool, size_t a, size_t b)
{
    return score[a] > score[b] || (score[a] == score[b] && strcmp(tool[a].name, tool[b].name) < 0);
}

static int is_name_of(const struct mcp_tool *t, const char *text, size_t n)
{
    char own[MCP_NAME + 1];
    span_plain(t->own, own, sizeof own);
    return (strlen(t->name) == n && memcmp(t->name, text, n) == 0) || (strlen(own) == n && memcmp(own, text, n) == 0);
}

size_t mcp_index_search(const struct mcp_index *x, const struct mcp_tool *tool, size_t n_tool, const char *question,
                        size_t n, const unsigned char *wanted, size_t *out, size_t most)
{
    struct question q = {.n = 0};
    size_t n_out = 0;
    double *score = calloc(n_tool + 1, sizeof *score);
    n = n < DESCRIPTION ? n : DESCRIPTION;
    give_words(&(struct word_taker){ask_word, &q}, question, n, 0);
    for (int i = 0; score && i < q.n; i++)
        add_scores(x, n_tool, q.hash[i], score);
    for (size_t i = 0; score && i < n_tool; i++) {
        score[i] = !wanted[i] ? 0 : is_name_of(&tool[i], question, n) ? INFINITY : score[i];
        size_t at = n_out;
        while (at > 0 && is_better(score, tool, i, out[at - 1]))
            at--;
        if (score[i] <= 0 || at == most)
            continue;
        n_out += n_out < most;
        memmove(out + at + 1, out + at, (n_out - 1 - at) * sizeof *out);
        out[at] = i;
    }
    free(score);
    return n_out;
}
