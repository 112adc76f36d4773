/* Tool-call formats: how the models of a family write a call and their reasoning.
 *
 * A format is one row of the table in format.c: its markers by role, a few rules, and the reader that takes a call apart
 * (object.c, named.c, xml.c, python.c, gemma.c; harmony and functionary frame the whole answer and have
 * a machine of their own: harmony.c, recipient.c). The same row drives three things:
 *
 *   parser.h         text of a model -> reasoning, content, calls
 *   answer/answer.h  tools of a request -> the language a call must belong to
 *   write.h          a call of a conversation -> text, for templates that cannot write it
 *
 * Definition: tool_calls.md of the specification. */
#ifndef TEXT_TOOLS_FORMAT_H
#define TEXT_TOOLS_FORMAT_H

#include "base/json/scan.h"

#include <stddef.h>

struct error;
struct tool_block;
struct tool_parser;

/* What a marker does. Not every format has every role; the two formats that frame the whole answer use some roles for other markers. */
enum tool_role {
    ROLE_OPEN,   /* of reasoning */
    ROLE_CLOSE,  /* of reasoning */
    ROLE_BEGIN,  /* a block of calls begins */
    ROLE_BEGIN2, /* another way to begin one */
    ROLE_END,    /* closes the block */
    ROLE_CALL,   /* inside: one call begins */
    ROLE_SEP,    /* inside: between a call's parts */
    ROLE_ARGS,   /* inside: the arguments follow */
    ROLE_STOP,   /* inside: one call ends */
    ROLE_WRAP,   /* ROLE_WRAP.. : dropped around content */
    N_ROLE = ROLE_WRAP + 5,

    HARMONY_START = ROLE_BEGIN,
    HARMONY_RETURN = ROLE_BEGIN2,
    HARMONY_CALL = ROLE_END,
    HARMONY_CHANNEL = ROLE_CALL,
    HARMONY_CONSTRAIN = ROLE_SEP,
    HARMONY_MESSAGE = ROLE_ARGS,
    HARMONY_END = ROLE_STOP,
    RECIPIENT_NEXT = ROLE_BEGIN
};

enum tool_rule {
    RULE_TOKENS = 1 << 0,              /* in vocabularies of this family the markers are tokens */
    RULE_CALL_ENDS_REASONING = 1 << 1, /* these models call without closing their reasoning */
    RULE_WRAP_AFTER_REASONING = 1 << 2,
    RULE_LATE_REASONING = 1 << 3,    /* reasoning may come anywhere, and more than once */
    RULE_ONE_OBJECT = 1 << 4,        /* one object instead of a list of them */
    RULE_EMPTY_LIST = 1 << 5,        /* a list without calls is allowed */
    RULE_BARE = 1 << 6,              /* content that begins with a call object is a call */
    RULE_ONE_CALL = 1 << 7,          /* an answer holds one call */
    RULE_ASSISTANT_MARKERS = 1 << 8, /* call markers written by an assistant may be tokens again (templates.md 7) */
    RULE_ASSISTANT_TAGS = 1 << 9,    /* its reasoning tags may */
    RULE_TURN_ENDS = 1 << 10,        /* its wrapper ends the turn, unless a call follows */
    RULE_ID_FIRST = 1 << 11,         /* a call object may begin with its id, a number */
    RULE_ID_LAST = 1 << 12,          /* a call object may end with its id */
    RULE_FENCED = 1 << 13,           /* arguments stand in a fence of Markdown */
    RULE_BEGIN2_NAMES = 1 << 14,     /* ROLE_BEGIN2 begins a call only before the name of an offered tool */
    RULE_RECIPIENTS = 1 << 15        /* "all" and "python" are recipients, not tools */
};

