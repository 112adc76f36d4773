/* links: bridge mcp base
 *
 * A soak of what a server does for its model: chats that search its library and call tools of MCP servers, whole and streamed, by several
 * clients at a time. Some leave in the middle of a round, some ask what is refused; MCP servers start programs, say that their lists have
 * changed, some of them end, in a call or killed, and the one with a url comes back each time, which the others do not. Every answer that
 * nobody left must equal, word for word, that of the same request alone. Half way and at the end, when the clients have left, nobody is at
 * work, and the server has no more descriptors, threads and processes than before the first chat, and none of the MCP servers that have
 * ended; what it and the processes below it take alone, swapped out or not (RssAnon + VmSwap), does not grow from half way on. Behind its
 * end nothing is left of any program.
 *
 *     build/tests/library_soak [CHATS]        default 200; make library-soak: 1,000
 *
 * STOKER names the program (build/stoker). The MCP servers are this program again (mcp_noted.h), the one with a url is in it. */
#include "base/error.h"
#include "base/rng.h"
#include "bridge/libcurl.h"
#include "fake_http.h"
#include "mcp_noted.h"
#include "process_counts.h"

enum {
    CLIENTS = 8,
    MORTALS = 4,           /* MCP servers that end, half of them before half way */
    SERVERS = 3 + MORTALS, /* a, b and many; and perhaps the one with a url, */
    RESTARTS = 8,          /* which comes back so often */
    SERVER_PIPES = 3,      /* descriptors that the server has for each */
    SERVER_PROCESSES = 2,  /* its guard and itself */
    GROWTH_MIB = 4,        /* from half way to the end: known prefixes are 1 to 2 */
    FAILED_MOST = 20
};

struct ask {
    const char *path, *body;
    struct words alone;
};

struct worker {
    pthread_t thread;
    int number;
    uint64_t drawn;
    const char *leave_at; /* leaves where the stream has this */
    size_t leave_behind;  /* or so many bytes; 0: stays */
    size_t answers, left, refused;
};

static char library[TEMPORARY_PATH + 64];
static int has_web, n_ask; /* the last one is of the server with a url */
static int n_chat;         /* a multiple of 2 * MORTALS */
static int n_until;        /* chats of this half */
static atomic_int n_begun; /* chats */
static atomic_int n_hung;  /* calls that end because their client leaves */
static struct worker workers[CLIENTS];

static uint64_t draw(struct worker *w, uint64_t n) { return rng_u64(90 + (uint64_t)w->number, w->drawn++, 0, 0) % n; }

/* ---- requests -------------------------------------------------------------------------------------------------------------- */

#define CHAT                "/v1/chat/completions"
#define STREAM              ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}"
#define LOOKS(rounds)       ",\"library\":{\"rounds\":" #rounds "}"
#define HAS(server, rounds) ",\"mcp\":{\"servers\":[\"" server "\"],\"rounds\":" #rounds "}"
#define TICKET                                                                                                         \
    "{\"messages\":[{\"role\":\"user\",\"content\":\"Find ticket\"}],\"temperature\":0,\"seed\":1" HAS("many", 3)      \
        CALLS("search_tools") SAYS("Yes.")

static struct ask asks[] = {
    {CHAT, "{" FIND LOOKS(2) CALLS("search_library") SAYS("See [1].") STREAM},
    {CHAT, "{" FIND LOOKS(2) CALLS("search_library") SAYS("See [1].") "}"},
    {CHAT, "{" FIND LOOKS(4) SAYS("Yes.") STREAM},
    {CHAT, "{" FIND LOOKS(2) CALLS("open_article") SAYS("Yes.") "}"},
    {CHAT, "{" FIND HAS("a", 2) CALLS("a__echo") SAYS("Yes.") STREAM},
    {CHAT, "{" FIND HAS("a", 2) CALLS("a__echo") SAYS("Yes.") "}"},
    {CHAT, "{" FIND HAS("a", 2) CALLS("a__fail") SAYS("Yes.") STREAM},
    {CHAT, "{" FIND HAS("a", 2) CALLS("a__again") SAYS("Yes.") "}"},
    {CHAT, "{" FIND HAS("a", 2) CALLS("a__wait") SAYS("Yes.") "}"}, /* what is told meanwhile depends on time */
    {CHAT, "{" FIND HAS("b", 2) CALLS("b__big") SAYS("Yes.") "}"},
    {CHAT, "{" FIND HAS("b", 2) CALLS("b__start") SAYS("Yes.") STREAM},
    {CHAT, "{" FIND HAS("b", 4) SAYS("Yes.") STREAM},
    {CHAT, TICKET STREAM},
    {CHAT, TICKET "}"},
    {CHAT, "{" FIND LOOKS(3) HAS("b", 3) CALLS("search_library") SAYS("See [1].") STREAM},
    {CHAT, "{" FIND LOOKS(3) HAS("b", 3) CALLS("b__echo") SAYS("See [1].") "}"},
    {"/v1/library/search", "{\"query\":\"stone bridge\"}"},
    {"/mcp", "{\"jsonrpc\":\"2.0\",\"id\":\"i\",\"method\":\"tools/call\",\"params\":{\"name\":\"search_library\","
             "\"arguments\":{\"query\":\"stone bridge\"}}}"},
    {CHAT, "{" FIND HAS("w", 2) CALLS("w__echo") SAYS("Yes.") STREAM}};
