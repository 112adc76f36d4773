/* See source.h. */
#include "library/source.h"

#include "base/error.h"
#include "library/source_lists.h"
#include "library/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

enum { APPLICATION = 0x53746b4c, COMPRESSION = 3 };

static const char schema[] =
    "CREATE TABLE source(one INTEGER PRIMARY KEY CHECK(one = 1), kind TEXT, path TEXT, identity TEXT, title TEXT, date "
    "TEXT, language TEXT,"
    " license TEXT, bytes INTEGER, mtime_ns INTEGER, articles INTEGER, chunks INTEGER, cursor INTEGER, state TEXT, "
    "rules INTEGER);"
    "CREATE TABLE article(id INTEGER PRIMARY KEY, path TEXT, title TEXT, cluster INTEGER, blob INTEGER, bytes INTEGER, "
    "mtime_ns INTEGER,"
    " sha256 TEXT, length INTEGER, first INTEGER, chunks INTEGER, text BLOB);"
    "CREATE INDEX article_path ON article(path);"
    "CREATE TABLE chunk(id INTEGER PRIMARY KEY, article INTEGER, ordinal INTEGER, anchor TEXT, heading TEXT, start "
    "INTEGER, length INTEGER);"
    "CREATE VIRTUAL TABLE fts USING fts5(title, text, content='', tokenize='porter unicode61 remove_diacritics 2');";

/* Databases that were written before there were vectors have these two as soon as somebody writes them again. */
static const char vector_schema[] =
    "CREATE TABLE IF NOT EXISTS vector(one INTEGER PRIMARY KEY CHECK(one = 1), segment INTEGER, model INTEGER, width "
    "INTEGER, bytes INTEGER, n_row INTEGER, last_chunk INTEGER, is_lead INTEGER, name TEXT);"
    "CREATE TABLE IF NOT EXISTS vector_gap(first INTEGER PRIMARY KEY, n INTEGER);";

/* The numbers that come next: a chunk that had a vector leaves its number free for ever (source_vectors.h). */
static const char next_article[] = "SELECT coalesce(max(id), 0) + 1 FROM article";
static const char next_chunk[] =
    "SELECT 1 + max(coalesce((SELECT max(id) FROM chunk), 0), coalesce((SELECT last_chunk FROM vector), 0))";

struct source_writer {
    sqlite3_stmt *article, *chunk, *fts, *forget;
    int64_t next_article, next_chunk, first_chunk, ordinal; /* first_chunk: of the row that is being filled */
    char *path, *title, sha256[72];
    struct source_article about;
    struct buffer text; /* of the article's chunks */
    struct buffer heading, index_title, index_text;
    char *packed;
    ZSTD_CCtx *zstd;
};

void source_begin(void)
{
    sqlite3_initialize();
    sqlite3_hard_heap_limit64(SOURCE_HEAP);
}

int source_error(struct source *s, const char *doing, struct error *err)
{
    int code = s->db ? sqlite3_errcode(s->db) : SQLITE_NOMEM;
    if (code == SQLITE_FULL ||
        (code == SQLITE_IOERR && s->writer)) /* a limit on files' sizes is IOERR, by no errno that is kept */
        return error_set(err, ERR_IO,
                         "%s: the disk is full, or does not let itself be written; make space and run the command "
                         "again, it goes on where it stopped",
                         s->name);
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        return error_set(err, ERR_FORMAT, "%s: its database is damaged; stoker library remove %s, then add it again",
                         s->name, s->name);
    if (code == SQLITE_INTERRUPT)
        return error_set(err, ERR_CANCELLED, "%s: nobody waits for it any more (%s)", s->name, doing);
    if (code == SQLITE_NOMEM)
        return error_set(err, ERR_MEMORY, "%s: SQLite wants more than its %d MiB (%s)", s->name, SOURCE_HEAP >> 20,
                         doing);
    return error_set(err, ERR_IO, "%s: %s: %s", s->name, doing, s->db ? sqlite3_errmsg(s->db) : "no memory");
}

