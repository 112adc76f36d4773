/* links: server toolbox mcp library kernel format base */
/* Answers to readers of every speed: a client that reads fast enough gets all of it, one that reads single bytes is given up, sooner when
 * the server stops. The clock is simulated: each look at it advances the time and lets the reader read, so nothing really waits. */
#include "server/http/inside.h"
#include "server/http/json.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
    double seconds, step;
    int fd; /* the reader's end; -1: nobody reads */
    size_t bytes, got;
} world = {.fd = -1};

int clock_gettime(clockid_t id, struct timespec *t)
{
    static char taken[1 << 20];
    (void)id;
    world.seconds += world.step;
    ssize_t n = world.fd < 0 || !world.bytes ? 0 : recv(world.fd, taken, world.bytes, MSG_DONTWAIT);
    world.got += n > 0 ? (size_t)n : 0;
    *t = (struct timespec){(time_t)world.seconds, (long)((world.seconds - (double)(time_t)world.seconds) * 1e9)};
    return 0;
}

int poll(struct pollfd *fds, nfds_t n, int ms)
{
    (void)ms;
    return ppoll(fds, n, &(struct timespec){0}, NULL);
}

/* What the rest of the server would do. */
void http_next(struct http_exchange *x) { (void)x; }
static void write_error(struct out *o, const char *path, const struct refusal *r, const char *id)
{
    (void)path, (void)id;
    out_print(o, "{\"error\":\"%s\"}", r->text);
}

enum { ANSWER = 6 << 20 };

static struct reqmem memory = {.most = INT64_MAX / 2};
static struct reqmem_account account = {.of = &memory};

/* A connection, and in world.fd its reader's end; cut: the server stops. */
static struct http_connection *connect_reader(int cut)
{
    static struct http_connection c;
    static struct http_app app;
    int pair[2], size = 256 << 10;
    memset(&app, 0, sizeof app);
    app.write_error = write_error;
    atomic_store(&app.cut, cut);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    memset(&c, 0, sizeof c);
    c.app = &app;
    c.fd = pair[0];
    c.memory.of = &memory;
    c.x = (struct http_exchange){.connection = &c, .memory = &account, .method = "GET", .path = "/"};
    world.seconds = 1000;
    world.fd = pair[1];
    world.got = world.bytes = 0;
    return &c;
}

static void disconnect(struct http_connection *c)
{
    free(c->unsent);
    reqmem_give(&c->memory, c->unsent_capacity);
    close(c->fd);
    close(world.fd);
    world.seconds -= 1000;
    world.fd = -1;
}

/* A reader that takes so many bytes whenever the clock goes on by step seconds; cut: the server stops. 0: it got the answer whole. */
static int answer_to(size_t bytes, double step, int cut)
{
    static char body[ANSWER];
    struct http_connection *c = connect_reader(cut);
    world.step = step;
    world.bytes = bytes;
    int rc = http_answer(&c->x, 200, "text/plain", body, sizeof body);
    disconnect(c);
    return rc;
}

static void a_steady_reader_gets_all(void **state)
{
    (void)state;
    assert_int_equal(answer_to(1 << 20, 0.01, 0), 0);
    assert_int_equal(answer_to(1 << 20, 10, 0), 0); /* slowly, but always something */
    assert_true(world.seconds > 60);
    assert_int_equal(answer_to(1 << 20, 0.2, 1), 0); /* also while the server stops */
}

static void a_too_slow_reader_is_given_up(void **state)
{
    (void)state;
    assert_int_equal(answer_to(0, 5, 0), -1);
    assert_true(world.seconds < 150);
    assert_int_equal(answer_to(100, 5, 0), -1);
    assert_true(world.got > 100 && world.seconds < 200);
}

