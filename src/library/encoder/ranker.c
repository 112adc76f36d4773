/* See ranker.h. A pair is the query and what people see of a passage: the same that gets a vector. */
#include "library/encoder/ranker.h"

#include "base/json/buffer.h"
#include "base/utf8.h"
#include "library/encoder/compute.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUERY_TOKENS = 512 };

struct pairs {
    struct stoker_query *query;
    struct stoker_tokens text[SEARCH_LIMIT];
    int n;
    float *out; /* [n][n_out] */
    unsigned char is_none[SEARCH_LIMIT];
};

static int add_pair(struct pairs *p, const struct search_hit *h, struct error *err)
{
    struct stoker_error why;
    struct buffer passage = {0};
    stoker_token *id = NULL;
    size_t n = 0;
    int cut;
    library_put_passage(&passage, h->heading, h->text);
    const struct stoker_string document = {passage.text, passage.n};
    int failed = passage.failed ? error_set(err, ERR_MEMORY, "no memory for passages to rank")
                 : stoker_query_pair(p->query, &document, &id, &n, &cut, &why) ? compute_error(&why, err)
                                                                               : 0;
    buffer_free(&passage);
    if (!failed)
        p->text[p->n++] = (struct stoker_tokens){id, n};
    return failed;
}

/* Bytes of the query that a pair has, in at most half of the context: each passage is read with all of it. */
static int cut_query(const struct ranker *k, const struct library_query *q, size_t *n, struct error *err)
{
    const size_t most = k->about.n_ctx / 2 < QUERY_TOKENS ? k->about.n_ctx / 2 : QUERY_TOKENS;
    struct stoker_error why;
    *n = q->n;
    for (size_t count = most + 1; *n && count > most;) {
        stoker_token *id = NULL;
        if (q->stopped && q->stopped(q->arg))
            return error_set(err, ERR_CANCELLED, "nobody waits for the scores any more");
        if (stoker_tokenize(k->engine, q->text, *n, 0, 0, &id, &count, &why))
            return compute_error(&why, err);
        stoker_free(id);
        if (count > most)
            *n = utf8_cut(q->text, *n * most / count);
    }
    return 0;
}

static int make_pairs(const struct ranker *k, struct pairs *p, const struct library_query *q,
                      const struct search_result *r, struct error *err)
{
    struct stoker_error why;
    struct stoker_string text = {q->text, q->n};
    if (cut_query(k, q, &text.n, err))
        return -1;
    if (stoker_query_open(&p->query, k->engine, &text, q->stopped, q->arg, &why))
        return compute_error(&why, err);
    for (int i = 0; i < r->n; i++)
        if (add_pair(p, &r->hit[i], err))
            return -1;
    p->out = malloc((size_t)r->n * k->about.n_out * sizeof *p->out);
    return p->out ? 0 : error_set(err, ERR_MEMORY, "no memory for scores of passages");
}

/* Shares, where the model's scores become such. */
static int take_scores(const struct ranker *k, const struct pairs *p, double *score, struct error *err)
{
    for (int i = 0; i < p->n; i++) {
        const double x = (double)p->out[(size_t)i * k->about.n_out];
        if (p->is_none[i])
            return error_set(err, ERR_FORMAT, "a score of %s is not a finite number", k->name);
        score[i] = k->about.is_sigmoid && k->about.n_out == 1 ? 1 / (1 + exp(-x)) : x;
    }
    return 0;
}

static void pairs_free(struct pairs *p)
{
    for (int i = 0; i < p->n; i++)
        stoker_free((stoker_token *)(uintptr_t)p->text[i].id);
    stoker_query_close(p->query);
    free(p->out);
    free(p);
}

static int rank(void *self, const struct library_query *q, const struct search_result *r, double *score,
                struct error *err)
{
    const struct ranker *k = self;
    const struct encoder_wait wait = {q->stopped, q->arg};
    struct error why = {0};
    struct pairs *p = calloc(1, sizeof *p);
    if (!p)
        return error_set(err, ERR_MEMORY, "no memory to rank passages");
    int failed = make_pairs(k, p, q, r, &why) ||
                 compute_all(k->engine, p->text, p->n, p->out, p->is_none, &wait, &why) ||
                 take_scores(k, p, score, &why);
    pairs_free(p);
    if (failed && why.code == ERR_CANCELLED)
        return error_set(err, ERR_CANCELLED, "%s", why.text);
    return failed ? error_set(err, why.code, "%s did not rank what was found: %s", k->name, why.text) : 0;
}

int ranker_join(struct ranker *k, struct stoker *engine, const char *path, struct library *l, struct error *err)
{
    const char *slash = strrchr(path, '/');
    struct stoker_query *query;
    struct stoker_error why;
    *k = (struct ranker){.engine = engine};
    snprintf(k->name, sizeof k->name, "%s", slash ? slash + 1 : path);
    if (!engine || stoker_encoder_of(engine, &k->about) || !k->about.is_rank)
        return error_set(err, ERR_UNSUPPORTED,
                         "%s judges no pairs of a query and a passage, and --rerank is for a model that does", path);
    if (stoker_query_open(&query, engine, &(struct stoker_string){"a", 1}, NULL, NULL, &why))
        return error_set(err, (enum error_code)why.code, "%s does not rank what is found: %s", k->name, why.text);
    stoker_query_close(query);
    pthread_mutex_lock(&l->lock);
    l->ranker = (struct library_ranker){rank, k};
    pthread_mutex_unlock(&l->lock);
    return 0;
}
