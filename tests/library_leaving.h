/* Chunks that leave their source: what had a vector is not found any more, what comes then is (tests/library.c). */
#ifndef TESTS_LIBRARY_LEAVING_H
#define TESTS_LIBRARY_LEAVING_H

#include "library_vectors.h"

static inline void leaving_test(const json_t *docs)
{
    static struct corpus c;
    struct error err = {0};
    corpus_make(&c, docs, 1);
    corpus_vectors(&c);
    struct source *s = c.list[0];
    struct best before = nearest(&c, 0, TOP, TIER_SCALAR);
    char path[24];
    snprintf(path, sizeof path, "%d", doc_of(&c, &before.row[0]));
    expect(source_transaction(s, &err) == 0 && source_remove(s, path, &err) == 0 &&
               source_remove(s, "199", &err) == 0 && source_commit(s, &err) == 0,
           "%s", err.text);
    source_rollback(s); /* numbers are those that the database says, as when it is opened */
    expect(source_transaction(s, &err) == 0, "%s", err.text);
    put_document(s, "new", "New", "Nothing of this was there before.");
    expect(source_commit(s, &err) == 0, "%s", err.text);
    sqlite3_stmt *q = source_prepare(s, "SELECT max(id) FROM chunk", &err);
    expect(sqlite3_step(q) == SQLITE_ROW && sqlite3_column_int(q, 0) == N_DOC + 1, "chunk %d has the number of another",
           sqlite3_column_int(q, 0));
    sqlite3_finalize(q);
    struct best after = nearest(&c, 0, TOP, TIER_SCALAR);
    for (int i = 0; i + 1 < TOP; i++)
        expect(after.row[i].chunk == before.row[i + 1].chunk, "result %d is chunk %lld", i,
               (long long)after.row[i].chunk);
    best_free(&before);
    best_free(&after);
    verdict("vectors, chunks that leave", "are not found, and their numbers are not given again");
    corpus_vectors_free(&c);
}

enum { PARTS = 6 };

static inline void put_parts(struct source *s, const char *path, int n_part)
{
    struct error err = {0};
    struct text_section section = {.path = {path}, .n_path = 1, .anchor = ""};
    struct source_article a = {.path = path, .title = path};
    expect(source_article(s, &a, &err) == 0, "%s", err.text);
    for (int i = 0; i < n_part; i++) {
        char text[32];
        int n = snprintf(text, sizeof text, "Part %d.", i);
        struct chunk c = {&section, text, (size_t)n};
        expect(source_chunk(s, &c, &err) == 0, "%s", err.text);
    }
    expect(source_article_end(s, &err) == 0, "%s", err.text);
}

static inline void add_row(struct source *s, struct source_vectors *v, int64_t chunk, const float *x)
{
    struct segment segment;
    struct error err = {0};
    expect(source_vectors_open(s, v, 1, &segment, &err) == 0 && segment_append(&segment, &chunk, x, 1, &err) == 0 &&
               source_vectors_commit(s, v, &segment, 1, chunk, &err) == 0,
           "%s", err.text);
    segment_close(&segment);
}

/* The last article has PARTS chunks, of which n_seen got a vector, as in lead mode and where the writer was stopped; it leaves, and another
 * comes. */
static inline void last_leaves(const json_t *docs, int n_seen)
{
    static struct corpus c;
    struct error err = {0};
    corpus_make(&c, docs, 1);
    struct source *s = c.list[0];
    expect(source_transaction(s, &err) == 0, "%s", err.text);
    put_parts(s, "long", PARTS);
    expect(source_commit(s, &err) == 0, "%s", err.text);
    struct source_vectors v = begin_vectors(&c, 0);
    add_vectors(&c, 0, &v, N_DOC);
    for (int i = 1; i <= n_seen; i++)
        add_row(s, &v, N_DOC + i, doc_vector[i]);
    expect(source_transaction(s, &err) == 0 && source_remove(s, "long", &err) == 0 && source_commit(s, &err) == 0, "%s",
           err.text);
    source_rollback(s); /* numbers are those that the database says, as when it is opened */
    expect(source_transaction(s, &err) == 0, "%s", err.text);
    put_document(s, "new", "New", "Nothing of this was there before.");
    expect(source_commit(s, &err) == 0, "%s", err.text);
    add_row(s, &v, N_DOC + n_seen + 1, query_vector[0]);
    struct best b = nearest(&c, 0, N_DOC + PARTS, TIER_SCALAR);
    expect(b.n == N_DOC + 1 && b.row[0].chunk == N_DOC + n_seen + 1,
           "%d of %d chunks had vectors: %d results, first %lld", n_seen, PARTS, b.n, (long long)b.row[0].chunk);
    best_free(&b);
    corpus_vectors_free(&c);
}

/* ---- too many of them --------------------------------------------------------------------- */

static size_t realloc_most; /* above it realloc() fails; 0: it does not */

#if defined(__GLIBC__) && !SANITIZED
void *__libc_realloc(void *p, size_t n);

void *realloc(void *p, size_t n) { return realloc_most && n > realloc_most ? NULL : __libc_realloc(p, n); }
#endif

