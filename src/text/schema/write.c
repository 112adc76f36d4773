/* Values in their one spelling: without white space, or spaced; in the order of the file, escapes only where JSON needs them. */
#include "text/schema/inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text that grows; expressions between texts where quotes are tokens. */
struct writer {
    struct schema *s;
    char *text;
    size_t n, capacity;
    grammar_expr *part;
    size_t n_part, capacity_part;
    int failed;
};

static void put(struct writer *w, const char *text, size_t n)
{
    if (w->failed || schema_work(w->s, 1 + n / 16)) {
        w->failed = 1;
        return;
    }
    if (w->n + n > w->capacity) {
        size_t capacity = (w->n + n) * 2 + 64;
        char *grown = compile_grow(w->s->compile, w->text, capacity, 1);
        if (!grown) {
            w->failed = 1;
            return;
        }
        w->text = grown;
        w->capacity = capacity;
    }
    memcpy(w->text + w->n, text, n);
    w->n += n;
}

static void put_word(struct writer *w, const char *text) { put(w, text, strlen(text)); }

static void add_part(struct writer *w, grammar_expr e)
{
    if (w->n_part == w->capacity_part) {
        size_t capacity = w->capacity_part * 2 + 16;
        grammar_expr *grown = compile_grow(w->s->compile, w->part, capacity, sizeof *grown);
        if (!grown) {
            w->failed = 1;
            return;
        }
        w->part = grown;
        w->capacity_part = capacity;
    }
    w->part[w->n_part++] = e;
}

static void flush(struct writer *w)
{
    if (w->n)
        add_part(w, grammar_text(w->s->m, w->text, w->n));
    w->n = 0;
}

static void put_json_string(struct writer *w, const char *text, size_t n)
{
    static const char plain[] = "\"\\bfnrt", meant[] = "\"\\\b\f\n\r\t";
    put_word(w, "\"");
    for (size_t i = 0; i < n && !w->failed; i++) {
        char c = text[i], escape[8];
        const char *found = c ? strchr(meant, c) : NULL;
        if (found) {
            escape[0] = '\\';
            escape[1] = plain[found - meant];
            put(w, escape, 2);
        } else if ((unsigned char)c < 0x20) {
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)c);
            put(w, escape, 6);
        } else {
            put(w, &c, 1);
        }
    }
    put_word(w, "\"");
}

static void put_string(struct writer *w, const char *text, size_t n)
{
    if (w->s->how.syntax != SCHEMA_GEMMA) {
        put_json_string(w, text, n);
    } else if (w->s->how.quote < 0) {
        put_word(w, "<|\"|>");
        put(w, text, n);
        put_word(w, "<|\"|>");
    } else {
        flush(w);
        add_part(w, grammar_token(w->s->m, w->s->how.quote));
        put(w, text, n);
        flush(w);
        add_part(w, grammar_token(w->s->m, w->s->how.quote));
    }
}

static int is_bare(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.", text[i]) || !text[i])
            return 0;
    return n > 0;
}

static void put_key(struct writer *w, const char *text, size_t n)
{
    if (w->s->how.syntax == SCHEMA_GEMMA && is_bare(text, n))
        put(w, text, n);
    else
        put_string(w, text, n);
}

static void put_value(struct writer *w, const struct schema_node *x)
{
    int python = w->s->how.syntax == SCHEMA_PYTHON, is_object = x->kind == NODE_OBJECT;
    int spaced = w->s->how.white == SCHEMA_SPACED && w->s->how.syntax != SCHEMA_GEMMA;
    switch (x->kind) {
    case NODE_NULL:
        put_word(w, python ? "None" : "null");
        break;
    case NODE_TRUE:
        put_word(w, python ? "True" : "true");
        break;
    case NODE_FALSE:
        put_word(w, python ? "False" : "false");
        break;
    case NODE_NUMBER:
        put(w, x->text, x->n);
        break;
    case NODE_STRING:
        put_string(w, x->text, x->n);
        break;
    default:
        put_word(w, is_object ? "{" : "[");
        for (const struct schema_node *c = x->child; c && !w->failed; c = c->next) {
            if (is_object) {
                put_key(w, c->key, c->n_key);
                put_word(w, spaced ? ": " : ":");
            }
            put_value(w, c);
            if (c->next)
                put_word(w, spaced ? ", " : ",");
        }
        put_word(w, is_object ? "}" : "]");
    }
}

static grammar_expr finish(struct writer *w)
{
    flush(w);
    grammar_expr e = w->failed ? schema_ended(w->s) : grammar_sequence(w->s->m, w->part, w->n_part);
    compile_free(w->s->compile, w->text);
    compile_free(w->s->compile, w->part);
    return e;
}

grammar_expr schema_written(struct schema *s, const struct schema_node *value)
{
    struct writer w = {.s = s};
    put_value(&w, value);
    return finish(&w);
}

grammar_expr schema_key(struct schema *s, const char *text, size_t n)
{
    struct writer w = {.s = s};
    put_key(&w, text, n);
    return finish(&w);
}
