/* links: server base */
/* Answers to readers of every pace: who takes enough gets all of it, who takes a byte now and then is given up, sooner when the server
 * stops. The clock is the test's: it goes on, and the reader reads, whenever somebody looks at it. */
#include "server/http_inside.h"
#include "server/routes.h"
#include "server/server_inside.h"

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

/* What the rest of the server would do. */
void http_next(struct http_exchange *x) { (void)x; }
enum dialect dialect_of(const char *path) { return (void)path, DIALECT_OPENAI; }
void write_error(struct out *o, enum dialect d, const struct refusal *r, const char *id)
{
    (void)o, (void)d, (void)r, (void)id;
}

enum { ANSWER = 6 << 20 };

/* A reader that takes so many bytes whenever the clock goes on by step seconds; cut: the server stops. 0: it got the answer whole. */
static int answer_to(size_t bytes, double step, int cut)
{
    static char body[ANSWER];
    static struct http_connection c;
    static struct server server;
    static struct server_private own;
    int pair[2], room = 256 << 10;
    memset(&own, 0, sizeof own);
    atomic_store(&own.cut, cut);
    server.own = &own;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    memset(&c, 0, sizeof c);
    c.server = &server;
    c.fd = pair[0];
    c.x = (struct http_exchange){.server = &server, .connection = &c, .method = "GET", .path = "/"};
    world.seconds = 1000;
    world.step = step;
    world.fd = pair[1];
    world.bytes = bytes;
    world.got = 0;
    int gone = http_answer(&c.x, 200, "text/plain", body, sizeof body);
    world.seconds -= 1000;
    world.fd = -1;
    free(c.unsent);
    close(pair[0]);
    close(pair[1]);
    return gone;
}

static void who_takes_enough_gets_all(void **state)
{
    (void)state;
    assert_int_equal(answer_to(1 << 20, 0.01, 0), 0);
    assert_int_equal(answer_to(1 << 20, 10, 0), 0); /* slowly, but always something */
    assert_true(world.seconds > 60);
    assert_int_equal(answer_to(1 << 20, 0.2, 1), 0); /* also while the server stops */
}

static void who_takes_next_to_nothing_is_given_up(void **state)
{
    (void)state;
    assert_int_equal(answer_to(0, 5, 0), -1);
    assert_true(world.seconds < 150);
    assert_int_equal(answer_to(100, 5, 0), -1);
    assert_true(world.got > 100 && world.seconds < 200);
}

static void a_stopping_server_waits_for_no_sleeper(void **state)
{
    (void)state;
    assert_int_equal(answer_to(0, 0.1, 1), -1);
    assert_true(world.seconds < 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_takes_enough_gets_all),
                                       cmocka_unit_test(who_takes_next_to_nothing_is_given_up),
                                       cmocka_unit_test(a_stopping_server_waits_for_no_sleeper)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
