/* One error, one sentence: see error.h. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

/* Names come from files and people: a control character of one would break the line, or steer the terminal. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            *text = '?';
}

int error_set(struct error *err, enum error_code code, const char *format, ...)
{
    if (!err || err->code != ERR_NONE)
        return -1;
    err->code = code;
    va_list ap;
    va_start(ap, format);
    vsnprintf(err->text, sizeof err->text, format, ap);
    va_end(ap);
    make_printable(err->text);
    return -1;
}

int error_field(struct error *err, const char *format, ...)
{
    if (!err || !err->code || *err->field)
        return -1;
    va_list ap;
    va_start(ap, format);
    vsnprintf(err->field, sizeof err->field, format, ap);
    va_end(ap);
    make_printable(err->field);
    return -1;
}
