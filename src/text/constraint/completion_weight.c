/* Weights of the lightest texts: of rules, and from each state to the end of its rule. Dijkstra's algorithm over all states at
 * once, from the ends of the rules back; a call becomes passable when the lightest text of what it calls is known (Knuth 1977).
 * Of a counted rule the item is measured; how often it has to come is put in later, when the count is known.
 *
 * A weight stands for tokens: a stretch that reads one fixed text weighs what its tokens do, spread over its bytes, so that of
 * several names the one of fewest tokens is the lightest. Other bytes count as a token each. */
#include "text/constraint/completion_inner.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { SPELL = 64 }; /* steps of a byte that is spelled: tokens that begin with it are looked at */

struct back {
    uint32_t from, edge;
};

struct measuring {
    struct compile *compile;
    struct completion *k;
    const struct grammar *g;
    uint32_t *first; /* [n_state + 1] edges into a state, calls too */
    struct back *back;
    uint32_t *first_call; /* [n_rule + 1] edges that call a rule */
    struct back *caller;
    uint32_t *begin; /* [n_rule] of a counted rule: before its item */
    uint8_t *done, *rule_done;
    struct waiting {
        uint32_t weight, state;
    } * heap; /* binary, least weight first */
    uint32_t n_heap;
};

static void push(struct measuring *w, uint32_t state, uint32_t weight)
{
    if (w->done[state] || weight >= w->k->base[state])
        return;
    w->k->base[state] = weight;
    uint32_t i = w->n_heap++;
    for (; i > 0 && w->heap[(i - 1) / 2].weight > weight; i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = (struct waiting){weight, state};
}

static struct waiting pop(struct measuring *w)
{
    struct waiting top = w->heap[0], last = w->heap[--w->n_heap];
    uint32_t i = 0;
    for (uint32_t child; (child = 2 * i + 1) < w->n_heap; i = child) {
        if (child + 1 < w->n_heap && w->heap[child + 1].weight < w->heap[child].weight)
            child++;
        if (w->heap[child].weight >= last.weight)
            break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = last;
    return top;
}

static void rule_known(struct measuring *w, uint32_t rule, uint32_t weight)
{
    const struct completion *k = w->k;
    if (w->rule_done[rule])
        return;
    w->rule_done[rule] = 1;
    k->rule[rule] = weight;
    for (uint32_t i = w->first_call[rule]; i < w->first_call[rule + 1]; i++) {
        const struct edge *e = &w->g->edge[w->caller[i].edge];
        if (w->done[e->to])
            push(w, w->caller[i].from, completion_add(weight, k->base[e->to]));
    }
}

static void state_known(struct measuring *w, uint32_t state, uint32_t weight)
{
    const struct grammar *g = w->g;
    uint32_t rule = g->owner[state];
    const struct rule *r = &g->rule[rule];
    if (r->counted && state == w->begin[rule]) {
        w->k->item[rule] = weight;
        uint64_t all = (uint64_t)weight * (uint32_t)r->min;
        rule_known(w, rule, all > COMPLETION_NONE ? COMPLETION_NONE : (uint32_t)all);
    } else if (!r->counted && state == r->start) {
        rule_known(w, rule, weight);
    }
    for (uint32_t i = w->first[state]; i < w->first[state + 1]; i++) {
        const struct edge *e = &g->edge[w->back[i].edge];
        if (e->kind == EDGE_CALL && w->rule_done[e->arg])
            push(w, w->back[i].from, completion_add(weight, w->k->rule[e->arg]));
        else if (e->kind == EDGE_EMPTY)
            push(w, w->back[i].from, weight);
        else if (e->kind < EDGE_EMPTY && e->kind != EDGE_CALL)
            push(w, w->back[i].from, completion_add(weight, w->k->weight[w->back[i].edge]));
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
    for (uint32_t q = 0; q < g->n_state && !compile_work(w->compile, 4); q++) {
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

/* ---- weights -------------------------------------------------------------------------------------------------------------------- */

int64_t completion_spell(const struct token_trie *trie, const char *text, size_t n, int64_t *spelled,
                         struct compile *compile)
{
    spelled[n] = 0;
    for (size_t i = n; i-- > 0;) {
        if (compile_work(compile, SPELL))
            return COMPLETION_NEVER;
        spelled[i] = COMPLETION_NEVER;
        for (uint32_t at = 0, d = 0; at < trie->n_node && i + d < n;) {
            const struct trie_node *node = &trie->node[at];
            if (node->depth != d + 1)
                break;
            if (node->byte != (uint8_t)text[i + d]) {
                at = node->skip;
                continue;
            }
            d++;
            if (node->token < node[1].token && spelled[i + d] != COMPLETION_NEVER && spelled[i + d] + 1 < spelled[i])
                spelled[i] = spelled[i + d] + 1;
            at++;
        }
    }
    return spelled[0];
}

/* The only step out of a state, if it reads one certain byte; -1. */
static int64_t only_step(const struct grammar *g, uint32_t q)
{
    uint32_t e = g->first[q];
    return g->first[q + 1] == e + 1 && g->edge[e].kind == EDGE_BYTES && g->edge[e].low == g->edge[e].high ? (int64_t)e
                                                                                                          : -1;
}

/* The fixed text that begins with a step, and the steps that read it. */
struct stretch {
    char *text;
    uint32_t *edge;
    int64_t *spelled;
    uint32_t n, capacity;
};

static int spread(struct measuring *w, struct stretch *s, uint32_t first)
{
    const struct grammar *g = w->g;
    s->n = 0;
    for (int64_t e = first; e >= 0;
         e = w->first[g->edge[e].to + 1] - w->first[g->edge[e].to] == 1 ? only_step(g, g->edge[e].to) : -1) {
        if (s->n == s->capacity) {
            uint32_t capacity = s->capacity * 2 + 256;
            char *text = compile_grow(w->compile, s->text, capacity, 1);
            s->text = text ? text : s->text;
            uint32_t *edge = compile_grow(w->compile, s->edge, capacity, sizeof *edge);
            s->edge = edge ? edge : s->edge;
            int64_t *spelled = compile_grow(w->compile, s->spelled, capacity + 1, sizeof *spelled);
            s->spelled = spelled ? spelled : s->spelled;
            if (!text || !edge || !spelled)
                return -1;
            s->capacity = capacity;
        }
        s->text[s->n] = (char)g->edge[e].low;
        s->edge[s->n++] = (uint32_t)e;
    }
    int64_t tokens = completion_spell(w->k->c->trie, s->text, s->n, s->spelled, w->compile);
    if (compile_work(w->compile, 16))
        return -1;
    uint64_t total = tokens == COMPLETION_NEVER ? (uint64_t)s->n * COMPLETION_UNIT : (uint64_t)tokens * COMPLETION_UNIT;
    for (uint32_t i = 0; i < s->n; i++) {
        uint64_t part = total * (i + 1) / s->n - total * i / s->n;
        w->k->weight[s->edge[i]] = (uint8_t)(part ? part : 1);
    }
    int64_t left = 0;
    for (uint32_t i = s->n - 1; i > 0; i--) {
        left += w->k->weight[s->edge[i]];
        if (s->spelled[i] != COMPLETION_NEVER)
            w->k->rest[g->edge[s->edge[i - 1]].to] = (int32_t)(s->spelled[i] * COMPLETION_UNIT - left);
    }
    return 0;
}

/* Every step that begins a stretch: it reads one byte, and does not go on from another such step alone. */
static int weigh(struct measuring *w)
{
    const struct grammar *g = w->g;
    struct stretch s = {0};
    int failed = 0;
    memset(w->k->weight, COMPLETION_UNIT, g->n_edge);
    for (uint32_t q = 0; q < g->n_state && !failed; q++) {
        int inside = w->first[q + 1] - w->first[q] == 1 && only_step(g, q) >= 0;
        const struct edge *before = inside ? &g->edge[w->back[w->first[q]].edge] : NULL;
        if (before && before->kind == EDGE_BYTES && before->low == before->high)
            continue;
        for (uint32_t e = g->first[q]; e < g->first[q + 1] && !failed; e++)
            if (g->edge[e].kind == EDGE_BYTES && g->edge[e].low == g->edge[e].high)
                failed = spread(w, &s, e);
    }
    compile_free(w->compile, s.text);
    compile_free(w->compile, s.edge);
    compile_free(w->compile, s.spelled);
    return failed;
}

/* ---- detours ---------------------------------------------------------------------------------------------------------------------- */

enum { CODE_POINT_BYTES = 5 }; /* bytes of an escape, its backslash aside; a character has fewer */

/* A step loses nothing against the lightest text. */
static int on_shortest_path(const struct measuring *w, uint32_t from, uint32_t e)
{
    const struct completion *k = w->k;
    const struct edge *edge = &w->g->edge[e];
    uint32_t weight = edge->kind == EDGE_CALL    ? k->rule[edge->arg]
                      : edge->kind == EDGE_EMPTY ? 0
                      : edge->kind > EDGE_EMPTY  ? COMPLETION_NONE
                                                 : k->weight[e];
    return edge->kind > EDGE_EMPTY || completion_add(k->base[edge->to], weight) == k->base[from];
}

/* States on a lightest text of their rule. */
static void mark_way(const struct measuring *w, uint8_t *on_way, uint32_t *stack)
{
    const struct grammar *g = w->g;
    uint32_t n = 0;
    for (uint32_t r = 0; r < g->n_rule; r++) {
        on_way[g->rule[r].start] = 1;
        stack[n++] = g->rule[r].start;
    }
    while (n > 0) {
        uint32_t q = stack[--n];
        for (uint32_t e = g->first[q]; e < g->first[q + 1]; e++)
            if (!on_way[g->edge[e].to] && on_shortest_path(w, q, e)) {
                on_way[g->edge[e].to] = 1;
                stack[n++] = g->edge[e].to;
            }
    }
}

/* The state behind the first byte on a shortest path, if any of several bytes may come, and nothing else; -1. */
static int64_t behind_byte(const struct measuring *w, uint32_t q)
{
    const struct grammar *g = w->g;
    int64_t to = -1;
    if (only_step(g, q) >= 0)
        return -1;
    for (uint32_t e = g->first[q]; e < g->first[q + 1]; e++) {
        if (g->edge[e].kind != EDGE_BYTES)
            return -1;
        if (to < 0 && on_shortest_path(w, q, e))
            to = g->edge[e].to;
    }
    return to;
}

static int only_bytes_lead_to(const struct measuring *w, uint32_t q)
{
    int only = 1;
    for (uint32_t j = w->first[q]; j < w->first[q + 1]; j++)
        only &= w->g->edge[w->back[j].edge].kind == EDGE_BYTES;
    return only;
}

/* What is written at greater length than it has to be: characters of several bytes, escapes. Not where a code point begins: what leads
 * there without reading must be as far from the end. */
static void mark_long_code_points(struct measuring *w)
{
    const struct grammar *g = w->g;
    uint8_t *on_way = w->done; /* not in use any more */
    memset(on_way, 0, g->n_state);
    mark_way(w, on_way, (uint32_t *)w->heap);
    for (uint32_t q = 0; q < g->n_state && w->k->c->trie->spells && !compile_work(w->compile, 8); q++) {
        int64_t at = q;
        for (int n = 0; n <= CODE_POINT_BYTES && !on_way[at] && behind_byte(w, (uint32_t)at) >= 0; n++)
            at = behind_byte(w, (uint32_t)at);
        w->k->in_long_code_point[q] = at != q && only_bytes_lead_to(w, q) &&
                                      (on_way[at] || behind_byte(w, (uint32_t)at) < 0);
    }
}

/* ---- all ---------------------------------------------------------------------------------------------------------------------- */

static int turn_round(struct measuring *w)
{
    const struct grammar *g = w->g;
    for (uint32_t e = 0; e < g->n_edge; e++) {
        if (compile_work(w->compile, 4))
            return -1;
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
    return 0;
}

int completion_measure(struct completion *k, struct error *err)
{
    const struct grammar *g = k->c->matcher.g;
    struct compile *compile = k->c->compile;
    struct measuring w = {.compile = compile, .k = k, .g = g};
    size_t n_call = 0;
    for (uint32_t e = 0; e < g->n_edge; e++)
        n_call += g->edge[e].kind == EDGE_CALL;
    w.first = compile_zeroed(compile, g->n_state + 2, sizeof *w.first);
    w.first_call = compile_zeroed(compile, g->n_rule + 2, sizeof *w.first_call);
    w.back = compile_alloc(compile, g->n_edge + 1, sizeof *w.back);
    w.caller = compile_alloc(compile, n_call + 1, sizeof *w.caller);
    w.begin = compile_zeroed(compile, g->n_rule + 1, sizeof *w.begin);
    w.done = compile_zeroed(compile, g->n_state + 1, 1);
    w.rule_done = compile_zeroed(compile, g->n_rule + 1, 1);
    /* a state is pushed for an edge at most twice: when it is passed, and when the rule it calls is known */
    w.heap = compile_alloc(compile, (size_t)g->n_edge * 2 + g->n_state + g->n_rule * 2 + 1, sizeof *w.heap);
    int failed = !w.first || !w.first_call || !w.back || !w.caller || !w.begin || !w.done || !w.rule_done || !w.heap;
    if (!failed) {
        for (uint32_t q = 0; q < g->n_state; q++)
            k->base[q] = COMPLETION_NONE;
        for (uint32_t r = 0; r < g->n_rule; r++)
            k->rule[r] = k->item[r] = COMPLETION_NONE;
        failed = turn_round(&w);
        if (!failed)
            prepare_counted(&w);
        failed = failed || weigh(&w);
        if (!failed) /* who has called whom is known */
            seed(&w);
        while (w.n_heap > 0 && !failed) {
            failed = compile_work(compile, 16);
            struct waiting next = pop(&w);
            if (w.done[next.state])
                continue;
            w.done[next.state] = 1;
            state_known(&w, next.state, next.weight);
        }
        if (!failed)
            mark_long_code_points(&w);
        for (uint32_t q = 0; q < g->n_state && !failed; q++)
            if (k->base[q] < COMPLETION_NONE && (int64_t)k->base[q] + k->rest[q] > k->most[g->owner[q]])
                k->most[g->owner[q]] = (int64_t)k->base[q] + k->rest[q];
    }
    compile_free(compile, w.first);
    compile_free(compile, w.first_call);
    compile_free(compile, w.back);
    compile_free(compile, w.caller);
    compile_free(compile, w.begin);
    compile_free(compile, w.done);
    compile_free(compile, w.rule_done);
    compile_free(compile, w.heap);
    return failed ? compile_refused(compile, err) : 0;
}
