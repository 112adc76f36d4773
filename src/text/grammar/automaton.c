/* Expressions to rules: what is written out in place, what is called, what is counted.
 *
 *   leaf      a regular expression of modest size is written out whole: one automaton, no calls
 *   other     short regular rules are written out, the rest is called; loops over many bytes and long repetitions become rules
 *             of their own, so that equal ones are one, and their masks are computed once
 *
 * Choices between texts are written out as a tree of their bytes: an enum of thousands stays small to step through. */
#include "text/grammar/builder.h"

#include <stdlib.h>
#include <string.h>

static void empty(struct builder *b, uint32_t from, uint32_t to) { build_edge(b, from, to, EDGE_EMPTY, 0, 0, 0); }

/* ---- rules ------------------------------------------------------------------------------------------------------------------ */

static int is_leaf(const struct expr_facts *f) { return f->regular && (f->size <= GRAMMAR_LEAF || !f->calls); }

static uint32_t add_rule(struct builder *b, uint32_t *known, grammar_expr body)
{
    if (*known)
        return *known - 1;
    struct new_rule *rule = maker_grow(b->m, b->rule, b->n_rule, 1, &b->capacity_rule, sizeof *rule);
    if (!rule)
        return 0;
    b->rule = rule;
    struct expr_facts *f = &b->fact[body];
    rule[b->n_rule] = (struct new_rule){body, {.leaf = (uint8_t)is_leaf(f), .nullable = f->nullable}};
    *known = ++b->n_rule;
    return b->n_rule - 1;
}

/* A body that is only a call is the rule that it calls; left recursion was refused, so this ends. */
static grammar_expr called_body(const struct builder *b, grammar_expr body)
{
    while (b->m->expr[body].kind == EXPR_CALL)
        body = b->m->rule[b->m->expr[body].a].body;
    return body;
}

static uint32_t rule_of(struct builder *b, grammar_expr body)
{
    body = called_body(b, body);
    return add_rule(b, &b->of_expr[body], body);
}

static uint32_t counted_rule(struct builder *b, grammar_expr x)
{
    const struct expr *e = &b->m->expr[x];
    int known = b->of_item[x] != 0;
    uint32_t r = add_rule(b, &b->of_item[x], e->a);
    if (!known && !b->m->error.code) {
        struct rule *rule = &b->rule[r].rule;
        rule->counted = 1;
        rule->min = rule->nullable ? 0 : e->min;
        rule->max = e->max;
        rule->nullable = rule->min == 0;
    }
    return r;
}

static void call(struct builder *b, uint32_t rule, uint32_t from, uint32_t to)
{
    if (b->m->error.code)
        return;
    build_edge(b, from, to, EDGE_CALL, 0, 0, rule);
    if (b->rule[rule].rule.nullable)
        empty(b, from, to);
}

/* ---- choices of texts --------------------------------------------------------------------------------------------------------- */

struct words {
    const char **text;
    uint32_t *length;
};

/* Bytes of texts [low, high), which agree in the first depth bytes, from a state on. The largest group at a fork is taken up
 * by the loop, so recursion is as deep as the logarithm of their number. */
static void tree(struct builder *b, const struct words *w, uint32_t low, uint32_t high, uint32_t depth, uint32_t from,
                 uint32_t to)
{
    for (;;) {
        maker_work(b->m, high - low);
        while (low < high && w->length[low] == depth) { /* sorted: texts that end here come first */
            empty(b, from, to);
            low++;
        }
        if (low == high || b->m->error.code)
            return;
        uint32_t best = low, best_n = 0;
        for (uint32_t i = low, n; i < high; i += n) {
            for (n = 1; i + n < high && w->text[i + n][depth] == w->text[i][depth]; n++)
                ;
            if (n > best_n) {
                best = i;
                best_n = n;
            }
        }
        for (uint32_t i = low, n; i < high; i += n) {
            for (n = 1; i + n < high && w->text[i + n][depth] == w->text[i][depth]; n++)
                ;
            if (i == best)
                continue;
            uint8_t c = (uint8_t)w->text[i][depth];
            uint32_t next = build_state(b);
            build_edge(b, from, next, EDGE_BYTES, c, c, 0);
            tree(b, w, i, i + n, depth + 1, next, to);
        }
        uint8_t c = (uint8_t)w->text[best][depth];
        uint32_t next = best_n == 1 && w->length[best] == depth + 1 ? to : build_state(b);
        build_edge(b, from, next, EDGE_BYTES, c, c, 0);
        if (next == to)
            return;
        low = best;
        high = best + best_n;
        depth++;
        from = next;
    }
}

