/* Parsing answers: see "parsing answers" in stoker.h. Joins what text/ knows of tool calls to the engine's model: which format its
 * template uses, whether a prompt ends inside the reasoning, what constrains the answer. */
#include "base/error.h"
#include "engine/constraint_cache.h"
#include "engine/engine.h"
#include "engine/public_error.h"
#include "text/answer/answer.h"
#include "text/answer/stop.h"
#include "text/tools/stream.h"

#include <stdlib.h>
#include <string.h>

enum { PROMPT_END = 64 }; /* tokens of a prompt's end that are searched for a reasoning tag */

struct stoker_reply {
    struct stoker *engine;
    struct tool_list *tools;
    struct tool_stream *stream;
    const struct stoker_constraint *constraint; /* of the cache, or NULL */
    struct tool_message message;
    struct buffer json;
    struct stops *stops; /* NULL: none */
    struct stopping stopping;
    struct stoker_text *plain; /* instead of the stream */
    int failed;                /* no memory */
    void (*piece)(void *arg, const struct stoker_piece *p);
    void *arg;
};

static void emit(struct stoker_reply *r, const struct tool_event *e)
{
    static const enum stoker_piece_kind kind[] = {
        [TOOL_REASONING] = STOKER_PIECE_REASONING, [TOOL_CONTENT] = STOKER_PIECE_CONTENT,
        [TOOL_CALL_BEGIN] = STOKER_PIECE_CALL,     [TOOL_CALL_ARGS] = STOKER_PIECE_ARGUMENTS,
        [TOOL_CALL_END] = STOKER_PIECE_CALL_END,   [TOOL_BAD_CALL] = STOKER_PIECE_BAD_CALL,
        [TOOL_CUT_CALL] = STOKER_PIECE_CUT_CALL};
    _Static_assert(sizeof kind / sizeof *kind == TOOL_CUT_CALL + 1, "every kind of event has a kind of piece");
    tool_message_event(&r->message, e);
    if (r->piece)
        r->piece(r->arg, &(struct stoker_piece){kind[e->kind], e->call, e->text, e->n, e->name, e->id});
}

/* ---- stop strings ---------------------------------------------------------------------------------------------------------- */

static void emit_content(struct stoker_reply *r, const char *text, size_t n)
{
    if (n)
        emit(r, &(struct tool_event){.kind = TOOL_CONTENT, .text = text, .n = n});
}

static void add_content(struct stoker_reply *r, const char *text, size_t n)
{
    size_t shown = 0;
    const char *out = stopping_next(r->stops, &r->stopping, text, n, &shown);
    r->failed |= !out;
    emit_content(r, out, out ? shown : 0);
}

/* What was held back turned out to be no stop string. */
static void emit_held_back(struct stoker_reply *r)
{
    size_t n;
    const char *text = stopping_end(r->stops, &r->stopping, &n);
    emit_content(r, text, n);
}

/* Nothing is emitted after a stop string. */
static void on_event(void *arg, const struct tool_event *e)
{
    struct stoker_reply *r = arg;
    if (!r->stops) {
        emit(r, e);
    } else if (!r->stopping.found && e->kind == TOOL_CONTENT) {
        add_content(r, e->text, e->n);
    } else if (!r->stopping.found) {
        emit_held_back(r);
        emit(r, e);
    }
}

/* The parser holds white space back, because a call may follow; a stop string in it is found all the same. */
static int is_stopped(struct stoker_reply *r)
{
    size_t n;
    const char *space = r->stops && r->stream ? tool_stream_space(r->stream, &n) : NULL;
    if (space && stopping_would(r->stops, &r->stopping, space, n))
        add_content(r, space, n);
    return r->stopping.found > 0;
}

static int open_stops(struct stoker_reply *r, const struct stoker_reply_options *o, struct error *err)
{
    struct stop_text text[STOP_MOST];
    for (size_t i = 0; i < o->n_stop && i < STOP_MOST; i++)
        text[i] = (struct stop_text){o->stop[i].text, o->stop[i].n};
    return o->n_stop ? stops_create(&r->stops, text, o->n_stop, err) : 0;
}

/* ---- the model's format -------------------------------------------------------------------------------------------------- */

static const struct tool_format *format_of(const struct stoker *s, const char *name, int has_tools, struct error *err)
{
    const struct chat_template *t = s->templates.chat ? chat_template_of(s->templates.chat, has_tools) : NULL;
    const struct tool_format *f = t ? template_caps_of(t)->format : tool_format_find("none", err);
    if (name)
        f = tool_format_find(name, err);
    return f && has_tools ? tool_format_taught(f) : f;
}

static int ends_with(const struct buffer *b, const char *text)
{
    size_t n = b->n, k = text ? strlen(text) : 0;
    while (n && strchr(" \t\r\n", b->text[n - 1]))
        n--;
    while (k && strchr(" \t\r\n", text[k - 1]))
        k--;
    return k && n >= k && !memcmp(b->text + n - k, text, k);
}

