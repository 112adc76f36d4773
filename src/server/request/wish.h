/* What a client wants of the model, whatever dialect said it.
 *
 *     OpenAI's chat                 wish_read_chat(): every field
 *     another dialect of messages   its body rewritten as a chat's, then wish_read_chat()
 *     completions                   wish_read_sampling(), and the tokens of its prompts
 *
 * Who rewrites a body notes where its fields came from (origin.h): refusals name what the client sent. Everything is checked when the
 * wish is read, except what only the template, the tokenizer and the schema compiler know: answer_run() tells that, still before the
 * status line. */
#ifndef SERVER_REQUEST_WISH_H
#define SERVER_REQUEST_WISH_H

#include "server/http/json.h"
#include "server/request/stabilize.h"
#include "stoker.h"

struct server;

enum { WISH_STOPS = 16, WISH_STOP_BYTES = 256, WISH_MESSAGES = 4096, WISH_TOOLS = 256, WISH_CHOICES = 8 };

struct wish_prompt {
    stoker_token *token; /* [n], the room's */
    size_t n;
};

struct wish {
    const json_t *origins; /* of the chat's fields: origin.h; NULL: the body is a chat */
    json_t *places; /* of the messages, where --stabilize took some away, before it did: origin.h; NULL: the same */
    int anthropic;  /* context overflow is told in Anthropic's words: agents look for them */

    /* The prompt. A chat: {"messages", "tools", "reasoning_effort", "enable_thinking", "chat_template_kwargs"} as of stoker_prompt();
     * other members are not looked at. Or tokens, each prompt a choice (n of them). */
    json_t *chat;
    const char *body; /* [n_body] the text of chat, where it is at hand as it came; else NULL */
    size_t n_body;
    struct wish_prompt *prompt; /* [n_prompt], the room's */
    size_t n_prompt;

    int n;          /* choices a prompt, from 1 */
    int max_tokens; /* 0: the room that is left */
    struct stoker_sampling sampling;
    struct stoker_logit_bias *bias; /* [n_bias], the room's: those of sampling */
    size_t n_bias;
    struct stoker_string stop[WISH_STOPS]; /* [n_stop], of a body that lives on */
    size_t n_stop;
    int ignore_end, no_cache;

    uint64_t prefix_key;                  /* of the chat: prefix_key.h */
    unsigned stabilized[STABILIZE_RULES]; /* uses of --stabilize's rules on the chat */

    /* What the answer may hold; tools and schema as JSON in texts of their own. prompt and stop are answer_run()'s. */
    struct stoker_reply_options reply;
    struct out tools_text, schema_text;

    int stream, wants_progress, include_usage;
    int logprobs, top_logprobs; /* 0: no; how many alternatives */
};

/* A refusal of the chat's fields as one of what the client sent. */
void wish_rename(const struct wish *w, struct refusal *r);

/* All fields of OpenAI's chat but model. body and text must live as long as w; text: of body, or NULL if body was rewritten. Changes
 * body, by --stabilize. w is zeroed, or has its origins. -1: *r. */
int wish_read_chat(struct wish *w, const struct server *s, json_t *body, const char *text, size_t n, struct refusal *r);

/* Of these only what answer_prompt() needs: messages, tools, what the template is told. */
int wish_read_prompt(struct wish *w, const struct server *s, json_t *body, const char *text, size_t n,
                     struct refusal *r);

/* The fields about sampling, limits and the stream, for dialects that have OpenAI's names for them: temperature top_p min_p top_k
 * presence_penalty frequency_penalty repeat_penalty seed logit_bias max_tokens max_completion_tokens stop n stream stream_options
 * return_progress cache_prompt ignore_eos. Without them the server's defaults. */
int wish_read_sampling(struct wish *w, const struct server *s, const json_t *body, struct refusal *r);

/* What the answer must be, for prompts without a template: response_format, close_at_limit. */
int wish_read_answer(struct wish *w, const struct server *s, const json_t *body, struct refusal *r);

void wish_free(struct wish *w);

#endif
