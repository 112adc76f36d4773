/* What a model that ranks makes of a search: here a function of the passage's text in its place (tests/library.c). */
#ifndef TESTS_LIBRARY_RANKING_H
#define TESTS_LIBRARY_RANKING_H

#include "library_leaving.h"

#include <stdatomic.h>
#include <time.h>

struct judge {
    enum { BY_TEXT, ALL_EQUAL, FAILS, LEAVES } how;
    struct library *library; /* searched while it ranks, if not NULL */
    int n_seen, n_inside;    /* passages of the last call; results of that search */
};

/* Of the text alone, and of no two texts of the corpus the same. */
static inline double judged(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

static inline int after_some(void *arg) { return --*(int *)arg < 0; }

/* -1: nobody was waited for any longer. */
static inline int find_in(struct library *l, const char *text, int limit, int no_ranking, int patience,
                          struct search_result *r, struct error *err)
{
    const struct library_query q = {.text = text,
                                    .n = strlen(text),
                                    .limit = limit,
                                    .no_ranking = no_ranking,
                                    .stopped = after_some,
                                    .arg = &patience};
    return library_find(l, l->list, l->n, &q, r, err);
}

enum { PATIENT = 1 << 30 };

static inline int rank_by_judge(void *self, const struct library_query *q, const struct search_result *r, double *score,
                                struct error *err)
{
    struct judge *j = self;
    (void)q;
    j->n_seen = r->n;
    if (j->library) { /* others search and read meanwhile */
        struct search_result other;
        struct error none = {0};
        if (find_in(j->library, "salt", TOP, 1, 2, &other, &none) == 0) {
            j->n_inside = other.n;
            library_found_free(j->library, &other);
        }
    }
    for (int i = 0; i < r->n; i++)
        score[i] = j->how == BY_TEXT ? judged(r->hit[i].text) : 1;
    if (j->how == LEAVES)
        return error_set(err, ERR_CANCELLED, "nobody waits");
    return j->how == FAILS ? error_set(err, ERR_INPUT, "test.gguf did not rank what was found: no") : 0;
}

static inline void library_of(struct library *l, const struct corpus *c, struct judge *j)
{
    *l = (struct library){.n = c->n, .ranker = {j ? rank_by_judge : NULL, j}};
    for (int k = 0; k < c->n; k++)
        l->list[k] = c->list[k];
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->left, NULL);
}

/* The long way: the best that are not ranked, the largest of what is left again and again. */
static inline void check_order(struct library *l, const struct judge *j, const char *text, int limit)
{
    const int most = limit > SEARCH_FUSED ? limit : SEARCH_FUSED;
    struct search_result plain, r;
    struct error err = {0};
    int is_taken[SEARCH_LIMIT] = {0};
    int state = find_in(l, text, most, 1, PATIENT, &plain, &err);
    expect(state == 0 && !plain.is_ranked, "%s: %s", text, err.text);
    state = find_in(l, text, limit, 0, PATIENT, &r, &err);
    expect(state == 0 && err.code == ERR_NONE && (r.is_ranked || r.n == 0), "%s: %s", text, err.text);
    expect((r.n == 0 || j->n_seen == plain.n) && r.n == (plain.n < limit ? plain.n : limit),
           "%s: %d results of %d, %d were ranked", text, r.n, plain.n, j->n_seen);
    for (int i = 0; i < r.n; i++) {
        int best = -1;
        for (int k = 0; k < plain.n; k++)
            if (!is_taken[k] && (best < 0 || judged(plain.hit[k].text) > judged(plain.hit[best].text)))
                best = k;
        is_taken[best] = 1;
        expect(r.hit[i].chunk == plain.hit[best].chunk && r.hit[i].source == plain.hit[best].source &&
                   r.hit[i].score == judged(plain.hit[best].text),
               "%s: result %d is chunk %lld", text, i, (long long)r.hit[i].chunk);
    }
    library_found_free(l, &r);
    library_found_free(l, &plain);
}

