/* See texts.h. */
#include "server/own/texts.h"

#include "base/reqmem.h"
#include "server/http/http.h"
#include "server/request/service.h"

#include <string.h>

enum { VECTORS_BYTES = 1 << 20 /* of vectors that are computed and not yet given: of steps of many texts */ };

/* ---- texts to tokens -------------------------------------------------------------------------------------------------------- */

int texts_reserve(struct texts *t, size_t n, struct refusal *r)
{
    t->text = reqmem_malloc(n * sizeof *t->text);
    return t->text ? 0 : refuse_memory(r);
}

void texts_free(struct texts *t)
{
    for (size_t i = 0; i < t->n; i++)
        stoker_free((stoker_token *)(uintptr_t)t->text[i].id);
    reqmem_free(t->text);
    *t = (struct texts){0};
}

/* Tokens that stand behind every text: of an empty one what is not in front. They stay where a text is cut. */
static size_t end_tokens(const struct texts *t, const stoker_token *id, size_t n)
{
    stoker_token *none = NULL;
    size_t n_none = 0;
    int kept = stoker_tokenize(t->engine, "", 0, 1, 0, &none, &n_none, NULL) == 0 && n_none && n &&
               none[n_none - 1] == id[n - 1];
    stoker_free(none);
    return (size_t)kept;
}

static int fit(struct texts *t, stoker_token *id, size_t *n, const struct json_at *at, struct refusal *r)
{
    size_t most = t->encoder.n_ctx;
    if (*n <= most)
        return 0;
    if (!t->may_cut && t->too_long)
        return refuse(r, 400, "context_length_exceeded", NULL, "%s", t->too_long);
    if (!t->may_cut) {
        char path[128];
        json_path(path, sizeof path, at, NULL);
        return refuse(r, 400, "context_length_exceeded", path, "%s has %zu tokens; this model's context is %zu", path,
                      *n, most);
    }
    if (end_tokens(t, id, *n))
        id[most - 1] = id[*n - 1];
    *n = most;
    return 0;
}

static int add(struct texts *t, stoker_token *id, size_t n, const struct json_at *at, struct refusal *r)
{
    t->text[t->n++] = (struct stoker_tokens){id, n};
    if (n == 0)
        return json_refuse(r, "invalid_value", at, NULL, "must not be empty: there is nothing to embed");
    if (fit(t, id, &n, at, r))
        return -1;
    t->text[t->n - 1].n = n;
    t->n_token += n;
    return 0;
}

static int add_text(struct texts *t, const json_t *v, const struct json_at *at, struct refusal *r)
{
    struct stoker_error err;
    stoker_token *id = NULL;
    size_t n = 0;
    if (json_string_length(v) == 0)
        return json_refuse(r, "invalid_value", at, NULL, "must not be empty: there is nothing to embed");
    if (stoker_tokenize(t->engine, json_string_value(v), json_string_length(v), 1, 0, &id, &n, &err))
        return refuse_error(r, NULL, &err);
    return add(t, id, n, at, r);
}

static int add_ids(struct texts *t, const json_t *v, const struct json_at *at, struct refusal *r)
{
    size_t i, n = json_array_size(v);
    const json_t *item;
    stoker_token *id = reqmem_malloc((n + 1) * sizeof *id);
    int wrong = id ? 0 : refuse_memory(r), most = stoker_n_vocab(t->engine) - 1;
    json_array_foreach(v, i, item)
    {
        struct json_at place = {at, NULL, i};
        json_int_t value = json_integer_value(item);
        if (wrong)
            break;
        if (!json_is_integer(item))
            wrong = json_refuse(r, "invalid_type", &place, NULL, "must be a token's id, not %s", json_kind(item));
        else if (value < 0 || value > most)
            wrong = json_refuse(r, "invalid_value", &place, NULL, "must be a token's id, from 0 to %d", most);
        else
            id[i] = (stoker_token)value;
    }
    if (wrong) {
        reqmem_free(id);
        return -1;
    }
    return add(t, id, n, at, r);
}

