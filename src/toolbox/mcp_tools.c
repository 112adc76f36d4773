/* See mcp_tools.h. A model that was told of 218 tools would read 55,000 tokens first; of one it reads some hundred. */
#include "toolbox/mcp_tools.h"

#include "base/json/load.h"
#include "base/log.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* TOKEN: bytes of definitions that are reckoned a token. JSON has more, so what is shown has fewer tokens than is reckoned. */
enum { TOKEN = 4, ASK_MS = 100 };

static const char search_name[] = "search_tools";

/* ---- which tools ------------------------------------------------------------------------------------------ */

static size_t bytes_of(const struct mcp_tool *t) { return strlen(t->name) + t->description.n + t->schema.n; }

static int choose_servers(const struct mcp_talk *t, unsigned char *is_wanted, struct error *err)
{
    struct mcp_state s;
    for (int i = 0; i < t->how.n_server; i++) {
        int any = 0;
        for (int k = 0; mcp_state(t->mcp, k, &s); k++)
            if (strcmp(s.name, t->how.server[i]) == 0)
                any = is_wanted[k] = 1;
        if (!any) {
            error_set(err, ERR_INPUT, "there is no MCP server of this name");
            return error_field(err, "%d", i);
        }
    }
    return 0;
}

/* Which are offered, and how. */
static int choose_tools(struct mcp_talk *t, struct error *err)
{
    unsigned char is_wanted[MCP_SERVERS] = {0};
    size_t n_auto = 0, most = t->how.n_ctx / 10 > MCP_SHOWN_TOKENS ? t->how.n_ctx / 10 : MCP_SHOWN_TOKENS;
    if (choose_servers(t, is_wanted, err))
        return -1;
    if (!t->offer && !(t->offer = malloc(t->tools->n + 1)))
        return error_set(err, ERR_MEMORY, "no memory for the tools of MCP servers");
    for (size_t i = 0; i < t->tools->n; i++) {
        const struct mcp_tool *tool = &t->tools->tool[i];
        int is_offered = (t->how.n_server == 0 || is_wanted[tool->server]) && !atomic_load(&tool->is_refused) &&
                         (tool->is_allowed || !t->how.only_allowed);
        t->offer[i] = is_offered ? OFFER_SHOWN : OFFER_NOT;
        n_auto += is_offered && tool->defer == MCP_DEFER_AUTO ? bytes_of(tool) : 0;
    }
    t->n_shown = t->n_searched = 0;
    for (size_t i = 0; i < t->tools->n; i++) {
        unsigned char defer = t->tools->tool[i].defer;
        if (!t->offer[i])
            continue;
        if (defer == MCP_DEFER_YES || (defer == MCP_DEFER_AUTO && n_auto > TOKEN * most))
            t->offer[i] = OFFER_SEARCHED;
        t->n_shown += t->offer[i] == OFFER_SHOWN;
        t->n_searched += t->offer[i] == OFFER_SEARCHED;
    }
    return 0;
}

/* ---- what the model is told, and what it obeys --------------------------------------------------------------- */

/* Servers, and how many tools of each are searched. */
static void put_servers(const struct mcp_talk *t, struct buffer *out)
{
    struct mcp_state s;
    int any = 0;
    for (int k = 0; mcp_state(t->mcp, k, &s); k++) {
        char count[40];
        size_t n = 0;
        for (size_t i = 0; i < t->tools->n; i++)
            n += t->offer[i] == OFFER_SEARCHED && t->tools->tool[i].server == k;
        if (n == 0)
            continue;
        buffer_puts(out, any++ ? ", " : "");
        buffer_put_escaped(out, s.name, strlen(s.name));
        snprintf(count, sizeof count, " (%zu tool%s)", n, n > 1 ? "s" : "");
        buffer_puts(out, count);
    }
}

static void put_search(const struct mcp_talk *t, struct buffer *out)
{
    buffer_puts(out,
                "{\"type\":\"function\",\"function\":{\"name\":\"search_tools\",\"description\":\"Find tools of: ");
    put_servers(t, out);
    buffer_puts(out,
                ". Gives names and parameters of those that fit best; then call these by their names.\","
                "\"parameters\":{\"type\":\"object\",\"properties\":{\"query\":{\"type\":\"string\",\"description\":"
                "\"words for what the tool does\"}},\"required\":[\"query\"],\"additionalProperties\":false}}}");
}

