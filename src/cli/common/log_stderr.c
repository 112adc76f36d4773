/* Lines of the log on stderr: see cli.h. */
#include "base/log.h"
#include "cli/common/cli.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WAITING = 32, LINE = 560 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows; lines come from any thread */
static char waiting[WAITING][LINE];
static int is_waiting, n_waiting; /* also those that found no place */

/* A pipe that nobody empties must not stop the engine or the server: then the line is lost. */
static void print(const char *line)
{
    struct pollfd out = {STDERR_FILENO, POLLOUT, 0};
    if (poll(&out, 1, 0) != 0)
        fprintf(stderr, "%s\n", line);
}

static void take(const char *time, enum log_level level, const char *text)
{
    char line[LINE];
    snprintf(line, sizeof line, "%sstoker: %s%s", time, level == LOG_WARN ? "warning: " : "", text);
    pthread_mutex_lock(&lock);
    if (!is_waiting)
        print(line);
    else if (n_waiting++ < WAITING)
        memcpy(waiting[n_waiting - 1], line, sizeof line);
    pthread_mutex_unlock(&lock);
}

void log_on_stderr(enum log_level level, const char *line) { take("", level, line); }

void log_on_stderr_dated(enum log_level level, const char *line)
{
    char text[32];
    struct tm tm;
    time_t now = time(NULL);
    gmtime_r(&now, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ ", &tm);
    take(text, level, line);
}

void log_wait(void)
{
    pthread_mutex_lock(&lock);
    is_waiting = isatty(STDERR_FILENO);
    pthread_mutex_unlock(&lock);
}

void log_go_on(void)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < n_waiting && i < WAITING; i++)
        print(waiting[i]);
    if (n_waiting > WAITING)
        fprintf(stderr, "stoker: %d more lines of the log are not shown\n", n_waiting - WAITING);
    is_waiting = n_waiting = 0;
    pthread_mutex_unlock(&lock);
}
