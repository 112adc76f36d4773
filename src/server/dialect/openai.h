/* OpenAI's dialect: handlers of its routes (http/http.h), each of which answers x, and what they have in common. Bodies: docs/API.md.
 * Functions that write append to o, or to a->out; failed there: no memory. */
#ifndef SERVER_DIALECT_OPENAI_H
#define SERVER_DIALECT_OPENAI_H

#include "server/answer/answer.h"

void openai_chat(struct http_exchange *x);        /* chat.c */
void openai_completions(struct http_exchange *x); /* completions.c */
void openai_responses(struct http_exchange *x);   /* responses.c */
void openai_activations(struct http_exchange *x); /* activations.c */

/* The body of x as JSON, its "model" checked: a new reference. NULL: *r is filled. */
json_t *openai_body(struct http_exchange *x, struct refusal *r);

/* The field "prompt" of a completion: the prompts of *w. -1: *r. completions.c */
int openai_prompts(struct request *w, const struct server *s, const json_t *body, struct refusal *r);

/* ---- parts of answers ------------------------------------------------------------------------------------------------------ */

extern const char *const openai_finish[]; /* by enum finish: "stop" and so on; they need no escapes */

/* What an answer, or each chunk of a stream, begins with, up to its choices: {"id":..,"object":..,..,"choices": of a prepared answer. */
void openai_head(struct out *o, const struct answer *a, const char *id, const char *object);

/* The passages that a text of an answer from the library cites, one after another. */
struct openai_citation {
    size_t start, end; /* code points of the text */
    long number;
    const struct passage *of;
    size_t at, counted; /* bytes that were looked at, and whose code points are in start: its own */
};
/* The next one in text, n bytes; *c is zeroed before the first. 0: there is none any more. */
int openai_next_citation(const struct answer *a, const char *text, size_t n, struct openai_citation *c);

/* ,"annotations":[..] of the passages that an answer from the library cites (library.md 13), in code points of its content; nothing of
 * another answer. */
void openai_annotations(struct out *o, const struct answer *a, const struct choice *c);

/* ,"steer":[..] of an answer that is steered; nothing else. */
void openai_steer(struct out *o, const struct answer *a);

/* How an answer, a chunk (of which a choice ends or not) and a stream end, behind their choices. head: what each chunk begins with. */
void openai_end_answer(struct answer *a);
void openai_end_chunk(struct answer *a, int ends_choice);
void openai_end_stream(struct answer *a, const struct out *head);

/* A token's text as a JSON string. One that is no text alone, a part of a character, is spelled as OpenAI's completions do:
 * "bytes:\\xe4\\xb8". */
void openai_token_text(struct out *o, const struct answer *a, stoker_token id);

/* {"token":..,"logprob":..,"bytes":[..],"top_logprobs":[..]}, .. of tokens [from, c->n_token). */
void openai_logprobs(struct out *o, const struct answer *a, const struct choice *c, size_t from);

/* ,"prompt_logprobs":[null,{"ID":{"logprob":..,"rank":..,"decoded_token":..},..},..] of a prompt, by its number; nothing where the request
 * does not ask for it. */
void openai_prompt_logprobs(struct out *o, const struct answer *a, size_t prompt);
size_t openai_prompt_logprobs_bytes(const struct answer *a, size_t prompt); /* of that, about */

/* The event of a stream that breaks off: data: {"error":{..}} */
void openai_failure(struct answer *a, const struct refusal *r);

#endif
