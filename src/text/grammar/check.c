/* What an expression is, before it is compiled: does it hold the empty text, any text, is it regular, how big.
 *
 * Nullable and productive are least fixed points over rules that call each other: a queue of expressions to look at again. The
 * others follow the order in which a depth-first walk leaves expressions. Walks keep their own stack: grammars from outside may
 * be deep. */
#include "text/grammar/inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Part i of an expression, -1: no more. */
static grammar_expr part(const struct grammar_maker *m, grammar_expr x, uint32_t i)
{
    const struct expr *e = &m->expr[x];
    if (e->kind == EXPR_SEQUENCE || e->kind == EXPR_CHOICE)
        return i < e->n ? (grammar_expr)maker_list(m, e)[i] : -1;
    if (e->kind == EXPR_MACHINE)
        return i < e->n / 3 ? (grammar_expr)maker_list(m, e)[i * 3 + 2] : -1;
    if (e->kind == EXPR_REPEAT)
        return i == 0 ? e->a : -1;
    if (e->kind == EXPR_CALL)
        return i == 0 ? m->rule[e->a].body : -1;
    return -1;
}

static int check_rules(struct grammar_maker *m)
{
    for (uint32_t x = 0; x < m->n_expr; x++)
        if (m->expr[x].kind == EXPR_CALL && m->rule[m->expr[x].a].body < 0)
            return error_set(&m->error, ERR_INPUT, "the rule \"%s\" of the grammar is not defined",
                             m->rule[m->expr[x].a].name);
    return 0;
}

/* ---- nullable and productive ------------------------------------------------------------------------------------------------ */

static int all_parts(const struct grammar_maker *m, grammar_expr x, const struct expr_facts *fact, int nullable)
{
    grammar_expr p;
    for (uint32_t i = 0; (p = part(m, x, i)) >= 0; i++)
        if (nullable ? !fact[p].nullable : !fact[p].productive)
            return 0;
    return 1;
}

static int any_part(const struct grammar_maker *m, grammar_expr x, const struct expr_facts *fact, int nullable)
{
    grammar_expr p;
    for (uint32_t i = 0; (p = part(m, x, i)) >= 0; i++)
        if (nullable ? fact[p].nullable : fact[p].productive)
            return 1;
    return 0;
}

/* States reached from one over steps that hold: forward from 0, or backward from 1. Steps mostly lead from lower to higher
 * states, so a few rounds do. */
static void spread(const struct grammar_maker *m, const struct expr *e, const struct expr_facts *fact, int nullable,
                   int back, uint8_t *seen)
{
    const uint32_t *step = maker_list(m, e);
    uint32_t n = e->n / 3;
    seen[back] = 1;
    for (int more = 1; more && !compile_work(m->compile, 2 * n);) {
        more = 0;
        for (uint32_t k = 0; k < n; k++) {
            const uint32_t *s = step + 3 * (back ? n - 1 - k : k);
            uint32_t from = s[back], to = s[!back];
            if (seen[from] && !seen[to] && (nullable ? fact[s[2]].nullable : fact[s[2]].productive))
                more = seen[to] = 1;
        }
    }
}

int grammar_machine_ways(const struct grammar_maker *m, const struct expr *e, const struct expr_facts *fact,
                         uint8_t *on_way)
{
    size_t n = (size_t)e->a + 2;
    uint8_t *back = compile_zeroed(m->compile, n, 1);
    memset(on_way, 0, (size_t)e->a);
    if (!back)
        return 0;
    spread(m, e, fact, 0, 0, on_way);
    spread(m, e, fact, 0, 1, back);
    for (int32_t q = 0; q < e->a; q++)
        on_way[q] &= back[q];
    compile_free(m->compile, back);
    return on_way[0];
}

static int passes(const struct grammar_maker *m, const struct expr *e, const struct expr_facts *fact, int nullable)
{
    uint8_t *seen = compile_zeroed(m->compile, (size_t)e->a + 2, 1);
    if (seen)
        spread(m, e, fact, nullable, 0, seen);
    int end = seen ? seen[1] : 0;
    compile_free(m->compile, seen);
    return end;
}

