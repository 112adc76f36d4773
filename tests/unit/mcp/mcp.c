/* links: mcp base */
/* The client against servers that behave and that do not: this program again, as a server of a kind (`serve KIND`). */
#include "mcp/mcp.h"

#include "base/clock.h"
#include "base/process/guard.h"
#include "base/reqmem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "mcp_servers.h"

/* ---- servers ---------------------------------------------------------------------------------------------- */

static void say(const char *text)
{
    puts(text);
    fflush(stdout);
}

static void answer(struct span id, const char *result)
{
    printf("{\"jsonrpc\":\"2.0\",\"id\":%.*s,%s}\n", (int)id.n, id.text, result);
    fflush(stdout);
}

static void list_many(struct span id, int n)
{
    printf("{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{\"tools\":[", (int)id.n, id.text);
    for (int i = 0; i < n; i++)
        printf("%s{\"name\":\"t%d\",\"inputSchema\":{\"type\":\"object\"}}", i ? "," : "", i);
    say("]}}");
}

/* Lists that change: of "changes" with each call, and it says so; of "timed" with each listing, and none lasts. */
static int n_change;

static void list_changing(const char *kind, struct span id)
{
    char result[200];
    n_change += strcmp(kind, "timed") == 0;
    snprintf(result, sizeof result, "\"result\":{\"tools\":[{\"name\":\"t%d\",\"inputSchema\":{}}]%s}", n_change,
             strcmp(kind, "timed") == 0 ? ",\"ttlMs\":0" : "");
    answer(id, result);
}

/* Three tools first; behind a call as many as there may be, of as much text as there may be, each word of which is another. */
static void list_growing(struct span id)
{
    int n_word = 0;
    printf("{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{\"tools\":[", (int)id.n, id.text);
    for (int i = 0; i < (n_change ? 2000 : 3); i++) {
        printf("%s{\"name\":\"t%d\",\"description\":\"", i ? "," : "", i);
        for (int k = 0; n_change && k < 160; k++)
            printf("%x ", 0x10000 + n_word++);
        printf("\",\"inputSchema\":{\"type\":\"object\"}}");
    }
    say("]}}");
}

/* It goes on at a cursor that is too long to be asked for. */
static void list_far(struct span id)
{
    printf("{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{\"tools\":[],\"nextCursor\":\"%05000d", (int)id.n, id.text, 0);
    say("\"}}");
}

static void list_tools(const char *kind, struct span id)
{
    if (strcmp(kind, "grows") == 0) {
        list_growing(id);
        return;
    }
    if (strcmp(kind, "changes") == 0 || strcmp(kind, "timed") == 0) {
        list_changing(kind, id);
        return;
    }
    if (strcmp(kind, "many") == 0)
        list_many(id, 12000);
    else if (strcmp(kind, "stalls") == 0 && n_change > 0)
        return;
    else if (strcmp(kind, "far") == 0)
        list_far(id);
    else if (strcmp(kind, "pages") == 0)
        answer(id, "\"result\":{\"tools\":[{\"name\":\"p\",\"inputSchema\":{}}],\"nextCursor\":\"more\"}");
    else if (strcmp(kind, "odd") == 0)
        answer(
            id,
            "\"result\":{\"tools\":[{\"name\":\"net\",\"inputSchema\":{\"$ref\":\"http://127.0.0.1/x\"}},"
            "{\"name\":\"in\",\"inputSchema\":{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{}}}},{\"name\":\"none\"},"
            "{\"inputSchema\":{}},17,{\"name\":\"bad\xff\",\"inputSchema\":{}},{\"name\":\"a b\",\"inputSchema\":{}},"
            "{\"name\":\"a/b\",\"inputSchema\":{}},{\"name\":\"denied\",\"inputSchema\":{}}]}");
    else
        answer(id, "\"result\":{\"tools\":[{\"name\":\"echo\",\"description\":\"Says it.\",\"inputSchema\":{\"type\":"
                   "\"object\",\"n\":1.50}}]}");
}

static _Noreturn void stay(void)
{
    for (;;)
        pause();
}

/* Behind its list it reads nothing, so long; -1: for ever. */
static void list_and_rest(struct span id, int ms)
{
    list_tools("", id);
    if (ms < 0)
        stay();
    usleep((useconds_t)ms * 1000);
}

/* Behind its list nobody can tell it anything. */
static void list_and_close(struct span id)
{
    close(STDIN_FILENO); /* before whoever reads the list can ask for anything */
    list_tools("", id);
    stay();
}

