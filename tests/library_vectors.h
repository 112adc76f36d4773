/* Vectors of chunks against recorded results: the exact scan of int8 codes, the fusion with words (tests/library.c). The recorded
 * vectors are hashed words with noise: they test arithmetic, not meaning. */
#ifndef TESTS_LIBRARY_VECTORS_H
#define TESTS_LIBRARY_VECTORS_H

#include "base/utf8.h"
#include "library/best.h"
#include "library/by_vector.h"
#include "library/library.h"
#include "library/source_lists.h"
#include "library_search.h"

#include <fcntl.h>
#include <pthread.h>

enum { N_DOC = 200, N_QUERY = 60, WIDTH = 64, TEST_MODEL = 42, BLOCK = 7, TOP = 10 };

static float doc_vector[N_DOC][WIDTH], query_vector[N_QUERY][WIDTH];

static inline void load_vectors(const char *folder)
{
    char path[600];
    uint32_t head[3] = {0};
    snprintf(path, sizeof path, "%s/vectors.f32", folder);
    FILE *f = fopen(path, "rb");
    expect(f && fread(head, sizeof head, 1, f) == 1 && head[0] == N_DOC && head[1] == N_QUERY && head[2] == WIDTH &&
               fread(doc_vector, sizeof doc_vector, 1, f) == 1 && fread(query_vector, sizeof query_vector, 1, f) == 1,
           "%s is not what it was", path);
    if (f)
        fclose(f);
}

/* ---- sources with vectors --------------------------------------------------------------------- */

/* Vectors of the chunks of a source from v->last on, `most` of them. */
static inline void add_vectors(const struct corpus *c, int k, struct source_vectors *v, int most)
{
    struct source *s = c->list[k];
    struct segment segment;
    struct error err = {0};
    expect(source_vectors_open(s, v, 1, &segment, &err) == 0, "%s", err.text);
    for (int done = 0; done < most && v->last < s->source.n_chunk;) {
        int64_t chunk[BLOCK];
        float x[BLOCK][WIDTH];
        int n = 0;
        for (; n < BLOCK && done < most && v->last + n < s->source.n_chunk; n++, done++) {
            chunk[n] = v->last + n + 1;
            memcpy(x[n], doc_vector[c->of_doc[k][chunk[n]]], sizeof x[n]);
        }
        expect(segment_append(&segment, chunk, x[0], n, &err) == 0 &&
                   source_vectors_commit(s, v, &segment, n, chunk[n - 1], &err) == 0,
               "%s", err.text);
    }
    segment_close(&segment);
}

static inline struct source_vectors begin_vectors(const struct corpus *c, int k)
{
    struct source_vectors v = {.about = {.model = TEST_MODEL, .width = WIDTH}, .model = "test.gguf"};
    struct error err = {0};
    expect(source_vectors_begin(c->list[k], &v, &err) == 0, "%s", err.text);
    return v;
}

static inline void corpus_vectors(const struct corpus *c)
{
    for (int k = 0; k < c->n; k++) {
        struct source_vectors v = begin_vectors(c, k);
        add_vectors(c, k, &v, N_DOC);
    }
}

static inline void corpus_vectors_free(struct corpus *c)
{
    for (int k = 0; k < c->n; k++)
        source_vectors_unlink(sqlite3_db_filename(c->list[k]->db, "main"));
    corpus_free(c);
}

static inline struct search_vector vector_of(int query, enum cpu_tier tier)
{
    return (struct search_vector){query_vector[query], WIDTH, TEST_MODEL, tier};
}

/* The nearest, sorted; best_free() them. */
static inline struct best nearest(const struct corpus *c, int query, int most, enum cpu_tier tier)
{
    struct best b;
    struct error err = {0};
    const struct search_vector v = vector_of(query, tier);
    expect(best_begin(&b, c->list, most, &err) == 0 && by_vector(c->list, c->n, &v, &b, &err) == c->n, "query %d: %s",
           query, err.text);
    best_sort(&b);
    return b;
}