enum { ASKS = sizeof asks / sizeof *asks };

static const char hanging[] = "{" FIND HAS("a", 2) CALLS("a__hang") SAYS("Yes.") STREAM;

/* 400, some of them when the tools are there already. */
static const char *const wrong[] = {
    "{" FIND ",\"library\":1}",
    "{" FIND ",\"library\":{\"sources\":[\"docs\",\"none\"]}}",
    "{" FIND ",\"library\":{\"rounds\":9}}",
    "{" FIND ",\"library\":true,\"n\":2}",
    "{" FIND ",\"library\":true,\"prompt_logprobs\":1}",
    "{" FIND ",\"library\":true,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"open_article\"}}]}",
    "{" FIND ",\"mcp\":[]}",
    "{" FIND ",\"mcp\":{\"servers\":[\"a\",\"none\"]}}",
    "{" FIND ",\"mcp\":{\"rounds\":0}}",
    "{" FIND HAS("a", 2) ",\"n\":2}",
    "{" FIND HAS("a", 2) ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a__echo\"}}]}",
    "{" FIND HAS("a", 2) CALLS("a__secret") "}",
    "{" FIND HAS("a", 2) LOOKS(2) ",\"top_p\":7}"};
enum { WRONGS = sizeof wrong / sizeof *wrong };

/* The answer to each request when it is the only one. */
static void record(void)
{
    for (int i = 0; i < n_ask; i++) {
        struct ask *a = &asks[i];
        int status = ask_into(&reply, a->path, a->body);
        words_read(&a->alone, &reply);
        check(status == 200 && a->alone.n > 0 && !a->alone.failed, "alone: %s: %d %s", a->body, status, reply.body);
    }
}

/* ---- a server with a url --------------------------------------------------------------------------------------------------- */

static atomic_int web_session; /* the one that it knows: once it is started again, none of before */

/* With ' for quotes. */
static const char *web_result(const struct message *m)
{
    return span_is(m->method, "server/discover") ? "'error':{'code':-32601,'message':'it is of before'}"
           : span_is(m->method, "initialize")
               ? "'result':{'protocolVersion':'2025-11-25','capabilities':{'tools':{'listChanged':true}}}"
           : span_is(m->method, "tools/list") ? "'result':{'tools':[" TOOL("echo", "Return the text.", SUN) DIES "]}"
                                              : "'result':{'content':[{'type':'text','text':'sun'}]}";
}

static void answer_web(struct fake_request *r)
{
    struct message m = {.kind = MESSAGE_BROKEN};
    struct buffer out = {0};
    char known[24], head[100], text[1000];
    if (r->n)
        message_read(&m, r->body, r->n);
    snprintf(known, sizeof known, "s%d", web_session);
    snprintf(head, sizeof head, "Content-Type: application/json\r\nMcp-Session-Id: %s\r\n", known);
    if (!span_is(m.method, "initialize") && !span_is(m.method, "server/discover") &&
        !fake_has(r, "Mcp-Session-Id", known)) {
        fake_reply(r, 404, "", "which session?");
    } else if (m.kind != MESSAGE_REQUEST) {
        fake_reply(r, 202, "", "");
    } else {
        snprintf(text, sizeof text, "{'jsonrpc':'2.0','id':%.*s,%s}", (int)m.id.n, m.id.text, web_result(&m));
        fake_put(&out, text);
        buffer_put(&out, "", 1);
        fake_reply(r, 200, head, out.text);
        buffer_free(&out);
        web_session += span_is(m.method, "tools/call") && span_is(span_member(m.params, "name"), "die");
    }
}

