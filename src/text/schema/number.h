/* Ranges of numbers as grammars.
 *
 * Every text is a number that JSON readers hold: digits alone are an integer within int64, anything else a finite double. */
#ifndef TEXT_SCHEMA_NUMBER_H
#define TEXT_SCHEMA_NUMBER_H

#include "text/grammar/grammar.h"

struct number_bound {
    const char *text; /* as in JSON; NULL: none */
    size_t n;
    int exclusive;
    /* the narrowest of the exclusive bounds, which the text may lie inside of; NULL: none is exclusive */
    const char *beyond;
    size_t n_beyond;
};

/* Integers low..high within int64. No such number: an expression without texts. */
grammar_expr number_integers(struct grammar_maker *m, const struct number_bound *low, const struct number_bound *high);
/* Decimals of at most 19 digits before the point, or as many as the bound next to zero has (308), and 20 behind it; with an exponent
 * only if there is no bound at all. They fit the bounds as they are and as doubles: 5.00000000000000000001 is not above 5 then. */
grammar_expr number_decimals(struct grammar_maker *m, const struct number_bound *low, const struct number_bound *high);

/* 1: there is such a number. Where compile has ended the answer means nothing. */
struct compile;
int number_exists(struct compile *compile, int integer, const struct number_bound *low,
                  const struct number_bound *high);

/* Integers within int64 that are multiples of a step 1..1000 between bounds. *possible 0: this cannot be written as a grammar. */
grammar_expr number_multiples(struct grammar_maker *m, uint32_t step, const struct number_bound *low,
                              const struct number_bound *high, int *possible);

#endif