/* The same by products in f64. */
static inline struct best exact(const struct corpus *c, int query, int most)
{
    struct best b;
    struct error err = {0};
    best_begin(&b, c->list, most, &err);
    for (int doc = N_DOC - 1; doc >= 0; doc--) {
        double score = 0;
        for (int i = 0; i < WIDTH; i++)
            score += (double)doc_vector[doc][i] * (double)query_vector[query][i];
        best_offer(&b, (struct best_row){score, 0, doc + 1});
    }
    best_sort(&b);
    return b;
}

static inline struct best words_of_query(const struct corpus *c, const char *text, int most)
{
    struct search_result r;
    struct best b;
    struct error err = {0};
    best_begin(&b, c->list, most, &err);
    expect(search_text(c, text, strlen(text), most, &r, &err) == 0, "%s", err.text);
    for (int i = 0; i < r.n; i++)
        best_offer(&b, (struct best_row){r.hit[i].score, r.hit[i].source, r.hit[i].chunk});
    search_free(&r);
    best_sort(&b);
    return b;
}

static inline int doc_of(const struct corpus *c, const struct best_row *r) { return c->of_doc[r->source][r->chunk]; }

/* ---- against what was recorded --------------------------------------------------------------------- */

static inline void compare_best(const struct corpus *c, const char *what, int query, const struct best *b,
                                const json_t *wanted, double within)
{
    expect((size_t)b->n >= json_array_size(wanted), "%s %d: %d results", what, query, b->n);
    for (size_t i = 0; i < json_array_size(wanted) && i < (size_t)b->n; i++) {
        const json_t *want = json_array_get(wanted, i);
        double score = json_number_value(json_array_get(want, 1));
        expect(doc_of(c, &b->row[i]) == json_integer_value(json_array_get(want, 0)) &&
                   fabs(b->row[i].score - score) <= within,
               "%s %d: result %zu is document %d with %.9g, not %lld with %.9g", what, query, i, doc_of(c, &b->row[i]),
               b->row[i].score, json_integer_value(json_array_get(want, 0)), score);
    }
}

enum { BM25, EXACT, INT8, RRF, METHODS };
static const char *const method_name[METHODS] = {"bm25", "exact", "int8", "rrf"};

struct metrics {
    double recall, mrr;
};

static inline int is_relevant(const json_t *relevant, int doc)
{
    for (size_t i = 0; i < json_array_size(relevant); i++)
        if (json_integer_value(json_array_get(relevant, i)) == doc)
            return 1;
    return 0;
}

static inline void measure(const struct corpus *c, const struct best *b, const json_t *relevant, struct metrics *m)
{
    size_t n = json_array_size(relevant);
    int found = 0, first = 0;
    for (int i = 0; i < b->n && i < TOP; i++)
        if (is_relevant(relevant, doc_of(c, &b->row[i]))) {
            found++;
            first = first ? first : i + 1;
        }
    if (n)
        m->recall += (double)found / (double)(n < TOP ? n : TOP);
    m->mrr += n && first ? 1.0 / first : 0;
}

static inline int n_common(const struct best *a, const struct best *b)
{
    int n = 0;
    for (int i = 0; i < a->n && i < TOP; i++)
        for (int k = 0; k < b->n && k < TOP; k++)
            n += a->row[i].chunk == b->row[k].chunk;
    return n;
}

