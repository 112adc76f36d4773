/* Sources whose vectors have lists (tests/library.c): one of two, rows that are in none or have left, in memory, damaged, made while
 * somebody searches. */
#ifndef TESTS_LIBRARY_LISTED_H
#define TESTS_LIBRARY_LISTED_H

#include "library_leaving.h"
#include "library_lists.h"

/* Lists of source k, however few vectors it has. */
static inline struct lists_report make_of_source(const struct corpus *c, int k, int64_t above, const char *sentence)
{
    struct lists_report r;
    struct error err = {0};
    char name[2] = {(char)('0' + k), 0};
    const struct lists_options o = {.tier = TIER_COUNT - 1, .n_threads = 2};
    expect(source_lists_make(c->folder, name, above, &o, &r, &err) == 0, "%s", err.text);
    expect(*sentence ? strstr(r.anew.text, sentence) != NULL : r.anew.code == ERR_NONE, "%s", r.anew.text);
    return r;
}

static inline void listed_corpus_free(struct corpus *c)
{
    char lock[TEMPORARY_PATH + 24];
    for (int k = 0; k < c->n; k++) {
        snprintf(lock, sizeof lock, "%s/.%d.lock", c->folder, k);
        unlink(lock);
    }
    corpus_vectors_free(c);
}

struct offering {
    struct best *best;
    int source;
};

static inline void offer(void *arg, int64_t chunk, double score)
{
    const struct offering *o = arg;
    best_offer(o->best, (struct best_row){score, o->source, chunk});
}

/* What by_vector() must find: rows of the nearest lists of source 0 and those behind them; all rows of source 1. */
static inline struct best wanted_of_lists(const struct corpus *c, int query, int most)
{
    struct best b;
    struct error err = {0};
    best_begin(&b, c->list, most, &err);
    for (int k = 0; k < c->n; k++) {
        struct source_vectors v;
        struct segment segment;
        struct lists l;
        struct offering o = {&b, k};
        const struct segment_scan scan = {.tier = TIER_SCALAR, .take = offer, .arg = &o};
        expect(source_vectors_read(c->list[k], &v, &err) == 0 &&
                   source_vectors_open(c->list[k], &v, 0, &segment, &err) == 0,
               "%s", err.text);
        const int has = source_lists_open(c->list[k], &v, &l, &err);
        expect(has == (k == 0), "source %d: %d, %s", k, has, err.text);
        if (has == 1)
            expect(lists_scan(&l, query_vector[query], &scan, &err) == 0, "%s", err.text);
        const struct segment_span rest = segment_rows_from(&segment, has == 1 ? l.covered : SEGMENT_HEAD);
        expect(segment_scan_spans(&segment, query_vector[query], &rest, rest.from < rest.end, &scan, &err) == 0, "%s",
               err.text);
        lists_close(&l);
        segment_close(&segment);
    }
    best_sort(&b);
    return b;
}

static inline void expect_lists(const struct corpus *c, const char *what)
{
    for (int q = 0; q < N_QUERY; q++) {
        struct best want = wanted_of_lists(c, q, 50), is = nearest(c, q, 50, TIER_COUNT - 1);
        expect_same(c, &want, c, &is, what);
        best_free(&want);
        best_free(&is);
    }
}

/* Results that are those of a scan of all rows, with a sentence where lists are there. */
static inline void expect_all(const struct corpus *c, const struct best want[N_QUERY], const char *sentence)
{
    for (int q = 0; q < N_QUERY; q++) {
        struct best b;
        struct error err = {0};
        const struct search_vector v = vector_of(q, TIER_COUNT - 1);
        expect(best_begin(&b, c->list, 50, &err) == 0 && by_vector(c->list, c->n, &v, &b, &err) == c->n &&
                   (*sentence ? strstr(err.text, sentence) == err.text : err.code == ERR_NONE),
               "query %d: %s", q, err.text);
        best_sort(&b);
        expect_same(c, &want[q], c, &b, *sentence ? sentence : "without lists");
        best_free(&b);
    }
}

