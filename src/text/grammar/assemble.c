/* From what a builder has written to the compiled grammar: edges in order of their states, bytes that no edge tells apart as one class, and
 * the rank of each rule, by which a rule stands before those that it calls first. See builder.h, automaton.h. */
#include "text/grammar/builder.h"

#include <string.h>

static void classify_bytes(struct grammar *g)
{
    uint8_t begins[257] = {1};
    for (uint32_t i = 0; i < g->n_edge; i++)
        if (g->edge[i].kind == EDGE_BYTES) {
            begins[g->edge[i].low] = 1;
            begins[g->edge[i].high + 1] = 1;
        }
    for (int c = 0; c < 256; c++) {
        g->n_class += begins[c];
        g->byte_class[c] = (uint8_t)(g->n_class - 1);
    }
}

struct rank_walk {
    struct grammar *g;
    uint8_t *colour;  /* rules */
    uint32_t *stamp;  /* states: rule + 1 that saw it */
    uint32_t *states; /* stack of states */
    uint32_t *calls;  /* rules called first, of all rules being walked, one behind the other */
    uint32_t n_calls, next_rank;
};

/* Rules that rule r may call before it reads anything are put on calls. */
static int leading_calls(struct compile *compile, struct rank_walk *w, uint32_t r)
{
    const struct grammar *g = w->g;
    uint32_t n = 0;
    w->states[n++] = g->rule[r].start;
    w->stamp[g->rule[r].start] = r + 1;
    while (n > 0) {
        uint32_t q = w->states[--n];
        if (compile_work(compile, 4 + g->first[q + 1] - g->first[q]))
            return -1;
        for (uint32_t i = g->first[q]; i < g->first[q + 1]; i++) {
            const struct edge *e = &g->edge[i];
            if (e->kind == EDGE_CALL && w->colour[e->arg] == 0)
                w->calls[w->n_calls++] = e->arg;
            if (e->kind >= EDGE_EMPTY && w->stamp[e->to] != r + 1) {
                w->stamp[e->to] = r + 1;
                w->states[n++] = e->to;
            }
        }
    }
    return 0;
}

/* Ranks by depth-first search, the last left first: a rule stands before those it calls first. */
static int rank_rules(struct compile *compile, struct rank_walk *w, uint32_t root)
{
    enum { NEW, OPEN, DONE };
    w->calls[w->n_calls++] = root;
    while (w->n_calls > 0) {
        uint32_t r = w->calls[w->n_calls - 1];
        if (w->colour[r] == NEW) {
            w->colour[r] = OPEN;
            if (leading_calls(compile, w, r))
                return -1;
            continue;
        }
        if (w->colour[r] == OPEN) {
            w->colour[r] = DONE;
            w->g->rule[r].rank = --w->next_rank;
        }
        w->n_calls--;
    }
    return 0;
}

static int rank_all(struct compile *compile, struct grammar *g)
{
    struct rank_walk w = {.g = g, .next_rank = g->n_rule};
    w.colour = compile_zeroed(compile, g->n_rule + 1, 1);
    w.stamp = compile_zeroed(compile, g->n_state + 1, sizeof *w.stamp);
    w.states = compile_alloc(compile, g->n_state + 1, sizeof *w.states);
    w.calls = compile_alloc(compile, (size_t)g->n_edge + g->n_rule + 1, sizeof *w.calls);
    int failed = !w.colour || !w.stamp || !w.states || !w.calls;
    for (uint32_t r = 0; !failed && r < g->n_rule; r++)
        if (!w.colour[r])
            failed = rank_rules(compile, &w, r);
    compile_free(compile, w.colour);
    compile_free(compile, w.stamp);
    compile_free(compile, w.states);
    compile_free(compile, w.calls);
    return failed ? -1 : 0;
}

struct grammar *build_grammar(struct builder *b, const uint32_t *entry, size_t n_entry)
{
    struct compile *compile = b->m->compile;
    struct grammar *g = compile_zeroed(compile, 1, sizeof *g);
    if (!g)
        return NULL;
    g->compile = compile == &b->m->own ? NULL : compile;
    g->n_rule = b->n_rule;
    g->n_state = b->n_state;
    g->n_edge = b->n_edge;
    g->n_entry = (uint32_t)n_entry;
    g->rule = compile_alloc(compile, g->n_rule + 1, sizeof *g->rule);
    g->first = compile_zeroed(compile, g->n_state + 2, sizeof *g->first);
    g->edge = compile_alloc(compile, g->n_edge + 1, sizeof *g->edge);
    g->owner = compile_alloc(compile, g->n_state + 1, sizeof *g->owner);
    g->entry = compile_alloc(compile, n_entry + 1, sizeof *g->entry);
    if (!g->rule || !g->first || !g->edge || !g->owner || !g->entry) {
        grammar_free(g);
        return NULL;
    }
    for (uint32_t r = 0; r < g->n_rule; r++)
        g->rule[r] = b->rule[r].rule;
    memcpy(g->owner, b->owner, g->n_state * sizeof *g->owner);
    memcpy(g->entry, entry, n_entry * sizeof *g->entry);
    for (uint32_t i = 0; i < g->n_edge; i++) {
        compile_work(compile, 4);
        g->first[b->edge[i].from + 2]++;
    }
    for (uint32_t q = 0; q < g->n_state; q++)
        g->first[q + 2] += g->first[q + 1];
    for (uint32_t i = 0; i < g->n_edge; i++)
        g->edge[g->first[b->edge[i].from + 1]++] = b->edge[i].edge;
    classify_bytes(g);
    if (rank_all(compile, g)) {
        grammar_free(g);
        return NULL;
    }
    return g;
}

void grammar_free(struct grammar *g)
{
    if (!g)
        return;
    struct compile *compile = g->compile;
    compile_free(compile, g->rule);
    compile_free(compile, g->first);
    compile_free(compile, g->edge);
    compile_free(compile, g->owner);
    compile_free(compile, g->entry);
    compile_free(compile, g);
}

size_t grammar_bytes(const struct grammar *g)
{
    return compile_size(g) + compile_size(g->rule) + compile_size(g->first) + compile_size(g->edge) +
           compile_size(g->owner) + compile_size(g->entry);
}