/* As if there were no such model; sentence: of the error, "" for none. */
static inline void check_as_unranked(struct library *l, const char *text, const char *sentence)
{
    struct search_result plain, r;
    struct error err = {0}, none = {0};
    int state = find_in(l, text, TOP, 1, PATIENT, &plain, &none);
    expect(state == 0 && plain.n > 1, "%s: %d results", text, plain.n);
    state = find_in(l, text, TOP, 0, PATIENT, &r, &err);
    expect(state == 0 && r.n == plain.n, "%s: %d results, not %d", text, r.n, plain.n);
    expect(strcmp(err.text, sentence) == 0 && r.is_ranked == !*sentence, "%s: %s", text, err.text);
    for (int i = 0; i < r.n && i < plain.n; i++)
        expect(r.hit[i].chunk == plain.hit[i].chunk && r.hit[i].source == plain.hit[i].source &&
                   (r.is_ranked || r.hit[i].score == plain.hit[i].score),
               "%s: result %d is chunk %lld", text, i, (long long)r.hit[i].chunk);
    library_found_free(l, &r);
    library_found_free(l, &plain);
}

static const char *const ranked_words = "salt bread of Arvendal";

static inline void order_test(const json_t *docs, const json_t *queries)
{
    static struct corpus c;
    static struct library l;
    struct judge j = {.how = BY_TEXT};
    corpus_make(&c, docs, 2);
    library_of(&l, &c, &j);
    for (int q = 0; q < N_QUERY; q++)
        check_order(&l, &j, json_string_value(json_object_get(json_array_get(queries, (size_t)q), "text")),
                    q % 2 ? TOP : SEARCH_LIMIT);
    verdict("ranked", "60 queries: the best 50, or as many as are asked for, in the order of their scores");
    j.how = ALL_EQUAL;
    check_as_unranked(&l, ranked_words, "");
    j.how = FAILS;
    check_as_unranked(&l, ranked_words, "test.gguf did not rank what was found: no");
    verdict("ranked, without scores", "equal ones and none leave the order that there was; none is a sentence");
    corpus_free(&c);
}

/* Three results of an article: its best, whatever their places were. */
static inline void ranked_articles_test(const json_t *docs)
{
    static struct corpus c;
    static struct library l;
    struct judge j = {.how = BY_TEXT};
    struct search_result r;
    struct error err = {0};
    int n = 0;
    double last = 0, best[PARTS];
    corpus_make(&c, docs, 1);
    expect(source_transaction(c.list[0], &err) == 0, "%s", err.text);
    put_parts(c.list[0], "long", PARTS);
    expect(source_commit(c.list[0], &err) == 0, "%s", err.text);
    library_of(&l, &c, &j);
    int state = find_in(&l, "part", TOP, 0, PATIENT, &r, &err);
    expect(state == 0 && r.is_ranked && j.n_seen >= PARTS, "%s", err.text);
    for (int i = 0; i < PARTS; i++) {
        char text[32];
        snprintf(text, sizeof text, "Part %d.", i);
        best[i] = judged(text);
    }
    for (int i = 0; i < r.n; i++)
        if (strcmp(r.hit[i].path, "long") == 0) {
            int n_better = 0;
            for (int k = 0; k < PARTS; k++)
                n_better += best[k] > r.hit[i].score;
            expect(n_better == n, "result %d of the article has %d better ones", n, n_better);
            last = r.hit[i].score;
            n++;
        }
    expect(n == SEARCH_AN_ARTICLE && last > 0, "%d results of an article", n);
    library_found_free(&l, &r);
    verdict("ranked, an article", "has its three best");
    corpus_free(&c);
}

enum { MANY_PARTS = 60 };

