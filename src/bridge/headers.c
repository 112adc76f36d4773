/* See headers.h. */
#include "bridge/headers.h"

#include "base/json/base64.h"
#include "mcp/param_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void headers_free(struct header_list *l)
{
    l->curl->slist_free_all(l->list);
    l->list = NULL;
    l->n = 0;
}

void headers_add_line(struct header_list *l, const char *line)
{
    struct curl_slist *list = l->curl->slist_append(l->list, line);
    l->list = list ? list : l->list;
    l->n += strlen(line) + 2;
    l->failed |= !list;
}

void headers_add(struct header_list *l, const char *name, const char *value, size_t n)
{
    struct buffer line = {0};
    buffer_puts(&line, name);
    buffer_puts(&line, ": ");
    buffer_put(&line, value, n);
    buffer_put(&line, "", 1);
    if (line.failed)
        l->failed = 1;
    else
        headers_add_line(l, line.text);
    buffer_free(&line);
}

/* ---- values ---------------------------------------------------------------------------------------------- */

static int is_blank(char c) { return c == ' ' || c == '\t'; }

/* 1: a header can have it as it is. */
static int is_plain(const char *text, size_t n)
{
    static const char begin[] = "=?base64?";
    if (n == 0 || is_blank(text[0]) || is_blank(text[n - 1]) || (n >= 9 && memcmp(text, begin, 9) == 0))
        return 0;
    for (size_t i = 0; i < n; i++)
        if ((text[i] < 0x20 && text[i] != '\t') || text[i] >= 0x7F)
            return 0;
    return 1;
}

/* A string, a number or a boolean of the body. */
static void put_value(struct header_list *l, const char *name, struct span v)
{
    struct buffer text = {0}, encoded = {0};
    if (span_is_string(v))
        json_unescape(&text, v.text, v.n);
    else
        buffer_put(&text, v.text, v.n);
    const char *plain = text.n ? text.text : "";
    if (!is_plain(plain, text.n)) {
        buffer_puts(&encoded, "=?base64?");
        base64_put(&encoded, plain, text.n);
        buffer_puts(&encoded, "?=");
    }
    l->failed |= text.failed | encoded.failed;
    if (!l->failed)
        headers_add(l, name, encoded.n ? encoded.text : plain, encoded.n ? encoded.n : text.n);
    buffer_free(&text);
    buffer_free(&encoded);
}

/* ---- tools ----------------------------------------------------------------------------------------------- */

static struct annotated_tool *find(const struct annotated_tools *a, struct span name)
{
    for (int i = 0; i < a->n; i++)
        if (a->tool[i].n_name == name.n && memcmp(a->tool[i].name, name.text, name.n) == 0)
            return (struct annotated_tool *)&a->tool[i];
    return NULL;
}

static void drop(struct annotated_tools *a, struct annotated_tool *t)
{
    a->bytes -= t->n_name + t->n_schema;
    free(t->name);
    free(t->schema);
    *t = a->tool[--a->n];
}

static char *copy(struct span v)
{
    char *text = malloc(v.n);
    return text ? memcpy(text, v.text, v.n) : NULL;
}

static void keep(struct annotated_tools *a, struct span name, struct span schema)
{
    struct annotated_tool t = {copy(name), copy(schema), name.n, schema.n};
    if (!t.name || !t.schema || a->n == ANNOTATED || a->bytes + t.n_name + t.n_schema > ANNOTATED_BYTES) {
        free(t.name); /* its calls lack headers, and the server says so */
        free(t.schema);
        return;
    }
    a->bytes += t.n_name + t.n_schema;
    a->tool[a->n++] = t;
}

void annotated_learn(struct annotated_tools *a, struct span result)
{
    struct param_header found[PARAM_HEADERS];
    struct span_walk w;
    struct span tool;
    const char *why;
    span_walk(&w, span_member(result, "tools"));
    while (span_next(&w, NULL, &tool)) {
        struct span name = span_member(tool, "name"), schema = span_member(tool, "inputSchema");
        struct annotated_tool *known = name.n ? find(a, name) : NULL;
        if (known)
            drop(a, known);
        if (name.n && schema.n && param_headers_find(schema, found, &why) > 0)
            keep(a, name, schema);
    }
}

/* The name of a tool is looked for as it was written: whoever calls it has it from the list. */
static void put_params(struct header_list *l, const struct message *m, const struct annotated_tools *a)
{
    struct param_header found[PARAM_HEADERS];
    const struct annotated_tool *t = find(a, span_member(m->params, "name"));
    const char *why;
    int n = t ? param_headers_find((struct span){t->schema, t->n_schema}, found, &why) : 0;
    for (int i = 0; i < n; i++) {
        char name[PARAM_NAME + 16];
        struct span v = param_header_value(&found[i], span_member(m->params, "arguments"));
        snprintf(name, sizeof name, "Mcp-Param-%.*s", PARAM_NAME - 1, found[i].name);
        if (v.n && v.text[0] != '{' && v.text[0] != '[')
            put_value(l, name, v);
    }
}

void headers_put_modern(struct header_list *l, const struct message *m, const struct annotated_tools *a)
{
    put_value(l, "MCP-Protocol-Version", span_member(m->meta, MCP_META "protocolVersion"));
    put_value(l, "Mcp-Method", m->method);
    if (!span_is(m->method, "tools/call"))
        return;
    put_value(l, "Mcp-Name", span_member(m->params, "name"));
    put_params(l, m, a);
}