static void put_tool(const struct mcp_tool *t, int with_description, struct buffer *out)
{
    buffer_puts(out, "{\"type\":\"function\",\"function\":{\"name\":\"");
    buffer_puts(out, t->name);
    if (with_description) {
        buffer_puts(out, "\",\"description\":");
        buffer_put(out, t->description.text, t->description.n);
    } else {
        buffer_puts(out, "\"");
    }
    buffer_puts(out, ",\"parameters\":");
    buffer_put(out, t->schema.text, t->schema.n);
    buffer_puts(out, "}}");
}

static void next_element(struct buffer *out) { buffer_puts(out, out->n > 1 ? "," : ""); }

/* What governs calls: search_tools, what is shown, what was found. */
static void write_governs(struct mcp_talk *t)
{
    struct buffer *out = &t->governs;
    out->n = 0;
    out->failed = 0;
    buffer_puts(out, "[");
    if (t->n_searched)
        put_search(t, out);
    for (size_t i = 0; i < t->tools->n && t->n_shown; i++)
        if (t->offer[i] == OFFER_SHOWN) {
            next_element(out);
            put_tool(&t->tools->tool[i], 0, out);
        }
    for (int i = 0; i < t->n_found; i++) {
        next_element(out);
        put_tool(&t->tools->tool[t->found[i]], 0, out);
    }
    buffer_puts(out, "]");
}

static void refuse(struct mcp_tool *tool, const char *why)
{
    if (!atomic_exchange(&tool->is_refused, 1))
        log_line(LOG_WARN, "MCP: the tool %s is left out: %s", tool->name, why);
}

/* 1: it is no JSON that can be loaded, and why holds the sentence. -1: no memory, as when many requests have it: the tool may stay. */
static int add_to_list(json_t *list, const struct buffer *text, json_error_t *why)
{
    json_t *o = text->failed ? NULL : json_load_reserved(text->text, text->n, JSON_ALLOW_NUL, why);
    if (!o)
        return text->failed || json_error_code(why) == json_error_out_of_memory ? -1 : 1;
    return json_array_append_new(list, o);
}

/* The list that is shown. 1: a tool cannot be told of, and is left out from now on. */
static int write_list(struct mcp_talk *t)
{
    struct buffer text = {0};
    json_error_t why;
    int refused = 0, added;
    json_decref(t->list);
    t->list = json_array();
    if (t->n_searched) {
        put_search(t, &text);
        if (add_to_list(t->list, &text, &why))
            text.failed = 1;
    }
    for (size_t i = 0; i < t->tools->n && t->n_shown && !text.failed; i++) {
        if (t->offer[i] != OFFER_SHOWN)
            continue;
        text.n = 0;
        put_tool(&t->tools->tool[i], 1, &text);
        if ((added = add_to_list(t->list, &text, &why)) > 0) {
            refuse(&t->tools->tool[i], why.text);
            refused = 1;
        }
        text.failed |= added < 0;
    }
    if (text.failed) {
        json_decref(t->list);
        t->list = NULL;
    }
    buffer_free(&text);
    return refused;
}

static int make_lists(struct mcp_talk *t, struct error *err)
{
    do {
        if (choose_tools(t, err))
            return -1;
    } while (write_list(t));
    write_governs(t);
    return t->list && !t->governs.failed ? 0 : error_set(err, ERR_MEMORY, "no memory for the tools of MCP servers");
}

int mcp_talk_begin(struct mcp_talk *t, struct mcp *m, const struct mcp_talk_options *how, struct error *err)
{
    *t = (struct mcp_talk){.mcp = m, .how = *how, .tools = mcp_tools(m)};
    return make_lists(t, err);
}

void mcp_talk_end(struct mcp_talk *t)
{
    mcp_tools_release(t->tools);
    free(t->offer);
    json_decref(t->list);
    buffer_free(&t->governs);
    *t = (struct mcp_talk){.n_found = 0};
}

/* ---- searching --------------------------------------------------------------------------------------------------- */

static int was_found(const struct mcp_talk *t, size_t tool)
{
    for (int i = 0; i < t->n_found; i++)
        if (t->found[i] == tool)
            return 1;
    return 0;
}

