/* Constraints: which tokens may come next. A grammar (grammar/grammar.h) or none, triggers that start it, a vocabulary, and the limit.
 *
 *     token_trie     vocabulary as a trie, once a tokenizer, shared                          token_trie.c
 *     constraint     grammar + triggers + caches, one request or many                        constraint.c
 *     constraint_state   where one answer is: mask -> pick -> accept
 *
 * Without phases the text is governed from its first token by entry 0 of the grammar and ends with it. With phases (lazy) text
 * is free until a trigger is complete, then governed by that trigger's entry, then free again in the phase that it names:
 *
 *     phase 0 (reasoning)  trigger "</think>" -> phase 1
 *     phase 1 (answer)     trigger "<tool_call>" -> entry 0, then phase 1 (or end: only the end of generation)
 *
 * A trigger may become complete inside a token: tokens whose rest is illegal are masked. Masks are sets: they depend on the text
 * so far and on the tokens left, not on caches, nor on the pieces in which they are computed. Address space is reserved when a
 * constraint is made; mask and accept allocate nothing, but touch more of it as they need it, as far as the budget goes. A
 * constraint, its states and their calls belong to one thread at a time. constraints.md 1, 6 and 7. */
#ifndef TEXT_CONSTRAINT_CONSTRAINT_H
#define TEXT_CONSTRAINT_CONSTRAINT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct compile;
struct constraint;
struct constraint_state;
struct error;
struct grammar;
struct token_trie;
struct tokenizer;

/* The tokens of a vocabulary that may be chosen by their text. The caller owns *out; the tokenizer must outlive it. Read-only once it
 * is made: threads may share it. -1: ERR_MEMORY. */
int token_trie_create(struct token_trie **out, const struct tokenizer *t, struct error *err);
void token_trie_destroy(struct token_trie *trie);       /* NULL: nothing */
size_t token_trie_bytes(const struct token_trie *trie); /* memory held */

enum { CONSTRAINT_END = -1 }; /* a phase number: nothing but the end of generation */

struct constraint_trigger {
    const char *text; /* or NULL; n bytes, copied */
    size_t n;
    int32_t token; /* used where text is NULL: complete with this token */
    int at_start;  /* counts only as the first text of the phase */
    int entry;     /* of the grammar, governs what follows; -1: none, only the phase changes */
    int next;      /* phase behind the entry's text, or at once when there is no entry; CONSTRAINT_END */
};

struct constraint_phase {
    const struct constraint_trigger *trigger;
    size_t n_trigger;
    int must; /* 1: the text may not end in this phase: a trigger has to come */
};

/* Memory that the constraints of one engine share: what they hold once they are compiled, which their owner takes and gives back, and
 * what running ones need beyond constraint_start_bytes(). */
struct constraint_budget {
    atomic_size_t left; /* bytes */
    /* Asked by a running constraint that finds too little left: 1: more is left now; 0: nobody can do without. May be NULL. */
    int (*reclaim)(void *arg);
    void *arg;
};

struct constraint_options {
    const struct constraint_phase *phase; /* [n_phase], copied; n_phase 0: not lazy */
    size_t n_phase;
    int close_at_limit;
    struct constraint_budget *budget; /* outlives it; NULL: each may take what it may hold at most */
    struct compile *compile;          /* limits, those of the grammar (grammar_begin()); NULL: others, the defaults */
};

/* Takes the grammar over (it is freed with the constraint, and on failure). The caller owns *out; the trie is shared and must outlive
 * it. What is counted in the compilation when it succeeds is constraint_held_bytes(); on failure nothing of this constraint is. -1:
 * ERR_INPUT (a grammar of more than 28 MiB, a trigger or a compilation beyond its limits), ERR_CANCELLED, ERR_MEMORY. */
int constraint_create(struct constraint **out, const struct token_trie *trie, struct grammar *g,
                      const struct constraint_options *how, struct error *err);
void constraint_destroy(struct constraint *c);       /* and its states; NULL: nothing */
size_t constraint_bytes(const struct constraint *c); /* bytes that it may hold at most, caches included */
/* Bytes that its making left behind, and that it holds as long as it lives, with states or without: the grammar, what is known of
 * each rule and state of it, triggers and distances. What states need comes on top: constraint_start_bytes(). */
size_t constraint_held_bytes(const struct constraint *c);
/* Bytes with which a constraint with states begins, beside what it holds without them; it takes more from the budget. The first state
 * takes it, and the last one gives it back. */
size_t constraint_start_bytes(const struct token_trie *trie);

/* Tokens of the shortest text from the beginning, its end token not counted; 0 where nothing needs to come. INT64_MAX: none was found
 * below some 67 million, where counting ends. Found when the constraint was made: any thread may ask. */
int64_t constraint_shortest(const struct constraint *c);

/* The state of an answer without any text. The constraint owns it and must outlive it; constraint_end() frees it. At most
 * CONSTRAINT_STATES of a constraint at a time: one more is ERR_INPUT. -1 also: ERR_MEMORY. */
enum { CONSTRAINT_STATES = 256 };
int constraint_begin(struct constraint_state **out, struct constraint *c, struct error *err);
void constraint_end(struct constraint_state *s); /* NULL: nothing */
/* dst becomes equal to src; both of one constraint. Constant time. */
void constraint_copy(struct constraint_state *dst, const struct constraint_state *src);

/* allowed: [n_vocab] out, 1 = may come next, sampleable tokens only. left: tokens that may still be sampled, the end token
 * included; used with close_at_limit. Returns the number of allowed tokens, or -1: the
 * grammar is too ambiguous (ERR_INPUT), nothing is left (ERR_BUG), or the text outgrew the memory of the constraint (ERR_MEMORY). */
int constraint_mask(struct constraint_state *s, int64_t left, uint8_t *allowed, struct error *err);

/* The same in pieces, for a thread that has other things to do as well. CONSTRAINT_AGAIN: so much work was done and nothing is
 * decided, allowed is not touched: call again with the same state and left. Work is counted, not timed: a unit is some 10 ns, a
 * piece goes beyond what it was given by CONSTRAINT_STEP at most.
 *
 * One mask of a constraint is unfinished at a time. A call for another state first drives that one on, for its own work, and keeps the
 * result for who wanted it; where that does not end, it returns CONSTRAINT_AGAIN too. Meanwhile every other call is safe, for any
 * state. constraint_accept(), constraint_copy() to it, another left and constraint_end() give up a state's own unfinished mask at
 * once, and a constraint whose memory is used up by another state's text begins it anew. */
enum { CONSTRAINT_AGAIN = -2, CONSTRAINT_STEP = 1 << 18 };
#define CONSTRAINT_MS UINT64_C(100000) /* work of a millisecond, about */
int constraint_mask_some(struct constraint_state *s, int64_t left, uint8_t *allowed, uint64_t work, struct error *err);
/* Work that the last of these calls has done, in this constraint. */
uint64_t constraint_work(const struct constraint *c);

/* The token becomes part of the text. -1, ERR_BUG: it was not allowed; the state is as before. */
int constraint_accept(struct constraint_state *s, int32_t token, struct error *err);

int constraint_complete(const struct constraint_state *s); /* 1: the text may end here */
int constraint_finished(const struct constraint_state *s); /* 1: the text may end here and cannot go on */
int constraint_forced(const struct constraint_state *s);   /* 1: the limit took a choice away: the end is "length" */
int constraint_phase_of(const struct constraint_state *s); /* -1: inside a governed text (or not lazy) */

#endif
