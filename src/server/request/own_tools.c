/* See own_tools.h. */
#include "server/request/own_tools.h"

#include "base/reqmem.h"
#include "mcp/mcp.h"
#include "server/request/service.h"

#include <string.h>

void own_tools_free(struct own_tools *o)
{
    toolbox_free(&o->box);
    library_talk_end(&o->talk);
    mcp_talk_end(&o->mcp);
    json_decref(o->client);
}

/* ---- the fields ------------------------------------------------------------------------------------------- */

/* What a field may say: true, or an object of these. */
struct field {
    const char *name, *names; /* names: the member that lists some of them */
    size_t names_most;
    int rounds_most;
    int has_limit;
};

static const struct field library_field = {"library", "sources", SEARCH_SOURCES, TOOLBOX_ROUNDS, 1},
                          mcp_field = {"mcp", "servers", MCP_SERVERS, MCP_ROUNDS, 0};

struct wanted {
    const char *name[SEARCH_SOURCES];
    int n;
    int64_t limit, rounds; /* rounds 0: it does not say how many */
};

static int read_names(struct wanted *v, const struct field *f, const json_t *o, const struct json_at *at,
                      struct refusal *r)
{
    const json_t *list;
    const struct json_at here = {at, f->names, 0};
    int got = json_get_array(o, at, f->names, &list, r);
    if (got <= 0)
        return got;
    size_t n = json_array_size(list);
    if (n == 0 || n > f->names_most)
        return json_refuse(r, "invalid_value", at, f->names, "has %zu names; it may have 1 to %zu", n, f->names_most);
    for (size_t i = 0; i < n; i++) {
        const json_t *name = json_array_get(list, i);
        if (!json_is_string(name))
            return json_refuse(r, "invalid_type", &(struct json_at){&here, NULL, i}, NULL, "must be a string, not %s",
                               json_kind(name));
        v->name[v->n++] = json_string_value(name);
    }
    return 0;
}

/* 1: the request asks for it; 0: it does not. */
static int read_wanted(struct wanted *v, const struct field *f, const json_t *body, struct refusal *r)
{
    const json_t *value = json_get(body, f->name);
    const struct json_at at = {NULL, f->name, 0};
    *v = (struct wanted){.limit = LIBRARY_LIMIT};
    if (!value || json_is_false(value))
        return 0;
    if (json_is_true(value))
        return 1;
    if (!json_is_dict(value))
        return json_refuse(r, "invalid_type", NULL, f->name, "must be true, false or an object, not %s",
                           json_kind(value));
    if (read_names(v, f, value, &at, r) < 0 ||
        (f->has_limit && json_get_int(value, &at, "limit", 1, LIBRARY_LIMIT_MOST, &v->limit, r) < 0) ||
        json_get_int(value, &at, "rounds", 1, f->rounds_most, &v->rounds, r) < 0)
        return -1;
    return 1;
}

/* The rounds that the request says: the least of both fields. Where it says none, the most that one of them may have. */
static void add_rounds(struct own_tools *o, int *is_said, int64_t said, int most)
{
    int rounds = said ? (int)said : most;
    if (said && (!*is_said || rounds < o->rounds))
        o->rounds = rounds;
    else if (!said && !*is_said && rounds > o->rounds)
        o->rounds = rounds;
    *is_said |= said != 0;
}

/* ---- conversations ---------------------------------------------------------------------------------------- */

/* A name that there is none of: err.field is its place. */
static int refuse_talk(const struct field *f, const char *what, const struct error *err, struct refusal *r)
{
    char param[sizeof err->field + 40];
    if (err->code != ERR_INPUT)
        return refuse_memory(r);
    snprintf(param, sizeof param, "%s.%s[%s]", f->name, f->names, err->field);
    return refuse(r, 400, "invalid_value", param, "%s names %s", param, what);
}

static int begin_library(struct own_tools *o, const struct server *s, const struct wanted *v, struct refusal *r)
{
    struct error err = {0};
    if (library_talk_begin(&o->talk, s->library, v->name, v->n, &err))
        return refuse_talk(&library_field, "no source of this server's library", &err, r);
    o->talk.limit = (int)v->limit;
    return 0;
}

static void tell_progress(void *arg, const struct mcp_tool *tool, const char *text)
{
    const struct own_tools *o = arg;
    (void)tool;
    if (o->progress)
        o->progress(o->progress_arg, text);
}

/* The lists are those of now: servers that have others are asked for them, here alone. Nobody is there to ask a person. */
static int begin_mcp(struct own_tools *o, const struct server *s, const struct wanted *v, struct refusal *r)
{
    struct error err = {0};
    const struct mcp_talk_options how = {.server = v->name,
                                         .n_server = v->n,
                                         .only_allowed = 1,
                                         .n_ctx = (size_t)s->plan.n_ctx,
                                         .progress = tell_progress,
                                         .arg = o};
    mcp_refresh(s->opt.mcp, o->request->stopped, o->request->stopped_arg);
    if (mcp_talk_begin(&o->mcp, s->opt.mcp, &how, &err))
        return refuse_talk(&mcp_field, "no MCP server of this server", &err, r);
    return 0;
}

