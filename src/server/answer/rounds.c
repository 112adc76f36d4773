/* Rounds (library.md 12): an answer that ends with calls of tools that the server runs itself goes on. Its message and the results of its
 * calls become part of the conversation, and the next answer is the same choice's. Calls run here, in the exchange's thread: the engine
 * and all other streams go on meanwhile, and a client that leaves, or a server that stops, ends them. */
#include "server/answer/inside.h"
#include "server/request/own_tools.h"
#include "server/request/service.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

int answer_is_last_round(const struct run *run)
{
    const struct own_tools *own = run->a.request->own;
    return own && run->round >= own->rounds - 1;
}

/* Asked while a call runs. */
static int nobody_waits(void *arg)
{
    struct run *run = arg;
    if (run->a.request->stream && clock_seconds() - run->last_write > 5)
        answer_break_silence(run);
    return run->disconnected || answer_nobody_waits(run->a.http);
}

/* Tells the dialect, at once: a client sees what is searched for while it is searched for. */
static void tell(struct run *run, const struct lookup *l)
{
    int is_a_tool = toolbox_owner(&run->a.request->own->box, l->name) != NULL; /* without the grammar it may be none */
    if ((run->a.request->stream || run->say->whole_in_pieces) && run->say->lookup && is_a_tool) {
        run->say->lookup(&run->a, l);
        answer_send(run);
    }
}

/* A call at work, for what its server tells meanwhile. */
struct at_work {
    struct run *run;
    struct lookup *lookup;
};

static void tell_progress(void *arg, const char *text)
{
    const struct at_work *w = arg;
    w->lookup->progress = text;
    tell(w->run, w->lookup);
    w->lookup->progress = NULL;
}

/* The server whose tool it is, NULL where it is none's, and its number. */
static const char *server_of(const struct own_tools *own, const char *name, int *number)
{
    struct mcp_state s;
    *number = own_tools_server(own, name);
    return *number == OWN_NO_SERVER ? NULL : *number >= 0 && mcp_state(own->mcp.mcp, *number, &s) ? s.name : "";
}

static enum toolbox_end run_tool(struct run *run, struct lookup *l, const struct toolbox_call *c, struct buffer *out)
{
    struct own_tools *own = run->a.request->own;
    struct at_work work = {run, l};
    own->progress = tell_progress;
    own->progress_arg = &work;
    enum toolbox_end end = toolbox_run(&own->box, c, out);
    library_warn(run->a.server->library, &own->talk.warning);
    own->talk.warning = (struct error){0};
    own->progress = NULL;
    return end;
}

static void count(const struct run *run, int server, enum toolbox_end end)
{
    enum server_mcp_status status = end == TOOLBOX_NONE                 ? SERVER_MCP_CANCELLED
                                    : run->a.request->own->mcp.is_error ? SERVER_MCP_ERROR
                                                                        : SERVER_MCP_OK;
    if (server >= 0)
        atomic_fetch_add(&run->a.server->count.mcp_calls[server][status], 1);
}

static int give_up(struct run *run)
{
    run->disconnected |= answer_client_left(run->a.http);
    return refuse_draining(&run->refusal);
}

/* The result of the i-th call as a message, into list. */
static int run_call(struct run *run, size_t i, const json_t *call_id, size_t space, json_t *list)
{
    struct own_tools *own = run->a.request->own;
    struct toolbox_call c = {.space = space, .stopped = nobody_waits, .stopped_arg = run};
    struct buffer result = {0};
    json_error_t why;
    int server;
    c.name = stoker_reply_call(run->task[0].reply, i, &c.arguments, &c.n);
    json_t *arguments = json_load_reserved(c.arguments, c.n, 0, &why);
    struct lookup l = {.name = c.name, .text = c.arguments, .n_text = c.n, .arguments = arguments};
    l.server = server_of(own, c.name, &server);
    tell(run, &l);
    enum toolbox_end end = run->failed ? TOOLBOX_NONE : run_tool(run, &l, &c, &result);
    count(run, server, end);
    int is_left = end == TOOLBOX_NONE && (run->failed || nobody_waits(run));
    if (end == TOOLBOX_NONE)
        buffer_puts(&result, "error: the call has no result");
    l.is_done = 1;
    l.found = own->talk.found;
    l.n_found = (size_t)own->talk.n_found;
    l.result = result.text;
    l.n_result = result.n;
    if (!is_left)
        tell(run, &l);
    json_t *m = result.failed || is_left
                    ? NULL
                    : json_pack("{s:s, s:o, s:O}", "role", "tool", "content",
                                json_stringn(result.n ? result.text : "", result.n), "tool_call_id", call_id);
    buffer_free(&result);
    json_decref(arguments);
    if (is_left)
        return run->failed ? -1 : give_up(run);
    return m && json_array_append_new(list, m) == 0 ? 0 : answer_no_memory(run);
}

