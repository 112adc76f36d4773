/* links: bridge mcp base */
/* The client of MCP servers against servers with a url, of both eras, that behave and that do not: each is a path of a server of HTTP in
 * this process (fake_http.h). The bridge is this program again. */
#include "bridge/bridge.h"

#include "base/process/guard.h"
#include "bridge/libcurl.h"
#include "fake_http.h"
#include "is_gone.h"
#include "mcp/mcp.h"

#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "mcp_servers.h"

/* ---- servers ---------------------------------------------------------------------------------------------- */

#define STREAM "Content-Type: text/event-stream\r\n"
#define JSON   "Content-Type: application/json\r\n"

static int is_kind(const struct fake_request *r, const char *kind)
{
    size_t n = strlen(kind);
    const char *path = strchr(r->head, '/');
    return strncmp(path + 1, kind, n) == 0 && (path[1 + n] == ' ' || path[1 + n] == '?');
}

/* {"jsonrpc", "id", MORE} as the answer, in the form that the kind has. */
static void answer(const struct fake_request *r, int status, struct span id, const char *more)
{
    char *text;
    if (asprintf(&text, "{\"jsonrpc\":\"2.0\",\n\"id\":%.*s,%s}", (int)id.n, id.text, more) < 0)
        exit(1);
    if (is_kind(r, "stream") || is_kind(r, "oldstream")) {
        const char *lf = strchr(text, '\n');
        fake_say(r, "HTTP/1.1 200 OK\r\n" STREAM "Transfer-Encoding: chunked\r\n\r\n3\r\n: \n\r\n");
        fake_say(r, "%zx\r\nid: 1\r\ndata: %.*s\r\ndata:%s\r\n\r\n\r\n0\r\n\r\n", strlen(text) + 26, (int)(lf - text),
                 text, lf + 1);
    } else {
        fake_reply(r, status, JSON, text);
    }
    free(text);
}

static void text_answer(const struct fake_request *r, struct span id, const char *text)
{
    struct buffer out = {0};
    buffer_puts(&out, "\"result\":{\"resultType\":\"complete\",\"content\":[{\"type\":\"text\",\"text\":");
    buffer_put_string(&out, text, strlen(text));
    buffer_puts(&out, "}]}");
    buffer_put(&out, "", 1);
    answer(r, 200, id, out.text);
    buffer_free(&out);
}

static const char tools[] =
    "\"result\":{\"resultType\":\"complete\",\"tools\":[{\"name\":\"echo\",\"inputSchema\":{\"type\":\"object\"}},"
    "{\"name\":\"route\\u00e9\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\","
    "\"x-mcp-header\":\"Place\"},\"n\":{\"type\":\"integer\",\"x-mcp-header\":\"Count\"},\"no\":{\"type\":\"boolean\","
    "\"x-mcp-header\":\"No\"}}}},"
    "{\"name\":\"broken\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"items\":"
    "{\"type\":\"string\",\"x-mcp-header\":\"A\"}}}}}]}";

static void end_in_the_middle(struct fake_request *r) { shutdown(r->fd, SHUT_RDWR); }

static atomic_int is_cancelled; /* the client has closed a call */

/* The same text again and again, until the client leaves. */
static void fill(const struct fake_request *r, const char *text)
{
    static char many[64000];
    size_t n = strlen(text), n_many = sizeof many / n * n;
    for (size_t i = 0; i < n_many; i++)
        many[i] = text[i % n];
    for (int i = 0; i < 400 && fake_send(r, many, n_many); i++)
        continue;
}

