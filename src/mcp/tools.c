/* See tools.h. */
#include "mcp/tools.h"

#include "base/log.h"
#include "base/utf8.h"
#include "mcp/param_headers.h"
#include "mcp/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mcp_tool *mcp_tool_find(const struct mcp_tools *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->tool[i].name, name) == 0)
            return &t->tool[i];
    return NULL;
}

void mcp_tool_put(const struct mcp_tool *t, struct buffer *out)
{
    buffer_puts(out, "{\"name\":\"");
    buffer_puts(out, t->name);
    buffer_puts(out, "\",\"description\":");
    buffer_put(out, t->description.text, t->description.n);
    buffer_puts(out, ",\"inputSchema\":");
    buffer_put(out, t->schema.text, t->schema.n);
    buffer_puts(out, "}");
}

/* ---- names ---------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const struct mcp_tool *const *x = a, *const *y = b;
    int order = strcmp((*x)->name, (*y)->name);
    return order ? order : *x < *y ? -1 : 1;
}

static void put_name(char *out, const char *server, const char *own)
{
    size_t n = (size_t)snprintf(out, MCP_NAME + 1, "%.47s__", server);
    snprintf(out + n, MCP_NAME + 1 - n, "%.*s", (int)(MCP_NAME - n), own);
    for (char *p = out; *p; p++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", *p))
            *p = '_';
}

/* The end of a name becomes a number. */
static void number_name(struct mcp_tool *t, int number)
{
    char end[16];
    int n_end = snprintf(end, sizeof end, "_%d", number);
    size_t n = strlen(t->name), most = MCP_NAME - (size_t)n_end;
    memcpy(t->name + (n < most ? n : most), end, (size_t)n_end + 1);
}

/* Clashes are numbered, in the order of the list: which of them is first does not change. */
static int make_unique(struct mcp_tools *t)
{
    struct mcp_tool **order = malloc((t->n ? t->n : 1) * sizeof *order);
    int is_unique = 0;
    for (size_t i = 0; order && i < t->n; i++)
        order[i] = &t->tool[i];
    while (order && !is_unique) { /* a numbered name may clash with another one */
        is_unique = 1;
        qsort(order, t->n, sizeof *order, by_name);
        for (size_t i = 0, same; i < t->n; i += same) {
            for (same = 1; i + same < t->n && strcmp(order[i]->name, order[i + same]->name) == 0; same++)
                is_unique = 0;
            for (size_t k = 1; k < same; k++)
                number_name(order[i + k], (int)k + 1);
        }
    }
    free(order);
    return order ? 0 : -1;
}

/* ---- definitions ---------------------------------------------------------------------------------------- */

/* 1: a $ref in it leads out of the schema: it would have to be fetched. */
static int leads_out(struct span schema)
{
    struct json_scan s;
    size_t at = 0;
    int is_ref = 0;
    json_scan_begin(&s, JSON_DEPTH);
    while (json_token(&s, schema.text, schema.n, &at, 1) == SCAN_OK) {
        const struct span token = {schema.text + s.from, at - s.from};
        if (is_ref && s.token == '"' && token.n > 1 && token.text[1] != '#' && token.n > 2)
            return 1;
        is_ref = s.token == JSON_KEY && (span_is(token, "$ref") || span_is(token, "$dynamicRef"));
    }
    return 0;
}

static int leave_out(const struct mcp_server *s, const char *name, const char *why)
{
    log_line(LOG_WARN, "MCP server %s: its tool \"%s\" is left out: %s", s->config->name, name, why);
    return 0;
}

/* 1: a call of it over HTTP could not have the headers that its schema asks for. */
static int has_bad_headers(const struct mcp_server *s, struct span schema, const char **why)
{
    struct param_header found[PARAM_HEADERS];
    return s->config->setup && s->is_modern && param_headers_find(schema, found, why) < 0;
}