static inline void first_lists_path(const struct corpus *c, char path[2 * TEMPORARY_PATH + 8])
{
    segment_path(c, path);
    strcat(path, ".lists");
}

/* In memory: what lists and the rows behind them find, whatever the files have become. */
static inline void held_lists(const struct corpus *c)
{
    struct source *s = c->list[0];
    struct source_vectors v;
    struct error err = {0};
    char path[2 * TEMPORARY_PATH + 8];
    struct best want[N_QUERY];
    uint64_t ram = 1 << 30;
    for (int q = 0; q < N_QUERY; q++)
        want[q] = wanted_of_lists(c, q, 50);
    expect(source_vectors_read(s, &v, &err) == 0 && source_hold(s, &v, &ram, &err) == 1 && s->held_lists, "%s",
           err.text);
    const uint64_t taken = (1 << 30) - ram;
    first_lists_path(c, path);
    int fd = open(path, O_RDWR);
    const off_t at = (off_t)s->held_lists->centres.from + 5;
    flip(fd, at);
    expect_all(c, want, "");
    source_release(s);
    flip(fd, at);
    close(fd);
    ram = taken - 1; /* not all rows where lists do not fit, though these are less: searches would find others */
    err = (struct error){0};
    expect(source_hold(s, &v, &ram, &err) == 0 && !s->held && ram == taken - 1, "%s", err.text);
    for (int q = 0; q < N_QUERY; q++)
        best_free(&want[q]);
}

/* What a search of query q finds, and the sentence that comes with it. */
struct answer {
    struct best best;
    struct error err;
};

static inline struct answer answer_of(const struct corpus *c, int q, int most)
{
    struct answer a = {.err = {0}};
    const struct search_vector v = vector_of(q, TIER_COUNT - 1);
    expect(best_begin(&a.best, c->list, most, &a.err) == 0 && by_vector(c->list, c->n, &v, &a.best, &a.err) == c->n,
           "query %d: %s", q, a.err.text);
    best_sort(&a.best);
    return a;
}

/* One list is damaged: who has the source in memory is answered as who has not. */
static inline void held_as_read(const struct corpus *c)
{
    struct source *s = c->list[0];
    struct source_vectors v;
    struct lists l;
    struct error err = {0};
    char path[2 * TEMPORARY_PATH + 8];
    static struct answer read[N_QUERY];
    uint64_t ram = 1 << 30;
    int n_refused = 0, i = 0;
    first_lists_path(c, path);
    int fd = open(path, O_RDWR);
    expect(source_vectors_read(s, &v, &err) == 0 && source_lists_open(s, &v, &l, &err) == 1, "%s", err.text);
    while (l.n_of[i] == 0)
        i++;
    const off_t at = (off_t)l.at[i] + SEGMENT_HEAD;
    flip(fd, at);
    for (int q = 0; q < N_QUERY; q++) {
        read[q] = answer_of(c, q, 50);
        n_refused += read[q].err.code != ERR_NONE;
    }
    expect(n_refused > 0 && n_refused < N_QUERY, "list %d is read by %d queries of %d", i, n_refused, N_QUERY);
    source_hold(s, &v, &ram, &err);
    expect(strstr(err.text, "its lists of vectors are damaged") != NULL, "%s", err.text);
    for (int q = 0; q < N_QUERY; q++) {
        struct answer held = answer_of(c, q, 50);
        expect_same(c, &read[q].best, c, &held.best, "beside one damaged list, held");
        expect(strcmp(held.err.text, read[q].err.text) == 0, "query %d: held '%s', read '%s'", q, held.err.text,
               read[q].err.text);
        best_free(&held.best);
        best_free(&read[q].best);
    }
    source_release(s);
    flip(fd, at);
    close(fd);
    lists_close(&l);
}

/* Lists of other rows: all rows are held, with a sentence. */
static inline void held_without(const struct corpus *c, const struct source_vectors *v)
{
    struct source *s = c->list[0];
    struct error err = {0};
    uint64_t ram = 1 << 30;
    expect(source_hold(s, v, &ram, &err) == 1 && !s->held_lists && s->held &&
               strstr(err.text, "its lists are of other vectors"),
           "%s", err.text);
    source_release(s);
}

