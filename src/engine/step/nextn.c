/* See nextn.h.
 *
 *     a step's rows [n, n + m) hold     pairs of positions n .. n + m - 1: tokens of the text, rows of b->h before them. Those of prompts
 *                                       are computed at once; of decoding jobs the rows are kept, and the pairs wait for the next pass
 *     the next step drafts              those that wait, and the pair of position n + m: the token that was chosen, the row of n + m - 1;
 *                                       its logits are the first draft's, and the row that the layer leaves takes the row's place for a
 *                                       further one
 *
 * So in the first pass of the step after that the pair of n + m is there already. Pairs of drafts stand behind what holds, and are written
 * again like all that is drafted. A row that was not computed here, because it was found in the cache of prefixes, is zeros: that decides
 * what is drafted, and no bit of an answer. No page is shared while pairs of it wait. */
#include "engine/step/nextn.h"

#include "base/clock.h"
#include "engine/draft/nextn.h"
#include "engine/step/propose.h"

#include <string.h>

static struct nextn *nextn_of(const struct stoker *s, const struct job *j)
{
    struct nextn *x = &s->session->tables.pairs.nextn[j->seq - s->session->tables.seq];
    if (x->text != j->id)
        *x = (struct nextn){.text = j->id, .h = x->h};
    return x;
}

static size_t row_width(const struct stoker *s) { return (size_t)model_h_width(s->session->model); }

/* What it takes is part of the steps. A job one of whose pairs could not be computed drafts nothing any more. */
static double run(struct stoker *s, struct batch *b)
{
    double begin = clock_seconds();
    if (b->n_rows == 0)
        return 0;
    model_nextn(s->session->model, b);
    for (int r = 0; r < b->n_rows; r++) {
        struct job *j = s->active[b->seq[r] - s->session->tables.seq];
        if (b->dead[r] && j)
            j->draft.is_off = 1;
    }
    double seconds = clock_seconds() - begin;
    pthread_mutex_lock(&s->lock);
    s->counters.step_seconds += seconds;
    pthread_mutex_unlock(&s->lock);
    return seconds;
}

/* ---- rows that wait --------------------------------------------------------------------------------------------------------- */

/* Those from position `first` on are kept, and the last one, from which drafts go on. */
static void keep_from(struct nextn *x, int first, size_t width)
{
    first = first < x->at ? first : x->at - 1;
    if (first > x->first) {
        memmove(x->h, x->h + (size_t)(first - x->first) * width, (size_t)(x->at - first) * width * sizeof *x->h);
        x->first = first;
    }
}

/* The text has gone on by m rows h, of `width` floats each, from position n on. */
static void append(struct nextn *x, const float *h, int n, int m, size_t width)
{
    if (x->at != n || n == 0) { /* what stood before is not known */
        memset(x->h, 0, width * sizeof *x->h);
        x->n = n > 0 ? n : 1;
        x->first = n > 0 ? n - 1 : 0;
        x->at = n;
    }
    if (x->at > 0)
        keep_from(x, x->n - 1, width);
    memcpy(x->h + (size_t)(n - x->first) * width, h, (size_t)m * width * sizeof *h);
    x->at = n + m;
}

static int waiting(const struct nextn *x) { return x->at > x->n ? x->at - x->n : 0; }

static void add_pair(struct stoker *s, struct batch *b, const struct job *j, const float *h, int pos, int with_logits)
{
    memmove(b->h + (size_t)b->n_rows * row_width(s), h, row_width(s) * sizeof *h);
    pairs_add(s->session, b, j->seq, j->history[pos], pos, with_logits);
}

/* Adds them to a batch that asks for no logits yet, in as many passes as it takes. Seconds. */
static double add_waiting(struct stoker *s, struct batch *b, const struct job *j)
{
    struct nextn *x = nextn_of(s, j);
    double seconds = 0;
    for (; x->n < x->at; x->n++) {
        if (b->n_rows == b->capacity) {
            seconds += run(s, b);
            *b = session_pairs(s->session);
        }
        add_pair(s, b, j, x->h + (size_t)(x->n - 1 - x->first) * row_width(s), x->n, 0);
    }
    keep_from(x, x->at - 1, row_width(s));
    return seconds;
}

/* ---- what holds ------------------------------------------------------------------------------------------------------------- */

/* Rows of h move to those of their pairs: one place on, and to the front of the table, so that those of later shares stay. */
static void add_prompt(struct stoker *s, const struct step *p, struct batch *b, const struct share *e)
{
    struct job *j = e->job;
    struct nextn *x = nextn_of(s, j);
    size_t width = row_width(s), row = width * sizeof(float);
    float *h = p->batch.h + (size_t)e->first * width, *to = b->h + (size_t)b->n_rows * width,
          *last = b->h + (size_t)b->capacity * width;
    int n = (int)j->n_done, end = n + e->rows, at = n > 0 ? n : 1;
    memcpy(last, h + (size_t)(e->rows - 1) * width, row);
    if (at > n && at < end)
        memmove(to, h, (size_t)(end - at) * row);
    else if (at < end)
        memmove(to + width, h, (size_t)(end - at - 1) * row);
    if (at == n && x->at == n)
        memcpy(to, x->h + (size_t)(n - 1 - x->first) * width, row);
    else if (at == n)
        memset(to, 0, row);
    for (int i = at; i < end; i++)
        pairs_add(s->session, b, j->seq, j->history[i], i, 0);
    memcpy(x->h, last, row);
    x->first = end - 1;
    x->n = x->at = end;
}

/* The step's end takes pages out of a window that the first pair which waits sees: one of the layer's, or of others, which costs a pass. */
static int loses_page(const struct model *m, const struct nextn *x)
{
    for (int k = 0; k < KV_KINDS; k++)
        if (m->kv[k].n_layer && kv_first_page(m->kv[k].window, x->at) > kv_first_page(m->kv[k].window, x->n))
            return 1;
    return 0;
}

