/* See config.h. */
#include "mcp/config.h"

#include "base/file.h"
#include "base/json/buffer.h"
#include "base/json/load.h"
#include "base/log.h"
#include "base/process/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

extern char **environ;

enum { FILE_MOST = 1 << 20, TIMEOUT_MOST = 3600, URL_MOST = 4096, HEADERS_MOST = 64 << 10 };

struct reading {
    struct mcp_config *to;
    const char *path, *server; /* for sentences */
    struct error *err;
};

static int wrong(const struct reading *r, const char *field, const char *must)
{
    return error_set(r->err, ERR_INPUT, "%s: server %s: %s%s%s", r->path, r->server, field, *field ? " " : "", must);
}

static int no_memory(const struct reading *r) { return error_set(r->err, ERR_MEMORY, "%s: no memory", r->path); }

static const char *copy(const struct reading *r, const char *text)
{
    return arena_copy(&r->to->arena, text, strlen(text));
}

int mcp_names_have(const struct mcp_names *names, const char *name)
{
    for (int i = 0; i < names->n; i++)
        if (strcmp(names->name[i], name) == 0)
            return 1;
    return 0;
}

/* ---- values ------------------------------------------------------------------------------------------- */

/* Of "${" at *p: the value of the variable, and *p behind its brace. NULL: *err. */
static const char *variable(const struct reading *r, const char *field, const char **p)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    char name[128];
    size_t n = strspn(*p + 2, letters);
    if (n == 0 || n >= sizeof name || (*p)[2 + n] != '}') {
        wrong(r, field, "has a ${ that is not ${NAME}");
        return NULL;
    }
    memcpy(name, *p + 2, n);
    name[n] = 0;
    *p += n + 3;
    const char *value = getenv(name);
    if (!value)
        error_set(r->err, ERR_INPUT, "%s: server %s: %s names ${%s}, which the environment lacks", r->path, r->server,
                  field, name);
    return value;
}

/* The text with its variables replaced, in the arena. NULL: *err. */
static const char *expand(const struct reading *r, const char *field, const json_t *v)
{
    const char *text = json_string_value(v);
    struct buffer out = {0};
    if (!text || strlen(text) != json_string_length(v)) {
        wrong(r, field, "must be a text without a zero byte");
        return NULL;
    }
    while (*text) {
        const char *next = strstr(text, "${"), *value;
        buffer_put(&out, text, next ? (size_t)(next - text) : strlen(text));
        if (!next)
            break;
        text = next;
        if (!(value = variable(r, field, &text))) {
            buffer_free(&out);
            return NULL;
        }
        buffer_puts(&out, value);
    }
    const char *made = out.failed ? NULL : arena_copy(&r->to->arena, out.n ? out.text : "", out.n);
    buffer_free(&out);
    if (!made)
        no_memory(r);
    return made;
}

static int read_names(const struct reading *r, const char *field, const json_t *list, struct mcp_names *out)
{
    size_t i, n = json_array_size(list);
    const json_t *v;
    if (!list)
        return 0;
    if (!json_is_array(list))
        return wrong(r, field, "must be a list of names of tools");
    if (n && !(out->name = arena_array(&r->to->arena, n, sizeof *out->name)))
        return no_memory(r);
    json_array_foreach(list, i, v)
    {
        if (!json_is_string(v))
            return wrong(r, field, "must be a list of names of tools");
        if (!(out->name[out->n++] = copy(r, json_string_value(v))))
            return no_memory(r);
    }
    return 0;
}

/* ---- what is started ---------------------------------------------------------------------------------- */