/* All rows, with this sentence, for a search of the best one too. */
static inline void expect_told(const struct corpus *c, const struct best all[N_QUERY], const char *sentence)
{
    expect_all(c, all, sentence);
    for (int q = 0; q < N_QUERY; q++) {
        struct answer a = answer_of(c, q, 1);
        expect(strstr(a.err.text, sentence) == a.err.text && a.best.row[0].chunk == all[q].row[0].chunk,
               "the best of query %d is chunk %lld: %s", q, (long long)a.best.row[0].chunk, a.err.text);
        best_free(&a.best);
    }
}

/* A head that says that the lists end at the segment's first block, which is there: rows behind that are in lists too. */
static inline void rows_behind_twice(const struct corpus *c, int fd, struct lists_head head,
                                     const struct best all[N_QUERY])
{
    struct source *s = c->list[0];
    struct source_vectors v;
    struct segment segment;
    struct segment_block first;
    struct error err = {0};
    uint64_t ram = 1 << 30;
    expect(source_vectors_read(s, &v, &err) == 0 && source_vectors_open(s, &v, 0, &segment, &err) == 0 &&
               pread(segment.fd, &first, sizeof first, SEGMENT_HEAD) == sizeof first,
           "%s", err.text);
    head.last_block = SEGMENT_HEAD;
    head.last_sum = first.sum;
    head.covered = SEGMENT_HEAD + block_bytes(segment.stride, first.n);
    head_with(fd, head);
    expect_told(c, all, "a: its lists are of other vectors, so all its vectors are read; stoker library add");
    expect(source_hold(s, &v, &ram, &err) == 1 && s->held_lists, "%s", err.text);
    expect_told(c, all, "a: its lists are of other vectors, so all its vectors are read; stoker library add");
    source_release(s);
    expect(source_lists_check(s, &v, &segment, &err) == -1 && strstr(err.text, "a: its lists are of other vectors"),
           "check: %s", err.text);
    segment_close(&segment);
}

/* The last number of the only block of a list. */
static inline int64_t last_number(const struct lists *l, int fd, int list)
{
    struct segment_block b;
    expect(pread(fd, &b, sizeof b, (off_t)l->at[list]) == sizeof b && b.n == l->n_of[list], "list %d", list);
    return b.chunk[b.n - 1];
}

static inline void take_given(void *arg, int64_t chunk, double score)
{
    (void)score;
    ((unsigned char *)arg)[chunk] = 1;
}

/* Two lists with rows that a query reads. Returns which query. */
static inline int two_lists(const struct lists *l, int fd, int list[2])
{
    for (int q = 0; q < N_QUERY; q++) {
        unsigned char given[N_DOC + 1] = {0};
        struct error err = {0};
        const struct segment_scan o = {.tier = TIER_SCALAR, .take = take_given, .arg = given};
        int n = 0;
        expect(lists_scan(l, query_vector[q], &o, &err) == 0, "%s", err.text);
        for (int i = 0; i < l->n && n < 2; i++)
            if (l->n_of[i] && given[last_number(l, fd, i)])
                list[n++] = i;
        if (n == 2)
            return q;
    }
    expect(0, "no query reads two lists with rows");
    return 0;
}

/* The last row of a list gets the number of the last row of another one, which is above all of its own: each list is whole by itself. */
static inline void rows_twice(const struct corpus *c, const struct lists *l, int fd, const struct best all[N_QUERY])
{
    int list[2] = {0};
    const int q = two_lists(l, fd, list);
    const int64_t more = last_number(l, fd, list[1]) - last_number(l, fd, list[0]);
    const int lesser = more < 0;
    number_with(l, fd, l->at[list[lesser]], lesser ? -more : more);
    struct answer a = answer_of(c, q, 50);
    expect(strstr(a.err.text, "a: its lists of vectors are damaged, so all its vectors are read") == a.err.text,
           "a row that is in two lists: %s", a.err.text);
    expect_same(c, &all[q], c, &a.best, "beside a row that is in two lists");
    best_free(&a.best);
    number_with(l, fd, l->at[list[lesser]], lesser ? more : -more);
}

