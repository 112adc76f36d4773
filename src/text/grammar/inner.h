/* What the files of a grammar share: expressions of a maker, and how they become the automaton.
 *
 *   make.c              expressions, each stored once                 utf8.c             code points and stops as bytes
 *   check.c             what is empty, without end, left recursive    automaton.c        expressions to rules
 *   assemble.c          rules to the grammar */
#ifndef TEXT_GRAMMAR_INNER_H
#define TEXT_GRAMMAR_INNER_H

#include "text/grammar/automaton.h"
#include "text/grammar/compile.h"

enum expr_kind {
    EXPR_NEVER,
    EXPR_TEXT,  /* list: bytes */
    EXPR_CLASS, /* list: ranges, ascending, apart */
    EXPR_SEQUENCE,
    EXPR_CHOICE,
    EXPR_REPEAT, /* a, min, max */
    EXPR_TOKEN,  /* a: id */
    EXPR_OTHER,  /* a: id */
    EXPR_UNTIL,  /* list: bytes */
    EXPR_WITHOUT,
    EXPR_CALL,   /* a: rule */
    EXPR_MACHINE /* a: states; list: from, to, expression of each step */
};

struct expr {
    uint8_t kind;
    int32_t a, min, max;
    uint32_t list, n; /* into the bytes or the words of the maker */
};

struct maker_rule {
    char *name;
    grammar_expr body; /* -1: not defined */
};

struct grammar_maker {
    struct compile *compile, own; /* own: where none was given */
    struct error error;
    struct expr *expr;
    uint32_t n_expr, capacity_expr;
    char *bytes;
    uint32_t n_bytes, capacity_bytes;
    uint32_t *words; /* lists of expressions, ranges */
    uint32_t n_words, capacity_words;
    struct maker_rule *rule;
    uint32_t n_rule, capacity_rule;
    uint32_t *slot; /* hash table of expressions: index + 1 */
    uint32_t n_slot;
};

/* Make space for one more element of a vector of this maker; NULL: no memory or too big, recorded. */
void *maker_grow(struct grammar_maker *m, void *vector, uint32_t n, uint32_t more, uint32_t *capacity, size_t size);
/* The compilation has ended: its sentence is the maker's error. Always -1. */
static inline int maker_refused(struct grammar_maker *m) { return compile_refused(m->compile, &m->error); }
/* Count steps; -1: it has ended, as above. */
static inline int maker_work(struct grammar_maker *m, uint64_t n)
{
    return compile_work(m->compile, n) ? maker_refused(m) : 0;
}

static inline const char *maker_text(const struct grammar_maker *m, const struct expr *e) { return m->bytes + e->list; }
static inline const uint32_t *maker_list(const struct grammar_maker *m, const struct expr *e)
{
    return m->words + e->list;
}

/* ---- check.c -------------------------------------------------------------------------------------------------------- */

/* What is known of each expression. */
struct expr_facts {
    uint8_t nullable;   /* the empty text is in it */
    uint8_t productive; /* some text is in it */
    uint8_t regular;    /* no recursion, tokens, counters, calls of wide rules: may be written out as a leaf */
    uint8_t wide;       /* has a loop over many bytes */
    uint8_t calls;      /* has calls of rules */
    uint16_t width;     /* first bytes, about */
    uint32_t size;      /* states when written out, saturating at GRAMMAR_SIZE_MAX */
};

enum {
    GRAMMAR_SIZE_MAX = 1 << 24,
    GRAMMAR_STATES_MAX = 1 << 21,
    GRAMMAR_COPIES = 256,
    GRAMMAR_WIDE = 20,
    GRAMMAR_LEAF = 512,
    GRAMMAR_INLINE = 32,
    GRAMMAR_MACHINE = 1 << 15, /* states of an automaton above which large steps are called */
    GRAMMAR_STEP = 64
};

/* fact: [n_expr] out. Fails where a rule lacks a definition, an entry has no text, or a rule is left recursive. */
int grammar_check(struct grammar_maker *m, const grammar_expr *entry, size_t n_entry, struct expr_facts *fact);

/* States of a machine on a way from 0 to 1 that can be gone: on_way[states] out, 1 each. 0: there is none. */
int grammar_machine_ways(const struct grammar_maker *m, const struct expr *e, const struct expr_facts *fact,
                         uint8_t *on_way);

/* 1: min..max copies are written out, else the repetition becomes a counted rule. */
int grammar_copies(const struct expr *e, const struct expr_facts *item);

/* ---- utf8.c --------------------------------------------------------------------------------------------------------- */

/* Where automata grow. */
struct builder;
void *build_grow(struct builder *b, void *vector, uint32_t n, uint32_t more, uint32_t *capacity,
                 size_t size); /* maker_grow() */
struct compile *build_compile(const struct builder *b);
uint32_t build_state(struct builder *b);
void build_edge(struct builder *b, uint32_t from, uint32_t to, enum edge_kind kind, uint8_t low, uint8_t high,
                uint32_t arg);

/* One code point of the ranges from -> to. */
void utf8_class(struct builder *b, const uint32_t *range, uint32_t n, uint32_t from, uint32_t to);
/* States that utf8_class() makes, about. */
uint32_t utf8_class_size(const uint32_t *range, uint32_t n);
/* First bytes of the ranges. */
uint32_t utf8_class_width(const uint32_t *range, uint32_t n);
/* EXPR_UNTIL, EXPR_WITHOUT. */
void utf8_stop(struct builder *b, const char *stop, uint32_t n, int until, uint32_t from, uint32_t to);

#endif