static int read_command(const struct reading *r, const json_t *o, struct mcp_server_config *s)
{
    size_t i, n = json_array_size(json_object_get(o, "args"));
    const json_t *args = json_object_get(o, "args"), *v;
    if (args && !json_is_array(args))
        return wrong(r, "args", "must be a list of texts");
    if (!(s->argv = arena_array(&r->to->arena, n + 2, sizeof *s->argv)))
        return no_memory(r);
    memset(s->argv, 0, (n + 2) * sizeof *s->argv);
    if (!(s->argv[0] = expand(r, "command", json_object_get(o, "command"))))
        return -1;
    if (!*s->argv[0])
        return wrong(r, "command", "must not be empty");
    json_array_foreach(args, i, v) if (!(s->argv[i + 1] = expand(r, "args", v))) return -1;
    if (json_object_get(o, "cwd") && !(s->cwd = expand(r, "cwd", json_object_get(o, "cwd"))))
        return -1;
    return 0;
}

/* 1: a variable of the form NAME=VALUE has a name that the file sets. */
static int is_set(const json_t *env, const char *variable)
{
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)env, name,
                        v) if (strncmp(variable, name, strlen(name)) == 0 && variable[strlen(name)] == '=') return 1;
    return 0;
}

/* Ours, with what the file sets in the place of ours or behind. */
static int read_env(const struct reading *r, const json_t *env, struct mcp_server_config *s)
{
    size_t n_ours = 0, n = 0;
    const char *name, *value;
    json_t *v;
    if (env && !json_is_dict(env))
        return wrong(r, "env", "must be an object of texts");
    while (environ[n_ours])
        n_ours++;
    if (!(s->env = arena_array(&r->to->arena, n_ours + json_object_size(env) + 1, sizeof *s->env)))
        return no_memory(r);
    for (size_t i = 0; i < n_ours; i++)
        if (!is_set(env, environ[i]))
            s->env[n++] = environ[i];
    json_object_foreach((json_t *)env, name, v)
    {
        if (!*name || strchr(name, '='))
            return wrong(r, "env", "has a name that is empty or has a =");
        if (!(value = expand(r, "env", v)))
            return -1;
        char *pair = arena_alloc_aligned(&r->to->arena, strlen(name) + strlen(value) + 2, 1);
        if (!pair)
            return no_memory(r);
        sprintf(pair, "%s=%s", name, value);
        s->env[n++] = pair;
    }
    s->env[n] = NULL;
    return 0;
}

/* ---- what is reached by HTTP ---------------------------------------------------------------------------- */

/* http:// or https://, a host, and nothing that a header or libcurl would read otherwise than a person. */
static int check_url(const struct reading *r, const char *url)
{
    size_t n_scheme = strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;
    const char *host = url + n_scheme;
    size_t n_host = strcspn(host, "/?#");
    if (n_scheme == 0 || n_host == 0)
        return wrong(r, "url", "must begin with http:// or https:// and a host");
    if (memchr(host, '@', n_host))
        return wrong(r, "url", "has a user before its host; say who asks in headers");
    for (const char *p = url; *p; p++)
        if (*p <= ' ' || *p >= 0x7F || *p == '#' || *p == '\\')
            return wrong(r, "url", "has a blank, a #, a \\ or another character that belongs into it as %XX");
    return strlen(url) <= URL_MOST ? 0 : wrong(r, "url", "has more than 4096 bytes");
}

/* Headers that say what the transport is, or what the body says. */
static int is_ours(const char *name)
{
    static const char *const ours[] = {"accept",
                                       "accept-encoding",
                                       "connection",
                                       "content-length",
                                       "content-type",
                                       "expect",
                                       "host",
                                       "te",
                                       "transfer-encoding",
                                       "upgrade",
                                       "trailer",
                                       "keep-alive",
                                       "mcp-method",
                                       "mcp-name",
                                       "mcp-session-id",
                                       "last-event-id",
                                       "mcp-protocol-version"};
    int is = strncasecmp(name, "mcp-param-", 10) == 0;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        is |= strcasecmp(name, ours[i]) == 0;
    return is;
}

