/* See search.h. FTS5's own bm25() knows one table; the function here is its formula with the sums of all. */
#include "library/search.h"

#include "base/error.h"
#include "library/best.h"
#include "library/by_vector.h"
#include "library/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct frequencies { /* over all sources */
    const struct words *words;
    unsigned char use[WORDS_MOST];
    int64_t rows[WORDS_MOST]; /* that a word is in */
    double idf[WORDS_MOST];   /* of the words in use, in order */
    int64_t n_row, n_token;
    int64_t most; /* of rows to count of a word */
};

/* ---- functions of FTS5 ---------------------------------------- */

struct counting {
    int64_t n, most;
};

static int count_row(const Fts5ExtensionApi *api, Fts5Context *fts, void *arg)
{
    struct counting *c = arg;
    (void)api, (void)fts;
    return ++c->n > c->most ? SQLITE_DONE : SQLITE_OK;
}

/* stoker_count(fts): adds what this table has of each word. */
static void count_words(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *out, int n_arg,
                        sqlite3_value **arg)
{
    struct frequencies *f = ((struct source *)api->xUserData(fts))->searching;
    int n = api->xPhraseCount(fts);
    (void)n_arg, (void)arg;
    for (int i = 0, word = 0; i < n && word < WORDS_MOST; i++, word++) {
        while (word < WORDS_MOST - 1 && !f->use[word])
            word++;
        struct counting c = {0, f->most};
        int code = api->xQueryPhrase(fts, i, &c, count_row);
        if (code != SQLITE_OK && code != SQLITE_DONE) {
            sqlite3_result_error_code(out, code);
            return;
        }
        f->rows[word] += c.n;
    }
    sqlite3_result_int(out, n);
}

/* stoker_score(fts): BM25, k1 1.2, b 0.75, column weights 4 and 1. */
static void score_row(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *out, int n_arg,
                      sqlite3_value **arg)
{
    const struct frequencies *f = ((struct source *)api->xUserData(fts))->searching;
    double frequency[WORDS_MOST] = {0}, score = 0, k1 = 1.2, b = 0.75;
    int n = api->xPhraseCount(fts), n_instance, length;
    int code = api->xInstCount(fts, &n_instance);
    (void)n_arg, (void)arg;
    for (int i = 0; code == SQLITE_OK && i < n_instance; i++) {
        int phrase, column, at;
        code = api->xInst(fts, i, &phrase, &column, &at);
        if (code == SQLITE_OK && phrase < WORDS_MOST)
            frequency[phrase] += column == 0 ? 4.0 : 1.0;
    }
    if (code == SQLITE_OK)
        code = api->xColumnSize(fts, -1, &length);
    if (code != SQLITE_OK) {
        sqlite3_result_error_code(out, code);
        return;
    }
    double mean = f->n_row ? (double)f->n_token / (double)f->n_row : 1;
    for (int i = 0; i < n && i < WORDS_MOST; i++)
        score += f->idf[i] * ((frequency[i] * (k1 + 1.0)) / (frequency[i] + k1 * (1 - b + b * length / mean)));
    sqlite3_result_double(out, score);
}

static int add_functions(struct source *s, struct frequencies *f, struct error *err)
{
    fts5_api *api = NULL;
    s->searching = f;
    if (s->has_functions)
        return 0;
    sqlite3_stmt *q = source_prepare(s, "SELECT fts5(?1)", err);
    if (!q)
        return -1;
    sqlite3_bind_pointer(q, 1, &api, "fts5_api_ptr", NULL);
    sqlite3_step(q);
    sqlite3_finalize(q);
    if (!api || api->xCreateFunction(api, "stoker_count", s, count_words, NULL) != SQLITE_OK ||
        api->xCreateFunction(api, "stoker_score", s, score_row, NULL) != SQLITE_OK)
        return error_set(err, ERR_UNSUPPORTED, "this system's SQLite has no FTS5");
    s->has_functions = 1;
    return 0;
}

