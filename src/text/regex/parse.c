/* Trees of patterns to expressions.
 *
 * An anchor holds only at an end of the text. So every part of a pattern is four languages: of texts that must stand at the
 * beginning or not, and at the end or not. They are put together bottom-up; at last a search wraps what is not anchored in any
 * text. */
#include "base/error.h"
#include "text/regex/tree.h"

#include <stdlib.h>
#include <string.h>

/* By [begin][end]; -1: no text. */
struct ways {
    grammar_expr e[2][2];
    uint8_t nullable[2][2];
};

static const struct ways nothing = {{{-1, -1}, {-1, -1}}, {{0, 0}, {0, 0}}};

struct maker {
    const struct regex *r;
    struct grammar_maker *m;
    const struct regex_code_points *code_points;
};

static grammar_expr raw_code_point(void *arg, struct grammar_maker *m, const struct grammar_range *range, size_t n)
{
    (void)arg;
    return grammar_class(m, range, n, 0);
}

const struct regex_code_points regex_raw = {raw_code_point, NULL};

static void unite(struct maker *k, struct ways *w, int a, int b, grammar_expr e, int nullable)
{
    if (e < 0)
        return;
    grammar_expr both[2] = {w->e[a][b], e};
    w->e[a][b] = both[0] < 0 ? e : grammar_choice(k->m, both, 2);
    w->nullable[a][b] |= (uint8_t)nullable;
}

/* x, then y. An anchor between them holds only where the other one is empty. */
static struct ways join(struct maker *k, const struct ways *x, const struct ways *y)
{
    struct ways w = nothing;
    for (int a = 0; a < 2; a++)
        for (int b = 0; b < 2; b++)
            if (x->e[a][0] >= 0 && y->e[0][b] >= 0)
                unite(k, &w, a, b, grammar_sequence(k->m, (grammar_expr[]){x->e[a][0], y->e[0][b]}, 2),
                      x->nullable[a][0] && y->nullable[0][b]);
    for (int b = 0; b < 2 && (x->nullable[0][0] || x->nullable[1][0]); b++) /* ^ behind it */
        unite(k, &w, 1, b, y->e[1][b], y->nullable[1][b]);
    for (int a = 0; a < 2 && (y->nullable[0][0] || y->nullable[0][1]); a++) /* $ before it */
        unite(k, &w, a, 1, x->e[a][1], x->nullable[a][1]);
    if ((x->nullable[0][1] || x->nullable[1][1]) && (y->nullable[1][0] || y->nullable[1][1]))
        unite(k, &w, 1, 1, grammar_text(k->m, "", 0), 1); /* both: the empty text */
    return w;
}

static struct ways ways_of(struct maker *k, int32_t at);

static struct ways sequence(struct maker *k, int32_t child)
{
    int plain = 1;
    size_t n = 0;
    for (int32_t c = child; c >= 0; c = k->r->node[c].next)
        n++;
    struct ways *part = compile_alloc(k->r->compile, n + 1, sizeof *part), w = nothing;
    grammar_expr *e = compile_alloc(k->r->compile, n + 1, sizeof *e);
    if (part && e) {
        w.nullable[0][0] = 1;
        n = 0;
        for (int32_t c = child; c >= 0; c = k->r->node[c].next, n++) {
            part[n] = ways_of(k, c);
            plain &= part[n].e[0][0] >= 0 && part[n].e[0][1] < 0 && part[n].e[1][0] < 0 && part[n].e[1][1] < 0;
            e[n] = part[n].e[0][0];
            w.nullable[0][0] &= part[n].nullable[0][0];
        }
        w.e[0][0] = plain ? grammar_sequence(k->m, e, n) : -1;
        if (!plain) {
            w = part[0];
            for (size_t i = 1; i < n; i++)
                w = join(k, &w, &part[i]);
        }
    } else {
        grammar_ended(k->m);
    }
    compile_free(k->r->compile, part);
    compile_free(k->r->compile, e);
    return w;
}

