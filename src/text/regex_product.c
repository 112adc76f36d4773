/* Several demands on one text: patterns that it must and must not hold, lengths, names that it must not be.
 *
 * Each pattern becomes a nondeterministic automaton over code points (Thompson). All are run together by the subset construction:
 * a state of the product is the set of each pattern, the place in the tree of names, and the length as far as it matters. Where
 * the sets of code points that steps read overlap, they are cut at each other's ends. The product is a grammar_machine(). */
#include "base/hash.h"
#include "base/utf8.h"
#include "text/regex_nfa.h"

#include <stdlib.h>
#include <string.h>

enum { LAST = 0x10FFFF, BUCKETS = 4096, NO_NAME = -1 };

/* The names as a tree of code points. */
struct name_node {
    uint32_t letter;
    int32_t child, sibling;
    int ends;
};

struct state {
    uint32_t set, n; /* bits of all patterns, one behind the other: words */
    int32_t name;
    int32_t length;
    int32_t chain;
};

struct product {
    struct compile *compile;
    const struct regex_product *p;
    struct nfa *nfa; /* with, then without */
    size_t n_nfa;
    uint32_t *at; /* [n_nfa + 1] first bit of each pattern */
    uint32_t n_bit, n_word;
    struct name_node *name;
    int32_t n_name;
    struct state *state;
    uint64_t *word; /* sets of the states, [n_state][n_word] */
    int32_t bucket[BUCKETS];
    uint32_t n_state, room_state;
    struct grammar_step *step;
    size_t n_step, room_step;
    uint64_t *scratch, *next; /* [n_word] */
    uint32_t *stack;
    uint32_t *cut; /* ends of ranges */
    size_t n_cut, room_cut;
    int failed;
};

/* ---- sets of states --------------------------------------------------------------------------------------------------------------- */

static int in(const uint64_t *set, uint32_t bit) { return set[bit >> 6] >> (bit & 63) & 1; }

/* Steps that read nothing, from what is on the stack, in pattern i. ended 1: the text ends here, so $ holds; 1: it was found. */
static int close_set(struct product *x, size_t i, uint64_t *set, uint32_t n, int begin, int ended)
{
    const struct nfa *a = &x->nfa[i];
    int found = 0;
    while (n > 0) {
        uint32_t q = x->stack[--n];
        found |= q == 1;
        for (int32_t s = a->first[q]; s >= 0; s = a->step[s].next) {
            const struct nfa_step *step = &a->step[s];
            if (step->kind == STEP_CLASS || (step->kind == STEP_BEGIN && !begin) || (step->kind == STEP_END && !ended))
                continue;
            uint32_t bit = x->at[i] + step->to;
            if (!in(set, bit)) {
                set[bit >> 6] |= UINT64_C(1) << (bit & 63);
                x->stack[n++] = step->to;
            }
        }
    }
    return found;
}

static void put(struct product *x, size_t i, uint64_t *set, uint32_t q, uint32_t *n)
{
    uint32_t bit = x->at[i] + q;
    if (in(set, bit))
        return;
    set[bit >> 6] |= UINT64_C(1) << (bit & 63);
    x->stack[(*n)++] = q;
}

/* Is pattern i found if the text ends in this state? */
static int is_found(struct product *x, size_t i, const struct state *s, const uint64_t *set)
{
    uint32_t n = 0;
    memset(x->next, 0, x->n_word * sizeof *x->next);
    for (uint32_t q = 0; q < x->nfa[i].n_state; q++)
        if (in(set, x->at[i] + q))
            put(x, i, x->next, q, &n);
    return close_set(x, i, x->next, n, s->length == 0, 1);
}

static int accepts(struct product *x, const struct state *s, const uint64_t *set)
{
    if (s->length < x->p->min || (s->name != NO_NAME && x->name[s->name].ends))
        return 0;
    for (size_t i = 0; i < x->n_nfa; i++)
        if (is_found(x, i, s, set) != (i < x->p->n_with))
            return 0;
    return 1;
}

/* ---- states of the product -------------------------------------------------------------------------------------------------------- */

