/* See follow.h.
 *
 *     id     t[0] ... t[n - 1] | d[1] ... d[k - 1]        rows that it has computed: the text, and drafts but the last, which nobody
 *                                                         went on from
 *
 * The next step's text begins with the t, and then with as many of the d as held: what it has beyond that is written again, or, of a
 * recurrent state, taken back to the copy behind the t. So what comes next costs it a row for the token that nobody drafted, and, with a
 * state, one for each draft that held. A text that begins as the last one of its sequence did goes on from there.
 *
 * A prompt is followed in its own steps, row for row. What is behind all the same, because it was found in the cache of prefixes or because
 * nothing was drafted for a while, comes in pieces, for which answers wait. */
#include "engine/step/follow.h"

#include "base/clock.h"
#include "engine/step/propose.h"

#include <string.h>

enum { PIECE = 16 }; /* rows of texts that are behind, before a step: as long as a few drafts take */

/* A follower in a step. */
struct pass {
    struct batch b;
    int row[MAX_PARALLEL],
        logits[MAX_PARALLEL]; /* of each share: its last row, and the index of that one's logits; -1: none */
};

static int number_of(const struct stoker *s, const struct job *j) { return (int)(j->seq - s->session->tables.seq); }
static struct follower *follower_of(const struct stoker *s, const struct job *j)
{
    return &s->drafter->of[number_of(s, j)];
}
static struct sequence *sequence_of(const struct stoker *s, const struct job *j)
{
    return &s->drafter->session->tables.seq[number_of(s, j)];
}

/* Where the state of a sequence is kept as it was behind the text. */
static uint8_t *kept_of(const struct stoker *s, const struct job *j)
{
    return kv_page_at(&s->drafter->session->states, number_of(s, j));
}

/* How many tokens its text may have beyond what it has now. */
static int places(const struct stoker *s, const struct job *j)
{
    const struct plan *plan = &s->drafter->session->plan;
    return number_of(s, j) < plan->n_parallel ? plan->n_ctx - (int)j->n_history : 0;
}

/* Rows of the text that it lacks: the last one at least, whose logits are wanted. */
static int behind(const struct stoker *s, const struct job *j)
{
    const struct follower *f = follower_of(s, j);
    int n = (int)j->n_history, has = f->text == j->id ? f->n : 0;
    return has < n ? n - has : 1;
}

/* Its vocabulary may have fewer tokens. Is there one that it lacks in the rest of the text? Then it never comes to the text's end. */
static int lacks_token(const struct stoker *s, const struct job *j)
{
    const struct follower *f = follower_of(s, j);
    int n = (int)j->n_history;
    if (f->text != j->id)
        return 0;
    for (int i = f->n < n ? f->n : n - 1; i < n; i++)
        if (j->history[i] >= s->drafter->session->model->p.n_vocab)
            return 1;
    return 0;
}

int follow_most(const struct stoker *s, const struct share *e, int most)
{
    const struct job *j = e->job;
    if (!s->drafter || j->state != JOB_DECODE || e->room == 0 || j->draft.source)
        return 0;
    int left = places(s, j);
    most = most < e->room ? most : e->room;
    most = most < left ? most : left;
    if (most <= 0 || lacks_token(s, j)) /* 0: it may have no such sequence */
        return 0;
    return behind(s, j) <= PIECE || price_affords(&s->price) ? most : 0;
}

/* ---- the text --------------------------------------------------------------------------------------------------------------- */

static int has_windows(const struct model *m)
{
    for (int k = 0; k < KV_KINDS; k++)
        if (m->kv[k].n_layer && m->kv[k].window.n > 0)
            return 1;
    return 0;
}

/* Is nobody waiting for its answer any more? */
static int is_given_up(const struct stoker *s, const struct job *j)
{
    return atomic_load(&j->cancelled) || atomic_load(&s->stop);
}