void source_stop(struct source *s, int (*stopped)(void *arg), void *arg)
{
    enum { INSTRUCTIONS = 4000 }; /* of SQLite's machine between two questions: below a millisecond */
    sqlite3_progress_handler(s->db, INSTRUCTIONS, stopped, arg);
    s->stopped = stopped;
    s->stopped_arg = arg;
}

sqlite3_stmt *source_prepare(struct source *s, const char *sql, struct error *err)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK)
        source_error(s, "a query", err);
    return q;
}

static int run(struct source *s, const char *sql, struct error *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : source_error(s, "writing", err);
}

static int64_t number_of(struct source *s, const char *sql)
{
    sqlite3_stmt *q = NULL;
    int64_t n = -1;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
        n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return n;
}

int64_t source_version(struct source *s) { return number_of(s, "PRAGMA data_version"); }

static void copy_text(char *out, size_t cap, sqlite3_stmt *q, int column)
{
    const unsigned char *t = sqlite3_column_text(q, column);
    snprintf(out, cap, "%s", t ? (const char *)t : "");
}

static int read_source(struct source *s, struct error *err)
{
    struct source_about *o = &s->source;
    sqlite3_stmt *q = source_prepare(
        s,
        "SELECT kind, path, identity, title, date, language, license, bytes, mtime_ns, articles, chunks, cursor,"
        " state = 'ready', rules FROM source",
        err);
    if (!q)
        return -1;
    memset(o, 0, sizeof *o);
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW) {
        char *const text[] = {o->kind, o->path, o->identity, o->title, o->date, o->language, o->license};
        const size_t cap[] = {sizeof o->kind, sizeof o->path,     sizeof o->identity, sizeof o->title,
                              sizeof o->date, sizeof o->language, sizeof o->license};
        int64_t *const number[] = {&o->bytes, &o->mtime_ns, &o->n_article, &o->n_chunk, &o->cursor};
        for (int i = 0; i < 7; i++)
            copy_text(text[i], cap[i], q, i);
        for (int i = 0; i < 5; i++)
            *number[i] = sqlite3_column_int64(q, 7 + i);
        o->is_ready = sqlite3_column_int(q, 12);
        o->rules = sqlite3_column_int(q, 13);
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        source_error(s, "reading", err);
    sqlite3_finalize(q);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : -1;
}

static int write_source(struct source *s, struct error *err)
{
    const struct source_about *o = &s->source;
    const char *const text[] = {o->kind, o->path, o->identity, o->title, o->date, o->language, o->license};
    const int64_t number[] = {o->bytes, o->mtime_ns, o->n_article, o->n_chunk, o->cursor};
    sqlite3_stmt *q = source_prepare(
        s, "INSERT OR REPLACE INTO source VALUES(1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", err);
    if (!q)
        return -1;
    for (int i = 0; i < 7; i++)
        sqlite3_bind_text(q, 1 + i, text[i], -1, SQLITE_STATIC);
    for (int i = 0; i < 5; i++)
        sqlite3_bind_int64(q, 8 + i, number[i]);
    sqlite3_bind_text(q, 13, o->is_ready ? "ready" : "adding", -1, SQLITE_STATIC);
    sqlite3_bind_int(q, 14, o->rules);
    int failed = sqlite3_step(q) != SQLITE_DONE ? source_error(s, "writing", err) : 0;
    sqlite3_finalize(q);
    return failed;
}

/* ---- opening ---------------------------------------- */

static int prepare_writer(struct source *s, struct error *err)
{
    struct source_writer *w = s->writer = calloc(1, sizeof *w);
    if (!w || !(w->zstd = ZSTD_createCCtx()) ||
        !(w->packed = malloc(ZSTD_compressBound(SOURCE_ARTICLE_TEXT + CHUNK_MOST))))
        return error_set(err, ERR_MEMORY, "no memory to write %s", s->name);
    w->article = source_prepare(s, "INSERT INTO article VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", err);
    w->chunk = source_prepare(s, "INSERT INTO chunk VALUES(?, ?, ?, ?, ?, ?, ?)", err);
    w->fts = source_prepare(s, "INSERT INTO fts(rowid, title, text) VALUES(?, ?, ?)", err);
    w->forget = source_prepare(s, "INSERT INTO fts(fts, rowid, title, text) VALUES('delete', ?, ?, ?)", err);
    if (!w->article || !w->chunk || !w->fts || !w->forget)
        return -1;
    w->next_article = number_of(s, next_article);
    w->next_chunk = number_of(s, next_chunk);
    return 0;
}

