/* The text of a model as it comes, in; reasoning, content and calls, out.
 *
 *   pieces -> UTF-8 assembler -> undecided text -> phases -> events
 *
 *   START      white space; is there reasoning?
 *   REASONING  until its close tag, or a call marker where the format's models call without closing
 *   CONTENT    until a marker; only what could still become one is held back, and white space
 *   BLOCK      from a call marker to the end of its block: the format's reader goes through it
 *   BAD        a block that broke its syntax: content as far as its closing marker
 *   TURN       gigachat3: a separator came; a call follows, or the turn is over
 *
 * Laws: any split of the same input gives the same joined events; nothing published is taken back. Text outside a block is never
 * kept; a block is kept until it is closed, up to TOOL_BLOCK_MAX bytes, then it is bad.
 *
 * Definition: tool_calls.md of the specification. One thread at a time. */
#ifndef TEXT_TOOLS_PARSER_H
#define TEXT_TOOLS_PARSER_H

#include "text/tools/format.h"

#include <stddef.h>

struct error;
struct tool_list;
struct tool_parser;

enum { TOOL_BLOCK_MAX = 8 << 20 };

enum tool_event_kind {
    TOOL_REASONING,  /* text */
    TOOL_CONTENT,    /* text */
    TOOL_CALL_BEGIN, /* call, name, id if it came before the arguments */
    TOOL_CALL_ARGS,  /* call, text: a piece of the arguments as JSON */
    TOOL_CALL_END,   /* call, id if the text had one */
    TOOL_BAD_CALL,   /* a block broke its syntax: its text is content */
    TOOL_CUT_CALL    /* the answer ended inside a block: text is what there is of it, no content */
};

/* Texts are whole UTF-8 characters, not terminated, and live until the handler returns. */
struct tool_event {
    enum tool_event_kind kind;
    size_t call;      /* index of the call in the answer */
    const char *text; /* [n] */
    size_t n;
    const char *name, *id; /* terminated; id NULL: none */
};
typedef void tool_event_fn(void *arg, const struct tool_event *e);

struct tool_options {
    const struct tool_format *format;
    const struct tool_list *tools; /* NULL: no call is recognised; owned by the caller, outlives the parser */
    int forced_open;               /* the prompt ended inside an open reasoning tag */
    int checked;                   /* a grammar governs blocks: their calls are published as they come */
    /* 1: this text is one token of the vocabulary, and only as that token it is a marker. NULL: none is. */
    int (*is_token)(const void *vocabulary, const char *text, size_t n);
    const void *vocabulary;
};

/* event is called by the functions below. -1: *out is NULL, ERR_MEMORY. */
int tool_parser_create(struct tool_parser **out, const struct tool_options *o, tool_event_fn *event, void *arg,
                       struct error *err);
void tool_parser_destroy(struct tool_parser *p);

/* Text of ordinary tokens: any bytes, any split; ill-formed UTF-8 becomes U+FFFD. -1: no memory. */
int tool_parser_text(struct tool_parser *p, const char *text, size_t n, struct error *err);

/* A token whose text is a marker of the format, or part of one. -1: no memory. */
int tool_parser_token(struct tool_parser *p, const char *text, size_t n, struct error *err);

/* 1: the model ended its turn with a token that the vocabulary does not know as an end; what it says further is not read. */
int tool_parser_over(const struct tool_parser *p);

/* White space behind the published content, n bytes: content too, unless something that is none follows. */
const char *tool_parser_space(const struct tool_parser *p, size_t *n);

/* The answer ended: what is undecided is decided. -1: no memory. */
int tool_parser_end(struct tool_parser *p, struct error *err);

#endif
