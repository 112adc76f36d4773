/* links: base
 *
 * Fuzz target: a file of settings. Whatever the bytes are, reading ends with entries whose names and texts are clean, or with a
 * sentence that begins with its line and column; what was read, written again, is read as the same. Seeds: every kind of value, and what
 * is refused. */
#include "base/toml/toml.h"
#include "base/error.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        __builtin_trap();
}

static void write_value(FILE *f, const struct toml_entry *e, const char *text)
{
    char quoted[64];
    size_t n = toml_quote(NULL, 0, text), again;
    char *whole = malloc(n + 1);
    require(whole != NULL);
    again = toml_quote(whole, n + 1, text);
    require(again == n && strlen(whole) == n);
    require(toml_quote(quoted, sizeof quoted, text) == n && strncmp(quoted, whole, sizeof quoted - 1) == 0);
    fputs(e->type == TOML_STRING || e->type == TOML_STRINGS ? whole : text, f);
    free(whole);
}

static void write_again(FILE *f, const struct toml *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct toml_entry *e = &t->entry[i];
        if (e->type == TOML_TABLE) {
            fprintf(f, "[%s]\n", e->table);
            continue;
        }
        fprintf(f, "%s = %s", e->key, e->type == TOML_STRINGS ? "[" : "");
        for (size_t k = 0; k < e->n; k++) {
            fputs(k ? ", " : "", f);
            write_value(f, e, t->text[e->first + k]);
        }
        fputs(e->type == TOML_STRINGS ? "]\n" : "\n", f);
    }
}

static void check(const struct toml *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct toml_entry *e = &t->entry[i];
        require(e->line >= 1 && e->column >= 1 && (e->type == TOML_TABLE) == (e->key == NULL));
        require(e->first + e->n <= t->n_text && (e->type == TOML_STRINGS || e->n == (e->type != TOML_TABLE)));
        for (size_t k = e->first; k < e->first + e->n; k++)
            require(utf8_valid(t->text[k], strlen(t->text[k])) == strlen(t->text[k]));
    }
}

static void require_same(const struct toml *a, const struct toml *b)
{
    require(a->n == b->n && a->n_text == b->n_text);
    for (size_t i = 0; i < a->n; i++)
        require(a->entry[i].type == b->entry[i].type && strcmp(a->entry[i].table, b->entry[i].table) == 0 &&
                a->entry[i].n == b->entry[i].n);
    for (size_t i = 0; i < a->n_text; i++)
        require(strcmp(a->text[i], b->text[i]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct toml t, again;
    struct error err = {0};
    int line, column;
    char *text = malloc(size ? size : 1), *out = NULL; /* so that reading behind the end is seen */
    size_t n = 0;
    require(text != NULL);
    memcpy(text, data, size);
    if (toml_read(&t, text, size, &err)) {
        require(sscanf(err.text, "%d:%d: ", &line, &column) == 2 && line >= 1 && column >= 1);
        require(utf8_valid(err.text, strlen(err.text)) == strlen(err.text));
    } else {
        FILE *f = open_memstream(&out, &n);
        require(f != NULL);
        check(&t);
        write_again(f, &t);
        fclose(f);
        if (n <= TOML_BYTES_MOST) {
            require(toml_read(&again, out, n, &err) == 0);
            require_same(&t, &again);
            toml_free(&again);
        }
        toml_free(&t);
    }
    free(out);
    free(text);
    return 0;
}
