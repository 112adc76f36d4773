/* The tools of a request: names, and the schemas of their arguments. Nothing changes once it is parsed: threads may share a list. All
 * that is returned belongs to the list, and lives as long as it. */
#ifndef TEXT_TOOLS_LIST_H
#define TEXT_TOOLS_LIST_H

#include <jansson.h>
#include <stddef.h>

struct error;
struct tool_format;

struct tool_def {
    const char *name;   /* terminated */
    json_t *parameters; /* schema, or NULL */
    const char *schema; /* the same as it was written, n_schema bytes */
    size_t n_schema;
    int strict; /* 1: a keyword of the schema that cannot be enforced is an error */
};

struct tool_list {
    struct tool_def *tool; /* [n] */
    size_t n;
    json_t *root; /* owns names and parameters */
    char *json;   /* owns the schemas' texts */
};

/* A list in OpenAI's form, [{"type": "function", "function": {"name", "parameters", "strict"}}, ..], as JSON text. The names must
 * be ones that the format can carry. The text is copied. -1: *out is NULL; ERR_INPUT names the field, as tools[2].function.name,
 * ERR_MEMORY: no memory. tool_list_free() frees it; l may be NULL. */
int tool_list_parse(struct tool_list **out, const char *json, size_t n, const struct tool_format *f, struct error *err);
void tool_list_free(struct tool_list *l);

/* The tool of a name of n bytes; NULL: there is none, or l is NULL. */
const struct tool_def *tool_list_find(const struct tool_list *l, const char *name, size_t n);

/* 1: a legal name of a function: 1 to 128 of the characters A-Z a-z 0-9 _ . : - */
int tool_name_is_legal(const char *name, size_t n);

/* The schema of the argument of this name of n bytes, references inside the tool's own schema followed; NULL: none, or t is NULL. The
 * caller does not decref it. */
json_t *tool_argument_schema(const struct tool_def *t, const char *key, size_t n);

enum tool_type {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_INTEGER = 4,
    TYPE_NUMBER = 8,
    TYPE_STRING = 16,
    TYPE_ARRAY = 32,
    TYPE_OBJECT = 64
};
/* Types, enum tool_type, that a schema allows by type, enum, const, anyOf, oneOf and allOf together; 0: it does not say. root: the schema
 * that references point into. */
unsigned tool_schema_types(const json_t *schema, const json_t *root);

/* 1: where tags do not name the type of a value, this text of n bytes is read as a string; 0: it is not. -1: no memory. */
int tool_reads_string(const json_t *schema, const json_t *root, const char *text, size_t n);

#endif
