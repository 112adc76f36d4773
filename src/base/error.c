/* One error, one sentence: see error.h. */
#include "base/error.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

int error_set(struct error *err, enum error_code code, const char *format, ...)
{
    if (!err || err->code != ERR_NONE)
        return -1;
    err->code = code;
    va_list ap;
    va_start(ap, format);
    vsnprintf(err->text, sizeof err->text, format, ap);
    va_end(ap);
    utf8_make_plain(err->text); /* names of files and people are in it */
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
    utf8_make_plain(err->field);
    return -1;
}
