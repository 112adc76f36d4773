/* What the machines of the formats share: the parser's state, markers, and the steps by which a reader goes through a block.
 *
 * A reader is a function that is called again whenever the block has grown, and goes on at the line where it stopped
 * (coroutines in the manner of S. Tatham, "Coroutines in C", 2000): each READ(step) either passes or returns to wait for more,
 * and no variable of the function lives across it. What has to be remembered stands in struct tool_block; every step remembers
 * how far it got, so the work is linear in the length of the block. */
#ifndef TEXT_TOOLS_BLOCK_H
#define TEXT_TOOLS_BLOCK_H

#include "base/json/buffer.h"
#include "base/json/scan.h"
#include "text/tools/format.h"
#include "text/tools/list.h"
#include "text/tools/parser.h"

#include <stdint.h>

/* A marker's bytes and where its tokens are: 0 text, 1 a token begins, 2 inside it. n 0: the format has none. */
struct tool_marker {
    char text[64];
    uint8_t token[64];
    size_t n;
    int either; /* occurs inside calls only: token or text */
};

/* A call as far as it is known. */
struct tool_call {
    struct buffer name, id, args;
    int named, ended;      /* the name is complete; the call is */
    int id_first;          /* the id came before the arguments */
    int published, closed; /* begun; ended, for the listener */
    size_t sent;           /* bytes of args published */
};

/* A stream of content or reasoning: what is published, and the white space that may not be. */
struct tool_flow {
    enum tool_event_kind kind;
    int any, gap, skip; /* something was published; something was removed since; drop white space now */
    struct buffer space;
};

struct tool_block {
    struct tool_parser *parser;
    const struct tool_format *format;
    const struct tool_marker *marker; /* [N_ROLE] */
    enum scan (*read)(struct tool_block *b);
    const char *text; /* [n] from the block's first byte */
    const uint8_t *token;
    size_t n, at; /* read so far */
    size_t open;  /* length of the marker that began it */
    int final;    /* nothing follows */
    int complete; /* nothing is missing but a last marker */
    int known;    /* only names of offered functions make this a call */
    int soft;     /* if it is no call it is plain content */

    int line, sub, inner;  /* where the reader and the readers within it go on */
    struct json_scan json; /* of the value being read */
    size_t from, to;       /* the span being read; the value */
    size_t mark, look,
        sent;         /* inside a value: candidate for its end; how far behind it was looked; how far it is written */
    char quote;       /* inside a literal: the quote it stands in */
    int depth;        /* inside a literal: brackets */
    int choice, flag; /* what a choosing step found; the reader's own */
    int text_value;   /* the value is text, written as it comes */
    struct buffer key;
    size_t call; /* index of the call being read */
};

enum tool_phase {
    PHASE_START,
    PHASE_REASONING,
    PHASE_CONTENT,
    PHASE_BARE,
    PHASE_BLOCK,
    PHASE_BAD,
    PHASE_TURN,
    PHASE_OVER
};

struct tool_parser {
    struct tool_options options;
    const struct tool_format *format;
    tool_event_fn *event;
    void *arg;
    struct tool_marker marker[N_ROLE];
    uint8_t starts[32]; /* bit set: a marker of content may begin with this byte */
    uint8_t partial[4]; /* of a character */
    size_t n_partial;
    char *text; /* undecided: [head, n) */
    uint8_t *token;
    size_t n, cap, head;
    int final, failed;

    enum tool_phase phase;
    int reasoned;                                           /* there was a reasoning tag */
    enum { OPEN_FORCED, OPEN_REPEATED, OPEN_DONE } opening; /* REASONING: what may still be swallowed of its open tag */
    struct tool_flow content, reasoning;
    struct tool_block block;
    struct tool_call *call; /* [n_call] */
    size_t n_call, cap_call, block_call;

    /* the framed formats */
    int state, bad;
    struct buffer recipient;
};

/* ---- steps of a reader --------------------------------------------------------------------------------------------- */

#define READ_BEGIN(line)                                                                                               \
    switch (line) {                                                                                                    \
    case 0:

#define READ_END                                                                                                       \
    }                                                                                                                  \
    return SCAN_OK

#define READ_AT(line, step)                                                                                            \
    do {                                                                                                               \
        line = __LINE__;                                                                                               \
        __attribute__((fallthrough));                                                                                  \
    case __LINE__: {                                                                                                   \
        enum scan scan_ = (step);                                                                                      \
        if (scan_ != SCAN_OK)                                                                                          \
            return scan_;                                                                                              \
    }                                                                                                                  \
    } while (0)

#define READ(step)     READ_AT(b->line, step)
#define READ_SUB(step) READ_AT(b->sub, step)

