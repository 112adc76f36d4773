/* What an answer must be: one value, calls of tools, or either; each becomes a constraint of its tokens.
 *
 * A value: JSON of a schema, a text of a GBNF grammar, a match of a pattern; reasoning may come before.
 *
 * Calls: the language of a format's calls (tool_calls.md 8). Markers that are tokens of the vocabulary appear as these tokens only; the
 * arguments fit the tool's schema; white space is as the template writes it.
 *
 * What a struct *_want points to is read during the call, but for the budget and compile. */
#ifndef TEXT_ANSWER_ANSWER_H
#define TEXT_ANSWER_ANSWER_H

#include "text/constraint/constraint.h"
#include "text/grammar/grammar.h"
#include "text/tools/format.h"
#include "text/tools/list.h"

struct compile;

/* ---- one value ---- */

enum value_kind { VALUE_NONE, VALUE_SCHEMA, VALUE_SCHEMA_LENIENT, VALUE_GBNF, VALUE_REGEX };

struct value_want {
    enum value_kind kind;
    const char *text; /* n bytes: the schema, the grammar or the pattern */
    size_t n;
    const struct tool_format *format; /* whose reasoning tags; NULL: none */
    enum tool_reasoning reasoning;
    int free_limit;                   /* 1: the text is not steered to its end before the limit */
    const char *field;                /* what the request calls the schema, for sentences; NULL: nothing */
    struct constraint_budget *budget; /* may be NULL */
    struct compile *compile;          /* limits; NULL: the defaults of grammar/compile.h */
};

/* The value alone, without reasoning, as an expression of this maker, whose limits it has. -1: *err is set; errors that stay in the maker
 * come out of grammar_finish(). warning as below. */
int value_expr(struct grammar_maker *m, const struct tokenizer *t, const struct value_want *w,
               void (*warning)(void *arg, const char *text), void *arg, grammar_expr *out, struct error *err);

/* What is wrong with a value, without a vocabulary: errors as below, and where a grammar names tokens. */
int value_check(const struct value_want *w, struct error *err);

/* *out is the caller's: constraint_destroy(); the trie and w's budget outlive it. -1: *out is NULL. warning: called with arg and a sentence
 * for each keyword of a lenient schema that is left out; may be NULL. ERR_INPUT or ERR_UNSUPPORTED: what is wrong and where: "schema error
 * at #/...", "grammar, line 1, column 9: ...", "pattern: ..."; else the compilation has ended (grammar/compile.h). */
int value_constraint(struct constraint **out, const struct tokenizer *t, const struct token_trie *trie,
                     const struct value_want *w, void (*warning)(void *arg, const char *text), void *arg,
                     struct error *err);

/* ---- calls of tools ---- */

enum tool_choice { TOOL_CHOICE_NONE, TOOL_CHOICE_AUTO, TOOL_CHOICE_REQUIRED };

struct tool_want {
    const struct tool_format *format; /* tool_format_taught() for "none" */
    const struct tool_list *tools;
    enum tool_choice choice;
    const char *name;                /* TOOL_CHOICE_REQUIRED: this one; NULL: any */
    int parallel;                    /* 1: several calls in one answer are allowed */
    const struct value_want *answer; /* TOOL_CHOICE_AUTO: what an answer without calls must be; NULL: anything */
    enum tool_reasoning reasoning;
    int free_limit;                   /* 1: the text is not steered to its end before the limit */
    struct constraint_budget *budget; /* may be NULL */
    struct compile *compile;          /* limits; NULL: the defaults of grammar/compile.h */
    /* Called with a sentence for each keyword of a tool's lenient schema that is left out; may be NULL. */
    void (*warning)(void *arg, const char *text);
    void *warning_arg;
};

/* *out is the caller's: constraint_destroy(). trie is the tokenizer's; trie and w's budget outlive it. 0 with *out NULL: nothing is to be
 * constrained (no tools, or choice none). -1: *out is NULL. ERR_INPUT names the field: an unknown tool, a schema that nothing fits.
 * ERR_UNSUPPORTED: in this format a call cannot be told from such an answer. */
int tool_constraint(struct constraint **out, const struct tokenizer *t, const struct token_trie *trie,
                    const struct tool_want *w, struct error *err);

#endif
