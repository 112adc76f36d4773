/* Conversations in files: a JSON array of OpenAI's messages. One that has a name (--session) is read when the chat begins and written
 * after each answer; only one chat at a time has it. */
#ifndef CLI_CHAT_SAVED_H
#define CLI_CHAT_SAVED_H

#include <limits.h>
#include <stddef.h>
#include <stdio.h>

struct chat;

/* The file's conversation in place of c's, which is put aside if it has a name. -1: it stays as it was, and a sentence is on stderr. */
int saved_read(struct chat *c, const char *path);

/* Writes c's conversation; what was in a regular file stays there until the new one is whole. A new file is the user's alone. -1: after a
 * sentence on stderr. */
int saved_write(const struct chat *c, const char *path);

struct conversation {
    char path[PATH_MAX]; /* empty: none is open */
    int lock;            /* descriptor of the file beside it */
    int is_behind;       /* 1: its file lacks what was said, for it could not be written */
};

/* Opens the one of this name, new if there is none yet, and puts its messages into c. 0, or the exit status of a failure after a
 * sentence on stderr; then conversation_close() has nothing to do. */
int conversation_open(struct conversation *s, struct chat *c, const char *name);
/* Writes c's conversation into it; nothing where nothing was said and no file is there. A failure is said on stderr. */
void conversation_write(struct conversation *s, struct chat *c);
/* Where c's has a name and somebody said something, what is in its file goes into a new file beside it, whose path is told on stderr: the
 * conversation may begin anew. -1: it stays where it is, after a sentence on stderr. */
int conversation_put_aside(const struct chat *c);
void conversation_close(struct conversation *s);
/* Removes the one of this name and what was put aside of it, unless a chat has it open. The exit status; a failure is said on stderr. */
int conversation_forget(const char *name);

/* A line for each that is kept, the one of last use first: name, messages, when, how it begins. Where there is none, a sentence on
 * stderr. The exit status. */
int conversations_list(FILE *f);
/* What a message says, on one line: cut after n - 1 bytes, with "..." then. "": nothing, or not as text. */
struct json_t;
void message_in_short(char *out, size_t n, const struct json_t *message);

#endif