/* A new database gets its tables and its mark in one transaction, so that there is no other kind of new. */
static int make_tables(struct source *s, struct error *err)
{
    char sql[sizeof schema + 160];
    snprintf(sql, sizeof sql, "BEGIN; PRAGMA application_id = %d; PRAGMA user_version = %d; %s COMMIT;", APPLICATION,
             SOURCE_FORMAT, schema);
    return run(s, "PRAGMA journal_mode = WAL", err) || run(s, sql, err) ? -1 : 0;
}

static int check_format(struct source *s, int create, struct error *err)
{
    int64_t application = number_of(s, "PRAGMA application_id"), format = number_of(s, "PRAGMA user_version");
    if (application < 0 || format < 0)
        return source_error(s, "reading", err);
    if (create && application == 0 && number_of(s, "SELECT count(*) FROM sqlite_master") == 0)
        return make_tables(s, err);
    if (application != APPLICATION)
        return error_set(err, ERR_FORMAT, "%s: its database was not made by stoker library add", s->name);
    if (format != SOURCE_FORMAT)
        return error_set(err, ERR_UNSUPPORTED,
                         "%s: its database has format %" PRId64
                         ", and this stoker reads %d; remove it, then add it again",
                         s->name, format, SOURCE_FORMAT);
    return 0;
}

int source_open(struct source *s, const char *path, const char *name, int create, struct error *err)
{
    *s = (struct source){.db = NULL};
    snprintf(s->name, sizeof s->name, "%s", name);
    int flags = create                    ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                : access(path, W_OK) == 0 ? SQLITE_OPEN_READWRITE
                                          : SQLITE_OPEN_READONLY;
    int failed = sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK
                     ? source_error(s, "opening", err)
                     : 0;
    if (!failed) {
        sqlite3_busy_timeout(s->db, 5000);
        failed = run(s, create ? "PRAGMA cache_size = -6144; PRAGMA synchronous = NORMAL" : "PRAGMA query_only = 1",
                     err) ||
                 check_format(s, create, err) || (create && run(s, vector_schema, err)) || read_source(s, err) ||
                 (create && prepare_writer(s, err));
    }
    if (failed)
        source_close(s);
    return failed ? -1 : 0;
}

void source_close(struct source *s)
{
    struct source_writer *w = s->writer;
    if (w) {
        sqlite3_finalize(w->article);
        sqlite3_finalize(w->chunk);
        sqlite3_finalize(w->fts);
        sqlite3_finalize(w->forget);
        free(w->path);
        free(w->title);
        buffer_free(&w->text);
        buffer_free(&w->heading);
        buffer_free(&w->index_title);
        buffer_free(&w->index_text);
        free(w->packed);
        ZSTD_freeCCtx(w->zstd);
        free(w);
    }
    sqlite3_close(s->db);
    source_release(s);
    s->db = NULL;
    s->writer = NULL;
}

int source_transaction(struct source *s, struct error *err) { return run(s, "BEGIN IMMEDIATE", err); }

int source_commit(struct source *s, struct error *err)
{
    return write_source(s, err) || run(s, "COMMIT", err) ? -1 : 0;
}