/* ---- clients --------------------------------------------------------------------------------------------------------------- */

static int may_leave(void *arg, struct reply *r)
{
    const struct worker *w = arg;
    return (w->leave_at && strstr(r->body, w->leave_at)) || (w->leave_behind && r->n >= w->leave_behind);
}

static int post(struct worker *w, struct client *c, struct reply *r, const char *path, const char *body)
{
    int rc = client_ask(c, "POST", path, body, strlen(body), r, may_leave, w);
    w->leave_at = NULL;
    w->leave_behind = 0;
    w->left += rc > 0;
    w->answers += rc == 0 && r->status == 200;
    return rc;
}

/* rc: of client_ask(), not above 0. */
static void check_same(const struct ask *a, int rc, const struct reply *r)
{
    struct words words = {0};
    if (rc == 0)
        words_read(&words, r);
    check(rc == 0 && r->status == 200 && !words.failed && words.n == a->alone.n &&
              memcmp(words.text, a->alone.text, words.n) == 0,
          "%s: %d, status %d, \"%s\", alone \"%s\"", a->body, rc, r->status, words.text ? words.text : "",
          a->alone.text);
    free(words.text);
}

/* Stays, or leaves where the worker says so. */
static void ask_one(struct worker *w, struct client *c, struct reply *r)
{
    const struct ask *a = &asks[draw(w, (uint64_t)n_ask)];
    int rc = post(w, c, r, a->path, a->body);
    if (rc <= 0)
        check_same(a, rc, r);
}

/* The call would never end. */
static void leave_a_call(struct worker *w, struct client *c, struct reply *r)
{
    w->leave_at = "mcp_event";
    int rc = post(w, c, r, CHAT, hanging);
    check(rc == 1, "no call to leave at: %d, status %d, %s", rc, r->status, r->body);
    n_hung++;
}

/* Nobody is there for the answer. */
static void leave_at_once(struct worker *w)
{
    const struct ask *a = &asks[draw(w, (uint64_t)n_ask)];
    struct client c = {server.port, -1};
    size_t n = strlen(a->body);
    if (client_connect(&c) == 0 && client_head(&c, "POST", a->path, n) == 0 && client_send(&c, a->body, n) == 0) {
        usleep((useconds_t)draw(w, 100000));
        w->left++;
    }
    client_close(&c);
}

static void ask_wrongly(struct worker *w, struct client *c, struct reply *r)
{
    const char *body = wrong[draw(w, WRONGS)];
    int rc = post(w, c, r, CHAT, body);
    check(rc == 0 && r->status == 400, "%s: %d, status %d, not 400", body, rc, r->status);
    w->refused += rc == 0;
}

/* Of an MCP server that may end, or has ended: a result or an error, and the answer goes on. Once lists were made anew, one that has ended
 * has no tools. */
static void call_once(struct worker *w, struct client *c, struct reply *r, const char *mcp_server, const char *tool)
{
    char body[1000];
    snprintf(body, sizeof body,
             "{" FIND
             ",\"mcp\":{\"servers\":[\"%s\"],\"rounds\":2},\"tool_choice\":{\"type\":\"function\",\"function\":{"
             "\"name\":\"%s__%s\"}}" SAYS("Yes.") "}",
             mcp_server, mcp_server, tool);
    int rc = post(w, c, r, CHAT, body), is_mortal = *mcp_server == 'd';
    check(rc == 0 && ((r->status == 200 && strstr(r->body, "\\\"Yes.\\\"")) ||
                      (r->status == 400 && is_mortal && !count_living(mcp_server))),
          "%s: %d, status %d, %s", body, rc, r->status, r->body);
}

static const char *const mortals[MORTALS] = {"d0", "d1", "d2", "d3"};

/* In a call, or killed. */
static void end_mortal(struct worker *w, struct client *c, struct reply *r, int i)
{
    int pid = 0;
    FILE *f = open_in(folder, mortals[i], ".pid", "r");
    check(f && fscanf(f, "%d", &pid) == 1, "%s has not noted its number", mortals[i]);
    if (f)
        fclose(f);
    if (i % 2 == 0)
        call_once(w, c, r, mortals[i], "die");
    else if (pid > 0)
        kill(pid, SIGKILL);
}

