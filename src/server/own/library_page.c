/* GET /library/NAME/PATH: pages of the library, as they are, for a browser (library.md 13). An archive is somebody else's: what it holds
 * gets a policy under which nothing runs, nothing is sent and nothing comes from elsewhere, whatever shows it. Browsers ask for its images
 * and styles with "Origin: null", which is let in here alone (ROUTE_FRAMED).
 *
 * With keys: the header, as everywhere, or a ticket in the address, /library/~TICKET/NAME/PATH, since a frame sends no headers; links of a
 * page lead on below it. */
#include "base/error.h"
#include "library/pages/pages.h"
#include "server/answer/answer.h"
#include "server/http/http.h"
#include "server/http/json.h"
#include "server/own/own.h"
#include "server/own/path.h"
#include "server/request/service.h"

#include <string.h>

enum { NAME = 128, PATH = 16 << 10, LOCATION = 1000 /* of a header's 1,024 bytes */ };

static const char policy[] = "sandbox; default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
                             "form-action 'none'; frame-ancestors 'self'";

static int refuse_absent(struct refusal *r)
{
    return refuse(r, 404, "not_found", NULL, "the library has no page of this address");
}

/* Behind the ticket, where there is one. NULL: *r. */
static const char *let_in(struct http_exchange *x, struct refusal *r)
{
    const char *rest = x->rest;
    size_t n = strcspn(rest, "/");
    if (*rest != '~')
        return http_ask_key(x, r) ? NULL : rest;
    if (x->server->opt.key.n && !tickets_hold(&x->server->tickets, rest + 1, n - 1)) {
        refuse(r, 401, "invalid_ticket", NULL, "this ticket does not hold any more: POST /v1/library/ticket gives one");
        return NULL;
    }
    return rest[n] ? rest + n + 1 : "";
}

/* Relative, so that it is right below a ticket, and where a proxy adds to paths. raw: the path that was asked for. */
static int put_location(struct http_exchange *x, const char *raw, const struct buffer *to, struct refusal *r)
{
    struct buffer out = {0};
    struct out path = {0};
    out_bytes(&path, to->text, to->n);
    out_bytes(&path, "", 1);
    buffer_puts(&out, "./");
    for (; *raw; raw++)
        if (*raw == '/')
            buffer_puts(&out, "../");
    if (!path.failed)
        library_put_escaped(&out, path.text);
    buffer_put(&out, "", 1);
    int failed = out.failed || path.failed ? refuse_memory(r)
                 : out.n > LOCATION        ? refuse(r, 404, "too_long", NULL,
                                                    "the address that this page leads to is longer than %d bytes", LOCATION)
                                           : 0;
    if (!failed)
        http_set(x, "Location", "%s", out.text);
    buffer_free(&out);
    out_free(&path);
    return failed;
}

/* The page, taken out while the sources are ours, so that a slow client holds nobody up. */
static int get_page(struct http_exchange *x, const char *name, const char *path, struct page *page, struct refusal *r)
{
    struct error err = {0};
    struct server *s = x->server;
    if (library_enter(s->library, answer_nobody_waits, x))
        return refuse_draining(r);
    int failed = pages_get(s->pages, name, path, page, &err);
    library_leave(s->library);
    if (failed && err.code == ERR_CANCELLED)
        return refuse_draining(r);
    if (failed && err.code == ERR_MEMORY)
        return refuse_memory(r);
    if (failed)
        return refuse(r, 404, "not_readable", NULL, "%s", err.text);
    return page->kind == PAGE_NONE ? refuse_absent(r) : 0;
}

static int find_page(struct http_exchange *x, const char *rest, struct page *page, struct refusal *r)
{
    char name[NAME], coded[3 * NAME], path[PATH];
    size_t n = strcspn(rest, "/");
    if (!x->server->library)
        return refuse(r, 404, "not_found", NULL, "this server has no library: start it with --library");
    if (!rest[n] || n >= sizeof coded)
        return refuse_absent(r);
    memcpy(coded, rest, n);
    coded[n] = 0;
    if (path_decode(coded, name, sizeof name) || path_decode(rest + n + 1, path, sizeof path))
        return refuse_absent(r);
    if (get_page(x, name, path, page, r))
        return -1;
    return page->kind == PAGE_ELSEWHERE ? put_location(x, rest + n + 1, &page->bytes, r) : 0;
}

void own_library_page(struct http_exchange *x)
{
    struct refusal r = {0};
    struct page page = {.kind = PAGE_NONE};
    const char *rest = let_in(x, &r);
    http_set(x, "Content-Security-Policy", "%s", policy);
    http_set(x, "X-Content-Type-Options", "nosniff");
    http_set(x, "Referrer-Policy", "no-referrer");
    if (!rest || find_page(x, rest, &page, &r))
        http_refuse(x, &r);
    else if (page.kind == PAGE_ELSEWHERE)
        http_answer(x, 302, NULL, NULL, 0);
    else
        http_answer(x, 200, page.type, page.bytes.text, page.bytes.n);
    page_free(&page);
}

void own_library_ticket(struct http_exchange *x)
{
    char digits[TICKET_DIGITS + 1];
    struct refusal r = {0};
    struct out o = {0};
    if (tickets_give(&x->server->tickets, digits)) {
        refuse(&r, 503, "busy", NULL, "the system has no random numbers for a ticket now");
        http_refuse(x, &r);
        return;
    }
    out_print(&o, "{\"ticket\":\"%s\",\"expires_in\":%d}", digits, TICKET_SECONDS);
    http_answer_json(x, &o);
}
