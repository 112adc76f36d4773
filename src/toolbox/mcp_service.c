/* See mcp_service.h: the protocol. What tools there are and what they do: mcp_service_tools.c. */
#include "toolbox/mcp_service.h"

#include "toolbox/mcp_service_tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LISTS_HOLD_MS = 60000, NAME_SHOWN = 80 };

struct mcp_service {
    struct service_tools tools;
    const char *version;
};

int mcp_service_open(struct mcp_service **out, struct library *library, struct mcp *mcp, int only_allowed,
                     const char *version, struct error *err)
{
    struct mcp_service *s = *out = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERR_MEMORY, "no memory for an MCP server");
    s->version = version;
    if (service_tools_open(&s->tools, library, mcp, only_allowed, err) == 0)
        return 0;
    mcp_service_close(s);
    *out = NULL;
    return -1;
}

void mcp_service_close(struct mcp_service *s)
{
    if (s)
        service_tools_close(&s->tools);
    free(s);
}

int mcp_service_is_starting(struct mcp_service *s) { return s->tools.mcp && mcp_is_starting(s->tools.mcp); }

/* ---- answers ----------------------------------------------------------------------------------------------- */

struct exchange {
    struct mcp_service *s;
    const struct mcp_ask *ask;
    int is_modern;
    struct buffer *out;
};

static void put_server(const struct exchange *x, struct buffer *out)
{
    buffer_puts(out, "{\"name\":\"stoker\",\"title\":\"stoker\",\"version\":");
    buffer_put_string(out, x->s->version, strlen(x->s->version));
    buffer_puts(out, "}");
}

/* fields: members of the result, with a comma between them. */
static int complete(const struct exchange *x, const struct buffer *fields)
{
    struct buffer result = {0};
    buffer_puts(&result, x->is_modern ? "{\"resultType\":\"complete\",\"_meta\":{\"" MCP_META "serverInfo\":" : "{");
    if (x->is_modern) {
        put_server(x, &result);
        buffer_puts(&result, fields->n ? "}," : "}");
    }
    buffer_put_valid(&result, fields->text, fields->n);
    buffer_puts(&result, "}");
    message_put_result(x->out, x->ask->m->id, result.text, result.n);
    x->out->failed |= fields->failed | result.failed;
    buffer_free(&result);
    return 0;
}

static int refuse(const struct exchange *x, int code, const char *text, const char *data)
{
    message_put_error(x->out, x->ask->m->id, code, text, data);
    return code;
}

/* text, and a name that the client wrote. */
static int refuse_name(const struct exchange *x, int code, const char *text, struct span name)
{
    char shown[NAME_SHOWN], line[NAME_SHOWN + 80];
    span_plain(name, shown, sizeof shown);
    snprintf(line, sizeof line, "%s%s", text, shown);
    return refuse(x, code, line, NULL);
}

static void put_what_it_is(const struct exchange *x, struct buffer *out)
{
    struct service_tools *t = &x->s->tools;
    buffer_puts(out, "\"capabilities\":{\"tools\":{}},\"instructions\":\"Tools that run on this computer.");
    if (t->box.n)
        buffer_puts(out, " search_library finds numbered passages of the archives and files that are kept here, "
                         "open_article reads on from one.");
    if (t->mcp) /* which of both it is they have not said yet */
        buffer_puts(out, " Tools of other servers are listed, or found by search_tools and called by call_tool.");
    buffer_puts(out, "\"");
}

static int initialize(const struct exchange *x)
{
    struct span asked = span_member(x->ask->m->params, "protocolVersion");
    struct buffer fields = {0};
    /* that of 2025-03-26 has batches, which are taken nowhere here */
    int is_known = asked.n > 2 && mcp_is_old(asked.text + 1, asked.n - 2) && !span_is(asked, "2025-03-26");
    buffer_puts(&fields, "\"protocolVersion\":");
    buffer_put(&fields, is_known ? asked.text : "\"" MCP_OLD "\"", is_known ? asked.n : sizeof MCP_OLD + 1);
    buffer_puts(&fields, ",\"serverInfo\":");
    put_server(x, &fields);
    buffer_puts(&fields, ",");
    put_what_it_is(x, &fields);
    complete(x, &fields);
    buffer_free(&fields);
    return 0;
}

