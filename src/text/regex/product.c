/* Several demands on one text: patterns that are found in it or not, lengths, names that it must not be.
 *
 * Each pattern becomes a nondeterministic automaton over code points (Thompson). All are run together by the subset construction:
 * a state of the product is a list of their states, the node in the tree of names, and the length as far as it matters. From a
 * state only those kinds of code points (code_points.h) that something in it reads have transitions of their own; all others lead to
 * one state. The product is a grammar_machine(); texts in which different patterns are found end in different states of it, each with
 * what follows such a text.
 *
 * The automaton of a pattern that begins with ^ is started at the first code point only, so that thousands of fixed names give a tree. */
#include "text/regex/product.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

/* ---- lists of items --------------------------------------------------------------------------------------------------------------- */

static void open_list(struct product *x)
{
    x->n_list = x->n_found = 0;
    x->round++;
}

static void put(struct product *x, uint32_t item)
{
    if (x->seen[item] == x->round)
        return;
    x->seen[item] = x->round;
    x->list[x->n_list++] = item;
    uint32_t i = x->of[item];
    if (item == x->at[i] + 1 && x->found_round[i] != x->round) {
        x->found_round[i] = x->round;
        x->found[x->n_found++] = i;
    }
}

/* With all that steps lead to which read nothing. ended: the text ends here, so $ holds. */
static void close_list(struct product *x, int begin, int ended)
{
    for (uint32_t k = 0; k < x->n_list; k++) {
        uint32_t i = x->of[x->list[k]];
        const struct nfa *a = &x->nfa[i];
        for (int32_t s = a->first[x->list[k] - x->at[i]]; s >= 0; s = a->step[s].next) {
            const struct nfa_step *step = &a->step[s];
            if (step->kind != STEP_CLASS && (step->kind != STEP_BEGIN || begin) && (step->kind != STEP_END || ended))
                put(x, x->at[i] + step->to);
        }
    }
    x->failed |= compile_work(x->compile, 4 * (uint64_t)x->n_list + 4);
}

/* It reads a code point, or waits for the end. */
static int goes_on(const struct product *x, uint32_t item)
{
    uint32_t i = x->of[item];
    const struct nfa *a = &x->nfa[i];
    for (int32_t s = a->first[item - x->at[i]]; s >= 0; s = a->step[s].next)
        if (a->step[s].kind == STEP_CLASS || a->step[s].kind == STEP_END)
            return 1;
    return 0;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Only what matters, in order. Of a pattern that was found nothing else does. */
static void tidy_list(struct product *x)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < x->n_list; k++) {
        uint32_t i = x->of[x->list[k]];
        if (x->found_round[i] == x->round ? x->list[k] == x->at[i] + 1 : goes_on(x, x->list[k]))
            x->list[n++] = x->list[k];
    }
    x->n_list = n;
    if (n > 1)
        qsort(x->list, n, sizeof *x->list, ascending);
    x->failed |= compile_work(x->compile, 4 * (uint64_t)n);
}

/* No text that goes on from here is wanted. */
static int is_dead(const struct product *x)
{
    const struct regex_product *p = x->p;
    uint32_t patterns = 0;
    if (!p->all && x->n_found > 0)
        return x->n_found > 1 || p->only[x->found[0]] < 0;
    if (!p->all)
        return p->none < 0 && x->n_list == 0 && x->n_again == 0;
    for (uint32_t k = 0; k < x->n_found; k++)
        if (x->found[k] >= x->n_required)
            return 1;
    for (uint32_t k = 0; k < x->n_list; k++) {
        uint32_t i = x->of[x->list[k]];
        patterns += i < x->n_required && (k == 0 || x->of[x->list[k - 1]] != i);
    }
    return patterns < x->n_required && x->n_required_again == 0;
}

/* ---- states of the product -------------------------------------------------------------------------------------------------------- */

/* Of the list. */
static uint32_t intern(struct product *x, int32_t name, int32_t length)
{
    int32_t key[2] = {name, length};
    uint64_t hash = hash64(x->list, x->n_list * sizeof *x->list, hash64(key, sizeof key, 0));
    int32_t *bucket = &x->bucket[hash % BUCKETS];
    for (int32_t i = *bucket; i >= 0; i = x->state[i].chain)
        if (x->state[i].name == name && x->state[i].length == length && x->state[i].n == x->n_list &&
            (x->n_list == 0 || memcmp(x->item + x->state[i].first, x->list, x->n_list * sizeof *x->list) == 0))
            return (uint32_t)i;
    if (x->n_state >= REGEX_STATES)
        x->failed = 1;
    if (x->failed || product_space(x, &x->state, x->n_state, 1, &x->capacity_state, sizeof *x->state) ||
        product_space(x, &x->item, x->n_item, x->n_list + 1, &x->capacity_item, sizeof *x->item))
        return NOWHERE;
    x->state[x->n_state] = (struct state){x->n_item, x->n_list, name, length, *bucket};
    if (x->n_list)
        memcpy(x->item + x->n_item, x->list, x->n_list * sizeof *x->list);
    x->n_item += x->n_list;
    *bucket = (int32_t)x->n_state;
    x->failed |= compile_work(x->compile, 16 + x->n_list);
    return x->n_state++;
}

