/* See mcp_service_tools.h. */
#include "toolbox/mcp_service_tools.h"

#include "base/json/load.h"
#include "base/reqmem.h"
#include "mcp/arguments.h"

#include <stdio.h>
#include <string.h>

/* SPACE: bytes of a result of the library; how much a client has room for it does not say. SHORT_NAME: longer ones are no tool's;
 * TOKEN: of progress, likewise. */
enum { SPACE = 32000, SHORT_NAME = 128, TOKEN = 1024, ASK_MS = 100 };

static const char search_name[] = "search_tools", call_name[] = "call_tool";

/* ---- what there is ----------------------------------------------------------------------------------------- */

/* The library's tools change nothing, which clients that ask a person want to know. */
static int write_library(struct service_tools *t)
{
    size_t i;
    const json_t *tool;
    json_array_foreach(t->talk.list, i, tool)
    {
        const json_t *f = json_object_get(tool, "function");
        json_t *o = json_pack("{s:O, s:O, s:O, s:{s:b, s:b}}", "name", json_object_get(f, "name"), "description",
                              json_object_get(f, "description"), "inputSchema", json_object_get(f, "parameters"),
                              "annotations", "readOnlyHint", 1, "openWorldHint", 0);
        char *text = json_dump_spelled(o, JSON_COMPACT | JSON_PRESERVE_ORDER);
        buffer_puts(&t->listed, i ? "," : "");
        buffer_puts(&t->listed, text ? text : "");
        t->listed.failed |= text == NULL;
        reqmem_free(text);
        json_decref(o);
    }
    return t->listed.failed ? -1 : 0;
}

static int open_library(struct service_tools *t, struct library *library, struct error *err)
{
    if (library_talk_begin(&t->talk, library, NULL, 0, err))
        return -1;
    t->talk.lock = &t->numbers_lock;
    const struct toolbox_provider p = library_talk_provider(&t->talk);
    if (toolbox_add(&t->box, &p, err))
        return -1;
    return write_library(t) ? error_set(err, ERR_MEMORY, "no memory for the library's tools") : 0;
}

static int look(struct service_tools *t, struct error *err)
{
    const struct mcp_talk_options how = {.only_allowed = t->only_allowed};
    return mcp_talk_begin(&t->view, t->mcp, &how, err);
}

int service_tools_open(struct service_tools *t, struct library *library, struct mcp *mcp, int only_allowed,
                       struct error *err)
{
    pthread_mutex_init(&t->numbers_lock, NULL);
    pthread_mutex_init(&t->view_lock, NULL);
    t->mcp = mcp;
    t->only_allowed = only_allowed;
    if (library && open_library(t, library, err))
        return -1;
    return mcp ? look(t, err) : 0;
}

void service_tools_close(struct service_tools *t)
{
    mcp_talk_end(&t->view);
    toolbox_free(&t->box);
    library_talk_end(&t->talk);
    buffer_free(&t->listed);
    pthread_mutex_destroy(&t->view_lock);
    pthread_mutex_destroy(&t->numbers_lock);
}

/* Takes the lists of other servers anew where they have changed, or are not taken yet: it waits for them then. Another thread may have
 * taken them and not looked at them yet. Without memory for them there are none, until somebody asks again. */
static void refresh(struct service_tools *t, const struct mcp_ask *ask)
{
    struct error err = {0};
    if (!t->mcp)
        return;
    mcp_refresh(t->mcp, ask->stopped, ask->arg);
    pthread_mutex_lock(&t->view_lock);
    struct mcp_tools *present = mcp_tools(t->mcp);
    if (present != t->view.tools) {
        mcp_talk_end(&t->view);
        if (look(t, &err))
            mcp_talk_end(&t->view);
    }
    mcp_tools_release(present);
    pthread_mutex_unlock(&t->view_lock);
}

static void next(struct buffer *out, size_t before) { buffer_puts(out, out->n > before ? "," : ""); }

static void list_proxy(const struct mcp_talk *view, struct buffer *out)
{
    char text[400];
    snprintf(text, sizeof text,
             "{\"name\":\"search_tools\",\"description\":\"Find tools of other servers, %zu in all. Gives names and "
             "schemas of those that fit best; call_tool calls one.\",\"inputSchema\":{\"type\":\"object\","
             "\"properties\":{\"query\":{\"type\":\"string\",\"description\":\"words for what the tool does\"}},"
             "\"required\":[\"query\"],\"additionalProperties\":false},\"annotations\":{\"readOnlyHint\":true}},",
             view->n_searched);
    buffer_puts(out, text);
    buffer_puts(out,
                "{\"name\":\"call_tool\",\"description\":\"Call a tool that search_tools has found.\","
                "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"description\":"
                "\"as search_tools gives it\"},\"arguments\":{\"type\":\"object\",\"description\":\"by the tool's "
                "inputSchema\"}},\"required\":[\"name\",\"arguments\"],\"additionalProperties\":false}}");
}

