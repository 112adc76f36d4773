/* See param_headers.h. */
#include "mcp/param_headers.h"

#include <string.h>
#include <strings.h>

static const char field[] = "x-mcp-header";

struct finding {
    struct param_header *out;
    int n;
    struct span path[PARAM_DEPTH];
    const char *why;
};

/* 1: text that may stand in the name of a header (RFC 9110, 5.6.2), and fits. */
static int is_token(struct span string, char name[PARAM_NAME])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";
    if (!span_is_string(string) || string.n - 2 >= PARAM_NAME)
        return 0;
    span_plain(string, name, PARAM_NAME);
    size_t n = strlen(name);
    return n > 0 && strspn(name, letters) == n && span_is(string, name);
}

static int is_primitive(struct span type)
{
    return span_is(type, "string") || span_is(type, "integer") || span_is(type, "boolean");
}

static void take(struct finding *f, struct span schema, struct span annotation, int depth)
{
    struct param_header *h = &f->out[f->n];
    char name[PARAM_NAME];
    if (!is_token(annotation, name))
        f->why = "an x-mcp-header of it is no name of a header";
    else if (depth == 0 || !is_primitive(span_member(schema, "type")))
        f->why = "an x-mcp-header of it is at a parameter that is no string, integer or boolean";
    else if (f->n == PARAM_HEADERS)
        f->why = "it has more than 16 parameters with an x-mcp-header";
    for (int i = 0; !f->why && i < f->n; i++)
        if (strcasecmp(f->out[i].name, name) == 0)
            f->why = "two of its parameters have the same x-mcp-header";
    if (f->why)
        return;
    memcpy(h->name, name, sizeof name);
    memcpy(h->path, f->path, (size_t)depth * sizeof *f->path);
    h->n_path = depth;
    f->n++;
}

/* Of a schema, and of the properties of its properties: nothing else is looked through. */
static void visit(struct finding *f, struct span schema, int depth)
{
    struct span_walk w;
    struct span key, value, annotation = span_member(schema, field);
    if (annotation.n)
        take(f, schema, annotation, depth);
    if (depth == PARAM_DEPTH || !span_is_object(span_member(schema, "properties")))
        return;
    span_walk(&w, span_member(schema, "properties"));
    while (!f->why && span_next(&w, &key, &value)) {
        f->path[depth] = key;
        visit(f, value, depth + 1);
    }
}

/* Annotations anywhere: strings whose key is the field. */
static int count_all(struct span schema)
{
    struct json_scan s;
    size_t at = 0;
    int n = 0, is_field = 0;
    json_scan_begin(&s, JSON_DEPTH);
    while (json_token(&s, schema.text, schema.n, &at, 1) == SCAN_OK) {
        n += is_field && s.token == '"';
        is_field = s.token == JSON_KEY && span_is((struct span){schema.text + s.from, at - s.from}, field);
    }
    return n;
}

int param_headers_find(struct span schema, struct param_header out[PARAM_HEADERS], const char **why)
{
    struct finding f = {.out = out};
    int n = count_all(schema);
    visit(&f, schema, 0);
    if (!f.why && n != f.n)
        f.why = "an x-mcp-header of it is at no parameter";
    *why = f.why;
    return f.why ? -1 : f.n;
}

struct span param_header_value(const struct param_header *h, struct span arguments)
{
    struct buffer key = {0};
    for (int i = 0; i < h->n_path; i++) {
        key.n = 0;
        json_unescape(&key, h->path[i].text, h->path[i].n);
        buffer_put(&key, "", 1);
        arguments = key.failed || strlen(key.text) + 1 != key.n ? (struct span){NULL, 0}
                                                                : span_member(arguments, key.text);
    }
    buffer_free(&key);
    return span_is_null(arguments) ? (struct span){NULL, 0} : arguments;
}
