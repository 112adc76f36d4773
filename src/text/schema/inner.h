/* What the files of schemas share.
 *
 *   read.c, node.c   JSON to nodes, members      number.c          ranges of numbers
 *   schema.c         refs, unions, rules         string.c          code points, lengths, patterns, formats
 *   shape.c          keywords put together       object.c          members
 *   value.c          texts of each type          array.c           elements
 *   check.c          does a value fit: enums     write.c           values spelled in one way
 *   values.c         lists of values as sets     names.c           lists of names
 *   ask.c            types of a value            common.c          messages, marks, targets of references
 *   decimal.c        numbers by value            tagged_string.c   text between tags
 *
 * A value has to fit a list of nodes (terms): a schema with what it refers to, its allOf, and one branch of each anyOf. Equal lists
 * are compiled once. When no union is left the keywords of all terms are put together into a shape: bounds are narrowed, names
 * joined; its types are the alternatives of the result. */
#ifndef TEXT_SCHEMA_INNER_H
#define TEXT_SCHEMA_INNER_H

#include "base/error.h"
#include "text/regex/tree.h"
#include "text/schema/decimal.h"
#include "text/schema/number.h"
#include "text/schema/read.h"
#include "text/schema/schema.h"

enum { SCHEMA_DEPTH = 256, SCHEMA_FREE_DEPTH = 64, SCHEMA_TERMS = 4096 };

/* What is done once for a node of the text. */
enum node_mark { MARK_WARNED = 1, MARK_ONE_OF = 2 };

/* What of a node has been taken care of. */
enum { TERM_REF = 1, TERM_ALL = 2, TERM_ANY = 4, TERM_ONE = 8 };

struct term {
    const struct schema_node *node;
    uint32_t done;
    int32_t from; /* the term that brought it here; -1: the beginning */
};

struct terms {
    struct term *t; /* in the schema's pool */
    uint32_t n, capacity;
};

/* What is made of the value at hand: formats with tags write strings as they are, other values as JSON, and the arguments' own object
 * member by member. */
enum schema_part { PART_ALL, PART_STRINGS, PART_OTHERS, PART_MEMBERS };

struct memo {
    struct memo *next;
    uint64_t hash;
    struct terms key;
    const char *name; /* of a member that is written by itself; NULL: it has none */
    size_t n_name;
    int is_member;
    grammar_expr e; /* -1: under way */
    int32_t rule;   /* -1: none yet */
};

struct schema {
    struct grammar_maker *m;
    struct schema_options how;
    struct compile *compile, own; /* own: where none was given */
    struct compile_pool pool;
    uintptr_t stack_limit;             /* of the thread that opened it (base/stack.h) */
    const struct schema_node *at;      /* being compiled */
    struct compile_location outside;   /* of the maker, while a value is compiled */
    struct schema_node *root, *object; /* object: {"type": "object"}, where that is demanded besides */
    struct memo *memo[1024];
    struct value_set *values[64];         /* values.c */
    struct checked *checked;              /* check.c */
    int32_t nodes;                        /* compiled */
    int level;                            /* arrays and objects that are open */
    const struct shape *inside;           /* the innermost of them */
    enum schema_part part;                /* of the next shape; values inside it are whole */
    const struct schema_text *text;       /* PART_STRINGS: how they are written */
    const struct schema_members *members; /* PART_MEMBERS: likewise */
    uint32_t brackets;                    /* made so far */
    const struct schema_node *recursive;  /* the first that came back to itself */
    int was_empty;                        /* the last empty language has left a reason */
    char reason[400];
    const char **warning;
    size_t n_warning, capacity_warning;
    uint8_t *mark; /* by node: enum node_mark; no longer than was needed */
    uint32_t n_mark;

    /* expressions made once; -1 not yet */
    grammar_expr space, string, code_point, free_value[SCHEMA_FREE_DEPTH + 1], integer, number, quote;
};

/* Lengths and counts: -1: no keyword gives one. */
struct shape {
    struct schema *s;
    const struct terms *terms;
    const struct shape *outside;          /* the array or object that it is in */
    const struct schema_members *members; /* how those of an object are written; NULL: as JSON */
    unsigned types;
    int has_enum;
    struct number_bound low, high;
    const struct schema_node *low_node, *high_node;
    uint32_t step; /* multipleOf; 0 none */
    int64_t min_length, max_length, min_items, max_items, min_properties, max_properties;
};

/* ---- common.c, schema.c ------------------------------------------------------------------------------------------------------------- */

