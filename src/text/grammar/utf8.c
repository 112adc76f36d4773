/* Code points as bytes: classes, and texts that end at a stop.
 *
 * A class becomes the smallest deterministic automaton of its characters: a lead byte leads to the state before so many
 * continuation bytes, and states with the same steps are one:
 *
 *     E4..EC --> [two more] --80..BF--> [one more] --80..BF--> to
 *
 * Patterns ask for classes of hundreds of ranges (\p{L}); each state less is one less that masks and limits look at.
 */
#include "base/utf8.h"
#include "text/grammar/inner.h"

#include <stdlib.h>
#include <string.h>

enum { NOTHING = UINT32_MAX, STATES = 256 };

struct step {
    uint8_t low, high;
    uint32_t to;
};

struct made {
    uint32_t state, first, n; /* steps */
    uint32_t next;            /* chain of the hash table: number + 1 */
};

struct class
{
    struct builder *b;
    const uint32_t *range; /* first and last, ascending, apart */
    uint32_t n_range, to;
    uint32_t least;    /* code point of as many bytes as are being made */
    uint32_t whole[4]; /* state before so many continuation bytes, any of them; 0: not made (state 0 is never one) */
    struct made *made;
    uint32_t n_made, capacity_made;
    struct step *step;
    uint32_t n_step, capacity_step;
    uint32_t bucket[STATES];
};

/* The state that has just these steps. */
static uint32_t state_with(struct class *c, const struct step *step, uint32_t n)
{
    uint32_t hash = n;
    for (uint32_t i = 0; i < n; i++)
        hash = (hash * 31 + step[i].low * 256u + step[i].high) * 31 + step[i].to;
    uint32_t *bucket = &c->bucket[(hash * 0x9e3779b9u >> 8) % STATES];
    for (uint32_t i = *bucket; i; i = c->made[i - 1].next) {
        const struct made *x = &c->made[i - 1];
        uint32_t same = 0;
        while (x->n == n && same < n && c->step[x->first + same].low == step[same].low &&
               c->step[x->first + same].high == step[same].high && c->step[x->first + same].to == step[same].to)
            same++;
        if (x->n == n && same == n)
            return x->state;
    }
    struct made *made = build_grow(c->b, c->made, c->n_made, 1, &c->capacity_made, sizeof *made);
    struct step *steps = build_grow(c->b, c->step, c->n_step, n, &c->capacity_step, sizeof *steps);
    c->made = made ? made : c->made;
    c->step = steps ? steps : c->step;
    if (!made || !steps)
        return NOTHING;
    uint32_t state = build_state(c->b);
    for (uint32_t i = 0; i < n; i++) {
        c->step[c->n_step + i] = step[i];
        build_edge(c->b, state, step[i].to, EDGE_BYTES, step[i].low, step[i].high, 0);
    }
    c->made[c->n_made] = (struct made){state, c->n_step, n, *bucket};
    c->n_step += n;
    *bucket = ++c->n_made;
    return state;
}

/* One more step, or a longer one. */
static void add_step(struct step *step, uint32_t *n, uint32_t low, uint32_t high, uint32_t to)
{
    if (*n > 0 && step[*n - 1].to == to && step[*n - 1].high + 1u == low)
        step[*n - 1].high = (uint8_t)high;
    else
        step[(*n)++] = (struct step){(uint8_t)low, (uint8_t)high, to};
}

/* The first range that does not end before a code point. */
static uint32_t range_at(const struct class *c, uint32_t point)
{
    uint32_t low = 0, high = c->n_range;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (c->range[2 * mid + 1] < point)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static uint32_t before(struct class *c, uint32_t first, int more);

static uint32_t before_any(struct class *c, int more)
{
    if (more == 0)
        return c->to;
    if (!c->whole[more])
        c->whole[more] = state_with(c, &(struct step){0x80, 0xBF, before_any(c, more - 1)}, 1);
    return c->whole[more];
}

/* The same of some: from the range i on, those that lie in first..last. */
static uint32_t before_some(struct class *c, uint32_t i, uint32_t first, uint32_t last, int more)
{
    struct step step[64];
    uint32_t n = 0;
    for (; more == 1 && i < c->n_range && c->range[2 * i] <= last; i++) {
        uint32_t low = c->range[2 * i] > first ? c->range[2 * i] : first,
                 high = c->range[2 * i + 1] < last ? c->range[2 * i + 1] : last;
        add_step(step, &n, 0x80 + low - first, 0x80 + high - first, c->to);
    }
    for (uint32_t k = 0; more > 1 && k < 64; k++) {
        uint32_t to = before(c, first + (k << 6 * (more - 1)), more - 1);
        if (to != NOTHING)
            add_step(step, &n, 0x80 + k, 0x80 + k, to);
    }
    return n ? state_with(c, step, n) : NOTHING;
}

/* The state before so many continuation bytes of the code points from one on; NOTHING: none of them is in the class. */
static uint32_t before(struct class *c, uint32_t first, int more)
{
    uint32_t last = first + (1u << 6 * more) - 1, i = range_at(c, first);
    compile_work(build_compile(c->b), 8);
    if (i == c->n_range || c->range[2 * i] > last || last < c->least)
        return NOTHING;
    int whole = c->range[2 * i] <= first && c->range[2 * i + 1] >= last && first >= c->least;
    return whole ? before_any(c, more) : before_some(c, i, first, last, more);
}

/* Lead bytes of characters of so many bytes more. */
static void leads(struct class *c, struct step *step, uint32_t *n, uint32_t low, uint32_t high, int more)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    c->least = least[more];
    for (uint32_t b = low; b <= high && c->n_range && c->range[2 * c->n_range - 1] >= c->least; b++) {
        uint32_t to = before(c, (b & (0x3Fu >> more)) << 6 * more, more);
        if (to != NOTHING)
            add_step(step, n, b, b, to);
    }
}

void utf8_class(struct builder *b, const uint32_t *range, uint32_t n, uint32_t from, uint32_t to)
{
    struct class c = {.b = b, .range = range, .n_range = n / 2, .to = to};
    struct step step[256];
    uint32_t n_step = 0;
    for (uint32_t i = 0; i < c.n_range && range[2 * i] < 0x80; i++)
        add_step(step, &n_step, range[2 * i], range[2 * i + 1] < 0x80 ? range[2 * i + 1] : 0x7F, to);
    leads(&c, step, &n_step, 0xC2, 0xDF, 1);
    leads(&c, step, &n_step, 0xE0, 0xEF, 2);
    leads(&c, step, &n_step, 0xF0, 0xF4, 3);
    for (uint32_t i = 0; i < n_step; i++)
        build_edge(b, from, step[i].to, EDGE_BYTES, step[i].low, step[i].high, 0);
    compile_free(build_compile(b), c.made);
    compile_free(build_compile(b), c.step);
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
        uint32_t made = build_state(s->b);
        if (!made) /* the grammar has ended: there is no end to states that cannot be made */
            return UINT32_MAX;
        s->state[k][v] = made;
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
