/* See paste.h. */
#include "cli/chat/paste.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t paste_tidy(char *text, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        int is_pair = text[i] == '\r' && i + 1 < n && text[i + 1] == '\n';
        if (!is_pair)
            text[to++] = text[i] == '\r' ? '\n' : text[i];
    }
    while (to > 0 && text[to - 1] == '\n')
        to--;
    return to;
}

int paste_is_plain(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return 0;
    return n <= PASTE_TYPED;
}

const char *paste_keep(struct pastes *p, char *text, size_t n)
{
    size_t n_line = 1;
    if (p->n == PASTES) {
        free(text);
        return NULL;
    }
    struct paste *one = &p->of[p->n++];
    for (size_t i = 0; i < n; i++)
        n_line += text[i] == '\n';
    one->text = text;
    one->n = n;
    snprintf(one->mark, sizeof one->mark, "[pasted %d: %zu %s]", p->n, n_line, n_line == 1 ? "line" : "lines");
    return one->mark;
}

/* The paste whose mark a text begins with. */
static const struct paste *marked(const struct pastes *p, const char *text, size_t n)
{
    for (int i = 0; i < p->n; i++) {
        size_t length = strlen(p->of[i].mark);
        if (length <= n && memcmp(p->of[i].mark, text, length) == 0)
            return &p->of[i];
    }
    return NULL;
}

char *paste_expand(const struct pastes *p, const char *line, size_t n, size_t *n_out, int *any)
{
    size_t most = n, at = 0;
    const struct paste *one;
    *any = 0;
    for (size_t i = 0; i < n; i++)
        if (line[i] == '[' && (one = marked(p, line + i, n - i)))
            most += one->n;
    char *out = malloc(most + 1);
    for (size_t i = 0; out && i < n;) {
        one = line[i] == '[' ? marked(p, line + i, n - i) : NULL;
        memcpy(out + at, one ? one->text : line + i, one ? one->n : 1);
        at += one ? one->n : 1;
        i += one ? strlen(one->mark) : 1;
        *any |= one != NULL;
    }
    if (out)
        out[at] = 0;
    *n_out = at;
    return out;
}

/* 1: a mark of a paste begins or ends here. */
static int is_piece(const struct paste *p, const char *text)
{
    enum { PIECE = 4 };
    return strncmp(text, p->mark, PIECE) == 0 || strncmp(text, p->mark + strlen(p->mark) - PIECE, PIECE) == 0;
}

int paste_is_cut(const struct pastes *p, const char *line, size_t n)
{
    const struct paste *whole;
    for (int k = 0; k < p->n; k++) {
        if (memmem(line, n, p->of[k].mark, strlen(p->of[k].mark)))
            continue;
        for (size_t i = 0; i < n; i += whole ? strlen(whole->mark) : 1)
            if (!(whole = marked(p, line + i, n - i)) && is_piece(&p->of[k], line + i))
                return 1;
    }
    return 0;
}

void paste_forget(struct pastes *p)
{
    for (int i = 0; i < p->n; i++)
        free(p->of[i].text);
    p->n = 0;
    paste_forget_edges(p);
}

/* ---- where pastes stand in the line ----------------------------------------------------------------------------------------- */

static struct paste_edge edge(const char *text, size_t n)
{
    struct paste_edge e = {.n = n};
    memcpy(e.text, text, n);
    return e;
}

void paste_inserted(struct pastes *p, const char *text, size_t n, size_t at, int is_end)
{
    size_t known = n < sizeof p->first.text ? n : sizeof p->first.text;
    if (p->first.n == 0 || at <= p->first_at) {
        p->first = edge(text, known);
        p->first_at = at;
    }
    if (is_end)
        p->last = edge(text + n - known, known);
}

size_t paste_first(const struct pastes *p, const char *line, size_t n)
{
    const struct paste_edge *e = &p->first;
    int is_there = e->n > 0 && p->first_at + e->n <= n && memcmp(line + p->first_at, e->text, e->n) == 0;
    return is_there ? p->first_at : n;
}

int paste_is_last(const struct pastes *p, const char *line, size_t n)
{
    const struct paste_edge *e = &p->last;
    return e->n > 0 && e->n <= n && memcmp(line + n - e->n, e->text, e->n) == 0;
}

void paste_forget_edges(struct pastes *p) { p->first.n = p->last.n = 0; }