/* Where the prompt leaves the model: inside a reasoning tag, behind a closed one, or free to open one. -1: no memory. */
static int find_reasoning(const struct tokenizer *t, const struct tool_format *f, const struct stoker_reply_options *o,
                          enum tool_reasoning *how)
{
    struct buffer end = {0};
    *how = REASONING_MAY;
    for (size_t i = o->n_prompt < PROMPT_END ? 0 : o->n_prompt - PROMPT_END; i < o->n_prompt; i++) {
        size_t n;
        const char *piece = tokenizer_piece(t, o->prompt[i], 1, &n);
        buffer_put(&end, piece, n);
    }
    if (ends_with(&end, f->marker[ROLE_OPEN]) && !f->advance)
        *how = REASONING_OPEN;
    else if (ends_with(&end, f->marker[ROLE_CLOSE]) && !f->advance)
        *how = REASONING_CLOSED;
    int failed = end.failed;
    buffer_free(&end);
    return failed ? -1 : 0;
}

/* ---- life ------------------------------------------------------------------------------------------------------------------ */

/* If the template knows no reasoning, the answer begins at once. */
static enum tool_reasoning value_reasoning(const struct stoker *s, const struct tool_stream_options *stream)
{
    const struct chat_template *t = s->templates.chat ? chat_template_of(s->templates.chat, 0) : NULL;
    const struct template_caps *caps = t ? template_caps_of(t) : NULL;
    int thinks = caps && (caps->reasoning != REASONING_NONE || caps->thinking_var);
    return stream->reasoning == REASONING_MAY && !thinks ? REASONING_CLOSED : stream->reasoning;
}

static int get_constraint(struct stoker_reply *r, const struct stoker_reply_options *o, const struct value_want *value,
                          const struct tool_want *tools, struct error *err)
{
    return constraint_acquire(r->engine,
                              &(struct constraint_request){.value = value,
                                                           .tools = tools,
                                                           .tools_text = o->tools,
                                                           .n_tools_text = o->n_tools,
                                                           .stopped = o->stopped,
                                                           .stopped_arg = o->stopped_arg},
                              &r->constraint, err);
}

static int open_constraint(struct stoker_reply *r, const struct stoker_reply_options *o,
                           const struct tool_stream_options *stream, struct error *err)
{
    static const enum tool_choice choice[] = {[STOKER_TOOLS_AUTO] = TOOL_CHOICE_AUTO,
                                              [STOKER_TOOLS_NONE] = TOOL_CHOICE_NONE,
                                              [STOKER_TOOLS_REQUIRED] = TOOL_CHOICE_REQUIRED};
    _Static_assert(sizeof choice / sizeof *choice == TOOL_CHOICE_REQUIRED + 1,
                   "every choice of stoker.h has one in answer.h");
    struct tool_want tools = {.format = stream->format,
                              .tools = r->tools,
                              .choice = choice[o->choice],
                              .name = o->tool,
                              .parallel = !o->one_call,
                              .reasoning = stream->reasoning,
                              .free_limit = o->free_limit};
    struct value_want value;
    int governed = o->answer.language != STOKER_ANY_TEXT;
    if (governed && value_want_of(&value, &o->answer, err) != 0)
        return -1;
    if (governed && !r->tools) {
        value.format = stream->format;
        value.reasoning = value_reasoning(r->engine, stream);
        return get_constraint(r, o, &value, NULL, err);
    }
    if (!r->tools || (!governed && o->unchecked && o->choice != STOKER_TOOLS_REQUIRED))
        return 0;
    governed = governed && o->choice == STOKER_TOOLS_AUTO;
    if (governed)
        tools.reasoning = value_reasoning(r->engine, stream);
    return get_constraint(r, o, governed ? &value : NULL, &tools, err);
}

static int open_plain(struct stoker_reply *r, const struct stoker_reply_options *o, struct error *err)
{
    struct value_want value;
    if (o->answer.language != STOKER_ANY_TEXT &&
        (value_want_of(&value, &o->answer, err) != 0 || get_constraint(r, o, &value, NULL, err) != 0))
        return -1;
    r->plain = stoker_text_open(r->engine);
    return r->plain ? 0 : error_set(err, ERR_MEMORY, "no memory for an answer");
}