/* "schema error at #/a/b: ...", once. Returns 0. */
grammar_expr schema_fail(struct schema *s, const struct schema_node *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The error that was just set is about the field that has the schema. Returns 0. */
grammar_expr schema_name_field(struct schema *s);
/* Nothing fits here: the expression without texts; the first reason is kept for the case that somebody needs a value. */
grammar_expr schema_empty(struct schema *s, const struct schema_node *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int schema_is_empty(const struct schema *s, grammar_expr e);
/* A keyword that cannot be enforced: an error if strict, else a warning. 1: strict. */
int schema_refuse(struct schema *s, const struct schema_node *keyword, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void schema_warn(struct schema *s, const struct schema_node *at, const char *text);
static inline int schema_failed(const struct schema *s)
{
    return s->compile->end || (s->m && grammar_problem(s->m) != NULL);
}
/* From now on the compilation speaks of this schema; *outside: what it spoke of before, for its location to be put back. */
void schema_enter(struct schema *s, struct compile_location *outside);
/* The compilation has ended. Returns 0. */
grammar_expr schema_ended(struct schema *s);
/* Count steps; 1: it has ended. */
static inline int schema_work(struct schema *s, uint64_t n) { return compile_work(s->compile, n) != 0; }

/* Looks at a member whose name comes from the schema, and counts it. */
const struct schema_node *schema_member(struct schema *s, const struct schema_node *o, const char *name, size_t n);
/* 1: the node has this mark; where it had not, it has it now. 1 also: the compilation has ended. */
int schema_mark_node(struct schema *s, const struct schema_node *node, enum node_mark mark);

/* from: index of the term that brings it, -1 none. A term that brings itself again: an error. */
void terms_add(struct schema *s, struct terms *l, const struct schema_node *node, int32_t from);
/* says[terms]: what says something of a member or an element; who brought it is marked too. NULL, or a term whose `unevaluated` (a keyword)
 * is false although neither it nor what it brought says anything. */
const struct schema_node *terms_unevaluated(struct schema *s, const struct terms *l, const char *unevaluated,
                                            uint8_t *says);
/* What follows a name, once for each name and list of terms. */
grammar_expr schema_behind_name(struct schema *s, const struct schema_members *how, const char *name, size_t n,
                                const struct terms *l);
/* With everything that the terms refer to and the parts of their allOf. */
void terms_flatten(struct schema *s, const struct terms *in, struct terms *out);
/* The target of a $ref; NULL: an error was recorded. */
const struct schema_node *schema_target(struct schema *s, const struct schema_node *ref);

grammar_expr schema_sequence(struct schema *s, grammar_expr a, grammar_expr b);
grammar_expr schema_word(struct schema *s, const char *text);
grammar_expr schema_space(struct schema *s);
/* ":" or "," with what may stand behind it. */
grammar_expr schema_mark(struct schema *s, const char *mark);

/* ---- others --------------------------------------------------------------------------------------------------------------------- */

/* shape.c. -1: an error, or nothing fits (schema_empty() was called). */
int shape_make(struct shape *x, struct schema *s, const struct terms *l);
/* The types that keywords type and nullable allow; 0 on errors. */
unsigned shape_types(struct schema *s, const struct schema_node *node);
/* A keyword that is a count; -1 none, -2 an error. */
int64_t shape_count(struct schema *s, const struct schema_node *node, const char *keyword);

/* value.c */
grammar_expr shape_value(struct shape *x);
/* 1: a term has a keyword that tells values of one type apart. */
int schema_says_something(const struct terms *l);
grammar_expr schema_free(struct schema *s, int depth);

/* string.c */
struct regex_code_points schema_code_points(struct schema *s);
struct regex_code_points schema_key_code_points(struct schema *s, int is_bare); /* of keys that are not declared */
grammar_expr schema_bare_key(struct schema *s);
/* The quote before the code points of such a key, and the one behind them. */
grammar_expr schema_before_key(struct schema *s, grammar_expr code_points);
grammar_expr schema_behind_key(struct schema *s, grammar_expr rest);
grammar_expr schema_any_string(struct schema *s);
grammar_expr schema_any_key(struct schema *s);
grammar_expr schema_string(struct shape *x);
/* A string whose content is this expression of code points. */
grammar_expr schema_quoted(struct schema *s, grammar_expr content);

/* tagged_string.c: a string as s->text says. */
grammar_expr schema_raw_string(struct shape *x);

/* An array or an object is begun, and over. -1: too many are open. */
int schema_nest(struct shape *x);
void schema_leave(struct shape *x);

/* object.c, array.c */
grammar_expr schema_object(struct shape *x);
grammar_expr schema_array(struct shape *x);

/* write.c: a value in its one spelling; a name as a key. */
grammar_expr schema_written(struct schema *s, const struct schema_node *value);
grammar_expr schema_key(struct schema *s, const char *text, size_t n);

/* check.c: 1 fits, 0 does not. Unions, refs and patterns included. */
int schema_fits(struct schema *s, const struct terms *l, const struct schema_node *value);
void schema_forget_patterns(struct schema *s); /* that values were held against */

/* names.c: names in the order in which they came, each once. */
struct name {
    const char *text; /* UTF-8, n bytes, somebody else's */
    size_t n;
};
struct name_list {
    struct name *name; /* both by compile_free() */
    uint32_t *slot;    /* a hash table: index + 1 */
    uint32_t n, n_slot;
};
/* Index of a name, a new one behind the others; -1: the compilation has ended. */
int64_t schema_name(struct schema *s, struct name_list *l, const char *text, size_t n);

/* values.c: 1: the list (of enum) holds a value. 0 also: the compilation has ended. */
int schema_lists(struct schema *s, const struct schema_node *list, const struct schema_node *value);
/* 1: const or enum of both name their values, and they share none. */
int schema_values_apart(struct schema *s, const struct schema_node *x, const struct schema_node *y);

#endif
