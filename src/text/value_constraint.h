/* An answer that is one value: JSON of a schema, a text of a GBNF grammar, a match of a pattern; reasoning may come before. */
#ifndef TEXT_VALUE_CONSTRAINT_H
#define TEXT_VALUE_CONSTRAINT_H

#include "text/constraint.h"
#include "text/tool_grammar.h"

enum value_kind { VALUE_NONE, VALUE_SCHEMA, VALUE_SCHEMA_LENIENT, VALUE_GBNF, VALUE_REGEX };

struct value_want {
    enum value_kind kind;
    const char *text; /* n bytes: the schema, the grammar or the pattern */
    size_t n;
    const struct tool_format *format; /* whose reasoning tags; NULL: none */
    enum tool_reasoning reasoning;
    int free_limit;
    struct constraint_budget *budget; /* may be NULL */
    struct compile *compile;          /* limits; NULL: the defaults of compile.h */
};

/* The value alone, as an expression of this maker, whose limits it has. -1: *err; what the maker's own errors are, it tells when it is
 * finished. warning as below. */
int value_expr(struct grammar_maker *m, const struct tokenizer *t, const struct value_want *w,
               void (*warning)(void *arg, const char *text), void *arg, grammar_expr *out, struct error *err);

/* warning: called with a sentence for each keyword of a lenient schema that is left out; may be NULL. ERR_INPUT says what is wrong
 * and where: "schema error at #/...", "grammar, line 1, column 9: ...", "pattern: ...". */
int value_constraint(struct constraint **out, const struct tokenizer *t, const struct token_trie *trie,
                     const struct value_want *w, void (*warning)(void *arg, const char *text), void *arg,
                     struct error *err);

#endif
