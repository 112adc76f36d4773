/* Refusals: see refusal.h. */
#include "server/http/refusal.h"
#include "base/reqmem.h"
#include "base/utf8.h"
#include "stoker.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Text that may hold pieces of a request, cut anywhere, into one clean line. */
static void clean(char *text)
{
    uint8_t *s = (uint8_t *)text;
    for (size_t n = strlen(text), k; n > 0; s += k, n -= k)
        if (utf8_head(s, n, &k) != UTF8_WHOLE || *s < 0x20 || *s == 0x7f)
            memset(s, '?', k);
}

int refuse(struct refusal *r, int status, const char *code, const char *param, const char *format, ...)
{
    if (r->status)
        return -1;
    r->status = status;
    r->code = code;
    r->retry_after = r->of_memory = 0;
    snprintf(r->param, sizeof r->param, "%s", param ? param : "");
    va_list args;
    va_start(args, format);
    vsnprintf(r->text, sizeof r->text, format, args);
    va_end(args);
    clean(r->param);
    clean(r->text);
    return -1;
}

int refuse_draining(struct refusal *r) { return refuse(r, 503, "draining", NULL, "the server is stopping"); }

/* Memory is short now: it is nobody's fault, and may be better soon. */
static int refuse_busy(struct refusal *r, const char *text)
{
    refuse(r, 503, "busy", NULL, "%s", text);
    r->of_memory = r->retry_after = 1;
    return -1;
}

int refuse_memory(struct refusal *r)
{
    if (r->status)
        return -1;
    return refuse_busy(r, "no memory for the request");
}

int refuse_error(struct refusal *r, const char *param, const struct stoker_error *err)
{
    if (r->status)
        return -1;
    param = *err->field ? err->field : param;
    switch (err->code) {
    case STOKER_ERR_INPUT:
        return refuse(r, 400, "invalid_value", param, "%s", err->text);
    case STOKER_ERR_UNSUPPORTED:
        return refuse(r, 400, "unsupported", param, "%s", err->text);
    case STOKER_ERR_BUSY:
        refuse(r, 429, "queue_full", NULL, "%s", err->text);
        r->retry_after = 1;
        return -1;
    case STOKER_ERR_MEMORY:
        return refuse_busy(r, err->text);
    default:
        return refuse(r, 500, NULL, NULL, "%s", err->text);
    }
}

void refusal_tell_memory(struct refusal *r, const struct reqmem_account *a)
{
    enum reqmem_short why = reqmem_short(a);
    if (!r->of_memory || why == REQMEM_ENOUGH)
        return;
    r->status = 0;
    if (why == REQMEM_NEVER)
        refuse(
            r, 413, NULL, NULL,
            "this request takes more memory than the %zu MiB that are kept for one: send less, or serve with a larger "
            "--max-body, which keeps more",
            reqmem_alone(a->of) >> 20);
    else
        refuse(r, 503, "busy", NULL, "other requests have the memory that is kept for requests; try again");
    r->retry_after = why == REQMEM_BUSY;
}

const char *refusal_type(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 413:
        return "request_too_large";
    case 429:
        return "rate_limit_error";
    case 501:
        return "not_supported_error";
    case 503:
        return "unavailable_error";
    default:
        return status >= 500 ? "server_error" : "invalid_request_error";
    }
}