/* Look at an expression again; 1: something was learned. */
static int learn(const struct grammar_maker *m, grammar_expr x, struct expr_facts *fact)
{
    const struct expr *e = &m->expr[x];
    compile_work(m->compile, 4 + e->n);
    int nullable = 0, productive = 1;
    switch (e->kind) {
    case EXPR_NEVER:
        productive = 0;
        break;
    case EXPR_TEXT:
        nullable = e->n == 0;
        break;
    case EXPR_SEQUENCE:
    case EXPR_CALL:
        nullable = all_parts(m, x, fact, 1);
        productive = all_parts(m, x, fact, 0);
        break;
    case EXPR_CHOICE:
        nullable = any_part(m, x, fact, 1);
        productive = any_part(m, x, fact, 0);
        break;
    case EXPR_MACHINE:
        nullable = passes(m, e, fact, 1);
        productive = passes(m, e, fact, 0);
        break;
    case EXPR_REPEAT:
        nullable = e->min == 0 || fact[e->a].nullable;
        productive = e->min == 0 || fact[e->a].productive;
        break;
    case EXPR_WITHOUT:
        nullable = 1;
        break;
    default:
        break;
    }
    int learned = nullable != fact[x].nullable || productive != fact[x].productive;
    fact[x].nullable = (uint8_t)nullable;
    fact[x].productive = (uint8_t)productive;
    return learned;
}

/* Who has x as a part: whole[first[x] .. first[x + 1]). */
static int find_wholes(struct grammar_maker *m, uint32_t **first, uint32_t **whole)
{
    uint64_t n = 0;
    grammar_expr p;
    *first = compile_zeroed(m->compile, m->n_expr + 2, sizeof **first);
    *whole = NULL;
    compile_work(m->compile, 8 * (uint64_t)m->n_expr + 2 * (uint64_t)m->n_words);
    for (uint32_t x = 0; *first && x < m->n_expr; x++)
        for (uint32_t i = 0; (p = part(m, (grammar_expr)x, i)) >= 0; i++, n++)
            (*first)[p + 2]++;
    *whole = compile_alloc(m->compile, n + 1, sizeof **whole);
    if (!*first || !*whole)
        return maker_refused(m);
    for (uint32_t x = 0; x < m->n_expr; x++)
        (*first)[x + 2] += (*first)[x + 1];
    for (uint32_t x = 0; x < m->n_expr; x++)
        for (uint32_t i = 0; (p = part(m, (grammar_expr)x, i)) >= 0; i++)
            (*whole)[(*first)[p + 1]++] = x;
    return 0;
}

static int fixed_points(struct grammar_maker *m, struct expr_facts *fact)
{
    uint32_t *first, *whole, *queue = compile_alloc(m->compile, m->n_expr + 1, sizeof *queue), head = 0, n = 0;
    uint8_t *waiting = compile_zeroed(m->compile, m->n_expr + 1, 1);
    int failed = find_wholes(m, &first, &whole);
    if (!failed && (!queue || !waiting))
        failed = maker_refused(m);
    for (uint32_t x = 0; !failed && x < m->n_expr; x++) { /* everything once, parts first */
        queue[n++] = x;
        waiting[x] = 1;
    }
    while (!failed && n > 0) {
        if (maker_work(m, 8)) {
            failed = -1;
            break;
        }
        uint32_t x = queue[head];
        head = (head + 1) % m->n_expr;
        n--;
        waiting[x] = 0;
        if (!learn(m, (grammar_expr)x, fact))
            continue;
        for (uint32_t i = first[x]; i < first[x + 1]; i++)
            if (!waiting[whole[i]]) {
                waiting[whole[i]] = 1;
                queue[(head + n++) % m->n_expr] = whole[i];
            }
    }
    compile_free(m->compile, first);
    compile_free(m->compile, whole);
    compile_free(m->compile, queue);
    compile_free(m->compile, waiting);
    return failed;
}

/* ---- the walks -------------------------------------------------------------------------------------------------------------- */

int grammar_copies(const struct expr *e, const struct expr_facts *item)
{
    uint32_t times = (uint32_t)(e->max == GRAMMAR_MANY ? e->min : e->max);
    if (e->max != GRAMMAR_MANY && times > 16 && item->width >= GRAMMAR_WIDE)
        return 0;
    return times <= 1 || (uint64_t)times * item->size <= GRAMMAR_COPIES;
}

static uint32_t add_size(uint64_t a, uint64_t b)
{
    return a + b > GRAMMAR_SIZE_MAX ? GRAMMAR_SIZE_MAX : (uint32_t)(a + b);
}

