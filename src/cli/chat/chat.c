/* A turn of a conversation: see chat.h. */
#include "cli/chat/chat.h"

#include "base/json/load.h"
#include "base/utf8.h"
#include "cli/common/cli.h"
#include "cli/common/progress.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

volatile sig_atomic_t chat_interrupts;

static void on_end(int sig)
{
    show_plain();
    signal(sig, SIG_DFL);
    raise(sig);
}

static void on_interrupt(int sig)
{
    if (++chat_interrupts > 1)
        on_end(sig);
}

int chat_is_interrupted(void *arg)
{
    (void)arg;
    return chat_interrupts;
}

void chat_catch_signals(void)
{
    static const int ends[] = {SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction act = {.sa_handler = on_interrupt},
                     before; /* without SA_RESTART: it also ends waiting for a line */
    sigaction(SIGINT, &act, NULL);
    act.sa_handler = on_end;
    for (int i = 0; i < 3; i++) {
        sigaction(ends[i], &act, &before);
        if (before.sa_handler == SIG_IGN) /* chosen by what started it (nohup) */
            signal(ends[i], SIG_IGN);
    }
}

/* message is given away. -1: no memory, or NULL. */
static int add_message(struct chat *c, json_t *message) { return json_array_append_new(c->message, message); }

static json_t *text_message(const char *role, const char *text, size_t n)
{
    return json_pack("{s:s, s:o}", "role", role, "content", json_stringn(text, n));
}

static const char *role_of(const struct chat *c, size_t i)
{
    const char *role = json_string_value(json_object_get(json_array_get(c->message, i), "role"));
    return role ? role : "";
}

size_t chat_has_system(const struct chat *c) { return strcmp(role_of(c, 0), "system") == 0; }

int chat_system(struct chat *c, const char *text)
{
    if (chat_has_system(c))
        json_array_remove(c->message, 0);
    return text && *text ? json_array_insert_new(c->message, 0, text_message("system", text, strlen(text))) : 0;
}

/* ---- one answer ------------------------------------------------------------------------------------------------------------- */

struct answer {
    struct stoker_reply *reply;
    struct chat_shown shown;
    struct progress reading; /* the prompt */
    uint64_t n_read, n_prompt;
    struct stoker_stats before, behind_prompt; /* the engine's when it began, and when its first token was made */
    json_t *logprobs;                          /* of its tokens; NULL: not asked for */
};

static void on_piece(void *arg, const struct stoker_piece *p) { show_piece(&((struct answer *)arg)->shown, p); }

/* One token. 1: the answer is over; -1: a failure. */
static int take_token(struct chat *c, struct answer *a, const struct stoker_event *e, struct stoker_error *err)
{
    if (a->logprobs && json_array_append_new(a->logprobs, logprob_json(c->engine, e))) {
        *err = (struct stoker_error){STOKER_ERR_MEMORY, "no memory for log-probabilities"};
        return -1;
    }
    return stoker_reply_token(a->reply, e->u.token.id, err);
}

/* Shows how much of the prompt was read until an event of another kind comes. e NULL: none came. */
static void follow_prompt(struct answer *a, const struct stoker_event *e)
{
    if (e && e->kind != STOKER_PROGRESS) {
        progress_end(&a->reading);
        a->n_prompt = 0;
        return;
    }
    if (e) {
        a->n_read = e->u.progress.done;
        a->reading.first = e->u.progress.cached;
    }
    if (a->n_prompt > 0)
        progress_show(&a->reading, a->n_read, a->n_prompt);
}

/* Take events until the last one. 0, or the exit status of a failure. Tokens behind a stop string are not the answer's. */
static int follow(struct chat *c, stoker_id id, struct answer *a, struct stoker_event *end)
{
    struct stoker_error err;
    int cancelled = 0, over = 0;
    size_t n = 0, n_accepted = 0;
    for (;;) {
        int got = stoker_next_event(c->engine, id, 100, end);
        if (got < 0)
            return 1;
        if ((chat_interrupts || a->shown.lost || over) && !cancelled) {
            stoker_cancel(c->engine, id);
            cancelled = 1;
        }
        follow_prompt(a, got ? end : NULL);
        if (got == 0)
            continue;
        if (end->kind == STOKER_TOKEN && !over) {
            n++;
            n_accepted += (size_t)end->u.token.drafted;
            if ((over = take_token(c, a, end, &err)) < 0)
                return report(&err);
        }
        if (end->kind == STOKER_FAILED) {
            report(&end->error);
            return 1;
        }
        if (end->kind == STOKER_END) {
            if (over) {
                end->u.end.reason = STOKER_END_TEXT;
                end->u.end.n_generated = n;
                end->u.end.n_accepted = n_accepted;
            }
            return 0;
        }
    }
}

/* Messages as the model reads them. */
static int render(const struct chat *c, json_t *messages, struct stoker_prompt *out, struct stoker_error *err)
{
    *err = (struct stoker_error){STOKER_ERR_MEMORY, "no memory for the conversation"};
    json_t *o = json_pack("{s:O}", "messages", messages);
    if (o && c->tools.box.shown)
        json_object_set(o, "tools", c->tools.box.shown);
    if (o && c->think)
        json_object_set_new(o, "enable_thinking", json_boolean(strcmp(c->think, "on") == 0));
    char *text = o ? json_dump_spelled(o, JSON_PRESERVE_ORDER) : NULL;
    int failed = !text || stoker_prompt(stoker_templates_of(c->engine), text, strlen(text), NULL, NULL, out, NULL, err);
    free(text);
    json_decref(o);
    return failed ? -1 : 0;
}

/* How much of a prompt the next turn's will begin with: templates may open an answer otherwise than they repeat it. */
static size_t lasting(const struct chat *c, const struct stoker_prompt *p)
{
    struct stoker_prompt next = {0};
    struct stoker_error ignored;
    size_t same = 0;
    json_t *m = json_copy(c->message);
    json_array_append_new(m, text_message("assistant", "A", 1));
    json_array_append_new(m, text_message("user", "B", 1));
    if (m && render(c, m, &next, &ignored) == 0)
        while (same < p->n_token && same < next.n_token && p->token[same] == next.token[same])
            same++;
    stoker_prompt_free(&next);
    json_decref(m);
    return same;
}

static int fits(const struct chat *c, const struct stoker_prompt *p)
{
    struct stoker_plan plan;
    stoker_plan_of(c->engine, &plan);
    return p->n_token < (size_t)plan.n_ctx;
}

/* A larger context helps up to what the model was trained on. */
static int can_grow(const struct chat *c)
{
    struct stoker_plan plan;
    stoker_plan_of(c->engine, &plan);
    return plan.n_ctx < plan.n_ctx_train;
}

/* What to do where a conversation does not fit in the context any more. */
static const char *advice(const struct chat *c)
{
    int is_kept = *c->conversation.path != 0;
    if (!can_grow(c))
        return is_kept
                   ? "/clear begins anew; the model was not trained on longer conversations"
                   : "/clear forgets the conversation, /save FILE keeps it; the model was not trained on longer ones";
    return is_kept ? "/clear begins anew; start again with --ctx N to go on with this one"
                   : "/clear forgets the conversation; to keep it: /save FILE, start again with --ctx N, /load FILE";
}

static void advise(const struct chat *c, size_t n_prompt)
{
    struct stoker_plan plan;
    stoker_plan_of(c->engine, &plan);
    size_t n_before = json_array_size(c->message) - 1 - chat_has_system(c);
    if (!c->has_commands || n_prompt < (size_t)plan.n_ctx || n_before == 0)
        return;
    fprintf(stderr, "%s\n", advice(c));
}

/* Calls that run unasked end somewhere: in the last answer of a turn nothing may be called. */
static int is_last_round(const struct chat *c) { return c->round > 0 && c->round >= c->tools.box.rounds - 1; }

/* Hand the conversation over; the reply will take its answer apart. */
static int begin(struct chat *c, struct answer *a, stoker_id *id)
{
    struct stoker_error err;
    struct stoker_prompt prompt = {0};
    progress_begin(&a->reading, "reading the prompt", PROGRESS_TOKENS, 0);
    int failed = render(c, c->message, &prompt, &err);
    int is_usage = failed && strncmp(err.text, "tools[", 6) == 0; /* sentences about tools begin with which */
    size_t same = failed || !fits(c, &prompt) ? 0 : lasting(c, &prompt);
    if (!failed) {
        c->request.prompt = c->reply.prompt = prompt.token;
        c->request.n_prompt = c->reply.n_prompt = prompt.n_token;
        c->request.snapshot_at = &same;
        c->request.n_snapshot_at = same > 0;
        c->reply.tools = c->tools.box.governs.text; /* what searches find changes it */
        c->reply.n_tools = c->tools.box.governs.n;
        c->reply.choice = is_last_round(c) ? STOKER_TOOLS_NONE : STOKER_TOOLS_AUTO;
        failed = stoker_reply_open(&a->reply, c->engine, &c->reply, on_piece, a, &err);
        is_usage = failed && err.code == STOKER_ERR_INPUT; /* a schema, a grammar or tools of the command line */
    }
    if (!failed) {
        c->request.constraint = stoker_reply_constraint(a->reply);
        c->request.wants_progress = 1;
        c->request.stats_at_first_token = c->stats ? &a->behind_prompt : NULL;
        a->n_prompt = prompt.n_token;
        failed = stoker_submit(c->engine, &c->request, id, &err);
        is_usage = failed && err.code == STOKER_ERR_INPUT && strcmp(err.field, "logit_bias") == 0;
    }
    if (failed) {
        report(&err);
        advise(c, prompt.n_token);
    }
    stoker_prompt_free(&prompt);
    return !failed ? 0 : is_usage ? 2 : 1;
}

/* The answer as a message; its calls get ids of their own, for an answer may repeat those of an earlier one. */
static json_t *answer_message(struct chat *c, const struct answer *a)
{
    char id[32];
    size_t i;
    json_t *call;
    const char *text = stoker_reply_message(a->reply);
    json_t *message = text ? json_loads(text, JSON_ALLOW_NUL, NULL) : NULL;
    json_array_foreach(json_object_get(message, "tool_calls"), i, call)
    {
        snprintf(id, sizeof id, "call_%d", c->n_call++);
        json_object_set_new(call, "id", json_string(id));
    }
    return message;
}

static size_t space_for_results(const struct chat *c, const struct stoker_event *end, size_t n_call)
{
    struct stoker_plan plan;
    stoker_plan_of(c->engine, &plan);
    return toolbox_space((size_t)plan.n_ctx, (size_t)c->request.max_tokens,
                         end->u.end.n_prompt + end->u.end.n_generated, n_call);
}

/* Where the conversation with its last n_result messages does not fit in the context, they say so instead, and no more is called. */
static void fit_results(struct chat *c, size_t n_result)
{
    struct stoker_plan plan;
    struct stoker_prompt p = {0};
    struct stoker_error ignored;
    stoker_plan_of(c->engine, &plan);
    size_t n_ctx = (size_t)plan.n_ctx, n = json_array_size(c->message);
    size_t kept = toolbox_kept(n_ctx, (size_t)c->request.max_tokens);
    int failed = render(c, c->message, &p, &ignored), fits = failed || p.n_token + kept <= n_ctx;
    stoker_prompt_free(&p);
    if (fits)
        return;
    for (size_t i = n - n_result; i < n; i++)
        json_object_set_new(json_array_get(c->message, i), "content", json_string(toolbox_no_space));
    c->round = c->tools.box.rounds;
}

/* The results of the answer's calls become messages. 1: there is something for the model to go on with. */
static int take_results(struct chat *c, const struct answer *a, const json_t *message, const struct stoker_event *end)
{
    size_t n_call = stoker_reply_n_call(a->reply), space = n_call ? space_for_results(c, end, n_call) : 0;
    int is_free = 0;
    for (size_t i = 0; i < n_call; i++) {
        const json_t *id = json_object_get(json_array_get(json_object_get(message, "tool_calls"), i), "id");
        struct toolbox_call call = {.space = space, .stopped = chat_is_interrupted};
        struct buffer result = {0};
        if (chat_interrupts) /* nothing more is begun */
            return 0;
        call.name = stoker_reply_call(a->reply, i, &call.arguments, &call.n);
        is_free |= toolbox_is_free(&c->tools.box, call.name);
        int got = tools_result(&c->tools, &call, &result) && !result.failed;
        json_t *m = got ? text_message("tool", result.n ? result.text : "", result.n) : NULL;
        buffer_free(&result);
        json_object_set(m, "tool_call_id", (json_t *)id);
        if (!m || add_message(c, m))
            return 0;
    }
    c->round += is_free;
    if (is_free)
        fit_results(c, n_call);
    return n_call > 0;
}

/* Why an answer ends before its end. */
static void say_cut(const struct chat *c, const struct stoker_event *end)
{
    if (c->request.max_tokens > 0 && end->u.end.n_generated >= (size_t)c->request.max_tokens)
        fprintf(stderr, "(cut: that many tokens were allowed; -n or /set max_tokens allows more)\n");
    else
        fprintf(stderr, "(cut: the context is full; %s)\n",
                c->has_commands ? advice(c)
                : can_grow(c)   ? "--ctx makes it longer"
                                : "the model was not trained on a longer one");
}

/* What the answer cites, for JSON: sources, and how many numbers no passage has. NULL: there is no library. */
static json_t *cited(const struct chat *c, const json_t *message)
{
    const json_t *content = json_object_get(message, "content");
    size_t n_unknown;
    if (c->tools.library.n == 0 || !json_is_string(content))
        return NULL;
    json_t *list = tools_sources(&c->tools, json_string_value(content), json_string_length(content), &n_unknown);
    return json_pack("{s:o, s:I}", "sources", list, "unknown_citations", (json_int_t)n_unknown);
}

/* The answer as JSON, or what follows its text. */
static void print_behind(const struct chat *c, const struct answer *a, const json_t *message,
                         const struct stoker_event *end)
{
    int stop = stoker_reply_stop(a->reply);
    json_t *sources = cited(c, message);
    if (c->json)
        print_answer_json(message, a->logprobs, sources, stop >= 0 ? &c->reply.stop[stop] : NULL, end);
    else if (a->shown.any || stoker_reply_n_call(a->reply) == 0)
        putchar('\n');
    if (!c->json)
        print_sources(json_object_get(sources, "sources"));
    json_decref(sources);
}

/* What is printed behind an answer. */
static int conclude(struct chat *c, struct answer *a, const json_t *message, const struct stoker_event *end)
{
    print_behind(c, a, message, end);
    if (fflush(stdout) && !a->shown.lost)
        a->shown.lost = errno;
    if (a->shown.lost) {
        fprintf(stderr, "stoker: the answer cannot be written: %s\n", strerror(a->shown.lost));
        clearerr(stdout);
        return 1;
    }
    if (end->u.end.reason == STOKER_END_CANCELLED && !c->json)
        fprintf(stderr, "(stopped)\n");
    if (end->u.end.reason == STOKER_END_LENGTH && !c->json && isatty(STDERR_FILENO))
        say_cut(c, end);
    return 0;
}

/* One answer; *more: results of its calls were added to the conversation. */
static int answer(struct chat *c, int *more)
{
    struct stoker_event end;
    struct stoker_error err;
    stoker_id id;
    int terminal = isatty(STDOUT_FILENO);
    struct answer a = {.shown = {.quiet = c->json, .terminal = terminal, .wraps = terminal && !c->no_wrap},
                       .logprobs = c->request.wants_logprobs ? json_array() : NULL};
    *more = 0;
    stoker_stats_of(c->engine, &a.before);
    chat_interrupts = 0;
    int status = begin(c, &a, &id);
    if (status == 0)
        status = follow(c, id, &a, &end);
    if (status == 0 && stoker_reply_end(a.reply, &err))
        status = report(&err);
    show_end(&a.shown);
    if (status == 0) {
        json_t *message = answer_message(c, &a);
        status = conclude(c, &a, message, &end);
        if (c->stats)
            print_answer_stats(c, &a.before, &a.behind_prompt, &end);
        add_message(c, json_incref(message));
        if (status == 0 && end.u.end.reason != STOKER_END_CANCELLED) {
            *more = take_results(c, &a, message, &end);
            if (chat_interrupts && !c->json) /* while a call ran */
                fprintf(stderr, "(stopped)\n");
        }
        json_decref(message);
    }
    stoker_reply_close(a.reply);
    json_decref(a.logprobs);
    return status;
}

/* ---- turns ------------------------------------------------------------------------------------------------------------------ */

static void forget_behind(struct chat *c, size_t n)
{
    while (json_array_size(c->message) > n)
        json_array_remove(c->message, json_array_size(c->message) - 1);
}

static int answer_all(struct chat *c)
{
    int status, more;
    c->round = 0;
    do
        status = answer(c, &more);
    while (status == 0 && more && !chat_interrupts); /* Ctrl-C may come while a call runs */
    return status;
}

int chat_turn(struct chat *c, const char *text, size_t n)
{
    size_t bad = utf8_valid(text, n);
    if (bad < n) {
        fprintf(stderr,
                "stoker: the prompt is not valid UTF-8 at byte %zu (0x%02x); convert it, for example with iconv\n", bad,
                (unsigned char)text[bad]);
        return 1;
    }
    if (n == 0) {
        fprintf(stderr, "stoker: the prompt is empty; give some text with -p, -f or on stdin\n");
        return 1;
    }
    size_t before = json_array_size(c->message), n_attached = c->attached.n;
    buffer_put(&c->attached, text, n);
    if (c->attached.failed || add_message(c, text_message("user", c->attached.text, c->attached.n))) {
        fprintf(stderr, "stoker: no memory for the conversation\n");
        buffer_free(&c->attached);
        return 1;
    }
    c->request.sampling.choice = 0;
    int status = answer_all(c);
    if (status == 0) {
        conversation_write(&c->conversation, c);
        buffer_free(&c->attached);
        return 0;
    }
    forget_behind(c, before);
    c->attached.n = n_attached;
    if (n_attached > 0)
        fprintf(stderr, "what /file attached waits for the next message; /file off drops it\n");
    return status;
}

int chat_retry(struct chat *c)
{
    size_t n = json_array_size(c->message);
    while (n > 0 && strcmp(role_of(c, n - 1), "user") != 0)
        n--;
    if (n == 0)
        return -1;
    json_t *before = json_copy(c->message);
    if (!before) {
        fprintf(stderr, "stoker: no memory for the conversation\n");
        return 1;
    }
    forget_behind(c, n);
    c->request.sampling.choice++;
    int status = answer_all(c);
    if (status == 0) {
        conversation_write(&c->conversation, c);
    } else {
        json_decref(c->message);
        c->message = json_incref(before);
    }
    json_decref(before);
    return status;
}
