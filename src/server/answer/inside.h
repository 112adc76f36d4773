/* An answer at work, as its files share it:
 *
 *     prepare.c           the request -> prompts as tokens, replies that take the answers apart
 *     answer.c            requests to the engine, the client, the end
 *     capture.c           what is recorded meanwhile: its target, the file or the text that is made of it
 *     rounds.c            calls that the server runs itself, and the answer that goes on with their results
 *     events.c            what the engine tells of a choice -> pieces, for struct choice and the dialect
 *
 * All of it is one thread's, the exchange's. */
#ifndef SERVER_ANSWER_INSIDE_H
#define SERVER_ANSWER_INSIDE_H

#include "server/answer/answer.h"
#include "server/request/resume_points.h"

struct run;

/* One choice with its request and its reply. */
struct task {
    struct run *run;
    struct choice *choice;
    const struct request_prompt *prompt; /* of its own, or the chat's */
    struct stoker_reply *reply;          /* from its being submitted to its end */
    struct stoker_logprob *end_top;      /* [request.top_logprobs] of its end token, where the request lists that */
    stoker_id id;
    int submitted, live; /* live: its last event was not taken yet */
    int over;            /* the reply has seen the end: what else comes is not looked at */
    size_t mark;         /* tokens when the last piece came: those behind it belong to the next */
    size_t n_cached;
    size_t n_accepted, n_predicted_accepted; /* drafts among the tokens of its reply; by the request's prediction */
    int is_own_call;                         /* what comes is of a call that the server runs itself */
};

struct run {
    struct answer a;
    const struct dialect_events *say;
    struct request_prompt chat; /* of a request with a chat */
    struct stoker_sampling sampling;
    size_t snapshot_at[RESUME_POINTS], n_snapshot;
    struct task *task; /* [a.n_choice] */
    struct refusal refusal;
    int undecided;     /* biases may leave no first token, which the first event tells: a stream is not opened before */
    int begun, failed; /* begin() was called; failure() must be, with refusal */
    int disconnected;  /* the client */
    int round, wants_round;                     /* from 0; 1: the choice has ended with calls of ours, and goes on */
    int n_own_call, max_tokens;                 /* max_tokens: what earlier rounds left of them; 0: no limit */
    size_t n_generated_before, n_prompt_before; /* tokens of earlier rounds */
    double submitted, first_token, last_write;  /* seconds of the clock; first_token 0: none yet */
};

/* prepare.c. Prompts, choices, a task for each; a reply of the first, the others' when they are submitted: a thousand choices
 * may be asked for, and few run at a time. -1: run->refusal. */
int answer_prepare(struct run *run);
int answer_open_reply(struct task *t);
int answer_may_be_cut(const struct request *w);
int answer_render(struct run *run);              /* the conversation as it is now, into run->chat. -1: run->refusal */
int answer_client_left(struct http_exchange *x); /* whether it was the client */

/* rounds.c. The choice has ended with calls of ours: they run, and a reply waits to be submitted, or the choice has ended. -1:
 * run->refusal, or the client has left. */
int answer_next_round(struct run *run);
int answer_is_last_round(const struct run *run);

/* answer.c */
void answer_send(struct run *run);
void answer_break_silence(struct run *run);

/* capture.c. Lays out what is recorded, and finds memory or a file for it. -1: run->refusal. */
int answer_capture_prepare(struct run *run);
void answer_capture_ended(struct task *t, size_t n_captured);
void answer_capture_send(struct run *run); /* the file as the whole answer, or a refusal */
void answer_capture_free(struct run *run);

/* events.c */
void answer_event(struct task *t, const struct stoker_event *e);
void answer_piece(void *task, const struct stoker_piece *p); /* what its reply tells meanwhile */
void answer_open_stream(struct run *run);                    /* unless it is open, or no stream is asked for */
int answer_no_memory(struct run *run);                       /* the answer fails; returns -1 */

#endif
