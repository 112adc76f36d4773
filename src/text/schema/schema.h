/* JSON Schema as a grammar: constraints.md 2 and 3.
 *
 * A schema is opened for one maker (grammar/grammar.h); its values become expressions of that maker, and definitions that are used in
 * several locations become one rule. Messages name the location by JSON pointer: "schema error at #/properties/x: ...". */
#ifndef TEXT_SCHEMA_SCHEMA_H
#define TEXT_SCHEMA_SCHEMA_H

#include "text/grammar/grammar.h"

struct compile;
struct schema;

/* How values are written. The languages of numbers and the order of keys are the same in all. */
enum schema_syntax {
    SCHEMA_JSON,
    SCHEMA_PYTHON, /* JSON with True, False, None */
    SCHEMA_GEMMA /* bare keys in order of their names, strings between quotes that are tokens, no escapes, no white space */
};

/* White space between tokens. */
enum schema_white {
    SCHEMA_ANY_SPACE, /* what JSON allows, within reason */
    SCHEMA_COMPACT,   /* none */
    SCHEMA_SPACED /* a blank behind : and , as templates print JSON: an answer that comes back is the tokens that were sampled */
};

struct schema_options {
    int strict; /* a keyword that cannot be enforced is an error; else it is left out, with a warning */
    int object; /* whatever the schema says, a value of the whole is an object: arguments of a call */
    enum schema_white white;
    enum schema_syntax syntax;
    int32_t quote;        /* SCHEMA_GEMMA: the token of <|"|>, or -1: its text */
    const char *location; /* put before '#' in messages, for example "tools[3].function.parameters"; or NULL */
    size_t most_bytes;    /* of the text; 0: 1 MiB */
    int32_t most_nodes;   /* of the compiled schema; 0: 10000 */
    struct compile *compile;
};

/* Reads n bytes of text, which are not kept, and checks their form. schema_close() frees *out; the maker, and how->location, must outlive
 * it. m may be NULL for a schema that is only asked about; how->compile: its limits, NULL: those of m, or of its own. -1: ERR_INPUT:
 * not JSON, not an object or boolean, too long, nested deeper than 2048; or the compilation has ended. */
int schema_open(struct schema **out, struct grammar_maker *m, const char *text, size_t n,
                const struct schema_options *how, struct error *err);
void schema_close(struct schema *s); /* NULL: nothing. Expressions stay with the maker */

/* The texts of a value that fits the schema at a pointer into the document ("": the whole), without white space around it.
 * Errors stay in the maker. */
grammar_expr schema_value(struct schema *s, const char *pointer);

/* 1: no object fits the schema, and *err says why; 0: one does, or the schema cannot be compiled for another reason. For formats
 * that write the members of an object without the object. */
int schema_bars_objects(const char *text, size_t n, const struct schema_options *how, struct error *err);

/* Keywords left out, as sentences: warning i, from 0, or NULL. They live as long as the schema. */
const char *schema_warning(const struct schema *s, size_t i);

/* ---- what formats that write parameters as tagged text ask ------------------------------------------------------------------ */

enum schema_type {
    SCHEMA_NULL = 1,
    SCHEMA_BOOLEAN = 2,
    SCHEMA_INTEGER = 4,
    SCHEMA_NUMBER = 8,
    SCHEMA_STRING = 16,
    SCHEMA_ARRAY = 32,
    SCHEMA_OBJECT = 64,
    SCHEMA_ANY = 127 /* nothing said */
};

struct schema_property {
    const char *name; /* UTF-8, n bytes; lives as long as the schema */
    size_t n;
    const char *pointer; /* for schema_value(); likewise */
    int required;
};

/* The declared properties of the object schema at a pointer, in order; required names that are not declared behind them (their
 * pointer is NULL: any value, or additionalProperties). allOf and $ref are looked through. Returns how many. */
size_t schema_properties(struct schema *s, const char *pointer, const struct schema_property **out);
/* Types that the schema at a pointer says its value may have (type, else anyOf/oneOf, else enum/const); SCHEMA_ANY: none said. */
unsigned schema_types(struct schema *s, const char *pointer);
/* 1: other names than the declared are allowed (additionalProperties said so, or nothing is declared). */
int schema_is_open(struct schema *s, const char *pointer);

#endif