/* ---- frequencies ---------------------------------------- */

static const uint8_t *read_varint(const uint8_t *p, const uint8_t *end, int64_t *v)
{
    *v = 0;
    for (int i = 0; p < end && i < 9; i++) {
        *v = (int64_t)((uint64_t)*v << 7 | (*p & 0x7F));
        if (!(*p++ & 0x80))
            break;
    }
    return p;
}

/* Rows of the index, and words in all of them: FTS5 keeps them as its record 1, numbers of 7 bits a byte. */
static int add_totals(struct source *s, struct frequencies *f, struct error *err)
{
    sqlite3_stmt *q = source_prepare(s, "SELECT block FROM fts_data WHERE id = 1", err);
    if (!q)
        return -1;
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW) {
        const uint8_t *p = sqlite3_column_blob(q, 0), *end = p ? p + sqlite3_column_bytes(q, 0) : p;
        int64_t rows = 0, tokens[2] = {0, 0};
        if (p && p < end)
            p = read_varint(p, end, &rows);
        for (int i = 0; i < 2 && p && p < end; i++)
            p = read_varint(p, end, &tokens[i]);
        f->n_row += rows;
        f->n_token += tokens[0] + tokens[1];
    } else if (code != SQLITE_DONE) {
        source_error(s, "searching", err);
    }
    sqlite3_finalize(q);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : -1;
}

static int count_in(struct source *s, const char *match, struct error *err)
{
    sqlite3_stmt *q = source_prepare(s, "SELECT stoker_count(fts) FROM fts WHERE fts MATCH ? LIMIT 1", err);
    if (!q)
        return -1;
    sqlite3_bind_text(q, 1, match, -1, SQLITE_STATIC);
    int code = sqlite3_step(q);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        source_error(s, "searching", err);
    sqlite3_finalize(q);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : -1;
}

/* The commonest words are dropped until the rest are in few enough rows; of equally common ones the last. */
static int drop_common(struct frequencies *f)
{
    int n_dropped = 0;
    for (;;) {
        int64_t sum = 0;
        int n = 0, commonest = -1;
        for (int i = 0; i < f->words->n; i++)
            if (f->use[i]) {
                sum += f->rows[i];
                n++;
                if (commonest < 0 || f->rows[i] >= f->rows[commonest])
                    commonest = i;
            }
        if (sum <= SEARCH_ROWS || n <= 1)
            return n_dropped;
        f->use[commonest] = 0;
        n_dropped++;
    }
}

static void weigh(struct frequencies *f)
{
    int n = 0;
    for (int i = 0; i < f->words->n; i++)
        if (f->use[i]) {
            double idf = log(((double)f->n_row - (double)f->rows[i] + 0.5) / ((double)f->rows[i] + 0.5));
            f->idf[n++] = idf <= 0 ? 1e-6 : idf;
        }
}

/* ---- rows ---------------------------------------- */

static int score_in(struct best *b, int source, const char *match, struct error *err)
{
    struct source *s = b->list[source];
    sqlite3_stmt *q = source_prepare(s, "SELECT rowid, stoker_score(fts) FROM fts WHERE fts MATCH ?", err);
    int code = SQLITE_DONE;
    if (!q)
        return -1;
    sqlite3_bind_text(q, 1, match, -1, SQLITE_STATIC);
    while ((code = sqlite3_step(q)) == SQLITE_ROW)
        best_offer(b, (struct best_row){sqlite3_column_double(q, 1), source, sqlite3_column_int64(q, 0)});
    if (code != SQLITE_DONE)
        source_error(s, "searching", err);
    sqlite3_finalize(q);
    return code == SQLITE_DONE ? 0 : -1;
}

/* No path, title or heading of ours is longer; a database that another program wrote may have any. */
enum { COLUMN_MOST = 32 << 10 };

