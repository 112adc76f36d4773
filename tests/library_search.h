/* Searching against what SQLite's own bm25() found over the same texts, in one source and divided over two (tests/library.c). */
#ifndef TESTS_LIBRARY_SEARCH_H
#define TESTS_LIBRARY_SEARCH_H

#include "library/search.h"
#include "library/words.h"
#include "library_text.h"
#include "temporary.h"

#include <math.h>
#include <unistd.h>

struct corpus {
    struct source store[2];
    struct source *list[2];
    int n;
    int of_doc[2][512]; /* the document of a chunk */
    char folder[TEMPORARY_PATH];
};

static inline void put_document(struct source *s, const char *path, const char *title, const char *text)
{
    struct error err = {0};
    struct text_section section = {.path = {title}, .n_path = *title != 0, .anchor = ""};
    struct chunk c = {&section, text, strlen(text)};
    struct source_article a = {.path = path, .title = title};
    expect(source_article(s, &a, &err) == 0 && source_chunk(s, &c, &err) == 0 && source_article_end(s, &err) == 0, "%s",
           err.text);
}

static inline int search_text(const struct corpus *c, const char *text, size_t n, int limit, struct search_result *r,
                              struct error *err)
{
    return search(c->list, c->n, &(struct search_query){.text = text, .n_text = n, .limit = limit}, r, err);
}

/* Documents, every second one in another source where n is 2. */
static inline void corpus_make(struct corpus *c, const json_t *docs, int n)
{
    struct error err = {0};
    size_t i;
    json_t *doc;
    *c = (struct corpus){.n = n};
    expect(temporary_folder(c->folder, "library") == 0, "no place for databases");
    for (int k = 0; k < n; k++) {
        char path[TEMPORARY_PATH + 16], name[2] = {(char)('a' + k), 0};
        snprintf(path, sizeof path, "%s/%d.db", c->folder, k);
        expect(source_open(&c->store[k], path, name, 1, &err) == 0 && source_transaction(&c->store[k], &err) == 0, "%s",
               err.text);
        c->list[k] = &c->store[k];
    }
    int count[2] = {0, 0};
    json_array_foreach(docs, i, doc)
    {
        int k = (int)i % n;
        const char *title = json_string_value(json_object_get(doc, "title"));
        char path_of[24];
        snprintf(path_of, sizeof path_of, "%zu", i);
        put_document(&c->store[k], path_of, title ? title : "", json_string_value(json_object_get(doc, "text")));
        c->of_doc[k][++count[k]] = (int)i;
    }
    for (int k = 0; k < n; k++)
        expect(source_commit(&c->store[k], &err) == 0, "%s", err.text);
}

static inline void corpus_free(struct corpus *c)
{
    for (int k = 0; k < c->n; k++) {
        char path[TEMPORARY_PATH + 24];
        source_close(&c->store[k]);
        for (int i = 0; i < 3; i++) {
            snprintf(path, sizeof path, "%s/%d.db%s", c->folder, k, i == 0 ? "" : i == 1 ? "-wal" : "-shm");
            unlink(path);
        }
    }
    rmdir(c->folder);
}

static inline int hit_doc(const struct corpus *c, const struct search_hit *h) { return c->of_doc[h->source][h->chunk]; }

static inline void expect_once(const struct corpus *c, const char *query, const struct search_result *r)
{
    for (int i = 0; i < r->n; i++)
        for (int k = 0; k < i; k++)
            expect(hit_doc(c, &r->hit[i]) != hit_doc(c, &r->hit[k]), "%s: results %d and %d are document %d", query, k,
                   i, hit_doc(c, &r->hit[i]));
}

/* What is recorded of a document, [number, score] or the number alone; NULL: it is not among the best. */
static inline const json_t *recorded_of(const json_t *wanted, int doc)
{
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        const json_t *want = json_array_get(wanted, i);
        if (json_integer_value(json_is_array(want) ? json_array_get(want, 0) : want) == doc)
            return want;
    }
    return NULL;
}

static inline double recorded_score(const json_t *want) { return json_number_value(json_array_get(want, 1)); }

/* The same documents with the same scores. Divided over two sources, equal scores come in another order: at each place stands a document
 * that is recorded with the score of that place, or one beyond those that are recorded, as good as the last of them. */
