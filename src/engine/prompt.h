/* A model's tokenizer and chat templates: what include/stoker.h declares as struct stoker_templates. An engine's borrows the session's
 * file and tokenizer. */
#ifndef ENGINE_PROMPT_H
#define ENGINE_PROMPT_H

#include "base/error.h"
#include "format/gguf.h"
#include "stoker.h"
#include "text/chat/chat.h"

#include <stdatomic.h>

struct stoker_templates {
    struct gguf *file;
    struct tokenizer *tokenizer; /* NULL: the file has none that stoker can use; why: */
    struct error tokenizer_error;
    struct chat *chat;         /* NULL without a tokenizer */
    atomic_flag notice_logged; /* the chat's notice */
};

/* The chat of a model under these options: chat_template is a file, a name, or NULL. The caller destroys *out. */
int templates_chat(struct chat **out, const struct gguf *g, const struct tokenizer *t, const char *chat_template,
                   const char *tool_format, struct error *err);

#endif