/* A call of a server that does not do what it should. 0: it is none of these. */
static int hostile_call(struct fake_request *r, const struct message *m)
{
    static const char x[] = "xxxxxxxxxxxxxxxxxxxxxxxxx", heads[] = "X-Y: xxxxxxxxxxxxxxxxxxxxxx\r\n";
    char c;
    if (is_kind(r, "redirect"))
        fake_reply(r, 307, "Location: http://me:secret@127.0.0.1:9/other/secret?key=secret\r\n", "");
    else if (is_kind(r, "locked"))
        fake_reply(r, 401, "WWW-Authenticate: Bearer\r\n", "");
    else if (is_kind(r, "ill"))
        fake_reply(r, 503, "", "not\ntoday \033[31m");
    else if (is_kind(r, "words"))
        fake_reply(r, 200, JSON, "hello");
    else if (is_kind(r, "accepts"))
        fake_reply(r, 202, "", "");
    else if (is_kind(r, "other"))
        fake_reply(r, 200, JSON, "{\"jsonrpc\":\"2.0\",\"id\":99999,\"result\":{\"content\":[]}}");
    else if (is_kind(r, "nameless"))
        fake_reply(r, 400, JSON,
                   "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,\"message\":\"no such place\"}}");
    else if (is_kind(r, "mean"))
        fake_reply(r, 200, JSON "Mcp-Session-Id: a b\r\n", "{}");
    else if (is_kind(r, "big")) {
        fake_say(r, "HTTP/1.1 200 OK\r\n" JSON "Content-Length: 900000000\r\n\r\n");
        fill(r, x);
    } else if (is_kind(r, "bigevent")) {
        fake_say(r, "HTTP/1.1 200 OK\r\n" STREAM "\r\ndata: ");
        fill(r, x);
    } else if (is_kind(r, "heads")) {
        fake_say(r, "HTTP/1.1 200 OK\r\n");
        fill(r, heads);
    } else if (is_kind(r, "cut")) {
        fake_say(r, "HTTP/1.1 200 OK\r\n" JSON "Content-Length: 100\r\n\r\n{\"jsonrpc\":");
        end_in_the_middle(r);
    } else if (is_kind(r, "short")) {
        fake_say(r, "HTTP/1.1 200 OK\r\n" STREAM "\r\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\n");
        end_in_the_middle(r);
    } else if (is_kind(r, "silent") || is_kind(r, "oldsilent")) {
        fake_say(r, "HTTP/1.1 200 OK\r\n" STREAM "\r\n: wait\n\n");
        is_cancelled += recv(r->fd, &c, 1, 0) <= 0;
        end_in_the_middle(r);
    } else if (is_kind(r, "stays")) { /* it does not end the stream behind its answer */
        fake_say(r,
                 "HTTP/1.1 200 OK\r\n" STREAM
                 "\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{\"content\":[{\"type\":"
                 "\"text\",\"text\":\"first\"}]}}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{}}\n\n",
                 (int)m->id.n, m->id.text, (int)m->id.n, m->id.text);
        is_cancelled += recv(r->fd, &c, 1, 0) <= 0;
        end_in_the_middle(r);
    } else
        return 0;
    return 1;
}

static void modern_call(struct fake_request *r, const struct message *m)
{
    struct span name = span_member(m->params, "name");
    int is_route = span_is(name, "route\xc3\xa9");
    if (hostile_call(r, m))
        return;
    if (!fake_has(r, "Mcp-Name", is_route ? "=?base64?cm91dGXDqQ==?=" : "echo") ||
        (is_route && (!fake_has(r, "Mcp-Param-Place", "=?base64?IG5vcnRoCg==?=") ||
                      !fake_has(r, "Mcp-Param-Count", "-7") || fake_has(r, "Mcp-Param-No", NULL))))
        answer(r, 400, m->id, "\"error\":{\"code\":-32020,\"message\":\"headers differ\"}");
    else
        text_answer(r, m->id, "modern");
}

static void answer_modern(struct fake_request *r, const struct message *m)
{
    if (!span_is(span_member(m->meta, MCP_META "protocolVersion"), MCP_MODERN))
        answer(r, 400, m->id, "\"error\":{\"code\":-32601,\"message\":\"no such method\"}");
    else if (!fake_has(r, "MCP-Protocol-Version", MCP_MODERN) || fake_has(r, "Mcp-Session-Id", NULL) ||
             !fake_has(r, "Accept", "application/json, text/event-stream") ||
             !fake_has(r, "Content-Type", "application/json"))
        answer(r, 400, m->id, "\"error\":{\"code\":-32020,\"message\":\"headers are wrong\"}");
    else if (span_is(m->method, "server/discover") && fake_has(r, "Mcp-Method", "server/discover"))
        answer(r, 200, m->id,
               "\"result\":{\"supportedVersions\":[\"" MCP_MODERN "\"],\"capabilities\":{\"tools\":{}}}");
    else if (span_is(m->method, "tools/list") && fake_has(r, "Mcp-Method", "tools/list"))
        answer(r, 200, m->id, tools);
    else if (span_is(m->method, "tools/call") && fake_has(r, "Mcp-Method", "tools/call"))
        modern_call(r, m);
    else
        answer(r, 404, m->id, "\"error\":{\"code\":-32601,\"message\":\"no such method\"}");
}

