/* Grammars: a language of texts, put together from expressions and compiled to rules of small automata with a stack.
 *
 * GBNF (gbnf.h), JSON Schema (schema/schema.h), patterns (regex/regex.h) and tool-call formats all come through here. The
 * alphabet is the bytes of well-formed UTF-8 and whole tokens. A maker hands out expressions; they may be used any number of times, and
 * die with the maker:
 *
 *     m = grammar_begin(NULL);
 *     call = grammar_rule(m, "call");
 *     grammar_define(m, call, grammar_sequence(m, (grammar_expr[]){...}, 3));
 *     grammar_finish(m, (grammar_expr[]){grammar_call(m, call)}, 1, &g, err)     the maker is gone, also on failure
 *
 * The first error stays in the maker and comes out of grammar_finish(): expressions need no checks in between.
 * Definition: constraints.md of the specification. */
#ifndef TEXT_GRAMMAR_GRAMMAR_H
#define TEXT_GRAMMAR_GRAMMAR_H

#include <stddef.h>
#include <stdint.h>

struct compile;
struct error;
struct grammar;       /* compiled, read-only: threads may share it */
struct grammar_maker; /* under construction, one thread */

typedef int32_t grammar_expr;

enum { GRAMMAR_MANY = -1 }; /* no upper bound of a repetition */

/* Code points first..last. */
struct grammar_range {
    uint32_t first, last;
};

/* compile: limits (compile.h) of everything up to grammar_finish(), and of the constraint that is made of the grammar; it must live
 * until then. NULL: limits of its own. Returns NULL where there is no memory for it: compile says why. */
struct grammar_maker *grammar_begin(struct compile *compile);
/* The maker's compile, never NULL: for front ends; lives as long as the maker. */
struct compile *grammar_handle(const struct grammar_maker *m);
void grammar_abandon(struct grammar_maker *m); /* frees it without a result; NULL: nothing */

/* Expressions are numbers of one maker, which copies what it is given. Where something is wrong the maker keeps the error, and the
 * number that is returned may be passed on. */

/* These bytes. Not well-formed UTF-8 as a whole: an error. n 0: the empty text. */
grammar_expr grammar_text(struct grammar_maker *m, const char *text, size_t n);
/* One code point of the ranges (any order, may overlap); negated: one that is in none. No surrogates. */
grammar_expr grammar_class(struct grammar_maker *m, const struct grammar_range *range, size_t n, int negated);
/* One behind the other; n 0: the empty text. */
grammar_expr grammar_sequence(struct grammar_maker *m, const grammar_expr *part, size_t n);
/* One of them; n 0: nothing at all, not even the empty text. */
grammar_expr grammar_choice(struct grammar_maker *m, const grammar_expr *part, size_t n);
/* min to max times; max GRAMMAR_MANY: no bound. Above a few times it is a counter, not copies. */
grammar_expr grammar_repeat(struct grammar_maker *m, grammar_expr e, int32_t min, int32_t max);
grammar_expr grammar_optional(struct grammar_maker *m, grammar_expr e);

/* An automaton whose steps are expressions: the texts along all ways from state 0 to state 1. Steps of the empty text join states.
 * Nothing in it may begin with a call of the rule that it is in. */
struct grammar_step {
    uint32_t from, to; /* < n_state */
    grammar_expr e;
};
grammar_expr grammar_machine(struct grammar_maker *m, uint32_t n_state, const struct grammar_step *step, size_t n);

/* The token of this id, whatever its text: markers. Texts do not match control tokens, only this does. */
grammar_expr grammar_token(struct grammar_maker *m, int32_t id);
/* Any one token that is text, except this one. */
grammar_expr grammar_other_token(struct grammar_maker *m, int32_t id);

/* Any text up to and with the first occurrence of stop, 1 to 1024 bytes: bodies of tagged values. */
grammar_expr grammar_until(struct grammar_maker *m, const char *stop, size_t n);
/* Any text in which stop, 1 to 1024 bytes, does not occur, also not across its end when stop follows it. */
grammar_expr grammar_without(struct grammar_maker *m, const char *stop, size_t n);

/* Rules: for recursion, and so that what is used often is compiled once. grammar_rule() returns a new one's number. The name is for
 * messages, copied; may be NULL. Each is defined once, before or after it is called. */
int32_t grammar_rule(struct grammar_maker *m, const char *name);
void grammar_define(struct grammar_maker *m, int32_t rule, grammar_expr e);
grammar_expr grammar_call(struct grammar_maker *m, int32_t rule);

/* 1: the expression has a text, 0: none (or only endless ones). Looks at everything made so far. */
int grammar_has_text(struct grammar_maker *m, grammar_expr e);

/* The sentence of the first error so far, NULL: none. The maker owns it. */
const char *grammar_problem(const struct grammar_maker *m);
/* These three record an error, unless there is one already, and return an expression that may be passed on. The compilation has ended
 * (compile.h). */
grammar_expr grammar_ended(struct grammar_maker *m);
/* An error of a front end, ERR_INPUT. */
grammar_expr grammar_fail(struct grammar_maker *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The field of the error, as error_field(); nothing where there is no error. */
void grammar_error_field(struct grammar_maker *m, const char *field);
/* "no memory for WHAT", ERR_MEMORY: of memory that the compilation does not count. */
grammar_expr grammar_no_memory(struct grammar_maker *m, const char *what);

/* Compile: entry[i] is the language that a constraint may begin with as number i. ERR_INPUT with a sentence: a rule without a
 * definition, left recursion, a language without a single text, too big; ERR_CANCELLED and ERR_MEMORY: the compilation has ended. Frees
 * the maker in any case. The caller owns *out until a constraint takes it over. */
int grammar_finish(struct grammar_maker *m, const grammar_expr *entry, size_t n_entry, struct grammar **out,
                   struct error *err);
void grammar_free(struct grammar *g);          /* NULL: nothing */
size_t grammar_bytes(const struct grammar *g); /* bytes held */

#endif
