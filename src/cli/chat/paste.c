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

/* Numbers of a chat begin at 1: what earlier ones left in the history is told apart by a word. */
static void name_mark(const struct pastes *p, struct paste *one, size_t n_line, int is_earlier)
{
    snprintf(one->mark, sizeof one->mark, "[pasted %s%d: %zu %s]", is_earlier ? "earlier " : "",
             is_earlier ? p->n : p->n - p->n_earlier, n_line, n_line == 1 ? "line" : "lines");
}

static const char *keep(struct pastes *p, char *text, size_t n, int is_earlier)
{
    size_t n_line = 1;
    if (p->n - p->n_before == PASTES) {
        free(text);
        return NULL;
    }
    struct paste *one = &p->of[p->n++ % PASTES];
    free(one->text); /* of the earliest, if there are that many */
    for (size_t i = 0; i < n; i++)
        n_line += text[i] == '\n';
    one->text = text;
    one->n = n;
    p->n_earlier = is_earlier ? p->n : p->n_earlier;
    name_mark(p, one, n_line, is_earlier);
    return one->mark;
}

const char *paste_keep(struct pastes *p, char *text, size_t n) { return keep(p, text, n, 0); }

/* The paste whose mark a text begins with. */
static const struct paste *marked(const struct pastes *p, const char *text, size_t n)
{
    for (int i = 0; i < p->n && i < PASTES; i++) {
        size_t length = strlen(p->of[i].mark);
        if (length <= n && memcmp(p->of[i].mark, text, length) == 0)
            return &p->of[i];
    }
    return NULL;
}

/* 1: a paste of lines and a word would be glued together where they meet: who asks beside a function does not type the line's end. */
static int parts(const struct paste *one, char neighbour)
{
    return !strchr(" \t\n", neighbour) && memchr(one->text, '\n', one->n); /* the string's NUL: nothing is there */
}

char *paste_expand(const struct pastes *p, const char *line, size_t n, size_t *n_out)
{
    size_t most = n, at = 0;
    const struct paste *one;
    for (size_t i = 0; i < n; i++)
        if (line[i] == '[' && (one = marked(p, line + i, n - i)))
            most += one->n + 2;
    char *out = malloc(most + 1);
    for (size_t i = 0; out && i < n;) {
        one = line[i] == '[' ? marked(p, line + i, n - i) : NULL;
        if (one && at > 0 && parts(one, out[at - 1]))
            out[at++] = '\n';
        memcpy(out + at, one ? one->text : line + i, one ? one->n : 1);
        at += one ? one->n : 1;
        i += one ? strlen(one->mark) : 1;
        if (one && i < n && parts(one, line[i]))
            out[at++] = '\n';
    }
    if (out)
        out[at] = 0;
    *n_out = at;
    return out;
}

/* 1: a mark of a paste begins or ends here. Of a line of the history so much of it must be there as nobody types by chance. */
static int is_piece(const struct paste *p, const char *text, int is_new)
{
    enum { PIECE = 4 };
    size_t begin = is_new ? PIECE : strcspn(p->mark, ":"), end = is_new ? PIECE : strlen(strchr(p->mark, ' '));
    return strncmp(text, p->mark, begin) == 0 || strncmp(text, p->mark + strlen(p->mark) - end, end) == 0;
}

static int is_forgotten(const struct pastes *p, const char *text)
{
    char begin[48];
    int number, lines, n_before = p->n_earlier;
    snprintf(begin, sizeof begin, "%.47s", text);
    if (sscanf(begin, "[pasted earlier %9d: %9d line", &number, &lines) == 2)
        n_before = 0;
    else if (sscanf(begin, "[pasted %9d: %9d line", &number, &lines) != 2)
        return 0;
    return number > 0 && number <= p->n - PASTES - n_before;
}

int paste_is_cut(const struct pastes *p, const char *line, size_t n)
{
    const struct paste *whole;
    for (size_t i = 0; i < n; i++)
        if (line[i] == '[' && is_forgotten(p, line + i))
            return 1;
    for (int k = p->n < PASTES ? 0 : p->n - PASTES; k < p->n; k++) {
        const struct paste *one = &p->of[k % PASTES];
        if (memmem(line, n, one->mark, strlen(one->mark)))
            continue;
        for (size_t i = 0; i < n; i += whole ? strlen(whole->mark) : 1)
            if (!(whole = marked(p, line + i, n - i)) && is_piece(one, line + i, k >= p->n_before))
                return 1;
    }
    return 0;
}

size_t paste_mark_length(const struct pastes *p, const char *line, size_t n)
{
    for (int i = 0; i < p->n && i < PASTES; i++) {
        size_t length = strlen(p->of[i].mark);
        if (length <= n && memcmp(p->of[i].mark, line + n - length, length) == 0)
            return length;
    }
    return 0;
}

/* ---- lines of the history's file ---------------------------------------------------------------------------------------------- */

enum { PACKED_MOST = 64 << 10, STX = 2, ETX = 3 };

static int can_pack(const struct paste *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->text[i] == 0 || p->text[i] == STX || p->text[i] == ETX || p->text[i] == '\r')
            return 0;
    return 1;
}

char *paste_pack(const struct pastes *p, const char *line)
{
    size_t n = strlen(line), at = 0;
    char *out = malloc(PACKED_MOST + 1);
    for (size_t i = 0; out && i < n;) {
        const struct paste *one = line[i] == '[' ? marked(p, line + i, n - i) : NULL;
        size_t length = one ? one->n + 2 : 1;
        if (length > PACKED_MOST - at || (one && !can_pack(one))) {
            free(out);
            return NULL;
        }
        out[at] = one ? STX : line[i];
        for (size_t k = 0; one && k < one->n; k++)
            out[at + 1 + k] = one->text[k] == '\n' ? '\r' : one->text[k];
        at += length;
        if (one)
            out[at - 1] = ETX;
        i += one ? strlen(one->mark) : 1;
    }
    if (out)
        out[at] = 0;
    return out;
}

/* The mark of the text at packed [n], whose CRs become line ends; "": none. */
static const char *unpack_one(struct pastes *p, const char *packed, size_t n)
{
    char *text = malloc(n + 1);
    for (size_t i = 0; text && i < n; i++)
        text[i] = packed[i] == '\r' ? '\n' : packed[i];
    const char *mark = text ? keep(p, text, n, 1) : NULL;
    return mark ? mark : "";
}

char *paste_unpack(struct pastes *p, const char *packed)
{
    size_t at = 0, most = strlen(packed) + 1;
    for (const char *c = packed; (c = strchr(c, STX)); c++)
        most += sizeof p->of[0].mark;
    char *out = malloc(most);
    paste_next_line(p);
    while (out && *packed) {
        const char *end = *packed == STX ? strchr(packed, ETX) : NULL;
        if (end)
            at += (size_t)sprintf(out + at, "%s", unpack_one(p, packed + 1, (size_t)(end - packed) - 1));
        else
            out[at++] = *packed;
        packed = end ? end + 1 : packed + 1;
    }
    if (out)
        out[at] = 0;
    return out;
}

void paste_next_line(struct pastes *p)
{
    p->n_before = p->n;
    paste_forget_edges(p);
}

void paste_forget(struct pastes *p)
{
    for (int i = 0; i < p->n && i < PASTES; i++)
        free(p->of[i].text);
    *p = (struct pastes){0};
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