static inline void compare_metrics(const char *folder, const struct metrics m[METHODS], int common)
{
    char path[600];
    snprintf(path, sizeof path, "%s/METRICS.json", folder);
    json_t *want = json_load_file(path, 0, NULL);
    for (int i = 0; i < METHODS; i++) {
        const json_t *of = json_object_get(want, method_name[i]);
        double n = json_number_value(json_object_get(of, "queries"));
        expect(fabs(m[i].recall / n - json_number_value(json_object_get(of, "recall_at_10"))) < 5.1e-5 &&
                   fabs(m[i].mrr / n - json_number_value(json_object_get(of, "mrr_at_10"))) < 5.1e-5,
               "%s: recall %.4f, MRR %.4f", method_name[i], m[i].recall / n, m[i].mrr / n);
    }
    expect(fabs(common / (double)(TOP * N_QUERY) - json_number_value(json_object_get(want, "int8_overlap_at_10"))) <
               5.1e-5,
           "int8 and exact have %d results in common", common);
    json_decref(want);
}

static inline void recorded_test(const char *folder, const json_t *docs, const json_t *queries, const json_t *expected)
{
    static struct corpus c;
    struct metrics m[METHODS] = {{0, 0}};
    int common = 0;
    corpus_make(&c, docs, 1);
    corpus_vectors(&c);
    for (int q = 0; q < N_QUERY; q++) {
        const json_t *want = json_array_get(expected, (size_t)q), *query = json_array_get(queries, (size_t)q);
        struct error err = {0};
        struct best b[METHODS] = {[BM25] = words_of_query(&c, json_string_value(json_object_get(query, "text")), TOP),
                                  [EXACT] = exact(&c, q, TOP),
                                  [INT8] = nearest(&c, q, TOP, TIER_COUNT - 1)};
        best_begin(&b[RRF], c.list, 2 * TOP, &err);
        best_fuse(&b[BM25], &b[EXACT], &b[RRF]);
        compare_best(&c, "exact", q, &b[EXACT], json_object_get(want, "exact"), 1e-7);
        compare_best(&c, "int8", q, &b[INT8], json_object_get(want, "int8"), 1e-7);
        compare_best(&c, "rrf", q, &b[RRF], json_object_get(want, "rrf"), 1e-10);
        common += n_common(&b[EXACT], &b[INT8]);
        for (int i = 0; i < METHODS; i++) {
            measure(&c, &b[i], json_object_get(query, "relevant"), &m[i]);
            best_free(&b[i]);
        }
    }
    compare_metrics(folder, m, common);
    verdict("vectors", "exact, int8 and fused results of 60 queries; METRICS.json");
    corpus_vectors_free(&c);
}

/* ---- the same bits --------------------------------------------------------------------- */

static inline void expect_same(const struct corpus *c, const struct best *a, const struct corpus *d,
                               const struct best *b, const char *what)
{
    expect(a->n == b->n, "%s: %d results, not %d", what, b->n, a->n);
    for (int i = 0; i < a->n && i < b->n; i++)
        expect(doc_of(c, &a->row[i]) == doc_of(d, &b->row[i]) && a->row[i].score == b->row[i].score,
               "%s: result %d is document %d with %a, not %d with %a", what, i, doc_of(d, &b->row[i]), b->row[i].score,
               doc_of(c, &a->row[i]), a->row[i].score);
}

static inline void *scan_in_thread(void *arg)
{
    const struct corpus *c = arg;
    struct source_vectors v;
    struct error err = {0};
    struct source s;
    double *sum = calloc(1, sizeof *sum);
    if (source_open(&s, sqlite3_db_filename(c->list[0]->db, "main"), "a", 0, &err) == 0) {
        struct best b;
        struct source *list[1] = {&s};
        const struct search_vector query = vector_of(0, TIER_COUNT - 1);
        best_begin(&b, list, N_DOC, &err);
        if (source_vectors_read(&s, &v, &err) == 0 && by_vector(list, 1, &query, &b, &err) == 1)
            for (int i = 0; i < b.n; i++)
                *sum += b.row[i].score * (double)b.row[i].chunk;
        best_free(&b);
        source_close(&s);
    }
    return sum;
}

static inline void several_threads(const struct corpus *c)
{
    enum { THREADS = 4 };
    pthread_t thread[THREADS];
    double *sum[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, scan_in_thread, (void *)(uintptr_t)c);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], (void **)&sum[i]);
        expect(*sum[i] != 0 && *sum[i] == *sum[0], "scans of several threads at a time differ: %a, %a", *sum[i],
               *sum[0]);
    }
    for (int i = 0; i < THREADS; i++)
        free(sum[i]);
}

