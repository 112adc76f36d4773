/* links: server toolbox mcp library kernel format base */
/* The end of an application: notified once, by the last connection. */
#include "server/http/app.h"

#include "server/http/inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct reqmem memory = {.most = INT64_MAX / 2};
static struct http_app app;
static atomic_int n_ended;

static void ended(struct server *s)
{
    (void)s;
    atomic_fetch_add(&n_ended, 1);
}

static int open_app(void **state)
{
    (void)state;
    app = (struct http_app){.memory = &memory,
                            .max_conns = 4,
                            .max_body = 1000,
                            .header_timeout = 100,
                            .body_timeout = 100,
                            .ended = ended};
    http_app_open(&app);
    atomic_store(&n_ended, 0);
    return 0;
}

static int free_app(void **state)
{
    (void)state;
    http_app_free(&app);
    return 0;
}

/* A client that sends nothing; its socket. */
static int accept_one(void)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    http_accept(&app, pair[0]);
    return pair[1];
}

static void nobody_is_left(void **state)
{
    (void)state;
    http_app_close(&app);
    assert_int_equal(n_ended, 1);
}

static void the_last_connection_notifies(void **state)
{
    (void)state;
    int fd[3];
    for (int i = 0; i < 3; i++)
        fd[i] = accept_one();
    http_app_close(&app);
    usleep(20000);
    assert_int_equal(n_ended, 0);
    close(fd[0]); /* a client that disconnects */
    for (int left = 3; left > 2; usleep(1000)) {
        pthread_mutex_lock(&app.lock);
        left = (int)app.n_connection;
        pthread_mutex_unlock(&app.lock);
    }
    assert_int_equal(n_ended, 0);
    atomic_store(&app.closing, 1);
    http_wake_all(&app);
    while (!atomic_load(&n_ended))
        usleep(1000);
    assert_int_equal(app.n_connection, 0);
    usleep(20000);
    assert_int_equal(n_ended, 1);
    close(fd[1]);
    close(fd[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_is_left, open_app, free_app),
        cmocka_unit_test_setup_teardown(the_last_connection_notifies, open_app, free_app)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
