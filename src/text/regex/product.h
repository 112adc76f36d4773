/* Inside of a product of patterns: what product.c walks and product_prepare.c makes ready. All memory is the compilation's. */
#ifndef TEXT_REGEX_PRODUCT_H
#define TEXT_REGEX_PRODUCT_H

#include "text/regex/code_points.h"
#include "text/regex/nfa.h"

enum { BUCKETS = 4096, NO_NAME = -1 };
#define NOWHERE UINT32_MAX

/* The names as a tree of code points. */
struct name_node {
    uint32_t code_point, kind;
    int32_t child, sibling;
    int ends;
};

struct state {
    uint32_t first, n; /* items: states of patterns, ascending */
    int32_t name;      /* node in the tree of names, or NO_NAME */
    int32_t length;    /* code points so far, as far as they matter */
    int32_t chain;     /* the next one in its bucket; -1: none */
};

/* A state of a pattern that code points of a kind lead to. */
struct move {
    uint32_t item;
    uint32_t next; /* of the same kind: index + 1 */
};

struct group {
    uint32_t to, kind; /* kind NOWHERE: all kinds that nothing in the state reads */
};

/* Expressions of kinds of code points that lead to one state. */
struct known {
    uint32_t first, n; /* kinds */
    int others;        /* all but these */
    uint32_t hash;
    grammar_expr e;
};

struct product {
    struct compile *compile;
    const struct regex_product *p;
    struct grammar_maker *m;
    const struct regex_code_points *code_points;
    struct nfa *nfa; /* [n] one a pattern */
    uint32_t n;
    uint32_t *at;                          /* [n + 1] first item of each pattern: its state 0; state 1 is "found" */
    uint32_t *of;                          /* [items] pattern */
    uint32_t *again, n_again;              /* patterns that may begin behind any code point */
    uint32_t n_required, n_required_again; /* patterns that are not barred, and those of them that may begin so */

    struct code_point_class *class; /* what steps read, each once; and the code points of names */
    uint32_t n_class;
    uint32_t **class_of;         /* [n][ranges of the pattern] class + 1 that begins there */
    uint32_t *first_kind, *kind; /* kinds of a class: kind[first_kind[c] .. first_kind[c + 1]) */
    struct code_point_kinds kinds;

    struct name_node *name;
    int32_t n_name;

    struct state *state;
    uint32_t n_state, capacity_state;
    uint32_t *item;
    uint32_t n_item, capacity_item;
    int32_t bucket[BUCKETS];
    struct grammar_step *step;
    uint32_t n_step, capacity_step;
    uint32_t *first_step; /* [n_state] with states */

    /* scratch */
    uint32_t *list, n_list;   /* items being closed */
    uint32_t *seen, round;    /* [items] round in which an item was put on the list */
    uint32_t *found, n_found; /* patterns found in it */
    uint32_t *found_round;    /* [n] */
    struct move *move;
    uint32_t n_move, capacity_move;
    uint32_t *head, *head_round; /* [n_kind] moves */
    uint32_t turn;
    uint32_t *read_kind, n_read_kind;
    struct group *group;
    struct grammar_range *range;
    struct known *known;
    uint32_t n_known, capacity_known, *known_kind, n_known_kind, capacity_known_kind;
    int32_t *known_bucket; /* [BUCKETS] chains are short: first only, then probing */
    int failed;
};

/* Room for more elements of a vector. -1: the compilation has ended. */
int product_space(struct product *x, void *vector, uint32_t n, uint32_t more, uint32_t *capacity, size_t size);

/* Of a product that knows its demands, maker and code points: all that steps need but states. -1: it is too large, or the compilation has
 * ended. product_free() all the same. */
int product_prepare(struct product *x);
void product_free(struct product *x);

#endif
