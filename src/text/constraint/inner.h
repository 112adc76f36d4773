/* What the files of a constraint share.
 *
 *   constraint.c   making, states, accept       state_mask.c        masks, with triggers and limit
 *   advance.c      a state goes on by a byte    memory.c            growing, forgetting, the budget
 *   trigger.c      where triggers are complete  completion.c        how far it is to the end */
#ifndef TEXT_CONSTRAINT_INNER_H
#define TEXT_CONSTRAINT_INNER_H

#include "base/error.h"
#include "text/constraint/constraint.h"
#include "text/constraint/mask.h"
#include "text/grammar/compile.h"

/* The triggers of a phase as one deterministic automaton over bytes. A state knows how much of each trigger may have begun. */
struct trigger_machine {
    struct constraint_trigger *trigger; /* [n] */
    uint32_t n;
    int must;
    uint16_t (*next)[256]; /* [n_state] */
    int16_t *done;         /* [n_state] the trigger that is complete, -1 none */
    uint16_t (*left)[2];   /* [n_state] the trigger that needs fewest bytes, and how many */
    uint32_t n_state;
    uint16_t start, middle; /* at the beginning of the phase; behind a token that is no text */
    struct trigger_mask {
        const uint32_t *token; /* [n] id * 2 + allowed: against the state "middle" */
        uint32_t n;
        uint32_t epoch; /* of the masks' memory; 0 not known */
    } * mask;           /* [n_state] */
};

struct constraint {
    struct compile *compile; /* while it is made; NULL from then on */
    const struct token_trie *trie;
    struct grammar *grammar;
    struct matcher matcher;
    struct masks masks;
    struct trigger_machine *phase; /* [n_phase] */
    uint32_t n_phase;
    int close_at_limit;
    uint32_t *start; /* [n_entry] sets, 0 not known */
    struct constraint_state *state[CONSTRAINT_STATES];
    struct constraint_state *making; /* whose mask has paused, NULL: nobody's */
    int running;                     /* a mask is being computed right now */
    struct coroutine *coroutine;     /* where it is computed */
    int64_t shortest;
    uint8_t expand[256][8]; /* bits to bytes */
    uint32_t epoch;         /* of the masks' memory, from 1 */
    struct completion *completion;
    struct constraint_budget *budget; /* or NULL */
    size_t more;                      /* taken from it, beyond constraint_start_bytes() */
    size_t counted;                   /* in the compilation, of reservations of matcher and masks */
};

/* A mask as it is made, and until it is handed out. */
struct made {
    int64_t left; /* for how many tokens */
    int done, failed, forced;
    struct error err;
    uint64_t bits[]; /* [trie->n_word] */
};

struct constraint_state {
    struct constraint *c;
    struct made *made; /* the state's own, whatever it is copied from */
    uint32_t set;      /* governed text */
    int32_t phase;     /* free text: >= 0; -1: governed; CONSTRAINT_OVER: only the end */
    int32_t next;      /* phase behind the governed text */
    uint16_t node;     /* of the phase's machine */
    int forced, ended;
};

enum { CONSTRAINT_GOVERNED = -1, CONSTRAINT_OVER = -2 };

/* trigger.c */
int trigger_build(struct trigger_machine *t, const struct constraint_phase *phase, struct compile *compile,
                  struct error *err);
void trigger_free(struct trigger_machine *t, struct compile *compile);
size_t trigger_bytes(const struct trigger_machine *t); /* allocated */
static inline int is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* memory.c */
enum { MATCHER_START = 512 << 10, MATCHER_MOST = 24 << 20, MASK_MOST = 12 << 20 }; /* bytes */
size_t constraint_mask_bytes(const struct token_trie *trie);                       /* of leaf masks, at the beginning */
size_t constraint_made_bytes(const struct token_trie *trie);                       /* of a state's own mask */
/* Bytes back to the budget; *taken becomes 0. */
void constraint_give_back(struct constraint *c, size_t *taken);
/* Without states nothing is kept but what was compiled. */
void constraint_release(struct constraint *c);
/* Forget a state's mask, finished or not. */
void constraint_drop_mask(struct constraint_state *s);
/* Run something that may fill the memory: once more after a collection. Masks collect before it is full, since they can pause while they
 * do; a step of a text hardly ever has to. -1: what it returned, or ERR_INPUT: too ambiguous, or ERR_MEMORY: there is no more. */
int constraint_retry(struct constraint *c, int (*what)(void *arg), void *arg, struct error *err);

/* advance.c */
uint32_t constraint_start(struct constraint *c, int entry); /* the set before any text of an entry */
void constraint_enter_phase(struct constraint_state *s, int32_t phase);
void constraint_fire(struct constraint_state *s, const struct constraint_trigger *t);
/* Governed text that is complete and cannot go on is over. */
void constraint_leave_if_over(struct constraint_state *s);
/* Text, byte by byte. -1: it cannot go on so. */
int constraint_feed(struct constraint_state *s, const char *text, size_t n);
/* The text may end here. */
int constraint_may_end(const struct constraint_state *s);

#endif