/* Programs that end by nothing but SIGKILL: one in the server's group, two in a session of their own, of which one has no parent. */
static void start_family(void)
{
    for (int i = 0; i < 2; i++) {
        if (fork())
            continue;
        signal(SIGTERM, SIG_IGN);
        if (i == 1 && (setsid() < 0 || fork() > 0))
            _exit(1);
        if (i == 1 && fork() < 0)
            _exit(1);
        stay();
    }
}

/* It takes 3 s, and tells that it goes on. */
static void work(const struct message *m)
{
    struct span token = span_member(m->meta, "progressToken");
    for (int i = 1; i <= 10; i++) {
        usleep(300000);
        printf("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":%.*s,"
               "\"progress\":%d}}\n",
               (int)token.n, token.text, i);
        fflush(stdout);
    }
}

static void call(const char *kind, const struct message *m)
{
    if (strcmp(kind, "busy") == 0 && n_change++ == 0)
        work(m);
    if (strcmp(kind, "dies") == 0) {
        fprintf(stderr, "out of paper\n");
        exit(3);
    } else if (strcmp(kind, "cut") == 0) {
        printf("{\"jsonrpc\":\"2.0\",\"id\":");
        fflush(stdout);
        exit(0);
    } else if (strcmp(kind, "stubborn") == 0) {
        close(STDOUT_FILENO);
        stay();
    } else if (strcmp(kind, "silent") == 0) {
        return;
    } else if (strcmp(kind, "asks") == 0) { /* and hears nothing of what it is answered */
        for (int i = 0; i < 8000; i++)
            say("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");
        stay();
    } else if (strcmp(kind, "loud") == 0) {
        for (int i = 0; i < 10; i++)
            printf("{\"jsonrpc\":\"2.0\",\"id\":\"%05000d\",\"method\":\"ping\"}\n", i);
        fflush(stdout);
    } else if (strcmp(kind, "changes") == 0 || strcmp(kind, "stalls") == 0 || strcmp(kind, "grows") == 0) {
        n_change++;
        say("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}");
        answer(m->id, "\"result\":{\"content\":[]}");
    } else if (strcmp(kind, "junk") == 0) {
        for (int i = 0; i < 100; i++)
            say("tick");
    } else if (strcmp(kind, "twice") == 0) {
        answer((struct span){"99999", 5}, "\"result\":{\"content\":[]}");
        answer((struct span){"\"x\"", 3}, "\"result\":{\"content\":[]}");
        say("{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"roots/list\"}");
        answer(m->id, "\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"first\"}]}");
        answer(m->id, "\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"second\"}]}");
    } else if (strcmp(kind, "input") == 0) {
        answer(m->id, "\"result\":{\"resultType\":\"input_required\",\"requestState\":\"s\"}");
    } else if (strcmp(kind, "error") == 0) {
        answer(m->id, "\"error\":{\"code\":-32000,\"message\":\"not\\ntoday\"}");
    } else {
        struct span arguments = span_member(m->params, "arguments");
        struct buffer text = {0};
        buffer_puts(&text, "\"result\":{\"content\":[{\"type\":\"text\",\"text\":");
        buffer_put_string(&text, arguments.text, arguments.n);
        buffer_puts(&text, "}]}");
        buffer_put(&text, "", 1);
        answer(m->id, text.text);
        buffer_free(&text);
    }
}

static void take(const char *kind, const struct message *m)
{
    int is_modern = strcmp(kind, "modern") == 0;
    if (span_is(m->method, "initialize") && is_modern)
        answer(m->id, "\"error\":{\"code\":-32601,\"message\":\"no\"}");
    else if (span_is(m->method, "initialize") && strcmp(kind, "future") == 0)
        answer(m->id, "\"result\":{\"protocolVersion\":\"2031-01-01\",\"capabilities\":{\"tools\":{}}}");
    else if (span_is(m->method, "initialize"))
        answer(m->id, "\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":{}}}");
    else if (is_modern && m->id.n && !span_is(span_member(m->meta, MCP_META "protocolVersion"), MCP_MODERN))
        answer(m->id, "\"error\":{\"code\":-32602,\"message\":\"no _meta\"}");
    else if (span_is(m->method, "server/discover"))
        answer(m->id, "\"result\":{\"supportedVersions\":[\"" MCP_MODERN "\"],\"capabilities\":{\"tools\":{}}}");
    else if (span_is(m->method, "tools/list") && strcmp(kind, "late") == 0)
        list_and_rest(m->id, 200);
    else if (span_is(m->method, "tools/list") && strcmp(kind, "deaf") == 0)
        list_and_rest(m->id, -1);
    else if (span_is(m->method, "tools/list") && strcmp(kind, "closes") == 0)
        list_and_close(m->id);
    else if (span_is(m->method, "tools/list"))
        list_tools(kind, m->id);
    else if (span_is(m->method, "tools/call"))
        call(kind, m);
}

