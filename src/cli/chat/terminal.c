/* A person at a terminal: see chat.h. A message is a line; one that ends with a backslash goes on in the next, and """ on a line of
 * its own opens and closes one of many lines. */
#include "cli/chat/chat.h"

#include "cli/chat/line_editor.h"
#include "cli/common/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct message {
    char *text;
    size_t n, cap;
};

static int append(struct message *m, const char *text, size_t n)
{
    if (m->n + n + 2 > m->cap) {
        size_t cap = 2 * (m->n + n + 2);
        char *grown = realloc(m->text, cap);
        if (!grown)
            return -1;
        m->text = grown;
        m->cap = cap;
    }
    memcpy(m->text + m->n, text, n);
    m->n += n;
    m->text[m->n] = 0;
    return 0;
}

static int is_quotes(const char *line, size_t n) { return n == 3 && memcmp(line, "\"\"\"", 3) == 0; }

/* All lines of a message. */
static enum line_read read_message(struct line_editor *e, struct message *m)
{
    char *line;
    size_t n;
    int quoted = 0, more;
    m->n = 0;
    do {
        enum line_read got = line_editor_read(e, m->n || quoted ? "... " : "> ", &line, &n);
        if (got != LINE_READ)
            return quoted || m->n ? LINE_DROPPED : got;
        int toggles = is_quotes(line, n) && (quoted || m->n == 0), joins = !quoted && n > 0 && line[n - 1] == '\\';
        if (!toggles && (append(m, line, n - (size_t)joins) || (quoted || joins ? append(m, "\n", 1) : 0)))
            return LINE_END;
        more = toggles ? !quoted : quoted || joins;
        quoted = toggles ? !quoted : quoted;
    } while (more);
    while (m->n > 0 && m->text[m->n - 1] == '\n')
        m->text[--m->n] = 0;
    return LINE_READ;
}

static int obeyed(struct chat *c, const struct message *m, int *quit)
{
    enum chat_command what = strchr(m->text, '\n') ? CHAT_NO_COMMAND : chat_command(c, m->text);
    *quit = what == CHAT_QUIT;
    return what != CHAT_NO_COMMAND;
}

int chat_terminal(struct chat *c)
{
    struct message m = {0};
    struct line_editor *e = line_editor_open();
    enum line_read got;
    int status = 0, quit = 0;
    if (!e) {
        fprintf(stderr, "stoker: no memory for the line editor\n");
        return 1;
    }
    fprintf(stderr, "/help lists commands, Ctrl-D ends\n");
    while (!quit && (chat_interrupts = 0, got = read_message(e, &m)) != LINE_END)
        if (got == LINE_READ && m.n > 0 && !obeyed(c, &m, &quit))
            status = chat_turn(c, m.text, m.n);
    line_editor_close(e);
    free(m.text);
    return status;
}
