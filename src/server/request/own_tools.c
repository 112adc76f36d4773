/* See own_tools.h. */
#include "server/request/own_tools.h"

#include "base/reqmem.h"
#include "server/request/service.h"

#include <string.h>

static const char field[] = "library";

void own_tools_free(struct own_tools *o)
{
    toolbox_free(&o->box);
    library_talk_end(&o->talk);
    json_decref(o->client);
}

struct wanted {
    const char *name[SEARCH_SOURCES];
    int n;
    int64_t limit, rounds;
};

static int read_sources(struct wanted *v, const json_t *o, const struct json_at *at, struct refusal *r)
{
    const json_t *list;
    const struct json_at here = {at, "sources", 0};
    int got = json_get_array(o, at, "sources", &list, r);
    if (got <= 0)
        return got;
    size_t n = json_array_size(list);
    if (n == 0 || n > SEARCH_SOURCES)
        return json_refuse(r, "invalid_value", at, "sources", "has %zu names; it may have 1 to %d", n, SEARCH_SOURCES);
    for (size_t i = 0; i < n; i++) {
        const json_t *name = json_array_get(list, i);
        if (!json_is_string(name))
            return json_refuse(r, "invalid_type", &(struct json_at){&here, NULL, i}, NULL, "must be a string, not %s",
                               json_kind(name));
        v->name[v->n++] = json_string_value(name);
    }
    return 0;
}

/* 1: it asks for the library; 0: it does not. */
static int read_wanted(struct wanted *v, const json_t *body, struct refusal *r)
{
    const json_t *value = json_get(body, field);
    const struct json_at at = {NULL, field, 0};
    *v = (struct wanted){.limit = LIBRARY_LIMIT, .rounds = TOOLBOX_ROUNDS};
    if (!value || json_is_false(value))
        return 0;
    if (json_is_true(value))
        return 1;
    if (!json_is_dict(value))
        return json_refuse(r, "invalid_type", NULL, field, "must be true, false or an object, not %s",
                           json_kind(value));
    if (read_sources(v, value, &at, r) < 0 ||
        json_get_int(value, &at, "limit", 1, LIBRARY_LIMIT_MOST, &v->limit, r) < 0 ||
        json_get_int(value, &at, "rounds", 1, TOOLBOX_ROUNDS, &v->rounds, r) < 0)
        return -1;
    return 1;
}

static int begin_talk(struct own_tools *o, const struct server *s, const struct wanted *v, struct refusal *r)
{
    struct error err = {0};
    char param[sizeof err.field + 40];
    if (library_talk_begin(&o->talk, s->library, v->name, v->n, &err) == 0) {
        o->talk.limit = (int)v->limit;
        o->rounds = (int)v->rounds;
        return 0;
    }
    if (err.code != ERR_INPUT)
        return refuse_memory(r);
    snprintf(param, sizeof param, "library.sources[%s]", err.field);
    return refuse(r, 400, "invalid_value", param, "%s names no source of this server's library", param);
}

/* The client's list, then ours: the model is told of both, and calls obey both. */
static int fill_box(struct own_tools *o, struct request *w, json_t *body, struct refusal *r)
{
    struct error err = {0};
    o->client = json_incref(json_object_get(body, "tools"));
    const struct toolbox_provider client = {.from = "the request",
                                            .text = w->tools_text.text,
                                            .n = w->tools_text.n,
                                            .list = o->client},
                                  library = library_talk_provider(&o->talk);
    if ((w->tools_text.n && toolbox_add(&o->box, &client, &err)) || toolbox_add(&o->box, &library, &err))
        return err.code == ERR_INPUT ? refuse(r, 400, "invalid_value", "tools", "%s", err.text) : refuse_memory(r);
    w->reply.tools = o->box.governs.text;
    w->reply.n_tools = o->box.governs.n;
    w->body = NULL;
    return json_put(r, body, "tools", json_incref(o->box.shown));
}

int own_tools_read(struct request *w, const struct server *s, json_t *body, struct refusal *r)
{
    struct wanted v;
    int wants = read_wanted(&v, body, r);
    if (wants <= 0)
        return wants;
    if (!s->library)
        return refuse(r, 400, "unsupported", field, "this server has no library: start it with --library");
    if (!(w->own = reqmem_calloc(1, sizeof *w->own)))
        return refuse_memory(r);
    return begin_talk(w->own, s, &v, r) < 0 ? -1 : fill_box(w->own, w, body, r);
}

int own_tools_check(struct request *w, struct refusal *r)
{
    if (!w->own)
        return 0;
    w->reply.one_call = 1;
    if (w->n > 1)
        return json_refuse(r, "invalid_value", NULL, "n", "must be 1 where the library is searched");
    if (w->capture)
        return json_refuse(r, "unsupported", NULL, "capture", "cannot be had together with library");
    if (w->scores)
        return json_refuse(r, "unsupported", NULL, "prompt_logprobs", "cannot be had together with library");
    return 0;
}
