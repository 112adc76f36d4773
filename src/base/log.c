/* Log lines: see log.h. */
#include "base/log.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

static log_sink *sink; /* set while no other thread runs */

void log_to(log_sink *s) { sink = s; }

void log_line(enum log_level level, const char *format, ...)
{
    if (!sink)
        return;
    char line[480];
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    utf8_make_plain(line); /* names from files are in it */
    sink(level, line);
}
