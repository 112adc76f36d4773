/* See prediction.h. */
#include "server/request/prediction.h"

#include "server/request/service.h"

#include <string.h>

enum { MOST_BYTES = 1 << 20 };

static const char field[] = "prediction";

static void add_text(struct out *o, const char *text, size_t n)
{
    size_t left = o->n < MOST_BYTES ? MOST_BYTES - o->n : 0;
    out_bytes(o, text, n < left ? n : left);
}

static int add_part(struct out *o, const json_t *part, const struct json_at *at, struct refusal *r)
{
    static const char *const types[] = {"text"};
    const char *text;
    size_t n;
    int type;
    if (!json_is_dict(part))
        return json_refuse(r, "invalid_type", at, NULL, "must be an object, not %s", json_kind(part));
    int got = json_get_word(part, at, "type", types, 1, &type, r);
    if (got <= 0)
        return got < 0 ? -1 : json_missing(r, at, "type");
    got = json_get_text(part, at, "text", &text, &n, r);
    if (got <= 0)
        return got < 0 ? -1 : json_missing(r, at, "text");
    add_text(o, text, n);
    return 0;
}

static int add_content(struct out *o, const json_t *content, const struct json_at *at, struct refusal *r)
{
    const struct json_at here = {at, "content", 0};
    if (!content)
        return json_missing(r, at, "content");
    if (json_is_string(content)) {
        add_text(o, json_string_value(content), json_string_length(content));
        return 0;
    }
    if (!json_is_array(content))
        return json_refuse(r, "invalid_type", at, "content", "must be a string or an array of parts, not %s",
                           json_kind(content));
    for (size_t i = 0; i < json_array_size(content); i++)
        if (add_part(o, json_array_get(content, i), &(struct json_at){&here, NULL, i}, r) < 0)
            return -1;
    return 0;
}

static int drafts(const struct server *s) { return s->opt.engine.draft && strcmp(s->opt.engine.draft, "off") != 0; }

int prediction_read(struct request *w, const struct server *s, const json_t *body, struct refusal *r)
{
    static const char *const types[] = {"content"};
    const struct json_at at = {NULL, field, 0};
    const json_t *o;
    struct out text = {0};
    struct stoker_error err;
    int type, got = json_get_object(body, NULL, field, &o, r);
    if (got <= 0)
        return got;
    got = json_get_word(o, &at, "type", types, 1, &type, r);
    if (got <= 0)
        return got < 0 ? -1 : json_missing(r, &at, "type");
    int failed = add_content(&text, json_get(o, "content"), &at, r);
    if (!failed && text.failed)
        failed = refuse_memory(r);
    if (!failed && text.n && drafts(s) &&
        stoker_tokenize(s->engine, text.text, text.n, 0, 0, &w->prediction.token, &w->prediction.n, &err))
        failed = refuse_error(r, field, &err);
    out_free(&text);
    return failed;
}