/* Lengths beyond what any demand looks at are one. */
static int32_t longer(const struct product *x, int32_t length)
{
    int64_t most = x->p->max >= 0 ? x->p->max : x->p->min > 1 ? x->p->min : 1;
    return length < most ? length + 1 : length;
}

static int32_t name_step(const struct product *x, int32_t name, uint32_t kind)
{
    for (int32_t c = name == NO_NAME ? -1 : x->name[name].child; c >= 0; c = x->name[c].sibling)
        if (x->name[c].kind == kind)
            return c;
    return NO_NAME;
}

/* The state behind one code point of a kind; NOWHERE: none is wanted. kind NOWHERE: one that nothing in it reads. */
static uint32_t follow(struct product *x, uint32_t from, uint32_t kind)
{
    const struct state s = x->state[from];
    open_list(x);
    for (uint32_t k = s.first; k < s.first + s.n; k++) /* found: it stays found */
        if (x->item[k] == x->at[x->of[x->item[k]]] + 1)
            put(x, x->item[k]);
    for (uint32_t k = 0; k < x->n_again; k++)
        if (x->found_round[x->again[k]] != x->round)
            put(x, x->at[x->again[k]]);
    for (uint32_t k = kind == NOWHERE || x->head_round[kind] != x->turn ? 0 : x->head[kind]; k; k = x->move[k - 1].next)
        put(x, x->move[k - 1].item);
    close_list(x, 0, 0);
    tidy_list(x);
    x->failed |= compile_work(x->compile, s.n + x->n_again);
    if (x->failed || is_dead(x))
        return NOWHERE;
    return intern(x, kind == NOWHERE ? NO_NAME : name_step(x, s.name, kind), longer(x, s.length));
}

/* ---- steps of the product --------------------------------------------------------------------------------------------------------- */

/* Begins the list of moves of a kind, once a state. */
static void begin_moves(struct product *x, uint32_t kind)
{
    if (x->head_round[kind] == x->turn)
        return;
    x->head_round[kind] = x->turn;
    x->head[kind] = 0;
    x->read_kind[x->n_read_kind++] = kind;
}

/* What a state reads, by kind. */
static void read_code_points(struct product *x, const struct state *s)
{
    x->turn++;
    x->n_read_kind = x->n_move = 0;
    for (uint32_t k = s->first; k < s->first + s->n; k++) {
        uint32_t i = x->of[x->item[k]];
        const struct nfa *a = &x->nfa[i];
        for (int32_t e = a->first[x->item[k] - x->at[i]]; e >= 0 && !x->failed; e = a->step[e].next) {
            if (a->step[e].kind != STEP_CLASS || a->step[e].n == 0)
                continue;
            uint32_t class = x->class_of[i][a->step[e].range] - 1, n = x->first_kind[class + 1] - x->first_kind[class];
            if (compile_work(x->compile, 4 + 2 * n) ||
                product_space(x, &x->move, x->n_move, n, &x->capacity_move, sizeof *x->move)) {
                x->failed = 1;
                return;
            }
            for (uint32_t j = x->first_kind[class]; j < x->first_kind[class + 1]; j++) {
                uint32_t kind = x->kind[j];
                begin_moves(x, kind);
                x->move[x->n_move] = (struct move){x->at[i] + a->step[e].to, x->head[kind]};
                x->head[kind] = ++x->n_move;
            }
        }
    }
    for (int32_t c = s->name == NO_NAME ? -1 : x->name[s->name].child; c >= 0; c = x->name[c].sibling)
        begin_moves(x, x->name[c].kind);
}

static int by_target(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    return x->to != y->to ? (x->to < y->to ? -1 : 1) : (x->kind > y->kind) - (x->kind < y->kind);
}

static void add_step(struct product *x, uint32_t from, uint32_t to, grammar_expr e)
{
    if (e != grammar_choice(x->m, NULL, 0) &&
        product_space(x, &x->step, x->n_step, 1, &x->capacity_step, sizeof *x->step) == 0)
        x->step[x->n_step++] = (struct grammar_step){from, to, e};
}