static char *column(sqlite3_stmt *q, int i)
{
    const unsigned char *t = sqlite3_column_text(q, i);
    return strndup(t ? (const char *)t : "", COLUMN_MOST);
}

/* -1: it is left out, with *err unless it has left its source since the search began. */
static int describe(struct source *s, struct search_hit *h, struct error *err)
{
    sqlite3_stmt *q = source_prepare(
        s,
        "SELECT c.article, c.ordinal, c.anchor, c.heading, c.start, c.length, a.path, a.title FROM chunk c"
        " JOIN article a ON a.id = c.article WHERE c.id = ?",
        err);
    if (!q)
        return -1;
    sqlite3_bind_int64(q, 1, h->chunk);
    int code = sqlite3_step(q), found = code == SQLITE_ROW;
    if (found) {
        h->article = sqlite3_column_int64(q, 0);
        h->ordinal = sqlite3_column_int64(q, 1);
        h->anchor = column(q, 2);
        h->heading = column(q, 3);
        h->path = column(q, 6);
        h->title = column(q, 7);
        h->text = source_text(s, h->article, sqlite3_column_int64(q, 4), sqlite3_column_int64(q, 5), err);
        found = h->text && h->anchor && h->heading && h->path && h->title;
    }
    sqlite3_finalize(q);
    if (code == SQLITE_DONE && source_version(s) != s->searched_version)
        return -1;
    return found ? 0
                 : error_set(err, ERR_FORMAT,
                             "%s: its index and its text do not belong together; its database is damaged", s->name);
}

static void free_hit(struct search_hit *h)
{
    free(h->path);
    free(h->title);
    free(h->anchor);
    free(h->heading);
    free(h->text);
}

/* How many of the first n are of the article of h. */
static int of_article(const struct search_result *r, int n, const struct search_hit *h)
{
    int found = 0;
    for (int i = 0; i < n; i++)
        found += r->hit[i].source == h->source && strcmp(r->hit[i].path, h->path) == 0;
    return found;
}

/* The rows from best to worst, at most `most` of a path. */
static void take(const struct best *b, int limit, int most, struct search_result *r, struct error *err)
{
    for (int i = 0; i < b->n && r->n < limit; i++) {
        struct search_hit *h = &r->hit[r->n];
        *h = (struct search_hit){.source = b->row[i].source, .chunk = b->row[i].chunk, .score = b->row[i].score};
        if (describe(b->list[h->source], h, err) == 0 && of_article(r, r->n, h) < most)
            r->n++;
        else
            free_hit(h);
    }
}

void search_choose(struct search_result *r, int limit)
{
    const int n = r->n;
    r->n = 0;
    for (int i = 0; i < n; i++)
        if (r->n < limit && of_article(r, r->n, &r->hit[i]) < SEARCH_AN_ARTICLE)
            r->hit[r->n++] = r->hit[i];
        else
            free_hit(&r->hit[i]);
}

/* The candidates of a ranking. Of one article there are few enough that search_choose() finds `limit` among them whatever their order
 * becomes, so that without ranking it chooses what take() alone would. */
static void take_for_ranking(const struct best *b, int limit, struct search_result *r, struct error *err)
{
    const int n = limit > SEARCH_FUSED ? limit : SEARCH_FUSED, most = SEARCH_AN_ARTICLE * n / limit;
    take(b, n, most < SEARCH_RANKED_AN_ARTICLE ? most : SEARCH_RANKED_AN_ARTICLE, r, err);
}

/* ---- all of it ---------------------------------------- */

/* What the words are in, in the sources that can be read. most: as many rows are counted of a word. 1: the numbers are exact. */
static int count_all(struct source *const *list, int n, unsigned char *is_broken, struct frequencies *f,
                     const char *match, int64_t most, struct error *err)
{
    memset(f->rows, 0, sizeof f->rows);
    f->n_row = f->n_token = 0;
    f->most = most;
    int is_exact = 1;
    for (int i = 0; i < n; i++)
        if (!is_broken[i] && (add_totals(list[i], f, err) || count_in(list[i], match, err))) {
            is_broken[i] = 1;
            is_exact = 0; /* it may have been counted in part */
        }
    for (int i = 0; i < f->words->n; i++)
        is_exact &= !f->use[i] || f->rows[i] <= most;
    return is_exact;
}