/* What it has of others goes: rows stay as far as they are the text's, but never the last token's, whose logits are wanted. */
static void drop_others(const struct stoker *s, const struct job *j)
{
    struct follower *f = follower_of(s, j);
    struct sequence *seq = sequence_of(s, j);
    int to = f->text == j->id ? f->n_same : 0, end = (int)j->n_history - 1;
    while (to < f->n && to < end && f->id[to] == j->history[to])
        to++;
    f->text = j->id;
    f->n_same = to;
    f->asked = f->n_made = 0;
    if (to == f->n)
        return;
    if (seq->state) {
        to = f->n_kept <= to ? f->n_kept : 0;
        if (to)
            memcpy(seq->state, kept_of(s, j), seq->state_bytes);
    }
    if (to < seq->n_pos && has_windows(s->drafter->session->model)) /* whose pages are gone */
        to = 0;
    if (to == 0) {
        seq_clear(seq);
        f->n_kept = 0;
    }
    seq->n_pos = seq->n_pos < to ? seq->n_pos : to;
    f->n = f->n_same = to;
}

/* To where the text is what it has. The last job of the sequence may have been cancelled; this one may be at any time, and is told before
 * its sequence. */
static void go_back(const struct stoker *s, const struct job *j)
{
    struct sequence *seq = sequence_of(s, j);
    drop_others(s, j);
    atomic_store(&seq->cancelled, 0);
    if (is_given_up(s, j))
        atomic_store(&seq->cancelled, 1);
}

/* A token's row. -1: there is no place, or it is not in its vocabulary. */
static int add(const struct stoker *s, struct batch *b, const struct job *j, int32_t token, int with_logits)
{
    struct follower *f = follower_of(s, j);
    if (token >= s->drafter->session->model->p.n_vocab ||
        batch_add(s->drafter->session, b, sequence_of(s, j), token, f->n, with_logits))
        return -1;
    f->id[f->n++] = token;
    return 0;
}

/* The rows of its text that it lacks, as far as they find place; with the last one the logits of what comes next. */
static void add_text(const struct stoker *s, struct pass *p, int i, const struct job *j)
{
    struct follower *f = follower_of(s, j);
    int end = (int)j->n_history;
    while (f->n < end && add(s, &p->b, j, j->history[f->n], f->n + 1 == end) == 0)
        ;
    p->row[i] = p->b.n_rows - 1;
    p->logits[i] = f->n == end ? p->b.n_logits - 1 : -1;
}

/* ---- passes ------------------------------------------------------------------------------------------------------------------- */

/* What it takes is part of the steps, and added to *took. A job one of whose rows could not be computed drafts nothing any more. */
static void run(struct stoker *s, struct batch *b, double *took)
{
    double begin = clock_seconds();
    const struct sequence *first = s->drafter->session->tables.seq;
    if (b->n_rows == 0)
        return;
    model_forward(s->drafter->session->model, b);
    for (int r = 0; r < b->n_rows; r++) {
        struct job *j = s->active[b->seq[r] - first];
        if (!b->dead[r])
            continue;
        seq_clear(b->seq[r]);
        s->drafter->of[b->seq[r] - first] = (struct follower){.id = s->drafter->of[b->seq[r] - first].id};
        if (j)
            j->draft.is_off = 1;
    }
    double seconds = clock_seconds() - begin;
    *took += seconds;
    pthread_mutex_lock(&s->lock);
    s->counters.step_seconds += seconds;
    pthread_mutex_unlock(&s->lock);
}

/* ---- prompts ------------------------------------------------------------------------------------------------------------------ */

/* Will drafts for its answer be asked for? */
static int is_followed(const struct stoker *s, const struct share *e)
{
    const struct job *j = e->job;
    return e->rows && j->state != JOB_DECODE && !j->draft.source && !j->draft.is_off && !is_given_up(s, j) &&
           !capture_goes_on(j->capture, j->n_history) && j->max_history > j->n_history + 1 && places(s, j) > 0;
}

