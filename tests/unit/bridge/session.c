/* links: bridge mcp base */
/* The bridge by its lines: a server of before 2026-07-28 that forgets its session and opens another one late, badly or not at all, and
 * whoever is at the other ends of its pipes. The bridge is this program again. */
#include "bridge/bridge.h"

#include "base/clock.h"
#include "base/error.h"
#include "bridge/libcurl.h"
#include "fake_http.h"
#include "mcp/message.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

/* ---- the server -------------------------------------------------------------------------------------------- */

#define STREAM "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

/* How it answers an initialize. */
enum opening { OPENS, REFUSES, REFUSES_IN_A_STREAM_THAT_STAYS, IS_SILENT };

static struct {
    _Atomic enum opening opening;
    atomic_int session;       /* "s0", "s1", ..: the one that it knows */
    atomic_int holds;         /* it answers no initialize, */
    atomic_int holds_one_way; /* nothing that asks nothing, */
    atomic_int holds_slow;    /* and no call of "slow" */
} server;

static void wait_while(atomic_int *flag)
{
    for (int i = 0; i < 30000 && *flag; i++)
        usleep(1000);
}

static void until_it_leaves(struct fake_request *r)
{
    char c;
    while (recv(r->fd, &c, 1, 0) > 0)
        ;
    shutdown(r->fd, SHUT_RDWR);
}

#define REFUSAL "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"error\":{\"code\":-32000,\"message\":\"no more sessions\"}}"

static void answer_initialize(struct fake_request *r, struct span id)
{
    char body[300], session[60];
    wait_while(&server.holds);
    snprintf(session, sizeof session, "Content-Type: application/json\r\nMcp-Session-Id: s%d\r\n", server.session);
    snprintf(body, sizeof body, server.opening == REFUSES ? REFUSAL : "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{}}",
             (int)id.n, id.text);
    if (server.opening == REFUSES_IN_A_STREAM_THAT_STAYS)
        fake_say(r, STREAM "data: " REFUSAL "\n\n", (int)id.n, id.text);
    if (server.opening == OPENS || server.opening == REFUSES)
        fake_reply(r, 200, server.opening == OPENS ? session : "Content-Type: application/json\r\n", body);
    else
        until_it_leaves(r);
}

static void answer(struct fake_request *r)
{
    struct message m;
    char body[200], session[20];
    message_read(&m, r->body, r->n);
    if (strncmp(r->head, "DELETE", 6) == 0) {
        fake_say(r, STREAM "data: {}\n\n");
        shutdown(r->fd, SHUT_RDWR);
        return;
    }
    if (span_is(m.method, "initialize")) {
        answer_initialize(r, m.id);
        return;
    }
    if (m.kind != MESSAGE_REQUEST)
        wait_while(&server.holds_one_way);
    else if (span_is(m.method, "slow"))
        wait_while(&server.holds_slow);
    snprintf(session, sizeof session, "s%d", server.session);
    int knows = fake_has(r, "Mcp-Session-Id", session);
    snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{\"in\":\"%s\"}}", (int)m.id.n, m.id.text,
             session);
    if (!knows)
        fake_reply(r, fake_has(r, "Mcp-Session-Id", NULL) ? 404 : 400, "", "which session?");
    else if (m.kind != MESSAGE_REQUEST)
        fake_reply(r, 202, "", "");
    else
        fake_reply(r, 200, "Content-Type: application/json\r\n", body);
}

static void comes(int n, const char *word, const char *session)
{
    for (int i = 0; i < 20000 && fake_count(word, session, NULL) < n; i++)
        usleep(1000);
    assert_int_equal(fake_count(word, session, NULL), n);
}

/* ---- the bridge --------------------------------------------------------------------------------------------- */

static struct {
    pid_t pid;
    int in, out;
    char text[4096]; /* of out, what was not asked for yet */
    size_t n;
} bridge;

