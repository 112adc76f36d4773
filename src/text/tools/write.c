/* See write.h: section 11 of tool_calls.md. */
#include "text/tools/write.h"

#include "base/json/scan.h"

#include <string.h>

struct tool_writer {
    const struct tool_format *format;
    void (*put)(void *arg, int ours, const char *text, size_t n);
    void *arg;
    char *scratch; /* a key without its escapes is no longer than with them */
};

static void ours(const struct tool_writer *w, const char *text) { w->put(w->arg, 1, text, strlen(text)); }
static void theirs(const struct tool_writer *w, const char *text) { w->put(w->arg, 0, text, strlen(text)); }
static void role(const struct tool_writer *w, enum tool_role r) { ours(w, w->format->marker[r]); }
static void name(const struct tool_writer *w, const struct tool_written *c) { w->put(w->arg, 0, c->name, c->n_name); }
static void arguments(const struct tool_writer *w, const struct tool_written *c)
{
    w->put(w->arg, 0, c->arguments, c->n_arguments);
}

static void object(const struct tool_writer *w, const struct tool_written *c)
{
    theirs(w, "{\"name\": \"");
    name(w, c);
    theirs(w, "\", \"arguments\": ");
    arguments(w, c);
    theirs(w, "}");
}

/* A value of JSON, its words in Python's spelling. */
static void python_literal(const struct tool_writer *w, const char *text, size_t n)
{
    size_t at = 0, plain = 0;
    struct json_scan s;
    json_scan_begin(&s, JSON_DEEPEST);
    while (json_token(&s, text, n, &at, 1) == SCAN_OK) {
        if (s.token != 't' && s.token != 'f' && s.token != 'n')
            continue;
        w->put(w->arg, 0, text + plain, s.from - plain);
        theirs(w, s.token == 't' ? "True" : s.token == 'f' ? "False" : "None");
        plain = at;
    }
    w->put(w->arg, 0, text + plain, n - plain);
}

/* The members of an object as k=v, .. */
static void keywords(const struct tool_writer *w, const char *text, size_t n)
{
    size_t at = 0;
    int first = 1;
    struct json_scan s;
    struct json_item i;
    json_scan_begin(&s, JSON_DEEPEST);
    while (json_next(&s, text, n, &at, &i)) {
        struct buffer plain = {.text = w->scratch, .cap = n};
        json_unescape(&plain, text + i.key, i.key_n);
        if (!first)
            theirs(w, ", ");
        first = 0;
        w->put(w->arg, 0, plain.text, plain.n);
        theirs(w, "=");
        python_literal(w, text + i.value, i.value_n);
    }
}

void python_write(const struct tool_writer *w, const struct tool_written *c, size_t n)
{
    role(w, ROLE_BEGIN);
    theirs(w, "[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            theirs(w, ", ");
        name(w, &c[i]);
        theirs(w, "(");
        keywords(w, c[i].arguments, c[i].n_arguments);
        theirs(w, ")");
    }
    theirs(w, "]");
    role(w, ROLE_END);
}

void list_write(const struct tool_writer *w, const struct tool_written *c, size_t n)
{
    role(w, ROLE_BEGIN);
    theirs(w, "[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            theirs(w, ", ");
        object(w, &c[i]);
    }
    theirs(w, "]");
}

void deepseek_write(const struct tool_writer *w, const struct tool_written *c, size_t n)
{
    int fenced = (w->format->rules & RULE_FENCED) != 0;
    role(w, ROLE_BEGIN);
    for (size_t i = 0; i < n; i++) {
        if (fenced && i)
            ours(w, "\n");
        role(w, ROLE_CALL);
        if (fenced) {
            ours(w, "function");
            role(w, ROLE_SEP);
        }
        name(w, &c[i]);
        if (fenced)
            ours(w, "\n```json\n");
        else
            role(w, ROLE_SEP);
        arguments(w, &c[i]);
        if (fenced)
            ours(w, "\n```");
        role(w, ROLE_STOP);
    }
    role(w, ROLE_END);
}

static void hermes_write(const struct tool_writer *w, const struct tool_written *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ours(w, i ? "\n<tool_call>\n" : "<tool_call>\n");
        object(w, &c[i]);
        ours(w, "\n</tool_call>");
    }
}

void tool_write(const struct tool_format *f, const struct tool_written *call, size_t n, char *scratch,
                void (*put)(void *arg, int ours, const char *text, size_t n), void *arg)
{
    const struct tool_writer w = {f, put, arg, scratch};
    (f->write ? f->write : hermes_write)(&w, call, n);
}