struct word {
    const char *text;
    uint32_t n;
};

static int by_bytes(const void *a, const void *b)
{
    const struct word *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* The texts among the parts of a choice. */
static void build_words(struct builder *b, const struct expr *e, uint32_t from, uint32_t to)
{
    const uint32_t *list = maker_list(b->m, e);
    struct word *sorted = compile_alloc(b->m->compile, e->n + 1, sizeof *sorted);
    struct words w = {compile_alloc(b->m->compile, e->n + 1, sizeof *w.text),
                      compile_alloc(b->m->compile, e->n + 1, sizeof *w.length)};
    uint32_t n = 0;
    if (sorted && w.text && w.length) {
        for (uint32_t i = 0; i < e->n; i++)
            if (b->m->expr[list[i]].kind == EXPR_TEXT)
                sorted[n++] = (struct word){maker_text(b->m, &b->m->expr[list[i]]), b->m->expr[list[i]].n};
        maker_work(b->m, (uint64_t)n * 64);
        qsort(sorted, n, sizeof *sorted, by_bytes);
        for (uint32_t i = 0; i < n; i++) {
            w.text[i] = sorted[i].text;
            w.length[i] = sorted[i].n;
        }
        tree(b, &w, 0, n, 0, from, to);
    } else {
        maker_refused(b->m);
    }
    compile_free(b->m->compile, sorted);
    compile_free(b->m->compile, w.text);
    compile_free(b->m->compile, w.length);
}

/* ---- expressions ------------------------------------------------------------------------------------------------------------ */

/* x is to be written out from a state to another one. Foreign expressions are nested as deep as they are long, so what is in them waits
 * in a list of the builder's, and nothing calls itself. */
static void build(struct builder *b, grammar_expr x, uint32_t from, uint32_t to)
{
    if (!b->fact[x].productive || b->m->error.code)
        return;
    struct part *waiting = maker_grow(b->m, b->waiting, b->n_waiting, 1, &b->capacity_waiting, sizeof *waiting);
    if (!waiting)
        return;
    b->waiting = waiting;
    waiting[b->n_waiting++] = (struct part){x, from, to};
}

static void build_text(struct builder *b, const struct expr *e, uint32_t from, uint32_t to)
{
    if (e->n == 0)
        empty(b, from, to);
    for (uint32_t i = 0; i < e->n; i++) {
        uint8_t c = (uint8_t)maker_text(b->m, e)[i];
        uint32_t next = i + 1 < e->n ? build_state(b) : to;
        build_edge(b, from, next, EDGE_BYTES, c, c, 0);
        from = next;
    }
}

static void build_sequence(struct builder *b, const struct expr *e, uint32_t from, uint32_t to)
{
    for (uint32_t i = e->n; i-- > 0 && !b->m->error.code;) { /* what waits last is written first */
        uint32_t begin = i > 0 ? build_state(b) : from;
        build(b, (grammar_expr)maker_list(b->m, e)[i], begin, to);
        to = begin;
    }
}

static void build_choice(struct builder *b, const struct expr *e, uint32_t from, uint32_t to)
{
    uint32_t texts = 0;
    for (uint32_t i = 0; i < e->n && !b->m->error.code; i++) {
        grammar_expr p = (grammar_expr)maker_list(b->m, e)[i];
        if (b->m->expr[p].kind == EXPR_TEXT)
            texts++;
        else
            build(b, p, from, to);
    }
    if (texts)
        build_words(b, e, from, to);
}

/* item{min,max} written out: from -> ... -> to, any of the optional copies may be the last. */
static void build_copies(struct builder *b, const struct expr *e, uint32_t from, uint32_t to)
{
    for (int32_t i = 0; i < e->min && !b->m->error.code; i++) {
        uint32_t next = e->max == i + 1 ? to : build_state(b);
        build(b, e->a, from, next);
        from = next;
    }
    if (e->max == e->min)
        return;
    if (e->max == GRAMMAR_MANY) {
        uint32_t loop = build_state(b);
        empty(b, from, loop);
        build(b, e->a, loop, loop);
        empty(b, loop, to);
        return;
    }
    for (int32_t i = e->min; i < e->max && !b->m->error.code; i++) {
        uint32_t begin = build_state(b); /* an item with empty edges of its own must not join two copies */
        empty(b, from, begin);
        empty(b, begin, to);
        from = i + 1 < e->max ? build_state(b) : to;
        build(b, e->a, begin, from);
    }
}

/* A step of a machine that is written out is written once for all that lead to one state by the same expression. */
struct shared_step {
    uint32_t e, to, from;
};

static int by_step(const void *a, const void *b)
{
    const struct shared_step *x = a, *y = b;
    return x->e != y->e     ? (x->e < y->e ? -1 : 1)
           : x->to != y->to ? (x->to < y->to ? -1 : 1)
                            : (x->from > y->from) - (x->from < y->from);
}

/* Steps of one expression. called: where they lead to several states they call a rule. */
static void build_alike(struct builder *b, const struct shared_step *s, uint32_t n, int called)
{
    grammar_expr x = (grammar_expr)s[0].e;
    for (uint32_t i = 0, k; i < n && !b->m->error.code; i = k) {
        for (k = i + 1; k < n && s[k].to == s[i].to; k++)
            ;
        uint32_t from = s[i].from;
        if (k - i > 1) {
            from = build_state(b);
            for (uint32_t j = i; j < k; j++)
                empty(b, s[j].from, from);
        }
        if (called && k - i < n)
            call(b, rule_of(b, x), from, s[i].to);
        else
            build(b, x, from, s[i].to);
    }
}

static void build_steps(struct builder *b, struct shared_step *s, uint32_t n, int large)
{
    maker_work(b->m, 32 * (uint64_t)n);
    qsort(s, n, sizeof *s, by_step);
    for (uint32_t i = 0, k; i < n && !b->m->error.code; i = k) {
        const struct expr_facts *f = &b->fact[s[i].e];
        for (k = i + 1; k < n && s[k].e == s[i].e; k++)
            ;
        build_alike(b, s + i, k - i, large && f->regular && !f->calls && f->size > GRAMMAR_STEP);
    }
}

static void build_machine(struct builder *b, grammar_expr x, uint32_t from, uint32_t to)
{
    const struct expr *e = &b->m->expr[x];
    const uint32_t *step = maker_list(b->m, e);
    struct shared_step *shared = compile_alloc(b->m->compile, e->n / 3 + 1, sizeof *shared);
    uint32_t n = 0;
    uint8_t *on_way = compile_alloc(b->m->compile, (size_t)e->a + 2, 1);
    uint32_t *state = compile_zeroed(b->m->compile, (size_t)e->a + 2, sizeof *state);
    if (shared && on_way && state && grammar_machine_ways(b->m, e, b->fact, on_way)) {
        state[0] = build_state(b); /* steps may lead back to the ends, which are others' too */
        state[1] = build_state(b);
        empty(b, from, state[0]);
        empty(b, state[1], to);
        for (int32_t q = 2; q < e->a; q++)
            state[q] = on_way[q] ? build_state(b) : 0;
        for (uint32_t i = 0; i < e->n && !b->m->error.code; i += 3)
            if (on_way[step[i]] && on_way[step[i + 1]])
                shared[n++] = (struct shared_step){step[i + 2], state[step[i + 1]], state[step[i]]};
        build_steps(b, shared, n, b->fact[x].size > GRAMMAR_MACHINE);
    } else if (!shared || !on_way || !state) {
        maker_refused(b->m);
    }
    compile_free(b->m->compile, shared);
    compile_free(b->m->compile, on_way);
    compile_free(b->m->compile, state);
}

static void build_repeat(struct builder *b, grammar_expr x, uint32_t from, uint32_t to)
{
    const struct expr *e = &b->m->expr[x];
    const struct expr_facts *item = &b->fact[e->a];
    int leaf = b->rule[b->current].rule.leaf;
    if (!item->productive) { /* only its empty text is left */
        empty(b, from, to);
        return;
    }
    if (!leaf && !grammar_copies(e, item))
        call(b, counted_rule(b, x), from, to);
    else if (!leaf && b->fact[x].wide && is_leaf(&b->fact[x]))
        call(b, rule_of(b, x), from, to);
    else
        build_copies(b, e, from, to);
}

static void build_call(struct builder *b, const struct expr *e, uint32_t from, uint32_t to)
{
    grammar_expr body = called_body(b, b->m->rule[e->a].body);
    const struct expr_facts *f = &b->fact[body];
    if (b->rule[b->current].rule.leaf || (f->regular && !f->wide && f->size <= GRAMMAR_INLINE))
        build(b, body, from, to);
    else
        call(b, rule_of(b, body), from, to);
}

static void build_part(struct builder *b, grammar_expr x, uint32_t from, uint32_t to)
{
    const struct expr *e = &b->m->expr[x];
    switch (e->kind) {
    case EXPR_TEXT:
        build_text(b, e, from, to);
        break;
    case EXPR_CLASS:
        utf8_class(b, maker_list(b->m, e), e->n, from, to);
        break;
    case EXPR_SEQUENCE:
        build_sequence(b, e, from, to);
        break;
    case EXPR_CHOICE:
        build_choice(b, e, from, to);
        break;
    case EXPR_REPEAT:
        build_repeat(b, x, from, to);
        break;
    case EXPR_TOKEN:
        build_edge(b, from, to, EDGE_TOKEN, 0, 0, (uint32_t)e->a);
        break;
    case EXPR_OTHER:
        build_edge(b, from, to, EDGE_OTHER, 0, 0, (uint32_t)e->a);
        break;
    case EXPR_UNTIL:
    case EXPR_WITHOUT:
        if (x == b->rule[b->current].body)
            utf8_stop(b, maker_text(b->m, e), e->n, e->kind == EXPR_UNTIL, from, to);
        else
            call(b, rule_of(b, x), from, to);
        break;
    case EXPR_MACHINE:
        build_machine(b, x, from, to);
        break;
    case EXPR_CALL:
        build_call(b, e, from, to);
        break;
    default:
        break;
    }
}

/* x and all that is in it. */
static void build_whole(struct builder *b, grammar_expr x, uint32_t from, uint32_t to)
{
    build(b, x, from, to);
    while (b->n_waiting > 0 && !maker_work(b->m, 4)) {
        struct part p = b->waiting[--b->n_waiting];
        build_part(b, p.x, p.from, p.to);
    }
}

static void build_rule(struct builder *b, uint32_t r)
{
    b->current = r;
    uint32_t start = build_state(b), accept = build_state(b);
    b->rule[r].rule.start = start;
    b->rule[r].rule.accept = accept;
    if (!b->rule[r].rule.counted) {
        build_whole(b, b->rule[r].body, start, accept);
        return;
    }
    uint32_t begin = build_state(b), end = build_state(b);
    build_edge(b, start, begin, EDGE_ENTER, 0, 0, 0);
    build_edge(b, end, start, EDGE_TICK, 0, 0, 0);
    build_edge(b, start, accept, EDGE_LEAVE, 0, 0, 0);
    build_whole(b, b->rule[r].body, begin, end);
}

/* ---- all rules -------------------------------------------------------------------------------------------------------------- */

/* What is known of expressions: rules have been written out. */
static void forget_facts(struct builder *b)
{
    compile_free(b->m->compile, b->fact);
    compile_free(b->m->compile, b->of_expr);
    compile_free(b->m->compile, b->of_item);
    compile_free(b->m->compile, b->waiting);
    b->fact = NULL;
    b->of_expr = b->of_item = NULL;
    b->waiting = NULL;
}

static int compile_rules(struct builder *b, const grammar_expr *entry, size_t n_entry, struct grammar **out)
{
    struct grammar_maker *m = b->m;
    uint32_t *rules = compile_alloc(m->compile, n_entry + 1, sizeof *rules);
    b->fact = compile_alloc(m->compile, m->n_expr + 1, sizeof *b->fact);
    b->of_expr = compile_zeroed(m->compile, m->n_expr + 1, sizeof *b->of_expr);
    b->of_item = compile_zeroed(m->compile, m->n_expr + 1, sizeof *b->of_item);
    if (!rules || !b->fact || !b->of_expr || !b->of_item)
        maker_refused(m);
    else if (grammar_check(m, entry, n_entry, b->fact) == 0) {
        for (size_t i = 0; i < n_entry && !m->error.code; i++)
            rules[i] = rule_of(b, entry[i]);
        for (uint32_t r = 0; r < b->n_rule && !m->error.code; r++)
            build_rule(b, r);
        forget_facts(b);
        if (!m->error.code && !(*out = build_grammar(b, rules, n_entry)))
            maker_refused(m);
    }
    compile_free(m->compile, rules);
    return m->error.code ? -1 : 0;
}

int grammar_finish(struct grammar_maker *m, const grammar_expr *entry, size_t n_entry, struct grammar **out,
                   struct error *err)
{
    struct builder b = {.m = m};
    int failed = m->error.code ? -1 : compile_rules(&b, entry, n_entry, out);
    if (failed) {
        error_set(err, m->error.code, "%s", m->error.text);
        error_field(err, "%s", m->error.field);
    }
    forget_facts(&b);
    compile_free(m->compile, b.rule);
    compile_free(m->compile, b.edge);
    compile_free(m->compile, b.owner);
    grammar_abandon(m);
    return failed;
}