static void add_found(struct mcp_talk *t, size_t tool)
{
    if (was_found(t, tool))
        return;
    if (t->n_found == MCP_FOUND)
        memmove(t->found, t->found + 1, (size_t)--t->n_found * sizeof t->found[0]);
    t->found[t->n_found++] = tool;
}

/* 1: calls can be held to this tool, where it is the only one. */
static int is_accepted(const struct toolbox *box, const struct mcp_tool *tool, struct error *err)
{
    struct buffer one = {0};
    buffer_puts(&one, "[");
    put_tool(tool, 0, &one);
    buffer_puts(&one, "]");
    int accepted = one.failed || !box->accepts || box->accepts(box->accepts_arg, one.text, one.n, err) == 0 ||
                   err->code != ERR_INPUT;
    buffer_free(&one);
    return accepted;
}

/* Adds those of list that calls can be held to; the others are refused, or, where they do not go together with the other tools of this
 * conversation, not found in it any more. */
static void find_accepted(struct mcp_talk *t, const size_t *list, size_t n)
{
    size_t before[MCP_FOUND];
    int n_before = t->n_found;
    struct error err = {0};
    memcpy(before, t->found, sizeof before);
    for (size_t i = 0; i < n; i++)
        add_found(t, list[i]);
    write_governs(t);
    if (toolbox_govern(t->box, &err) == 0)
        return;
    memcpy(t->found, before, sizeof before);
    t->n_found = n_before;
    for (size_t i = 0; i < n && n > 1; i++)
        find_accepted(t, &list[i], 1);
    if (n > 1)
        return;
    if (n == 1 && err.code == ERR_INPUT) {
        struct error why = {0};
        if (!is_accepted(t->box, &t->tools->tool[list[0]], &why))
            refuse(&t->tools->tool[list[0]], why.text);
        t->offer[list[0]] = OFFER_NOT;
    }
    write_governs(t);
    toolbox_govern(t->box, &err);
}

/* A tool that can be found, and has a name that nobody else's tool has. */
static int is_searched(const struct mcp_talk *t, size_t i)
{
    const struct mcp_tool *tool = &t->tools->tool[i];
    const struct toolbox_provider *owner;
    if (t->offer[i] != OFFER_SEARCHED || atomic_load(&tool->is_refused))
        return 0;
    owner = toolbox_owner(t->box, tool->name);
    return !owner || owner->self == t;
}

size_t mcp_talk_find(const struct mcp_talk *t, const char *query, size_t n, size_t *out, size_t most)
{
    unsigned char *wanted = malloc(t->tools->n + 1);
    if (!wanted)
        return 0;
    for (size_t i = 0; i < t->tools->n; i++)
        wanted[i] = t->offer[i] == OFFER_SEARCHED;
    size_t n_hit = mcp_index_search(&t->tools->index, t->tools->tool, t->tools->n, query, n, wanted, out, most);
    free(wanted);
    return n_hit;
}

/* Numbers of the tools that fit and that calls can name, best first. */
static size_t search(const struct mcp_talk *t, const char *query, size_t n, size_t out[4 * MCP_HITS])
{
    size_t hit[4 * MCP_HITS], kept = 0, n_hit = mcp_talk_find(t, query, n, hit, 4 * MCP_HITS);
    for (size_t i = 0; i < n_hit; i++)
        if (is_searched(t, hit[i]))
            out[kept++] = hit[i];
    return kept;
}

static enum toolbox_end say(struct mcp_talk *t, struct buffer *out, const char *text)
{
    t->is_error = toolbox_is_error(text, strlen(text));
    buffer_puts(out, text);
    return TOOLBOX_DONE;
}

