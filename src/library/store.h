/* One source of the library: a SQLite database with its articles, their text in chunks, and an index of words (library.md 10).
 *
 *   source   one row: what it is, and how far `add` has come
 *   article  path, title, where it came from; the text of its chunks, compressed; a long document has several rows of one path
 *   chunk    its section, and where its text is in the article's
 *   fts      FTS5 without content: heading path, text, as words_spaced() gives them
 *
 * Writers commit whole batches, each the same as of a run that nobody disturbed, so a killed one goes on as if nothing had happened. */
#ifndef LIBRARY_STORE_H
#define LIBRARY_STORE_H

#include "base/json/buffer.h"
#include "library/chunk.h"

#include <sqlite3.h>

enum {
    STORE_FORMAT = 1,
    STORE_HEAP = 16 << 20,       /* of SQLite, all sources together */
    STORE_BATCH = 256,           /* articles of a transaction */
    STORE_ARTICLE_TEXT = 1 << 20 /* of one row; a longer document goes on in another */
};

struct store_source {
    char kind[16];                 /* "zim", "folder", "file" */
    char path[1024], identity[72]; /* of a ZIM archive its uuid */
    char title[256], date[40], language[40], license[160];
    int64_t bytes, mtime_ns;
    int64_t n_article, n_chunk, cursor;
    int is_ready, rules;
};

struct store {
    sqlite3 *db;
    char name[128]; /* of the source, as results tell it */
    struct store_source source;
    struct store_writer *writer;   /* NULL: it is only read */
    struct frequencies *searching; /* search.c: of the search that runs */
    int has_functions;
};

struct store_article {
    const char *path, *title;
    int64_t cluster, blob; /* of an archive */
    int64_t bytes, mtime_ns;
    const char *sha256; /* of a file; NULL: none */
};

/* Once, before any other: bounds SQLite's memory. */
void store_begin(void);

/* create: a database that is not there is made. Its source row is read to s->source; zeroed where it is new. Errors name the file. */
int store_open(struct store *s, const char *path, const char *name, int create, struct error *err);
void store_close(struct store *s);

/* Within store_transaction() and store_commit(), which writes s->source too. */
int store_transaction(struct store *s, struct error *err);
int store_commit(struct store *s, struct error *err);
void store_rollback(struct store *s); /* to the last commit; s->source as well */

/* An article, its chunks, its end. a is copied. */
int store_article(struct store *s, const struct store_article *a, struct error *err);
int store_chunk(struct store *s, const struct chunk *c, struct error *err);
int store_article_end(struct store *s, struct error *err);

/* All rows of a path, and what the index has of them. */
int store_remove(struct store *s, const char *path, struct error *err);

/* The text of a chunk: free(). NULL: *err. */
char *store_text(struct store *s, int64_t article, int64_t from, int64_t n, struct error *err);

/* The sentence for what SQLite said last. Always -1. */
int store_error(struct store *s, const char *doing, struct error *err);

/* A statement; NULL: *err. */
sqlite3_stmt *store_prepare(struct store *s, const char *sql, struct error *err);

#endif