/* An article that has more passages than are ranked hides no other: with scores and without. */
static inline void long_article_test(const json_t *docs)
{
    static struct corpus c;
    static struct library l;
    struct judge j = {.how = BY_TEXT};
    struct error err = {0};
    corpus_make(&c, docs, 1);
    expect(source_transaction(c.list[0], &err) == 0, "%s", err.text);
    put_parts(c.list[0], "long", MANY_PARTS);
    for (int i = 0; i < 2 * TOP; i++) {
        char path[24], text[80];
        snprintf(path, sizeof path, "other%d", i);
        snprintf(text, sizeof text, "Of a thing that has several sides this is part %d.", i);
        put_document(c.list[0], path, path, text);
    }
    expect(source_commit(c.list[0], &err) == 0, "%s", err.text);
    library_of(&l, &c, &j);
    for (int limit = 4; limit <= TOP; limit++) {
        struct search_result r;
        int n_long = 0;
        int state = find_in(&l, "part", limit, 0, PATIENT, &r, &err);
        expect(state == 0 && r.is_ranked && r.n == limit, "%d results of %d: %s", r.n, limit, err.text);
        for (int i = 0; i < r.n; i++)
            n_long += strcmp(r.hit[i].path, "long") == 0;
        expect(n_long <= SEARCH_AN_ARTICLE, "%d of one article", n_long);
        library_found_free(&l, &r);
    }
    j.how = FAILS;
    check_as_unranked(&l, "part", "test.gguf did not rank what was found: no");
    verdict("ranked, an article of 60 passages", "leaves room for others");
    corpus_free(&c);
}

/* Whose turn it is: a model works while others search, one ranked search has results at a time, and who has gone holds nobody up. */
static inline void ranking_turns_test(const json_t *docs)
{
    static struct corpus c;
    static struct library l;
    struct judge j = {.how = BY_TEXT, .library = &l};
    struct search_result r, second;
    struct error err = {0};
    corpus_make(&c, docs, 2);
    library_of(&l, &c, &j);
    int state = find_in(&l, ranked_words, TOP, 0, PATIENT, &r, &err);
    expect(state == 0 && j.n_inside > 0, "nobody searches meanwhile");
    state = find_in(&l, ranked_words, TOP, 0, 1, &second, &err);
    expect(state == -1 && err.code == ERR_CANCELLED && second.n == 0, "a second ranked search has results too");
    err = (struct error){0};
    library_found_free(&l, &r);
    j.how = LEAVES;
    state = find_in(&l, ranked_words, TOP, 0, PATIENT, &r, &err);
    expect(state == -1 && err.code == ERR_CANCELLED && r.n == 0, "%s", err.text);
    err = (struct error){0};
    j.how = BY_TEXT;
    state = find_in(&l, ranked_words, TOP, 0, 2, &r, &err);
    expect(state == 0 && r.n, "the turn was not given back: %s", err.text);
    library_found_free(&l, &r);
    verdict("ranked, turns", "others search meanwhile; one at a time has results; who leaves holds nobody up");
    corpus_free(&c);
}

struct later {
    struct library *l;
    int n_seen; /* ranked searches that had results before its own */
    atomic_int *n_done;
};

static inline void *search_later(void *arg)
{
    struct later *w = arg;
    struct search_result r;
    struct error err = {0};
    if (find_in(w->l, ranked_words, TOP, 0, PATIENT, &r, &err) == 0) {
        w->n_seen = atomic_fetch_add(w->n_done, 1);
        library_found_free(w->l, &r);
    }
    return NULL;
}