static void *run_client(void *arg)
{
    struct worker *w = arg;
    struct client c = {server.port, -1};
    struct reply r = {0};
    int i, between = n_chat / MORTALS;
    while (failed < FAILED_MOST && (i = atomic_fetch_add(&n_begun, 1)) < n_until) {
        uint64_t what = draw(w, 20);
        if (draw(w, 5) == 0)
            ask_wrongly(w, &c, &r);
        if (what == 0) {
            leave_a_call(w, &c, &r);
        } else if (what == 1) {
            leave_at_once(w);
        } else if (what < 4) {
            call_once(w, &c, &r, mortals[draw(w, MORTALS)], "echo");
        } else {
            w->leave_at = what == 4 ? "_event" : NULL;
            w->leave_behind = what == 5 ? 1 + draw(w, 1500) : 0;
            ask_one(w, &c, &r);
        }
        if (i % between == between / 2)
            end_mortal(w, &c, &r, i / between);
        if (has_web && i % (n_chat / RESTARTS) == 0)
            call_once(w, &c, &r, "w", "die");
    }
    client_close(&c);
    reply_free(&r);
    return NULL;
}

/* ---- what the server has --------------------------------------------------------------------------------------------------- */

static int is_idle(void)
{
    struct client c = {server.port, -1};
    int is = server_is_idle(&c, &reply);
    client_close(&c);
    return is;
}

static int is_as_before(const struct process_counts *before, int n_ended, struct process_counts *now)
{
    *now = count_process(server.pid);
    return now->n_descriptor <= before->n_descriptor - n_ended * SERVER_PIPES && now->n_thread <= before->n_thread &&
           now->n_process <= before->n_process - n_ended * SERVER_PROCESSES;
}

struct memory { /* that each process takes alone */
    double server_mib, below_mib;
};

static struct memory memory_now(void)
{
    static int below[PROCESSES_LISTED];
    struct memory m = {(double)server_own_memory(&server) / 1048576, 0};
    for (int n = processes_below(server.pid, below, PROCESSES_LISTED); n > 0; n--)
        m.below_mib += (double)server_own_memory(&(struct server_process){below[n - 1], 0}) / 1048576;
    return m;
}

/* When all clients have left. */
static struct memory check_left(const char *when, const struct process_counts *before, int n_ended)
{
    struct process_counts now;
    int idle = EVENTUALLY(is_idle()), as_before = EVENTUALLY(is_as_before(before, n_ended, &now)),
        cancelled = EVENTUALLY(count_lines("a", ".cancelled") >= n_hung);
    check(idle, "%s: a request is stuck: %s", when, reply.body);
    check(as_before, "%s: %d descriptors, %d threads, %d processes, of %d, %d, %d; %d MCP servers have ended", when,
          now.n_descriptor, now.n_thread, now.n_process, before->n_descriptor, before->n_thread, before->n_process,
          n_ended);
    check(cancelled, "%s: %d calls of %d were cancelled", when, count_lines("a", ".cancelled"), n_hung);
    struct memory m = memory_now();
    printf("%s: %d descriptors, %d threads, %d processes, %.1f MiB and %.1f\n", when, now.n_descriptor, now.n_thread,
           now.n_process, m.server_mib, m.below_mib);
    return m;
}

static void run_half(int until)
{
    n_until = until;
    n_begun = until - n_chat / 2;
    for (int i = 0; i < CLIENTS; i++)
        if (pthread_create(&workers[i].thread, NULL, run_client, &workers[i]))
            exit(1);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(workers[i].thread, NULL);
}

/* Each is the only one again. */
static void ask_again(void)
{
    for (int i = 0; i < n_ask; i++) {
        int status = ask_into(&reply, asks[i].path, asks[i].body);
        check_same(&asks[i], status ? 0 : -1, &reply);
    }
}

