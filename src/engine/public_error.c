/* See public_error.h. */
#include "engine/public_error.h"

#include "base/error.h"
#include "stoker.h"

#include <stdio.h>

static const int code[] = {[ERR_NONE] = STOKER_ERR_BUG,
                           [ERR_INPUT] = STOKER_ERR_INPUT,
                           [ERR_FORMAT] = STOKER_ERR_FORMAT,
                           [ERR_IO] = STOKER_ERR_IO,
                           [ERR_MEMORY] = STOKER_ERR_MEMORY,
                           [ERR_UNSUPPORTED] = STOKER_ERR_UNSUPPORTED,
                           [ERR_CANCELLED] = STOKER_ERR_CANCELLED,
                           [ERR_BUSY] = STOKER_ERR_BUSY,
                           [ERR_BUG] = STOKER_ERR_BUG};

_Static_assert(sizeof code / sizeof *code == ERR_BUG + 1 && (int)ERR_BUG == (int)STOKER_ERR_BUSY,
               "every code of base/error.h has one in stoker.h: extend the table with the enums");
_Static_assert(sizeof((struct error *)0)->text == sizeof((struct stoker_error *)0)->text &&
                   sizeof((struct error *)0)->field == sizeof((struct stoker_error *)0)->field,
               "no sentence is cut, and no path");

int error_to_public(struct stoker_error *to, const struct error *from)
{
    if (!to)
        return -1;
    to->code = code[from->code];
    snprintf(to->text, sizeof to->text, "%s", from->code ? from->text : "failed without a reason: a bug in stoker");
    snprintf(to->field, sizeof to->field, "%s", from->field);
    return -1;
}
