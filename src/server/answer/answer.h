/* From a request to an answer: the part of generation that all dialects share.
 *
 *     dialect    body -> struct request
 *     core       prompt, context check, requests to the engine, events of all choices joined, the client watched   (answer*.c)
 *     dialect    writes each event in its own form: struct dialect_events
 *
 * A stream and a whole answer are made from the same events: the pieces of a stream, joined, are what is in struct choice when it ends, so
 * the joined stream equals the whole answer.
 *
 *     stream     prepared  begin  (scored | reasoning | content | call (arguments)* call_end | lookup | progress | silence)*
 *                choice_end, for each choice  end
 *                ... failure instead, at any place behind begin or silence: then nothing more
 *     whole      prepared  whole (but see whole_in_pieces)
 *
 * Callbacks write into a->out; the core sends it when there is nothing more to take from the engine. They run in the exchange's
 * thread, one at a time; events of several choices come mixed. What they are given lives as long as the answer; text is valid during the
 * call only. */
#ifndef SERVER_ANSWER_ANSWER_H
#define SERVER_ANSWER_ANSWER_H

#include "server/http/http.h"
#include "server/request/request.h"

enum finish { FINISH_STOP, FINISH_LENGTH, FINISH_CALLS };

enum { CALL_ID = 32, STEER_DIGITS = 16 };

struct call {
    char id[CALL_ID];     /* "call_" and 24 letters and digits; a dialect may send another prefix and the same rest */
    const char *name;     /* NUL behind */
    struct out arguments; /* JSON so far; whole once ended */
    int ended;
};

/* A sampled token, for answers that want to know how likely it was. */
struct answer_token {
    struct stoker_logprob likely, *top; /* likely: of the token itself; top: [n_top] likeliest first */
    size_t n_top;
};

/* How likely a prompt's tokens were. */
struct answer_scores {
    struct stoker_score *score; /* [n] tokens of the prompt; nothing of the first */
    struct stoker_logprob *top; /* [n][request.top_scores] likeliest first */
    int whole;                  /* 1: they are all there */
};

/* What was recorded, while it is: the tensors of its target, in memory or in a file. */
struct answer_capture {
    struct stoker_capture how;    /* as the engine has it */
    struct stoker_tensor *tensor; /* [n_tensor] of how.n_rows positions */
    size_t n_tensor;
    uint64_t bytes; /* of the tensors; of a file, and its header, so many are taken of the disk */
    int64_t from;   /* the first position */
    size_t n;       /* positions that were recorded, once the answer has ended */
};

/* One answer, so far. */
struct choice {
    size_t index;
    struct out reasoning, content;
    struct call **call; /* [n_call] */
    size_t n_call;
    size_t n_generated, n_reasoning; /* tokens: all of them, with the end token if it was sampled; of reasoning */
    struct answer_token
        *token; /* [n_token], if the request asks for logprobs: without the end token, unless the request lists it */
    size_t n_token, n_sent; /* n_sent: how many of them the dialect has sent: its own field */

    /* once it has ended */
    int ended;
    enum finish finish;
    const struct stoker_string *stop; /* that ended it, or NULL */
    int parse_error;                  /* it held a call block that does not parse */
    void *own;                        /* the dialect's */
};

struct answer {
    const struct request *request;
    struct http_exchange *http;
    struct server *server;
    struct stoker *engine;
    void *own;       /* the dialect's */
    struct out out;  /* what is to be sent */
    int64_t created; /* seconds since 1970 */