/* 1: there are tools that are searched for. */
static int are_searched(struct service_tools *t)
{
    pthread_mutex_lock(&t->view_lock);
    int searches = t->view.n_searched > 0;
    pthread_mutex_unlock(&t->view_lock);
    return searches;
}

void service_tools_list(struct service_tools *t, const struct mcp_ask *ask, struct buffer *out)
{
    size_t before = out->n;
    refresh(t, ask);
    buffer_put(out, t->listed.text, t->listed.n);
    pthread_mutex_lock(&t->view_lock);
    const struct mcp_talk *view = &t->view;
    if (view->n_searched) {
        next(out, before);
        list_proxy(view, out);
    }
    for (size_t i = 0; view->n_shown && i < view->tools->n; i++)
        if (view->offer[i] == OFFER_SHOWN) {
            next(out, before);
            mcp_tool_put(&view->tools->tool[i], out);
        }
    pthread_mutex_unlock(&t->view_lock);
}

/* ---- results ----------------------------------------------------------------------------------------------- */

static enum service_end put_text(struct buffer *out, const struct buffer *text)
{
    int is_error = text->failed || toolbox_is_error(text->text, text->n);
    buffer_puts(out, "\"content\":[{\"type\":\"text\",\"text\":");
    if (text->failed)
        buffer_puts(out, "\"error: there is no memory for the result\"");
    else
        buffer_put_string(out, text->n ? text->text : "", text->n);
    buffer_puts(out, is_error ? "}],\"isError\":true" : "}]");
    return SERVICE_DONE;
}

static enum service_end put_words(struct buffer *out, const char *words)
{
    struct buffer text = {0};
    buffer_puts(&text, words);
    put_text(out, &text);
    buffer_free(&text);
    return SERVICE_DONE;
}

/* What a server answered, as it is; what stoker does not pass on, and what is no result, as text. */
static void pass_through(struct span result, const char *error, struct buffer *out)
{
    static const char *const members[] = {"content", "structuredContent", "isError"};
    struct span kind = span_member(result, "resultType"), content = span_member(result, "content");
    if (!result.n || (kind.n && !span_is(kind, "complete")) || (content.n && !span_is_list(content))) {
        struct buffer text = {0};
        mcp_result_text(result, error, &text);
        put_text(out, &text);
        buffer_free(&text);
        return;
    }
    size_t before = out->n;
    if (!content.n)
        buffer_puts(out, "\"content\":[]");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        struct span v = span_member(result, members[i]);
        if (!v.n)
            continue;
        next(out, before);
        buffer_put_string(out, members[i], strlen(members[i]));
        buffer_puts(out, ":");
        buffer_put(out, v.text, v.n);
    }
}

/* ---- calls ------------------------------------------------------------------------------------------------- */

static enum service_end call_library(struct service_tools *t, const struct mcp_ask *ask, const char *name,
                                     struct span arguments, struct buffer *out)
{
    const struct toolbox_call c = {.name = name,
                                   .arguments = arguments.text,
                                   .n = arguments.n,
                                   .space = SPACE,
                                   .stopped = ask->stopped,
                                   .stopped_arg = ask->arg};
    struct buffer text = {0};
    enum toolbox_end end = toolbox_run(&t->box, &c, &text);
    if (end == TOOLBOX_DONE)
        put_text(out, &text);
    buffer_free(&text);
    return end == TOOLBOX_DONE ? SERVICE_DONE : SERVICE_STOPPED;
}

static enum service_end search_tools(struct service_tools *t, const struct mcp_ask *ask, struct span arguments,
                                     struct buffer *out)
{
    struct span query = span_member(arguments, "query");
    struct buffer question = {0}, text = {0};
    size_t hit[MCP_HITS], n = 0;
    if (!span_is_string(query))
        return put_words(out, "error: search_tools takes {\"query\": words}");
    refresh(t, ask);
    json_unescape(&question, query.text, query.n);
    pthread_mutex_lock(&t->view_lock);
    if (t->view.n_searched)
        n = mcp_talk_find(&t->view, question.n ? question.text : "", question.n, hit, MCP_HITS);
    buffer_puts(&text, "{\"tools\":[");
    for (size_t i = 0; i < n; i++) {
        buffer_puts(&text, i ? "," : "");
        mcp_tool_put(&t->view.tools->tool[hit[i]], &text);
    }
    pthread_mutex_unlock(&t->view_lock);
    buffer_puts(&text, n ? "]}" : "],\"note\":\"no tool has these words; try others\"}");
    put_text(out, &text);
    buffer_free(&question);
    buffer_free(&text);
    return SERVICE_DONE;
}

/* The tool of a name that is offered, whose list the caller holds then; NULL: there is none. */
static const struct mcp_tool *offered(struct service_tools *t, const char *name, struct mcp_tools **held)
{
    pthread_mutex_lock(&t->view_lock);
    const struct mcp_tool *tool = t->view.tools ? mcp_tool_find(t->view.tools, name) : NULL;
    if (tool && !t->view.offer[tool - t->view.tools->tool])
        tool = NULL;
    *held = tool ? mcp_tools_hold(t->view.tools) : NULL;
    pthread_mutex_unlock(&t->view_lock);
    return tool;
}

