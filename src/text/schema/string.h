/* What strings are made of between quotes (string.c) and between tags (tagged_string.c): lengths and patterns. */
#ifndef TEXT_SCHEMA_STRING_H
#define TEXT_SCHEMA_STRING_H

#include "text/schema/inner.h"

struct string_patterns {
    struct regex *r;
    const struct regex **list;
    const struct schema_node **at;
    size_t n, n_barred; /* the barred ones, which the schema does not have, are behind the n others */
};

enum { STRING_BARRED = 2 };

/* What a format is as a pattern; NULL: an annotation. */
const char *string_format(const struct schema_node *format);

/* The patterns and formats of all terms, once each, and space for STRING_BARRED more. -1: an error. string_forget() in any case. */
int string_collect(struct shape *x, struct string_patterns *p);
void string_forget(struct string_patterns *p);

/* 1: no length is between those of the schemas of the place, and the expression that says so. */
int string_no_length(const struct shape *x);
grammar_expr string_no_length_left(struct shape *x);

/* max -1: no bound. */
grammar_expr string_repeated(struct schema *s, grammar_expr code_point, int64_t min, int64_t max);
/* Of all patterns, barred ones too, and lengths. -1: more than REGEX_STATES states. */
grammar_expr string_product(struct shape *x, struct string_patterns *p, const struct regex_code_points *code_points);
/* The same where none is barred, counted where that is possible. code_point: any of them, as it is written; -1: there are patterns. */
grammar_expr string_content(struct shape *x, struct string_patterns *p, const struct regex_code_points *code_points,
                            grammar_expr code_point);
/* A rule of the content with what stands around it. */
grammar_expr string_rule(struct shape *x, const struct string_patterns *p, grammar_expr inside, int quoted);

#endif
