/* See nextn.h.
 *
 *     a step's rows [n, n + m) hold     pairs of positions n .. n + m - 1: tokens of the text, rows of b->h before them
 *     the next step drafts              the pair of position n + m: the token that was chosen, the row of n + m - 1; its logits are the
 *                                       first draft's, and what stands behind the layer's norm takes the row's place for a further one
 *
 * So in the first pass of the step after that the pair of n + m is there already. Pairs of drafts stand behind what holds, and are written
 * again like all that is drafted. A row that was not computed here, because it was found in the cache of prefixes, is zeros: that decides
 * what is drafted, and no bit of an answer. */
#include "engine/step/nextn.h"

#include "base/clock.h"
#include "engine/draft/nextn.h"

#include <string.h>

static struct nextn *nextn_of(const struct stoker *s, const struct job *j)
{
    struct nextn *x = &s->session->tables.pairs.nextn[j->seq - s->session->tables.seq];
    if (x->text != j->id)
        *x = (struct nextn){.text = j->id, .h = x->h};
    return x;
}

static size_t row_bytes(const struct stoker *s) { return (size_t)s->session->model->p.n_embd * sizeof(float); }

/* What it takes is part of the steps. A job one of whose pairs could not be computed drafts nothing any more. */
static void run(struct stoker *s, const struct step *p, struct batch *b)
{
    double begin = clock_seconds();
    if (b->n_rows == 0)
        return;
    model_nextn(s->session->model, b);
    for (int r = 0; r < b->n_rows; r++)
        for (int i = 0; i < p->n && b->dead[r]; i++)
            if (p->share[i].job->seq == b->seq[r])
                p->share[i].job->draft.is_off = 1;
    pthread_mutex_lock(&s->lock);
    s->counters.step_seconds += clock_seconds() - begin;
    pthread_mutex_unlock(&s->lock);
}

/* ---- what holds ------------------------------------------------------------------------------------------------------------- */

/* Rows of h move to those of their pairs: one place on, and to the front of the table, so that those of later shares stay. */
static void add_pairs(struct stoker *s, const struct step *p, struct batch *b, const struct share *e)
{
    struct job *j = e->job;
    struct nextn *x = nextn_of(s, j);
    size_t row = row_bytes(s), width = row / sizeof(float);
    float *h = p->batch.h + (size_t)e->first * width, *to = b->h + (size_t)b->n_rows * width,
          *last = b->h + (size_t)b->capacity * width;
    int n = (int)j->n_done, end = n + e->rows, at = n;
    if (n == 0 || (j->state == JOB_DECODE && x->n > n))
        at = n + 1;
    memcpy(last, h + (size_t)(e->rows - 1) * width, row);
    if (at > n && at < end)
        memmove(to, h, (size_t)(end - at) * row);
    else if (at < end)
        memmove(to + width, h, (size_t)(end - at - 1) * row);
    if (at == n && x->at == n)
        memcpy(to, x->h, row);
    else if (at == n)
        memset(to, 0, row);
    for (int i = at; i < end; i++)
        pairs_add(s->session, b, j->seq, j->history[i], i, 0);
    memcpy(x->h, last, row);
    x->n = x->at = end;
}

void nextn_learn(struct stoker *s, struct step *p)
{
    struct batch b;
    if (!s->session->plan.nextn)
        return;
    b = session_pairs(s->session);
    for (int decode = 0; decode <= 1; decode++) /* in the order of the step's rows */
        for (int i = 0; i < p->n; i++)
            if (p->share[i].rows && (p->share[i].job->state == JOB_DECODE) == decode &&
                !p->batch.dead[p->share[i].first])
                add_pairs(s, p, &b, &p->share[i]);
    run(s, p, &b);
}

/* ---- what may come next ------------------------------------------------------------------------------------------------------ */

/* The likeliest of those that are allowed; -1: none is. */
static int32_t likeliest(const float *logits, int n, const uint8_t *allowed)
{
    int32_t best = -1;
    for (int32_t i = 0; i < n; i++)
        if ((!allowed || allowed[i]) && (best < 0 || logits[i] > logits[best]))
            best = i;
    return best;
}

/* How many a share's job drafts, of `most`. Its pairs stay in the page that it has: for drafts none is taken. */
static int reach(const struct stoker *s, const struct share *e, int most)
{
    const struct job *j = e->job;
    int n = j->draft.coin    ? NEXTN_MOST
            : j->draft.reach ? j->draft.reach
                             : 1,
        page = KV_PAGE - (int)(j->n_done % KV_PAGE);
    if (j->state != JOB_DECODE || e->drafts || e->room == 0 || j->draft.source ||
        nextn_of(s, e->job)->at != (int)j->n_done)
        return 0;
    n = n < e->room ? n : e->room;
    n = n < most ? n : most;
    return page == KV_PAGE ? 0 : n < page ? n : page;
}

/* One more draft of each share that wants more than the k it has, by the rows of h that its last one left; or, the first, by its own. */
static void draft(struct stoker *s, struct step *p, const int *want, int k, int *row)
{
    struct session *ses = s->session;
    struct batch b = session_pairs(ses);
    size_t bytes = row_bytes(s), width = bytes / sizeof(float), n_vocab = (size_t)ses->model->p.n_vocab;
    for (int i = 0; i < p->n; i++) {
        struct job *j = p->share[i].job;
        if (want[i] <= k || p->share[i].drafts < k)
            continue;
        struct nextn *x = nextn_of(s, j);
        memmove(b.h + (size_t)b.n_rows * width, k ? b.h + (size_t)row[i] * width : x->h, bytes);
        row[i] = b.n_rows;
        x->n = (int)j->n_done + 1;
        pairs_add(ses, &b, j->seq, j->history[j->n_done + (size_t)k], (int)j->n_done + k, 1);
    }
    run(s, p, &b);
    for (int i = 0; i < p->n; i++) {
        struct share *e = &p->share[i];
        if (want[i] <= k || e->drafts < k || b.dead[row[i]])
            continue;
        const uint8_t *allowed = k == 0 && e->job->constraint_state ? e->job->mask : NULL;
        int32_t id = likeliest(b.logits + (size_t)row[i] * n_vocab, (int)n_vocab, allowed);
        if (id >= 0)
            e->job->history[e->job->n_history + (size_t)e->drafts++] = id;
        e->job->draft.by_nextn = 1;
    }
}

void nextn_propose(struct stoker *s, struct step *p, int most)
{
    int want[MAX_PARALLEL] = {0}, row[MAX_PARALLEL], furthest = 0, n = 0;
    for (int i = 0; i < p->n && s->session->plan.nextn; i++)
        n += reach(s, &p->share[i], 1);
    for (int i = 0; i < p->n && n > 0; i++) {
        want[i] = reach(s, &p->share[i], (most + n - 1) / n);
        n -= want[i] > 0;
        most -= want[i];
        furthest = want[i] > furthest ? want[i] : furthest;
    }
    for (int k = 0; k < furthest; k++)
        draft(s, p, want, k, row);
}