/* The answer so far and the results of its calls, behind the conversation. *n_result of them. */
static int add_results(struct run *run, size_t *n_result)
{
    const struct request *w = run->a.request;
    struct stoker_reply *reply = run->task[0].reply;
    size_t n_call = stoker_reply_n_call(reply), n_new = run->a.n_generated - run->n_generated_before;
    size_t space = toolbox_space((size_t)run->a.server->plan.n_ctx, (size_t)run->max_tokens, run->chat.n + n_new,
                                 n_call);
    const char *text = stoker_reply_message(reply);
    json_t *message = text ? json_loads(text, JSON_ALLOW_NUL, NULL) : NULL, *results = json_array(),
           *calls = json_object_get(message, "tool_calls");
    int failed = !message || !results ? answer_no_memory(run) : 0;
    for (size_t i = 0; !failed && i < n_call; i++) {
        char id[32];
        snprintf(id, sizeof id, "call_%d", run->n_own_call++);
        json_t *call_id = json_string(id);
        json_object_set(json_array_get(calls, i), "id", call_id);
        failed = run_call(run, i, call_id, space, results);
        json_decref(call_id);
    }
    json_t *all = json_object_get(w->chat, "messages");
    *n_result = n_call;
    if (!failed && (json_array_append(all, message) || json_array_extend(all, results)))
        failed = answer_no_memory(run);
    json_decref(message);
    json_decref(results);
    return failed;
}

/* The next prompt. Where it leaves no space for an answer, results are replaced by a sentence, and the next answer is the last.
 * 1: not even so. */
static int make_next_prompt(struct run *run, size_t n_result)
{
    size_t n_ctx = (size_t)run->a.server->plan.n_ctx, kept = toolbox_kept(n_ctx, (size_t)run->max_tokens);
    json_t *all = json_object_get(run->a.request->chat, "messages");
    if (answer_render(run) < 0)
        return -1;
    if (run->chat.n + kept <= n_ctx)
        return 0;
    for (size_t n = json_array_size(all), i = n - n_result; i < n; i++)
        if (json_object_set_new(json_array_get(all, i), "content", json_string(toolbox_no_space)))
            return answer_no_memory(run);
    run->round = run->a.request->own->rounds;
    return answer_render(run) < 0 ? -1 : run->chat.n >= n_ctx;
}

static void end_by_length(struct run *run)
{
    struct choice *c = &run->a.choice[0];
    c->ended = 1;
    c->finish = FINISH_LENGTH;
    if (run->a.request->stream)
        run->say->choice_end(&run->a, c);
}

int answer_next_round(struct run *run)
{
    struct answer *a = &run->a;
    struct task *t = &run->task[0];
    size_t n_result, n_new = a->n_generated - run->n_generated_before;
    run->wants_round = 0;
    int failed = add_results(run, &n_result);
    stoker_reply_close(t->reply);
    t->reply = NULL;
    if (failed)
        return -1;
    run->round++;
    run->n_generated_before = a->n_generated;
    if (run->max_tokens && (size_t)run->max_tokens <= n_new) {
        end_by_length(run);
        return 0;
    }
    run->max_tokens -= run->max_tokens ? (int)n_new : 0;
    int full = make_next_prompt(run, n_result);
    if (full < 0)
        return -1;
    if (full) {
        end_by_length(run);
        return 0;
    }
    run->n_prompt_before = a->n_prompt;
    a->n_prompt += run->chat.n;
    t->submitted = t->over = 0;
    t->n_cached = 0;
    t->is_own_call = 0;
    return answer_open_reply(t);
}
