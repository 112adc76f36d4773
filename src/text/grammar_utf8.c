/* Code points as bytes: classes, and texts that end at a stop.
 *
 * A range of code points becomes a few chains of byte ranges, cut where the encoding changes its length and where a byte behind
 * the first would not run over its whole 80..BF (the construction is R. Cox's and K. Thompson's). Chains that end in whole
 * continuation bytes share them:
 *
 *     E4..EC --> [two more] --80..BF--> [one more] --80..BF--> to */
#include "base/utf8.h"
#include "text/grammar_inner.h"

#include <string.h>

struct tails {
    struct builder *b;
    uint32_t from, to;
    uint32_t more[4]; /* state before 1..3 continuation bytes; 0: not made (state 0 is never one) */
};

static uint32_t tail(struct tails *t, int n)
{
    if (n == 0)
        return t->to;
    if (!t->more[n]) {
        t->more[n] = build_state(t->b);
        build_edge(t->b, t->more[n], tail(t, n - 1), EDGE_BYTES, 0x80, 0xBF, 0);
    }
    return t->more[n];
}

/* A range whose bytes vary independently of each other. */
static void chain(struct tails *t, uint32_t first, uint32_t last)
{
    uint8_t low[4], high[4];
    int n = (int)utf8_write(first, low), whole = 0; /* whole: full continuation bytes at the end */
    utf8_write(last, high);
    while (whole < n - 1 && low[n - 1 - whole] == 0x80 && high[n - 1 - whole] == 0xBF)
        whole++;
    uint32_t at = t->from;
    for (int i = 0; i < n - whole; i++) {
        uint32_t next = i + 1 < n - whole ? build_state(t->b) : tail(t, whole);
        build_edge(t->b, at, next, EDGE_BYTES, low[i], high[i], 0);
        at = next;
    }
}

static void split(struct tails *t, uint32_t first, uint32_t last)
{
    static const uint32_t longest[] = {0x7F, 0x7FF, 0xFFFF};
    for (int i = 0; i < 3; i++)
        if (first <= longest[i] && last > longest[i]) {
            split(t, first, longest[i]);
            split(t, longest[i] + 1, last);
            return;
        }
    for (int bits = 6; first > 0x7F && bits <= 18; bits += 6) {
        uint32_t mask = (1u << bits) - 1;
        if ((first & ~mask) == (last & ~mask))
            break;
        if (first & mask) {
            split(t, first, first | mask);
            split(t, (first | mask) + 1, last);
            return;
        }
        if ((last & mask) != mask) {
            split(t, first, (last & ~mask) - 1);
            split(t, last & ~mask, last);
            return;
        }
    }
    chain(t, first, last);
}

void utf8_class(struct builder *b, const uint32_t *range, uint32_t n, uint32_t from, uint32_t to)
{
    struct tails t = {.b = b, .from = from, .to = to};
    for (uint32_t i = 0; i < n; i += 2)
        split(&t, range[i], range[i + 1]);
}

uint32_t utf8_class_size(const uint32_t *range, uint32_t n)
{
    uint32_t size = 1;
    for (uint32_t i = 0; i < n; i += 2)
        size += range[i + 1] < 0x80 ? 0 : range[i] == 0x80 && range[i + 1] == 0x10FFFF ? 7 : 3;
    return size;
}

uint32_t utf8_class_width(const uint32_t *range, uint32_t n)
{
    uint32_t width = 0;
    for (uint32_t i = 0; i < n; i += 2) {
        uint8_t low[4], high[4];
        utf8_write(range[i], low);
        utf8_write(range[i + 1], high);
        width += (uint32_t)(high[0] - low[0]) + 1;
    }
    return width < 256 ? width : 256;
}

/* ---- texts that end at a stop ------------------------------------------------------------------------------------------------- */

enum { MOST_STOP = 1024 };

/* How much of the stop is matched after byte c, when j bytes were (Knuth, Morris, Pratt). */
static uint32_t match_next(const uint8_t *stop, const uint16_t *fail, uint32_t j, uint8_t c)
{
    while (j > 0 && stop[j] != c)
        j = fail[j - 1];
    return stop[j] == c ? j + 1 : 0;
}

/* Well-formed UTF-8 as an automaton: 0 between characters. Rows by state, columns by kind of byte. */
enum { U_WHOLE, U_ONE, U_TWO, U_THREE, U_E0, U_ED, U_F0, U_F4, U_STATES };