/* What is used in many positions, or is a long loop, stays a rule of its own. */
static int may_inline(const struct grammar_maker *m, grammar_expr x, const struct expr_facts *fact)
{
    uint8_t kind = m->expr[x].kind;
    return fact[x].regular && kind != EXPR_UNTIL && kind != EXPR_WITHOUT && !(kind == EXPR_CALL && fact[x].wide);
}

static void measure_repeat(const struct grammar_maker *m, const struct expr *e, struct expr_facts *f,
                           const struct expr_facts *fact)
{
    const struct expr_facts *item = &fact[e->a];
    uint32_t times = (uint32_t)(e->max == GRAMMAR_MANY ? e->min + 1 : e->max);
    int copies = grammar_copies(e, item);
    f->size = copies ? add_size((uint64_t)times * item->size, 2) : 1;
    f->regular = may_inline(m, e->a, fact) && copies;
    f->calls = item->calls;
    f->wide = item->wide || (item->width >= GRAMMAR_WIDE && (e->max == GRAMMAR_MANY || e->max > 8));
    f->width = item->width;
}

static int by_target(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b; /* from, to, expression */
    return x[1] != y[1] ? (x[1] < y[1] ? -1 : 1) : (x[2] > y[2]) - (x[2] < y[2]);
}

/* States of a machine that is written out: once for all steps that lead to one state by the same expression. */
static uint32_t machine_size(const struct grammar_maker *m, const struct expr *e, const struct expr_facts *fact)
{
    uint32_t n = e->n / 3, size = add_size((uint64_t)e->a, 1);
    uint32_t(*step)[3] = compile_alloc(m->compile, n + 1, sizeof *step);
    if (!step || compile_work(m->compile, 32 * (uint64_t)n))
        n = 0;
    if (n) {
        memcpy(step, maker_list(m, e), n * sizeof *step);
        qsort(step, n, sizeof *step, by_target);
    }
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || by_target(step[i - 1], step[i]) != 0)
            size = add_size(size, fact[step[i][2]].size);
    compile_free(m->compile, step);
    return size;
}

/* All parts were measured; a part that was not is being walked: recursion. */
static void measure(const struct grammar_maker *m, grammar_expr x, struct expr_facts *fact)
{
    const struct expr *e = &m->expr[x];
    struct expr_facts *f = &fact[x];
    grammar_expr p;
    uint32_t width = 1;
    f->regular = e->kind != EXPR_TOKEN && e->kind != EXPR_OTHER;
    f->size = 1;
    if (e->kind == EXPR_REPEAT) {
        measure_repeat(m, e, f, fact);
        return;
    }
    if (e->kind == EXPR_MACHINE)
        f->size = machine_size(m, e, fact);
    if (e->kind == EXPR_TEXT) {
        f->size = add_size(e->n, 1);
    } else if (e->kind == EXPR_CLASS) {
        f->size = utf8_class_size(maker_list(m, e), e->n);
        width = utf8_class_width(maker_list(m, e), e->n);
    } else if (e->kind == EXPR_UNTIL || e->kind == EXPR_WITHOUT) {
        f->size = add_size(4 * (uint64_t)e->n, 4);
        f->wide = 1;
        width = 256;
    }
    for (uint32_t i = 0; (p = part(m, x, i)) >= 0; i++) {
        f->regular &= e->kind == EXPR_CALL ? fact[p].regular : may_inline(m, p, fact);
        f->calls |= fact[p].calls || e->kind == EXPR_CALL;
        f->wide |= fact[p].wide;
        f->size = e->kind == EXPR_MACHINE ? f->size : add_size(f->size, fact[p].size);
        f->wide |= e->kind == EXPR_MACHINE && fact[p].width >= GRAMMAR_WIDE; /* it may be a loop */
        width = e->kind == EXPR_CHOICE || e->kind == EXPR_MACHINE || fact[p].width < width ? width + fact[p].width
                                                                                           : fact[p].width;
    }
    f->width = (uint16_t)(width > 256 ? 256 : width);
    f->regular &= e->kind != EXPR_MACHINE || f->size <= GRAMMAR_MACHINE;
}

enum walk { WALK_ALL, WALK_LEADING };

struct visit {
    grammar_expr x;
    uint32_t next;
};

