/* See prediction.h. */
#include "server/request/prediction.h"

#include "base/reqmem.h"
#include "server/request/service.h"

enum { MOST_BYTES = 1 << 20, BYTES_OF_TOKEN = 16 /* more than texts have but for blanks and lines of signs */ };

static const char field[] = "prediction";

/* What is of use of a prediction: as much as the answer may have. */
struct part {
    struct out text;
    size_t most; /* bytes */
};

static size_t most_tokens(const struct request *w, const struct server *s)
{
    size_t n_ctx = (size_t)s->plan.n_ctx;
    return w->max_tokens && (size_t)w->max_tokens < n_ctx ? (size_t)w->max_tokens : n_ctx;
}

static void add_text(struct part *p, const char *text, size_t n)
{
    size_t left = p->most - p->text.n;
    out_bytes(&p->text, text, n < left ? n : left);
}

static int add_part(struct part *p, const json_t *part, const struct json_at *at, struct refusal *r)
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
    add_text(p, text, n);
    return 0;
}

static int add_content(struct part *p, const json_t *content, const struct json_at *at, struct refusal *r)
{
    const struct json_at here = {at, "content", 0};
    if (!content)
        return json_missing(r, at, "content");
    if (json_is_string(content)) {
        add_text(p, json_string_value(content), json_string_length(content));
        return 0;
    }
    if (!json_is_array(content))
        return json_refuse(r, "invalid_type", at, "content", "must be a string or an array of parts, not %s",
                           json_kind(content));
    for (size_t i = 0; i < json_array_size(content); i++)
        if (add_part(p, json_array_get(content, i), &(struct json_at){&here, NULL, i}, r) < 0)
            return -1;
    return 0;
}

static int tokenize(struct request *w, const struct server *s, const struct part *p, struct refusal *r)
{
    struct request_prompt *to = &w->prediction;
    size_t most = most_tokens(w, s);
    struct stoker_error err;
    if (p->text.failed)
        return refuse_memory(r);
    if (p->text.n == 0 || !s->plan.ngrams)
        return 0;
    if (stoker_tokenize(s->engine, p->text.text, p->text.n, 0, 0, &to->token, &to->n, &err))
        return refuse_error(r, field, &err);
    if (to->n > most) {
        stoker_token *fewer = reqmem_realloc(to->token, most * sizeof *fewer);
        to->token = fewer ? fewer : to->token;
        to->n = most;
    }
    return 0;
}

int prediction_read(struct request *w, const struct server *s, const json_t *body, struct refusal *r)
{
    static const char *const types[] = {"content"};
    const struct json_at at = {NULL, field, 0};
    const json_t *o;
    struct part text = {.most = 0};
    int type, got = json_get_object(body, NULL, field, &o, r);
    if (got <= 0)
        return got;
    got = json_get_word(o, &at, "type", types, 1, &type, r);
    if (got <= 0)
        return got < 0 ? -1 : json_missing(r, &at, "type");
    text.most = most_tokens(w, s) < MOST_BYTES / BYTES_OF_TOKEN ? most_tokens(w, s) * BYTES_OF_TOKEN : MOST_BYTES;
    int failed = add_content(&text, json_get(o, "content"), &at, r) < 0 || tokenize(w, s, &text, r) < 0 ? -1 : 0;
    out_free(&text.text);
    return failed;
}