struct watching {
    const struct lists_report *r;
    int left, n, n_behind; /* ticks until it stops, all, behind the one that stopped it */
    int64_t done;
};

static inline int watch(void *arg, int64_t done, int64_t total)
{
    struct watching *w = arg;
    expect(w->r->is_checking && done >= w->done && done <= total && total == 160, "tick %d: %lld of %lld, checking %d",
           w->n, (long long)done, (long long)total, w->r->is_checking);
    w->done = done;
    w->n++;
    w->n_behind += w->left < 0;
    return w->left-- <= 0;
}

/* Lists of 80 rows that need not be made anew are read, and who asked for that sees how far it is, and may stop it at every moment. */
static inline void checked_lists(const struct corpus *c)
{
    char path[2 * TEMPORARY_PATH + 8];
    first_lists_path(c, path);
    const uint64_t hash = file_hash(path);
    int stops = 1, left = 0;
    for (; stops; left++) {
        struct lists_report r;
        struct error err = {0};
        struct watching w = {.r = &r, .left = left};
        const struct lists_options o = {.tier = TIER_COUNT - 1, .n_threads = 1, .tick = watch, .arg = &w};
        expect(source_lists_make(c->folder, "0", 79, &o, &r, &err) == 0 && !r.is_made && r.anew.code == ERR_NONE &&
                   r.n == 35 && r.n_row == 80 && file_hash(path) == hash,
               "stopped at tick %d: made %d, %lld rows, %s%s", left, r.is_made, (long long)r.n_row, r.anew.text,
               err.text);
        expect(r.is_stopped == (w.n > left) && r.is_checking == r.is_stopped && w.n_behind == 0,
               "stopped at tick %d: %d, and %d ticks behind it", left, r.is_stopped, w.n_behind);
        expect(r.is_stopped || w.done == 80, "the last tick is of row %lld", (long long)w.done);
        stops = r.is_stopped;
    }
    expect(left > 20, "%d ticks", left - 1); /* each list with rows, and the segment */
}

