/* Lines typed at a terminal, edited and remembered; where the terminal cannot do that, plain lines. */
#ifndef CLI_CHAT_LINE_EDITOR_H
#define CLI_CHAT_LINE_EDITOR_H

#include <stddef.h>

struct line_editor;

/* Remembers lines in the file at $XDG_STATE_HOME/stoker/history (~/.local/state/stoker/history), if there can be one. NULL: no memory. */
struct line_editor *line_editor_open(void);
void line_editor_close(struct line_editor *e);

enum line_read {
    LINE_READ,
    LINE_DROPPED, /* Ctrl-C on a line with text, or the mark of a paste was edited, as a sentence on stderr says */
    LINE_END
};

/* In what was pasted nothing has a meaning of its own: only what was typed at the beginning and at the end of a line can have one. */
struct line {
    char *text;      /* n bytes and a NUL, without its end, valid until the next call */
    size_t n, typed; /* bytes; those before what was pasted first */
    int ends_pasted; /* what was pasted stands at its end */
    int joined;      /* ended by Alt-Enter: the message goes on */
};

/* What was pasted in brackets stands in the line whole, maybe with line ends; while it is edited a mark may stand for it. The terminal is
 * as it was when this returns, whatever happens. */
enum line_read line_editor_read(struct line_editor *e, const char *prompt, struct line *out);

/* A line typed to answer a question, without its end; free() it. NULL: Ctrl-C, Ctrl-D, or the input has ended. */
char *line_ask(const char *question);
/* 1: the answer is y or yes. */
int line_ask_yes(const char *question);

#endif