static struct ways alternatives(struct maker *k, int32_t child)
{
    struct ways w = nothing;
    size_t n = 0;
    for (int32_t c = child; c >= 0; c = k->r->node[c].next)
        n++;
    grammar_expr *e = compile_alloc(k->r->compile, n * 4 + 1, sizeof *e);
    size_t count[4] = {0};
    for (int32_t c = child; e && c >= 0; c = k->r->node[c].next) {
        struct ways part = ways_of(k, c);
        for (int i = 0; i < 4; i++)
            if (part.e[i >> 1][i & 1] >= 0) {
                e[n * (size_t)i + count[i]++] = part.e[i >> 1][i & 1];
                w.nullable[i >> 1][i & 1] |= part.nullable[i >> 1][i & 1];
            }
    }
    for (int i = 0; e && i < 4; i++)
        w.e[i >> 1][i & 1] = count[i] ? grammar_choice(k->m, e + n * (size_t)i, count[i]) : -1;
    if (!e)
        grammar_ended(k->m);
    compile_free(k->r->compile, e);
    return w;
}

static struct ways repeat(struct maker *k, const struct regex_node *node)
{
    struct ways item = ways_of(k, node->child), w = item;
    int anchored = item.e[0][1] >= 0 || item.e[1][0] >= 0 || item.e[1][1] >= 0;
    if (anchored) { /* at most once: regex_read() */
        if (node->min == 0)
            unite(k, &w, 0, 0, grammar_text(k->m, "", 0), 1);
        return w;
    }
    if (item.e[0][0] < 0) /* an empty class */
        item.e[0][0] = grammar_choice(k->m, NULL, 0);
    w.e[0][0] = grammar_repeat(k->m, item.e[0][0], node->min, node->max);
    w.nullable[0][0] |= node->min == 0;
    return w;
}

static struct ways ways_of(struct maker *k, int32_t at)
{
    const struct regex_node *node = &k->r->node[at];
    struct ways w = nothing;
    compile_work(k->r->compile, 8);
    switch (node->kind) {
    case REGEX_CLASS:
        w.e[0][0] = k->code_points->one_of(k->code_points->arg, k->m, k->r->range + node->range, node->n);
        return w;
    case REGEX_SEQUENCE:
        return sequence(k, node->child);
    case REGEX_CHOICE:
        return alternatives(k, node->child);
    case REGEX_REPEAT:
        return repeat(k, node);
    default: {
        int begin = node->kind == REGEX_BEGIN, end = node->kind == REGEX_END;
        w.e[begin][end] = grammar_text(k->m, "", 0);
        w.nullable[begin][end] = 1;
        return w;
    }
    }
}

grammar_expr regex_expr(const struct regex *r, struct grammar_maker *m, const struct regex_code_points *code_points,
                        int whole)
{
    struct maker k = {r, m, code_points};
    static const struct grammar_range all = {0, 0x10FFFF};
    struct ways w = ways_of(&k, r->root);
    grammar_expr any = whole ? 0
                             : grammar_repeat(m, code_points->one_of(code_points->arg, m, &all, 1), 0, GRAMMAR_MANY),
                 e[4];
    size_t n = 0;
    for (int a = 0; a < 2; a++)
        for (int b = 0; b < 2; b++) {
            grammar_expr part[3];
            size_t parts = 0;
            if (w.e[a][b] < 0)
                continue;
            if (!a && !whole)
                part[parts++] = any;
            part[parts++] = w.e[a][b];
            if (!b && !whole)
                part[parts++] = any;
            e[n++] = grammar_sequence(m, part, parts);
        }
    return grammar_choice(m, e, n);
}

grammar_expr regex_parse(struct grammar_maker *m, const char *pattern, size_t n, int whole)
{
    struct regex r;
    struct error err = {0};
    if (regex_read(&r, grammar_handle(m), pattern, n, &err))
        return grammar_handle(m)->end ? grammar_ended(m) : grammar_fail(m, "pattern: %s", err.text);
    grammar_expr e = regex_expr(&r, m, &regex_raw, whole);
    regex_free(&r);
    return e;
}