void follow_prompts(struct stoker *s, struct step *p)
{
    int left[MAX_PARALLEL] = {0}, follows[MAX_PARALLEL];
    struct batch b;
    if (!s->drafter)
        return;
    for (int i = 0; i < p->n; i++)
        if (is_followed(s, &p->share[i])) {
            left[i] = p->share[i].rows;
            go_back(s, p->share[i].job);
        }
    do {
        b = session_batch(s->drafter->session);
        for (int i = 0; i < p->n; i++) {
            const struct job *j = p->share[i].job;
            if (!(follows[i] = is_followed(s, &p->share[i]))) /* a share without rows may have no sequence */
                continue;
            const struct follower *f = follower_of(s, j);
            while (left[i] > 0 && f->n + 1 < (int)j->n_history && /* the last one waits until its logits are wanted */
                   add(s, &b, j, j->history[f->n], 0) == 0)
                left[i]--;
        }
        b.n_prompt = b.n_rows;
        run(s, &b, &p->took.catching_up);
        for (int i = 0; i < p->n; i++)
            if (follows[i])
                seq_commit(sequence_of(s, p->share[i].job), follower_of(s, p->share[i].job)->n);
    } while (b.n_rows > 0);
}

/* ---- drafts ------------------------------------------------------------------------------------------------------------------- */

/* The next draft of a share, by the logits of its last row. */
static void make(const struct stoker *s, const struct pass *p, int i, const struct job *j)
{
    struct follower *f = follower_of(s, j);
    int n = s->session->model->p.n_vocab, own = s->drafter->session->model->p.n_vocab;
    const float *logits = p->b.logits + (size_t)p->logits[i] * (size_t)own;
    const uint8_t *allowed = f->n_made == 0 && j->constraint_state ? j->mask : NULL;
    int32_t id = p->b.dead[p->row[i]] ? -1 : propose_likeliest(logits, n < own ? n : own, allowed);
    if (id >= 0)
        f->made[f->n_made++] = id;
}

/* Does a share want drafts that are not there yet? They are if the last step went without its job. */
static int wants(const struct stoker *s, const struct job *j, int want)
{
    if (!want)
        return 0;
    const struct follower *f = follower_of(s, j);
    return f->text != j->id || f->asked != (int)j->n_history;
}

/* Many rows touch all that a sweep reads. */
static void run_texts(struct stoker *s, const struct step *p, struct batch *b, double *took)
{
    b->n_prompt = b->n_rows > 2 * p->n ? b->n_rows : 0;
    run(s, b, took);
}

/* What it lacks behind drafts that held, or, with the last row of its prompt, behind the answer's first token. */
static int is_near(const struct stoker *s, const struct job *j, int n_made)
{
    int n = behind(s, j);
    return n <= PIECE && n <= 1 + (n_made > 1 ? n_made : 1);
}

/* Texts that lack more come up to their last token, in a pass of its own: what one more draft takes is another price. goes_on, 1: a share's
 * text lacks no more than that. Returns the rows. */
static int come_up(struct stoker *s, struct step *p, const int *want, int *goes_on)
{
    struct batch b = session_batch(s->drafter->session);
    int piece = PIECE - 1; /* of who is further behind: the last row is that of the first draft */
    for (int i = 0; i < p->n; i++) {
        struct job *j = p->share[i].job;
        goes_on[i] = 0;
        if (!wants(s, j, want[i]))
            continue;
        struct follower *f = follower_of(s, j);
        int n_made = f->text == j->id ? f->n_made : 0;
        go_back(s, j);
        if ((goes_on[i] = is_near(s, j, n_made)))
            continue;
        int rows = behind(s, j) <= PIECE ? PIECE : piece;
        piece -= behind(s, j) <= PIECE ? 0 : piece;
        while (rows-- > 0 && f->n + 1 < (int)j->n_history && add(s, &b, j, j->history[f->n], 0) == 0)
            ;
    }
    run_texts(s, p, &b, &p->took.catching_up);
    for (int i = 0; i < p->n; i++) {
        struct job *j = p->share[i].job;
        if (b.n_rows && wants(s, j, want[i]) && !goes_on[i]) {
            seq_commit(sequence_of(s, j), follower_of(s, j)->n);
            goes_on[i] = behind(s, j) == 1;
        }
    }
    return b.n_rows;
}