static int serve(const char *kind)
{
    static char line[1 << 20];
    struct message m;
    if (strcmp(kind, "ends") == 0) {
        fprintf(stderr, "no such file\n");
        return 4;
    }
    if (strcmp(kind, "stubborn") == 0)
        signal(SIGTERM, SIG_IGN);
    if (strcmp(kind, "holds") == 0)
        kill(getppid(), SIGSTOP);
    if (strcmp(kind, "family") == 0)
        start_family();
    if (strcmp(kind, "flood") == 0)
        for (int i = 0; i < 200000; i++)
            fprintf(stderr, "line %d of what nobody asked for\n", i);
    while (strcmp(kind, "mute") == 0 || fgets(line, sizeof line, stdin)) {
        if (strcmp(kind, "mute") == 0) {
            pause();
            continue;
        }
        message_read(&m, line, strlen(line));
        take(kind, &m);
    }
    while (strcmp(kind, "stubborn") == 0)
        pause();
    return 0;
}

/* ---- the client ------------------------------------------------------------------------------------------- */

static struct mcp *open_kinds(const char *const *kinds, int n, const char *fields)
{
    struct buffer text = {0};
    n_line = 0;
    buffer_puts(&text, "{\"mcpServers\":{");
    for (int i = 0; i < n; i++) {
        char server[400];
        snprintf(server, sizeof server,
                 "%s\"%s\":{\"command\":\"/proc/%d/exe\",\"args\":[\"serve\",\"%s\"],\"timeout\":1%s}", i ? "," : "",
                 kinds[i], (int)getpid(), kinds[i], fields);
        buffer_puts(&text, server);
    }
    buffer_puts(&text, "}}");
    return open_configured(&text, 6);
}

static struct mcp_call *ask(struct mcp *m, const char *name)
{
    struct mcp_tools *t = mcp_tools(m);
    const struct mcp_tool *tool = mcp_tool_find(t, name);
    assert_non_null(tool);
    struct mcp_call *c = mcp_begin(m, tool, "{\"a\":\n1.50}", 11, NULL, NULL);
    mcp_tools_release(t);
    assert_non_null(c);
    return c;
}

/* What a model is told of a call of a tool of a kind; free() it. */
static char *result_of(struct mcp *m, const char *name)
{
    struct mcp_call *c = ask(m, name);
    struct buffer out = {0};
    const char *error;
    assert_int_equal(mcp_wait(c, -1), 1);
    struct span result = mcp_result(c, &error);
    mcp_result_text(result, error, &out);
    mcp_end(c);
    char *text = strndup(out.n ? out.text : "", out.n);
    buffer_free(&out);
    return text;
}