static void say(const char *line)
{
    size_t n = strlen(line);
    assert_int_equal(write(bridge.in, line, n), n);
    assert_int_equal(write(bridge.in, "\n", 1), 1);
}

static void start(void)
{
    char line[100];
    int in[2], out[2];
    fake_forget();
    server.opening = OPENS;
    server.session = server.holds = server.holds_one_way = server.holds_slow = 0;
    assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
    if ((bridge.pid = fork()) == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        signal(SIGPIPE, SIG_DFL);
        execl("/proc/self/exe", "bridge", "--mcp-http", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    bridge.in = in[1];
    bridge.out = out[0];
    bridge.n = 0;
    snprintf(line, sizeof line, "{\"url\":\"http://127.0.0.1:%d/mcp\",\"headers\":[]}", fake_http.port);
    say(line);
}

/* Waits for a line that has these words; what comes before it is dropped. */
static void hears(const char *words)
{
    uint64_t end = clock_ns() + 20 * 1000000000ull;
    while (clock_ns() < end) {
        char *lf = memchr(bridge.text, '\n', bridge.n);
        if (lf) {
            *lf = 0;
            int has = strstr(bridge.text, words) != NULL;
            bridge.n -= (size_t)(lf + 1 - bridge.text);
            memmove(bridge.text, lf + 1, bridge.n);
            if (has)
                return;
            continue;
        }
        struct pollfd fd = {.fd = bridge.out, .events = POLLIN};
        if (poll(&fd, 1, 100) > 0) {
            ssize_t n = read(bridge.out, bridge.text + bridge.n, sizeof bridge.text - bridge.n);
            if (n <= 0)
                break;
            bridge.n += (size_t)n;
        }
    }
    fail_msg("it does not say %s", words);
}

static int status_of_its_end(void)
{
    int status, ended = 0;
    for (int i = 0; i < 20000 && !(ended = waitpid(bridge.pid, &status, WNOHANG)); i++)
        usleep(1000);
    if (!ended) {
        kill(bridge.pid, SIGKILL);
        waitpid(bridge.pid, &status, 0);
    }
    assert_int_equal(ended, bridge.pid);
    return status;
}

static void ends_well(void)
{
    close(bridge.in);
    assert_int_equal(status_of_its_end(), 0);
    close(bridge.out);
}

static void start_session(void)
{
    start();
    say("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}");
    hears("\"id\":1,\"result\"");
    say("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
    say("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"call\"}");
    hears("\"id\":2,\"result\":{\"in\":\"s0\"}");
}

/* ---- sessions that are forgotten --------------------------------------------------------------------------- */

/* The call fails; the next one opens a session. */
static void renewal_fails(enum opening opening, const char *sentence)
{
    start_session();
    server.session = 1;
    server.opening = opening;
    say("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"call\"}");
    hears(sentence);
    comes(2, "initialize\"", "POST");
    server.opening = OPENS;
    say("{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"call\"}");
    hears("\"id\":4,\"result\":{\"in\":\"s1\"}");
    comes(3, "initialize\"", "POST");
    comes(1, "\"id\":4,", "POST");
    ends_well();
}

static void a_renewal_is_refused(void **state)
{
    (void)state;
    renewal_fails(REFUSES, "\"id\":3,\"error\":{\"code\":-32000,\"message\":\"the server has forgotten its session");
}

static void a_renewal_is_refused_in_a_stream_that_stays(void **state)
{
    (void)state;
    renewal_fails(REFUSES_IN_A_STREAM_THAT_STAYS, "\"id\":3,\"error\":{\"code\":-32000,\"message\":\"the server has");
}

static void a_renewal_is_not_answered(void **state)
{
    (void)state;
    renewal_fails(IS_SILENT, "\"id\":3,\"error\":{\"code\":-32000,\"message\":\"the server has forgotten its session");
}

/* Another call's 404 comes while the server reads notifications/initialized: both wait for it. */
static void calls_wait_until_the_session_is_open(void **state)
{
    (void)state;
    start_session();
    server.holds_slow = server.holds_one_way = 1;
    say("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"slow\"}");
    comes(1, "\"id\":3,", "Mcp-Session-Id: s0\r\n");
    server.session = 1;
    say("{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"call\"}");
    comes(1, "notifications/initialized\"", "Mcp-Session-Id: s1\r\n");
    server.holds_slow = 0;
    usleep(300000);
    assert_int_equal(fake_count("\"id\":", "Mcp-Session-Id: s1\r\n", NULL), 0);
    server.holds_one_way = 0;
    comes(2, "\"id\":", "Mcp-Session-Id: s1\r\n");
    ends_well();
}

/* A call that is cancelled while it waits for a session is not sent, and nor is its cancel. */
static void cancels_do_not_wait(void **state)
{
    (void)state;
    start_session();
    server.session = server.holds = 1;
    say("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"call\"}");
    comes(2, "initialize\"", "POST");
    say("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":3}}");
    say("{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"call\"}");
    usleep(300000);
    server.holds = 0;
    hears("\"id\":4,\"result\":{\"in\":\"s1\"}");
    comes(0, "\"id\":3,", "Mcp-Session-Id: s1\r\n");
    comes(0, "notifications/cancelled\"", "POST");
    ends_well();
}

/* ---- its pipes ------------------------------------------------------------------------------------------------ */

/* What waits for its turn has a bound: it reads no more, and goes on when the server does. */
static void what_waits_is_bounded(void **state)
{
    enum { MOST = 18 << 20 };
    static char line[(1 << 20) + 1];
    size_t n = 0, at = 0;
    (void)state;
    start_session();
    server.holds_one_way = 1;
    say("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/first\"}");
    comes(1, "notifications/first\"", "POST");
    memset(line, ' ', sizeof line);
    memcpy(line, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}", 44);
    line[sizeof line - 1] = '\n';
    fcntl(bridge.in, F_SETFL, O_NONBLOCK);
    for (int idle = 0; idle < 300 && n < 2 * MOST;) {
        ssize_t got = write(bridge.in, line + at, sizeof line - at);
        n += got > 0 ? (size_t)got : 0;
        at = got > 0 ? (at + (size_t)got) % sizeof line : at;
        idle = got > 0 ? 0 : idle + 1;
        if (got <= 0)
            usleep(1000);
    }
    assert_in_range(n, 8 << 20, MOST);
    server.holds_one_way = 0;
    fcntl(bridge.in, F_SETFL, 0);
    assert_int_equal(write(bridge.in, line + at, sizeof line - at), sizeof line - at);
    say("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"call\"}");
    hears("\"id\":3,\"result\"");
    ends_well();
}

static void a_line_is_bounded(void **state)
{
    static char piece[1 << 20];
    (void)state;
    start_session();
    memset(piece, ' ', sizeof piece);
    for (int i = 0; i < 40 && write(bridge.in, piece, sizeof piece) > 0; i++)
        ;
    int status = status_of_its_end();
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    close(bridge.in);
    close(bridge.out);
}

static void nobody_reads(void **state)
{
    (void)state;
    start_session();
    close(bridge.out);
    say("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"call\"}");
    int status = status_of_its_end();
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    close(bridge.in);
}

int main(int argc, char **argv)
{
    struct curl c;
    struct error err = {0};
    if (bridge_is(argc, argv))
        return bridge_run();
    if (curl_load(&c, &err)) {
        printf("skip sessions: %s\n0 passed, 0 failed, 1 skipped\n", err.text);
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    fake_start(answer);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_renewal_is_refused),      cmocka_unit_test(a_renewal_is_refused_in_a_stream_that_stays),
        cmocka_unit_test(a_renewal_is_not_answered), cmocka_unit_test(calls_wait_until_the_session_is_open),
        cmocka_unit_test(cancels_do_not_wait),       cmocka_unit_test(what_waits_is_bounded),
        cmocka_unit_test(a_line_is_bounded),         cmocka_unit_test(nobody_reads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
