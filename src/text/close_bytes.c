/* Bytes of the shortest texts: of rules, and from each state to the end of its rule. Dijkstra's algorithm over all states at
 * once, from the ends of the rules back; a call becomes passable when the shortest text of what it calls is known (Knuth 1977).
 * Of a counted rule the item is measured; how often it has to come is put in later, when the count is known. */
#include "text/close_inner.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

struct back {
    uint32_t from, edge;
};

struct measuring {
    struct closing *k;
    const struct grammar *g;
    uint32_t *first; /* [n_state + 1] edges into a state, calls too */
    struct back *back;
    uint32_t *first_call; /* [n_rule + 1] edges that call a rule */
    struct back *caller;
    uint32_t *begin; /* [n_rule] of a counted rule: before its item */
    uint8_t *done, *rule_done;
    struct waiting {
        uint32_t bytes, state;
    } * heap; /* binary, least bytes first */
    uint32_t n_heap;
};

static void push(struct measuring *w, uint32_t state, uint32_t bytes)
{
    if (w->done[state] || bytes >= w->k->base[state])
        return;
    w->k->base[state] = bytes;
    uint32_t i = w->n_heap++;
    for (; i > 0 && w->heap[(i - 1) / 2].bytes > bytes; i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = (struct waiting){bytes, state};
}

static struct waiting pop(struct measuring *w)
{
    struct waiting top = w->heap[0], last = w->heap[--w->n_heap];
    uint32_t i = 0;
    for (uint32_t child; (child = 2 * i + 1) < w->n_heap; i = child) {
        if (child + 1 < w->n_heap && w->heap[child + 1].bytes < w->heap[child].bytes)
            child++;
        if (w->heap[child].bytes >= last.bytes)
            break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = last;
    return top;
}

static void rule_known(struct measuring *w, uint32_t rule, uint32_t bytes)
{
    const struct closing *k = w->k;
    if (w->rule_done[rule])
        return;
    w->rule_done[rule] = 1;
    k->rule[rule] = bytes;
    for (uint32_t i = w->first_call[rule]; i < w->first_call[rule + 1]; i++) {
        const struct edge *e = &w->g->edge[w->caller[i].edge];
        if (w->done[e->to])
            push(w, w->caller[i].from, closing_add(bytes, k->base[e->to]));
    }
}

static void state_known(struct measuring *w, uint32_t state, uint32_t bytes)
{
    const struct grammar *g = w->g;
    uint32_t rule = g->owner[state];
    const struct rule *r = &g->rule[rule];
    if (r->counted && state == w->begin[rule]) {
        w->k->item[rule] = bytes;
        uint64_t all = (uint64_t)bytes * (uint32_t)r->min;
        rule_known(w, rule, all > CLOSING_FAR_BYTES ? CLOSING_FAR_BYTES : (uint32_t)all);
    } else if (!r->counted && state == r->start) {
        rule_known(w, rule, bytes);
    }
    for (uint32_t i = w->first[state]; i < w->first[state + 1]; i++) {
        const struct edge *e = &g->edge[w->back[i].edge];
        if (e->kind == EDGE_CALL && w->rule_done[e->arg])
            push(w, w->back[i].from, closing_add(bytes, w->k->rule[e->arg]));
        else if (e->kind == EDGE_EMPTY)
            push(w, w->back[i].from, bytes);
        else if (e->kind < EDGE_EMPTY && e->kind != EDGE_CALL)
            push(w, w->back[i].from, closing_add(bytes, 1));
    }
}

/* ---- counted rules -------------------------------------------------------------------------------------------------------------- */

/* States of a counted rule where nothing of an item was read; none if an item can come back to one of them. */
static void mark_begin(struct measuring *w, uint32_t rule, uint32_t *stack)
{
    const struct grammar *g = w->g;
    uint8_t *at_begin = w->k->at_begin;
    uint32_t n = 0, seen = 0;
    stack[n++] = g->rule[rule].start;
    at_begin[g->rule[rule].start] = 1;
    while (seen < n) {
        uint32_t q = stack[seen++];
        for (uint32_t e = g->first[q]; e < g->first[q + 1]; e++)
            if ((g->edge[e].kind == EDGE_EMPTY || g->edge[e].kind == EDGE_ENTER) && !at_begin[g->edge[e].to]) {
                at_begin[g->edge[e].to] = 1;
                stack[n++] = g->edge[e].to;
            }
    }
    int comes_back = 0;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = w->first[stack[i]]; j < w->first[stack[i] + 1]; j++)
            comes_back |= g->edge[w->back[j].edge].kind < EDGE_EMPTY;
    for (uint32_t i = 0; i < n && comes_back; i++)
        at_begin[stack[i]] = 0;
}

static void prepare_counted(struct measuring *w)
{
    const struct grammar *g = w->g;
    uint32_t *stack = (uint32_t *)w->heap; /* not in use yet */
    for (uint32_t q = 0; q < g->n_state; q++) {
        uint32_t rule = g->owner[q];
        const struct rule *r = &g->rule[rule];
        w->k->begun[q] = r->counted && q != r->start && q != r->accept;
        for (uint32_t e = g->first[q]; e < g->first[q + 1]; e++)
            if (g->edge[e].kind == EDGE_ENTER)
                w->begin[rule] = g->edge[e].to;
    }
    for (uint32_t r = 0; r < g->n_rule; r++)
        if (g->rule[r].counted)
            mark_begin(w, r, stack);
}

static void seed(struct measuring *w)
{
    const struct grammar *g = w->g;
    for (uint32_t r = 0; r < g->n_rule; r++) {
        push(w, g->rule[r].accept, 0);
        if (g->rule[r].counted)
            push(w, g->rule[r].start, 0);
        if (g->rule[r].counted && g->rule[r].min == 0)
            rule_known(w, r, 0);
    }
    for (uint32_t q = 0; q < g->n_state; q++)
        for (uint32_t e = g->first[q]; e < g->first[q + 1]; e++)
            if (g->edge[e].kind == EDGE_TICK)
                push(w, q, 0);
}

/* ---- all ---------------------------------------------------------------------------------------------------------------------- */

static void turn_round(struct measuring *w)
{
    const struct grammar *g = w->g;
    for (uint32_t e = 0; e < g->n_edge; e++) {
        w->first[g->edge[e].to + 2]++;
        if (g->edge[e].kind == EDGE_CALL)
            w->first_call[g->edge[e].arg + 2]++;
    }
    for (uint32_t q = 0; q < g->n_state; q++)
        w->first[q + 2] += w->first[q + 1];
    for (uint32_t r = 0; r < g->n_rule; r++)
        w->first_call[r + 2] += w->first_call[r + 1];
    for (uint32_t q = 0; q < g->n_state; q++)
        for (uint32_t e = g->first[q]; e < g->first[q + 1]; e++) {
            w->back[w->first[g->edge[e].to + 1]++] = (struct back){q, e};
            if (g->edge[e].kind == EDGE_CALL)
                w->caller[w->first_call[g->edge[e].arg + 1]++] = (struct back){q, e};
        }
}

int closing_measure(struct closing *k, struct error *err)
{
    const struct grammar *g = k->c->matcher.g;
    struct measuring w = {.k = k, .g = g};
    w.first = calloc(g->n_state + 2, sizeof *w.first);
    w.first_call = calloc(g->n_rule + 2, sizeof *w.first_call);
    w.back = malloc((g->n_edge + 1) * sizeof *w.back);
    w.caller = malloc((g->n_edge + 1) * sizeof *w.caller);
    w.begin = calloc(g->n_rule + 1, sizeof *w.begin);
    w.done = calloc(g->n_state + 1, 1);
    w.rule_done = calloc(g->n_rule + 1, 1);
    /* a state is pushed for an edge at most twice: when it is passed, and when the rule it calls is known */
    w.heap = malloc(((size_t)g->n_edge * 2 + g->n_state + g->n_rule * 2 + 1) * sizeof *w.heap);
    int failed = !w.first || !w.first_call || !w.back || !w.caller || !w.begin || !w.done || !w.rule_done || !w.heap;
    if (!failed) {
        for (uint32_t q = 0; q < g->n_state; q++)
            k->base[q] = CLOSING_FAR_BYTES;
        for (uint32_t r = 0; r < g->n_rule; r++)
            k->rule[r] = k->item[r] = CLOSING_FAR_BYTES;
        turn_round(&w);
        prepare_counted(&w);
        seed(&w);
        while (w.n_heap > 0) {
            struct waiting next = pop(&w);
            if (w.done[next.state])
                continue;
            w.done[next.state] = 1;
            state_known(&w, next.state, next.bytes);
        }
    }
    free(w.first);
    free(w.first_call);
    free(w.back);
    free(w.caller);
    free(w.begin);
    free(w.done);
    free(w.rule_done);
    free(w.heap);
    return failed ? error_set(err, ERR_MEMORY, "no memory for a constraint") : 0;
}