static int put_header(const struct reading *r, const char *name, const json_t *v, struct buffer *out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";
    struct buffer line = {0};
    const char *value = expand(r, "headers", v);
    if (!value)
        return -1;
    if (!*name || strspn(name, letters) != strlen(name))
        return wrong(r, "headers", "has a name that no header can have");
    if (is_ours(name))
        return wrong(r, "headers", "names one that stoker sends itself");
    if (strspn(value, " \t") == strlen(value))
        return wrong(r, "headers", "has an empty value");
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7F)
            return wrong(r, "headers", "has a value with a line's end or another control character");
    buffer_puts(&line, name);
    buffer_puts(&line, ": ");
    buffer_puts(&line, value);
    buffer_put_string(out, line.text, line.n);
    out->failed |= line.failed;
    buffer_free(&line);
    return 0;
}

static int put_headers(const struct reading *r, const json_t *headers, struct buffer *out)
{
    const char *name;
    json_t *v;
    size_t n = 0;
    if (headers && !json_is_dict(headers))
        return wrong(r, "headers", "must be an object of texts");
    json_object_foreach((json_t *)headers, name, v)
    {
        buffer_puts(out, n++ ? "," : "");
        if (put_header(r, name, v, out))
            return -1;
        if (out->n > HEADERS_MOST)
            return wrong(r, "headers", "has more than 64 KiB");
    }
    return 0;
}

/* The bridge instead of a command, and its first line. */
static int read_url(const struct reading *r, const json_t *o, struct mcp_server_config *s)
{
    const char *url = expand(r, "url", json_object_get(o, "url"));
    struct buffer line = {0};
    if (!url || check_url(r, url))
        return -1;
    buffer_puts(&line, "{\"url\":");
    buffer_put_string(&line, url, strlen(url));
    buffer_puts(&line, ",\"headers\":[");
    int failed = put_headers(r, json_object_get(o, "headers"), &line);
    buffer_puts(&line, "]}\n");
    if (!failed) {
        s->setup = line.failed ? NULL : arena_copy(&r->to->arena, line.text, line.n);
        s->argv = arena_array(&r->to->arena, 3, sizeof *s->argv);
        failed = s->setup && s->argv ? 0 : no_memory(r);
    }
    buffer_free(&line);
    if (failed)
        return -1;
    s->argv[0] = GUARD_SELF;
    s->argv[1] = "--mcp-http";
    s->argv[2] = NULL;
    return 0;
}

static int read_kind(const struct reading *r, const json_t *o)
{
    const json_t *command = json_object_get(o, "command"), *url = json_object_get(o, "url");
    if (!command && !url)
        return wrong(r, "", "has neither a command nor a url");
    if (command && url)
        return wrong(r, "", "has both a command and a url; one of them says where it is");
    const char *type = json_string_value(json_object_get(o, "type"));
    if (url && type && strcmp(type, "sse") == 0)
        return wrong(
            r, "type",
            "sse is the transport of before 2025, which stoker does not speak; give the url of streamable HTTP");
    return 0;
}

/* ---- servers ------------------------------------------------------------------------------------------ */

/* Fields of the other kind of server. */
static void name_idle(const struct reading *r, const json_t *o)
{
    static const char *const of_commands[] = {"args", "cwd", "env"}, *const of_urls[] = {"headers"};
    int has_url = json_object_get(o, "url") != NULL;
    const char *const *idle = has_url ? of_commands : of_urls;
    for (size_t i = 0; i < (has_url ? sizeof of_commands : sizeof of_urls) / sizeof *idle; i++)
        if (json_object_get(o, idle[i]))
            log_line(LOG_WARN, "%s: server %s: %s does nothing beside a %s", r->path, r->server, idle[i],
                     has_url ? "url" : "command");
}

static void name_unknown(const struct reading *r, const json_t *o)
{
    static const char *const known[] = {"command", "args",  "env", "cwd",     "timeout", "tools",   "deny",
                                        "allow",   "defer", "url", "headers", "type",    "disabled"};
    const char *field;
    json_t *v;
    json_object_foreach((json_t *)o, field, v)
    {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && strcmp(known[i], field) != 0)
            i++;
        if (i == sizeof known / sizeof *known)
            log_line(LOG_WARN, "%s: server %s: stoker does not know the field %s", r->path, r->server, field);
    }
}

