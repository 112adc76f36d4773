/* See public_error.h: the two kinds of codes meet here only. */
#include "engine/public_error.h"

#include "base/error.h"
#include "stoker.h"

#include <stdio.h>

void error_to_public(struct stoker_error *to, const struct error *from)
{
    static const int code[] = {[ERR_NONE] = STOKER_ERR_BUG,
                               [ERR_INPUT] = STOKER_ERR_INPUT,
                               [ERR_FORMAT] = STOKER_ERR_FORMAT,
                               [ERR_IO] = STOKER_ERR_IO,
                               [ERR_MEMORY] = STOKER_ERR_MEMORY,
                               [ERR_UNSUPPORTED] = STOKER_ERR_UNSUPPORTED,
                               [ERR_CANCELLED] = STOKER_ERR_CANCELLED,
                               [ERR_BUSY] = STOKER_ERR_BUSY,
                               [ERR_BUG] = STOKER_ERR_BUG};
    if (!to)
        return;
    to->code = code[from->code];
    snprintf(to->text, sizeof to->text, "%s", from->code ? from->text : "failed without a reason: a bug in stoker");
}