/* Part i of x that the walk goes into. */
static grammar_expr walk_part(const struct grammar_maker *m, const struct expr_facts *fact, enum walk walk,
                              grammar_expr x, uint32_t i)
{
    const struct expr *e = &m->expr[x];
    if (walk == WALK_LEADING && e->kind == EXPR_SEQUENCE && i > 0 && !fact[part(m, x, i - 1)].nullable)
        return -1;
    return part(m, x, i);
}

static int left_recursion(struct grammar_maker *m, const struct visit *stack, uint32_t n, grammar_expr back)
{
    char cycle[300] = "";
    size_t used = 0;
    uint32_t from = 0;
    while (stack[from].x != back)
        from++;
    const char *first = NULL;
    for (uint32_t i = from; i < n && used < sizeof cycle - 80; i++) {
        const struct expr *e = &m->expr[stack[i].x];
        if (e->kind != EXPR_CALL)
            continue;
        first = first ? first : m->rule[e->a].name;
        used += (size_t)snprintf(cycle + used, sizeof cycle - used, "%.60s -> ", m->rule[e->a].name);
    }
    return error_set(&m->error, ERR_INPUT, "left recursion in the grammar: %s%.60s; put something before the call",
                     cycle, first ? first : "");
}

/* Depth first from x. WALK_ALL measures what it leaves; WALK_LEADING finds rules that begin with themselves. colour: 0 new,
 * 1 on the stack, 2 left. */
static int walk_from(struct grammar_maker *m, struct expr_facts *fact, enum walk walk, grammar_expr x, uint8_t *colour,
                     struct visit *stack)
{
    uint32_t n = 0;
    if (colour[x])
        return 0;
    stack[n++] = (struct visit){x, 0};
    colour[x] = 1;
    while (n > 0) {
        struct visit *top = &stack[n - 1];
        if (maker_work(m, 4))
            return -1;
        grammar_expr p = walk_part(m, fact, walk, top->x, top->next++);
        if (p < 0) {
            if (walk == WALK_ALL)
                measure(m, top->x, fact);
            colour[top->x] = 2;
            n--;
        } else if (colour[p] == 0) {
            colour[p] = 1;
            stack[n++] = (struct visit){p, 0};
        } else if (colour[p] == 1 && walk == WALK_LEADING) {
            return left_recursion(m, stack, n, p);
        }
    }
    return 0;
}

static int walk_all(struct grammar_maker *m, struct expr_facts *fact, enum walk walk, const grammar_expr *entry,
                    size_t n_entry)
{
    uint8_t *colour = compile_zeroed(m->compile, m->n_expr + 1, 1);
    struct visit *stack = compile_alloc(m->compile, m->n_expr + 1, sizeof *stack);
    int failed = !colour || !stack ? maker_refused(m) : 0;
    for (size_t i = 0; !failed && i < n_entry; i++)
        failed = walk_from(m, fact, walk, entry[i], colour, stack);
    for (uint32_t r = 0; !failed && r < m->n_rule; r++) /* rules that nobody reaches are checked too */
        if (m->rule[r].body >= 0)
            failed = walk_from(m, fact, walk, m->rule[r].body, colour, stack);
    compile_free(m->compile, colour);
    compile_free(m->compile, stack);
    return failed;
}

int grammar_check(struct grammar_maker *m, const grammar_expr *entry, size_t n_entry, struct expr_facts *fact)
{
    memset(fact, 0, m->n_expr * sizeof *fact);
    if (check_rules(m) || fixed_points(m, fact) || walk_all(m, fact, WALK_LEADING, entry, n_entry))
        return -1;
    for (size_t i = 0; i < n_entry; i++) {
        if (fact[entry[i]].productive)
            continue;
        const struct expr *e = &m->expr[entry[i]];
        if (e->kind == EXPR_CALL)
            return error_set(&m->error, ERR_INPUT, "the rule \"%s\" of the grammar has no finite text",
                             m->rule[e->a].name);
        return error_set(&m->error, ERR_INPUT, "the grammar has no finite text: nothing could be generated");
    }
    return walk_all(m, fact, WALK_ALL, entry, n_entry);
}

int grammar_has_text(struct grammar_maker *m, grammar_expr e)
{
    struct expr_facts *fact = m->error.code ? NULL : compile_zeroed(m->compile, m->n_expr + 1, sizeof *fact);
    if (!fact && !m->error.code)
        maker_refused(m);
    int has = fact && fixed_points(m, fact) == 0 && fact[e].productive;
    compile_free(m->compile, fact);
    return has;
}
