/* Settings in TOML (toml.io, 1.0): the part that flags need, read strictly. Tables of one name, `[run]`; keys of one bare word; strings,
 * decimal integers, floats, booleans, arrays of strings; comments. Everything else of TOML is refused by its name, with line and column:
 * what a person wrote is never left out in silence. No key is given twice, and the text must be UTF-8. */
#ifndef BASE_TOML_TOML_H
#define BASE_TOML_TOML_H

#include <stddef.h>

struct error;

enum toml_type {
    TOML_TABLE, /* the line that begins a table; it has no key and no text */
    TOML_STRING,
    TOML_INTEGER,
    TOML_FLOAT,
    TOML_BOOLEAN,
    TOML_STRINGS /* an array */
};
const char *toml_type_name(enum toml_type t); /* "a string" */

struct toml_entry {
    enum toml_type type;
    const char *table; /* "" before the first table */
    const char *key;
    size_t first, n;  /* of struct toml's text: 1 of a value, any number of an array; numbers without "_" and "+" */
    int line, column; /* where the key or the table's name begins, from 1; columns are characters */
};

struct toml {
    struct toml_entry *entry; /* [n] as they come */
    size_t n;
    const char **text; /* [n_text] UTF-8 without a zero byte, each ends in NUL */
    size_t n_text;
    char *memory; /* what all texts and names point into */
};

enum { TOML_BYTES_MOST = 1 << 20, TOML_ENTRIES_MOST = 4096 };

/* Reads text [n]. ERR_INPUT: the sentence begins with "LINE:COLUMN: "; ERR_MEMORY. toml_free() is for what was read; after -1 there is
 * nothing to free. */
int toml_read(struct toml *out, const char *text, size_t n, struct error *err);
void toml_free(struct toml *t);

/* Writes text as a TOML string with its quotes to out [cap], cut to fit; returns what it would take, as snprintf() does. */
size_t toml_quote(char *out, size_t cap, const char *text);

#endif
