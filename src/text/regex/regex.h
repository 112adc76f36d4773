/* Patterns: the part of ECMA-262 that constraints.md 5 lists, in Unicode mode. */
#ifndef TEXT_REGEX_REGEX_H
#define TEXT_REGEX_REGEX_H

#include "text/grammar/grammar.h"

/* The texts of a pattern of n bytes of UTF-8 (at most 64 KiB), which is not kept. whole 1: the text must match from end to end, as if it
 * were ^(?:pattern)$; 0: it must hold a match (search). Errors (syntax, look-around, back references, too many states) stay in the
 * maker. */
grammar_expr regex_parse(struct grammar_maker *m, const char *pattern, size_t n, int whole);

#endif
