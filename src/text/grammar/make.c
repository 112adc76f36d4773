/* Expressions of a grammar: grammar.h.
 *
 * Each distinct expression is stored once, so its number is its identity: equal parts of a grammar compile to one rule. Parts
 * have smaller numbers than what they are part of. */
#include "text/grammar/inner.h"

#include "base/hash.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PARTS = 1 << 24 };

struct grammar_maker *grammar_begin(struct compile *compile)
{
    struct grammar_maker *m = compile_zeroed(compile, 1, sizeof *m);
    if (m)
        m->compile = compile ? compile : &m->own;
    return m;
}

struct compile *grammar_handle(const struct grammar_maker *m) { return m->compile; }

void grammar_abandon(struct grammar_maker *m)
{
    if (!m)
        return;
    for (uint32_t i = 0; i < m->n_rule; i++)
        compile_free(m->compile, m->rule[i].name);
    compile_free(m->compile, m->rule);
    compile_free(m->compile, m->expr);
    compile_free(m->compile, m->bytes);
    compile_free(m->compile, m->words);
    compile_free(m->compile, m->slot);
    compile_free(m->compile == &m->own ? NULL : m->compile, m);
}

const char *grammar_problem(const struct grammar_maker *m) { return m->error.code ? m->error.text : NULL; }

grammar_expr grammar_ended(struct grammar_maker *m) { return maker_refused(m), 0; }

grammar_expr grammar_fail(struct grammar_maker *m, const char *format, ...)
{
    if (m->error.code)
        return 0;
    va_list args;
    va_start(args, format);
    vsnprintf(m->error.text, sizeof m->error.text, format, args);
    va_end(args);
    m->error.code = ERR_INPUT;
    return 0;
}

void grammar_error_field(struct grammar_maker *m, const char *field) { error_field(&m->error, "%s", field); }

grammar_expr grammar_no_memory(struct grammar_maker *m, const char *what)
{
    error_set(&m->error, ERR_MEMORY, "no memory for %s", what);
    return 0;
}

void *maker_grow(struct grammar_maker *m, void *vector, uint32_t n, uint32_t more, uint32_t *capacity, size_t size)
{
    if (vector && more <= *capacity - n)
        return vector;
    if (more > MOST_PARTS || n > MOST_PARTS) {
        error_set(&m->error, ERR_INPUT, "the grammar has more than %d parts", MOST_PARTS);
        return NULL;
    }
    uint32_t larger = n + more + (n + more) / 2 + 64;
    void *grown = compile_grow(m->compile, vector, larger * size, 1);
    if (!grown) {
        maker_refused(m);
        return NULL;
    }
    *capacity = larger;
    return grown;
}

/* ---- storing ---------------------------------------------------------------------------------------------------------------- */

static int uses_bytes(const struct expr *e)
{
    return e->kind == EXPR_TEXT || e->kind == EXPR_UNTIL || e->kind == EXPR_WITHOUT;
}

static size_t list_size(const struct expr *e) { return uses_bytes(e) ? e->n : e->n * sizeof(uint32_t); }

static const void *list_of(const struct grammar_maker *m, const struct expr *e)
{
    return uses_bytes(e) ? (const void *)(m->bytes + e->list) : (const void *)(m->words + e->list);
}

static uint64_t hash_expr(const struct expr *e, const void *list)
{
    int32_t key[5] = {e->kind, e->a, e->min, e->max, (int32_t)e->n};
    return hash64(list, e->n ? list_size(e) : 0, hash64(key, sizeof key, 0));
}

static int same_expr(const struct grammar_maker *m, const struct expr *x, const struct expr *y, const void *list)
{
    return x->kind == y->kind && x->a == y->a && x->min == y->min && x->max == y->max && x->n == y->n &&
           (x->n == 0 || memcmp(list_of(m, x), list, list_size(x)) == 0);
}