/* Others may share a page that is whole. */
static int is_due(const struct model *m, const struct nextn *x)
{
    return waiting(x) > NEXTN_BEHIND || (waiting(x) && (x->at / KV_PAGE > x->n / KV_PAGE || loses_page(m, x)));
}

void nextn_learn(struct stoker *s, struct step *p)
{
    struct batch b;
    if (!s->session->plan.nextn)
        return;
    for (int i = 0; i < p->n; i++) { /* before prompts take their place */
        struct share *e = &p->share[i];
        if (e->rows && e->job->state == JOB_DECODE && !p->batch.dead[e->first])
            append(nextn_of(s, e->job), p->batch.h + (size_t)e->first * row_width(s), (int)e->job->n_done, e->rows,
                   row_width(s));
    }
    b = session_pairs(s->session);
    for (int i = 0; i < p->n; i++) /* in the order of the step's rows */
        if (p->share[i].rows && p->share[i].job->state != JOB_DECODE && !p->batch.dead[p->share[i].first])
            add_prompt(s, p, &b, &p->share[i]);
    run(s, &b);
    b = session_pairs(s->session);
    for (int i = 0; i < p->n; i++)
        if (p->share[i].rows && p->share[i].job->state == JOB_DECODE &&
            is_due(s->session->model, nextn_of(s, p->share[i].job)))
            p->took.catching_up += add_waiting(s, &b, p->share[i].job);
    p->took.catching_up += run(s, &b);
}

void nextn_catch_up(struct stoker *s, const struct job *j)
{
    if (!s->session->plan.nextn || !j->seq || nextn_of(s, j)->at != (int)j->n_done || !waiting(nextn_of(s, j)))
        return;
    struct batch b = session_pairs(s->session);
    add_waiting(s, &b, j);
    run(s, &b);
}

/* ---- what may come next ------------------------------------------------------------------------------------------------------ */

/* Pairs of drafts stay in the page that the job has: for drafts none is taken. */
int nextn_most(const struct stoker *s, const struct share *e, int most)
{
    const struct job *j = e->job;
    int page = KV_PAGE - (int)(j->n_done % KV_PAGE);
    if (!s->session->plan.nextn || j->state != JOB_DECODE || e->room == 0 || j->draft.source ||
        nextn_of(s, e->job)->at != (int)j->n_done || page == KV_PAGE)
        return 0;
    most = most < NEXTN_MOST ? most : NEXTN_MOST;
    most = most < e->room ? most : e->room;
    return most < page ? most : page;
}

/* Pairs of drafts that held are those of the first pass. Where more wait, because nothing was drafted for a while, or where there is no
 * place for them, they come in passes before it: what one more draft takes is another price. */
static void catch_up_many(struct stoker *s, struct step *p, const int *want)
{
    struct batch b = session_pairs(s->session);
    int n = 0;
    for (int i = 0; i < p->n; i++)
        n += want[i] ? 1 + waiting(nextn_of(s, p->share[i].job)) : 0;
    int is_full = n > b.capacity;
    for (int i = 0; i < p->n; i++)
        if (want[i] && (is_full || waiting(nextn_of(s, p->share[i].job)) > NEXTN_MOST))
            p->took.catching_up += add_waiting(s, &b, p->share[i].job);
    p->took.catching_up += run(s, &b);
}

/* One more draft of each share that wants more than the k it has, by the rows of h that its last one left; or, the first, by its own. */
static void draft(struct stoker *s, struct step *p, const int *want, int k, int *row)
{
    struct session *ses = s->session;
    struct batch b = session_pairs(ses);
    size_t width = row_width(s), n_vocab = (size_t)ses->model->p.n_vocab;
    for (int i = 0; i < p->n; i++) {
        struct job *j = p->share[i].job;
        if (want[i] <= k || p->share[i].drafts < k)
            continue;
        struct nextn *x = nextn_of(s, j);
        if (k == 0) /* all find place */
            add_waiting(s, &b, j);
        const float *h = k ? b.h + (size_t)row[i] * width : x->h + (size_t)(x->at - 1 - x->first) * width;
        row[i] = b.n_rows;
        x->n = (int)j->n_done + 1;
        add_pair(s, &b, j, h, (int)j->n_done + k, 1);
    }
    ses->tables.pairs.widest = b.n_rows > ses->tables.pairs.widest ? b.n_rows : ses->tables.pairs.widest;
    p->took.drafting += run(s, &b);
    p->took.n_pass += b.n_rows > 0;
    for (int i = 0, at = 0; i < p->n; i++) {
        struct share *e = &p->share[i];
        if (want[i] <= k || e->drafts < k)
            continue;
        const float *logits = b.logits + (size_t)at++ * n_vocab;
        const uint8_t *allowed = k == 0 && e->job->constraint_state ? e->job->mask : NULL;
        int32_t id = b.dead[row[i]] ? -1 : propose_likeliest(logits, (int)n_vocab, allowed);
        if (id >= 0)
            e->job->history[e->job->n_history + (size_t)e->drafts++] = id;
        e->job->draft.by_layer = 1;
    }
}

void nextn_draft(struct stoker *s, struct step *p, const int *want)
{
    int row[MAX_PARALLEL], furthest = 0;
    for (int i = 0; i < p->n; i++) {
        furthest = want[i] > furthest ? want[i] : furthest;
        if (!want[i])
            continue;
        p->share[i].drafts = 0;
        draft_of_layer(&p->share[i].job->draft);
    }
    if (furthest)
        catch_up_many(s, p, want);
    for (int k = 0; k < furthest; k++)
        draft(s, p, want, k, row);
}