/* How calls stand in a block: the grammar of each is a row of the table in answer/tool_grammar.c. */
enum tool_syntax {
    SYNTAX_NONE,
    SYNTAX_OBJECT, /* a call object */
    SYNTAX_LINES,  /* a call object on a line of its own */
    SYNTAX_LIST,   /* a list of call objects */
    SYNTAX_DEEPSEEK,
    SYNTAX_KIMI,
    SYNTAX_MISTRAL,
    SYNTAX_FUNCTIONARY,
    SYNTAX_SOLAR,
    SYNTAX_TAGS, /* names and values in tags: struct tool_xml */
    SYNTAX_GLM,
    SYNTAX_PYTHON,
    SYNTAX_GEMMA,
    SYNTAX_HARMONY, /* it and the next frame the whole answer */
    SYNTAX_RECIPIENT,
    N_SYNTAX
};

/* What arguments are, where they are not values in tags. */
enum tool_arguments {
    ARGS_JSON,   /* an object */
    ARGS_PYTHON, /* keyword arguments */
    ARGS_GEMMA   /* an object with bare keys and strings between ROLE_SEP */
};

struct tool_writer;
struct tool_written;

/* Syntax of a value in tags. */
struct tool_xml {
    const char *call, *call_name_end, *call_end;
    const char *key, *key_end, *value, *value_end; /* glm: value follows the key's own closing tag */
    enum { XML_VERBATIM, XML_STRIP, XML_STRIP_PAIR } newlines;
    int string_attribute; /* string="true|false" decides the type */
    int python;           /* lists and objects may be Python literals */
};

struct tool_format {
    const char *name;
    const char *detect[2];      /* the format of templates that have both texts (second NULL: the first) */
    const char *or_detect;      /* or this */
    const char *marker[N_ROLE]; /* NULL: the format has none of this role */
    const char *end;            /* a token that ends the turn though files often do not list it as one; or NULL */
    const char *part;           /* of markers that contain this text only this part is a token; or NULL */
    unsigned rules;             /* enum tool_rule */
    enum scan (*read)(struct tool_block *b);  /* of ROLE_BEGIN; block.h */
    enum scan (*read2)(struct tool_block *b); /* of ROLE_BEGIN2 */
    void (*advance)(struct tool_parser *p);   /* a machine of its own, or NULL */
    enum tool_syntax syntax;
    enum tool_arguments arguments;
    const char *name_key, *args_key, *id_key; /* of call objects; NULL, NULL: {N: J} */
    struct {
        const char *open, *between, *close;
    } list; /* SYNTAX_LIST: what stands around its calls */
    const struct tool_xml *xml;
    /* Its calls as text (write.h); NULL: those of hermes. */
    void (*write)(const struct tool_writer *w, const struct tool_written *call, size_t n);
};

/* Reasoning in an answer, as its prompt leaves it. */
enum tool_reasoning {
    REASONING_CLOSED, /* the answer has none: the prompt closed it, or it is switched off */
    REASONING_MAY,    /* the answer may begin with it */
    REASONING_OPEN    /* the prompt ends inside it */
};

/* All formats are static. The one that a template's source, of length bytes, uses; never NULL: "none" where it shows no format. */
const struct tool_format *tool_format_detect(const char *source, size_t length);

/* By name (--tool-format). NULL: ERR_INPUT, which lists the names. */
const struct tool_format *tool_format_find(const char *name, struct error *err);

/* Row i of the table, or NULL behind the last. */
const struct tool_format *tool_format_at(size_t i);

/* Text i of a format that may be a token of a vocabulary, or NULL behind the last: its markers, or the part of a marker. */
const char *tool_format_token(const struct tool_format *f, size_t i);

/* 1: the text of an assistant's message may become this marker's token again: templates.md 7. */
int tool_format_assistant_marker(const struct tool_format *f, const char *text, size_t length);

/* 1: the text is one control or user-defined token of the vocabulary, a struct tokenizer; for struct tool_options. */
int tool_is_token(const void *vocabulary, const char *text, size_t n);

/* The format in which a model is told to write calls: its own, or hermes instead of "none". */
const struct tool_format *tool_format_taught(const struct tool_format *f);

#endif
