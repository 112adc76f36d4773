/* See sse.h. */
#include "bridge/sse.h"

#include <string.h>

void sse_free(struct sse *s)
{
    buffer_free(&s->line);
    buffer_free(&s->data);
}

static int is_field(const char *line, size_t n, const char *name)
{
    size_t n_name = strlen(name);
    return n >= n_name && memcmp(line, name, n_name) == 0 && (n == n_name || line[n_name] == ':');
}

/* The value of a field of n_name bytes: behind the colon and one space. */
static const char *value(const char *line, size_t n, size_t n_name, size_t *n_value)
{
    size_t from = n_name + (n > n_name);
    from += from < n && line[from] == ' ';
    *n_value = n - from;
    return line + from;
}

/* A whole line. -1: the data is too long. */
static int take_line(struct sse *s, size_t most, void (*take)(void *arg, const char *data, size_t n), void *arg)
{
    static const char mark[] = "\xEF\xBB\xBF";
    const char *line = s->line.n ? s->line.text : "", *v;
    size_t n = s->line.n, n_value;
    if (!s->has_begun && n >= 3 && memcmp(line, mark, 3) == 0) {
        line += 3;
        n -= 3;
    }
    s->has_begun = 1;
    if (n == 0) {
        if (s->data.n && !s->is_other)
            take(arg, s->data.text, s->data.n - 1);
        s->data.n = 0;
        s->is_other = 0;
    } else if (is_field(line, n, "data")) {
        v = value(line, n, 4, &n_value);
        if (s->data.n + n_value > most)
            return -1;
        buffer_put(&s->data, v, n_value);
        buffer_puts(&s->data, "\n");
    } else if (is_field(line, n, "event")) {
        v = value(line, n, 5, &n_value);
        s->is_other = n_value != 0 && (n_value != 7 || memcmp(v, "message", 7) != 0);
    }
    s->line.n = 0;
    return 0;
}

int sse_feed(struct sse *s, const char *text, size_t n, size_t most,
             void (*take)(void *arg, const char *data, size_t n), void *arg)
{
    while (n > 0) {
        if (s->is_behind_r && *text == '\n') {
            s->is_behind_r = 0;
            text++;
            n--;
            continue;
        }
        s->is_behind_r = 0;
        size_t part = 0;
        while (part < n && text[part] != '\n' && text[part] != '\r')
            part++;
        if (s->line.n + part > most)
            return -1;
        buffer_put(&s->line, text, part);
        int ends = part < n;
        s->is_behind_r = ends && text[part] == '\r';
        if (ends && take_line(s, most, take, arg))
            return -1;
        if (s->line.failed || s->data.failed)
            return -1;
        text += part + (size_t)ends;
        n -= part + (size_t)ends;
    }
    return 0;
}
