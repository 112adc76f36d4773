/* One source of the library: a SQLite database with its articles, their text in chunks, and an index of words (library.md 10).
 *
 *   source   one row: what it is, and how far `add` has come
 *   article  path, title, where it came from; the text of its chunks, compressed; a long document has several rows of one path
 *   chunk    its section, and where its text is in the article's
 *   vector   which file has the vectors of chunks, and how far (source_vectors.h)
 *   fts      FTS5 without content: heading path, text, as words_spaced() gives them
 *
 * Writers commit whole batches, each the same as of a run that nobody disturbed, so a killed one goes on as if nothing had happened. */
#ifndef LIBRARY_SOURCE_H
#define LIBRARY_SOURCE_H

#include "base/json/buffer.h"
#include "library/document/chunk.h"

#include <sqlite3.h>

enum {
    SOURCE_FORMAT = 1,
    SOURCE_HEAP = 16 << 20,       /* of SQLite, all sources together */
    SOURCE_BATCH = 256,           /* articles of a transaction */
    SOURCE_ARTICLE_TEXT = 1 << 20 /* of one row; a longer document goes on in another */
};

struct source_about {
    char kind[16];                 /* "zim", "folder", "file" */
    char path[1024], identity[72]; /* of a ZIM archive its uuid */
    char title[256], date[40], language[40], license[160];
    int64_t bytes, mtime_ns;
    int64_t n_article, n_chunk, cursor;
    int is_ready, rules;
};

struct source {
    sqlite3 *db;
    char name[128]; /* of the source, as results tell it */
    struct source_about source;
    struct source_writer *writer;  /* NULL: it is only read */
    int64_t n_text;                /* bytes of chunks that were put into it since it was opened */
    struct frequencies *searching; /* search.c: of the search that runs */
    int64_t searched_version;      /* search.c: source_version() when it began */
    int has_functions;
    int (*stopped)(void *arg); /* of source_stop() */
    void *stopped_arg;
    /* Its vectors in memory (source_lists.h): their lists, or NULL, and the rows that are in none. held NULL: searches read them */
    struct segment *held;
    struct lists *held_lists;
};

struct source_article {
    const char *path, *title;
    int64_t cluster, blob; /* of an archive */
    int64_t bytes, mtime_ns;
    const char *sha256; /* of a file; NULL: none */
};

/* Once, before any other: bounds SQLite's memory. */
void source_begin(void);

/* create: a database that is not there is made. Its source row is read to s->source; zeroed where it is new. Errors name the file. */
int source_open(struct source *s, const char *path, const char *name, int create, struct error *err);
void source_close(struct source *s);

/* Within source_transaction() and source_commit(), which writes s->source too. */
int source_transaction(struct source *s, struct error *err);
int source_commit(struct source *s, struct error *err);
void source_rollback(struct source *s); /* to the last commit; s->source as well */

/* An article, its chunks, its end. a is copied. */
int source_article(struct source *s, const struct source_article *a, struct error *err);
int source_chunk(struct source *s, const struct chunk *c, struct error *err);
int source_article_end(struct source *s, struct error *err);

/* All rows of a path, and what the index has of them. */
int source_remove(struct source *s, const char *path, struct error *err);

/* From now on reading ends with ERR_CANCELLED once stopped(arg), which is asked now and then, is 1. NULL: it does not. */
void source_stop(struct source *s, int (*stopped)(void *arg), void *arg);

/* The text of a chunk: free(). NULL: *err. */
char *source_text(struct source *s, int64_t article, int64_t from, int64_t n, struct error *err);

/* A number that is another one once another writer has committed; -1: it cannot be read. */
int64_t source_version(struct source *s);

/* The sentence for what SQLite said last. Always -1. */
int source_error(struct source *s, const char *doing, struct error *err);

/* A statement; NULL: *err. */
sqlite3_stmt *source_prepare(struct source *s, const char *sql, struct error *err);

#endif