/* Reads `n` gaps, which are there, where realloc() gives at most `most` bytes. */
static inline void read_gaps(struct source *s, int n, size_t most, const char *why)
{
    struct vector_gaps g;
    struct error err = {0};
    char sql[200];
    snprintf(sql, sizeof sql,
             "DELETE FROM vector_gap; WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < %d) "
             "INSERT INTO vector_gap SELECT 2 * i, 1 FROM k",
             n);
    expect(sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(s->db));
    realloc_most = most;
    int is_failed = vector_gaps_read(s, &g, &err) != 0;
    realloc_most = 0;
    expect(is_failed == (why != NULL) && strstr(err.text, why ? why : "") && (why || g.n == n), "%d gaps: %d, %s", n,
           g.n, err.text);
    vector_gaps_free(&g);
}

static inline void many_gaps(const json_t *docs)
{
    static struct corpus c;
    corpus_make(&c, docs, 1);
    read_gaps(c.list[0], GAPS_MOST, 0, NULL);
    read_gaps(c.list[0], GAPS_MOST + 1, 0, "too many of its articles have changed");
    if (!SANITIZED)
        read_gaps(c.list[0], GAPS_MOST, GAPS_MOST * sizeof(int64_t) / 2,
                  "a: no memory for the passages that have left");
    verdict("vectors, many gaps", "as many as may be, one more, no memory: two sentences");
    corpus_vectors_free(&c);
}

/* ---- while others search --------------------------------------------------------------------- */

/* A writer that does something once, in the middle of a search by another connection. */
static struct meanwhile {
    const struct corpus *c;
    char path[24]; /* of the article that leaves */
    int n_done;
} meanwhile;

static inline int article_leaves(void *arg)
{
    struct source *s = meanwhile.c->list[0];
    struct error err = {0};
    (void)arg;
    if (meanwhile.n_done++ == 0)
        expect(source_transaction(s, &err) == 0 && source_remove(s, meanwhile.path, &err) == 0 &&
                   source_commit(s, &err) == 0,
               "%s", err.text);
    return 0;
}

/* Called by SQLite when the source is asked something. */
static inline int made_anew(unsigned kind, void *arg, void *statement, void *sql)
{
    (void)kind, (void)arg, (void)statement;
    if (strstr(sql, "FROM vector_gap") && meanwhile.n_done++ == 0) {
        struct source_vectors v = begin_vectors(meanwhile.c, 0);
        add_vectors(meanwhile.c, 0, &v, N_DOC);
        source_vectors_sweep(meanwhile.c->list[0]);
    }
    return 0;
}

static inline void search_beside(struct source *reader, int64_t missing, const char *what)
{
    struct source *list[1] = {reader};
    struct search_result r;
    struct error err = {0};
    const struct search_vector v = vector_of(0, TIER_SCALAR);
    const struct search_query q = {.text = "", .limit = TOP, .vector = &v};
    int is_failed = search(list, 1, &q, &r, &err);
    expect(!is_failed && err.code == ERR_NONE && r.n == TOP && r.n_by_vector == 1 && meanwhile.n_done > 0,
           "%s: %d results, %s", what, r.n, err.text);
    for (int i = 0; i < r.n; i++)
        expect(r.hit[i].chunk != missing, "%s: chunk %lld is found", what, (long long)missing);
    search_free(&r);
}

static inline void beside_test(const json_t *docs)
{
    static struct corpus c;
    struct source reader;
    struct error err = {0};
    corpus_make(&c, docs, 1);
    corpus_vectors(&c);
    struct best b = nearest(&c, 0, 1, TIER_SCALAR);
    meanwhile = (struct meanwhile){.c = &c};
    snprintf(meanwhile.path, sizeof meanwhile.path, "%d", doc_of(&c, &b.row[0]));
    expect(source_open(&reader, sqlite3_db_filename(c.list[0]->db, "main"), "a", 0, &err) == 0, "%s", err.text);
    reader.stopped = article_leaves; /* which a scan asks before each piece */
    search_beside(&reader, b.row[0].chunk, "an article that leaves");
    reader.stopped = NULL;
    meanwhile.n_done = 0;
    sqlite3_trace_v2(reader.db, SQLITE_TRACE_STMT, made_anew, NULL);
    search_beside(&reader, -1, "vectors that are made anew");
    sqlite3_trace_v2(reader.db, 0, NULL, NULL);
    best_free(&b);
    sqlite3_exec(c.list[0]->db, "DELETE FROM chunk WHERE id % 2", NULL, NULL, NULL);
    const struct search_vector v = vector_of(0, TIER_SCALAR);
    const struct search_query q = {.text = "", .limit = TOP, .vector = &v};
    struct source *list[1] = {&reader};
    struct search_result r;
    expect(search(list, 1, &q, &r, &err) == 0 && strstr(err.text, "do not belong together") != NULL,
           "chunks that were gone before: %s", err.text);
    search_free(&r);
    source_close(&reader);
    verdict("vectors, searched meanwhile", "an article leaves, all are made anew: no sentence; damage has one");
    corpus_vectors_free(&c);
}

static inline void leaving_tests(const char *dir)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s/retrieval", dir);
    json_t *docs = load_lines(folder, "docs.jsonl");
    leaving_test(docs);
    for (int n_seen = 0; n_seen <= PARTS; n_seen++)
        last_leaves(docs, n_seen);
    verdict("vectors, the last article leaves", "none to all of its chunks had some; what comes then is found");
    many_gaps(docs);
    beside_test(docs);
    json_decref(docs);
}

#endif
