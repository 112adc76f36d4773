/* GBNF, the grammar notation of the common engine: constraints.md 4. */
#ifndef TEXT_GRAMMAR_GBNF_H
#define TEXT_GRAMMAR_GBNF_H

#include "text/grammar/grammar.h"

struct tokenizer;

/* The language of rule "root" of n bytes of text (at most 1 MiB), which is not kept, as an expression of m. Errors name line and column and
 * stay in the maker, which reports them in grammar_finish(). t: for <text> and <[id]>, used during the call; NULL: they are errors. */
grammar_expr gbnf_parse(struct grammar_maker *m, const char *text, size_t n, const struct tokenizer *t);

#endif