static void soak(void)
{
    struct worker sum = {0};
    double began = clock_seconds();
    struct process_counts before = count_process(server.pid);
    int n_process = (SERVERS + has_web) * SERVER_PROCESSES;
    check(before.n_process == n_process, "%d processes, not %d", before.n_process, n_process);
    record();
    check_left("alone", &before, 0);
    for (int i = 0; i < CLIENTS; i++)
        workers[i].number = i;
    run_half(n_chat / 2);
    struct memory half = check_left("half way", &before, MORTALS / 2);
    run_half(n_chat);
    ask_again();
    struct memory end = check_left("at the end", &before, MORTALS);
    check(SANITIZED || (end.server_mib <= half.server_mib + GROWTH_MIB && end.below_mib <= half.below_mib + GROWTH_MIB),
          "memory grew by %.1f MiB in the second half, that of the processes below by %.1f",
          end.server_mib - half.server_mib, end.below_mib - half.below_mib);
    for (int i = 0; i < CLIENTS; i++)
        sum.answers += workers[i].answers, sum.left += workers[i].left, sum.refused += workers[i].refused;
    printf(
        "%d chats of %d clients, %.0f s: %zu answers, %zu left, %zu refused beside them; %d, %d and %d calls of a, b "
        "and many, %d cancelled\n",
        n_chat, CLIENTS, clock_seconds() - began, sum.answers, sum.left, sum.refused, count_lines("a", ".calls"),
        count_lines("b", ".calls"), count_lines("many", ".calls"), count_lines("a", ".cancelled"));
    check(sum.answers > (size_t)n_chat / 2 && sum.left && sum.refused && n_hung, "that was no soak");
}

/* ---- the test -------------------------------------------------------------------------------------------------------------- */

/* Where the model chooses, of b, no call hangs. */
static void write_servers(void)
{
    FILE *f = begin_config("servers"), *go = open_in(folder, "go", "", "w"); /* no call waits for the test */
    if (go)
        fclose(go);
    put_server(f, "a", "\"allow\":[\"echo\",\"fail\",\"hang\",\"wait\",\"again\"]");
    fprintf(f, ",");
    put_server(f, "b", "\"allow\":[\"echo\",\"fail\",\"big\",\"again\",\"start\"]");
    fprintf(f, ",");
    put_many(f);
    for (int i = 0; i < MORTALS; i++) {
        fprintf(f, ",");
        put_server(f, mortals[i], "\"allow\":[\"echo\",\"die\"]");
    }
    if (has_web)
        fprintf(f, ",\"w\":{\"url\":\"http://127.0.0.1:%d/mcp\",\"allow\":[\"echo\",\"die\"]}", fake_http.port);
    end_config(f);
}

/* Behind the server's end. */
static void end_server(void)
{
    static int below[PROCESSES_LISTED];
    int n = processes_below(server.pid, below, PROCESSES_LISTED), status = server_end(&server, SIGTERM, PATIENCE),
        left = n;
    check(status == 0, "the server ended with %d; its log is %s", status, log_file);
    for (int i = 0; i < n; i++)
        left -= EVENTUALLY(is_gone(below[i]));
    check(left == 0, "%d of %d processes are left", left, n);
}

int main(int argc, char **argv)
{
    char config[PATH];
    struct curl curl;
    struct error err = {0};
    if (argc == 4 && strcmp(argv[1], "fake") == 0) {
        n_big = 200000; /* as many as all clients may have at a time */
        return fake(argv[2], argv[3], *argv[3] == 'd' ? DIES : AGAIN STARTS);
    }
    n_chat = argc > 1 ? atoi(argv[1]) : 200;
    n_chat = n_chat < 16 * MORTALS ? 16 * MORTALS : n_chat - n_chat % (2 * MORTALS);
    has_web = curl_load(&curl, &err) == 0;
    n_ask = has_web ? ASKS : ASKS - 1;
    if (has_web)
        fake_start(answer_web);
    else
        printf("skip the MCP server with a url: %s\n", err.text);
    begin_folder("library-soak");
    make_library(library, folder, "Stone bridge\\n\\nA stone bridge stands on arches. Its dudge is broad.\\n");
    write_servers();
    snprintf(config, sizeof config, "%s/servers.json", folder);
    start_server((const char *const[]){"--memory", "700M", "--ctx", "4096", "--parallel", "4", "--queue", "48",
                                       "--library", library, "--mcp", config, NULL});
    usleep(500000); /* until what asked whether it is ready has left it */
    soak();
    end_server();
    for (int i = 0; i < ASKS; i++)
        free(asks[i].alone.text);
    reply_free(&reply);
    if (!failed)
        remove_folder();
    printf("%d passed, %d failed, %d skipped\n", passed, failed, !has_web);
    return failed ? 1 : 0;
}
