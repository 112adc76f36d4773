/* A person at a terminal: see chat.h. A message is a line. One that ends with a backslash, or by Alt-Enter, goes on in the next; """ at
 * the beginning or the end of a line opens a text of many lines, and closes it. In what was pasted nothing of this has a meaning. */
#include "cli/chat/chat.h"

#include "cli/chat/line_editor.h"
#include "cli/common/flags.h"

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

#define QUOTES "\"\"\""
enum { N_QUOTES = 3 };

static int begins_with_quotes(const char *line, size_t n)
{
    return n >= N_QUOTES && memcmp(line, QUOTES, N_QUOTES) == 0;
}
static int ends_with_quotes(const char *line, size_t n)
{
    return n >= N_QUOTES && memcmp(line + n - N_QUOTES, QUOTES, N_QUOTES) == 0;
}

/* Takes marks of quotes off a line, and the backslash at its end. 1: the message goes on. */
static int take_marks(char **line, size_t *n, int *quoted)
{
    for (int side = 0; side < 2; side++) {
        int is_mark = side == 0 ? begins_with_quotes(*line, *n) : ends_with_quotes(*line, *n);
        if (!is_mark)
            continue;
        *quoted = !*quoted;
        *line += side == 0 ? N_QUOTES : 0;
        *n -= N_QUOTES;
    }
    int joins = !*quoted && *n > 0 && (*line)[*n - 1] == '\\';
    *n -= (size_t)joins;
    return *quoted || joins;
}

/* All lines of a message. */
static enum line_read read_message(struct line_editor *e, struct message *m)
{
    char *line;
    size_t n;
    int quoted = 0, more = 0;
    m->n = 0;
    do {
        enum line_read got = line_editor_read(e, more ? "... " : "> ", &line, &n);
        if (got == LINE_DROPPED || got == LINE_END)
            return more ? LINE_DROPPED : got;
        more = got == LINE_PASTED ? quoted : take_marks(&line, &n, &quoted);
        more |= got == LINE_JOINED;
        if (append(m, line, n) || append(m, "\n", 1))
            return LINE_END;
    } while (more);
    while (m->n > 0 && m->text[m->n - 1] == '\n')
        m->text[--m->n] = 0;
    size_t empty = strspn(m->text, "\n"); /* quotes alone on the first line */
    memmove(m->text, m->text + empty, m->n - empty + 1);
    m->n -= empty;
    return LINE_READ;
}

static int obeyed(struct chat *c, const struct message *m, int *quit)
{
    enum chat_command what = strchr(m->text, '\n') ? CHAT_NO_COMMAND : chat_command(c, m->text);
    *quit = what == CHAT_QUIT;
    return what != CHAT_NO_COMMAND;
}

/* What one talks to. */
static void greet(const struct chat *c)
{
    struct stoker_plan plan;
    stoker_plan_of(c->engine, &plan);
    const char *slash = strrchr(plan.model, '/');
    fprintf(stderr, "%s (%s), context %d, memory %s. /help lists commands, Ctrl-D ends\n",
            slash ? slash + 1 : plan.model, plan.arch, plan.n_ctx, show_bytes(plan.total));
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
    greet(c);
    while (!quit && (chat_interrupts = 0, got = read_message(e, &m)) != LINE_END)
        if (got == LINE_READ && m.n > 0 && !obeyed(c, &m, &quit))
            status = chat_turn(c, m.text, m.n);
    line_editor_close(e);
    free(m.text);
    return status;
}
