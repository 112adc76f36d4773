/* Chat rendering in ChatML as the embedded model was trained on it; the template engine replaces this later.
 *
 * What the renderer writes and what a message holds are kept apart: the renderer's markers are ids, and a message's text is
 * tokenised with parse_special 0, so that no text of a user can open a turn. */
#ifndef TEXT_CHAT_H
#define TEXT_CHAT_H

#include "text/tokenizer.h"

struct chat_message {
    const char *role; /* system, user, assistant, tool (a result); first of all, if any: tools */
    const char
        *text; /* of role tools: declarations as JSON (", " and ": " between), one a line, no line feed at the end */
    size_t length;
};

/* 1: the vocabulary has the ChatML control tokens. */
int chat_is_chatml(const struct tokenizer *t);

/* Append the ids of a whole conversation and of the opening of the assistant's turn. think 0: with the empty think block where
 * the vocabulary has <think>. Where the vocabulary has no ChatML tokens: the texts joined as they are, with bos as the
 * vocabulary wants. ERR_INPUT: a role that is not one of the above. */
int chat_render(const struct tokenizer *t, const struct chat_message *m, size_t n, int think, struct token_list *out,
                struct error *err);

#endif