static void put_time(struct buffer *out)
{
    char text[64];
    snprintf(text, sizeof text, ",\"ttlMs\":%d,\"cacheScope\":\"private\"", LISTS_HOLD_MS);
    buffer_puts(out, text);
}

static int discover(const struct exchange *x)
{
    struct buffer fields = {0};
    buffer_puts(&fields, "\"supportedVersions\":[\"" MCP_MODERN "\"],");
    put_what_it_is(x, &fields);
    put_time(&fields);
    complete(x, &fields);
    buffer_free(&fields);
    return 0;
}

static int list(const struct exchange *x)
{
    struct buffer fields = {0};
    struct span cursor = span_member(x->ask->m->params, "cursor");
    if (cursor.n && !span_is_null(cursor))
        return refuse(x, MCP_BAD_PARAMS, "tools/list gives all tools at once: there is no cursor", NULL);
    buffer_puts(&fields, "\"tools\":[");
    service_tools_list(&x->s->tools, x->ask, &fields);
    buffer_puts(&fields, "]");
    if (x->is_modern)
        put_time(&fields);
    complete(x, &fields);
    buffer_free(&fields);
    return 0;
}

static int call(const struct exchange *x)
{
    struct span params = x->ask->m->params, name = span_member(params, "name"),
                arguments = span_member(params, "arguments");
    struct buffer fields = {0};
    int code = 0;
    if (!span_is_string(name))
        return refuse(x, MCP_BAD_PARAMS, "tools/call names a tool: params.name", NULL);
    if (span_is_null(arguments))
        arguments.n = 0;
    if (arguments.n && !span_is_object(arguments))
        return refuse(x, MCP_BAD_PARAMS, "params.arguments is no object", NULL);
    if (!arguments.n)
        arguments = (struct span){"{}", 2};
    switch (service_tools_call(&x->s->tools, x->ask, name, arguments, &fields)) {
    case SERVICE_DONE:
        complete(x, &fields);
        break;
    case SERVICE_STOPPED:
        break;
    case SERVICE_UNKNOWN:
        code = refuse_name(x, MCP_BAD_PARAMS, "Unknown tool: ", name);
    }
    buffer_free(&fields);
    return code;
}

static int ping(const struct exchange *x) { return complete(x, &(struct buffer){0}); }

static const struct {
    const char *name;
    int (*answer)(const struct exchange *x);
} methods[] = {{"server/discover", discover}, {"tools/list", list}, {"tools/call", call}, {"ping", ping}};

/* 0, or the code of the error that was answered: what a request says of itself in _meta. */
static int check_revision(struct exchange *x)
{
    static const char supported[] = "{\"supported\":[\"" MCP_MODERN "\"],\"requested\":";
    struct span meta = x->ask->m->meta, version = span_member(meta, MCP_META "protocolVersion");
    struct buffer data = {0};
    x->is_modern = version.n > 0;
    if (!version.n && (x->ask->is_old || span_is(x->ask->m->method, "ping")))
        return 0;
    if (!version.n)
        return refuse(x, MCP_BAD_PARAMS,
                      "params._meta lacks " MCP_META "protocolVersion; revisions before " MCP_MODERN
                      " begin with initialize",
                      NULL);
    if (!span_is(version, MCP_MODERN)) {
        buffer_puts(&data, supported);
        buffer_put(&data, version.text, version.n);
        buffer_puts(&data, "}");
        buffer_put(&data, "", 1);
        int code = refuse(x, MCP_BAD_VERSION, "Unsupported protocol version", data.failed ? NULL : data.text);
        buffer_free(&data);
        return code;
    }
    if (!span_is_object(span_member(meta, MCP_META "clientCapabilities")))
        return refuse(x, MCP_BAD_PARAMS, "params._meta lacks " MCP_META "clientCapabilities", NULL);
    return 0;
}

int mcp_service_answer(struct mcp_service *s, const struct mcp_ask *ask, struct buffer *out)
{
    struct exchange x = {s, ask, 0, out};
    if (span_is(ask->m->method, "initialize"))
        return initialize(&x);
    int code = check_revision(&x);
    if (code)
        return code;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (span_is(ask->m->method, methods[i].name))
            return methods[i].answer(&x);
    return refuse_name(&x, MCP_NO_METHOD, "There is no such method: ", ask->m->method);
}
