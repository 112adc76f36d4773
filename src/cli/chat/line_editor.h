/* Lines typed at a terminal, edited and remembered; where the terminal cannot do that, plain lines. */
#ifndef CLI_CHAT_LINE_EDITOR_H
#define CLI_CHAT_LINE_EDITOR_H

#include <stddef.h>

struct line_editor;

/* Remembers lines in the file at $XDG_STATE_HOME/stoker/history (~/.local/state/stoker/history), if there can be one. NULL: no memory. */
struct line_editor *line_editor_open(void);
void line_editor_close(struct line_editor *e);

/* *line is valid until the next call, without its end. The terminal is as it was when this returns, whatever happens. */
enum line_read { LINE_READ, LINE_DROPPED /* Ctrl-C on a line with text */, LINE_END };
enum line_read line_editor_read(struct line_editor *e, const char *prompt, char **line, size_t *n);

#endif
