/* links: server toolbox mcp library engine text model store op machine kernel format base
 *
 * Fuzz target: JSON bodies. What is read is written again and read again, to the same value; every getter takes any value; a refusal has
 * a sentence that is clean UTF-8 and a path that ends. Then the body as a chat: read by its rules, --stabilize included. */
#include "server/http/json.h"
#include "base/utf8.h"
#include "server/request/request.h"
#include "server/request/service.h"

#include <assert.h>
#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_clean(const char *text)
{
    size_t n = strlen(text), k;
    for (const uint8_t *p = (const uint8_t *)text; n; p += k, n -= k)
        if (utf8_head(p, n, &k) != UTF8_WHOLE || *p < 0x20)
            __builtin_trap();
}

static void assert_refused(const struct refusal *r)
{
    assert(r->status >= 400 && r->status < 500 && *r->text);
    assert_clean(r->text);
    assert_clean(r->param);
}

static void get_all(const json_t *o)
{
    static const char *const words[] = {"auto", "none"};
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)o, key, v)
    {
        const struct json_at up = {NULL, "messages", 0}, at = {&up, NULL, 3};
        struct refusal r[8] = {0};
        const json_t *value;
        const char *text;
        double real;
        int64_t integer;
        size_t n;
        int i, found = 0;
        found += json_get_bool(o, &at, key, &i, &r[0]) > 0;
        found += json_get_int(o, &at, key, -5, 5, &integer, &r[1]) > 0;
        found += json_get_real(o, &at, key, 0, 1, INFINITY, &real, &r[2]) > 0;
        found += json_get_text(o, &at, key, &text, &n, &r[3]) > 0;
        found += json_get_array(o, &at, key, &value, &r[4]) > 0;
        found += json_get_object(o, &at, key, &value, &r[5]) > 0;
        json_get_word(o, &at, key, words, 2, &i, &r[6]);
        json_missing(&r[7], &at, key);
        for (size_t k = 0; k < 8; k++)
            if (r[k].status)
                assert_refused(&r[k]);
        assert(found <= 2); /* an integer is a number too */
    }
}

static void read_chat(json_t *body, const char *text, size_t n, enum stabilize mode)
{
    struct server s = {.opt = {.stabilize = mode, .think = -1, .close_at_limit = -1, .queue = 8},
                       .plan = {.n_parallel = 4, .n_ctx = 4096}};
    struct request w = {0};
    struct refusal r = {0};
    json_object_del(body, "logit_bias"); /* asks the engine for its vocabulary, and there is none here */
    if (request_read_chat(&w, &s, body, text, n, &r))
        assert_refused(&r);
    request_free(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct refusal r = {0}, again_r = {0};
    struct out o = {0}, again_o = {0};
    json_t *v = json_read((const char *)data, size, &r);
    if (!v) {
        assert_refused(&r);
        return 0;
    }
    out_value(&o, v);
    json_t *again = json_read(o.text, o.n, &again_r);
    assert(!o.failed && again && json_equal(v, again));
    out_value(&again_o, again);
    assert(again_o.n == o.n && memcmp(again_o.text, o.text, o.n) == 0); /* numbers too */
    get_all(v);
    read_chat(v, (const char *)data, size, (enum stabilize)(size % 3));
    json_decref(again);
    json_decref(v);
    out_free(&o);
    out_free(&again_o);
    return 0;
}