/* A stream of which something is unsent for minutes, while nobody waits for that: the reader's time begins when somebody does. */
static void only_waiting_counts(void **state)
{
    (void)state;
    static char text[700 << 10];
    struct http_connection *c = connect_reader(0);
    world.step = 0.1;
    assert_int_equal(http_stream_begin(&c->x, "text/plain"), 0);
    for (int i = 0; i < 5; i++) {
        world.seconds += 600;
        c->paced = 0; /* its minute had just begun */
        world.bytes = 8 << 10;
        assert_int_equal(http_stream_write(&c->x, text, sizeof text), 0);
    }
    assert_true(c->n_unsent > 0);
    assert_int_equal(http_stream_end(&c->x), 0);
    assert_int_equal(c->n_unsent, 0);
    disconnect(c);
}

/* A request that ran out of memory gets its refusal although no memory is left. */
static void refusals_are_not_refused(void **state)
{
    (void)state;
    char answer[2000];
    struct out o = {0};
    reqmem_init(&memory, 2 << 20, 0);
    reqmem_enter(&account, 0);
    assert_int_equal(reqmem_take(&account, 1 << 20, REQMEM_SMALL), 0);
    static const char some[4096];
    while (!o.failed)
        out_bytes(&o, some, sizeof some);
    assert_int_equal(reqmem_take(&account, (2 << 20) - reqmem_taken(&memory), REQMEM_SMALL),
                     0); /* and by others what o gives back */
    size_t taken = reqmem_taken(&memory);
    struct http_connection *c = connect_reader(0);
    struct refusal late = {0}, short_of = {0};
    refuse(&late, 408, NULL, NULL, "too late"); /* other errors in this state keep their own reason */
    assert_int_equal(http_refuse(&c->x, &late), 0);
    ssize_t n = recv(world.fd, answer, sizeof answer - 1, 0);
    answer[n > 0 ? n : 0] = 0;
    assert_non_null(strstr(answer, "HTTP/1.1 408"));
    disconnect(c);
    c = connect_reader(0);
    refuse_memory(&short_of);
    assert_int_equal(http_refuse(&c->x, &short_of), 0);
    n = recv(world.fd, answer, sizeof answer - 1, 0);
    answer[n > 0 ? n : 0] = 0;
    assert_non_null(strstr(answer, "HTTP/1.1 413"));
    assert_non_null(strstr(answer, "this request takes more memory than the 2 MiB"));
    assert_int_equal(reqmem_taken(&memory), taken);
    disconnect(c);
    c = connect_reader(0);
    assert_int_equal(http_answer_json(&c->x, &o), 0);
    n = recv(world.fd, answer, sizeof answer - 1, 0);
    answer[n > 0 ? n : 0] = 0;
    assert_non_null(strstr(answer, "this request takes more memory"));
    disconnect(c);
    reqmem_give(&account, reqmem_taken(&memory));
    reqmem_leave();
}

/* Who has left is refused nothing: the request counts as one whose client is gone. */
static void a_client_that_left_is_not_refused(void **state)
{
    (void)state;
    struct http_connection *c = connect_reader(0);
    struct refusal r = {0};
    c->head.minor = 1;
    c->wake = -1;
    close(world.fd);
    world.fd = -1;
    assert_int_equal(http_wait(&c->x, 0), HTTP_DISCONNECTED);
    refuse_draining(&r);
    assert_int_equal(http_refuse(&c->x, &r), -1);
    assert_int_equal(c->status, 0);
    assert_string_equal(c->why, "");
    disconnect(c);
}

static void a_stopping_server_waits_for_no_slow_reader(void **state)
{
    (void)state;
    assert_int_equal(answer_to(0, 0.1, 1), -1);
    assert_true(world.seconds < 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_steady_reader_gets_all),
                                       cmocka_unit_test(a_too_slow_reader_is_given_up),
                                       cmocka_unit_test(only_waiting_counts),
                                       cmocka_unit_test(refusals_are_not_refused),
                                       cmocka_unit_test(a_client_that_left_is_not_refused),
                                       cmocka_unit_test(a_stopping_server_waits_for_no_slow_reader)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
