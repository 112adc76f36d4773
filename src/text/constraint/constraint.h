/* Constraints: which tokens may come next. Made of a grammar (grammar/grammar.h), triggers that start it, if any, a vocabulary, and the
 * limit of an answer.
 *
 *     token_trie     vocabulary as a trie, once a tokenizer, shared                          token_trie.c
 *     constraint     grammar + triggers + caches, one request or many                        constraint.c
 *     constraint_state   where one answer is: mask -> pick -> accept
 *
 * Without phases the text must belong to entry 0 of the grammar from its first token on, and ends with it. With phases (lazy) text
 * is free until a trigger is complete, then governed by that trigger's entry, then free again in the phase that it names:
 *
 *     phase 0 (reasoning)  trigger "</think>" -> phase 1
 *     phase 1 (answer)     trigger "<tool_call>" -> entry 0, then phase 1 (or end: only the end of generation)
 *
 * A trigger may become complete inside a token: tokens whose rest is illegal are masked. Masks are sets: they depend on the text
 * so far and on the tokens left, not on caches, nor on the pieces in which they are computed. Address space is reserved when a
 * constraint is made; mask and accept allocate nothing, but use more pages of it as they need them, as far as the budget goes. A
 * constraint and all its states belong to one thread at a time. constraints.md 1, 6 and 7. */
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
    const char *text; /* n bytes, copied; NULL: token instead */
    size_t n;
    int32_t token; /* used where text is NULL: complete with this token */
    int at_start;  /* 1: counts only as the first text of the phase */
    int entry;     /* of the grammar, governs what follows; -1: none, only the phase changes */
    int next;      /* phase behind the entry's text, or at once when there is no entry; CONSTRAINT_END */
};

struct constraint_phase {
    const struct constraint_trigger *trigger; /* [n_trigger], copied */
    size_t n_trigger;
    int must; /* 1: the text may not end in this phase: a trigger has to come */
};

/* Memory that the constraints of one engine share: what they hold once they are compiled, which their owner takes and gives back, and
 * what running ones need beyond constraint_start_bytes(). */
struct constraint_budget {
    atomic_size_t left; /* bytes */
    /* Called by a running constraint that finds too little left, in its thread: 1: memory was freed, try again; 0: none can be freed.
     * May be NULL: none can be. */
    int (*reclaim)(void *arg);
    void *arg;
};

struct constraint_options {
    const struct constraint_phase *phase; /* [n_phase], copied; n_phase 0: not lazy */
    size_t n_phase;
    int close_at_limit; /* 1: masks steer the text to its end before the tokens run out (`left` of constraint_mask()) */
    struct constraint_budget *budget; /* outlives the constraint; NULL: it may take what it may hold at most */
    struct compile *compile;          /* the same limits as the grammar's (grammar_begin()); NULL: the defaults */
};

/* Takes the grammar over (it is freed with the constraint, and on failure); g is not NULL. The caller owns *out; the trie is shared and
 * must outlive it. After success the compilation still counts constraint_held_bytes(); after failure nothing. -1: ERR_INPUT (a grammar
 * of more than 28 MiB, a trigger or a compilation beyond its limits), ERR_CANCELLED, ERR_MEMORY. */
int constraint_create(struct constraint **out, const struct token_trie *trie, struct grammar *g,
                      const struct constraint_options *how, struct error *err);
void constraint_destroy(struct constraint *c);       /* and its states; NULL: nothing */
size_t constraint_bytes(const struct constraint *c); /* bytes that it may hold at most, caches included */
/* Bytes that it holds from its creation to its end, with states or without: the grammar, tables of its rules and states, triggers and
 * distances. States need constraint_start_bytes() besides. */
size_t constraint_held_bytes(const struct constraint *c);
/* Bytes that the first state of a constraint takes from the budget, and the last one gives back. More is taken as masks need it. */
size_t constraint_start_bytes(const struct token_trie *trie);