static uint32_t intern(struct product *x, const uint64_t *set, int32_t name, int32_t length)
{
    int32_t key[2] = {name, length};
    uint64_t hash = hash64(set, x->n_word * sizeof *set, hash64(key, sizeof key, 0));
    int32_t *bucket = &x->bucket[hash % BUCKETS];
    for (int32_t i = *bucket; i >= 0; i = x->state[i].chain)
        if (x->state[i].name == name && x->state[i].length == length &&
            memcmp(x->word + (size_t)i * x->n_word, set, x->n_word * sizeof *set) == 0)
            return (uint32_t)i;
    if (x->n_state >= REGEX_STATES)
        x->failed = 1;
    if (x->n_state == x->room_state && !x->failed) {
        uint32_t room = x->room_state * 2 + 64;
        struct state *grown = compile_grow(x->compile, x->state, room, sizeof *grown);
        x->state = grown ? grown : x->state;
        uint64_t *words = grown ? compile_grow(x->compile, x->word, (size_t)room * x->n_word, sizeof *words) : NULL;
        x->word = words ? words : x->word;
        x->failed |= !words;
        x->room_state = words ? room : x->room_state;
    }
    if (x->failed)
        return 0;
    x->state[x->n_state] = (struct state){.name = name, .length = length, .chain = *bucket};
    memcpy(x->word + (size_t)x->n_state * x->n_word, set, x->n_word * sizeof *set);
    *bucket = (int32_t)x->n_state;
    return x->n_state++;
}

/* Lengths beyond what any demand looks at are one. */
static int32_t longer(const struct product *x, int32_t length)
{
    int64_t most = x->p->max >= 0 ? x->p->max : x->p->min > 1 ? x->p->min : 1;
    return length < most ? length + 1 : length;
}

static int32_t name_step(const struct product *x, int32_t name, uint32_t letter)
{
    for (int32_t c = name == NO_NAME ? -1 : x->name[name].child; c >= 0; c = x->name[c].sibling)
        if (x->name[c].letter == letter)
            return c;
    return NO_NAME;
}

/* The state behind one code point. */
static uint32_t follow(struct product *x, uint32_t from, uint32_t letter)
{
    const struct state s = x->state[from];
    memset(x->scratch, 0, x->n_word * sizeof *x->scratch);
    for (size_t i = 0; i < x->n_nfa; i++) {
        const struct nfa *a = &x->nfa[i];
        const uint64_t *set = x->word + (size_t)from * x->n_word;
        uint32_t n = 0;
        if (in(set, x->at[i] + 1)) { /* found: it stays found */
            x->scratch[(x->at[i] + 1) >> 6] |= UINT64_C(1) << ((x->at[i] + 1) & 63);
            continue;
        }
        put(x, i, x->scratch, 0, &n); /* a search may begin anywhere */
        for (uint32_t q = 0; q < a->n_state; q++)
            for (int32_t e = in(set, x->at[i] + q) ? a->first[q] : -1; e >= 0; e = a->step[e].next) {
                const struct grammar_range *r = a->r->range + a->step[e].range;
                for (uint32_t k = 0; a->step[e].kind == STEP_CLASS && k < a->step[e].n; k++)
                    if (letter >= r[k].first && letter <= r[k].last) {
                        put(x, i, x->scratch, a->step[e].to, &n);
                        break;
                    }
            }
        if (close_set(x, i, x->scratch, n, 0, 0)) { /* the other states do not matter any more */
            for (uint32_t q = 0; q < a->n_state; q++)
                x->scratch[(x->at[i] + q) >> 6] &= ~(UINT64_C(1) << ((x->at[i] + q) & 63));
            x->scratch[(x->at[i] + 1) >> 6] |= UINT64_C(1) << ((x->at[i] + 1) & 63);
        }
    }
    return intern(x, x->scratch, name_step(x, s.name, letter), longer(x, s.length));
}

/* ---- steps of the product --------------------------------------------------------------------------------------------------------- */

