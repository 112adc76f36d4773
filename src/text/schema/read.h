/* JSON as a tree, for schemas: order of keys and the text of numbers are kept, every node knows its pointer. */
#ifndef TEXT_SCHEMA_READ_H
#define TEXT_SCHEMA_READ_H

#include "text/grammar/compile.h"

#include <stddef.h>
#include <stdint.h>

struct error;

enum node_kind { NODE_NULL, NODE_FALSE, NODE_TRUE, NODE_NUMBER, NODE_STRING, NODE_ARRAY, NODE_OBJECT };

struct schema_node {
    uint8_t kind;
    uint32_t id;      /* in order of the text */
    uint32_t n;       /* bytes of text, or children */
    uint32_t n_key;   /* of a member */
    uint32_t index;   /* of an element */
    uint32_t hash;    /* of key */
    const char *key;  /* of a member: decoded, n_key bytes */
    const char *text; /* strings: decoded; numbers: as written */
    struct schema_node *parent, *child, *next;
    union {
        struct schema_node **sorted;      /* of an object with more than NODE_FEW members: they by hash and key */
        const struct node_digits *digits; /* of a number of more than NODE_DIGITS bytes */
    };
};

/* A short text of the same value. */
struct node_digits {
    const char *text;
    uint32_t n;
};

enum { NODE_FEW = 8, NODE_DIGITS = 64 };

/* -1: not JSON (line, column), nested deeper than 2048, lone surrogates, a key twice in one object, or the compilation has
 * ended. Nodes lie in the pool. */
int schema_read(struct schema_node **out, struct compile_pool *pool, const char *text, size_t n, struct error *err);

/* ---- node.c ----------------------------------------------------------------------------------------------------------------------- */

/* Of an object that is whole: its members can be looked up. Returns one whose key another one has too, NULL: none, or the
 * compilation has ended. */
const struct schema_node *node_index(struct compile_pool *pool, struct schema_node *o);
/* Of a number: digits where the text is long. -1: the compilation has ended. */
int node_shorten(struct compile_pool *pool, struct schema_node *number);

/* Member of an object by name, NULL: none. Takes time for the bytes of the name and node_probes(). */
struct schema_node *node_member_n(const struct schema_node *o, const char *key, size_t n);
/* A keyword of a schema, likewise. One that is null is absent: clients write lists and objects that they have not so. "const" may be
 * null. */
struct schema_node *node_keyword(const struct schema_node *o, const char *name);
/* Halvings of a lookup beyond those among NODE_FEW members, which the caller counts; 0 of what is no object. */
uint32_t node_probes(const struct schema_node *o);
int node_is_text(const struct schema_node *x, const char *text);

/* These count their steps. Where the compilation has ended the answer means nothing. */

/* Equal as JSON values: numbers by value, objects without order. */
int node_equal(struct compile *compile, const struct schema_node *x, const struct schema_node *y);
/* Equal for values that are equal. */
uint64_t node_hash(struct compile *compile, const struct schema_node *x);
/* By value: -1, 0, 1. */
int node_compare_numbers(struct compile *compile, const struct schema_node *x, const struct schema_node *y);

/* The text of a number, or its digits: what is to be computed with. */
const char *node_number(const struct schema_node *x, size_t *n);

/* JSON pointer as a URI fragment without its #: "/properties/a~1b". At most capacity - 1 bytes, cut. */
void node_pointer(const struct schema_node *x, char *out, size_t capacity);
/* The node at a pointer from here (~0 ~1; percent 1: also %XX); NULL: none, or the compilation has ended. */
const struct schema_node *node_at(struct compile *compile, const struct schema_node *root, const char *pointer,
                                  size_t n, int percent);

#endif
