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
    const struct tool_format *format;
    int tools_undefined; /* without tools the variable is left out instead of null */
    int system, system_later, developer;
    int parts, string; /* content as parts, as a string */
    int tools, needs_descriptions;
    int tool_calls, tool_results;
    enum { ARGUMENTS_NONE, ARGUMENTS_OBJECT, ARGUMENTS_STRING } arguments;
    int call_content_null; /* a call needs content null */
    int call_with_text, parallel;
    enum { CALL_ID_ANY, CALL_ID_ALNUM9, CALL_ID_KIMI } id;
    int id_rendered;
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

/* bos, eos: texts of the tokens, or NULL; tool_format: NULL: detected. ERR_FORMAT: it does not compile, or takes too
 * much while it is probed; the sentence has line and column. */
int template_create(struct chat_template **out, const char *source, size_t n, const char *bos, const char *eos,
                    const char *tool_format, struct error *err);
void template_destroy(struct chat_template *t);                              /* t may be NULL */
size_t template_bytes(const struct chat_template *t);                        /* memory held, in bytes */
const struct template_caps *template_caps_of(const struct chat_template *t); /* owned by t, as its texts are */
const char *template_source(const struct chat_template *t, size_t *n);       /* [n], owned by t */

struct template_prompt {
    struct arena arena; /* holds all of it */
    struct jinja_text text;
    int joined;                           /* neighbours of one role were joined, because the template refused them */
    int continues;                        /* the last assistant message is open */
    const struct chat_template *template; /* that rendered it */
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

enum error_code template_error_code(const struct template_error *e);

/* [n_vocab] the greatest origin of text in which each token matches as a special token; free() it. NULL: no memory. */
uint8_t *template_reach(const struct chat_template *t, const struct tokenizer *v);

/* Append the ids of a prompt; bos in front where the vocabulary wants it and the text does not begin with it. reach: of
 * template_reach(). -1: as tokenizer_encode(); *out may hold a part. */
int template_tokens(const struct template_prompt *p, const struct tokenizer *v, const uint8_t *reach,
                    struct token_list *out, struct error *err);

#endif
