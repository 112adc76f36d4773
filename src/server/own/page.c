/* GET /: see page.h. The document and its Content-Security-Policy are data that tools/page.c makes; only one thing of it depends on
 * the server: whether a key is asked for, told in an attribute of its first tag, so that the page need not try and fail. */
#include "server/own/page.h"

#include "server/http/http.h"
#include "server/http/json.h"
#include "server/own/page_data.h"
#include "server/request/service.h"

void page_handle(struct http_exchange *x)
{
    const struct server_options *opt = &x->server->opt;
    struct out o = {0};
    if (opt->no_page) {
        struct refusal r = {0};
        refuse(&r, 404, "unknown_route", NULL, "this server was started with --no-page: / is not served");
        http_refuse(x, &r);
        return;
    }
    out_bytes(&o, (const char *)page_data, page_keys_at);
    out_bytes(&o, opt->key.n ? "1" : "0", 1);
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
