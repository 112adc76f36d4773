/* Tokens of an evaluation's prompts: by a file's vocabulary and templates before its model is loaded, by the engine's when it is. They are
 * the same tokens. */
#ifndef EVAL_WORDS_H
#define EVAL_WORDS_H

#include "stoker.h"

#include <jansson.h>
#include <stdio.h>

struct error;

enum { EVAL_FRONT_MOST = 8 };

struct eval_words {
    const struct stoker_vocab *vocab;         /* NULL: the engine's */
    const struct stoker *engine;              /* NULL: not loaded yet */
    const struct stoker_templates *templates; /* NULL: none are needed */
    stoker_token front[EVAL_FRONT_MOST];      /* [n_front] what the vocabulary puts before every text */
    size_t n_front;
};

/* Finds out what is put in front; vocab or engine is set before. */
int eval_words_begin(struct eval_words *w, struct error *err);

/* A text, with what is put in front. free(*out). */
int eval_words_text(const struct eval_words *w, const char *text, size_t n, stoker_token **out, size_t *n_out,
                    struct error *err);

/* 1: the model's chat template works. */
int eval_words_have_template(const struct eval_words *w);

/* A chat request of the members messages and others of stoker_prompt(). free(*out). Without a template that works: the texts of its
 * messages, an empty line between them. */
int eval_words_chat(const struct eval_words *w, const json_t *request, stoker_token **out, size_t *n_out,
                    struct error *err);

/* The same as text. request: as JSON. */
void eval_words_show(const struct eval_words *w, const char *request, FILE *f);

/* A request of one message of a user. think: 1, 0; -1: as the template has it. NULL: no memory. */
json_t *eval_words_question(const char *text, int think);

/* That a prompt, and the room for its answer, are n tokens and not at most `most`. Always -1. */
int eval_too_long(struct error *err, size_t n, size_t most);

/* What a function of the engine says, as an error of this layer. Always -1. */
int eval_error(struct error *err, const char *about, const struct stoker_error *why);

#endif