static int grow_slots(struct grammar_maker *m)
{
    uint32_t n = m->n_slot ? m->n_slot * 2 : 256;
    uint32_t *slot = compile_zeroed(m->compile, n, sizeof *slot);
    if (!slot)
        return maker_refused(m);
    for (uint32_t i = 0; i < m->n_expr; i++) {
        uint32_t at = (uint32_t)hash_expr(&m->expr[i], list_of(m, &m->expr[i])) & (n - 1);
        while (slot[at])
            at = (at + 1) & (n - 1);
        slot[at] = i + 1;
    }
    compile_free(m->compile, m->slot);
    m->slot = slot;
    m->n_slot = n;
    return 0;
}

/* The number of this expression; list is copied if it is new. */
static grammar_expr store(struct grammar_maker *m, struct expr e, const void *list)
{
    if (m->error.code || maker_work(m, 8 + e.n / 8) || (m->n_expr * 2 >= m->n_slot && grow_slots(m)))
        return 0;
    uint32_t at = (uint32_t)hash_expr(&e, list) & (m->n_slot - 1);
    for (; m->slot[at]; at = (at + 1) & (m->n_slot - 1))
        if (same_expr(m, &m->expr[m->slot[at] - 1], &e, list))
            return (grammar_expr)(m->slot[at] - 1);
    if (uses_bytes(&e)) {
        char *bytes = maker_grow(m, m->bytes, m->n_bytes, e.n, &m->capacity_bytes, 1);
        if (!bytes)
            return 0;
        m->bytes = bytes;
        e.list = m->n_bytes;
        if (e.n)
            memcpy(bytes + e.list, list, e.n);
        m->n_bytes += e.n;
    } else {
        uint32_t *words = maker_grow(m, m->words, m->n_words, e.n, &m->capacity_words, sizeof *words);
        if (!words)
            return 0;
        m->words = words;
        e.list = m->n_words;
        if (e.n)
            memcpy(words + e.list, list, e.n * sizeof *words);
        m->n_words += e.n;
    }
    struct expr *expr = maker_grow(m, m->expr, m->n_expr, 1, &m->capacity_expr, sizeof *expr);
    if (!expr)
        return 0;
    m->expr = expr;
    expr[m->n_expr] = e;
    m->slot[at] = ++m->n_expr;
    return (grammar_expr)(m->n_expr - 1);
}

/* ---- expressions ------------------------------------------------------------------------------------------------------------ */

static int well_formed(const char *text, size_t n)
{
    for (size_t i = 0, length; i < n; i += length)
        if (utf8_head(text + i, n - i, &length) != UTF8_WHOLE)
            return 0;
    return 1;
}

static grammar_expr store_text(struct grammar_maker *m, enum expr_kind kind, const char *text, size_t n)
{
    if (n > MOST_PARTS)
        return grammar_fail(m, "a text of %zu bytes in a grammar: at most %d", n, MOST_PARTS);
    if (!well_formed(text, n))
        return grammar_fail(m, "a text in the grammar is not valid UTF-8");
    return store(m, (struct expr){.kind = (uint8_t)kind, .n = (uint32_t)n}, text);
}

grammar_expr grammar_text(struct grammar_maker *m, const char *text, size_t n)
{
    return store_text(m, EXPR_TEXT, text, n);
}

static grammar_expr stop_text(struct grammar_maker *m, enum expr_kind kind, const char *stop, size_t n)
{
    if (n == 0 || n > 1024)
        return grammar_fail(m, "a text that ends another one has %zu bytes: 1 to 1024", n);
    return store_text(m, kind, stop, n);
}

grammar_expr grammar_until(struct grammar_maker *m, const char *stop, size_t n)
{
    return stop_text(m, EXPR_UNTIL, stop, n);
}

grammar_expr grammar_without(struct grammar_maker *m, const char *stop, size_t n)
{
    return stop_text(m, EXPR_WITHOUT, stop, n);
}

