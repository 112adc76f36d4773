/* An answer as its tokens come, taken apart: tokens in, events of parser.h out; and a message put together from events.
 *
 *   id -> a marker of the format? -> parser, as a token
 *         another control token?  -> nothing: an event of the model, no text
 *         text                    -> detokenizer -> parser */
#ifndef TEXT_TOOLS_STREAM_H
#define TEXT_TOOLS_STREAM_H

#include "base/json/buffer.h"
#include "text/tools/parser.h"

#include <stdint.h>

struct tokenizer;
struct tool_stream;

struct tool_stream_options {
    const struct tokenizer *tokenizer;
    const struct tool_format *format;
    const struct tool_list *tools; /* NULL: no calls; outlives the stream, as the tokenizer does */
    enum tool_reasoning reasoning;
    int checked; /* 1: tool_constraint() governs the answer */
};

/* event is called with arg by tool_stream_token() and tool_stream_end(), in the caller's thread; what an event points to is valid during
 * the call. -1: *out is NULL, ERR_MEMORY. */
int tool_stream_open(struct tool_stream **out, const struct tool_stream_options *o, tool_event_fn *event, void *arg,
                     struct error *err);
/* 1: the turn is over, even if the token is no end token of the vocabulary; 0: go on; -1: ERR_MEMORY, and the stream can only be closed. */
int tool_stream_token(struct tool_stream *s, int32_t id, struct error *err);
/* 1: that may happen; 0: every turn ends by an end token of the vocabulary, or not at all. */
int tool_stream_may_end(const struct tool_stream *s);
const char *tool_stream_space(const struct tool_stream *s, size_t *n); /* as tool_parser_space() */
int tool_stream_end(struct tool_stream *s, struct error *err);         /* call it once, after the last token */
void tool_stream_close(struct tool_stream *s);                         /* s may be NULL */

/* A whole message, which owns its texts: tool_message_free(). Zeroed: empty. */
struct tool_message {
    struct buffer content, reasoning, cut; /* cut: what there is of a call that the answer's end cut off */
    struct tool_message_call {
        struct buffer name, id, arguments; /* name and id terminated; id.n 0: none */
        int ended;                         /* 1: TOOL_CALL_END came */
    } * call;                              /* [n_call] */
    size_t n_call, cap_call;
    int n_bad, n_cut; /* blocks that were no calls after all; 1: the answer ended inside one */
    int failed;       /* 1: there was no memory for all of it */
};

/* Copies; sets m->failed where there is no memory. */
void tool_message_event(struct tool_message *m, const struct tool_event *e);
/* Appends OpenAI's form: role, content (null when there are calls only), reasoning_content, tool_calls with ids "call_N" where the text
 * had none; not terminated. out->failed: no memory. */
void tool_message_json(const struct tool_message *m, struct buffer *out);
void tool_message_free(struct tool_message *m);

#endif
