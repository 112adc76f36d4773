/* Code points that some classes of code points do not tell apart: product.c.
 *
 * The ends of all ranges cut the code points into stretches; stretches that lie in the same classes are one kind. \p{L} has hundreds
 * of ranges, but alone it makes two kinds: code points and others. */
#ifndef TEXT_REGEX_CODE_POINTS_H
#define TEXT_REGEX_CODE_POINTS_H

#include "text/grammar/compile.h"
#include "text/grammar/grammar.h"

/* A class: ranges in any order, which may overlap. */
struct code_point_class {
    const struct grammar_range *range;
    uint32_t n;
};

struct code_point_kinds {
    struct compile *compile;
    uint32_t n_kind;
    uint32_t n_stretch;
    uint32_t *begin;          /* [n_stretch + 1] the first code point of each stretch */
    uint32_t *kind;           /* [n_stretch] */
    uint32_t *first, *member; /* stretches by kind: member[first[k] .. first[k + 1]), ascending */
};

/* -1: the compilation has ended. */
int code_points_make(struct code_point_kinds *l, struct compile *compile, const struct code_point_class *class,
                     uint32_t n);
void code_points_free(struct code_point_kinds *l);
/* Kinds of a class, each once: [n_kind] out; how many. -1: the compilation has ended. */
int64_t code_points_of_class(const struct code_point_kinds *l, const struct code_point_class *class, uint32_t *out);
uint32_t code_points_kind(const struct code_point_kinds *l, uint32_t code_point);

#endif
