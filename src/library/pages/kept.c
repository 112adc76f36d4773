/* See kept.h. A long document has several rows of one path: the text of each is decompressed once. */
#include "library/pages/kept.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char style[] =
    "<style>:root{color-scheme:light dark}body{font:16px/1.55 system-ui,sans-serif;max-width:44rem;margin:1.5rem "
    "auto;padding:0 1rem;overflow-wrap:anywhere}h1,h2,h3,h4,h5,h6{line-height:1.25}p{margin:.5em 0;white-space:"
    "pre-wrap}.note{opacity:.7;font-size:.875em}:target>:first-child{outline:2px solid #c65c2e;outline-offset:"
    ".25rem}</style>";

struct writing {
    struct source *s;
    struct buffer *out;
    size_t most;
    char *heading, *anchor; /* of the section that is open */
    int is_open, is_cut;
};

static void put_escaped(struct buffer *out, const char *text, size_t n)
{
    static const char *const code[256] = {['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;"};
    size_t from = 0;
    for (size_t i = 0; i < n; i++)
        if (code[(unsigned char)text[i]]) {
            buffer_put(out, text + from, i - from);
            buffer_puts(out, code[(unsigned char)text[i]]);
            from = i + 1;
        }
    buffer_put(out, text + from, n - from);
}

static void put_paragraph(struct buffer *out, const char *tag, const char *text, size_t n)
{
    buffer_puts(out, tag);
    put_escaped(out, text, n);
    buffer_puts(out, "</p>\n");
}

static void close_section(struct writing *w)
{
    if (w->is_open)
        buffer_puts(w->out, "</section>\n");
    free(w->heading);
    free(w->anchor);
    w->heading = w->anchor = NULL;
    w->is_open = 0;
}

/* Its rank is its depth in the path of headings, of which the last is its own. */
static int open_section(struct writing *w, const char *heading, const char *anchor, struct error *err)
{
    char tag[16];
    int rank = 1;
    if (w->is_open && strcmp(w->heading, heading) == 0 && strcmp(w->anchor, anchor) == 0)
        return 0;
    close_section(w);
    w->heading = strdup(heading);
    w->anchor = strdup(anchor);
    if (!w->heading || !w->anchor)
        return error_set(err, ERR_MEMORY, "no memory for a page of %s", w->s->name);
    w->is_open = 1;
    buffer_puts(w->out, *anchor ? "<section id=\"" : "<section");
    put_escaped(w->out, anchor, strlen(anchor));
    buffer_puts(w->out, *anchor ? "\">" : ">");
    for (const char *next; (next = strchr(heading, '\n')); heading = next + 1)
        rank += rank < 6;
    snprintf(tag, sizeof tag, "h%d>", rank);
    buffer_puts(w->out, "<");
    buffer_puts(w->out, tag);
    put_escaped(w->out, heading, strlen(heading));
    buffer_puts(w->out, "</");
    buffer_puts(w->out, tag);
    buffer_puts(w->out, "\n");
    return 0;
}

static void put_lines(struct buffer *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        const char *end = memchr(text + i, '\n', n - i);
        size_t k = end ? (size_t)(end - text) - i : n - i;
        put_paragraph(out, "<p>", text + i, k);
        i += k + 1;
    }
}

static const char *column(sqlite3_stmt *q, int i)
{
    const unsigned char *t = sqlite3_column_text(q, i);
    return t ? (const char *)t : "";
}

/* The chunks of one row, whose text is `length` bytes. */
static int put_row(struct writing *w, int64_t article, int64_t length, int64_t first, int64_t n_chunk,
                   struct error *err)
{
    int failed = 0, code = SQLITE_DONE;
    char *text = source_text(w->s, article, 0, length, err);
    size_t n_text = text ? strlen(text) : 0; /* a text with a zero byte ends there, whatever its row says */
    sqlite3_stmt *q = text ? source_prepare(w->s,
                                            "SELECT heading, anchor, start, length FROM chunk"
                                            " WHERE id >= ?1 AND id < ?1 + ?2 ORDER BY id",
                                            err)
                           : NULL;
    if (q) {
        sqlite3_bind_int64(q, 1, first);
        sqlite3_bind_int64(q, 2, n_chunk);
    }
    while (q && !failed && !w->is_cut && (code = sqlite3_step(q)) == SQLITE_ROW) {
        int64_t from = sqlite3_column_int64(q, 2), n = sqlite3_column_int64(q, 3);
        if (from < 0 || n < 0 || (size_t)from > n_text || (size_t)n > n_text - (size_t)from)
            failed = error_set(err, ERR_FORMAT, "%s: a chunk is not inside its text; its database is damaged",
                               w->s->name);
        else if (!(failed = open_section(w, column(q, 0), column(q, 1), err)))
            put_lines(w->out, text + from, (size_t)n);
        w->is_cut = w->out->n > w->most;
    }
    if (q && !failed && code != SQLITE_DONE && code != SQLITE_ROW)
        failed = source_error(w->s, "reading", err);
    sqlite3_finalize(q);
    free(text);
    return q ? failed : -1;
}

static void begin_page(struct writing *w, const char *title, const char *why)
{
    buffer_puts(w->out, "<!doctype html>\n<html><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                        "content=\"width=device-width\"><title>");
    put_escaped(w->out, title, strlen(title));
    buffer_puts(w->out, "</title>");
    buffer_puts(w->out, style);
    buffer_puts(w->out, "</head><body>\n");
    if (why)
        put_paragraph(w->out, "<p class=\"note\">", why, strlen(why));
}

int kept_page(struct source *s, const char *path, const char *why, size_t most, struct buffer *out, struct error *err)
{
    static const char cut[] = "The text is longer; the rest is not shown.";
    struct writing w = {.s = s, .out = out, .most = most};
    int n = 0, failed = 0, code = SQLITE_DONE;
    sqlite3_stmt *q = source_prepare(
        s, "SELECT id, length, first, chunks, title FROM article WHERE path = ? ORDER BY id", err);
    if (!q)
        return -1;
    sqlite3_bind_text(q, 1, path, -1, SQLITE_STATIC);
    while (!failed && !w.is_cut && (code = sqlite3_step(q)) == SQLITE_ROW) {
        if (n++ == 0)
            begin_page(&w, column(q, 4), why);
        failed = put_row(&w, sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1), sqlite3_column_int64(q, 2),
                         sqlite3_column_int64(q, 3), err);
    }
    if (!failed && code != SQLITE_DONE && code != SQLITE_ROW)
        failed = source_error(s, "reading", err);
    sqlite3_finalize(q);
    close_section(&w);
    if (w.is_cut)
        put_paragraph(out, "<p class=\"note\">", cut, sizeof cut - 1);
    buffer_puts(out, n ? "</body></html>\n" : "");
    if (!failed && out->failed)
        failed = error_set(err, ERR_MEMORY, "no memory for a page of %s", s->name);
    return failed ? -1 : n > 0;
}
