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
    const char *text; /* strings: decoded; numbers: as written */
    struct schema_node *parent, *child, *next;
    const char *key; /* of a member: decoded, n_key bytes */
    uint32_t n_key;
    uint32_t index; /* of an element */
    uint32_t hash;  /* of key */
};

/* -1: not JSON (line, column), nested deeper than 2048, lone surrogates, a key twice in one object, or the compilation has
 * ended. Nodes lie in the pool. */
int schema_read(struct schema_node **out, struct compile_pool *pool, const char *text, size_t n, struct error *err);

/* Member of an object by name, NULL: none. */
struct schema_node *node_member(const struct schema_node *o, const char *key);
struct schema_node *node_member_n(const struct schema_node *o, const char *key, size_t n);
int node_is_text(const struct schema_node *x, const char *text);
/* Equal as JSON values: numbers by value, objects without order. */
int node_equal(const struct schema_node *x, const struct schema_node *y);

/* Equal for values that are equal. */
uint64_t node_hash(const struct schema_node *x);

/* JSON pointer as a URI fragment without its #: "/properties/a~1b". At most space - 1 bytes, cut. */
void node_pointer(const struct schema_node *x, char *out, size_t capacity);
/* The node at a pointer from here (~0 ~1; percent 1: also %XX); NULL: none. */
struct schema_node *node_at(struct schema_node *root, const char *pointer, size_t n, int percent);

#endif