static inline void compare_hits(const struct corpus *c, const char *query, const json_t *wanted)
{
    struct search_result r;
    struct error err = {0};
    const size_t n = json_array_size(wanted);
    expect(search_text(c, query, strlen(query), 10, &r, &err) == 0 && err.code == ERR_NONE, "%s: %s", query, err.text);
    expect((size_t)r.n == n, "%s: %d results, not %zu", query, r.n, n);
    for (int i = 0; i < r.n && (size_t)i < n; i++) {
        const json_t *want = json_array_get(wanted, (size_t)i);
        const int doc = hit_doc(c, &r.hit[i]);
        const json_t *of_doc = recorded_of(wanted, doc), *last = json_array_get(wanted, n - 1);
        if (c->n == 1)
            expect(of_doc == want, "%s: result %d is document %d", query, i, doc);
        if (json_is_array(want)) {
            const double score = r.hit[i].score;
            expect(fabs(score - recorded_score(want)) < 1e-5, "%s: result %d has score %.9g, not %.9g", query, i, score,
                   recorded_score(want));
            expect(fabs(score - recorded_score(of_doc ? of_doc : last)) < 1e-5, "%s: result %d, document %d with %.9g",
                   query, i, doc, score);
        }
    }
    expect_once(c, query, &r);
    search_free(&r);
}

static inline void compare_match(const char *query, const char *wanted)
{
    struct words *w = malloc(sizeof *w);
    struct buffer match = {NULL, 0, 0, 0};
    words_of(w, query, strlen(query));
    words_match(w, NULL, &match);
    expect(strlen(wanted) == match.n && memcmp(wanted, match.text ? match.text : "", match.n) == 0,
           "%s becomes %.*s, not %s", query, (int)match.n, match.text ? match.text : "", wanted);
    buffer_free(&match);
    free(w);
}

static inline void corpus_test(const json_t *docs, const json_t *queries, const json_t *expected, int n)
{
    static struct corpus c;
    char detail[64];
    size_t i;
    json_t *query;
    corpus_make(&c, docs, n);
    json_array_foreach(queries, i, query)
    {
        json_t *want = json_array_get(expected, i);
        const char *text = json_string_value(json_object_get(query, "text"));
        compare_match(text, json_string_value(json_object_get(want, "match")));
        compare_hits(&c, text, json_object_get(want, "bm25"));
    }
    expect(i == 60, "%zu queries", i);
    snprintf(detail, sizeof detail, "60 queries, 200 documents in %d", n);
    verdict("bm25", detail);
    corpus_free(&c);
}

/* What one source finds, two find: each document with the score that it has there. */
static inline void compare_split(const struct corpus *one, const struct corpus *two, const char *text)
{
    struct search_result all, part;
    struct error err = {0};
    search_text(one, text, strlen(text), SEARCH_LIMIT, &all, &err);
    search_text(two, text, strlen(text), SEARCH_LIMIT, &part, &err);
    expect(all.n == part.n && err.code == ERR_NONE, "%s: %d and %d results", text, all.n, part.n);
    for (int i = 0; i < all.n && i < part.n; i++) {
        const struct search_hit *h = &part.hit[i];
        int at = 0;
        while (at < all.n && hit_doc(one, &all.hit[at]) != hit_doc(two, h))
            at++;
        /* where there are more than are told, those that are as good as the last are others */
        const double score = all.hit[at < all.n ? at : all.n - 1].score;
        expect(at < all.n || all.n == SEARCH_LIMIT, "%s: document %d is not found in one source", text,
               hit_doc(two, h));
        expect(fabs(h->score - all.hit[i].score) < 1e-9, "%s: result %d has score %.17g, not %.17g", text, i, h->score,
               all.hit[i].score);
        expect(fabs(h->score - score) < 1e-9, "%s: document %d has score %.17g, not %.17g", text, hit_doc(two, h),
               h->score, score);
    }
    expect_once(two, text, &part);
    search_free(&all);
    search_free(&part);
}

