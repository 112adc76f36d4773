/* Chat templates: from a chat request to the prompt, and for every byte of it who wrote it.
 *
 *   template_create   compiles the source and asks it what it can do (probes): what caps.json of the test data holds
 *   template_render   request (JSON) -> turns -> context -> text with origins
 *   template_reach    which special tokens of a vocabulary may come from whose text
 *   template_tokens   prompt -> ids: a message never becomes a control token
 *
 * A template is read-only after it was created: threads may share it. Definition: templates.md of the specification. */
#ifndef TEXT_CHAT_TEMPLATE_H
#define TEXT_CHAT_TEMPLATE_H

#include "base/arena.h"
#include "text/jinja/jinja.h"
#include "text/tokenizer/tokenizer.h"

struct error;
struct tool_format;
struct chat_template;

/* What a template can do, found by rendering small conversations. templates.md 5. */
struct template_caps {
    const struct tool_format *format;    /* of its tool calls; never NULL */
    int tools_undefined;                 /* 1: without tools the variable is left out instead of null */
    int system, system_later, developer; /* 1: it shows a system message, one that is not the first, role developer */
    int parts, string;                   /* 1: it takes content as parts, as a string */
    int tools, needs_descriptions;       /* 1: it shows tools; fails where a tool has no description */
    int tool_calls, tool_results;        /* 1: it shows calls of messages, and results */
    enum { ARGUMENTS_NONE, ARGUMENTS_OBJECT, ARGUMENTS_STRING } arguments;
    int call_content_null;                                 /* 1: a call needs content null */
    int call_with_text, parallel;                          /* 1: a message may have text and calls; several calls */
    enum { CALL_ID_ANY, CALL_ID_ALNUM9, CALL_ID_KIMI } id; /* which ids of calls it takes */
    int id_rendered;                                       /* 1: it shows them */
    enum {
        REASONING_NONE,
        REASONING_CONTENT,  /* the field reasoning_content */
        REASONING_PLAIN,    /* reasoning */
        REASONING_THINKING, /* thinking */
        REASONING_PARTS     /* content parts of type thinking */
    } reasoning;
    const char *thinking_var; /* NULL: it has no switch */
    enum { THINKING_OTHER, THINKING_ON, THINKING_OFF } thinking_default;
    /* what add_generation_prompt adds: as it is, thinking on, thinking off; NULL: no such rendering */
    const char *generation_prompt[3];
};

/* source: n bytes, copied; bos, eos: texts of the tokens, or NULL; tool_format: a format's name, NULL: detected. ERR_FORMAT: it does not
 * compile, or takes too much while it is probed; the sentence has line and column; ERR_INPUT: no such format; ERR_MEMORY. */
int template_create(struct chat_template **out, const char *source, size_t n, const char *bos, const char *eos,
                    const char *tool_format, struct error *err);
void template_destroy(struct chat_template *t);                              /* t may be NULL */
size_t template_bytes(const struct chat_template *t);                        /* memory held, in bytes */
const struct template_caps *template_caps_of(const struct chat_template *t); /* owned by t, as its texts are */
const char *template_source(const struct chat_template *t, size_t *n);       /* [n], owned by t */

struct template_prompt {
    struct arena arena; /* holds all of it */
    struct jinja_text text;
    int joined;                           /* 1: neighbours of one role were joined, because the template refused them */
    int continues;                        /* 1: the last message is the assistant's, and the answer continues it */
    const struct chat_template *template; /* that rendered it, which outlives it */
};

struct template_error {
    enum jinja_error_kind kind; /* JINJA_REQUEST: the request is at fault, at path; JINJA_RAISE: raised says why */
    char path[120];             /* "messages[1].tool_calls[0].function.arguments", or empty */
    char text[480];             /* the whole sentence */
    char raised[480];           /* the template's own words, as long as an error; longer ones end with "..." */
};

/* Of a rendering; zeroed: none of them. */
struct template_options {
    const struct jinja_clock *clock; /* what the template may ask for; NULL: now */
    int (*stopped)(void *arg);       /* asked every few milliseconds; not 0: nobody waits any more. NULL: never asked */
    void *stopped_arg;
};

/* request: {"messages": [..], "tools": [..], "enable_thinking": B, "reasoning_effort": S, "chat_template_kwargs": {..}} in the
 * shapes of OpenAI's chat API; other members are not looked at. with_tools: the template for requests with tools, or NULL: t serves
 * them too. options: NULL: none. -1: *err says why (JINJA_STOPPED: options->stopped said so), and *out is empty.
 * template_prompt_free() gives a prompt's memory back. */
int template_render(const struct chat_template *t, const struct chat_template *with_tools, const char *request,
                    size_t n, const struct template_options *options, struct template_prompt *out,
                    struct template_error *err);
void template_prompt_free(struct template_prompt *p);

/* The code that an error of a rendering has elsewhere. */
enum error_code template_error_code(const struct template_error *e);

/* [n_vocab] of v: for each token the greatest origin of text in which it is recognised as a special token; free() it. NULL: no memory. */
uint8_t *template_reach(const struct chat_template *t, const struct tokenizer *v);

/* Append the ids of a prompt; bos in front where the vocabulary wants it and the text does not begin with it. reach: of
 * template_reach(). -1: as tokenizer_encode(); *out may hold a part. */
int template_tokens(const struct template_prompt *p, const struct tokenizer *v, const uint8_t *reach,
                    struct token_list *out, struct error *err);

#endif