static int read_server(const struct reading *r, const json_t *o, struct mcp_server_config *s)
{
    const json_t *timeout = json_object_get(o, "timeout"), *defer = json_object_get(o, "defer");
    int has_url = json_object_get(o, "url") != NULL;
    if (read_kind(r, o) || (has_url ? read_url(r, o, s) : read_command(r, o, s)) ||
        read_env(r, has_url ? NULL : json_object_get(o, "env"), s) ||
        read_names(r, "tools", json_object_get(o, "tools"), &s->only) ||
        read_names(r, "deny", json_object_get(o, "deny"), &s->deny) ||
        read_names(r, "allow", json_object_get(o, "allow"), &s->allow))
        return -1;
    s->timeout_seconds = MCP_TIMEOUT;
    if (timeout &&
        (!json_is_integer(timeout) || json_integer_value(timeout) < 1 || json_integer_value(timeout) > TIMEOUT_MOST))
        return wrong(r, "timeout", "must be seconds from 1 to 3600");
    if (timeout)
        s->timeout_seconds = (int)json_integer_value(timeout);
    if (defer && !json_is_boolean(defer) && strcmp(json_is_string(defer) ? json_string_value(defer) : "", "auto") != 0)
        return wrong(r, "defer", "must be true, false or \"auto\"");
    s->defer = json_is_true(defer) ? MCP_DEFER_YES : json_is_false(defer) ? MCP_DEFER_NO : MCP_DEFER_AUTO;
    return 0;
}

static int is_name(const char *name)
{
    size_t n = strlen(name);
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            return 0;
    return n > 0 && n < MCP_SERVER_NAME;
}

static int read_servers(struct reading *r, const json_t *servers)
{
    const char *name;
    json_t *o;
    struct mcp_config *c = r->to;
    json_object_foreach((json_t *)servers, name, o)
    {
        r->server = name;
        if (!is_name(name))
            return wrong(r, "", "must have a name of 1 to 47 bytes without control characters");
        if (!json_is_dict(o))
            return wrong(r, "", "must be an object: {\"command\": .., \"args\": [..]}");
        if (json_is_true(json_object_get(o, "disabled")))
            continue;
        if (c->n == MCP_SERVERS)
            return error_set(r->err, ERR_INPUT, "%s: more than %d servers", r->path, MCP_SERVERS);
        name_unknown(r, o);
        name_idle(r, o);
        struct mcp_server_config *s = &c->server[c->n];
        if (!(s->name = copy(r, name)))
            return no_memory(r);
        if (read_server(r, o, s))
            return -1;
        c->n++;
    }
    return 0;
}

int mcp_config_parse(struct mcp_config *c, const char *path, const char *text, size_t n, struct error *err)
{
    struct reading r = {.to = c, .path = path, .err = err};
    json_error_t why;
    *c = (struct mcp_config){.start_seconds = MCP_START_SECONDS};
    arena_init_growing(&c->arena);
    json_t *root = json_load_reserved(text, n, JSON_REJECT_DUPLICATES, &why);
    const json_t *servers = json_object_get(root, "mcpServers");
    int failed = 0;
    if (!root)
        failed = error_set(err, ERR_INPUT, "%s: line %d: %s", path, why.line, why.text);
    else if (!json_is_dict(root) || !json_is_dict(servers))
        failed = error_set(err, ERR_INPUT, "%s: {\"mcpServers\": {\"NAME\": {\"command\": ..}}} is expected", path);
    else
        failed = read_servers(&r, servers);
    json_decref(root);
    return failed;
}

int mcp_config_read(struct mcp_config *c, const char *path, struct error *err)
{
    size_t n;
    *c = (struct mcp_config){.n = 0};
    char *text = file_read(path, FILE_MOST, &n, err);
    if (!text)
        return -1;
    int failed = mcp_config_parse(c, path, text, n, err);
    free(text);
    return failed;
}

void mcp_config_free(struct mcp_config *c)
{
    arena_free(&c->arena);
    *c = (struct mcp_config){.n = 0};
}
