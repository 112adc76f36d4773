/* See stream.h. */
#include "text/tools/stream.h"

#include "base/error.h"
#include "text/tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MARKER = N_ROLE + 1 };

struct tool_stream {
    const struct tokenizer *tokenizer;
    struct tool_parser *parser;
    int32_t marker[MAX_MARKER]; /* [n_marker] */
    size_t n_marker;
    int32_t end;   /* the format's own end of a turn, -1 none */
    int turn_ends; /* 1: so may what is behind a call */
    struct detok detok;
    char *text; /* [detok_most()] */
};

int tool_stream_open(struct tool_stream **out, const struct tool_stream_options *o, tool_event_fn *event, void *arg,
                     struct error *err)
{
    struct tool_stream *s = calloc(1, sizeof *s);
    const char *text;
    *out = NULL;
    if (!s || !(s->text = malloc(detok_most(o->tokenizer)))) {
        free(s);
        return error_set(err, ERR_MEMORY, "no memory for a stream of text");
    }
    struct tool_options how = {.format = o->format,
                               .tools = o->tools,
                               .forced_open = o->reasoning == REASONING_OPEN,
                               .checked = o->checked,
                               .is_token = tool_is_token,
                               .vocabulary = o->tokenizer};
    s->tokenizer = o->tokenizer;
    s->turn_ends = o->tools && o->format->rules & RULE_TURN_ENDS;
    s->end = o->format->end ? tokenizer_find(o->tokenizer, o->format->end, strlen(o->format->end)) : -1;
    for (size_t i = 0; (text = tool_format_token(o->format, i)); i++)
        if (tool_is_token(o->tokenizer, text, strlen(text)))
            s->marker[s->n_marker++] = tokenizer_find(o->tokenizer, text, strlen(text));
    detok_begin(&s->detok, o->tokenizer, 0, 0);
    if (tool_parser_create(&s->parser, &how, event, arg, err) != 0) {
        tool_stream_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

static int is_marker(const struct tool_stream *s, int32_t id)
{
    for (size_t i = 0; i < s->n_marker; i++)
        if (s->marker[i] == id)
            return 1;
    return 0;
}

/* The characters that the detokenizer still holds. */
static int flush(struct tool_stream *s, struct error *err)
{
    size_t n = detok_end(&s->detok, s->text);
    detok_begin(&s->detok, s->tokenizer, 0, 1);
    return n ? tool_parser_text(s->parser, s->text, n, err) : 0;
}

int tool_stream_token(struct tool_stream *s, int32_t id, struct error *err)
{
    size_t n;
    int rc;
    if (id == s->end)
        return 1;
    if (is_marker(s, id)) {
        const char *text = tokenizer_piece(s->tokenizer, id, 1, &n);
        rc = flush(s, err) == 0 ? tool_parser_token(s->parser, text, n, err) : -1;
    } else {
        n = detok_next(&s->detok, id, s->text);
        rc = n ? tool_parser_text(s->parser, s->text, n, err) : 0;
    }
    return rc == 0 ? tool_parser_over(s->parser) : rc;
}

int tool_stream_may_end(const struct tool_stream *s)
{
    return (s->end >= 0 && !tokenizer_is_end(s->tokenizer, s->end)) || s->turn_ends;
}

const char *tool_stream_space(const struct tool_stream *s, size_t *n) { return tool_parser_space(s->parser, n); }

int tool_stream_end(struct tool_stream *s, struct error *err)
{
    return flush(s, err) == 0 ? tool_parser_end(s->parser, err) : -1;
}

void tool_stream_close(struct tool_stream *s)
{
    if (!s)
        return;
    tool_parser_destroy(s->parser);
    free(s->text);
    free(s);
}

/* ---- messages ------------------------------------------------------------------------------------------------------ */

static struct tool_message_call *call_at(struct tool_message *m, size_t i)
{
    while (m->n_call <= i) {
        if (m->n_call == m->cap_call) {
            size_t cap = m->cap_call ? 2 * m->cap_call : 4;
            struct tool_message_call *grown = realloc(m->call, cap * sizeof *grown);
            if (!grown) {
                m->failed = 1;
                return NULL;
            }
            m->call = grown;
            m->cap_call = cap;
        }
        m->call[m->n_call++] = (struct tool_message_call){0};
    }
    return &m->call[i];
}

static void put_terminated(struct buffer *b, const char *text)
{
    b->n = 0;
    buffer_put(b, text, strlen(text) + 1);
}

static void call_event(struct tool_message *m, const struct tool_event *e)
{
    struct tool_message_call *c = call_at(m, e->call);
    if (!c)
        return;
    if (e->kind == TOOL_CALL_ARGS)
        buffer_put(&c->arguments, e->text, e->n);
    else
        put_terminated(&c->name, e->name);
    if (e->id)
        put_terminated(&c->id, e->id);
    c->ended |= e->kind == TOOL_CALL_END;
    m->failed |= c->name.failed | c->id.failed | c->arguments.failed;
}

void tool_message_event(struct tool_message *m, const struct tool_event *e)
{
    switch (e->kind) {
    case TOOL_REASONING:
        buffer_put(&m->reasoning, e->text, e->n);
        break;
    case TOOL_CONTENT:
        buffer_put(&m->content, e->text, e->n);
        break;
    case TOOL_BAD_CALL:
        m->n_bad++;
        break;
    case TOOL_CUT_CALL:
        m->n_cut = 1;
        buffer_put(&m->cut, e->text, e->n);
        break;
    default:
        call_event(m, e);
    }
    m->failed |= m->reasoning.failed | m->content.failed | m->cut.failed;
}

static const char *text_of(const struct buffer *b) { return b->text ? b->text : ""; }

static void call_json(const struct tool_message_call *c, size_t i, struct buffer *out)
{
    char id[32];
    snprintf(id, sizeof id, "call_%zu", i);
    const char *shown = c->id.n ? c->id.text : id;
    buffer_puts(out, "{\"id\": ");
    buffer_put_string(out, shown, strlen(shown));
    buffer_puts(out, ", \"type\": \"function\", \"function\": {\"name\": ");
    buffer_put_string(out, text_of(&c->name), strlen(text_of(&c->name)));
    buffer_puts(out, ", \"arguments\": ");
    buffer_put_string(out, text_of(&c->arguments), c->arguments.n);
    buffer_puts(out, "}}");
}

void tool_message_json(const struct tool_message *m, struct buffer *out)
{
    buffer_puts(out, "{\"role\": \"assistant\", \"content\": ");
    if (m->n_call && !m->content.n)
        buffer_puts(out, "null");
    else
        buffer_put_string(out, text_of(&m->content), m->content.n);
    if (m->reasoning.n) {
        buffer_puts(out, ", \"reasoning_content\": ");
        buffer_put_string(out, m->reasoning.text, m->reasoning.n);
    }
    for (size_t i = 0; i < m->n_call; i++) {
        buffer_puts(out, i ? ", " : ", \"tool_calls\": [");
        call_json(&m->call[i], i, out);
    }
    buffer_puts(out, m->n_call ? "]}" : "}");
}

void tool_message_free(struct tool_message *m)
{
    buffer_free(&m->content);
    buffer_free(&m->reasoning);
    buffer_free(&m->cut);
    for (size_t i = 0; i < m->n_call; i++) {
        buffer_free(&m->call[i].name);
        buffer_free(&m->call[i].id);
        buffer_free(&m->call[i].arguments);
    }
    free(m->call);
    *m = (struct tool_message){0};
}
