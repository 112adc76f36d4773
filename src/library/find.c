/* Searching a library that several threads have: whose turn it is, and the models that take part. See library.h. */
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/utf8.h"
#include "library/library.h"
#include "library/words.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- turns ---------------------------------------- */

/* Waits until the turn is nobody's, and takes it. -1: stopped(arg) was 1. */
static int take_turn(struct library *l, struct library_turn *t, int (*stopped)(void *arg), void *arg)
{
    enum { ASK_MS = 50 };
    struct library_waiting me = {NULL}, **at;
    int is_stopped = 0;
    pthread_mutex_lock(&l->lock);
    for (at = &t->first; *at;)
        at = &(*at)->next;
    *at = &me;
    while ((t->is_taken || t->first != &me) && !is_stopped) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += ASK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&l->left, &l->lock, &until);
        pthread_mutex_unlock(&l->lock); /* it may take its time */
        is_stopped = stopped && stopped(arg);
        pthread_mutex_lock(&l->lock);
    }
    for (at = &t->first; *at != &me;)
        at = &(*at)->next;
    *at = me.next;
    t->is_taken |= !is_stopped;
    if (is_stopped)
        pthread_cond_broadcast(&l->left); /* the next one may be the first now */
    pthread_mutex_unlock(&l->lock);
    return is_stopped ? -1 : 0;
}

static void end_turn(struct library *l, struct library_turn *t)
{
    pthread_mutex_lock(&l->lock);
    t->is_taken = 0;
    pthread_cond_broadcast(&l->left); /* not all wait for the same turn */
    pthread_mutex_unlock(&l->lock);
}

int library_enter(struct library *l, int (*stopped)(void *arg), void *arg)
{
    if (take_turn(l, &l->reading, stopped, arg))
        return -1;
    for (int i = 0; i < l->n; i++)
        source_stop(l->list[i], stopped, arg);
    return 0;
}

void library_leave(struct library *l)
{
    for (int i = 0; i < l->n; i++)
        source_stop(l->list[i], NULL, NULL);
    end_turn(l, &l->reading);
}

/* ---- a search ---------------------------------------- */

static int cancelled(struct error *err)
{
    *err = (struct error){0};
    return error_set(err, ERR_CANCELLED, "nobody waits for the search any more");
}

/* 1: *v has the query's vector, whose x is the caller's; 0: there is none, and *err may say why. */
static int vector_of(const struct library_encoder *e, const struct library_query *q, struct search_vector *v,
                     struct error *err)
{
    *v = (struct search_vector){.x = NULL};
    if (!e->encode || q->n == 0 || q->no_vectors)
        return 0;
    float *x = malloc((size_t)e->width * sizeof *x);
    *v = (struct search_vector){x, e->width, e->model, TIER_COUNT - 1};
    return (x ? e->encode(e->self, q->text, q->n, x, q->stopped, q->arg, err)
              : error_set(err, ERR_MEMORY, "no memory for the vector of a query")) == 1;
}

static int search_sources(struct library *l, struct source *const *list, int n, const struct library_query *q,
                          const struct search_vector *v, struct search_result *r, struct error *err)
{
    const struct search_query query = {.text = q->text,
                                       .n_text = v && q->no_words ? 0 : q->n,
                                       .limit = q->limit,
                                       .vector = v,
                                       .is_for_ranking = !q->no_ranking};
    if (library_enter(l, q->stopped, q->arg))
        return cancelled(err);
    int failed = search(list, n, &query, r, err);
    library_leave(l);
    return failed || err->code == ERR_CANCELLED ? -1 : 0;
}

/* Of equal scores those that were first stay first. */
static void sort_hits(struct search_result *r, double *score)
{
    for (int i = 1; i < r->n; i++) {
        const struct search_hit h = r->hit[i];
        const double s = score[i];
        int k = i;
        for (; k > 0 && score[k - 1] < s; k--) {
            r->hit[k] = r->hit[k - 1];
            score[k] = score[k - 1];
        }
        r->hit[k] = h;
        score[k] = s;
    }
    for (int i = 0; i < r->n; i++)
        r->hit[i].score = score[i];
}

/* Without scores the order stays, and *err says why. */
static int rank(const struct library *l, const struct library_query *q, struct search_result *r, struct error *err)
{
    double score[SEARCH_LIMIT];
    struct error why = {0};
    if (r->n && l->ranker.rank(l->ranker.self, q, r, score, &why)) {
        if (why.code == ERR_CANCELLED)
            return cancelled(err);
        error_set(err, why.code, "%s", why.text); /* unless a source could not be read */
    } else {
        sort_hits(r, score);
        r->is_ranked = 1;
    }
    search_choose(r, q->limit);
    return 0;
}

/* It has its turn until its results are free, so that few are in memory; who wants none ranked waits for no model. */
static int search_and_rank(struct library *l, struct source *const *list, int n, const struct library_query *q,
                           const struct search_vector *v, struct search_result *r, struct error *err)
{
    struct library_turn *turn = q->no_ranking ? &l->searching : &l->ranking;
    if (take_turn(l, turn, q->stopped, q->arg))
        return cancelled(err);
    int failed = search_sources(l, list, n, q, v, r, err);
    r->turn = turn;
    if (!failed && (q->no_ranking || rank(l, q, r, err) == 0))
        return 0;
    library_found_free(l, r);
    return -1;
}

int library_find(struct library *l, struct source *const *list, int n, const struct library_query *q,
                 struct search_result *r, struct error *err)
{
    struct library_query first = *q;
    struct search_vector v;
    *r = (struct search_result){.n = 0};
    first.n = q->n > QUERY_BYTES ? utf8_cut(q->text, QUERY_BYTES) : q->n;
    pthread_mutex_lock(&l->lock); /* both may be joined just now */
    const struct library_encoder encoder = l->encoder;
    first.no_ranking |= !l->ranker.rank;
    pthread_mutex_unlock(&l->lock);
    int has = vector_of(&encoder, &first, &v, err);
    int failed = err->code == ERR_CANCELLED || search_and_rank(l, list, n, &first, has ? &v : NULL, r, err);
    free((float *)(uintptr_t)v.x);
    return failed ? -1 : 0;
}

void library_found_free(struct library *l, struct search_result *r)
{
    struct library_turn *turn = r->turn;
    search_free(r);
    *r = (struct search_result){.n = 0};
    end_turn(l, turn);
}

void library_warn(struct library *l, const struct error *err)
{
    enum { SECONDS = 60 };
    if (err->code == ERR_NONE)
        return;
    const uint64_t text = hash64(err->text, strlen(err->text), 0);
    const double now = clock_seconds();
    pthread_mutex_lock(&l->lock);
    struct library_warned *w = l->warned; /* this text's, else the oldest */
    for (int i = 1; i < LIBRARY_WARNED && w->text != text; i++)
        if (l->warned[i].text == text || l->warned[i].at < w->at)
            w = &l->warned[i];
    const int is_due = w->at == 0 || now - w->at >= SECONDS;
    if (is_due)
        *w = (struct library_warned){text, now};
    pthread_mutex_unlock(&l->lock);
    if (is_due)
        log_line(LOG_WARN, "%s", err->text);
}
