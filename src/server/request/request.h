/* What a client asks of the model, in whatever dialect.
 *
 *     OpenAI's chat                 request_read_chat(): every field
 *     another dialect of messages   its body rewritten as a chat's, then request_read_chat()
 *     completions                   request_read_sampling(), and the tokens of its prompts
 *
 * Who rewrites a body notes where its fields came from (origin.h): refusals name what the client sent. Everything is checked when the
 * request is read, except what only the template, the tokenizer and the schema compiler know: answer_run() refuses that, still before the
 * status line. Functions return 0, or -1 with *r filled, in the words of the client's body. */
#ifndef SERVER_REQUEST_REQUEST_H
#define SERVER_REQUEST_REQUEST_H

#include "server/http/json.h"
#include "server/request/capture.h"
#include "server/request/stabilize.h"
#include "server/request/steer.h"
#include "stoker.h"

struct server;

enum {
    REQUEST_STOPS = 16,
    REQUEST_STOP_BYTES = 256,
    REQUEST_MESSAGES = 4096,
    REQUEST_TOOLS = 256,
    REQUEST_CHOICES = 8,
    REQUEST_SCHEMA = 1 << 20 /* bytes; what the schema's compiler takes (text/schema/schema.h) */
};

struct request_prompt {
    stoker_token *token; /* [n], the request's (base/reqmem.h) */
    size_t n;
    size_t
        score_from; /* where scores of it are wanted: the first token that gets one; 0: all but the very first, which has none */
};

struct request {
    const json_t *origins; /* of the chat's fields: origin.h; NULL: the body is a chat */
    json_t *places; /* of the messages, where --stabilize took some away, before it did: origin.h; NULL: the same */
    /* 1: nobody waits for the answer any more; asked while tools of the server are made ready. NULL: somebody does. The caller's, set
     * before the request is read. */
    int (*stopped)(void *arg);
    void *stopped_arg;
    int anthropic; /* 1: a prompt too long for the context is refused in Anthropic's words: agents look for them */

    /* The prompt. A chat: {"messages", "tools", "reasoning_effort", "enable_thinking", "chat_template_kwargs"} as of stoker_prompt();
     * other members are not looked at. Or tokens, each prompt a choice (n of them). */
    json_t *chat;
    const char *body; /* [n_body] the text of chat, where it is at hand as it came; else NULL */
    size_t n_body;
    struct request_prompt *prompt; /* [n_prompt], the request's (base/reqmem.h) */
    size_t n_prompt;
    struct request_prompt prediction; /* of the answer, or nothing; likewise */

    int n;          /* choices a prompt, from 1 */
    int max_tokens; /* 0: what the context has left */
    struct stoker_sampling sampling;
    struct stoker_logit_bias *bias; /* [n_bias], the request's (base/reqmem.h): those of sampling */
    size_t n_bias;
    struct stoker_string stop[REQUEST_STOPS]; /* [n_stop], of a body that lives on */
    size_t n_stop;
    int ignore_end, no_cache;       /* as in struct stoker_request */
    struct steer_list *steer;       /* the request's (base/reqmem.h); NULL: none */
    struct own_tools *own;          /* what the server runs for it (own_tools.h), likewise */
    struct capture_wanted *capture; /* likewise */
    int capture_to_file;            /* 1: the answer is a file of what was recorded; 0: it is told in the answer */

    uint64_t prefix_key;                  /* of the chat: prefix_key.h */
    unsigned stabilized[STABILIZE_RULES]; /* uses of --stabilize's rules on the chat */

    /* What the answer may hold; tools and schema as JSON in texts of their own. prompt and stop are answer_run()'s. */
    struct stoker_reply_options reply;
    struct out tools_text, schema_text;

    int stream, wants_progress, include_usage; /* 1: asked for */
    int logprobs, top_logprobs;                /* 1: asked for; how many alternatives */
    int lists_end; /* 1: log-probabilities of an end token that was sampled too: who counts tokens of prompt and answer in one list
                    * counts that one */

    /* Of the prompt's tokens. max_tokens 0 is allowed where something of the prompt is told: then nothing is generated. */
    int prompt_logprobs, top_prompt_logprobs; /* the field of that name: 1: asked for; how many alternatives */
    int scores, top_scores;                   /* what the engine is asked for: the same, or more */
    int may_score_only, only_score;
};

/* The field that the answer's constraint is made of; NULL: there is none. */
const char *request_constraint_field(const struct request *w);

/* Makes a refusal of the chat's fields one of what the client sent. */
void request_rename(const struct request *w, struct refusal *r);

/* All fields of OpenAI's chat but model. body and text must live as long as w; text: of body, or NULL if body was rewritten. Changes
 * body, by --stabilize. w is zeroed, but for origins and
 * stopped. -1: *r. */
int request_read_chat(struct request *w, struct server *s, json_t *body, const char *text, size_t n, struct refusal *r);

/* Of these only what answer_prompt() needs: messages, tools, what the template is told. */
int request_read_prompt(struct request *w, const struct server *s, json_t *body, const char *text, size_t n,
                        struct refusal *r);

/* The fields about sampling, limits and the stream, for dialects that have OpenAI's names for them: temperature top_p min_p top_k
 * presence_penalty frequency_penalty repeat_penalty seed logit_bias max_tokens max_completion_tokens stop n stream stream_options
 * return_progress cache_prompt ignore_eos steer control_vectors capture. Without them the server's defaults. */
int request_read_sampling(struct request *w, struct server *s, const json_t *body, struct refusal *r);

/* The field prompt_logprobs, before the sampling: OpenAI's chat and completions have it. */
int request_read_scores(struct request *w, const json_t *body, struct refusal *r);

/* What the answer must be, for prompts without a template: response_format, close_at_limit. */
int request_read_answer(struct request *w, const struct server *s, const json_t *body, struct refusal *r);

/* Frees what w holds and zeroes it; a zeroed w is fine. */
void request_free(struct request *w);

#endif
