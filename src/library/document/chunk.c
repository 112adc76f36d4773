/* See chunk.h. */
#include "library/document/chunk.h"

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

static void give_last(struct chunker *c)
{
    if (c->n_last)
        c->chunk(c->arg, &(struct chunk){&c->section, c->last, c->n_last});
    c->n_last = 0;
}

/* A line, or a piece of one. */
static void pack(struct chunker *c, const char *text, size_t n)
{
    if (n == 0)
        return;
    if (c->n_now && c->n_now + 1 + n > CHUNK_TARGET) {
        give_last(c);
        memcpy(c->last, c->now, c->n_now);
        c->n_last = c->n_now;
        c->n_now = 0;
    }
    if (c->n_now)
        c->now[c->n_now++] = '\n';
    memcpy(c->now + c->n_now, text, n);
    c->n_now += n;
}

static void end_section(struct chunker *c)
{
    if (c->n_now && c->n_last && c->n_now < CHUNK_TAIL && c->n_last + 1 + c->n_now <= CHUNK_MOST) {
        c->last[c->n_last++] = '\n';
        memcpy(c->last + c->n_last, c->now, c->n_now);
        c->n_last += c->n_now;
        c->n_now = 0;
    }
    give_last(c);
    if (c->n_now)
        c->chunk(c->arg, &(struct chunk){&c->section, c->now, c->n_now});
    c->n_now = 0;
}

/* Behind the last end of a sentence in text [n]; 0: there is none. */
static size_t sentence_end(const char *text, size_t n)
{
    for (size_t i = n; i > 0; i--) {
        const char *p = text + i - 1;
        if (*p == '\n' || (i < n && text[i] == ' ' && (*p == '.' || *p == '!' || *p == '?')))
            return i;
        if (i >= 3 && (memcmp(p - 2, "\xE3\x80\x82", 3) == 0 || memcmp(p - 2, "\xEF\xBC\x81", 3) == 0 ||
                       memcmp(p - 2, "\xEF\xBC\x9F", 3) == 0))
            return i;
    }
    return 0;
}

static size_t last_space(const char *text, size_t n)
{
    while (n > 0 && text[n - 1] != ' ')
        n--;
    return n;
}

/* Of a line that is longer than CHUNK_MOST: its first piece. */
static void cut(struct chunker *c)
{
    size_t most = CHUNK_MOST, at;
    while (most > 0 && !utf8_begins(c->line[most]))
        most--;
    at = sentence_end(c->line, most);
    if (at < CHUNK_MOST / 2)
        at = last_space(c->line, most);
    if (at < CHUNK_MOST / 2)
        at = most;
    size_t end = at;
    while (end > 0 && (c->line[end - 1] == ' ' || c->line[end - 1] == '\n'))
        end--;
    pack(c, c->line, end);
    while (at < c->n_line && c->line[at] == ' ')
        at++;
    c->is_cut = at == c->n_line;
    memmove(c->line, c->line + at, c->n_line - at);
    c->n_line -= at;
}

static void add_line(void *arg, const char *text, size_t n, int ends)
{
    struct chunker *c = arg;
    for (size_t i = 0; i < n; i++) {
        if (c->is_cut && text[i] == ' ')
            continue;
        c->is_cut = 0;
        c->line[c->n_line++] = text[i];
        if (c->n_line > CHUNK_MOST && (i + 1 == n || utf8_begins(text[i + 1])))
            cut(c);
    }
    if (ends) {
        pack(c, c->line, c->n_line);
        c->n_line = 0;
        c->is_cut = 0;
    }
}

static void begin_section(void *arg, const struct text_section *s)
{
    struct chunker *c = arg;
    end_section(c);
    c->section = *s;
    for (int i = 0; i < s->n_path; i++) {
        snprintf(c->path[i], sizeof c->path[i], "%s", s->path[i]);
        c->section.path[i] = c->path[i];
    }
    snprintf(c->anchor, sizeof c->anchor, "%s", s->anchor);
    c->section.anchor = c->anchor;
}

struct text_sink chunker_begin(struct chunker *c, void (*chunk)(void *arg, const struct chunk *c), void *arg)
{
    memset(c, 0, sizeof *c);
    c->arg = arg;
    c->chunk = chunk;
    return (struct text_sink){c, begin_section, add_line};
}

void chunker_end(struct chunker *c)
{
    pack(c, c->line, c->n_line);
    c->n_line = 0;
    end_section(c);
}