static void add_cut(struct product *x, uint32_t c)
{
    if (x->n_cut == x->room_cut) {
        size_t room = x->room_cut * 2 + 256;
        uint32_t *grown = compile_grow(x->compile, x->cut, room, sizeof *grown);
        if (!grown) {
            x->failed = 1;
            return;
        }
        x->cut = grown;
        x->room_cut = room;
    }
    x->cut[x->n_cut++] = c;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Where what follows a state may change: beginnings of stretches that all behave alike. */
static void cuts_of(struct product *x, uint32_t from)
{
    x->n_cut = 0;
    add_cut(x, 0);
    add_cut(x, LAST + 1);
    for (size_t i = 0; i < x->n_nfa; i++)
        for (uint32_t q = 0; q < x->nfa[i].n_state; q++) {
            if (q != 0 && !in(x->word + (size_t)from * x->n_word, x->at[i] + q))
                continue;
            for (int32_t e = x->nfa[i].first[q]; e >= 0; e = x->nfa[i].step[e].next) {
                const struct nfa_step *s = &x->nfa[i].step[e];
                for (uint32_t k = 0; s->kind == STEP_CLASS && k < s->n; k++) {
                    add_cut(x, x->nfa[i].r->range[s->range + k].first);
                    add_cut(x, x->nfa[i].r->range[s->range + k].last + 1);
                }
            }
        }
    int32_t name = x->state[from].name;
    for (int32_t c = name == NO_NAME ? -1 : x->name[name].child; c >= 0; c = x->name[c].sibling) {
        add_cut(x, x->name[c].letter);
        add_cut(x, x->name[c].letter + 1);
    }
    qsort(x->cut, x->n_cut, sizeof *x->cut, ascending);
}

struct stretch {
    uint32_t to;
    struct grammar_range range;
};

static int by_target(const void *a, const void *b)
{
    const struct stretch *x = a, *y = b;
    return x->to != y->to ? (x->to < y->to ? -1 : 1) : x->range.first < y->range.first ? -1 : 1;
}

static void add_step(struct product *x, uint32_t from, uint32_t to, grammar_expr e)
{
    if (x->n_step == x->room_step) {
        size_t room = x->room_step * 2 + 256;
        struct grammar_step *grown = compile_grow(x->compile, x->step, room, sizeof *grown);
        if (!grown) {
            x->failed = 1;
            return;
        }
        x->step = grown;
        x->room_step = room;
    }
    x->step[x->n_step++] = (struct grammar_step){from, to, e};
}

/* States of the machine: 0 is the product's first, 1 the end, the others are behind. */
static uint32_t machine_state(uint32_t q) { return q == 0 ? 0 : q + 1; }

static void steps_of(struct product *x, struct grammar_maker *m, const struct regex_letters *letters, uint32_t from)
{
    if (accepts(x, &x->state[from], x->word + (size_t)from * x->n_word))
        add_step(x, machine_state(from), 1, grammar_text(m, "", 0));
    if (x->p->max >= 0 && x->state[from].length >= x->p->max)
        return;
    cuts_of(x, from);
    struct stretch *s = compile_alloc(x->compile, x->n_cut + 1, sizeof *s);
    struct grammar_range *range = compile_alloc(x->compile, x->n_cut + 1, sizeof *range);
    size_t n = 0;
    if (!s || !range)
        x->failed = 1;
    for (size_t i = 0; i + 1 < x->n_cut && !x->failed; i++)
        if (x->cut[i] < x->cut[i + 1])
            s[n++] = (struct stretch){follow(x, from, x->cut[i]), {x->cut[i], x->cut[i + 1] - 1}};
    if (!x->failed)
        qsort(s, n, sizeof *s, by_target);
    for (size_t i = 0, k; i < n && !x->failed; i = k) {
        for (k = i; k < n && s[k].to == s[i].to; k++)
            range[k - i] = s[k].range;
        add_step(x, machine_state(from), machine_state(s[i].to), letters->one_of(letters->arg, m, range, k - i));
    }
    compile_free(x->compile, s);
    compile_free(x->compile, range);
}

/* ---- all ------------------------------------------------------------------------------------------------------------------------ */

static int add_names(struct product *x)
{
    size_t most = 1;
    for (size_t i = 0; i < x->p->n_name; i++)
        most += x->p->name[i].n;
    x->name = compile_alloc(x->compile, most, sizeof *x->name);
    if (!x->name || most > 1 << 20)
        return -1;
    x->name[x->n_name++] = (struct name_node){0, -1, -1, 0};
    for (size_t i = 0; i < x->p->n_name; i++) {
        int32_t at = 0;
        for (size_t k = 0, length; k < x->p->name[i].n; k += length) {
            uint32_t c;
            utf8_read(x->p->name[i].text + k, x->p->name[i].n - k, &length, &c);
            int32_t next = name_step(x, at, c);
            if (next == NO_NAME) {
                next = x->n_name++;
                x->name[next] = (struct name_node){c, -1, x->name[at].child, 0};
                x->name[at].child = next;
            }
            at = next;
        }
        x->name[at].ends = 1;
    }
    return 0;
}

static int prepare(struct product *x)
{
    const struct regex_product *p = x->p;
    uint32_t most = 1;
    x->n_nfa = p->n_with + p->n_without;
    x->nfa = compile_zeroed(x->compile, x->n_nfa + 1, sizeof *x->nfa);
    x->at = compile_zeroed(x->compile, x->n_nfa + 2, sizeof *x->at);
    if (!x->nfa || !x->at || add_names(x))
        return -1;
    for (size_t i = 0; i < x->n_nfa; i++) {
        nfa_make(&x->nfa[i], i < p->n_with ? p->with[i] : p->without[i - p->n_with]);
        if (x->nfa[i].failed)
            return -1;
        x->at[i + 1] = x->at[i] + x->nfa[i].n_state;
        most = x->nfa[i].n_state > most ? x->nfa[i].n_state : most;
    }
    x->n_bit = x->at[x->n_nfa];
    x->n_word = x->n_bit / 64 + 1;
    x->scratch = compile_zeroed(x->compile, x->n_word, sizeof *x->scratch);
    x->next = compile_zeroed(x->compile, x->n_word, sizeof *x->next);
    x->stack = compile_alloc(x->compile, most + 1, sizeof *x->stack);
    if (!x->scratch || !x->next || !x->stack)
        return -1;
    memset(x->bucket, -1, sizeof x->bucket);
    for (size_t i = 0; i < x->n_nfa; i++) {
        uint32_t n = 0;
        put(x, i, x->scratch, 0, &n);
        close_set(x, i, x->scratch, n, 1, 0);
    }
    intern(x, x->scratch, p->n_name ? 0 : NO_NAME, 0);
    return x->failed;
}

grammar_expr regex_product(const struct regex_product *p, struct grammar_maker *m, const struct regex_letters *letters)
{
    struct compile *compile = grammar_handle(m);
    struct product *x = compile_zeroed(compile, 1, sizeof *x);
    if (!x)
        return grammar_ended(m);
    x->p = p;
    x->compile = compile;
    grammar_expr e = -1;
    int failed = prepare(x);
    for (uint32_t q = 0; !failed && q < x->n_state; q++) {
        steps_of(x, m, letters, q);
        failed = x->failed;
    }
    if (!failed) {
        e = grammar_machine(m, x->n_state + 1 > 2 ? x->n_state + 1 : 2, x->step, x->n_step);
        if (!grammar_problem(m) && !grammar_has_text(m, e))
            e = grammar_choice(m, NULL, 0);
    }
    for (size_t i = 0; x->nfa && i < x->n_nfa; i++)
        nfa_free(&x->nfa[i]);
    compile_free(x->compile, x->nfa);
    compile_free(x->compile, x->at);
    compile_free(x->compile, x->name);
    compile_free(x->compile, x->state);
    compile_free(x->compile, x->word);
    compile_free(x->compile, x->step);
    compile_free(x->compile, x->scratch);
    compile_free(x->compile, x->next);
    compile_free(x->compile, x->stack);
    compile_free(x->compile, x->cut);
    compile_free(compile, x);
    return compile->end ? grammar_ended(m) : e;
}