static inline void segment_path(const struct corpus *c, char path[2 * TEMPORARY_PATH])
{
    struct source_vectors v;
    struct error err = {0};
    source_vectors_read(c->list[0], &v, &err);
    snprintf(path, 2 * TEMPORARY_PATH, "%s/0.vec/%016llx", c->folder, (unsigned long long)v.about.id);
}

static inline void flip(int fd, off_t at)
{
    uint8_t b;
    expect(pread(fd, &b, 1, at) == 1, "byte %lld", (long long)at);
    b ^= 1 << (at & 7);
    expect(pwrite(fd, &b, 1, at) == 1, "byte %lld", (long long)at);
}

/* What is in memory answers for the file, damaged or not, until the source has more. */
static inline void held_test(const struct corpus *c)
{
    struct source *s = c->list[0];
    struct source_vectors v;
    struct error err = {0};
    char path[2 * TEMPORARY_PATH];
    source_vectors_read(s, &v, &err);
    segment_path(c, path);
    int fd = open(path, O_RDWR);
    struct best read[N_QUERY];
    for (int q = 0; q < N_QUERY; q++)
        read[q] = nearest(c, q, 50, TIER_SCALAR);
    uint64_t ram = (uint64_t)v.about.bytes - SEGMENT_HEAD - 1;
    expect(source_hold(s, &v, &ram, &err) == 0 && !s->held && ram == (uint64_t)v.about.bytes - SEGMENT_HEAD - 1,
           "it fits into too little: %s", err.text);
    ram++;
    expect(source_hold(s, &v, &ram, &err) == 1 && s->held && ram == 0, "%s", err.text);
    flip(fd, v.about.bytes - 1);
    for (int q = 0; q < N_QUERY; q++) {
        for (int tier = 0; tier <= (int)cpu_best_tier(); tier++) {
            struct best held = nearest(c, q, 50, (enum cpu_tier)tier);
            expect_same(c, &read[q], c, &held, "held in memory");
            best_free(&held);
        }
        best_free(&read[q]);
    }
    source_release(s);
    ram = UINT64_MAX;
    expect(source_hold(s, &v, &ram, &err) == -1 && !s->held && ram == UINT64_MAX && strstr(err.text, "damaged at byte"),
           "%s", err.text);
    flip(fd, v.about.bytes - 1);
    close(fd);
}

static inline void same_bits_test(const json_t *docs)
{
    static struct corpus one, two;
    corpus_make(&one, docs, 1);
    corpus_make(&two, docs, 2);
    corpus_vectors(&one);
    corpus_vectors(&two);
    for (int q = 0; q < N_QUERY; q++) {
        struct best scalar = nearest(&one, q, 50, TIER_SCALAR), split = nearest(&two, q, 50, TIER_SCALAR);
        expect_same(&one, &scalar, &two, &split, "two sources");
        for (int tier = 1; tier <= (int)cpu_best_tier(); tier++) {
            struct best b = nearest(&one, q, 50, (enum cpu_tier)tier);
            expect_same(&one, &scalar, &one, &b, cpu_tier_name((enum cpu_tier)tier));
            best_free(&b);
        }
        best_free(&scalar);
        best_free(&split);
    }
    several_threads(&one);
    held_test(&one);
    verdict("vectors, the same bits", "every tier, one source as two, four threads at a time, held in memory or read");
    corpus_vectors_free(&one);
    corpus_vectors_free(&two);
}