/* One source of two has lists, of a part of its rows. */
static inline void sources_with_lists(const json_t *docs)
{
    static struct corpus c;
    struct best all[N_QUERY];
    struct error err = {0};
    char path[2 * TEMPORARY_PATH + 8];
    corpus_make(&c, docs, 2);
    struct source_vectors v = begin_vectors(&c, 0), w = begin_vectors(&c, 1);
    add_vectors(&c, 0, &v, 55);
    add_vectors(&c, 1, &w, N_DOC);
    struct lists_report r = make_of_source(&c, 0, 55, "");
    expect(r.n == 0 && !r.is_made, "55 vectors are not above 55");
    r = make_of_source(&c, 0, 54, "");
    expect(r.is_made && r.n == 29 && r.n_row == 55, "%d lists of %lld", r.n, (long long)r.n_row);
    add_vectors(&c, 0, &v, 25); /* more than a quarter is in no list */
    r = make_of_source(&c, 0, 79, "");
    expect(r.is_made && r.n == 35 && r.n_row == 80, "%d lists of %lld", r.n, (long long)r.n_row);
    expect_lists(&c, "all rows in lists");
    add_vectors(&c, 0, &v, N_DOC);
    expect_lists(&c, "rows behind the lists");
    r = make_of_source(&c, 0, 79, "");
    expect(!r.is_made && r.n_row == 80, "a fifth of the rows beside them makes them anew");
    checked_lists(&c);
    held_lists(&c);
    held_as_read(&c);
    first_lists_path(&c, path);
    char aside[sizeof path + 8];
    snprintf(aside, sizeof aside, "%s.aside", path);
    expect(rename(path, aside) == 0, "%s", path);
    for (int q = 0; q < N_QUERY; q++)
        all[q] = nearest(&c, q, 50, TIER_SCALAR);
    expect(rename(aside, path) == 0, "%s", path);
    int fd = open(path, O_RDWR);
    struct stat st;
    fstat(fd, &st);
    struct lists l;
    expect(source_lists_open(c.list[0], &v, &l, &err) == 1, "%s", err.text);
    for (int i = 0; i < l.n; i++) /* a byte of each list */
        if (l.n_of[i])
            flip(fd, (off_t)l.at[i] + SEGMENT_HEAD);
    expect_all(&c, all,
               "a: its lists of vectors are damaged, so all its vectors are read; stoker library add with --embed");
    for (int i = 0; i < l.n; i++)
        if (l.n_of[i])
            flip(fd, (off_t)l.at[i] + SEGMENT_HEAD);
    expect_lists(&c, "mended");
    struct lists_head head, lying;
    expect(pread(fd, &head, sizeof head, 0) == sizeof head, "no head");
    lying = head;
    lying.last_block = SEGMENT_HEAD; /* no block ends there */
    lying.covered = SEGMENT_HEAD + 64;
    head_with(fd, lying);
    expect_all(&c, all, "a: its lists are of other vectors, so all its vectors are read");
    held_without(&c, &v);
    head_with(fd, head);
    rows_twice(&c, &l, fd, all);
    rows_behind_twice(&c, fd, head, all);
    lying.last_block = (1 << 30) - SEGMENT_HEAD;
    lying.covered = 1 << 30;
    head_with(fd, lying);
    expect_all(&c, all, "a: its lists are of other vectors, so all its vectors are read");
    held_without(&c, &v);
    r = make_of_source(&c, 0, 79, "0: its lists are of other vectors, so all its vectors are read; stoker library add");
    expect(r.is_made && r.n == 40 && r.n_row == 100, "%d lists of %lld", r.n, (long long)r.n_row);
    close(fd);
    expect_lists(&c, "made anew");
    lists_close(&l);
    for (int q = 0; q < N_QUERY; q++)
        best_free(&all[q]);
    v = begin_vectors(&c, 0); /* another segment: the lists go with the one before */
    source_vectors_sweep(c.list[0]);
    expect(!there_is(path, ""), "lists of vectors that are gone are left");
    verdict("lists, sources", "one of two; rows behind them; held in memory; damage: all rows are read; made anew");
    listed_corpus_free(&c);
}

/* The database says what it said of its segment before, as where both are a backup's: what came since is written over. */
static inline void turn_back(const struct corpus *c, struct source_vectors *v, const struct source_vectors *to)
{
    const struct segment segment = {.about = to->about};
    struct error err = {0};
    *v = *to;
    expect(source_vectors_commit(c->list[0], v, &segment, 0, to->last, &err) == 0, "%s", err.text);
}

static inline void turn_round(float x[WIDTH])
{
    for (int i = 0; i < WIDTH; i++)
        x[i] = -x[i];
}

/* Lists of rows of a segment that has others in their place since, in one before the last block alone, whose rows are written again, then
 * in the last one. */
static inline void lists_of_another_moment(const json_t *docs)
{
    static struct corpus c;
    struct best all[N_QUERY];
    char path[2 * TEMPORARY_PATH + 8], aside[2 * TEMPORARY_PATH + 16];
    corpus_make(&c, docs, 1);
    struct source_vectors v = begin_vectors(&c, 0);
    add_vectors(&c, 0, &v, 7 * BLOCK);
    const struct source_vectors before = v;
    add_vectors(&c, 0, &v, 7 * BLOCK);
    make_of_source(&c, 0, 0, "");
    first_lists_path(&c, path);
    snprintf(aside, sizeof aside, "%s.aside", path);
    for (int chunk = 10 * BLOCK; chunk <= 14 * BLOCK; chunk += 4 * BLOCK) {
        turn_back(&c, &v, &before);
        turn_round(doc_vector[c.of_doc[0][chunk]]);
        add_vectors(&c, 0, &v, 7 * BLOCK);
        expect(rename(path, aside) == 0, "%s", path);
        for (int q = 0; q < N_QUERY; q++)
            all[q] = nearest(&c, q, 50, TIER_SCALAR);
        expect(rename(aside, path) == 0, "%s", path);
        expect_all(&c, all, "a: its lists are of other vectors, so all its vectors are read; stoker library add");
        held_without(&c, &v);
        make_of_source(&c, 0, 0, "0: its lists are of other vectors, so all its vectors are read; stoker library add");
        expect_lists(&c, "made anew");
        turn_round(doc_vector[c.of_doc[0][chunk]]);
        for (int q = 0; q < N_QUERY; q++)
            best_free(&all[q]);
    }
    verdict("lists, of another moment", "other rows in the place of theirs: all rows are read; made anew");
    listed_corpus_free(&c);
}

