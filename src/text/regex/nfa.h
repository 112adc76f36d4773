/* A pattern as a nondeterministic automaton over code points: product.c, and single texts. */
#ifndef TEXT_REGEX_NFA_H
#define TEXT_REGEX_NFA_H

#include "text/regex/tree.h"

enum nfa_kind { STEP_EMPTY, STEP_CLASS, STEP_BEGIN, STEP_END };

struct nfa_step {
    uint8_t kind;
    uint32_t to;
    uint32_t range, n; /* STEP_CLASS: of the pattern's ranges */
    int32_t next;      /* of the same state; -1 */
};

struct nfa {
    const struct regex *r;
    struct nfa_step *step;
    int32_t *first; /* [n_state] steps */
    uint32_t n_step, capacity_step, n_state, capacity_state;
    int failed;
};

/* State 0: before, state 1: found. failed: more than REGEX_STATES states, or the compilation has ended. */
void nfa_make(struct nfa *a, const struct regex *r);
void nfa_free(struct nfa *a); /* zeroed: nothing */

#endif