/* Of before: sessions "s0", "s1", .., of which the newest alone is known. */
static atomic_int n_session, is_initialized[2]; /* of "oldstream", and of the others, which are started alone */

static int knows_session(const struct fake_request *r)
{
    char name[20];
    snprintf(name, sizeof name, "s%d", n_session);
    return fake_has(r, "Mcp-Session-Id", name);
}

/* It asks in the middle of a call, and answers when it has been answered. */
static atomic_int was_answered;

static void asking_call(struct fake_request *r, const struct message *m)
{
    static const char ping[] = "data: {\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}\n\n";
    was_answered = 0;
    fake_say(r, "HTTP/1.1 200 OK\r\n" STREAM "\r\n%s", ping);
    for (int i = 0; i < 20000 && !was_answered; i++)
        usleep(1000);
    fake_say(
        r, "data: {\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"%s\"}]}}\n\n",
        (int)m->id.n, m->id.text, was_answered ? "answered" : "nobody answers");
    end_in_the_middle(r);
}

static void old_call(struct fake_request *r, const struct message *m)
{
    if (hostile_call(r, m))
        return;
    if (is_kind(r, "asks"))
        asking_call(r, m);
    else
        text_answer(r, m->id, "old");
}

static void answer_old(struct fake_request *r, const struct message *m)
{
    char session[60];
    atomic_int *is_open = &is_initialized[!is_kind(r, "oldstream")];
    snprintf(session, sizeof session, JSON "mcp-session-id: s%d\r\n", n_session);
    if (span_is(m->method, "initialize")) {
        *is_open = 0;
        char *text;
        if (asprintf(
                &text,
                "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{"
                "\"tools\":{}}}}",
                (int)m->id.n, m->id.text) < 0)
            exit(1);
        fake_reply(r, 200, session, text);
        free(text);
    } else if (span_is(m->method, "server/discover"))
        fake_reply(r, 400, JSON,
                   "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,\"message\":\"no session\"}}");
    else if (!knows_session(r))
        fake_reply(r, 404, "", "");
    else if (!fake_has(r, "MCP-Protocol-Version", "2025-06-18") || fake_has(r, "Mcp-Method", NULL))
        fake_reply(r, 400, "", "wrong headers");
    else if (span_is(m->method, "notifications/initialized")) {
        usleep(20000); /* what follows waits for it */
        *is_open = 1;
        fake_reply(r, 202, "", "");
    } else if (m->kind != MESSAGE_REQUEST) {
        was_answered |= m->kind == MESSAGE_RESULT && span_is(m->id, "p");
        fake_reply(r, 202, "", "");
    } else if (!*is_open)
        fake_reply(r, 400, "", "not initialized");
    else if (span_is(m->method, "tools/list"))
        answer(r, 200, m->id, tools);
    else
        old_call(r, m);
}

static void serve(struct fake_request *r)
{
    struct message m;
    message_read(&m, r->body, r->n);
    if (strncmp(r->head, "DELETE", 6) == 0)
        fake_reply(r, knows_session(r) ? 200 : 404, "", "");
    else if (is_kind(r, "none"))
        fake_reply(r, 404, "", "nothing here");
    else if (is_kind(r, "ssh")) {
        fake_say(r, "SSH-2.0-x\r\n");
        end_in_the_middle(r);
    } else if (is_kind(r, "moved"))
        fake_reply(r, 308, "Location: /modern\r\n", "");
    else if (is_kind(r, "old") || is_kind(r, "oldstream") || is_kind(r, "asks") || is_kind(r, "oldsilent"))
        answer_old(r, &m);
    else
        answer_modern(r, &m);
}

/* ---- the client ------------------------------------------------------------------------------------------- */