    struct choice *choice; /* [n_choice] by prompt, then by choice */
    size_t n_choice;
    const struct request_prompt *prompt; /* [n_choice / request.n] */
    char steer[STEER_DIGITS + 1];        /* what tells apart how it is steered; "": it is not */
    struct answer_scores *scores;        /* beside prompt; NULL: not asked for */
    struct answer_capture *capture;      /* NULL: nothing is recorded */
    size_t n_prompt, n_cached;       /* tokens: P; K. Of several choices of a prompt counted once. K from begin on */
    size_t n_generated, n_reasoning; /* of all choices so far */
    size_t n_drafted,
        n_accepted; /* likewise, of those that ended: tokens that were drafted; of these, what was chosen */
    size_t n_predicted, n_predicted_accepted; /* of these, those of the request's prediction */
    uint64_t seed;                            /* once all have ended: of choice 0 */
    double prompt_seconds, generate_seconds;  /* likewise */
    size_t progress_done;                     /* prompt tokens done, cached ones included: at the last progress event */
    double progress_seconds;                  /* since the prompt began */
};

/* A call that the server runs itself, before it runs, while it does, and when it has run. */
struct lookup {
    const char *name, *text; /* text: [n_text] what it was called with, as the model wrote it */
    size_t n_text;
    const json_t *arguments; /* the same; NULL: no JSON */
    const char *server;      /* the MCP server that has the tool, "" of search_tools; NULL: it is the library's */
    const char *progress;    /* how far the server says that it is; NULL: it says nothing now */
    int is_done;
    const struct library_found *found; /* [n_found] once it is done: passages of request->own->talk */
    size_t n_found;
    const char *result; /* [n_result] likewise: what the model is given, in which their texts are */
    size_t n_result;
};

/* What a dialect does with events. Those marked * may be NULL. */
struct dialect_events {
    const char *stream_type; /* "text/event-stream" */
    int whole_in_pieces; /* 1: whole answers get the events of pieces too, to know their order; what these write is dropped */
    int (*prepared)(struct answer *a);  /* * its prompts are known, before all others; -1: there is no memory */
    void (*begin)(struct answer *a);    /* the prompt is being read */
    void (*progress)(struct answer *a); /* * prompt rows done; only if the request wants it */
    void (*scored)(struct answer *a, size_t prompt); /* * behind begin: the scores of a prompt are whole */
    size_t (*scores_bytes)(const struct answer *a);  /* * about so many take the scores as they are sent at once */
    void (*reasoning)(struct answer *a, struct choice *c, const char *text, size_t n);
    void (*content)(struct answer *a, struct choice *c, const char *text, size_t n);
    void (*call)(struct answer *a, struct choice *c, struct call *call); /* it has its id and name */
    void (*arguments)(struct answer *a, struct choice *c, struct call *call, const char *text, size_t n);
    void (*call_end)(struct answer *a, struct choice *c, struct call *call); /* * */
    /* * between two rounds of a choice (rounds.c); told of whole answers as pieces are */
    void (*lookup)(struct answer *a, const struct lookup *l);
    void (*choice_end)(struct answer *a, struct choice *c);
    void (*end)(struct answer *a); /* all choices have ended: the end of the stream */
    /* * nothing was sent for 5 s, or 1 s at the start, maybe before begin; NULL: ": ping" */
    void (*silence)(struct answer *a);
    void (*failure)(struct answer *a, const struct refusal *r); /* the stream breaks off */
    void (*whole)(struct answer *a);                            /* the whole answer, as JSON, into a->out */
};

/* Answers x by w, or refuses. Returns when the client has its answer, or is gone. own: for a->own. All of them are the caller's. */
void answer_run(struct http_exchange *x, const struct dialect_events *d, const struct request *w, void *own);

int answer_nobody_waits(void *exchange); /* 1: the client is gone, or the server stops */

int answer_all_ended(const struct answer *a); /* 1: all choices have ended */

/* ,"activations":{..}: what was recorded, of an answer that tells it; nothing else. capture.c */
void answer_activations(struct out *o, const struct answer *a);

/* The prompt of a request with a chat as the model reads it, by the server's rules (--stabilize, --think): for counting and showing. Sets
 * headers about what was changed. -1: *r. stoker_prompt_free() it. */
int answer_prompt(struct http_exchange *x, const struct request *w, struct stoker_prompt *out, struct refusal *r);

#endif