static int open_parts(struct stoker_reply *r, const struct stoker_reply_options *o, struct error *err)
{
    struct stoker *s = r->engine;
    int calls = o->tools && o->choice != STOKER_TOOLS_NONE;
    struct tool_stream_options stream = {.tokenizer = s->session->tokenizer};
    if (!s->session->trie) {
        *err = s->templates.tokenizer_error;
        return -1;
    }
    if (open_stops(r, o, err) != 0)
        return -1;
    if (o->plain)
        return open_plain(r, o, err);
    if (!(stream.format = format_of(s, o->format, calls, err)))
        return -1;
    if (calls && tool_list_parse(&r->tools, o->tools, o->n_tools, stream.format, err) != 0)
        return -1;
    if (find_reasoning(stream.tokenizer, stream.format, o, &stream.reasoning) != 0)
        return error_set(err, ERR_MEMORY, "no memory for an answer");
    if (open_constraint(r, o, &stream, err) != 0)
        return -1;
    stream.tools = r->tools;
    /* A constrained text may contain a marker's text, so its calls are reported only when they are complete. */
    int mixed = o->answer.language != STOKER_ANY_TEXT && o->choice == STOKER_TOOLS_AUTO;
    stream.checked = r->constraint && r->constraint->constraint && r->tools && !mixed;
    return tool_stream_open(&r->stream, &stream, on_event, r, err);
}

int stoker_reply_open(struct stoker_reply **out, struct stoker *s, const struct stoker_reply_options *o,
                      void (*piece)(void *arg, const struct stoker_piece *p), void *arg, struct stoker_error *public)
{
    struct error err = {0};
    struct stoker_reply *r = calloc(1, sizeof *r);
    *out = NULL;
    if (!r) {
        error_set(&err, ERR_MEMORY, "no memory for an answer");
        return error_to_public(public, &err);
    }
    r->engine = s;
    r->piece = piece;
    r->arg = arg;
    if (open_parts(r, o, &err) != 0) {
        stoker_reply_close(r);
        return error_to_public(public, &err);
    }
    *out = r;
    return 0;
}

void stoker_reply_close(struct stoker_reply *r)
{
    if (!r)
        return;
    tool_stream_close(r->stream);
    stoker_text_close(r->plain);
    stops_destroy(r->stops);
    stopping_free(&r->stopping);
    constraint_cache_release(r->engine->constraints, r->constraint);
    tool_list_free(r->tools);
    tool_message_free(&r->message);
    buffer_free(&r->json);
    free(r);
}

const char *stoker_reply_warning(const struct stoker_reply *r, size_t i)
{
    return stoker_constraint_warning(r->constraint, i);
}

const struct stoker_constraint *stoker_reply_constraint(const struct stoker_reply *r)
{
    return r->constraint && r->constraint->constraint ? r->constraint : NULL;
}

size_t stoker_reply_shortest(const struct stoker_reply *r)
{
    const struct stoker_constraint *c = stoker_reply_constraint(r);
    int64_t shortest = c && c->close_at_limit ? constraint_shortest(c->constraint) : 0;
    return shortest == INT64_MAX ? SIZE_MAX : (size_t)shortest;
}

/* ---- tokens ---------------------------------------------------------------------------------------------------------------- */

static int plain_text(struct stoker_reply *r, const char *text, size_t n)
{
    if (n)
        on_event(r, &(struct tool_event){.kind = TOOL_CONTENT, .text = text, .n = n});
    return 0;
}

static int plain_token(struct stoker_reply *r, stoker_token id)
{
    const char *text;
    size_t n = stoker_text_next(r->plain, id, &text);
    return plain_text(r, text, n);
}

static int plain_end(struct stoker_reply *r)
{
    const char *text;
    size_t n = stoker_text_end(r->plain, &text);
    return plain_text(r, text, n);
}

int stoker_reply_token(struct stoker_reply *r, stoker_token id, struct stoker_error *public)
{
    struct error err = {0};
    int over = r->plain ? plain_token(r, id) : tool_stream_token(r->stream, id, &err);
    return over < 0 ? error_to_public(public, &err) : is_stopped(r) || over;
}

int stoker_reply_may_end(const struct stoker_reply *r)
{
    return r->stops || (r->stream && tool_stream_may_end(r->stream));
}

int stoker_reply_end(struct stoker_reply *r, struct stoker_error *public)
{
    struct error err = {0};
    int failed = r->plain ? plain_end(r) : tool_stream_end(r->stream, &err);
    if (r->stops)
        emit_held_back(r);
    if (!failed && (r->message.failed || r->failed))
        error_set(&err, ERR_MEMORY, "no memory for an answer");
    return err.code ? error_to_public(public, &err) : 0;
}

int stoker_reply_stop(const struct stoker_reply *r) { return r->stopping.found - 1; }

const char *stoker_reply_message(struct stoker_reply *r)
{
    if (r->json.n == 0) {
        tool_message_json(&r->message, &r->json);
        buffer_put(&r->json, "", 1);
    }
    return r->json.failed ? NULL : r->json.text;
}

size_t stoker_reply_n_call(const struct stoker_reply *r) { return r->message.n_call; }

const char *stoker_reply_call(const struct stoker_reply *r, size_t i, const char **arguments, size_t *n)
{
    const struct tool_message_call *c = &r->message.call[i];
    *arguments = c->arguments.text ? c->arguments.text : "";
    *n = c->arguments.n;
    return c->name.text ? c->name.text : "";
}
