/* How long the texts of a pattern are, and patterns that take lengths in:
 *
 *     ^[a-z][a-z0-9]*$ of at most 64 characters     is  ^[a-z][a-z0-9]{0,63}$
 *     \d$             of 8 to 500                   is  ^(any character){7,499}\d$
 *
 * so that most lengths are counted, and not written out code point by code point. */
#include "text/regex/tree.h"

#include <stdlib.h>

struct length {
    int64_t min, max; /* code points; max -1: no bound */
};

static int64_t times(int64_t n, int32_t by) { return n < 0 || by < 0 ? (n == 0 ? 0 : -1) : n * by; }

static struct length of_node(const struct regex *r, const struct regex_node *node, const struct length *of)
{
    struct length l = {node->kind == REGEX_CLASS, node->kind == REGEX_CLASS};
    if (node->kind == REGEX_REPEAT)
        l = (struct length){times(of[node->child].min, node->min), times(of[node->child].max, node->max)};
    for (int32_t c = node->kind == REGEX_SEQUENCE || node->kind == REGEX_CHOICE ? node->child : -1; c >= 0;
         c = r->node[c].next) {
        if (node->kind == REGEX_CHOICE && c == node->child) {
            l = of[c];
        } else if (node->kind == REGEX_SEQUENCE) {
            l.min += of[c].min;
            l.max = l.max < 0 || of[c].max < 0 ? -1 : l.max + of[c].max;
        } else {
            l.min = of[c].min < l.min ? of[c].min : l.min;
            l.max = l.max < 0 || of[c].max < 0 ? -1 : of[c].max > l.max ? of[c].max : l.max;
        }
    }
    l.min = l.min > INT32_MAX ? INT32_MAX : l.min;
    l.max = l.max > INT32_MAX ? -1 : l.max;
    return l;
}

/* [n_node]; NULL: the compilation has ended. */
static struct length *measure(const struct regex *r)
{
    struct length *of = compile_alloc(r->compile, r->n_node, sizeof *of);
    if (of && compile_work(r->compile, 4 * (uint64_t)r->n_node)) {
        compile_free(r->compile, of);
        return NULL;
    }
    for (uint32_t i = 0; of && i < r->n_node; i++) /* children come first */
        of[i] = of_node(r, &r->node[i], of);
    return of;
}

/* The parts of a pattern between its anchors. */
struct parts {
    int32_t first, behind; /* behind the last: an anchor, or -1 */
    int begins, ends;      /* anchors */
};

/* 0: anchors are elsewhere too. */
static int find_parts(const struct regex *r, struct parts *p)
{
    const struct regex_node *top = &r->node[r->root];
    *p = (struct parts){r->root, -1, 0, 0};
    if (top->kind != REGEX_SEQUENCE)
        return !top->anchored;
    p->first = top->child;
    p->begins = r->node[p->first].kind == REGEX_BEGIN;
    p->first = p->begins ? r->node[p->first].next : p->first;
    int32_t c = p->first;
    while (c >= 0 && !r->node[c].anchored)
        c = r->node[c].next;
    p->behind = c;
    p->ends = c >= 0 && r->node[c].kind == REGEX_END && r->node[c].next < 0;
    return c < 0 || p->ends;
}

void regex_lengths(const struct regex *r, int64_t *min, int64_t *max)
{
    struct length *of = measure(r);
    struct parts p;
    find_parts(r, &p);
    *min = of ? of[r->root].min : 0;
    *max = of && p.begins && p.ends ? of[r->root].max : -1;
    compile_free(r->compile, of);
}

int regex_may_hold(const struct regex *r, uint32_t code_point)
{
    struct parts p;
    if (!find_parts(r, &p) || !p.begins || !p.ends)
        return 1;
    for (uint32_t i = 0; i < r->n_node; i++)
        for (uint32_t k = 0; r->node[i].kind == REGEX_CLASS && k < r->node[i].n; k++)
            if (r->range[r->node[i].range + k].first <= code_point && code_point <= r->range[r->node[i].range + k].last)
                return 1;
    return 0;
}