static inline void split_test(const json_t *docs, const json_t *queries)
{
    static struct corpus one, two;
    size_t i;
    json_t *query;
    corpus_make(&one, docs, 1);
    corpus_make(&two, docs, 2);
    json_array_foreach(queries, i, query) compare_split(&one, &two, json_string_value(json_object_get(query, "text")));
    verdict("one source as two", "documents, and their scores to 1e-9");
    corpus_free(&one);
    corpus_free(&two);
}

static inline void cjk_test(const char *dir)
{
    static struct corpus c;
    json_t *lines = load_lines(dir, "cjk.jsonl"), *docs = json_array(), *line;
    size_t i, n = 0;
    json_array_foreach(lines, i, line) if (json_object_get(line, "doc")) json_array_append(docs, line);
    corpus_make(&c, docs, 1);
    json_array_foreach(lines, i, line) if (json_object_get(line, "query"))
    {
        const char *query = json_string_value(json_object_get(line, "query"));
        compare_match(query, json_string_value(json_object_get(line, "match")));
        compare_hits(&c, query, json_object_get(line, "docs"));
        n++;
    }
    expect(n == 9 && json_array_size(docs) == 7, "%zu queries, %zu documents", n, json_array_size(docs));
    verdict("cjk.jsonl", "9 queries, 7 documents");
    corpus_free(&c);
    json_decref(docs);
    json_decref(lines);
}

/* Whatever is asked, no error; and a document that has left is not found. */
static inline void hostile_queries(const json_t *docs)
{
    static const char *const queries[] = {"NEAR",
                                          "*",
                                          "\"",
                                          "\"\"\"",
                                          "NEAR(a b, 2)",
                                          "a AND OR NOT",
                                          "title:x",
                                          "{title text}: x",
                                          "^a",
                                          "a + b",
                                          "(((((",
                                          "-",
                                          "'; DROP",
                                          "\xFF\xFE\x80 a",
                                          "\xCC\x81",
                                          "???",
                                          "a\377b",
                                          "fts MATCH",
                                          "a* b* c*",
                                          "\n\t",
                                          ""};
    static struct corpus c;
    static char many[200000];
    struct search_result r;
    struct error err = {0};
    corpus_make(&c, docs, 2);
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        expect(search_text(&c, queries[i], strlen(queries[i]), 10, &r, &err) == 0 && err.code == ERR_NONE, "%s: %s",
               queries[i], err.text);
        search_free(&r);
    }
    size_t n = 0;
    for (int i = 0; i < 10000; i++)
        n += (size_t)snprintf(many + n, sizeof many - n, "w%d OR \" ", i);
    expect(search_text(&c, many, n, 10, &r, &err) == 0 && err.code == ERR_NONE && r.n_dropped > 0, "10,000 words: %s",
           err.text);
    search_free(&r);
    for (n = 0; n + 3 < sizeof many; n += 3)
        memcpy(many + n, "\xE7\x81\xAF", 3);
    expect(search_text(&c, many, n, 10, &r, &err) == 0 && err.code == ERR_NONE, "a long phrase: %s", err.text);
    search_free(&r);
    struct source *s = c.list[0];
    expect(source_transaction(s, &err) == 0 && source_remove(s, "0", &err) == 0 && source_commit(s, &err) == 0, "%s",
           err.text);
    search(c.list, 1, &(struct search_query){.text = "barley bread arvendal", .n_text = 21, .limit = 100}, &r, &err);
    for (int i = 0; i < r.n; i++)
        expect(c.of_doc[0][r.hit[i].chunk] != 0, "a document that was removed is found");
    expect(err.code == ERR_NONE && s->source.n_article == 99 && s->source.n_chunk == 99, "%s", err.text);
    search_free(&r);
    verdict("hostile queries", "operators, 10,000 words, no letters; a document that leaves");
    corpus_free(&c);
}

static inline void search_tests(const char *dir)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s/retrieval", dir);
    source_begin();
    json_t *docs = load_lines(folder, "docs.jsonl"), *queries = load_lines(folder, "queries.jsonl"),
           *expected = load_lines(folder, "expected.jsonl");
    corpus_test(docs, queries, expected, 1);
    corpus_test(docs, queries, expected, 2);
    split_test(docs, queries);
    cjk_test(folder);
    hostile_queries(docs);
    json_decref(docs);
    json_decref(queries);
    json_decref(expected);
}

#endif
