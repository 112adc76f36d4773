/* A conversation with a model, for `stoker run`: messages of a person in, answers on stdout.
 *
 *   cmd_run.c              flags; one prompt, or lines of stdin
 *   prompt.c               one prompt: -p, files, stdin
 *   chat.c                 a turn: prompt, events, calls and their results
 *   saved.c                conversations in files, and those that have a name
 *   tools.c                tools that the model may call: of a file, of the library, of MCP servers
 *   servers.c              MCP servers: started and named, and who is asked
 *   show.c                 what an answer looks like: text, dimmed reasoning, JSON, statistics
 *   wrap.c                 lines of it, broken between words
 *   terminal.c             a person's messages, of one line or many
 *   line_editor.c, paste.c a line edited on a terminal, and what is pasted into it
 *   command.c              what begins with a slash
 *
 * The answer goes to stdout as it comes, everything else to stderr. Earlier turns stay in the prefix cache: only what is new of the
 * conversation is computed. All by one thread; failures are reported on stderr by one sentence. */
#ifndef CLI_CHAT_CHAT_H
#define CLI_CHAT_CHAT_H

#include "base/json/buffer.h"
#include "cli/chat/saved.h"
#include "cli/chat/tools.h"
#include "cli/chat/wrap.h"
#include "stoker.h"

#include <signal.h>
#include <stddef.h>

struct json_t;

struct chat {
    struct stoker *engine;
    struct stoker_request request; /* sampling and limits; prompt and constraint are filled per turn */
    struct json_t *message;        /* the conversation so far: an array of OpenAI's messages, the caller's to decref */
    struct cli_tools tools;
    struct buffer attached;            /* files that go before the next message */
    struct stoker_reply_options reply; /* prompt is filled per turn */
    struct conversation conversation;  /* where the conversation is kept; none: its path is empty */
    int can_keep;                      /* 1: the engine keeps computed prefixes in files when asked */
    int n_call;                        /* calls so far, for their ids */
    int round;                         /* answers of this turn whose calls ran unasked */
    int has_commands;                  /* 1: a person types, who can be told of commands */
    int json;                          /* 1: answers as JSON */
    int no_wrap;                       /* 1: long lines of answers are the terminal's to break */
    int stats;                         /* after each answer: 0 nothing, 1 speed and memory, 2 all counters */
    int named_types;                   /* statistics have named the types without fast kernels */
    const char *think;                 /* "on", "off"; NULL: as the template has it */
};

/* Makes text, which ends in NUL, the system message, in front; NULL or empty: none. -1: no memory, or the text is not UTF-8. */
int chat_system(struct chat *c, const char *text);

/* 1: the conversation begins with a system message; else 0. */
size_t chat_has_system(const struct chat *c);

/* A turn: the person's message of n bytes, the answer, its calls. 0, or the exit status of a failure, after a sentence; then the
 * conversation is as it was before, and what was attached still is. */
int chat_turn(struct chat *c, const char *text, size_t n);

/* Answers the person's last message once more, as another choice of its seed. As chat_turn(); -1: there is no message. */
int chat_retry(struct chat *c);

/* Ctrl-C is counted here: it ends the answer, and a second one before the count is 0 again ends the program. chat_catch_signals() also
 * ends dimming where a signal ends the program. */
extern volatile sig_atomic_t chat_interrupts;
void chat_catch_signals(void);
int chat_is_interrupted(void *arg); /* 1: it was counted; arg is not used */

/* ---- showing an answer (show.c) --------------------------------------------------------------------------------------- */

struct chat_shown {
    int quiet, terminal; /* 1: nothing is shown; stdout is a terminal */
    int wraps;           /* 1: lines are broken between words */
    int any;             /* 1: something was shown */
    int lost;            /* errno of writing to stdout: nobody reads it any more, or the disk is full; 0: none */
    int typed;           /* bytes of lines that were typed ahead */
    struct wrap wrap;
};
/* Writes a piece to stdout, to a terminal with U+FFFD for each control character; failures go to s->lost. */
void show_piece(struct chat_shown *s, const struct stoker_piece *p);
void show_end(struct chat_shown *s); /* ends dimming: after the last piece of an answer */
/* Ends dimming; may be called from a signal handler. */
void show_plain(void);

/* The token of an event and the likeliest tokens in its place, as OpenAI's logprobs have them: a new reference; NULL: no memory. */
struct json_t *logprob_json(const struct stoker *s, const struct stoker_event *token);
/* Writes the answer to stdout as one line. logprobs may be NULL; stop: the stop string that ended it, or NULL; sources: members that say
 * what it cites, or NULL. */
void print_answer_json(const struct json_t *message, const struct json_t *logprobs, const struct json_t *sources,
                       const struct stoker_string *stop, const struct stoker_event *end);
/* Writes a line for each source of the list that tools_sources() makes. */
void print_sources(const struct json_t *list);
/* Writes the figures of an answer to stderr; before, behind_prompt: the engine's when it began, and when its first token came. */
void print_answer_stats(struct chat *c, const struct stoker_stats *before, const struct stoker_stats *behind_prompt,
                        const struct stoker_event *end);

/* ---- a person at a terminal ------------------------------------------------------------------------------------------------- */

/* Chat with line editing until the person ends it. Returns the exit status. */
int chat_terminal(struct chat *c);

enum chat_command { CHAT_NO_COMMAND, CHAT_COMMAND_DONE, CHAT_QUIT };
/* Runs a message that begins with a slash and a word as a command; one of several lines if the word names a command. CHAT_NO_COMMAND: it is
 * none; CHAT_QUIT: the chat ends. */
enum chat_command chat_command(struct chat *c, const char *message);

enum { CHAT_COMMANDS_MOST = 32 };
/* Command i without its slash, of those that /help lists; NULL behind the last. */
const char *chat_command_name(size_t i);
/* 1: its argument is a path. */
int chat_command_takes_path(const char *name, size_t n);

#endif
