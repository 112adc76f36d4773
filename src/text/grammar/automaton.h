/* The compiled grammar: what grammar_finish() makes, and what constraints read.
 *
 * A rule is a nondeterministic automaton: states with edges over bytes, whole tokens, calls of other rules, and three
 * kinds of steps that read nothing. A counted rule, item{min,max}, has one counter k a call:
 *
 *     start --ENTER (k < max)--> item ... --TICK (k + 1)--> start --LEAVE (k >= min)--> accept
 *
 * A leaf is a rule without calls and tokens: matching it pushes nothing onto the stack. Masks are cached for leaves. All numbers index
 * the arrays of struct grammar, which never change once they are made. */
#ifndef TEXT_GRAMMAR_AUTOMATON_H
#define TEXT_GRAMMAR_AUTOMATON_H

#include "text/grammar/grammar.h"

enum edge_kind { EDGE_BYTES, EDGE_CALL, EDGE_TOKEN, EDGE_OTHER, EDGE_EMPTY, EDGE_ENTER, EDGE_TICK, EDGE_LEAVE };

struct edge {
    uint8_t kind, low, high; /* enum edge_kind; EDGE_BYTES: the bytes low to high */
    uint32_t arg;            /* EDGE_CALL: rule; EDGE_TOKEN, EDGE_OTHER: id of the token */
    uint32_t to;             /* state */
};

struct rule {
    uint32_t start, accept;          /* states */
    int32_t min, max;                /* counted rules; max GRAMMAR_MANY: no bound */
    uint32_t rank;                   /* ascending along calls that come first in a rule */
    uint8_t counted, leaf, nullable; /* nullable: the empty text is in its language */
};

struct grammar {
    struct compile *compile; /* until its constraint is made; or NULL */
    struct rule *rule;       /* [n_rule] */
    uint32_t n_rule;
    uint32_t *first;   /* [n_state + 1]: edges of state s are edge[first[s] .. first[s + 1]) */
    struct edge *edge; /* [n_edge] */
    uint32_t *owner;   /* [n_state] the rule of a state */
    uint32_t n_state, n_edge;
    uint8_t byte_class[256]; /* bytes of one class are on the same edges */
    uint32_t n_class;
    uint32_t *entry; /* [n_entry] rules that a text may begin with */
    uint32_t n_entry;
};

#endif