/* Servers that are called as their paths, of the fields besides. */
static struct mcp *open_kinds(const char *const *kinds, int n, const char *fields)
{
    struct buffer text = {0};
    n_line = 0;
    fake_forget();
    buffer_puts(&text, "{\"mcpServers\":{");
    for (int i = 0; i < n; i++) {
        char server[600];
        snprintf(server, sizeof server, "%s\"%s\":{\"url\":\"http://127.0.0.1:%d/%s?key=secret\"%s}", i ? "," : "",
                 kinds[i], strcmp(kinds[i], "absent") == 0 ? 1 : fake_http.port, kinds[i], fields);
        buffer_puts(&text, server);
    }
    buffer_puts(&text, "}}");
    return open_configured(&text, 10);
}

/* What a model is told of a call; free() it. */
static char *result_of(struct mcp *m, const char *name, const char *arguments)
{
    struct mcp_tools *t = mcp_tools(m);
    const struct mcp_tool *tool = mcp_tool_find(t, name);
    struct buffer out = {0};
    const char *error;
    for (int i = 0; !tool && i < n_line; i++)
        print_message("%s\n", lines[i]);
    if (!tool)
        fail_msg("there is no %s", name);
    struct mcp_call *c = mcp_begin(m, tool, arguments, strlen(arguments), NULL, NULL);
    assert_int_equal(mcp_wait(c, 20000), 1);
    struct span result = mcp_result(c, &error);
    mcp_result_text(result, error, &out);
    mcp_end(c);
    mcp_tools_release(t);
    char *text = strndup(out.n ? out.text : "", out.n);
    buffer_free(&out);
    return text;
}