static int utf8_next(int u, uint8_t c)
{
    if (u == U_WHOLE) {
        if (c < 0x80)
            return U_WHOLE;
        if (c >= 0xC2 && c <= 0xDF)
            return U_ONE;
        if (c >= 0xE0 && c <= 0xEF)
            return c == 0xE0 ? U_E0 : c == 0xED ? U_ED : U_TWO;
        if (c >= 0xF0 && c <= 0xF4)
            return c == 0xF0 ? U_F0 : c == 0xF4 ? U_F4 : U_THREE;
        return -1;
    }
    static const struct {
        uint8_t low, high;
        int8_t to;
    } row[U_STATES] = {[U_ONE] = {0x80, 0xBF, U_WHOLE}, [U_TWO] = {0x80, 0xBF, U_ONE}, [U_THREE] = {0x80, 0xBF, U_TWO},
                       [U_E0] = {0xA0, 0xBF, U_ONE},    [U_ED] = {0x80, 0x9F, U_ONE},  [U_F0] = {0x90, 0xBF, U_TWO},
                       [U_F4] = {0x80, 0x8F, U_TWO}};
    return c >= row[u].low && c <= row[u].high ? row[u].to : -1;
}

/* The stop, put behind a text that matched j bytes of it, would be complete only at its own end. */
static int may_end(const uint8_t *stop, const uint16_t *fail, uint32_t n, uint32_t j)
{
    for (uint32_t i = 0; i + 1 < n; i++) {
        j = match_next(stop, fail, j, stop[i]);
        if (j == n)
            return 0;
    }
    return 1;
}

struct stop_machine {
    struct builder *b;
    const uint8_t *stop;
    uint32_t n, from, to;
    int until;
    uint16_t fail[MOST_STOP];
    uint32_t state[MOST_STOP][U_STATES]; /* 0: not made */
    uint16_t todo[MOST_STOP * U_STATES][2];
    uint32_t n_todo;
};

/* The state that byte c leads to from (j, u); UINT32_MAX: none. */
static uint32_t stop_next(struct stop_machine *s, uint32_t j, int u, uint8_t c)
{
    int v = utf8_next(u, c);
    if (v < 0)
        return UINT32_MAX;
    uint32_t k = match_next(s->stop, s->fail, j, c);
    if (k == s->n)
        return s->until ? s->to : UINT32_MAX;
    if (!s->state[k][v]) {
        s->state[k][v] = build_state(s->b);
        s->todo[s->n_todo][0] = (uint16_t)k;
        s->todo[s->n_todo++][1] = (uint16_t)v;
    }
    return s->state[k][v];
}

static void stop_edges(struct stop_machine *s, uint32_t j, int u)
{
    uint32_t from = s->state[j][u];
    for (int low = 0, high; low < 256; low = high) {
        uint32_t to = stop_next(s, j, u, (uint8_t)low);
        for (high = low + 1; high < 256 && stop_next(s, j, u, (uint8_t)high) == to; high++)
            ;
        if (to != UINT32_MAX)
            build_edge(s->b, from, to, EDGE_BYTES, (uint8_t)low, (uint8_t)(high - 1), 0);
    }
    if (!s->until && u == U_WHOLE && may_end(s->stop, s->fail, s->n, j))
        build_edge(s->b, from, s->to, EDGE_EMPTY, 0, 0, 0);
}

void utf8_stop(struct builder *b, const char *stop, uint32_t n, int until, uint32_t from, uint32_t to)
{
    struct stop_machine machine, *s = &machine;
    uint32_t start = build_state(b); /* from may have other edges; the loop comes back to this one */
    build_edge(b, from, start, EDGE_EMPTY, 0, 0, 0);
    memset(s->state, 0, sizeof s->state);
    s->b = b;
    s->stop = (const uint8_t *)stop;
    s->n = n;
    s->from = start;
    s->to = to;
    s->until = until;
    s->fail[0] = 0;
    for (uint32_t i = 1; i < n; i++)
        s->fail[i] = (uint16_t)match_next(s->stop, s->fail, s->fail[i - 1], s->stop[i]);
    s->state[0][0] = start;
    s->todo[0][0] = s->todo[0][1] = 0;
    s->n_todo = 1;
    while (s->n_todo > 0) {
        s->n_todo--;
        stop_edges(s, s->todo[s->n_todo][0], s->todo[s->n_todo][1]);
    }
}
