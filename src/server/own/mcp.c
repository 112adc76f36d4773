/* POST /mcp: the library's tools for MCP clients, over streamable HTTP (library.md 16). A request is answered by itself: there are no
 * sessions, and nothing is sent of our own accord, so every answer is one JSON object. */
#include "base/json/base64.h"
#include "base/utf8.h"
#include "mcp/message.h"
#include "server/answer/answer.h"
#include "server/http/http.h"
#include "server/own/own.h"
#include "server/request/service.h"
#include "toolbox/mcp_service.h"

#include <string.h>

/* ---- headers ----------------------------------------------------------------------------------------------------- */

/* 1: a header says what a string of the body says. Values that a header cannot have are written =?base64?...?=. */
static int says(const char *header, struct span string)
{
    static const char begin[] = "=?base64?", end[] = "?=";
    struct buffer text = {0}, want = {0};
    size_t n = header ? strlen(header) : 0, n_begin = sizeof begin - 1, n_end = sizeof end - 1;
    if (!header || !span_is_string(string))
        return 0;
    int is_encoded = n >= n_begin + n_end && strncmp(header, begin, n_begin) == 0 &&
                     strcmp(header + n - n_end, end) == 0;
    int bad = is_encoded && base64_decode(&text, header + n_begin, n - n_begin - n_end);
    if (!is_encoded)
        buffer_put(&text, header, n);
    json_unescape(&want, string.text, string.n);
    int same = !bad && !text.failed && !want.failed && text.n == want.n &&
               (text.n == 0 || memcmp(text.text, want.text, text.n) == 0);
    buffer_free(&text);
    buffer_free(&want);
    return same;
}

/* NULL: headers say what the body does. */
static const char *differs(const struct http_exchange *x, const struct message *m)
{
    struct span version = span_member(m->meta, MCP_META "protocolVersion");
    if (!version.n)
        return NULL;
    if (!says(http_header(x, "mcp-protocol-version"), version))
        return "the header MCP-Protocol-Version differs from params._meta";
    if (!says(http_header(x, "mcp-method"), m->method))
        return "the header Mcp-Method differs from method";
    if (span_is(m->method, "tools/call") && !says(http_header(x, "mcp-name"), span_member(m->params, "name")))
        return "the header Mcp-Name differs from params.name";
    return NULL;
}

/* Clients of before say their revision in a header, or not at all. */
static int is_old(const struct http_exchange *x)
{
    const char *version = http_header(x, "mcp-protocol-version");
    return !version || mcp_is_old(version, strlen(version));
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static int status_of(int code, int is_old) { return code == 0 || is_old ? 200 : code == MCP_NO_METHOD ? 404 : 400; }

static void answer_request(struct http_exchange *x, const struct message *m)
{
    const struct mcp_ask ask = {.m = m, .is_old = is_old(x), .stopped = answer_nobody_waits, .arg = x};
    const char *why = differs(x, m);
    struct buffer line = {0};
    int code = why ? MCP_HEADERS_DIFFER : mcp_service_answer(x->server->tools, &ask, &line);
    struct refusal r = {0};
    if (why)
        message_put_error(&line, m->id, code, why, NULL);
    if (line.failed)
        refuse_memory(&r);
    else if (!line.n)
        refuse_draining(&r);
    if (r.status)
        http_refuse(x, &r);
    else
        http_answer(x, status_of(code, ask.is_old && !why), "application/json", line.text, line.n);
    buffer_free(&line);
}

/* data: JSON, or NULL. */
static void answer_error(struct http_exchange *x, struct span id, int code, const char *text, const char *data)
{
    struct buffer line = {0};
    struct refusal r = {0};
    message_put_error(&line, id, code, text, data);
    if (line.failed) {
        refuse_memory(&r);
        http_refuse(x, &r);
    } else {
        http_answer(x, 400, "application/json", line.text, line.n);
    }
    buffer_free(&line);
}

void own_mcp(struct http_exchange *x)
{
    struct refusal r = {0};
    struct message m;
    if (!x->server->tools) {
        refuse(&r, 404, "unsupported", NULL, "this server offers no tools: start it with --library");
        http_refuse(x, &r);
        return;
    }
    const char *version = http_header(x, "mcp-protocol-version");
    if (x->n_body > MESSAGE_MOST) {
        answer_error(x, (struct span){NULL, 0}, MCP_NO_REQUEST, "a message has 8 MiB at most", NULL);
        return;
    }
    message_read(&m, x->body, x->n_body);
    if (utf8_valid(x->body, x->n_body) < x->n_body)
        m = (struct message){.kind = MESSAGE_BROKEN};
    if (version && !mcp_is_old(version, strlen(version)) && strcmp(version, MCP_MODERN) != 0 &&
        !span_member(m.meta, MCP_META "protocolVersion").n && m.kind >= MESSAGE_REQUEST) {
        answer_error(x, m.id, MCP_BAD_VERSION, "Unsupported protocol version in the header MCP-Protocol-Version",
                     "{\"supported\":[\"" MCP_MODERN "\",\"" MCP_OLD "\"]}");
        return;
    }
    switch (m.kind) {
    case MESSAGE_BROKEN:
        answer_error(x, m.id, MCP_NOT_JSON, "the body is no JSON", NULL);
        break;
    case MESSAGE_INVALID:
        answer_error(x, m.id, MCP_NO_REQUEST, "the body is no message of JSON-RPC 2.0", NULL);
        break;
    case MESSAGE_REQUEST:
        answer_request(x, &m);
        break;
    case MESSAGE_NOTIFICATION:
    case MESSAGE_RESULT:
    case MESSAGE_ERROR:
        http_answer(x, 202, "application/json", "", 0);
    }
}