/* Any text, as a part; -1: the compilation has ended. */
static int32_t any_text(struct regex *r)
{
    static const struct grammar_range all = {0, 0x10FFFF};
    struct regex_node *grown = compile_grow(r->compile, r->node, r->n_node + 2, sizeof *grown);
    if (!grown)
        return -1;
    r->node = grown;
    r->capacity_node = r->n_node + 2;
    uint32_t from = r->n_range;
    if (regex_add(r, &all, 1, 0))
        return -1;
    r->node[r->n_node] = (struct regex_node){.kind = REGEX_CLASS, .child = -1, .next = -1, .range = from, .n = 1};
    r->node[r->n_node + 1] = (struct regex_node){
        .kind = REGEX_REPEAT, .child = (int32_t)r->n_node, .next = -1, .max = GRAMMAR_MANY};
    r->n_node += 2;
    return (int32_t)r->n_node - 1;
}

/* The count of a part that leaves so many characters to others. 0: there is none. */
static int narrow(struct regex_node *part, int64_t width, int64_t others, int64_t min, int64_t max)
{
    int64_t least = min > others ? (min - others + width - 1) / width : 0;
    int64_t most = max < 0 ? -1 : max < others ? -2 : (max - others) / width;
    if (least > part->min)
        part->min = (int32_t)least;
    if (most != -1 && (part->max == GRAMMAR_MANY || most < part->max))
        part->max = (int32_t)(most < 0 ? -1 : most);
    return most != -2 && (part->max == GRAMMAR_MANY || part->min <= part->max);
}

/* The whole text: what the pattern left open at one end is a part now. -1: the compilation has ended. */
static int close_ends(struct regex *r, const struct parts *p, int32_t any)
{
    int32_t last = p->first;
    while (last >= 0 && r->node[last].next >= 0 && r->node[last].next != p->behind)
        last = r->node[last].next;
    int32_t first = p->first;
    if (any >= 0 && !p->begins) {
        r->node[any].next = first;
        first = any;
        last = last < 0 ? any : last;
    } else if (any >= 0) {
        if (last >= 0)
            r->node[last].next = any;
        first = first < 0 ? any : first;
        last = any;
    }
    struct regex_node *grown = compile_grow(r->compile, r->node, r->n_node + 3, sizeof *grown);
    if (!grown)
        return -1;
    r->node = grown;
    r->capacity_node = r->n_node + 3;
    int32_t n = (int32_t)r->n_node;
    r->node[n] = (struct regex_node){.kind = REGEX_END, .child = -1, .next = -1, .anchored = 1};
    r->node[n + 1] = (struct regex_node){.kind = REGEX_BEGIN, .child = -1, .next = first, .anchored = 1};
    r->node[n + 2] = (struct regex_node){.kind = REGEX_SEQUENCE, .child = n + 1, .next = -1, .anchored = 1};
    r->node[last].next = n;
    r->n_node += 3;
    r->root = n + 2;
    return 0;
}

int regex_take_lengths(struct regex *r, int64_t min, int64_t max)
{
    struct parts p;
    struct length *of = measure(r);
    int found = of && find_parts(r, &p);
    int32_t part = -1;
    int64_t others = 0, open = found ? !p.begins + !p.ends : 0;
    for (int32_t c = found ? p.first : -1; c >= 0 && c != p.behind; c = r->node[c].next) {
        open += of[c].min != of[c].max;
        part = of[c].min != of[c].max ? c : part;
        others += of[c].min == of[c].max ? of[c].min : 0;
    }
    int repeats = part >= 0 && r->node[part].kind == REGEX_REPEAT;
    int64_t width = repeats ? of[r->node[part].child].min : part < 0;
    found = found && open == 1 && width > 0 && (part < 0 || of[r->node[part].child].max == width);
    compile_free(r->compile, of);
    if (!found)
        return r->compile->end ? -1 : 0;
    int32_t any = part < 0 ? any_text(r) : -1;
    if (part < 0 && any < 0)
        return -1;
    return narrow(&r->node[part < 0 ? any : part], width, others, min, max) && close_ends(r, &p, any) == 0 ? 1 : -1;
}
