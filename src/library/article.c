/* See article.h. A long document has several rows of one path, and its chunks count on over them. */
#include "library/article.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *column(sqlite3_stmt *q, int i)
{
    const unsigned char *t = sqlite3_column_text(q, i);
    return t ? (const char *)t : "";
}

int64_t article_section(struct source *s, int64_t article, int64_t chunk, struct error *err)
{
    int64_t first = -1;
    int code = SQLITE_DONE;
    sqlite3_stmt *q = source_prepare(s,
                                     "SELECT c.ordinal, c.heading = m.heading AND c.anchor = m.anchor FROM chunk m"
                                     " JOIN chunk c ON c.id <= m.id AND c.id > m.id - ?3 AND c.article = m.article"
                                     " WHERE m.id = ?2 AND m.article = ?1 ORDER BY c.id DESC",
                                     err);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, article);
    sqlite3_bind_int64(q, 2, chunk);
    sqlite3_bind_int64(q, 3, ARTICLE_PARTS);
    while ((code = sqlite3_step(q)) == SQLITE_ROW && sqlite3_column_int(q, 1))
        first = sqlite3_column_int64(q, 0);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        first = source_error(s, "reading", err);
    else if (first < 0)
        error_set(err, ERR_INPUT, "%s has no passage %" PRId64 ":%" PRId64, s->name, article, chunk);
    sqlite3_finalize(q);
    return first;
}

static sqlite3_stmt *parts_from(struct source *s, int64_t article, int64_t from, struct error *err)
{
    sqlite3_stmt *q = source_prepare(s,
                                     "SELECT c.id, c.ordinal, c.article, c.start, c.length, c.heading, c.anchor, a.path"
                                     " FROM article a JOIN chunk c ON c.id >= a.first AND c.id < a.first + a.chunks"
                                     " WHERE a.path = (SELECT path FROM article WHERE id = ?1) AND c.ordinal >= ?2"
                                     " ORDER BY a.id, c.id LIMIT ?3",
                                     err);
    if (q) {
        sqlite3_bind_int64(q, 1, article);
        sqlite3_bind_int64(q, 2, from);
        sqlite3_bind_int64(q, 3, ARTICLE_PARTS + 1);
    }
    return q;
}

enum { HEADING_MOST = 32 << 10 }; /* none of ours is longer */

/* Whether the part begins a section; heading and anchor of the one before it are in *last. */
static int begins(struct buffer *last, const char *heading, const char *anchor)
{
    size_t n = strnlen(heading, HEADING_MOST), m = strnlen(anchor, HEADING_MOST);
    int same = last->n == n + m + 1 && memcmp(last->text, heading, n) == 0 &&
               memcmp(last->text + n + 1, anchor, m) == 0;
    last->n = 0;
    buffer_put(last, heading, n);
    buffer_put(last, "", 1);
    buffer_put(last, anchor, m);
    return !same;
}

int article_read(struct source *s, int64_t article, int64_t from, int (*take)(void *arg, const struct article_part *p),
                 void *arg, int64_t *next, struct error *err)
{
    struct buffer last = {0};
    sqlite3_stmt *q = parts_from(s, article, from, err);
    int failed = !q, code = SQLITE_DONE, full = 0;
    *next = -1;
    for (int n = 0; !failed && !full && (code = sqlite3_step(q)) == SQLITE_ROW; n++) {
        struct article_part p = {.chunk = sqlite3_column_int64(q, 0),
                                 .ordinal = sqlite3_column_int64(q, 1),
                                 .heading = column(q, 5),
                                 .path = column(q, 7),
                                 .anchor = column(q, 6)};
        char *text = source_text(s, sqlite3_column_int64(q, 2), sqlite3_column_int64(q, 3), sqlite3_column_int64(q, 4),
                                 err);
        p.begins = begins(&last, p.heading, p.anchor);
        p.text = text;
        failed = !text;
        full = text && (n == ARTICLE_PARTS || take(arg, &p));
        if (full)
            *next = p.ordinal;
        free(text);
    }
    if (!failed && last.failed)
        failed = error_set(err, ERR_MEMORY, "no memory to read %s", s->name);
    if (!failed && code != SQLITE_DONE && code != SQLITE_ROW)
        failed = source_error(s, "reading", err);
    sqlite3_finalize(q);
    buffer_free(&last);
    return failed ? -1 : 0;
}
