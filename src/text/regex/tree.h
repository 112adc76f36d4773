/* A pattern as a tree, and what can be made of it: for schemas, which join several, and for the files of patterns.
 *
 *   read.c            text to tree                    class.c           \d \w \s \p{..}
 *   parse.c           tree to an expression           product.c         several patterns, lengths and names at once
 *   nfa.c             tree to an automaton            length.c          lengths of a pattern */
#ifndef TEXT_REGEX_TREE_H
#define TEXT_REGEX_TREE_H

#include "text/grammar/compile.h"
#include "text/regex/regex.h"

enum regex_kind { REGEX_EMPTY, REGEX_CLASS, REGEX_SEQUENCE, REGEX_CHOICE, REGEX_REPEAT, REGEX_BEGIN, REGEX_END };

/* Children have smaller numbers than what holds them. */
struct regex_node {
    uint8_t kind;
    int32_t child, next; /* first part, next part of the same whole; -1 none */
    int32_t min, max;    /* REGEX_REPEAT */
    uint8_t anchored;    /* an anchor is in it */
    uint32_t range, n;   /* REGEX_CLASS: of the ranges */
};

struct regex {
    struct compile *compile;
    struct regex_node *node;
    uint32_t n_node, capacity_node;
    struct grammar_range *range;
    uint32_t n_range, capacity_range;
    int32_t root;
    struct nfa *nfa;           /* once a text was looked at */
    struct regex_named *named; /* properties found so far: class.c */
    uint32_t n_named, capacity_named;
};

/* n bytes of UTF-8 to a tree, which regex_free() frees, also after a failure; the pattern is not kept. compile: its limits, must outlive
 * the tree. -1: ERR_INPUT: not a pattern; ERR_UNSUPPORTED: a pattern that cannot be a grammar; or the compilation has ended. */
int regex_read(struct regex *r, struct compile *compile, const char *pattern, size_t n, struct error *err);
void regex_free(struct regex *r);

/* Add ranges; 0, or -1: the compilation has ended. negated: all code points but those. */
int regex_add(struct regex *r, const struct grammar_range *range, size_t n, int negated);
/* The class of an escape: d D w W s S; -2: none. */
int regex_escape_class(struct regex *r, int letter);
/* \p{name}, \P{name}. -1: the compilation has ended, -2: no such property. */
int regex_property(struct regex *r, const char *name, size_t n, int negated);

/* How one code point is written: raw, or as JSON writes it. */
struct regex_code_points {
    grammar_expr (*one_of)(void *arg, struct grammar_maker *m, const struct grammar_range *range, size_t n);
    void *arg;
};
extern const struct regex_code_points regex_raw;

/* The texts that a pattern matches (whole) or is found in, as an expression of the maker, which keeps the first error. */
grammar_expr regex_expr(const struct regex *r, struct grammar_maker *m, const struct regex_code_points *code_points,
                        int whole);

/* Where lengths are asked for besides: if one part alone of the pattern may be of any length, and repeats something of a fixed one, its
 * count becomes what the lengths leave, and they are part of the pattern. What the pattern leaves open at an end is such a part too.
 * 1: done; the pattern then stands for the whole text. 0: it is as it was. -1: no text is so long; or the compilation has ended. */
int regex_take_lengths(struct regex *r, int64_t min, int64_t max);
/* Lengths of matching texts, in code points; *max -1: no bound. A pattern that is searched has no upper bound. */
void regex_lengths(const struct regex *r, int64_t *min, int64_t *max);

/* 1: the pattern is found in a text. 0 also: the compilation has ended. */
int regex_holds(struct regex *r, const char *text, size_t n);

/* Texts of some lengths, not among some names. all: those that all patterns are found in. Else those that one pattern is found in or
 * none, each with what follows it. */
struct regex_product {
    const struct regex *const *pattern;
    size_t n_pattern;
    int all;
    const grammar_expr *only, none; /* [n_pattern]; -1: such texts are left out */
    int64_t min, max;               /* max -1: no bound */
    const struct regex_name {
        const char *text; /* UTF-8 */
        size_t n;
    } * name;
    size_t n_name;
};
/* -1: more than 20000 states. Nothing matches: the expression without texts. */
grammar_expr regex_product(const struct regex_product *p, struct grammar_maker *m,
                           const struct regex_code_points *code_points);

enum { REGEX_STATES = 20000 };

#endif
