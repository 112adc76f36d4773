/* GET / and GET /page/NAME: see page.h. The document, its parts and its Content-Security-Policy are data that tools/page.c makes; only
 * one thing of them depends on the server: whether a key is asked for, told in an attribute of the document's first tag, so that the page
 * need not try and fail. */
#include "server/own/page.h"

#include "server/http/http.h"
#include "server/http/json.h"
#include "server/own/page_data.h"
#include "server/request/service.h"

#include <string.h>

/* 1: there is no page, and x is answered so. */
static int refused(struct http_exchange *x)
{
    struct refusal r = {0};
    if (!x->server->opt.no_page)
        return 0;
    refuse(&r, 404, "unknown_route", NULL, "this server was started with --no-page: / is not served");
    http_refuse(x, &r);
    return 1;
}

void page_handle(struct http_exchange *x)
{
    struct out o = {0};
    if (refused(x))
        return;
    out_bytes(&o, (const char *)page_data, page_keys_at);
    out_bytes(&o, x->server->opt.key.n ? "1" : "0", 1);
    out_bytes(&o, (const char *)page_data + page_keys_at + 1, sizeof page_data - page_keys_at - 1);
    http_set(x, "Content-Security-Policy", "%s", page_policy);
    http_set(x, "X-Content-Type-Options", "nosniff");
    http_set(x, "Referrer-Policy", "no-referrer");
    if (o.failed) {
        struct refusal r = {0};
        refuse_memory(&r);
        http_refuse(x, &r);
    } else {
        http_answer(x, 200, "text/html; charset=utf-8", o.text, o.n);
    }
    out_free(&o);
}

void page_handle_part(struct http_exchange *x)
{
    struct refusal r = {0};
    if (refused(x))
        return;
    for (const struct page_part *part = page_parts; part->name; part++)
        if (strcmp(part->name, x->rest) == 0) {
            http_set(x, "X-Content-Type-Options", "nosniff");
            http_answer(x, 200, part->type, (const char *)part->bytes, part->n);
            return;
        }
    refuse(&r, 404, "unknown_route", NULL, "the page has no such part");
    http_refuse(x, &r);
}