/* Scores that are equal come by name, then by chunk. */
static inline void ties_test(void)
{
    static struct source b_source = {.name = "b"}, a_source = {.name = "a"};
    struct source *list[2] = {&b_source, &a_source};
    struct best b;
    struct error err = {0};
    best_begin(&b, list, 5, &err);
    for (int64_t chunk = 6; chunk > 0; chunk--)
        for (int s = 0; s < 2; s++)
            best_offer(&b, (struct best_row){1, s, chunk});
    best_offer(&b, (struct best_row){2, 0, 9});
    best_sort(&b);
    expect(b.n == 5 && b.row[0].chunk == 9, "%d rows, first %lld", b.n, (long long)b.row[0].chunk);
    for (int i = 1; i < b.n; i++)
        expect(b.row[i].source == 1 && b.row[i].chunk == i, "row %d: source %d, chunk %lld", i, b.row[i].source,
               (long long)b.row[i].chunk);
    best_free(&b);
    verdict("ties", "by the name of the source, then by chunk");
}

static inline void codes_test(void)
{
    static const float x[] = {127, 0.5F, 1.5F, 2.5F, -0.5F, -1.5F, -126.5F, 0, 126.4F};
    static const int8_t want[] = {127, 0, 2, 2, 0, -2, -126, 0, 126};
    int8_t code[64];
    float least[2] = {0x1p-149F, -0x1p-149F}, none[3] = {0};
    expect(segment_quantise(code, x, 9) == 1 && memcmp(code, want, sizeof want) == 0, "codes are not the nearest even");
    for (int i = 9; i < 64; i++)
        expect(code[i] == 0, "code %d behind the width is %d", i, code[i]);
    expect(segment_quantise(code, least, 2) == 0 && code[0] == 0, "the least number has code %d", code[0]);
    expect(segment_quantise(code, none, 3) == 0 && code[0] == 0, "zeros have code %d", code[0]);
    verdict("codes", "the nearest even, zeros, the least numbers");
}

/* ---- words and vectors --------------------------------------------------------------------- */

/* The fusion again, the long way: a row's score from its places in both lists. */
static inline double fused_score(const struct best *words, const struct best *near, const struct best_row *r)
{
    double score = 0;
    for (int i = 0; i < words->n; i++)
        if (words->row[i].chunk == r->chunk && words->row[i].source == r->source)
            score += 1.0 / (61 + i);
    for (int i = 0; i < near->n; i++)
        if (near->row[i].chunk == r->chunk && near->row[i].source == r->source)
            score += 1.0 / (61 + i);
    return score;
}

static inline void check_hybrid(const struct corpus *c, int q, const char *text)
{
    struct best words = words_of_query(c, text, SEARCH_FUSED), near = nearest(c, q, SEARCH_FUSED, TIER_SCALAR);
    struct search_result r;
    struct error err = {0};
    double last = 1;
    const struct search_vector v = vector_of(q, TIER_COUNT - 1);
    const struct search_query query = {.text = text, .n_text = strlen(text), .limit = TOP, .vector = &v};
    expect(search(c->list, c->n, &query, &r, &err) == 0 && err.code == ERR_NONE && r.n == TOP && r.n_by_vector == c->n,
           "%s: %d results, %s", text, r.n, err.text);
    for (int i = 0; i < r.n; i++) {
        const struct best_row row = {r.hit[i].score, r.hit[i].source, r.hit[i].chunk};
        expect(row.score == fused_score(&words, &near, &row) && row.score <= last, "%s: result %d has %.17g, not %.17g",
               text, i, row.score, fused_score(&words, &near, &row));
        last = row.score;
    }
    int n_better = 0; /* of all rows: nothing that is better was left out */
    for (int i = 0; i < near.n; i++)
        n_better += fused_score(&words, &near, &near.row[i]) > last;
    for (int i = 0; i < words.n; i++)
        n_better += fused_score(&words, &near, &words.row[i]) > last &&
                    fused_score(&(struct best){.n = 0}, &near, &words.row[i]) == 0;
    expect(n_better < TOP, "%s: %d rows are better than the last result", text, n_better);
    search_free(&r);
    best_free(&words);
    best_free(&near);
}