/* Rows of lists whose chunks have left are not found. */
static inline void leaving_lists(const json_t *docs)
{
    static struct corpus c;
    struct error err = {0};
    corpus_make(&c, docs, 1);
    corpus_vectors(&c);
    make_of_source(&c, 0, 0, "");
    for (int q = 0; q < 5; q++) {
        struct best before = nearest(&c, q, TOP, TIER_SCALAR);
        expect(before.n > 0, "query %d: the nearest lists have no rows", q);
        if (before.n == 0)
            continue;
        char path[24];
        snprintf(path, sizeof path, "%d", doc_of(&c, &before.row[0]));
        expect(source_transaction(c.list[0], &err) == 0 && source_remove(c.list[0], path, &err) == 0 &&
                   source_commit(c.list[0], &err) == 0,
               "%s", err.text);
        struct best after = nearest(&c, q, TOP, TIER_SCALAR);
        for (int i = 0; i + 1 < before.n; i++)
            expect(after.row[i].chunk == before.row[i + 1].chunk, "query %d: result %d is chunk %lld", q, i,
                   (long long)after.row[i].chunk);
        best_free(&before);
        best_free(&after);
    }
    verdict("lists, chunks that leave", "are not found");
    listed_corpus_free(&c);
}

/* While a source is searched it gets more vectors, and lists of all of them. */
static inline int lists_come(unsigned kind, void *arg, void *statement, void *sql)
{
    (void)kind, (void)statement;
    if (strstr(sql, "FROM vector_gap") && meanwhile.n_done++ == 0) {
        add_vectors(meanwhile.c, 0, arg, N_DOC);
        make_of_source(meanwhile.c, 0, 0, "");
    }
    return 0;
}

static inline void lists_meanwhile(const json_t *docs)
{
    static struct corpus c;
    struct source reader;
    struct error err = {0};
    corpus_make(&c, docs, 1);
    struct source_vectors v = begin_vectors(&c, 0);
    add_vectors(&c, 0, &v, N_DOC / 2);
    meanwhile = (struct meanwhile){.c = &c};
    expect(source_open(&reader, sqlite3_db_filename(c.list[0]->db, "main"), "a", 0, &err) == 0, "%s", err.text);
    sqlite3_trace_v2(reader.db, SQLITE_TRACE_STMT, lists_come, &v);
    struct source *list[1] = {&reader};
    const struct search_vector query = vector_of(0, TIER_SCALAR);
    struct best b, want;
    expect(best_begin(&b, list, TOP, &err) == 0 && by_vector(list, 1, &query, &b, &err) == 1 && err.code == ERR_NONE &&
               meanwhile.n_done > 1,
           "lists of more than was asked for: %s", err.text);
    sqlite3_trace_v2(reader.db, 0, NULL, NULL);
    best_sort(&b);
    want = wanted_of_lists(&c, 0, TOP);
    expect_same(&c, &want, &c, &b, "lists that came meanwhile");
    best_free(&want);
    best_free(&b);
    source_close(&reader);
    verdict("lists, made meanwhile", "of vectors that came since the source was asked: it is asked again");
    listed_corpus_free(&c);
}

static inline void listed_tests(const char *dir)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s/retrieval", dir);
    json_t *docs = load_lines(folder, "docs.jsonl");
    load_vectors(folder);
    sources_with_lists(docs);
    leaving_lists(docs);
    lists_meanwhile(docs);
    lists_of_another_moment(docs);
    json_decref(docs);
}

#endif