/* Tokens of the shortest text from the beginning, its end token not counted; 0 where nothing needs to come. INT64_MAX: none was found
 * below some 67 million, where counting ends. Computed by constraint_create(): any thread may ask. */
int64_t constraint_shortest(const struct constraint *c);

/* The state of an answer without any text. The constraint owns it and must outlive it; constraint_end() frees it. At most
 * CONSTRAINT_STATES of a constraint at a time: one more is ERR_INPUT. -1 also: ERR_MEMORY. */
enum { CONSTRAINT_STATES = 256 };
int constraint_begin(struct constraint_state **out, struct constraint *c, struct error *err);
void constraint_end(struct constraint_state *s); /* NULL: nothing */
/* dst becomes equal to src; both of one constraint. Constant time. */
void constraint_copy(struct constraint_state *dst, const struct constraint_state *src);

/* allowed: [n_vocab] out, 1 = may come next, sampleable tokens only. left: tokens that may still be sampled, the end token
 * included; used with close_at_limit. Returns the number of allowed tokens, or -1: the grammar is too ambiguous (ERR_INPUT), no token is
 * allowed (ERR_BUG), or the text outgrew the memory of the constraint (ERR_MEMORY). */
int constraint_mask(struct constraint_state *s, int64_t left, uint8_t *allowed, struct error *err);

/* The same in pieces, for a thread that has other things to do as well. CONSTRAINT_AGAIN: `work` is used up and the mask is not finished;
 * allowed is unchanged: call again with the same state and left. Work is counted, not timed: a unit is some 10 ns, and a call does at most
 * CONSTRAINT_STEP more than `work`.
 *
 * One mask of a constraint is unfinished at a time. A call for another state first continues that one with its own work, and keeps the
 * result for the state that it is of; if that mask is not finished then, the call returns CONSTRAINT_AGAIN too. Meanwhile every other call
 * is allowed, for any state. constraint_accept(), constraint_copy() to it, another left and constraint_end() give up a state's own
 * unfinished mask at once; it begins anew where another state's text uses up the constraint's memory. */
enum { CONSTRAINT_AGAIN = -2, CONSTRAINT_STEP = 1 << 18 };
#define CONSTRAINT_MS UINT64_C(100000) /* work of a millisecond, about */
int constraint_mask_some(struct constraint_state *s, int64_t left, uint8_t *allowed, uint64_t work, struct error *err);
/* Work that the last call of constraint_mask() or constraint_mask_some() has done in this constraint. */
uint64_t constraint_work(const struct constraint *c);

/* Appends the token to the text. -1 with ERR_BUG: it was not allowed; the state is as before. */
int constraint_accept(struct constraint_state *s, int32_t token, struct error *err);

/* Appends text that need not be tokens, without end tokens. 1: done; 0: it does not follow, and the state holds what
 * does; -1: as masks. */
int constraint_accept_text(struct constraint_state *s, const char *text, size_t n, struct error *err);

/* What has to come next, behind [n_behind] bytes that may follow: text [n <= most], n returned, where the text can go on in one way only; 0
 * also where they do not follow. *token: and behind it this token, which is read whole; -1: there is a choice, or the end, or it was not
 * looked at. *work: at most so much and one step; out: what it took. Nothing changes; of a text that is forced for long it is a beginning,
 * which may be shorter where memory is short. */
size_t constraint_certain(const struct constraint_state *s, const char *behind, size_t n_behind, char *text,
                          size_t most, int32_t *token, uint64_t *work);

int constraint_complete(const struct constraint_state *s); /* 1: the text may end here */
int constraint_finished(const struct constraint_state *s); /* 1: the text may end here and cannot go on */
int constraint_forced(const struct constraint_state *s);   /* 1: the limit has removed tokens from a mask: "length" */
int constraint_phase_of(const struct constraint_state *s); /* -1: inside a governed text (or not lazy) */

#endif