void source_rollback(struct source *s)
{
    struct error ignored = {0};
    if (!sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    read_source(s, &ignored);
    if (s->writer) {
        s->writer->next_article = number_of(s, next_article);
        s->writer->next_chunk = number_of(s, next_chunk);
    }
}

/* ---- articles ---------------------------------------- */

int source_article(struct source *s, const struct source_article *a, struct error *err)
{
    struct source_writer *w = s->writer;
    free(w->path);
    free(w->title);
    w->path = strdup(a->path);
    w->title = strdup(a->title);
    if (!w->path || !w->title)
        return error_set(err, ERR_MEMORY, "no memory for a path of %s", s->name);
    w->about = *a;
    snprintf(w->sha256, sizeof w->sha256, "%s", a->sha256 ? a->sha256 : "");
    w->text.n = 0;
    w->ordinal = 0;
    w->first_chunk = w->next_chunk;
    s->source.n_article++;
    return 0;
}

static int step_once(struct source *s, sqlite3_stmt *q, struct error *err)
{
    int code = sqlite3_step(q);
    int failed = code == SQLITE_DONE ? 0 : source_error(s, "writing", err);
    sqlite3_reset(q);
    return failed;
}

/* The row of the article, as far as its text has come. */
static int write_article(struct source *s, struct error *err)
{
    struct source_writer *w = s->writer;
    const struct source_article *a = &w->about;
    size_t n = ZSTD_compressCCtx(w->zstd, w->packed, ZSTD_compressBound(SOURCE_ARTICLE_TEXT + CHUNK_MOST),
                                 w->text.text ? w->text.text : "", w->text.n, COMPRESSION);
    if (ZSTD_isError(n) || w->text.failed)
        return error_set(err, ERR_MEMORY, "%s: no memory to compress a text", s->name);
    const int64_t number[] = {a->cluster, a->blob, a->bytes, a->mtime_ns};
    sqlite3_bind_int64(w->article, 1, w->next_article++);
    sqlite3_bind_text(w->article, 2, w->path, -1, SQLITE_STATIC);
    sqlite3_bind_text(w->article, 3, w->title, -1, SQLITE_STATIC);
    for (int i = 0; i < 4; i++)
        sqlite3_bind_int64(w->article, 4 + i, number[i]);
    sqlite3_bind_text(w->article, 8, w->sha256, -1, SQLITE_STATIC);
    sqlite3_bind_int64(w->article, 9, (int64_t)w->text.n);
    sqlite3_bind_int64(w->article, 10, w->first_chunk);
    sqlite3_bind_int64(w->article, 11, w->next_chunk - w->first_chunk);
    sqlite3_bind_blob(w->article, 12, w->packed, (int)n, SQLITE_STATIC);
    w->first_chunk = w->next_chunk;
    w->text.n = 0;
    return step_once(s, w->article, err);
}

static int index_chunk(struct source *s, sqlite3_stmt *q, int64_t id, const char *heading, size_t n_heading,
                       const char *text, size_t n, struct error *err)
{
    struct source_writer *w = s->writer;
    w->index_title.n = w->index_text.n = 0;
    words_spaced(heading, n_heading, &w->index_title);
    words_spaced(text, n, &w->index_text);
    if (w->index_title.failed || w->index_text.failed)
        return error_set(err, ERR_MEMORY, "no memory to index %s", s->name);
    sqlite3_bind_int64(q, 1, id);
    sqlite3_bind_text(q, 2, w->index_title.n ? w->index_title.text : "", (int)w->index_title.n, SQLITE_STATIC);
    sqlite3_bind_text(q, 3, w->index_text.n ? w->index_text.text : "", (int)w->index_text.n, SQLITE_STATIC);
    return step_once(s, q, err);
}

int source_chunk(struct source *s, const struct chunk *c, struct error *err)
{
    struct source_writer *w = s->writer;
    if (w->text.n + c->n > SOURCE_ARTICLE_TEXT && write_article(s, err))
        return -1;
    int64_t id = w->next_chunk++;
    w->heading.n = 0;
    for (int i = 0; i < c->section->n_path; i++) {
        if (i)
            buffer_put(&w->heading, "\n", 1);
        buffer_puts(&w->heading, c->section->path[i]);
    }
    sqlite3_bind_int64(w->chunk, 1, id);
    sqlite3_bind_int64(w->chunk, 2, w->next_article);
    sqlite3_bind_int64(w->chunk, 3, w->ordinal++);
    sqlite3_bind_text(w->chunk, 4, c->section->anchor, -1, SQLITE_STATIC);
    sqlite3_bind_text(w->chunk, 5, w->heading.n ? w->heading.text : "", (int)w->heading.n, SQLITE_STATIC);
    sqlite3_bind_int64(w->chunk, 6, (int64_t)w->text.n);
    sqlite3_bind_int64(w->chunk, 7, (int64_t)c->n);
    buffer_put(&w->text, c->text, c->n);
    s->source.n_chunk++;
    s->n_text += (int64_t)c->n;
    return step_once(s, w->chunk, err) ||
                   index_chunk(s, w->fts, id, w->heading.n ? w->heading.text : "", w->heading.n, c->text, c->n, err)
               ? -1
               : 0;
}

int source_article_end(struct source *s, struct error *err) { return write_article(s, err); }

char *source_text(struct source *s, int64_t article, int64_t from, int64_t n, struct error *err)
{
    sqlite3_stmt *q = source_prepare(s, "SELECT text, length FROM article WHERE id = ?", err);
    if (!q)
        return NULL;
    char *out = NULL, *whole = NULL;
    sqlite3_bind_int64(q, 1, article);
    if (sqlite3_step(q) == SQLITE_ROW) {
        int64_t length = sqlite3_column_int64(q, 1);
        const void *packed = sqlite3_column_blob(q, 0);
        size_t size = (size_t)sqlite3_column_bytes(q, 0);
        if (length >= 0 && length <= SOURCE_ARTICLE_TEXT + CHUNK_MOST && from >= 0 && n >= 0 && from <= length &&
            n <= length - from)
            whole = malloc((size_t)length + 1);
        if (whole && ZSTD_decompress(whole, (size_t)length, packed, size) == (size_t)length)
            out = strndup(whole + from, (size_t)n);
    }
    if (!out)
        error_set(err, ERR_FORMAT, "%s: the text of article %" PRId64 " cannot be read; its database is damaged",
                  s->name, article);
    free(whole);
    sqlite3_finalize(q);
    return out;
}

/* What the index has of an article leaves it by the very text that it got. */
static int forget_article(struct source *s, int64_t article, struct error *err)
{
    sqlite3_stmt *q = source_prepare(
        s,
        "SELECT c.id, c.heading, c.start, c.length FROM article a JOIN chunk c ON c.id >= a.first AND"
        " c.id < a.first + a.chunks WHERE a.id = ? ORDER BY c.id",
        err);
    int failed = !q, code = SQLITE_DONE;
    if (q)
        sqlite3_bind_int64(q, 1, article);
    while (!failed && (code = sqlite3_step(q)) == SQLITE_ROW) {
        const char *heading = (const char *)sqlite3_column_text(q, 1);
        int64_t n = sqlite3_column_int64(q, 3);
        char *text = source_text(s, article, sqlite3_column_int64(q, 2), n, err);
        failed = !text || index_chunk(s, s->writer->forget, sqlite3_column_int64(q, 0), heading ? heading : "",
                                      (size_t)sqlite3_column_bytes(q, 1), text, (size_t)n, err);
        free(text);
        s->source.n_chunk--;
    }
    if (!failed && code != SQLITE_DONE)
        failed = source_error(s, "reading", err);
    sqlite3_finalize(q);
    char sql[640]; /* numbers behind last_chunk are given again, so they are in no gap */
    snprintf(sql, sizeof sql,
             "INSERT INTO vector_gap SELECT first, min(chunks, last_chunk + 1 - first) FROM article, vector WHERE id = "
             "%" PRId64 " AND chunks > 0 AND first <= last_chunk;"
             " DELETE FROM chunk WHERE id >= (SELECT first FROM article WHERE id = %" PRId64
             ") AND id < (SELECT first + chunks FROM"
             " article WHERE id = %" PRId64 "); DELETE FROM article WHERE id = %" PRId64,
             article, article, article, article);
    return failed ? -1 : run(s, sql, err);
}

int source_remove(struct source *s, const char *path, struct error *err)
{
    int n = 0, failed = 0;
    for (;;) {
        sqlite3_stmt *q = source_prepare(s, "SELECT id FROM article WHERE path = ? LIMIT 1", err);
        if (!q)
            return -1;
        sqlite3_bind_text(q, 1, path, -1, SQLITE_STATIC);
        int found = sqlite3_step(q) == SQLITE_ROW;
        int64_t id = found ? sqlite3_column_int64(q, 0) : 0;
        sqlite3_finalize(q);
        if (!found || failed)
            break;
        n++;
        failed = forget_article(s, id, err);
        if (failed)
            break;
    }
    s->source.n_article -= n > 0;
    return failed;
}