/* The first draft of each share whose text is there but for what drafts that held leave. */
static void begin(struct stoker *s, struct step *p, struct pass *pass, const int *want, int *goes_on)
{
    int rows = come_up(s, p, want, goes_on);
    pass->b = session_batch(s->drafter->session);
    for (int i = 0; i < p->n; i++)
        if (goes_on[i]) {
            add_text(s, pass, i, p->share[i].job);
            goes_on[i] = pass->logits[i] >= 0;
        }
    rows += pass->b.n_rows;
    s->drafter->longest = rows > s->drafter->longest ? rows : s->drafter->longest;
    s->drafter->widest = pass->b.n_rows > s->drafter->widest ? pass->b.n_rows : s->drafter->widest;
    run_texts(s, p, &pass->b, &p->took.drafting);
    p->took.n_pass += pass->b.n_logits > 0;
    for (int i = 0; i < p->n; i++) {
        struct job *j = p->share[i].job;
        if (!want[i])
            continue;
        struct follower *f = follower_of(s, j);
        struct sequence *seq = sequence_of(s, j);
        seq_commit(seq, f->n < (int)j->n_history ? f->n : (int)j->n_history - 1);
        if (!goes_on[i] || f->n == 0) /* 0: it could not be computed */
            continue;
        f->asked = (int)j->n_history;
        make(s, pass, i, j);
        if (seq->state && want[i] > 1) {
            memcpy(kept_of(s, j), seq->state, seq->state_bytes);
            f->n_kept = f->n;
        }
    }
}

/* A further draft of each share that has k and wants more. 0: nobody does. */
static int go_on(struct stoker *s, struct step *p, struct pass *pass, const int *want, const int *goes_on, int k)
{
    pass->b = session_batch(s->drafter->session);
    for (int i = 0; i < p->n; i++) {
        struct job *j = p->share[i].job;
        pass->logits[i] = -1;
        if (!goes_on[i] || want[i] <= k || follower_of(s, j)->n_made != k ||
            add(s, &pass->b, j, follower_of(s, j)->made[k - 1], 1))
            continue;
        pass->row[i] = pass->b.n_rows - 1;
        pass->logits[i] = pass->b.n_logits - 1;
    }
    run(s, &pass->b, &p->took.drafting);
    p->took.n_pass += pass->b.n_rows > 0;
    for (int i = 0; i < p->n; i++)
        if (pass->logits[i] >= 0)
            make(s, pass, i, p->share[i].job);
    return pass->b.n_rows;
}

void follow_draft(struct stoker *s, struct step *p, const int *want)
{
    struct pass pass;
    int goes_on[MAX_PARALLEL], any = 0;
    for (int i = 0; i < p->n; i++)
        any |= want[i];
    if (!any)
        return;
    begin(s, p, &pass, want, goes_on);
    for (int k = 1; go_on(s, p, &pass, want, goes_on, k); k++)
        ;
    for (int i = 0; i < p->n; i++) {
        struct share *e = &p->share[i];
        const struct follower *f = want[i] ? follower_of(s, e->job) : NULL;
        if (!f || f->text != e->job->id || f->asked != (int)e->job->n_history)
            continue;
        e->drafts = f->n_made < want[i] ? f->n_made : want[i];
        memcpy(e->job->history + e->job->n_history, f->made, (size_t)e->drafts * sizeof *f->made);
        draft_of_layer(&e->job->draft);
    }
}