static void expect(struct mcp *m, const char *name, const char *want)
{
    char *text = result_of(m, name, "{\"a\":\n1.50}");
    if (strncmp(text, want, strlen(want)) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", name, text, want);
    free(text);
}

static void revision_is(struct mcp *m, int server, const char *revision)
{
    struct mcp_state s;
    assert_int_equal(mcp_state(m, server, &s), 1);
    assert_string_equal(s.revision, revision);
}

/* ---- servers that behave ----------------------------------------------------------------------------------- */

static void both_eras_answer(void **state)
{
    static const char *const kinds[] = {"modern", "stream", "old", "oldstream"};
    struct mcp *m = open_kinds(kinds, 4, ",\"headers\":{\"Authorization\":\"Bearer ${SECRET}\",\"X-A\":\"1\"}");
    (void)state;
    expect(m, "modern__echo", "modern");
    expect(m, "stream__echo", "modern");
    expect(m, "old__echo", "old");
    expect(m, "oldstream__echo", "old");
    for (int i = 0; i < 4; i++)
        revision_is(m, i, i < 2 ? MCP_MODERN : "2025-06-18");
    assert_int_equal(fake_count("POST ", "Authorization: Bearer of nobody\r\n", "X-A: 1\r\n", NULL),
                     fake_count("POST ", NULL));
    assert_int_equal(fake_count("POST ", "User-Agent: stoker\r\n", NULL), fake_count("POST ", NULL));
    assert_int_equal(fake_count("POST /old?", "initialize\"", NULL), 1);
    assert_int_equal(fake_count("POST /modern?", "initialize\"", NULL), 0);
    close_all(m);
    assert_int_equal(fake_count("DELETE /old?", "Mcp-Session-Id: s0\r\n", "Authorization: Bearer of nobody\r\n", NULL),
                     1);
    assert_int_equal(fake_count("DELETE /", NULL), 2);
}

static void headers_say_what_the_body_says(void **state)
{
    static const char *const kinds[] = {"modern"};
    struct mcp *m = open_kinds(kinds, 1, "");
    (void)state;
    char *text = result_of(m, "modern__route__", "{\"a\":\" north\\n\",\"n\":-7,\"no\":null}");
    assert_string_equal(text, "modern");
    free(text);
    enum { MUCH = 1 << 20 };
    char *arguments = malloc(MUCH + 20);
    int n = sprintf(arguments, "{\"a\":\"");
    memset(arguments + n, 'x', MUCH);
    strcpy(arguments + n + MUCH, "\"}");
    text = result_of(m, "modern__route__", arguments);
    if (!strstr(text, "what the server wants in headers of the arguments (x-mcp-header) has more than 900 KiB"))
        fail_msg("a header of 1 MiB: %s", text);
    free(text);
    free(arguments);
    expect(m, "modern__echo", "modern");
    struct mcp_tools *t = mcp_tools(m);
    assert_int_equal(t->n, 2);
    mcp_tools_release(t);
    assert_int_equal(
        was_said("MCP server modern: its tool \"broken\" is left out: an x-mcp-header of it is at no parameter"), 1);
    close_all(m);
}

static void a_session_is_opened_anew(void **state)
{
    static const char *const kinds[] = {"old"};
    struct mcp *m = open_kinds(kinds, 1, "");
    (void)state;
    expect(m, "old__echo", "old");
    n_session++;
    expect(m, "old__echo", "old");
    assert_int_equal(fake_count("POST /old?", "initialize\"", NULL), 2);
    assert_int_equal(fake_count("POST /old?", "notifications/initialized\"", NULL), 2);
    assert_int_equal(fake_count("POST /old?", "tools/call\"", "Mcp-Session-Id: s0\r\n", NULL), 2);
    assert_int_equal(fake_count("POST /old?", "tools/call\"", "Mcp-Session-Id: s1\r\n", NULL), 1);
    assert_int_equal(mcp_refresh(m, NULL, NULL), 1); /* the new session may have other tools */
    expect(m, "old__echo", "old");
    close_all(m);
    assert_int_equal(fake_count("DELETE /old?", "Mcp-Session-Id: s1\r\n", NULL), 1);
    n_session = 0;
}

static void a_server_may_ask_in_a_call(void **state)
{
    static const char *const kinds[] = {"asks"};
    struct mcp *m = open_kinds(kinds, 1, "");
    (void)state;
    expect(m, "asks__echo", "answered");
    close_all(m);
}

/* ---- servers that do not ----------------------------------------------------------------------------------- */

static void the_others_work(void **state)
{
    static const char *const kinds[] = {"absent", "modern", "none", "ssh", "moved"};
    struct mcp *m = open_kinds(kinds, 5, "");
    (void)state;
    expect(m, "modern__echo", "modern");
    assert_int_equal(
        was_said("MCP server absent: it has ended with status 1; it said: http://127.0.0.1:1 cannot be reached: "), 1);
    assert_int_equal(
        was_said("MCP server none: it refuses both server/discover and initialize: HTTP status 404: nothing here"), 1);
    assert_int_equal(was_said("MCP server ssh: it has ended with status 1"), 1);
    assert_int_equal(was_said("MCP server moved: it refuses both server/discover and initialize: HTTP status 308 leads "
                              "to an address of http://"),
                     1);
    assert_int_equal(was_said("secret"), 0);
    assert_int_equal(fake_count("/modern", "POST /modern ", NULL), 0);
    close_all(m);
}

static void calls_end_whatever_servers_do(void **state)
{
    static const struct {
        const char *kind, *want;
    } of[] = {
        {"redirect", "error: HTTP status 307 leads to an address of http://127.0.0.1:9, and no redirect is followed"},
        {"locked", "error: HTTP status 401: it wants to know who asks"},
        {"ill", "error: HTTP status 503: not?today ?[31m"},
        {"words", "error: its answer of HTTP status 200 is no answer to the message"},
        {"accepts", "error: its answer of HTTP status 202 is no answer"},
        {"other", "error: its answer of HTTP status 200 is no answer"},
        {"nameless", "error: no such place"},
        {"mean", "error: its Mcp-Session-Id is longer"},
        {"big", "error: its answer has more than 8 MiB"},
        {"bigevent", "error: an event of its answer has more than 8 MiB"},
        {"heads", "error: its answer has more than 64 KiB of headers"},
        {"cut", "error: "},
        {"short", "error: its answer of HTTP status 200 is no answer"},
        {"stays", "first"}};
    enum { N = sizeof of / sizeof *of };
    const char *kinds[N];
    char name[40];
    (void)state;
    for (int i = 0; i < N; i++)
        kinds[i] = of[i].kind;
    struct mcp *m = open_kinds(kinds, N, "");
    for (int again = 0; again < 2; again++)
        for (int i = 0; i < N; i++) {
            snprintf(name, sizeof name, "%s__echo", of[i].kind);
            expect(m, name, of[i].want);
        }
    assert_int_equal(fake_count("POST /ill?", "tools/call\"", NULL), 2); /* no call is repeated */
    close_all(m);
}

/* The stream is closed; of before a message says so as well. */
static void who_does_not_wait_cancels(void **state)
{
    static const char *const kinds[] = {"silent", "oldsilent"};
    struct mcp *m = open_kinds(kinds, 2, ",\"timeout\":1");
    (void)state;
    for (int i = 0; i < 2; i++) {
        is_cancelled = 0;
        expect(m, i ? "oldsilent__echo" : "silent__echo",
               i ? "error: MCP server oldsilent did not" : "error: MCP server silent did not");
        for (int k = 0; k < 20000 && !is_cancelled; k++)
            usleep(1000);
        assert_int_equal(is_cancelled, 1);
    }
    assert_int_equal(fake_count("POST /silent?", "notifications/cancelled\"", NULL), 0);
    for (int k = 0; k < 20000 && !fake_count("POST /oldsilent?", "notifications/cancelled\"", NULL); k++)
        usleep(1000);
    assert_int_equal(fake_count("POST /oldsilent?", "notifications/cancelled\"", "Mcp-Session-Id: s0\r\n", NULL), 1);
    close_all(m);
}

static void many_calls_at_once(void **state)
{
    enum { N = 64 };
    static const char *const kinds[] = {"modern", "old"};
    struct mcp *m = open_kinds(kinds, 2, "");
    struct mcp_tools *t = mcp_tools(m);
    struct mcp_call *c[N];
    const char *error;
    (void)state;
    for (int i = 0; i < N; i++)
        assert_non_null(
            c[i] = mcp_begin(m, mcp_tool_find(t, i % 2 ? "old__echo" : "modern__echo"), "{}", 2, NULL, NULL));
    for (int i = 0; i < N; i++) {
        assert_int_equal(mcp_wait(c[i], 20000), 1);
        struct span result = mcp_result(c[i], &error);
        struct buffer out = {0};
        mcp_result_text(result, error, &out);
        buffer_put(&out, "", 1);
        assert_string_equal(out.text, i % 2 ? "old" : "modern");
        buffer_free(&out);
        mcp_end(c[i]);
    }
    mcp_tools_release(t);
    close_all(m);
}

/* ---- the process -------------------------------------------------------------------------------------------- */

static void nothing_outlives_a_kill(void **state)
{
    static const char *const kinds[] = {"modern"};
    int pids[2] = {0, 0}, pipes[2], status; /* of the guard, of the bridge */
    (void)state;
    assert_int_equal(pipe(pipes), 0);
    pthread_mutex_lock(&fake_http.lock); /* or a thread that the child lacks may hold it there for ever */
    pid_t child = fork();
    pthread_mutex_unlock(&fake_http.lock);
    if (child == 0) {
        char command[200];
        open_kinds(kinds, 1, "");
        snprintf(command, sizeof command, "g=$(ps -o pid= --ppid %d | head -n 1); echo $g; ps -o pid= --ppid $g",
                 (int)getpid());
        FILE *of = popen(command, "r");
        if (!of || fscanf(of, "%d %d", &pids[0], &pids[1]) != 2 || write(pipes[1], pids, sizeof pids) < 0)
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    close(pipes[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(read(pipes[0], pids, sizeof pids), sizeof pids);
    close(pipes[0]);
    for (int i = 0; i < 1000 && !(is_gone(pids[0]) && is_gone(pids[1])); i++)
        usleep(5000);
    assert_true(is_gone(pids[0]) && is_gone(pids[1]));
}

int main(int argc, char **argv)
{
    if (guard_is(argc, argv))
        guard_become(argc, argv);
    if (bridge_is(argc, argv))
        return bridge_run();
    struct curl c;
    struct error err = {0};
    if (curl_load(&c, &err)) {
        printf("skip bridge: %s\n0 passed, 0 failed, 1 skipped\n", err.text);
        return 0;
    }
    log_to(keep_line);
    setenv("SECRET", "of nobody", 1);
    signal(SIGPIPE, SIG_IGN);
    fake_start(serve);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_eras_answer),          cmocka_unit_test(headers_say_what_the_body_says),
        cmocka_unit_test(a_session_is_opened_anew),  cmocka_unit_test(a_server_may_ask_in_a_call),
        cmocka_unit_test(the_others_work),           cmocka_unit_test(calls_end_whatever_servers_do),
        cmocka_unit_test(who_does_not_wait_cancels), cmocka_unit_test(many_calls_at_once),
        cmocka_unit_test(nothing_outlives_a_kill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