static void expect(struct mcp *m, const char *name, const char *want)
{
    char *text = result_of(m, name);
    if (strncmp(text, want, strlen(want)) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", name, text, want);
    free(text);
}

static void both_eras_answer(void **state)
{
    static const char *const kinds[] = {"old", "modern"};
    struct mcp *m = open_kinds(kinds, 2, "");
    struct mcp_state s;
    (void)state;
    expect(m, "old__echo", "{\"a\": 1.50}");
    expect(m, "modern__echo", "{\"a\": 1.50}");
    assert_int_equal(mcp_state(m, 0, &s), 1);
    assert_string_equal(s.revision, "2025-06-18");
    assert_int_equal(mcp_state(m, 1, &s), 1);
    assert_string_equal(s.revision, MCP_MODERN);
    assert_int_equal(mcp_state(m, 2, &s), 0);
    assert_int_equal(n_line, 0);
    close_all(m);
}

static void the_others_work(void **state)
{
    static const char *const kinds[] = {"ends", "old", "mute", "future", "flood", "far"};
    struct mcp *m = open_kinds(kinds, 6, "");
    struct mcp_tools *t = mcp_tools(m);
    (void)state;
    assert_int_equal(t->n, 2);
    assert_string_equal(t->tool[0].name, "old__echo");
    mcp_tools_release(t);
    expect(m, "old__echo", "{");
    expect(m, "flood__echo", "{");
    assert_int_equal(was_said("MCP server ends: it has ended with status 4; it said: no such file"), 1);
    assert_int_equal(was_said("MCP server mute: it does not answer within 6 s"), 1);
    assert_int_equal(was_said("MCP server future: it speaks revision \"2031-01-01\""), 1);
    assert_int_equal(was_said("MCP server far: its list goes on at a cursor of more than 4 KiB"), 1);
    assert_int_equal(was_said("MCP server ends"), 1);
    close_all(m);
}

static void calls_end_whatever_servers_do(void **state)
{
    static const char *const kinds[] = {"dies", "cut", "silent", "junk", "twice", "input", "error", "asks", "loud"};
    struct mcp *m = open_kinds(kinds, 9, "");
    (void)state;
    for (int again = 0; again < 2; again++) {
        expect(m, "dies__echo", "error: MCP server dies: it has ended with status 3; it said: out of paper");
        expect(m, "cut__echo", "error: MCP server cut: in the middle of an answer, it has ended with status 0");
        expect(m, "silent__echo", "error: MCP server silent did not answer within 1 s");
        expect(m, "junk__echo", "error: MCP server junk: it writes lines that are no messages");
        expect(m, "twice__echo", "first");
        expect(m, "input__echo", "error: the tool wants input of a person");
        expect(m, "error__echo", "error: not?today");
        expect(m, "asks__echo", "error: MCP server asks: it does not read what it is told");
        expect(m, "loud__echo", "error: MCP server loud: it writes lines that are no messages");
    }
    assert_int_equal(was_said("MCP server dies"), 1);
    close_all(m);
}

static uint64_t processor_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Nobody waits until its time is over, and a pipe that nobody reads is not asked again and again. */
static void a_closed_input_is_a_servers_end(void **state)
{
    static const char *const kinds[] = {"closes", "old"};
    struct mcp *m = open_kinds(kinds, 2, "");
    uint64_t before = processor_ns();
    (void)state;
    expect(m, "closes__echo", "error: MCP server closes: it has closed its input");
    assert_in_range(processor_ns() - before, 0, 300000000);
    expect(m, "old__echo", "{");
    close_all(m);
}

static void lists_are_bounded_and_names_unique(void **state)
{
    static const char *const kinds[] = {"many", "pages", "odd"};
    struct mcp *m = open_kinds(kinds, 3, ",\"deny\":[\"denied\"],\"allow\":[\"in\"]");
    struct mcp_tools *t = mcp_tools(m);
    (void)state;
    assert_int_equal(t->n, 10000 + 100 + 3);
    assert_string_equal(t->tool[9999].name, "many__t9999");
    assert_string_equal(t->tool[10000].name, "pages__p");
    assert_string_equal(t->tool[10001].name, "pages__p_2");
    assert_non_null(mcp_tool_find(t, "odd__a_b"));
    assert_non_null(mcp_tool_find(t, "odd__a_b_2"));
    assert_true(span_is(mcp_tool_find(t, "odd__a_b_2")->own, "a/b"));
    assert_true(mcp_tool_find(t, "odd__in")->is_allowed);
    assert_null(mcp_tool_find(t, "odd__denied"));
    assert_null(mcp_tool_find(t, "odd__net"));
    assert_int_equal(was_said("its tool \"net\" is left out: a $ref"), 1);
    assert_int_equal(was_said("its tool \"none\" is left out: it has no inputSchema"), 1);
    assert_int_equal(was_said("MCP server many: it lists more than"), 1);
    mcp_tools_release(t);
    close_all(m);
}

static int has_tool(struct mcp *m, const char *name)
{
    struct mcp_tools *t = mcp_tools(m);
    int has = mcp_tool_find(t, name) != NULL;
    mcp_tools_release(t);
    return has;
}

static int n_asked;
static int give_up(void *arg)
{
    (void)arg;
    return n_asked++ > 0;
}

static void lists_are_asked_for_again(void **state)
{
    static const char *const kinds[] = {"changes", "old"};
    struct mcp *m = open_kinds(kinds, 2, "");
    (void)state;
    assert_int_equal(mcp_refresh(m, NULL, NULL), 0);
    assert_true(has_tool(m, "changes__t0"));
    struct mcp_tools *held = mcp_tools(m);
    expect(m, "changes__t0", "");
    assert_true(has_tool(m, "changes__t0")); /* not within a turn */
    assert_int_equal(mcp_refresh(m, NULL, NULL), 1);
    assert_true(has_tool(m, "changes__t1"));
    assert_false(has_tool(m, "changes__t0"));
    assert_true(has_tool(m, "old__echo"));
    assert_non_null(mcp_tool_find(held, "changes__t0"));
    assert_int_equal(mcp_refresh(m, NULL, NULL), 0);
    expect(m, "changes__t1", "");
    assert_int_equal(mcp_refresh(m, NULL, NULL), 0); /* somebody still has the one before */
    assert_true(has_tool(m, "changes__t1"));
    mcp_tools_release(held);
    assert_int_equal(mcp_refresh(m, NULL, NULL), 1);
    assert_true(has_tool(m, "changes__t2"));
    close_all(m);
}

/* What a plan counts when servers have started holds whatever they list later. */
static void later_lists_are_bounded(void **state)
{
    static const char *const kinds[] = {"grows"};
    struct mcp *m = open_kinds(kinds, 1, "");
    uint64_t counted = mcp_kept_bytes(m);
    struct mcp_tools *first = mcp_tools(m);
    (void)state;
    assert_int_equal(first->n, 3);
    expect(m, "grows__t0", "");
    assert_int_equal(mcp_refresh(m, NULL, NULL), 1);
    struct mcp_tools *t = mcp_tools(m);
    assert_in_range(t->n, 100, 3 + 128);
    assert_in_range(mcp_tools_bytes(t, NULL), 200 << 10, mcp_tools_bytes(first, NULL) + MCP_GROWTH);
    assert_in_range(mcp_tools_bytes(first, NULL) + mcp_tools_bytes(t, first), 0, counted);
    assert_int_equal(was_said("MCP server grows: it lists more than 128 tools, 100 pages or 128 KiB beyond"), 1);
    expect(m, "grows__t99", "");
    mcp_tools_release(first);
    assert_int_equal(mcp_refresh(m, NULL, NULL), 1); /* the next one is of the first one's bounds */
    struct mcp_tools *next = mcp_tools(m);
    assert_int_equal(next->n, t->n);
    mcp_tools_release(next);
    mcp_tools_release(t);
    close_all(m);
}

static void lists_have_their_time(void **state)
{
    static const char *const kinds[] = {"timed"};
    struct mcp *m = open_kinds(kinds, 1, "");
    (void)state;
    for (int i = 2; i < 5; i++) {
        char name[20];
        snprintf(name, sizeof name, "timed__t%d", i);
        assert_int_equal(mcp_refresh(m, NULL, NULL), 1);
        assert_true(has_tool(m, name));
    }
    close_all(m);
}

/* A server that is ill when its list is asked for again: who waits may give up, and then it has failed; the others' tools are there. */
static void a_list_may_not_come_again(void **state)
{
    static const char *const kinds[] = {"stalls", "old"};
    struct mcp *m = open_kinds(kinds, 2, "");
    (void)state;
    expect(m, "stalls__echo", "");
    n_asked = 0;
    assert_int_equal(mcp_refresh(m, give_up, NULL), 0);
    assert_int_equal(n_asked, 2);
    assert_true(has_tool(m, "stalls__echo"));
    mcp_refresh(m, NULL, NULL);
    assert_int_equal(was_said("MCP server stalls: it does not answer within 6 s"), 1);
    assert_true(has_tool(m, "old__echo"));
    expect(m, "old__echo", "{");
    close_all(m);
}

enum { LARGE = 300 << 10 }; /* more than pipes hold */

/* Arguments of LARGE bytes, of a request that has an account. */
static struct mcp_call *ask_large(struct mcp *m, const char *name, struct reqmem *budget)
{
    static char arguments[LARGE];
    struct reqmem_account asker = {.of = budget};
    struct mcp_tools *t = mcp_tools(m);
    memset(arguments, 'x', LARGE);
    memcpy(arguments, "{\"a\":\"", 6);
    memcpy(arguments + LARGE - 2, "\"}", 2);
    reqmem_enter(&asker, 0);
    struct mcp_call *c = mcp_begin(m, mcp_tool_find(t, name), arguments, LARGE, NULL, NULL);
    reqmem_leave();
    mcp_tools_release(t);
    assert_non_null(c);
    return c;
}

static void ends_with(struct mcp_call *c, size_t n, const char *want)
{
    const char *error;
    assert_int_equal(mcp_wait(c, -1), 1);
    struct span result = mcp_result(c, &error);
    assert_string_equal(error, want);
    assert_in_range(result.n, n, n + 200);
}

/* A call that a server does not read yet is memory of the request that has asked, and no other one is begun behind it. Where it
 * reads nothing of one that nobody awaits it has failed, and that memory is given back. */
static void what_is_not_read_is_its_askers(void **state)
{
    static const char *const kinds[] = {"late", "deaf"};
    struct reqmem budget, small;
    struct mcp_call *c[4];
    struct mcp *m = open_kinds(kinds, 2, "");
    (void)state;
    reqmem_init(&budget, 16 << 20, 0);
    reqmem_init(&small, LARGE / 2, 0);
    for (int i = 0; i < 4; i++)
        c[i] = ask_large(m, i < 2 ? "late__echo" : "deaf__echo", &budget);
    struct mcp_call *refused = ask_large(m, "late__echo", &small);
    ends_with(refused, 0, "there is no memory for the call");
    ends_with(c[0], LARGE, "");
    ends_with(c[1], LARGE, "");
    assert_in_range(reqmem_taken(&budget), 4 * LARGE, 5 * LARGE); /* two results, two calls */
    ends_with(c[2], 0, "MCP server deaf did not answer within 1 s");
    ends_with(c[3], 0, "MCP server deaf did not answer within 1 s");
    mcp_end(refused);
    for (int i = 0; i < 4; i++)
        mcp_end(c[i]);
    for (int i = 0; i < 1000 && reqmem_taken(&budget) > 2 * LARGE; i++)
        usleep(5000);
    assert_in_range(reqmem_taken(&budget), LARGE, 2 * LARGE - 1); /* the one that has begun */
    for (int i = 0; i < 1000 && reqmem_taken(&budget) > 0; i++)
        usleep(5000);
    assert_int_equal(reqmem_taken(&budget), 0);
    close_all(m);
    assert_int_equal(was_said("MCP server deaf: it has read nothing of a call for 1 s"), 1);
    assert_int_equal(reqmem_taken(&budget), 0);
    assert_int_equal(reqmem_taken(&small), 0);
}

/* Those that begin together have what there is, and no more. */
static void large_calls_begin_together(void **state)
{
    static const char *const kinds[] = {"deaf"};
    struct reqmem budget;
    struct mcp_call *c[8];
    struct mcp *m = open_kinds(kinds, 1, "");
    (void)state;
    reqmem_init(&budget, 5 * LARGE / 2, 0);
    for (int i = 0; i < 8; i++)
        c[i] = ask_large(m, "deaf__echo", &budget);
    assert_in_range(reqmem_taken(&budget), 2 * LARGE, 5 * LARGE / 2);
    for (int i = 0; i < 8; i++) {
        ends_with(c[i], 0, i < 2 ? "MCP server deaf did not answer within 1 s" : "there is no memory for the call");
        mcp_end(c[i]);
    }
    close_all(m);
    assert_int_equal(reqmem_taken(&budget), 0);
}

/* It answers one call at a time: the next one, which is more than its pipe holds, is not read meanwhile, and may be late. */
static void one_that_works_need_not_read(void **state)
{
    static const char *const kinds[] = {"busy"};
    struct reqmem budget;
    struct mcp *m = open_kinds(kinds, 1, "");
    (void)state;
    reqmem_init(&budget, 16 << 20, 0);
    struct mcp_call *first = ask(m, "busy__echo"), *second = ask_large(m, "busy__echo", &budget);
    ends_with(second, 0, "MCP server busy did not answer within 1 s");
    ends_with(first, 1, "");
    mcp_end(first);
    mcp_end(second);
    expect(m, "busy__echo", "{");
    close_all(m);
    assert_int_equal(reqmem_taken(&budget), 0);
}

/* To end one that has failed, and does not end by itself, takes four seconds; a call of another one, and news of this one, do not. */
static void one_that_does_not_end_delays_nobody(void **state)
{
    static const char *const kinds[] = {"stubborn", "old"};
    struct mcp *m = open_kinds(kinds, 2, "");
    uint64_t begun = clock_ns();
    (void)state;
    expect(m, "stubborn__echo", "error: MCP server stubborn: it has closed its output");
    uint64_t failed = clock_ns();
    expect(m, "old__echo", "{");
    assert_in_range(clock_ns() - failed, 0, 1000000000);
    assert_in_range(clock_ns() - begun, 0, 3000000000);
    close_all(m);
}

/* Its guard does not hear what it is told: it is ended itself, its program along with it, which falls to this process. */
static void a_guard_that_is_held_is_killed(void **state)
{
    static const char *const kinds[] = {"holds"};
    struct mcp *m = open_kinds(kinds, 1, "");
    (void)state;
    expect(m, "holds__echo", "{");
    alarm(60);
    mcp_close(m);
    mcp_config_free(&config);
    assert_true(waitpid(-1, NULL, 0) > 0);
    assert_int_equal(waitpid(-1, NULL, 0), -1);
    alarm(0);
}

static void a_stubborn_program_is_killed(void **state)
{
    static const char *const kinds[] = {"stubborn"};
    (void)state;
    close_all(open_kinds(kinds, 1, ""));
}

/* This process would be the next parent of what is left, which close_all() asks for. */
static void what_a_server_started_ends_with_it(void **state)
{
    static const char *const kinds[] = {"family"};
    struct mcp *m = open_kinds(kinds, 1, "");
    (void)state;
    expect(m, "family__echo", "{");
    close_all(m);
}

/* A process with a client is killed: its servers, which would not end by themselves, and what they have started are gone. As their next
 * parent this one sees them go. */
static void nothing_outlives_a_kill(void **state)
{
    static const char *const kinds[] = {"old", "stubborn", "family"};
    int status, ready[2];
    char byte;
    (void)state;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        open_kinds(kinds, 3, "");
        if (write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    int n = 0;
    alarm(60); /* whoever lives on keeps us here */
    while (waitpid(-1, &status, 0) > 0)
        n++; /* on a slow machine a server may have been started twice */
    alarm(0);
    assert_true(n >= 3);
    close(ready[0]);
    close(ready[1]);
}

/* ---- CONFIG ------------------------------------------------------------------------------------------------- */

static void config_errors_are_named(void **state)
{
    static const struct {
        const char *text, *sentence;
    } of[] = {
        {"{\n\"mcpServers\": {\n,", "C: line 3: "},
        {"[]", "C: {\"mcpServers\": {\"NAME\": {\"command\": ..}}} is expected"},
        {"{\"mcpServers\":{\"a\":{}}}", "C: server a: has neither a command nor a url"},
        {"{\"mcpServers\":{\"a\":{\"command\":\"x\",\"url\":\"y\"}}}", "C: server a: has both"},
        {"{\"mcpServers\":{\"a\":{\"url\":\"y\"}}}", "C: server a: url must begin with http:// or https:// and a host"},
        {"{\"mcpServers\":{\"a\":{\"url\":\"http://a\\n\"}}}", "C: server a: url has a blank"},
        {"{\"mcpServers\":{\"a\":{\"url\":\"http://a\",\"headers\":{\"Host\":\"b\"}}}}",
         "C: server a: headers names one that stoker sends itself"},
        {"{\"mcpServers\":{\"a\":{\"command\":\"${NO_SUCH_NAME}\"}}}",
         "C: server a: command names ${NO_SUCH_NAME}, which the environment lacks"},
        {"{\"mcpServers\":{\"a\":{\"command\":\"${x y}\"}}}", "C: server a: command has a ${ that is not ${NAME}"},
        {"{\"mcpServers\":{\"a\":{\"command\":\"x\",\"args\":\"y\"}}}", "C: server a: args must be a list of texts"},
        {"{\"mcpServers\":{\"a\":{\"command\":\"x\",\"timeout\":0}}}",
         "C: server a: timeout must be seconds from 1 to 3600"},
        {"{\"mcpServers\":{\"a\":{\"command\":\"x\",\"allow\":[1]}}}", "C: server a: allow must be a list of names"},
        {"{\"mcpServers\":{\"a\":7}}", "C: server a: must be an object"},
        {"{\"mcpServers\":{\"a\":{\"command\":\"x\"},\"a\":{\"command\":\"x\"}}}", "C: line 1: "},
    };
    struct mcp_config c;
    (void)state;
    unsetenv("NO_SUCH_NAME");
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct error err = {0};
        assert_int_equal(mcp_config_parse(&c, "C", of[i].text, strlen(of[i].text), &err), -1);
        if (strncmp(err.text, of[i].sentence, strlen(of[i].sentence)) != 0)
            fail_msg("\"%s\", not \"%s\"", err.text, of[i].sentence);
        mcp_config_free(&c);
    }
}

/* The bridge is started in the place of a command; what it is told is its first line, and nothing of it an argument. */
static void a_url_is_the_bridge(void **state)
{
    static const char text[] =
        "{\"mcpServers\":{\"a\":{\"url\":\"https://h/${ONE}?k=\\\"\",\"headers\":{\"A\":\"${ONE} \\u00e9\","
        "\"B\":\"c\"},\"env\":{},\"allow\":[\"x\"]},\"b\":{\"command\":\"x\",\"headers\":{}}}}";
    struct mcp_config c;
    struct error err = {0};
    (void)state;
    n_line = 0;
    setenv("ONE", "1", 1);
    assert_int_equal(mcp_config_parse(&c, "C", text, sizeof text - 1, &err), 0);
    assert_string_equal(c.server[0].argv[0], GUARD_SELF);
    assert_string_equal(c.server[0].argv[1], "--mcp-http");
    assert_null(c.server[0].argv[2]);
    assert_string_equal(c.server[0].setup,
                        "{\"url\":\"https://h/1?k=\\\"\",\"headers\":[\"A: 1 \xc3\xa9\",\"B: c\"]}\n");
    assert_true(mcp_names_have(&c.server[0].allow, "x"));
    assert_null(c.server[1].setup);
    assert_int_equal(was_said("server a: env does nothing beside a url"), 1);
    assert_int_equal(was_said("server b: headers does nothing beside a command"), 1);
    mcp_config_free(&c);
}

static void config_is_read(void **state)
{
    static const char text[] =
        "{\"mcpServers\":{\"off\":{\"disabled\":true,\"url\":\"x\"},\"a\":{\"command\":\"x${ONE}y\",\"args\":"
        "[\"${ONE}${ONE}\"],\"env\":{\"ONE\":\"2\",\"TWO\":\"${ONE}\"},\"color\":1,\"defer\":false}}}";
    struct mcp_config c;
    struct error err = {0};
    int n_one = 0, n_two = 0;
    (void)state;
    n_line = 0;
    setenv("ONE", "1", 1);
    assert_int_equal(mcp_config_parse(&c, "C", text, sizeof text - 1, &err), 0);
    assert_int_equal(c.n, 1);
    assert_string_equal(c.server[0].argv[0], "x1y");
    assert_string_equal(c.server[0].argv[1], "11");
    assert_null(c.server[0].argv[2]);
    assert_int_equal(c.server[0].timeout_seconds, MCP_TIMEOUT);
    assert_int_equal(c.server[0].defer, MCP_DEFER_NO);
    for (char **e = c.server[0].env; *e; e++) {
        n_one += strncmp(*e, "ONE=", 4) == 0;
        n_two += strcmp(*e, "TWO=1") == 0;
    }
    assert_int_equal(n_one, 1);
    assert_int_equal(n_two, 1);
    assert_int_equal(was_said("server a: stoker does not know the field color"), 1);
    mcp_config_free(&c);
}

int main(int argc, char **argv)
{
    if (guard_is(argc, argv))
        guard_become(argc, argv);
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return serve(argv[2]);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    log_to(keep_line);
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_eras_answer),
                                       cmocka_unit_test(the_others_work),
                                       cmocka_unit_test(calls_end_whatever_servers_do),
                                       cmocka_unit_test(a_closed_input_is_a_servers_end),
                                       cmocka_unit_test(lists_are_bounded_and_names_unique),
                                       cmocka_unit_test(lists_are_asked_for_again),
                                       cmocka_unit_test(later_lists_are_bounded),
                                       cmocka_unit_test(lists_have_their_time),
                                       cmocka_unit_test(a_list_may_not_come_again),
                                       cmocka_unit_test(one_that_does_not_end_delays_nobody),
                                       cmocka_unit_test(a_guard_that_is_held_is_killed),
                                       cmocka_unit_test(a_stubborn_program_is_killed),
                                       cmocka_unit_test(what_a_server_started_ends_with_it),
                                       cmocka_unit_test(nothing_outlives_a_kill),
                                       cmocka_unit_test(what_is_not_read_is_its_askers),
                                       cmocka_unit_test(large_calls_begin_together),
                                       cmocka_unit_test(one_that_works_need_not_read),
                                       cmocka_unit_test(config_errors_are_named),
                                       cmocka_unit_test(a_url_is_the_bridge),
                                       cmocka_unit_test(config_is_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