static inline void wait_for_waiting(struct library *l)
{
    for (int is_there = 0; !is_there;) {
        pthread_mutex_lock(&l->lock);
        is_there = l->ranking.first != NULL;
        pthread_mutex_unlock(&l->lock);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
}

/* Who asks again and again has no turn before those that wait. */
static inline void ranking_order_test(const json_t *docs)
{
    static struct corpus c;
    static struct library l;
    struct judge j = {.how = BY_TEXT};
    struct search_result r;
    struct error err = {0};
    corpus_make(&c, docs, 2);
    library_of(&l, &c, &j);
    for (int i = 0; i < 20; i++) {
        atomic_int n_done = 0;
        struct later other = {&l, -1, &n_done}, own = other;
        pthread_t thread;
        int state = find_in(&l, ranked_words, TOP, 0, PATIENT, &r, &err);
        expect(state == 0, "%s", err.text);
        if (state || pthread_create(&thread, NULL, search_later, &other))
            abort();
        wait_for_waiting(&l);
        library_found_free(&l, &r);
        search_later(&own);
        pthread_join(thread, NULL);
        expect(other.n_seen == 0 && own.n_seen == 1, "turn %d: the later one was first", i);
    }
    verdict("ranked, turns in order", "20 times who waits is before who comes");
    corpus_free(&c);
}

/* Who leaves does so wherever its place is, and those behind it have their turns. */
static inline void ranking_leaving_test(const json_t *docs)
{
    static struct corpus c;
    static struct library l;
    struct judge j = {.how = BY_TEXT};
    struct search_result r, other;
    struct error err = {0};
    atomic_int n_done = 0;
    struct later first = {&l, -1, &n_done};
    pthread_t thread;
    int patience = 2;
    corpus_make(&c, docs, 2);
    library_of(&l, &c, &j);
    int state = find_in(&l, ranked_words, TOP, 0, PATIENT, &r, &err);
    expect(state == 0, "%s", err.text);
    state = find_in(&l, ranked_words, TOP, 0, 2, &other, &err); /* the first that waits */
    expect(state == -1 && err.code == ERR_CANCELLED, "the first that waits does not leave: %s", err.text);
    if (pthread_create(&thread, NULL, search_later, &first))
        abort();
    wait_for_waiting(&l);
    err = (struct error){0};
    state = find_in(&l, ranked_words, TOP, 0, 2, &other, &err); /* the second */
    expect(state == -1 && err.code == ERR_CANCELLED, "the second that waits does not leave: %s", err.text);
    expect(library_enter(&l, NULL, NULL) == 0, "the sources are not to be had");
    expect(library_enter(&l, after_some, &patience) == -1, "who waits for the sources does not leave");
    library_leave(&l);
    library_found_free(&l, &r);
    pthread_join(thread, NULL);
    expect(first.n_seen == 0 && !l.ranking.first && !l.reading.first && !l.ranking.is_taken, "turns are left behind");
    verdict("ranked, who leaves", "waits no longer, first or second; others have their turns");
    corpus_free(&c);
}

/* A source that could not be read is told of, whatever the ranker says. */
static inline void ranking_warning_test(const json_t *docs)
{
    static struct corpus c;
    static struct library l;
    struct judge j = {.how = FAILS};
    struct search_result r;
    struct error err = {0};
    corpus_make(&c, docs, 2);
    library_of(&l, &c, &j);
    expect(sqlite3_exec(c.list[0]->db, "DROP TABLE fts", NULL, NULL, NULL) == SQLITE_OK, "the index stays");
    int state = find_in(&l, ranked_words, TOP, 0, PATIENT, &r, &err);
    expect(state == 0 && r.n && err.code != ERR_NONE && !strstr(err.text, "rank"), "%s", err.text);
    library_found_free(&l, &r);
    verdict("ranked, a source that is broken", "is the first that is named");
    corpus_free(&c);
}

static inline void ranking_tests(const char *dir)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s/retrieval", dir);
    json_t *docs = load_lines(folder, "docs.jsonl"), *queries = load_lines(folder, "queries.jsonl");
    order_test(docs, queries);
    ranked_articles_test(docs);
    long_article_test(docs);
    ranking_turns_test(docs);
    ranking_leaving_test(docs);
    ranking_order_test(docs);
    ranking_warning_test(docs);
    json_decref(docs);
    json_decref(queries);
}

#endif