/* What is found can be called only where the model has read its definition: whole ones, as many as the context has space for. */
static enum toolbox_end write_hits(struct mcp_talk *t, const size_t *hit, size_t n, size_t space, struct buffer *out)
{
    static const char begin[] = "{\"tools\":[", end[] = "]}";
    size_t taken[MCP_HITS], n_taken = 0, bytes = sizeof begin + sizeof end;
    space = space < TOOLBOX_RESULT ? space : TOOLBOX_RESULT;
    for (size_t i = 0; i < n && n_taken < MCP_HITS; i++) {
        size_t more = bytes_of(&t->tools->tool[hit[i]]) + 60;
        if (bytes + more > space)
            continue;
        bytes += more;
        taken[n_taken++] = hit[i];
    }
    if (n_taken == 0)
        return say(t, out, "error: tools fit, and the context has no space for their definitions");
    find_accepted(t, taken, n_taken);
    buffer_puts(out, begin);
    for (size_t i = 0; i < n_taken; i++)
        if (was_found(t, taken[i])) {
            buffer_puts(out, t->n_hit ? "," : "");
            mcp_tool_put(&t->tools->tool[taken[i]], out);
            t->hit[t->n_hit++] = taken[i];
        }
    buffer_puts(out, end);
    return TOOLBOX_DONE;
}

static enum toolbox_end search_tools(struct mcp_talk *t, const struct toolbox_call *c, struct buffer *out)
{
    struct span query = span_member((struct span){c->arguments, c->n}, "query");
    struct buffer text = {0};
    size_t hit[4 * MCP_HITS], n = 0;
    if (!span_is_string(query))
        return say(t, out, "error: search_tools takes {\"query\": words}");
    json_unescape(&text, query.text, query.n);
    for (int tries = 0; tries < 4 && t->n_hit == 0; tries++) { /* until one of them is accepted */
        out->n = 0;
        if (!(n = search(t, text.n ? text.text : "", text.n, hit)))
            break;
        if (write_hits(t, hit, n, c->space, out) == TOOLBOX_DONE && t->is_error)
            break;
    }
    buffer_free(&text);
    return n ? TOOLBOX_DONE : say(t, out, "{\"tools\":[],\"note\":\"no tool has these words; try others\"}");
}

/* The newest MCP_FOUND of them, each once, the newest last. Returns how many there are then. */
static size_t keep_newest(size_t found[MCP_FOUND], size_t n, size_t number)
{
    size_t at = 0;
    while (at < n && found[at] != number)
        at++;
    if (at == n && n < MCP_FOUND) {
        n++;
    } else {
        at = at < n ? at : 0; /* it goes to the end, or the oldest goes */
        memmove(found + at, found + at + 1, (n - 1 - at) * sizeof *found);
    }
    found[n - 1] = number;
    return n;
}

void mcp_talk_recall(struct mcp_talk *t, const json_t *messages)
{
    size_t i, k, n = 0, found[MCP_FOUND];
    const json_t *m;
    json_t *tool;
    json_array_foreach(messages, i, m)
    {
        const char *role = json_string_value(json_object_get(m, "role")),
                   *text = json_string_value(json_object_get(m, "content"));
        if (!role || strcmp(role, "tool") != 0 || !text || strncmp(text, "{\"tools\":[", 10) != 0)
            continue;
        json_error_t why;
        json_t *o = json_load_reserved(text, strlen(text), JSON_ALLOW_NUL, &why);
        json_array_foreach(json_object_get(o, "tools"), k, tool)
        {
            const char *name = json_string_value(json_object_get(tool, "name"));
            const struct mcp_tool *known = name ? mcp_tool_find(t->tools, name) : NULL;
            size_t number = known ? (size_t)(known - t->tools->tool) : 0;
            if (known && is_searched(t, number))
                n = keep_newest(found, n, number);
        }
        json_decref(o);
    }
    t->n_found = 0;
    find_accepted(t, found, n);
}

/* ---- calling ------------------------------------------------------------------------------------------------------- */

/* The head and the tail of what is longer than there is space for. */
static void put_within(struct buffer *out, const struct buffer *text, size_t space)
{
    char note[80];
    size_t half = space > sizeof note ? (space - sizeof note) / 2 : 0, head = half, tail = text->n - half;
    if (text->n <= space) {
        buffer_put(out, text->text, text->n);
        return;
    }
    while (head > 0 && !utf8_begins(text->text[head]))
        head--;
    while (tail < text->n && !utf8_begins(text->text[tail]))
        tail++;
    snprintf(note, sizeof note, "\n[%zu bytes are left out here]\n", tail - head);
    buffer_put(out, text->text, head);
    buffer_puts(out, note);
    buffer_put(out, text->text + tail, text->n - tail);
}

