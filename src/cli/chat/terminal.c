/* A person at a terminal: see chat.h. A message is a line. One that ends with a backslash, or by Alt-Enter, goes on in the next; """ at
 * the beginning of a line, behind the name of a command or at the end of a line opens a text of many lines, and closes it. What was pasted
 * has none of these meanings, and a message that begins with it, or with quotes, is no command. */
#include "cli/chat/chat.h"

#include "cli/chat/line_editor.h"
#include "cli/common/flags.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct typed {
    char *text;
    size_t n, cap;
    int is_text; /* no command, whatever it begins with */
};

static int append(struct typed *m, const char *text, size_t n)
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

static int has_quotes(const struct line *l, size_t at)
{
    return l->typed >= at + N_QUOTES && memcmp(l->text + at, QUOTES, N_QUOTES) == 0;
}

/* Where a text may begin: at the beginning of a line, or behind the name of a command. */
static size_t begin_of_text(const struct line *l)
{
    static const char two[] = "/set system "; /* as ollama calls /system */
    size_t name = *l->text != '/' ? 0 : strncmp(l->text, two, sizeof two - 1) ? strcspn(l->text, " ") : sizeof two - 1;
    return name + strspn(l->text + name, " ");
}

static int ends_with_quotes(const struct line *l)
{
    return l->n >= N_QUOTES && memcmp(l->text + l->n - N_QUOTES, QUOTES, N_QUOTES) == 0;
}

/* Takes marks of quotes off a line, and the backslash at its end, where they were typed. 1: the message goes on. */
static int take_marks(struct line *l, int *quoted)
{
    size_t at = *quoted ? 0 : begin_of_text(l);
    if (has_quotes(l, at)) {
        *quoted = !*quoted;
        memmove(l->text + at, l->text + at + N_QUOTES, l->n - at - N_QUOTES + 1);
        l->n -= N_QUOTES;
    }
    if (l->ends_pasted)
        return *quoted;
    if (ends_with_quotes(l)) {
        *quoted = !*quoted;
        l->n -= N_QUOTES;
    }
    int joins = !*quoted && l->n > 0 && l->text[l->n - 1] == '\\';
    l->n -= (size_t)joins;
    return *quoted || joins;
}

/* All lines of a message. */
static enum line_read read_message(struct line_editor *e, struct typed *m)
{
    struct line line;
    int quoted = 0, more = 0;
    m->n = 0;
    do {
        enum line_read got = line_editor_read(e, more ? "... " : "> ", &line);
        if (got != LINE_READ)
            return more ? LINE_DROPPED : got;
        if (!more)
            m->is_text = line.typed == 0 || has_quotes(&line, 0);
        more = take_marks(&line, &quoted) | line.joined;
        if (append(m, line.text, line.n) || append(m, "\n", 1))
            return LINE_END;
    } while (more);
    while (m->n > 0 && m->text[m->n - 1] == '\n')
        m->text[--m->n] = 0;
    size_t empty = strspn(m->text, "\n"); /* quotes alone on the first line */
    memmove(m->text, m->text + empty, m->n - empty + 1);
    m->n -= empty;
    return LINE_READ;
}

static int obeyed(struct chat *c, const struct typed *m, int *quit)
{
    enum chat_command what = m->is_text ? CHAT_NO_COMMAND : chat_command(c, m->text);
    *quit = what == CHAT_QUIT;
    return what != CHAT_NO_COMMAND;
}

/* Where one left off: the last message, and what was answered. */
static void show_last(const struct chat *c)
{
    char text[300];
    size_t n = json_array_size(c->message);
    for (size_t i = n > 2 ? n - 2 : 0; i < n; i++) {
        const json_t *m = json_array_get(c->message, i);
        const char *role = json_string_value(json_object_get(m, "role"));
        message_in_short(text, sizeof text, m);
        if (text[0] && role && strcmp(role, "system") != 0)
            fprintf(stderr, "  %s: %s\n", strcmp(role, "user") == 0 ? "you" : "assistant", text);
    }
}

/* What one talks to. */
static void greet(const struct chat *c)
{
    struct stoker_plan plan;
    stoker_plan_of(c->engine, &plan);
    const char *slash = strrchr(plan.model, '/');
    fprintf(stderr, "%s (%s), context %d, memory %s. /help lists commands, Ctrl-D ends\n",
            slash ? slash + 1 : plan.model, plan.arch, plan.n_ctx, show_bytes(plan.total));
    size_t n = json_array_size(c->message);
    if (*c->conversation.path && n > 0) {
        fprintf(stderr, "%zu message%s so far %s in %s\n", n, n == 1 ? "" : "s", n == 1 ? "is" : "are",
                c->conversation.path);
        show_last(c);
    } else if (*c->conversation.path)
        fprintf(stderr, "a new conversation, kept in %s\n", c->conversation.path);
}

int chat_terminal(struct chat *c)
{
    struct typed m = {0};
    struct line_editor *e = line_editor_open();
    enum line_read got;
    int status = 0, quit = 0;
    if (!e) {
        fprintf(stderr, "stoker: no memory for the line editor\n");
        return 1;
    }
    c->has_commands = 1;
    greet(c);
    while (!quit && (chat_interrupts = 0, got = read_message(e, &m)) != LINE_END)
        if (got == LINE_READ && m.n > 0 && !obeyed(c, &m, &quit))
            status = chat_turn(c, m.text, m.n);
    conversation_write(&c->conversation, c);
    line_editor_close(e);
    free(m.text);
    return status;
}