/* What any of the words is in, into b, sorted; r gets the query as FTS5 has it. */
static int score_all(struct source *const *list, int n, struct frequencies *f, struct best *b, struct search_result *r,
                     struct error *err)
{
    unsigned char is_broken[SEARCH_SOURCES] = {0};
    for (int i = 0; i < n; i++)
        is_broken[i] = add_functions(list[i], f, err) != 0;
    words_match(f->words, f->use, &r->match);
    buffer_put(&r->match, "", 1);
    if (r->match.failed)
        return error_set(err, ERR_MEMORY, "no memory to search");
    int is_exact = count_all(list, n, is_broken, f, r->match.text, SEARCH_ROWS, err), n_dropped = drop_common(f);
    r->n_dropped += n_dropped;
    if (n_dropped) {
        r->match.n = 0;
        words_match(f->words, f->use, &r->match);
        buffer_put(&r->match, "", 1);
    }
    if (!is_exact) /* also of a word that stays alone */
        count_all(list, n, is_broken, f, r->match.text, INT64_MAX, err);
    weigh(f);
    for (int i = 0; i < n; i++)
        if (!is_broken[i])
            score_in(b, i, r->match.text, err);
    best_sort(b);
    return 0;
}

static int by_words(struct source *const *list, int n, const struct search_query *q, struct best *b,
                    struct search_result *r, struct error *err)
{
    struct words *words = malloc(sizeof *words);
    struct frequencies *f = calloc(1, sizeof *f);
    int failed = 0;
    if (!words || !f) {
        failed = error_set(err, ERR_MEMORY, "no memory to search");
    } else {
        words_of(words, q->text, q->n_text);
        f->words = words;
        memset(f->use, 1, sizeof f->use);
        r->n_dropped = words->n_left_out;
        if (words->n)
            failed = score_all(list, n, f, b, r, err);
    }
    free(words);
    free(f);
    return failed;
}

int search(struct source *const *list, int n, const struct search_query *q, struct search_result *r, struct error *err)
{
    const int limit = q->limit < 1 ? 1 : q->limit > SEARCH_LIMIT ? SEARCH_LIMIT : q->limit;
    const int fused = 5 * limit > SEARCH_FUSED ? 5 * limit : SEARCH_FUSED;
    struct best words = {.n = 0}, near = {.n = 0}, both = {.n = 0};
    *r = (struct search_result){.n = 0};
    for (int i = 0; i < n; i++)
        list[i]->searched_version = source_version(list[i]);
    int failed = q->vector && best_begin(&near, list, fused, err);
    if (!failed && q->vector)
        r->n_by_vector = by_vector(list, n, q->vector, &near, err);
    if (!failed)
        failed = r->n_by_vector < 0 || best_begin(&words, list, r->n_by_vector ? fused : 2 * fused, err) ||
                 by_words(list, n, q, &words, r, err);
    if (!failed && r->n_by_vector && !(failed = best_begin(&both, list, 2 * fused, err))) {
        best_sort(&near);
        best_fuse(&words, &near, &both);
    }
    if (!failed && q->is_for_ranking)
        take_for_ranking(r->n_by_vector ? &both : &words, limit, r, err);
    else if (!failed)
        take(r->n_by_vector ? &both : &words, limit, SEARCH_AN_ARTICLE, r, err);
    best_free(&words);
    best_free(&near);
    best_free(&both);
    return failed ? -1 : 0;
}

void search_free(struct search_result *r)
{
    for (int i = 0; i < r->n; i++)
        free_hit(&r->hit[i]);
    buffer_free(&r->match);
}
