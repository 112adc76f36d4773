/* Counted leaves whose items are the same automaton: what single tokens can be of them is found out once (completion_lengths()).
 *
 *     rule 3   [a-z]{0,9}          alike 3
 *     rule 4   [a-z]{5,300}        alike 3
 *
 * The states of a rule follow each other, its start first, and rules are built in one way: equal items have equal edges, as seen from
 * their start. A schema may have hundreds of such rules, a string with lengths of its own each. */
#include "text/constraint/completion_inner.h"

#include "base/hash.h"

/* Of a rule: states [start, start + n), edges [first, first + n_edge). */
struct part {
    uint32_t start, n, first, n_edge;
};

static struct part part_of(const struct grammar *g, uint32_t rule)
{
    uint32_t start = g->rule[rule].start, end = rule + 1 < g->n_rule ? g->rule[rule + 1].start : g->n_state;
    return (struct part){start, end - start, g->first[start], g->first[end] - g->first[start]};
}

static uint64_t hash_of(const struct grammar *g, uint32_t rule)
{
    const struct part p = part_of(g, rule);
    uint64_t h = g->rule[rule].accept - p.start;
    for (uint32_t i = 0; i < p.n_edge; i++) {
        const struct edge *e = &g->edge[p.first + i];
        const uint32_t seen[] = {(uint32_t)e->kind << 16 | (uint32_t)e->low << 8 | e->high, e->arg, e->to - p.start};
        h = hash64(seen, sizeof seen, h);
    }
    return h;
}

static int are_alike(const struct grammar *g, uint32_t one, uint32_t other)
{
    const struct part a = part_of(g, one), b = part_of(g, other);
    if (a.n != b.n || a.n_edge != b.n_edge || g->rule[one].accept - a.start != g->rule[other].accept - b.start)
        return 0;
    for (uint32_t s = 0; s < a.n; s++)
        if (g->first[a.start + s] - a.first != g->first[b.start + s] - b.first)
            return 0;
    for (uint32_t i = 0; i < a.n_edge; i++) {
        const struct edge *x = &g->edge[a.first + i], *y = &g->edge[b.first + i];
        if (x->kind != y->kind || x->low != y->low || x->high != y->high || x->arg != y->arg ||
            x->to - a.start != y->to - b.start)
            return 0;
    }
    return 1;
}

int completion_find_alike(struct completion *k, struct error *err)
{
    const struct grammar *g = k->c->matcher.g;
    struct compile *compile = k->c->compile;
    uint32_t size = 2, failed = 0;
    while (size < 2 * g->n_rule)
        size *= 2;
    uint32_t *table = compile_zeroed(compile, size, sizeof *table); /* rule + 1, by its hash */
    if (!table)
        return compile_refused(compile, err);
    for (uint32_t r = 0; r < g->n_rule && !failed; r++) {
        k->alike[r] = r;
        if (!g->rule[r].counted || !g->rule[r].leaf)
            continue;
        uint32_t at = (uint32_t)(hash_of(g, r) >> 32) & (size - 1), edges = part_of(g, r).n_edge;
        failed = compile_work(compile, 2 + edges) != 0;
        while (table[at] && !failed && !are_alike(g, table[at] - 1, r)) {
            failed = compile_work(compile, 1 + edges) != 0;
            at = (at + 1) & (size - 1);
        }
        if (table[at])
            k->alike[r] = table[at] - 1;
        else
            table[at] = r + 1;
    }
    compile_free(compile, table);
    return failed ? compile_refused(compile, err) : 0;
}
