/* Letters that some classes of code points do not tell apart: product.c.
 *
 * The ends of all ranges cut the code points into stretches; stretches that lie in the same classes are one kind. \p{L} has hundreds
 * of ranges, but alone it makes two kinds: letters and others. */
#ifndef TEXT_REGEX_LETTERS_H
#define TEXT_REGEX_LETTERS_H

#include "text/grammar/compile.h"
#include "text/grammar/grammar.h"

/* A class: ranges in any order, which may overlap. */
struct letter_class {
    const struct grammar_range *range;
    uint32_t n;
};

struct letter_kinds {
    struct compile *compile;
    uint32_t n_kind;
    uint32_t n_stretch;
    uint32_t *begin;          /* [n_stretch + 1] the first code point of each stretch */
    uint32_t *kind;           /* [n_stretch] */
    uint32_t *first, *member; /* stretches by kind: member[first[k] .. first[k + 1]), ascending */
};

/* -1: the compilation has ended. */
int letters_make(struct letter_kinds *l, struct compile *compile, const struct letter_class *class, uint32_t n);
void letters_free(struct letter_kinds *l);
/* Kinds of a class, each once: [n_kind] out; how many. -1: the compilation has ended. */
int64_t letters_of_class(const struct letter_kinds *l, const struct letter_class *class, uint32_t *out);
uint32_t letters_kind(const struct letter_kinds *l, uint32_t code_point);

#endif