/* Vectors of another model, and none: words alone, with a sentence where there is something to say. */
static inline void check_words_alone(const struct corpus *c, const struct search_vector *v, const char *sentence)
{
    struct search_result r, words;
    struct error err = {0}, none = {0};
    const char *text = "salt bread of Arvendal";
    const struct search_query query = {.text = text, .n_text = strlen(text), .limit = TOP, .vector = v};
    search_text(c, text, strlen(text), TOP, &words, &none);
    expect(search(c->list, c->n, &query, &r, &err) == 0 && r.n_by_vector == 0 && r.n == words.n, "%d results", r.n);
    expect(*sentence ? strstr(err.text, sentence) != NULL : err.code == ERR_NONE, "%s", err.text);
    for (int i = 0; i < r.n && i < words.n; i++)
        expect(r.hit[i].chunk == words.hit[i].chunk && r.hit[i].score == words.hit[i].score, "result %d", i);
    search_free(&r);
    search_free(&words);
}

static inline void hybrid_test(const json_t *docs, const json_t *queries)
{
    static struct corpus c;
    struct search_vector v = vector_of(0, TIER_SCALAR);
    corpus_make(&c, docs, 2);
    check_words_alone(&c, &v, "");
    corpus_vectors(&c);
    for (int q = 0; q < N_QUERY; q++)
        check_hybrid(&c, q, json_string_value(json_object_get(json_array_get(queries, (size_t)q), "text")));
    v.model++;
    check_words_alone(&c, &v, "its vectors are of another model, test.gguf, so it is searched by words alone");
    v.model--;
    v.width = 32;
    check_words_alone(&c, &v, "its vectors are of another model");
    verdict("words and vectors", "60 queries over two sources, one of them without a word; another model: words alone");
    corpus_vectors_free(&c);
}

static inline int note_bytes(void *self, const char *text, size_t n, float *x, int (*stopped)(void *arg), void *arg,
                             struct error *err)
{
    (void)x, (void)stopped, (void)arg, (void)err;
    expect(utf8_valid(text, n) == n, "%zu bytes end in a character", n);
    *(size_t *)self = n;
    return 1;
}

/* What the words of a query are taken of is what gets a vector. */
static inline void long_queries_test(void)
{
    static const char letter[] = "\xE6\xB0\xB4"; /* of 3 bytes: the last one does not fit whole */
    size_t n = 0;
    struct library l = {.encoder = {.width = WIDTH, .encode = note_bytes, .self = &n}};
    struct buffer text = {0};
    struct error err = {0};
    for (int i = 0; i < QUERY_BYTES; i++)
        buffer_put(&text, letter, 3);
    static const size_t given[] = {3, QUERY_BYTES - 1, QUERY_BYTES + 2, 3 * QUERY_BYTES};
    static const size_t wanted[] = {3, QUERY_BYTES - 1, QUERY_BYTES - 1, QUERY_BYTES - 1};
    for (int i = 0; i < 4; i++) {
        struct search_result r;
        const struct library_query q = {.text = text.text, .n = given[i], .limit = TOP};
        expect(library_find(&l, l.list, 0, &q, &r, &err) == 0 && n == wanted[i], "of %zu bytes %zu are encoded",
               given[i], n);
        library_found_free(&l, &r);
    }
    buffer_free(&text);
    verdict("long queries", "get the vector of their beginning, which cuts no character");
}

static inline void vector_tests(const char *dir)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s/retrieval", dir);
    json_t *docs = load_lines(folder, "docs.jsonl"), *queries = load_lines(folder, "queries.jsonl"),
           *expected = load_lines(folder, "expected.jsonl");
    load_vectors(folder);
    codes_test();
    ties_test();
    recorded_test(folder, docs, queries, expected);
    same_bits_test(docs);
    hybrid_test(docs, queries);
    long_queries_test();
    json_decref(docs);
    json_decref(queries);
    json_decref(expected);
}

#endif