static int by_code(const void *a, const void *b)
{
    const struct grammar_range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

/* A code point of these kinds, or of all but these. */
static grammar_expr code_points_of(struct product *x, const uint32_t *kind, uint32_t n, int others)
{
    const struct code_point_kinds *l = &x->kinds;
    uint32_t n_range = 0;
    x->turn++; /* as read_kind[] is begun anew */
    for (uint32_t k = 0; k < n; k++)
        x->head_round[kind[k]] = x->turn;
    for (uint32_t k = 0, i = 0; others ? k < l->n_kind : i < n; k++, i++) {
        uint32_t one = others ? k : kind[i];
        if (others && x->head_round[one] == x->turn)
            continue;
        for (uint32_t j = l->first[one]; j < l->first[one + 1]; j++)
            x->range[n_range++] = (struct grammar_range){l->begin[l->member[j]], l->begin[l->member[j] + 1] - 1};
    }
    if (compile_work(x->compile, 16 * (uint64_t)n_range + (others ? l->n_kind : n)))
        return x->failed = 1, 0;
    qsort(x->range, n_range, sizeof *x->range, by_code);
    uint32_t kept = 0; /* ranges without a gap between them are joined */
    for (uint32_t k = 0; k < n_range; k++) {
        if (kept && x->range[kept - 1].last + 1 == x->range[k].first)
            x->range[kept - 1].last = x->range[k].last;
        else
            x->range[kept++] = x->range[k];
    }
    return x->code_points->one_of(x->code_points->arg, x->m, x->range, kept);
}

/* The same, made once for the same kinds. */
static grammar_expr code_points_once(struct product *x, const uint32_t *kind, uint32_t n, int others)
{
    uint32_t hash = (uint32_t)hash64(kind, n * sizeof *kind, (uint64_t)others), at = hash % BUCKETS;
    for (; x->known_bucket[at] >= 0; at = (at + 1) % BUCKETS) {
        const struct known *k = &x->known[x->known_bucket[at]];
        if (k->hash == hash && k->n == n && k->others == others &&
            (n == 0 || memcmp(x->known_kind + k->first, kind, n * sizeof *kind) == 0))
            return k->e;
    }
    grammar_expr e = code_points_of(x, kind, n, others);
    if (x->n_known > BUCKETS / 2 || x->failed ||
        product_space(x, &x->known, x->n_known, 1, &x->capacity_known, sizeof *x->known) ||
        product_space(x, &x->known_kind, x->n_known_kind, n + 1, &x->capacity_known_kind, sizeof *x->known_kind))
        return e;
    x->known[x->n_known] = (struct known){x->n_known_kind, n, others, hash, e};
    if (n)
        memcpy(x->known_kind + x->n_known_kind, kind, n * sizeof *kind);
    x->n_known_kind += n;
    x->known_bucket[at] = (int32_t)x->n_known++;
    return e;
}

/* States of the machine: 0 is the product's first, 1 the end, the others are behind, and behind them one a pattern, and one for none. */
static uint32_t machine_state(uint32_t q) { return q == 0 ? 0 : q + 1; }
static uint32_t tail_state(uint32_t i) { return UINT32_MAX - i; } /* until the number of states is known */

/* All patterns that are wanted were found, and no other. */
static int all_found(const struct product *x)
{
    for (uint32_t k = 0; k < x->n_found; k++)
        if (x->found[k] >= x->n_required)
            return 0;
    return x->n_found == x->n_required;
}

/* If the text may end here. */
static void add_end(struct product *x, uint32_t from)
{
    const struct regex_product *p = x->p;
    const struct state s = x->state[from];
    if (s.length < p->min || (s.name != NO_NAME && x->name[s.name].ends))
        return;
    open_list(x);
    for (uint32_t k = s.first; k < s.first + s.n; k++)
        put(x, x->item[k]);
    close_list(x, s.length == 0, 1);
    grammar_expr empty = grammar_text(x->m, "", 0);
    if (p->all && all_found(x))
        add_step(x, machine_state(from), 1, empty);
    else if (!p->all && x->n_found == 1 && p->only[x->found[0]] >= 0)
        add_step(x, machine_state(from), tail_state(x->found[0]), empty);
    else if (!p->all && x->n_found == 0 && p->none >= 0)
        add_step(x, machine_state(from), tail_state(x->n), empty);
}

static void steps_of(struct product *x, uint32_t from)
{
    const struct state s = x->state[from];
    uint32_t n = 0;
    x->first_step[from] = x->n_step;
    add_end(x, from);
    if (x->failed || (x->p->max >= 0 && s.length >= x->p->max))
        return;
    read_code_points(x, &s);
    uint32_t n_read_kind = x->n_read_kind;
    uint32_t rest = n_read_kind < x->kinds.n_kind ? follow(x, from, NOWHERE) : NOWHERE;
    for (uint32_t k = 0; k < n_read_kind && !x->failed; k++)
        x->group[n++] = (struct group){follow(x, from, x->read_kind[k]), x->read_kind[k]};
    if (x->failed || compile_work(x->compile, 8 * (uint64_t)n)) {
        x->failed = 1;
        return;
    }
    qsort(x->group, n, sizeof *x->group, by_target);
    uint32_t apart = 0, *kind = x->read_kind; /* what does not lead where the rest leads */
    for (uint32_t i = 0, k; i < n && !x->failed; i = k) {
        for (k = i; k < n && x->group[k].to == x->group[i].to; k++)
            kind[k - i] = x->group[k].kind;
        if (x->group[i].to != NOWHERE && x->group[i].to != rest)
            add_step(x, machine_state(from), machine_state(x->group[i].to), code_points_once(x, kind, k - i, 0));
    }
    for (uint32_t i = 0; i < n; i++)
        if (x->group[i].to != rest)
            kind[apart++] = x->group[i].kind;
    if (rest == NOWHERE || x->failed)
        return;
    qsort(kind, apart, sizeof *kind, ascending);
    add_step(x, machine_state(from), machine_state(rest), code_points_once(x, kind, apart, 1));
}

/* ---- the beginning -------------------------------------------------------------------------------------------------------------- */

/* Patterns that may begin anywhere. */
static void find_again(struct product *x)
{
    for (uint32_t i = 0; i < x->n && !x->failed; i++) {
        open_list(x);
        put(x, x->at[i]);
        close_list(x, 0, 0);
        tidy_list(x);
        if (x->n_list > 0)
            x->again[x->n_again++] = i;
        x->n_required_again += x->n_list > 0 && i < x->n_required;
    }
}

/* The first state: before the text. */
static int begin(struct product *x)
{
    find_again(x);
    open_list(x);
    for (uint32_t i = 0; i < x->n; i++)
        put(x, x->at[i]);
    close_list(x, 1, 0);
    tidy_list(x);
    intern(x, x->p->n_name ? 0 : NO_NAME, 0);
    return x->failed;
}

/* ---- all ------------------------------------------------------------------------------------------------------------------------ */

/* 1: a text leads to an end. Code points may be such that none of them can be written. */
static int has_end(struct product *x)
{
    uint32_t *stack = compile_alloc(x->compile, x->n_state + 1, sizeof *stack), n = 0;
    uint8_t *seen = compile_zeroed(x->compile, x->n_state + 1, 1);
    int found = 0;
    if (stack && seen)
        seen[stack[n++] = 0] = 1;
    while (n > 0 && !found) {
        uint32_t q = stack[--n];
        for (uint32_t k = x->first_step[q]; k < x->first_step[q + 1]; k++) {
            uint32_t to = x->step[k].to, next = to == 0 ? 0 : to - 1;
            found |= to == 1 || to > x->n_state; /* the end, or a tail */
            if (!found && !seen[next])
                seen[stack[n++] = next] = 1;
        }
    }
    compile_free(x->compile, stack);
    compile_free(x->compile, seen);
    return found;
}

static grammar_expr machine(struct product *x)
{
    const struct regex_product *p = x->p;
    uint32_t states = x->n_state + 1;
    x->first_step[x->n_state] = x->n_step;
    if (!has_end(x))
        return grammar_choice(x->m, NULL, 0);
    for (uint32_t k = 0; k < x->n_step; k++)
        if (x->step[k].to > x->n_state)
            x->step[k].to = states + (UINT32_MAX - x->step[k].to);
    for (uint32_t i = 0; !p->all && i <= x->n && !x->failed; i++) {
        grammar_expr tail = i < x->n ? p->only[i] : p->none;
        if (tail >= 0)
            add_step(x, states + i, 1, tail);
    }
    uint32_t tails = p->all ? 0 : x->n + 1;
    return x->failed ? -1 : grammar_machine(x->m, states + tails > 2 ? states + tails : 2, x->step, x->n_step);
}

grammar_expr regex_product(const struct regex_product *p, struct grammar_maker *m,
                           const struct regex_code_points *code_points)
{
    struct compile *compile = grammar_handle(m);
    struct product *x = compile_zeroed(compile, 1, sizeof *x);
    if (!x)
        return grammar_ended(m);
    *x = (struct product){
        .compile = compile, .kinds = {.compile = compile}, .p = p, .m = m, .code_points = code_points};
    grammar_expr e = -1;
    int failed = product_prepare(x) || begin(x);
    for (uint32_t q = 0; !failed && q < x->n_state; q++) {
        steps_of(x, q);
        failed = x->failed || grammar_problem(m) != NULL;
    }
    if (!failed)
        e = machine(x);
    product_free(x);
    return compile->end ? grammar_ended(m) : e;
}