/* Each moves b->at over what it read. SCAN_MORE: the text ends too early. */
enum scan block_space(struct tool_block *b); /* any white space, also none */
enum scan block_any(struct tool_block *b);   /* there is a byte at b->at; does not move */
enum scan block_word(struct tool_block *b, const char *word);
enum scan block_marker(struct tool_block *b, enum tool_role role);
enum scan block_name(struct tool_block *b);      /* characters of names, at least one: [from, to); from = at before */
enum scan block_call_name(struct tool_block *b); /* such a name becomes the current call's */
/* Which of the markers, a[n] roles, comes now: taken, and its index in b->choice; -1: none of them. */
enum scan block_choose(struct tool_block *b, const enum tool_role *a, int n);
enum scan block_choose_word(struct tool_block *b, const char *const *word, int n);
/* Everything until the marker or word, which is not taken: [from, to). Set from and mark to at before. */
enum scan block_until(struct tool_block *b, enum tool_role role);
enum scan block_until_word(struct tool_block *b, const char *word);
/* The rest of a block whose calls are complete: white space and ROLE_END, if the format has one. */
enum scan block_close(struct tool_block *b);
/* A JSON value, b->from its first byte; json_scan_begin() and from = at before. */
enum scan block_json(struct tool_block *b);
/* A JSON object into the call's arguments as it comes; preparation as for block_json(). */
enum scan block_arguments(struct tool_block *b);
void block_json_begin(struct tool_block *b);
/* Lists and single objects of calls (object.c), usable within another reader: b->sub is theirs. */
enum scan call_object(struct tool_block *b);
/* N(k=v, ..) with b->at behind "(" (python.c). */
enum scan call_keywords(struct tool_block *b);

/* A new call becomes the current one. */
struct tool_call *block_call(struct tool_block *b);
struct tool_call *block_current(struct tool_block *b);
/* Its name; -1: no legal name, or one that is not offered where that matters. */
int block_set_name(struct tool_block *b, const char *name, size_t n);
void block_set_id(struct tool_block *b, const char *id, size_t n);
void block_end_call(struct tool_block *b);    /* no arguments so far: {} */
void block_end_members(struct tool_block *b); /* arguments written by block_put_key() */
/* Arguments written member by member: "{" or ", ", the key, ": ". */
void block_put_key(struct tool_block *b, const char *key, size_t n);

static inline int is_white(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* ---- the parser's side --------------------------------------------------------------------------------------------- */

/* input.c: text and tokens join the undecided text; -> p->failed. input_end: a character that waits stays unfinished. */
void input_text(struct tool_parser *p, const char *text, size_t n);
void input_token(struct tool_parser *p, const char *text, size_t n);
void input_end(struct tool_parser *p);

/* What a marker is at text[i]: SCAN_OK all of it, SCAN_MORE as far as the text goes, SCAN_BAD not. */
enum scan marker_at(const struct tool_marker *m, const char *text, const uint8_t *token, size_t n, size_t i);

void flow_text(struct tool_parser *p, struct tool_flow *f, const char *text, size_t n);
void flow_gap(struct tool_flow *f); /* something was removed here */
void parser_event(struct tool_parser *p, enum tool_event_kind kind, const char *text, size_t n);
/* A block begins at p->head and is read from its byte at on. */
void parser_block_begin(struct tool_parser *p, size_t at, enum scan (*read)(struct tool_block *));
/* Publish what is known of the calls; drop those of the block. */
void parser_publish(struct tool_parser *p);
void parser_drop_calls(struct tool_parser *p);
void parser_block_view(struct tool_parser *p); /* the block sees the text as it is now */
/* The block is read on. A block that is too long is bad; where nothing follows, one that lacks only its last marker is whole. */
enum scan parser_block_read(struct tool_parser *p);
void call_free(struct tool_call *c);

/* ---- readers and machines of the formats --------------------------------------------------------------------------- */

enum scan object_read(struct tool_block *b);
enum scan list_read(struct tool_block *b);
enum scan list_read_open(struct tool_block *b); /* the marker ends with "[" */
enum scan llama_read(struct tool_block *b);
enum scan llama_read_bare(struct tool_block *b);
enum scan deepseek_read(struct tool_block *b);
enum scan kimi_read_section(struct tool_block *b);
enum scan kimi_read_call(struct tool_block *b);
enum scan mistral_read(struct tool_block *b);
enum scan functionary_read(struct tool_block *b);
enum scan functionary_read_python(struct tool_block *b);
enum scan solar_read(struct tool_block *b);
enum scan xml_read(struct tool_block *b);
enum scan xml_read_bare(struct tool_block *b);
enum scan glm_read(struct tool_block *b);
enum scan python_read(struct tool_block *b);
enum scan gemma_read(struct tool_block *b);

void harmony_advance(struct tool_parser *p);
void recipient_advance(struct tool_parser *p);

#endif