static void tell_progress(const struct mcp_talk *t, const struct mcp_tool *tool, struct mcp_call *call)
{
    struct buffer params = {0};
    char text[200];
    if (t->how.progress && mcp_progress(call, &params)) {
        mcp_progress_text((struct span){params.text, params.n}, text, sizeof text);
        t->how.progress(t->how.arg, tool, text);
    }
    buffer_free(&params);
}

static enum toolbox_end run_tool(struct mcp_talk *t, const struct mcp_tool *tool, const struct toolbox_call *c,
                                 struct buffer *out)
{
    struct buffer text = {0};
    const char *error;
    struct mcp_call *call = mcp_begin(t->mcp, tool, c->arguments, c->n, NULL, NULL);
    if (!call)
        return say(t, out, "error: there is no memory for the call");
    while (!mcp_wait(call, ASK_MS)) {
        tell_progress(t, tool, call);
        if (c->stopped && c->stopped(c->stopped_arg)) {
            mcp_end(call);
            return TOOLBOX_NONE;
        }
    }
    struct span result = mcp_result(call, &error);
    mcp_result_text(result, error, &text);
    mcp_end(call);
    t->is_error = toolbox_is_error(text.text, text.n);
    put_within(out, &text, c->space);
    out->failed |= text.failed;
    buffer_free(&text);
    return TOOLBOX_DONE;
}

/* The tool of a name that may be called now; NULL: there is none. */
static const struct mcp_tool *callable(const struct mcp_talk *t, const char *name)
{
    const struct mcp_tool *tool = mcp_tool_find(t->tools, name);
    size_t i = tool ? (size_t)(tool - t->tools->tool) : 0;
    return tool && (t->offer[i] == OFFER_SHOWN || was_found(t, i)) ? tool : NULL;
}

static int has(void *self, const char *name) { return callable(self, name) != NULL; }

int mcp_talk_asks(const struct mcp_talk *t, const char *name)
{
    const struct mcp_tool *tool = t->tools ? callable(t, name) : NULL;
    return tool && !tool->is_allowed;
}

static enum toolbox_end call(void *self, const struct toolbox_call *c, struct buffer *out)
{
    struct mcp_talk *t = self;
    const struct mcp_tool *tool = callable(t, c->name);
    t->n_hit = 0;
    t->is_error = 0;
    if (json_whole(c->arguments, c->n) != '{')
        return say(t, out, "error: the arguments are no JSON object");
    if (strcmp(c->name, search_name) == 0)
        return search_tools(t, c, out);
    enum mcp_answer may = tool->is_allowed ? MCP_RUN : t->how.ask ? t->how.ask(t->how.arg, tool, c) : MCP_NOBODY;
    switch (may) {
    case MCP_RUN:
        return run_tool(t, tool, c, out);
    case MCP_DECLINED:
        return say(t, out, "error: the person at the terminal said no to this call");
    case MCP_NOBODY:
        return say(t, out,
                   "error: this tool runs only where a person says yes to the call, and nobody is there to ask");
    default:
        return TOOLBOX_NONE;
    }
}

/* 1: all that is shown can be held to. Else what cannot is left out, and there are other lists. */
static int check_shown(struct mcp_talk *t, const struct toolbox *box)
{
    struct error err = {0};
    int refused = 0;
    if (!box->accepts || box->accepts(box->accepts_arg, t->governs.text, t->governs.n, &err) == 0 ||
        err.code != ERR_INPUT)
        return 1;
    for (size_t i = 0; i < t->tools->n; i++) {
        err = (struct error){0};
        if (t->offer[i] == OFFER_SHOWN && !is_accepted(box, &t->tools->tool[i], &err)) {
            refuse(&t->tools->tool[i], err.text);
            refused = 1;
        }
    }
    return !refused;
}

int mcp_talk_join(struct mcp_talk *t, struct toolbox *box, struct error *err)
{
    t->box = box;
    while (!check_shown(t, box))
        if (make_lists(t, err))
            return -1;
    const struct toolbox_provider p = {.from = "--mcp",
                                       .list = t->list,
                                       .rounds = MCP_ROUNDS,
                                       .call = call,
                                       .self = t,
                                       .governs = &t->governs,
                                       .has = has};
    return toolbox_add(box, &p, err);
}