/* 1: *t is one that can be offered. */
static int take(struct mcp_tool *t, const struct mcp_server *s, int number, struct span line)
{
    const struct mcp_server_config *c = s->config;
    const char *why;
    char own[300];
    *t = (struct mcp_tool){.server = number,
                           .own = span_member(line, "name"),
                           .description = span_member(line, "description"),
                           .schema = span_member(line, "inputSchema")};
    span_plain(t->own, own, sizeof own);
    if (mcp_names_have(&c->deny, own) || (c->only.n && !mcp_names_have(&c->only, own)))
        return 0;
    if (!*own)
        return leave_out(s, own, "it has no name");
    if (t->own.n > 256)
        return leave_out(s, own, "its name is longer than 256 bytes");
    if (utf8_valid(line.text, line.n) < line.n)
        return leave_out(s, own, "its definition is not valid UTF-8");
    if (!span_is_object(t->schema))
        return leave_out(s, own, "it has no inputSchema");
    if (leads_out(t->schema))
        return leave_out(s, own, "a $ref of its schema leads to another document, and nothing is fetched");
    if (has_bad_headers(s, t->schema, &why))
        return leave_out(s, own, why);
    if (!span_is_string(t->description))
        t->description = (struct span){"\"\"", 2};
    t->is_allowed = (unsigned char)mcp_names_have(&c->allow, own);
    t->defer = (unsigned char)c->defer;
    put_name(t->name, c->name, own);
    return 1;
}

/* Names of the file that no tool has are mistakes more often than not. */
static void name_missing(const struct mcp_server *s, const struct mcp_names *names, const char *field)
{
    for (int i = 0; i < names->n; i++) {
        const char *line = s->list->text, *end = line + s->list->n;
        int is_there = 0;
        for (const char *next; line && line < end && !is_there; line = next + 1) {
            next = memchr(line, '\n', (size_t)(end - line));
            is_there = span_is(span_member((struct span){line, (size_t)(next - line)}, "name"), names->name[i]);
        }
        if (!is_there)
            log_line(LOG_WARN, "MCP server %s: %s names \"%s\", which is not one of its tools", s->config->name, field,
                     names->name[i]);
    }
}

static void add_server(struct mcp_tools *t, const struct mcp_server *s, int number)
{
    atomic_fetch_add(&s->list->n_user, 1);
    t->text[t->n_text++] = s->list;
    for (const char *line = s->list->text, *end = line + s->list->n, *next; line < end; line = next + 1) {
        if (t->n == INDEX_TOOLS) {
            log_line(LOG_WARN, "MCP server %s: there are more than %d tools; its last ones are left out",
                     s->config->name, INDEX_TOOLS);
            break;
        }
        next = memchr(line, '\n', (size_t)(end - line));
        t->n += (size_t)take(&t->tool[t->n], s, number, (struct span){line, (size_t)(next - line)});
    }
    name_missing(s, &s->config->only, "tools");
    name_missing(s, &s->config->deny, "deny");
    name_missing(s, &s->config->allow, "allow");
}

struct mcp_tools *mcp_tools_make(const struct mcp_server *server, int n, size_t most_postings)
{
    size_t n_tool = 0;
    struct mcp_tools *t = calloc(1, sizeof *t);
    for (int i = 0; i < n; i++)
        n_tool += (size_t)server[i].n_tool;
    if (!t)
        return NULL;
    t->n_user = 1;
    t->tool = calloc((n_tool < INDEX_TOOLS ? n_tool : INDEX_TOOLS) + 1, sizeof *t->tool);
    t->text = calloc((size_t)n + 1, sizeof *t->text);
    for (int i = 0; i < n && t->tool && t->text; i++)
        if (server[i].list && server[i].state != SERVER_DEAD)
            add_server(t, &server[i], i);
    if (t->tool && t->text && make_unique(t) == 0 && mcp_index_make(&t->index, t->tool, t->n, most_postings) == 0)
        return t;
    mcp_tools_release(t);
    return NULL;
}

void mcp_text_release(struct mcp_text *t)
{
    if (t && atomic_fetch_sub(&t->n_user, 1) == 1)
        free(t);
}

struct mcp_tools *mcp_tools_hold(struct mcp_tools *t)
{
    atomic_fetch_add(&t->n_user, 1);
    return t;
}

void mcp_tools_release(struct mcp_tools *t)
{
    if (!t || atomic_fetch_sub(&t->n_user, 1) > 1)
        return;
    for (int i = 0; i < t->n_text; i++)
        mcp_text_release(t->text[i]);
    mcp_index_free(&t->index);
    free(t->text);
    free(t->tool);
    free(t);
}

int mcp_tools_have(const struct mcp_tools *t, const struct mcp_text *text)
{
    for (int i = 0; t && i < t->n_text; i++)
        if (t->text[i] == text)
            return 1;
    return 0;
}

size_t mcp_tools_bytes(const struct mcp_tools *t, const struct mcp_tools *other)
{
    size_t n = t->n * sizeof *t->tool + t->index.n * sizeof *t->index.posting + t->n * sizeof *t->index.length;
    for (int i = 0; i < t->n_text; i++)
        n += mcp_tools_have(other, t->text[i]) ? 0 : t->text[i]->n;
    return n;
}