static int by_first(const void *a, const void *b)
{
    const struct grammar_range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

/* Sorted, joined, within Unicode, without surrogates: pairs of words. Returns how many words. */
static uint32_t tidy_ranges(struct grammar_range *range, size_t n, int negated, uint32_t *out)
{
    uint32_t used = 0, next = 0; /* next: the first code point not yet decided */
    qsort(range, n, sizeof *range, by_first);
    range[n] = (struct grammar_range){0x110000, 0x110000};
    for (size_t i = 0; i <= n; i++) {
        uint32_t first = range[i].first, last = range[i].last;
        if (negated) { /* the gap before this range */
            last = first > 0 ? first - 1 : 0;
            first = next;
            if (range[i].first > first) {
                out[used++] = first;
                out[used++] = last;
            }
            if (range[i].last >= next)
                next = range[i].last + 1;
        } else if (i < n && used && first <= out[used - 1] + 1) {
            out[used - 1] = last > out[used - 1] ? last : out[used - 1];
        } else if (i < n) {
            out[used++] = first;
            out[used++] = last;
        }
    }
    uint32_t kept = 0; /* cut the surrogates out: one range may become two */
    uint32_t *all = out + used + 2;
    memmove(all, out, used * sizeof *out);
    for (uint32_t i = 0; i < used; i += 2) {
        uint32_t first = all[i], last = all[i + 1] < 0x110000 ? all[i + 1] : 0x10FFFF;
        if (first < 0xD800) {
            out[kept++] = first;
            out[kept++] = last < 0xD800 ? last : 0xD7FF;
        }
        if (last > 0xDFFF) {
            out[kept++] = first > 0xDFFF ? first : 0xE000;
            out[kept++] = last;
        }
    }
    return kept;
}

grammar_expr grammar_class(struct grammar_maker *m, const struct grammar_range *range, size_t n, int negated)
{
    if (n > 1 << 16)
        return grammar_fail(m, "a class of %zu ranges: at most 65536", n);
    for (size_t i = 0; i < n; i++)
        if (range[i].first > range[i].last || range[i].last > 0x10FFFF)
            return grammar_fail(m, "a class has the range U+%04X to U+%04X", (unsigned)range[i].first,
                                (unsigned)range[i].last);
    struct grammar_range *copy = compile_alloc(m->compile, n + 1, sizeof *copy);
    uint32_t *words = compile_alloc(m->compile, (n + 4) * 4, sizeof *words);
    grammar_expr e = 0;
    if (copy && words) {
        if (n)
            memcpy(copy, range, n * sizeof *copy);
        uint32_t used = tidy_ranges(copy, n, negated, words);
        e = used ? store(m, (struct expr){.kind = EXPR_CLASS, .n = used}, words) : grammar_choice(m, NULL, 0);
    } else {
        maker_refused(m);
    }
    compile_free(m->compile, copy);
    compile_free(m->compile, words);
    return e;
}

grammar_expr grammar_sequence(struct grammar_maker *m, const grammar_expr *part, size_t n)
{
    if (m->error.code)
        return 0;
    if (n == 0)
        return grammar_text(m, "", 0);
    if (n > MOST_PARTS)
        return grammar_fail(m, "a sequence of %zu parts: at most %d", n, MOST_PARTS);
    for (size_t i = 0; i < n; i++)
        if (m->expr[part[i]].kind == EXPR_NEVER)
            return part[i];
    return n == 1 ? part[0] : store(m, (struct expr){.kind = EXPR_SEQUENCE, .n = (uint32_t)n}, part);
}

grammar_expr grammar_choice(struct grammar_maker *m, const grammar_expr *part, size_t n)
{
    if (m->error.code)
        return 0;
    if (n == 0)
        return store(m, (struct expr){.kind = EXPR_NEVER}, NULL);
    if (n > MOST_PARTS)
        return grammar_fail(m, "a choice of %zu parts: at most %d", n, MOST_PARTS);
    size_t never = 0;
    while (never < n && m->expr[part[never]].kind == EXPR_NEVER)
        never++;
    return n == 1 || never == n ? part[0] : store(m, (struct expr){.kind = EXPR_CHOICE, .n = (uint32_t)n}, part);
}

grammar_expr grammar_repeat(struct grammar_maker *m, grammar_expr e, int32_t min, int32_t max)
{
    if (m->error.code)
        return 0;
    if (min < 0 || (max != GRAMMAR_MANY && max < min))
        return grammar_fail(m, "a repetition of %d to %d times", (int)min, (int)max);
    if (max == 0)
        return grammar_text(m, "", 0);
    if (min == 1 && max == 1)
        return e;
    const struct expr *item = &m->expr[e];
    if (item->kind == EXPR_NEVER)
        return min ? e : grammar_text(m, "", 0);
    if (item->kind == EXPR_REPEAT &&
        item->min <= 1) { /* x{0,a}{m,n} is x{0,an}, x{1,a}{m,n} is x{m,an}: no counter in a counter */
        int64_t most = (int64_t)item->max * max;
        int many = item->max == GRAMMAR_MANY || max == GRAMMAR_MANY || most > INT32_MAX;
        return grammar_repeat(m, item->a, item->min ? min : 0, many ? GRAMMAR_MANY : (int32_t)most);
    }
    return store(m, (struct expr){.kind = EXPR_REPEAT, .a = e, .min = min, .max = max}, NULL);
}

grammar_expr grammar_optional(struct grammar_maker *m, grammar_expr e) { return grammar_repeat(m, e, 0, 1); }

grammar_expr grammar_token(struct grammar_maker *m, int32_t id)
{
    if (id < 0)
        return grammar_fail(m, "a grammar names the token %d", (int)id);
    return store(m, (struct expr){.kind = EXPR_TOKEN, .a = id}, NULL);
}

grammar_expr grammar_other_token(struct grammar_maker *m, int32_t id)
{
    if (id < 0)
        return grammar_fail(m, "a grammar names the token %d", (int)id);
    return store(m, (struct expr){.kind = EXPR_OTHER, .a = id}, NULL);
}

grammar_expr grammar_machine(struct grammar_maker *m, uint32_t n_state, const struct grammar_step *step, size_t n)
{
    if (m->error.code)
        return 0;
    if (n > MOST_PARTS / 3 || n_state > MOST_PARTS)
        return grammar_fail(m, "an automaton of %zu steps: at most %d", n, MOST_PARTS / 3);
    uint32_t *words = compile_alloc(m->compile, (n + 1) * 3, sizeof *words);
    if (!words)
        return maker_refused(m), 0;
    for (size_t i = 0; i < n; i++) {
        words[i * 3] = step[i].from;
        words[i * 3 + 1] = step[i].to;
        words[i * 3 + 2] = (uint32_t)step[i].e;
    }
    grammar_expr e = store(m, (struct expr){.kind = EXPR_MACHINE, .a = (int32_t)n_state, .n = (uint32_t)n * 3}, words);
    compile_free(m->compile, words);
    return e;
}

/* ---- rules ------------------------------------------------------------------------------------------------------------------ */

int32_t grammar_rule(struct grammar_maker *m, const char *name)
{
    struct maker_rule *rule = maker_grow(m, m->rule, m->n_rule, 1, &m->capacity_rule, sizeof *rule);
    if (!rule)
        return 0;
    m->rule = rule;
    size_t n = name ? strlen(name) : 0;
    char *copy = compile_zeroed(m->compile, n + 1, 1);
    if (!copy)
        return maker_refused(m), 0;
    if (n)
        memcpy(copy, name, n);
    rule[m->n_rule] = (struct maker_rule){copy, -1};
    return (int32_t)m->n_rule++;
}

void grammar_define(struct grammar_maker *m, int32_t rule, grammar_expr e)
{
    if (!m->error.code)
        m->rule[rule].body = e;
}

grammar_expr grammar_call(struct grammar_maker *m, int32_t rule)
{
    return store(m, (struct expr){.kind = EXPR_CALL, .a = rule}, NULL);
}
