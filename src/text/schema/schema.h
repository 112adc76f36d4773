/* JSON Schema as a grammar: constraints.md 2 and 3.
 *
 * A schema is opened for one maker (grammar/grammar.h); its values become expressions of that maker, and definitions that are used in
 * several locations become one rule. Messages name the location by JSON pointer: "schema error at #/properties/x: ...". */
#ifndef TEXT_SCHEMA_SCHEMA_H
#define TEXT_SCHEMA_SCHEMA_H

#include "text/grammar/grammar.h"

struct compile;
struct schema;
struct terms; /* the schemas that one value has to fit, all of them */

/* How values are written. The languages of numbers and the order of keys are the same in all. */
enum schema_syntax {
    SCHEMA_JSON,
    SCHEMA_PYTHON, /* JSON with True, False, None */
    SCHEMA_GEMMA /* bare keys in order of their names, strings between quotes that are tokens, no escapes, no white space */
};

/* White space between tokens. */
enum schema_white {
    SCHEMA_ANY_SPACE, /* what JSON allows, of bounded length: constraints.md 3 */
    SCHEMA_COMPACT,   /* none */
    SCHEMA_SPACED /* a blank behind : and , as templates print JSON: an answer that comes back is the tokens that were sampled */
};

/* Strings that had too many states, and those that were made; the schemas of a request's tools ask for the same ones again. For schemas
 * of one maker that are open together. Begins empty; the oldest goes. */
enum { SCHEMA_LARGE = 64 };
struct schema_large {
    struct {
        uint64_t key;
        int64_t max_length;
    } at[SCHEMA_LARGE];
    struct {
        const struct schema_node *const *at; /* [n] patterns and formats */
        size_t n;
        int64_t min, max;
        grammar_expr e;
    } content[SCHEMA_LARGE];
    struct {
        grammar_expr inside, call;
        int quoted;
    } rule[SCHEMA_LARGE];
    uint32_t n, n_content, n_rule; /* that were put there */
};

struct schema_options {
    int strict; /* 1: a keyword that cannot be enforced is an error; 0: it is left out, with a warning */
    int object; /* 1: a value of the whole schema must be an object besides: arguments of a call */
    enum schema_white white;
    enum schema_syntax syntax;
    int32_t quote;        /* SCHEMA_GEMMA: the token of <|"|>, or -1: its text */
    const char *location; /* put before '#' in messages, for example "tools[3].function.parameters"; or NULL */
    size_t most_bytes;    /* of the text; 0: 1 MiB */
    int32_t most_nodes;   /* of the compiled schema; 0: 10000 */
    struct compile
        *compile; /* limits, which outlive the schema; NULL: those of the maker, or without one the defaults */
    struct schema_large *large; /* of several schemas, which it outlives; NULL: nothing is remembered */
};

/* Reads n bytes of text, which are not kept, and checks their form. schema_close() frees *out; the maker, and how->location, must outlive
 * it. m may be NULL for a schema of which no expressions are made. -1: ERR_INPUT: not JSON, not an object or boolean, too long, nested
 * deeper than 2048; or the compilation has ended. One thread at a time uses a schema. */
int schema_open(struct schema **out, struct grammar_maker *m, const char *text, size_t n,
                const struct schema_options *how, struct error *err);
void schema_close(struct schema *s); /* NULL: nothing. Expressions stay with the maker */

/* The texts of a value that fits the schema at a JSON pointer into the document ("": the whole), without white space around it, as an
 * expression of the maker, in which errors stay. */
grammar_expr schema_value(struct schema *s, const char *pointer);

/* ---- for formats that write the members of an object one by one -------------------------------------------------------------- */

struct schema_members {
    const char *between; /* two members */
    int others;          /* 0: no member is written that is not declared or required */
    grammar_expr begin;  /* what stands before a name */
    /* What follows a name: its value, and what ends the member. name NULL: one that is not declared. value NULL: any. The expression
     * without texts: there is no such member. */
    grammar_expr (*behind)(void *arg, const char *name, size_t n, const struct terms *value);
    void *arg;
};
/* The members of the objects that fit the whole schema, which was opened with `object`: as schema_value(), but without brackets, names
 * as they are, and with what struct schema_members says instead of JSON's marks. Names that are not declared are of A-Z a-z 0-9 _ - and
 * the point. */
grammar_expr schema_object_members(struct schema *s, const struct schema_members *how);
/* A value, as schema_value() writes it; the expression without texts: there is none. */
grammar_expr schema_terms(struct schema *s, const struct terms *value);

/* Strings between tags: their characters as they are, without quotes and escapes. */
struct schema_text {
    const char
        *stop; /* follows the text, and does not occur in it; no character of it means anything else in a pattern */
    const char *barred; /* pattern of texts that would not be read back as this string; NULL: none */
    /* 1: barred texts are recognised by more than their ends, so long lengths cannot be counted in pieces; 0: they are among those
     * that begin with one of never_first or end with one of never_last. */
    int by_text;
    const char *never_first, *never_last; /* at most 4 ASCII characters each, or NULL */
    /* A string of enum or const, which may hold stop. -1: it would not be read back. */
    grammar_expr (*written)(void *arg, const char *text, size_t n);
    void *arg;
};
/* A value in two parts: strings, as how says, and the others as JSON; -1: there is none. others NULL: not made. */
void schema_parts(struct schema *s, const struct terms *value, const struct schema_text *how, grammar_expr *strings,
                  grammar_expr *others);

/* The sentence about the i-th keyword, from 0, that was left out so far; NULL: there is none. It lives as long as the schema. */
const char *schema_warning(const struct schema *s, size_t i);

enum schema_type {
    SCHEMA_NULL = 1,
    SCHEMA_BOOLEAN = 2,
    SCHEMA_INTEGER = 4,
    SCHEMA_NUMBER = 8,
    SCHEMA_STRING = 16,
    SCHEMA_ARRAY = 32,
    SCHEMA_OBJECT = 64,
    SCHEMA_ANY = 127 /* the schema does not say */
};

/* Types, enum schema_type, that a value may have, by type, else anyOf or oneOf, else enum or const; SCHEMA_ANY: the schema does not
 * say. */
unsigned schema_types(struct schema *s, const struct terms *value);
/* 1: whether a value fits depends on nothing but its type. */
int schema_says_types_only(struct schema *s, const struct terms *value);

#endif