int own_tools_server(const struct own_tools *o, const char *name)
{
    const struct toolbox_provider *p = o->mcp.mcp ? toolbox_owner(&o->box, name) : NULL;
    const struct mcp_tool *tool = p && p->self == &o->mcp ? mcp_tool_find(o->mcp.tools, name) : NULL;
    return tool ? tool->server : p && p->self == &o->mcp ? OWN_SEARCH : OWN_NO_SERVER;
}

/* ---- the toolbox ------------------------------------------------------------------------------------------ */

/* Whether the engine can hold calls to a list; what it compiles for that is what the answer needs. */
static int accepts(void *arg, const char *list, size_t n, struct error *err)
{
    struct own_tools *o = arg;
    struct stoker_reply *reply = NULL;
    const struct stoker_reply_options how = {.tools = list,
                                             .n_tools = n,
                                             .one_call = 1,
                                             .unchecked = o->request->reply.unchecked,
                                             .stopped = o->request->stopped,
                                             .stopped_arg = o->request->stopped_arg};
    int failed = stoker_reply_open(&reply, o->engine, &how, NULL, NULL, &o->why);
    stoker_reply_close(reply);
    return failed ? error_set(err, o->why.code == STOKER_ERR_INPUT ? ERR_INPUT : ERR_MEMORY, "%s", o->why.text) : 0;
}

static int refuse_box(const struct own_tools *o, const struct error *err, struct refusal *r)
{
    if (err->code == ERR_INPUT)
        return refuse(r, 400, "invalid_value", "tools", "%s", err->text);
    if (o->why.code == STOKER_ERR_CANCELLED)
        return refuse_draining(r);
    if (o->why.code != STOKER_ERR_BUSY)
        return refuse_memory(r);
    refuse(r, 503, "busy", NULL, "%s", o->why.text);
    r->retry_after = 1;
    return -1;
}

static int add_mcp(struct own_tools *o, const json_t *body, struct error *err)
{
    if (o->mcp.n_shown + o->mcp.n_searched == 0)
        return 0;
    o->box.accepts = accepts;
    o->box.accepts_arg = o;
    if (mcp_talk_join(&o->mcp, &o->box, err))
        return -1;
    mcp_talk_recall(&o->mcp, json_object_get(body, "messages"));
    return 0;
}

/* The client's list, then ours: the model is told of all, and calls obey all. */
static int fill_box(struct own_tools *o, struct request *w, json_t *body, struct refusal *r)
{
    struct error err = {0};
    o->client = json_incref(json_object_get(body, "tools"));
    const struct toolbox_provider client = {.from = "the request",
                                            .text = w->tools_text.text,
                                            .n = w->tools_text.n,
                                            .list = o->client},
                                  library = library_talk_provider(&o->talk);
    if ((w->tools_text.n && toolbox_add(&o->box, &client, &err)) ||
        (o->talk.library && toolbox_add(&o->box, &library, &err)) || (o->mcp.mcp && add_mcp(o, body, &err)))
        return refuse_box(o, &err, r);
    if (o->box.n == 0) /* no server has a tool that may be called */
        return 0;
    w->reply.tools = o->box.governs.text;
    w->reply.n_tools = o->box.governs.n;
    w->body = NULL;
    return json_put(r, body, "tools", json_incref(o->box.shown));
}

/* ---- for requests ----------------------------------------------------------------------------------------- */

static int refuse_missing(const struct field *f, const char *flag, const char *what, struct refusal *r)
{
    return refuse(r, 400, "unsupported", f->name, "this server has no %s: start it with %s", what, flag);
}

int own_tools_read(struct request *w, const struct server *s, json_t *body, struct refusal *r)
{
    struct wanted library, mcp;
    int is_said = 0, wants_library = read_wanted(&library, &library_field, body, r),
        wants_mcp = wants_library < 0 ? -1 : read_wanted(&mcp, &mcp_field, body, r);
    if (wants_mcp < 0 || !(wants_library || wants_mcp))
        return wants_mcp;
    if (wants_library && !s->library)
        return refuse_missing(&library_field, "--library", "library", r);
    if (wants_mcp && !s->opt.mcp)
        return refuse_missing(&mcp_field, "--mcp", "MCP servers", r);
    struct own_tools *o = w->own = reqmem_calloc(1, sizeof *w->own);
    if (!o)
        return refuse_memory(r);
    o->engine = s->engine;
    o->request = w;
    o->field = wants_library ? library_field.name : mcp_field.name;
    if (wants_library)
        add_rounds(o, &is_said, library.rounds, TOOLBOX_ROUNDS);
    if (wants_mcp)
        add_rounds(o, &is_said, mcp.rounds, MCP_ROUNDS);
    if ((wants_library && begin_library(o, s, &library, r) < 0) || (wants_mcp && begin_mcp(o, s, &mcp, r) < 0))
        return -1;
    return fill_box(o, w, body, r);
}

int own_tools_check(struct request *w, struct refusal *r)
{
    if (!w->own)
        return 0;
    w->reply.one_call = 1;
    if (w->n > 1)
        return json_refuse(r, "invalid_value", NULL, "n", "must be 1 where the server runs tools (%s)", w->own->field);
    if (w->capture)
        return json_refuse(r, "unsupported", NULL, "capture", "cannot be had together with %s", w->own->field);
    if (w->scores)
        return json_refuse(r, "unsupported", NULL, "prompt_logprobs", "cannot be had together with %s", w->own->field);
    return 0;
}
