/* Patterns as automata (K. Thompson, 1968), and whether a pattern is found in a text. */
#include "text/regex/nfa.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

static uint32_t nfa_state(struct nfa *a)
{
    if (a->n_state >= REGEX_STATES)
        a->failed = 1;
    if (a->n_state == a->capacity_state && !a->failed) {
        uint32_t capacity = a->capacity_state * 2 + 64;
        int32_t *grown = compile_grow(a->r->compile, a->first, capacity, sizeof *grown);
        a->failed |= !grown;
        a->first = grown ? grown : a->first;
        a->capacity_state = grown ? capacity : a->capacity_state;
    }
    if (a->failed || compile_work(a->r->compile, 4))
        return a->failed = 1, 0;
    a->first[a->n_state] = -1;
    return a->n_state++;
}

static void nfa_step(struct nfa *a, uint32_t from, uint32_t to, enum nfa_kind kind, const struct regex_node *class)
{
    if (a->n_step == a->capacity_step && !a->failed) {
        uint32_t capacity = a->capacity_step * 2 + 64;
        struct nfa_step *grown = compile_grow(a->r->compile, a->step, capacity, sizeof *grown);
        a->failed |= !grown;
        a->step = grown ? grown : a->step;
        a->capacity_step = grown ? capacity : a->capacity_step;
    }
    if (a->failed || compile_work(a->r->compile, 4)) {
        a->failed = 1;
        return;
    }
    a->step[a->n_step] = (struct nfa_step){(uint8_t)kind, to, class ? class->range : 0, class ? class->n : 0,
                                           a->first[from]};
    a->first[from] = (int32_t)a->n_step++;
}

static void nfa_build(struct nfa *a, int32_t at, uint32_t from, uint32_t to);

static void nfa_repeat(struct nfa *a, const struct regex_node *node, uint32_t from, uint32_t to)
{
    for (int32_t i = 0; i < node->min && !a->failed; i++) {
        uint32_t next = nfa_state(a);
        nfa_build(a, node->child, from, next);
        from = next;
    }
    if (node->max == GRAMMAR_MANY) {
        uint32_t loop = nfa_state(a);
        nfa_step(a, from, loop, STEP_EMPTY, NULL);
        nfa_build(a, node->child, loop, loop);
        from = loop;
    }
    for (int32_t i = node->min; i < node->max && !a->failed; i++) {
        uint32_t next = nfa_state(a);
        nfa_step(a, from, to, STEP_EMPTY, NULL);
        nfa_build(a, node->child, from, next);
        from = next;
    }
    nfa_step(a, from, to, STEP_EMPTY, NULL);
}

static void nfa_build(struct nfa *a, int32_t at, uint32_t from, uint32_t to)
{
    const struct regex_node *node = &a->r->node[at];
    if (a->failed)
        return;
    switch (node->kind) {
    case REGEX_CLASS:
        nfa_step(a, from, to, STEP_CLASS, node);
        break;
    case REGEX_BEGIN:
        nfa_step(a, from, to, STEP_BEGIN, NULL);
        break;
    case REGEX_END:
        nfa_step(a, from, to, STEP_END, NULL);
        break;
    case REGEX_REPEAT:
        nfa_repeat(a, node, from, to);
        break;
    case REGEX_SEQUENCE:
        for (int32_t c = node->child; c >= 0; c = a->r->node[c].next) {
            uint32_t next = a->r->node[c].next >= 0 ? nfa_state(a) : to;
            nfa_build(a, c, from, next);
            from = next;
        }
        break;
    case REGEX_CHOICE:
        for (int32_t c = node->child; c >= 0; c = a->r->node[c].next)
            nfa_build(a, c, from, to);
        break;
    default:
        nfa_step(a, from, to, STEP_EMPTY, NULL);
    }
}

void nfa_make(struct nfa *a, const struct regex *r)
{
    *a = (struct nfa){.r = r};
    uint32_t from = nfa_state(a), to = nfa_state(a);
    nfa_build(a, r->root, from, to);
}

void nfa_free(struct nfa *a)
{
    if (!a->r)
        return;
    compile_free(a->r->compile, a->step);
    compile_free(a->r->compile, a->first);
}

/* ---- one text --------------------------------------------------------------------------------------------------------------------- */

struct run {
    const struct nfa *a;
    uint32_t *now, *next; /* states, as lists */
    uint32_t n_now, n_next;
    uint8_t *seen; /* in next */
};

static void reach(struct run *r, uint32_t q, int begin, int end)
{
    uint32_t top = r->n_next;
    if (r->seen[q])
        return;
    r->seen[q] = 1;
    r->next[r->n_next++] = q;
    for (; top < r->n_next; top++)
        for (int32_t e = r->a->first[r->next[top]]; e >= 0; e = r->a->step[e].next) {
            const struct nfa_step *s = &r->a->step[e];
            if (s->kind == STEP_CLASS || (s->kind == STEP_BEGIN && !begin) || (s->kind == STEP_END && !end) ||
                r->seen[s->to])
                continue;
            r->seen[s->to] = 1;
            r->next[r->n_next++] = s->to;
        }
}

static void turn(struct run *r)
{
    uint32_t *list = r->now;
    r->now = r->next;
    r->next = list;
    r->n_now = r->n_next;
    r->n_next = 0;
    memset(r->seen, 0, r->a->n_state);
}

static int reads(const struct nfa *a, const struct nfa_step *s, uint32_t code_point)
{
    const struct grammar_range *range = a->r->range + s->range;
    for (uint32_t k = 0; s->kind == STEP_CLASS && k < s->n; k++)
        if (code_point >= range[k].first && code_point <= range[k].last)
            return 1;
    return 0;
}

static int run_over(struct run *r, const char *text, size_t n)
{
    reach(r, 0, 1, n == 0);
    for (size_t i = 0, length; i < n && !r->seen[1]; i += length) {
        uint32_t code_point;
        utf8_read(text + i, n - i, &length, &code_point);
        int end = i + length == n;
        if (compile_work(r->a->r->compile, 4 * (uint64_t)r->n_next + r->a->n_state / 16 + 4))
            return 0;
        turn(r);
        for (uint32_t k = 0; k < r->n_now; k++)
            for (int32_t e = r->a->first[r->now[k]]; e >= 0; e = r->a->step[e].next)
                if (reads(r->a, &r->a->step[e], code_point))
                    reach(r, r->a->step[e].to, 0, end);
        reach(r, 0, 0, end);
    }
    return r->seen[1];
}

static struct nfa *nfa_of(struct regex *r)
{
    if (!r->nfa && (r->nfa = compile_zeroed(r->compile, 1, sizeof *r->nfa)))
        nfa_make(r->nfa, r);
    return r->nfa;
}

int regex_holds(struct regex *r, const char *text, size_t n)
{
    struct run x = {.a = nfa_of(r)};
    if (!x.a || x.a->failed)
        return 0;
    x.now = compile_alloc(r->compile, x.a->n_state + 1, sizeof *x.now);
    x.next = compile_alloc(r->compile, x.a->n_state + 1, sizeof *x.next);
    x.seen = compile_zeroed(r->compile, x.a->n_state + 1, 1);
    int found = x.now && x.next && x.seen && run_over(&x, text, n);
    compile_free(r->compile, x.now);
    compile_free(r->compile, x.next);
    compile_free(r->compile, x.seen);
    return found;
}
