/* See serve.h. */
#include "cli/front/serve.h"

#include "cli/common/cli.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct server_stopper stopper; /* of the process, as signals are */

static void on_signal(int sig)
{
    (void)sig;
    server_stop(&stopper);
}

static void take_signals(void)
{
    struct sigaction stop = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    struct sigaction before;
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) /* nohup's child outlives its terminal */
        sigaction(SIGHUP, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); /* a file that may not grow fails its request alone */
}

int front_open(void)
{
    struct stoker_error err = {0};
    if (server_stopper_open(&stopper, &err))
        return report(&err);
    take_signals();
    return 0;
}

static void listening(void *arg, const char *host, int port)
{
    (void)arg;
    printf(strchr(host, ':') ? "listening on http://[%s]:%d\n" : "listening on http://%s:%d\n", host, port);
    fflush(stdout);
}

int front_serve(const struct server_options *o)
{
    struct stoker_error err = {0};
    return server_run(o, &stopper, listening, NULL, &err) ? report(&err) : 0;
}
