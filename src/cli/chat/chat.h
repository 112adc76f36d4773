/* A conversation with a model, for `stoker run`: what a person says in, an answer on stdout.
 *
 *   cmd_run.c      flags; one prompt, or lines of stdin
 *   chat.c         a turn: prompt, events, calls and their results
 *   show.c         what an answer looks like: text, dimmed reasoning, JSON, statistics
 *   terminal.c, command.c               lines edited on a terminal, and what begins with a slash
 *
 * The answer goes to stdout as it comes, everything else to stderr. Earlier turns stay in the sequence: only what is new of the
 * conversation is computed. */
#ifndef CLI_CHAT_CHAT_H
#define CLI_CHAT_CHAT_H

#include "cli/chat/tools.h"
#include "stoker.h"

#include <signal.h>
#include <stddef.h>

struct json_t;

struct chat {
    struct stoker *engine;
    struct stoker_request request; /* sampling and limits; prompt and constraint are filled per turn */
    struct json_t *message;        /* the conversation so far: OpenAI's messages */
    struct cli_tools tools;
    struct stoker_reply_options reply; /* prompt is filled per turn */
    int n_call;                        /* calls so far, for their ids */
    int json, stats;
    const char *think; /* "on", "off"; NULL: as the template has it */
};

/* The system message, in front; NULL or empty: none. -1: no memory, or the text is not UTF-8. */
int chat_system(struct chat *c, const char *text);

/* A turn: what the person says, the answer, its calls. 0, or the exit status of a failure, after a sentence; then the turn was
 * never said. */
int chat_turn(struct chat *c, const char *text, size_t n);

/* The answer to the last thing said once more, as another choice of its seed. -1: nothing was said. */
int chat_retry(struct chat *c);

/* Ctrl-C: counted; it ends the answer, and a second one before the count is 0 again the program. A program that a signal ends leaves
 * no dim terminal. */
extern volatile sig_atomic_t chat_interrupts;
void chat_catch_signals(void);

/* ---- showing an answer (show.c) --------------------------------------------------------------------------------------- */

struct chat_shown {
    int quiet, terminal;
    int any;  /* something was shown */
    int lost; /* errno: nobody reads on, or the disk is full */
};
void show_piece(struct chat_shown *s, const struct stoker_piece *p);
void show_end(struct chat_shown *s); /* of its text */
/* Ends dimming, from a signal handler. */
void show_plain(void);

/* A token and the likeliest at its place, as OpenAI's logprobs have them; NULL: no memory. */
struct json_t *logprob_json(const struct stoker *s, const struct stoker_event *token);
/* The answer as one line. logprobs may be NULL; stop: the stop string that ended it, or NULL. */
void print_answer_json(const struct json_t *message, const struct json_t *logprobs, const struct stoker_string *stop,
                       const struct stoker_event *end);
void print_answer_stats(const struct chat *c, const struct stoker_stats *before, const struct stoker_event *end);

/* ---- a person at a terminal ------------------------------------------------------------------------------------------------- */

/* Chat with line editing until the person ends it. Returns the exit status. */
int chat_terminal(struct chat *c);

enum chat_command { CHAT_NO_COMMAND, CHAT_COMMAND_DONE, CHAT_QUIT };
/* A line that begins with a slash and a word is a command, and is obeyed. */
enum chat_command chat_command(struct chat *c, const char *line);

#endif
