/* A pattern as a tree, and what can be made of it: for schemas, which join several, and for the files of patterns.
 *
 *   read.c            text to tree                    class.c           \d \w \s \p{..}
 *   parse.c           tree to an expression           product.c         several patterns, lengths and names at once
 *   nfa.c             tree to an automaton            product_prepare.c what product.c begins with
 *   length.c          lengths of a pattern */
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

/* These append ranges of code points to r->range. 0; -1: the compilation has ended. negated 1: all code points but those. */
int regex_add(struct regex *r, const struct grammar_range *range, size_t n, int negated);
/* Those of the escape \d \D \w \W \s \S; letter: what is behind the backslash. -2: it is no class. */
int regex_escape_class(struct regex *r, int letter);
/* Those of \p{name}, \P{name}; name: n bytes. -2: there is no such property. */
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

/* Makes lengths of min to max code points (max -1: no bound) part of the pattern. That works if exactly one part of it may have any
 * length, and repeats something of fixed length: then only the count of that part changes. An end without an anchor is such a part too.
 * 1: done; the pattern then stands for the whole text. 0: it does not work, and the pattern is as it was. -1: no text has such a length,
 * or the compilation has ended. */
int regex_take_lengths(struct regex *r, int64_t min, int64_t max);
/* Lengths of matching texts, in code points; *max -1: no bound. A pattern that is searched has no upper bound. */
void regex_lengths(const struct regex *r, int64_t *min, int64_t *max);
/* 0: no text in which the pattern is found holds this code point. */
int regex_may_hold(const struct regex *r, uint32_t code_point);

/* 1: the pattern is found in a text of n bytes. 0: it is not, or the compilation has ended. */
int regex_holds(struct regex *r, const char *text, size_t n);

/* The texts of min to max code points, but for some names. all 1: those in which all patterns are found, but for the last n_barred, which
 * are not. all 0: those in which one pattern is found, each followed by only[i], and those in which none is, followed by `none`. */
struct regex_product {
    const struct regex *const *pattern;
    size_t n_pattern;
    int all;
    size_t n_barred;                /* 0 where all is 0 */
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