static void pass_progress(const struct mcp_ask *ask, struct mcp_call *call)
{
    static const char *const members[] = {"progress", "total", "message"};
    struct span token = span_member(ask->m->meta, "progressToken");
    struct buffer from = {0}, params = {0}, line = {0};
    int is_token = token.n > 0 && token.n < TOKEN && (span_is_string(token) || !strchr("{[tfn", token.text[0]));
    if (is_token && ask->tell && mcp_progress(call, &from)) {
        buffer_puts(&params, "{\"progressToken\":");
        buffer_put(&params, token.text, token.n);
        for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
            struct span v = span_member((struct span){from.text, from.n}, members[i]);
            if (!v.n)
                continue;
            buffer_puts(&params, ",\"");
            buffer_puts(&params, members[i]);
            buffer_puts(&params, "\":");
            buffer_put_valid(&params, v.text, v.n);
        }
        buffer_puts(&params, "}");
        message_put_notification(&line, "notifications/progress", params.text, params.n);
        if (!params.failed && !line.failed)
            ask->tell(ask->arg, &line);
    }
    buffer_free(&from);
    buffer_free(&params);
    buffer_free(&line);
}

static enum service_end call_tool(struct service_tools *t, const struct mcp_ask *ask, const struct mcp_tool *tool,
                                  struct span arguments, struct buffer *out)
{
    const char *error;
    struct mcp_call *call = mcp_begin(t->mcp, tool, arguments.text, arguments.n, NULL, NULL);
    if (!call)
        return put_words(out, "error: there is no memory for the call");
    while (!mcp_wait(call, ASK_MS)) {
        pass_progress(ask, call);
        if (ask->stopped(ask->arg)) {
            mcp_end(call);
            return SERVICE_STOPPED;
        }
    }
    struct span result = mcp_result(call, &error);
    pass_through(result, error, out);
    mcp_end(call);
    return SERVICE_DONE;
}

static enum service_end call_offered(struct service_tools *t, const struct mcp_ask *ask, const char *name,
                                     struct span arguments, struct buffer *out)
{
    struct mcp_tools *held;
    const struct mcp_tool *tool = offered(t, name, &held);
    struct buffer text = {0};
    enum service_end end;
    if (!tool)
        return SERVICE_UNKNOWN;
    buffer_puts(&text, "error: ");
    if (arguments_fit(tool->schema, arguments, &text))
        end = call_tool(t, ask, tool, arguments, out);
    else
        end = put_text(out, &text);
    mcp_tools_release(held);
    buffer_free(&text);
    return end;
}

/* name: a string; "": it is too long to be a tool's, or memory is short. */
static void read_name(struct span name, char out[SHORT_NAME])
{
    struct buffer text = {0};
    json_unescape(&text, name.text, name.n);
    out[0] = 0;
    if (!text.failed && text.n < SHORT_NAME && !memchr(text.n ? text.text : "", 0, text.n)) {
        memcpy(out, text.n ? text.text : "", text.n);
        out[text.n] = 0;
    }
    buffer_free(&text);
}

static enum service_end call_found(struct service_tools *t, const struct mcp_ask *ask, struct span arguments,
                                   struct buffer *out)
{
    struct span name = span_member(arguments, "name"), inner = span_member(arguments, "arguments");
    char text[SHORT_NAME];
    if (!span_is_string(name) || (inner.n && !span_is_object(inner)))
        return put_words(out, "error: call_tool takes {\"name\": a tool's name, \"arguments\": an object}");
    read_name(name, text);
    enum service_end end = call_offered(t, ask, text, inner.n ? inner : (struct span){"{}", 2}, out);
    return end == SERVICE_UNKNOWN ? put_words(out, "error: there is no tool of this name; search_tools finds names")
                                  : end;
}

static enum service_end call_of_others(struct service_tools *t, const struct mcp_ask *ask, const char *name,
                                       struct span arguments, struct buffer *out)
{
    int is_proxy = are_searched(t);
    if (is_proxy && strcmp(name, search_name) == 0)
        return search_tools(t, ask, arguments, out);
    if (is_proxy && strcmp(name, call_name) == 0)
        return call_found(t, ask, arguments, out);
    return call_offered(t, ask, name, arguments, out);
}

enum service_end service_tools_call(struct service_tools *t, const struct mcp_ask *ask, struct span name,
                                    struct span arguments, struct buffer *out)
{
    char text[SHORT_NAME];
    read_name(name, text);
    if (toolbox_owner(&t->box, text))
        return call_library(t, ask, text, arguments, out);
    enum service_end end = call_of_others(t, ask, text, arguments, out);
    if (end != SERVICE_UNKNOWN || !t->mcp)
        return end;
    refresh(t, ask); /* servers may not have listed their tools yet */
    return ask->stopped(ask->arg) ? SERVICE_STOPPED : call_of_others(t, ask, text, arguments, out);
}