/* A list of texts, of lists of ids, or of ids, which are one text. */
static int add_list(struct texts *t, const json_t *list, const struct json_at *at, struct refusal *r)
{
    size_t i, n = json_array_size(list);
    const json_t *item, *first = json_array_get(list, 0);
    if (json_is_integer(first))
        return texts_reserve(t, 1, r) || add_ids(t, list, at, r) ? -1 : 0;
    if (t->only_one)
        return json_refuse(r, "invalid_type", at, NULL, "must be one text: /api/embed takes a list of them");
    if (n > TEXTS_MOST)
        return json_refuse(r, "invalid_value", at, NULL, "has %zu texts; at most %d are possible", n, TEXTS_MOST);
    if (texts_reserve(t, n, r))
        return -1;
    json_array_foreach(list, i, item)
    {
        struct json_at place = {at, NULL, i};
        int is_text = json_is_string(item), is_ids = json_is_array(item);
        if ((!is_text && !is_ids) || is_text != json_is_string(first))
            return json_refuse(r, "invalid_type", &place, NULL,
                               "must be %s, not %s: lists hold texts alone, or lists of ids alone",
                               json_is_array(first) ? "a list of ids" : "a string", json_kind(item));
        if (is_text ? add_text(t, item, &place, r) : add_ids(t, item, &place, r))
            return -1;
    }
    return 0;
}

int texts_read(struct texts *t, const json_t *body, const char *key, struct refusal *r)
{
    const json_t *v = json_get(body, key);
    const struct json_at at = {NULL, key, 0};
    if (!v)
        return json_missing(r, NULL, key);
    if (json_is_array(v))
        return add_list(t, v, &at, r);
    if (!json_is_string(v))
        return json_refuse(r, "invalid_type", &at, NULL, "must be a string or a list of strings, not %s", json_kind(v));
    return texts_reserve(t, 1, r) || add_text(t, v, &at, r) ? -1 : 0;
}

/* ---- tokens to vectors ------------------------------------------------------------------------------------------------------ */

size_t texts_values(const struct texts *t, size_t i)
{
    int rows = strcmp(t->encoder.pooling, "none") == 0;
    return t->encoder.n_out * (rows ? t->text[i].n : 1);
}

/* A request of the engine, and who takes its vectors. */
struct embedding {
    struct http_exchange *x;
    struct stoker_embed of;
    int (*on_text)(void *arg, size_t i, float *v);
    void *arg;
};

static int give(const struct embedding *v, const struct stoker_event *ev, struct refusal *r)
{
    size_t i = ev->u.vector.text;
    if (ev->u.vector.is_no_number)
        return refuse(r, 500, NULL, NULL, "text %zu: a value of its vector is not a finite number", i);
    return v->on_text(v->arg, i, v->of.out + i % v->of.n_place * v->of.place);
}

/* To the request's last event, which is taken whatever happens. 0: all vectors were given. */
static int take(struct stoker *engine, const struct embedding *v, stoker_id id, struct refusal *r)
{
    struct stoker_event ev = {0};
    int failed = 0;
    for (int got; (got = stoker_next_event(engine, id, failed ? -1 : 0, &ev)) >= 0;) {
        if (got && (ev.kind == STOKER_END || ev.kind == STOKER_FAILED))
            break;
        if (failed)
            continue;
        enum http_waited waited = got ? HTTP_NOTIFIED : http_wait(v->x, -1);
        if (got)
            failed = give(v, &ev, r);
        if (waited == HTTP_DISCONNECTED || waited == HTTP_CUT)
            failed = waited == HTTP_CUT ? refuse_draining(r) : -1;
        if (failed)
            stoker_cancel(engine, id);
    }
    if (!failed && ev.kind == STOKER_FAILED)
        return refuse_error(r, NULL, &ev.error);
    return failed;
}

static int compute(struct texts *t, struct embedding *v, struct refusal *r)
{
    struct stoker_error err;
    stoker_id id;
    v->of.out = reqmem_malloc(stoker_embed_places(&v->of, &t->encoder, VECTORS_BYTES) * sizeof *v->of.out);
    if (!v->of.out)
        return refuse_memory(r);
    int failed = stoker_submit_embed(t->engine, &v->of, &id, &err) ? refuse_error(r, NULL, &err)
                                                                   : take(t->engine, v, id, r);
    reqmem_free(v->of.out);
    return failed;
}

int texts_embed(struct http_exchange *x, struct texts *t, int (*on_text)(void *arg, size_t i, float *v), void *arg,
                struct refusal *r)
{
    struct embedding v = {.x = x,
                          .of = {.text = t->text, .n_text = t->n, .notify = http_notify, .notify_arg = x},
                          .on_text = on_text,
                          .arg = arg};
    int failed = t->n ? compute(t, &v, r) : 0;
    if (!failed)
        server_count(x, t->n_token, 0, 0, -1, 0);
    return failed;
}
