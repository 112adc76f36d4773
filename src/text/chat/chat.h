/* Chats of a model: which of its templates a request takes, and the way from a request to ids.
 *
 *   the file's   tokenizer.chat_template, and tokenizer.chat_template.NAME; tool_use, if there is one, for requests with tools
 *   given        --chat-template: one of the file's names, chatml, or a source
 *   none         the built-in ChatML where the vocabulary has its tokens, else the messages' texts one behind another
 *
 * Read-only after it was created: threads may share it. templates.md 1. */
#ifndef TEXT_CHAT_CHAT_H
#define TEXT_CHAT_CHAT_H

#include "text/chat/template.h"
#include "text/tokenizer/tokenizer.h"

struct chat;
struct gguf;

/* All may be NULL. */
struct chat_options {
    const char *name;   /* of a template: one of the file's, or chatml */
    const char *source; /* [n_source] a template's, instead */
    size_t n_source;
    const char *tool_format; /* name of a format; NULL: as the template shows */
};

/* The vocabulary must outlive the chat; the file and the options may go. o may be NULL. A broken template of the file is no error here:
 * chat_prompt() reports what is wrong with it. -1: *out is NULL; ERR_INPUT: no template or tool format of that name; ERR_FORMAT: the given
 * source is broken; ERR_MEMORY. */
int chat_create(struct chat **out, const struct gguf *g, const struct tokenizer *t, const struct chat_options *o,
                struct error *err);
void chat_destroy(struct chat *c);       /* c may be NULL */
size_t chat_bytes(const struct chat *c); /* memory held, in bytes */

/* A sentence for the user (the file has no template, or a broken one), or NULL. Owned by the chat. */
const char *chat_notice(const struct chat *c);

/* The template of requests with tools (1) or without (0), owned by the chat; NULL: the file's is broken. */
const struct chat_template *chat_template_of(const struct chat *c, int with_tools);

/* A request (see template_render) to ids, appended to *ids, and to text, *prompt, which template_prompt_free() frees; either may be NULL.
 * options: NULL: none. -1: *err says why, *prompt is as it was, and *ids may hold a part. */
int chat_prompt(const struct chat *c, const char *request, size_t n, const struct template_options *options,
                struct template_prompt *prompt, struct token_list *ids, struct template_error *err);

/* 1: a token that a prompt's template has written, not one of the vocabulary's words. */
int chat_is_structure(const struct chat *c, const struct template_prompt *p, int32_t id);

/* A message of a plain conversation. */
struct chat_message {
    const char *role; /* system, user, assistant, tool (a result); first of all, if any: tools */
    const char *text; /* of role tools: declarations as JSON, one a line, no line feed at the end */
    size_t length;
};

/* The request of a conversation of n messages, as JSON of *length bytes, not terminated; reqmem_free() it. think: reasoning 0 off, 1 on, -1
 * as the template has it. NULL: ERR_MEMORY, or ERR_INPUT: a role that is not one of the above. */
char *chat_request(const struct chat_message *m, size_t n, int think, size_t *length, struct error *err);

/* Ids of a conversation and of the opening of the assistant's turn, appended to *out. -1: *err, with the template's own words where it
 * refuses; *out may hold a part. */
int chat_render(const struct chat *c, const struct chat_message *m, size_t n, int think, struct token_list *out,
                struct error *err);

#endif
