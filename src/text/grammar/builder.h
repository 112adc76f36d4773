/* An automaton that grows: what automaton.c and utf8.c write states and edges into, and assemble.c makes the grammar of. */
#ifndef TEXT_GRAMMAR_BUILDER_H
#define TEXT_GRAMMAR_BUILDER_H

#include "text/grammar/inner.h"

struct new_rule {
    grammar_expr body;
    struct rule rule;
};

struct new_edge {
    uint32_t from;
    struct edge edge;
};

/* An expression that is to be written out, and its states. */
struct part {
    grammar_expr x;
    uint32_t from, to;
};

struct builder {
    struct grammar_maker *m;
    struct expr_facts *fact;
    struct new_rule *rule;
    uint32_t n_rule, capacity_rule;
    struct new_edge *edge;
    uint32_t n_edge, capacity_edge;
    uint32_t *owner; /* by state */
    uint32_t n_state, capacity_state;
    uint32_t *of_expr; /* rule of an expression + 1: hidden rules; 0 none */
    uint32_t *of_item; /* counted rule of a repetition + 1 */
    uint32_t current;
    struct part *waiting; /* of the current rule */
    uint32_t n_waiting, capacity_waiting;
};

/* The grammar of all that was written, with n_entry rules that a text may begin with. NULL: the compilation has ended. */
struct grammar *build_grammar(struct builder *b, const uint32_t *entry, size_t n_entry);

#endif
