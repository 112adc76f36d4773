/* Lines of the log on stderr: see cli.h. */
#include "base/log.h"
#include "cli/common/cli.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* A pipe that nobody empties must not stop the engine or the server: then the line is lost. */
static void print(const char *time, enum log_level level, const char *line)
{
    struct pollfd out = {STDERR_FILENO, POLLOUT, 0};
    if (poll(&out, 1, 0) == 0)
        return;
    fprintf(stderr, "%sstoker: %s%s\n", time, level == LOG_WARN ? "warning: " : "", line);
}

void log_on_stderr(enum log_level level, const char *line) { print("", level, line); }

void log_on_stderr_dated(enum log_level level, const char *line)
{
    char text[32];
    struct tm tm;
    time_t now = time(NULL);
    gmtime_r(&now, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ ", &tm);
    print(text, level, line);
}
