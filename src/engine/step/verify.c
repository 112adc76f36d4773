/* See verify.h. */
#include "engine/step/verify.h"

#include "base/clock.h"
#include "engine/admission.h"
#include "engine/step/masks.h"

/* An answer that was steered to its end before the limit was ended by the limit, even if its text is complete. */
static enum stoker_end_reason text_end(const struct job *j)
{
    return j->constraint_state && constraint_forced(j->constraint_state) ? STOKER_END_LENGTH : STOKER_END_TEXT;
}

static void first_token(struct stoker *s, struct job *j)
{
    j->first_token = clock_seconds();
    pthread_mutex_lock(&s->lock);
    histogram_add(&s->counters.first_token_time, j->first_token - j->submitted);
    pthread_mutex_unlock(&s->lock);
}

void verify_choose(struct stoker *s, struct job *j, const float *logits, const struct guess *guess, struct choice *out)
{
    struct session *ses = s->session;
    const uint8_t *allowed = j->constraint_state ? j->mask : pick_allowed(s);
    *out = (struct choice){.outcome = FAILS};
    j->mask_ready = 0;
    int32_t id = j->script ? j->script[j->n_generated] : pick_token(s, j, logits, allowed, &out->err);
    if (id < 0)
        return;
    if (j->n_generated == 0)
        first_token(s, j);
    int ends = !j->ignore_end && ses->tokenizer && tokenizer_is_end(ses->tokenizer, id);
    if (!ends && j->constraint_state && constraint_accept(j->constraint_state, id, &out->err))
        return;
    struct stoker_event e;
    if (pick_event(s, j, logits, id, &e, &out->err))
        return;
    out->outcome = ENDS;
    if (ends) {
        j->end_sampled = 1;
        pick_end(&j->pick, &e);
        out->reason = text_end(j);
        return;
    }
    j->n_generated++;
    pthread_mutex_lock(&s->lock);
    s->counters.generated_tokens++;
    pthread_mutex_unlock(&s->lock);
    if (j->n_generated == 1 && j->stats_at_first_token)
        stoker_stats_of(s, j->stats_at_first_token);
    j->history[j->n_history++] = id;
    out->holds = guess && guess->id == id;
    e.u.token.drafted = out->holds;
    e.u.token.predicted = out->holds && guess->is_predicted;
    job_send(j, &e);
    if (j->constraint_state && constraint_finished(j->constraint_state))
        out->reason = text_end(j);
    else if (j->n_history == j->max_history)
        out->reason = STOKER_END_LENGTH;
    else
        out->outcome = GOES_ON;
}

static int smaller(int a, int b) { return a < b ? a : b; }

/* n drafts were computed, and the first n_right of them were what was chosen. */
static void count_drafts(struct stoker *s, struct job *j, int n, int n_right)
{
    struct draft *d = &j->draft;
    d->n_drafted += (uint64_t)n;
    d->n_accepted += (uint64_t)n_right;
    if (d->predicted) {
        d->n_predicted += (uint64_t)(n - smaller(n, d->n_forced));
        d->n_predicted_accepted += (uint64_t)(n_right - smaller(n_right, d->n_forced));
    }
    pthread_mutex_lock(&s->lock);
    s->counters.drafted_tokens += (uint64_t)n;
    s->counters.accepted_tokens += (uint64_t)n_right;
    pthread_mutex_unlock(&s->lock);
}

/* What drafts [from, to) teach of what is forced, if those before them held. */
static void learn_forced(struct draft *d, int from, int to, int n_right, int refused)
{
    int right = smaller(n_right, to) - from;
    if (from < to && right >= 0)
        forced_learn(&d->forced, to - from, right, refused && n_right < to);
}

/* What n of them teach. refused 1: behind n_right that hold one was compared, and did not. */
static void learn_drafts(struct stoker *s, struct job *j, int n, int n_right, int refused)
{
    struct draft *d = &j->draft;
    if (d->by_layer)
        d->reach = smaller(n_right + 1, STOKER_DRAFT_MOST);
    learn_forced(d, 0, smaller(n, d->n_forced), n_right, refused);
    learn_forced(d, smaller(n, d->n_text), n, n_right, refused);
    const struct offer computed = draft_offer(d, n);
    if (s->session->plan.priced)
        acceptance_learn(&s->price, &computed, 0, n_right, refused);
}

/* Chooses a token from each row of a share in turn, as long as the row's token is the one that was chosen before it. The rows that are left
 * are those. */
static void verify(struct stoker *s, struct step *p, struct share *e)
{
    struct job *j = e->job;
    const size_t start = j->n_history;
    int n = 0, n_right = 0, compared = 0, goes_on = 1;
    while (goes_on) {
        struct guess guess;
        compared = n < e->drafts;
        if (compared)
            guess = (struct guess){j->history[j->n_history], j->draft.predicted && n >= j->draft.n_forced};
        verify_choose(s, j, step_logits(s, p, e->logits_index + n++), compared ? &guess : NULL, &e->choice);
        n_right += e->choice.holds;
        goes_on = e->choice.outcome == GOES_ON && e->choice.holds && masks_next(s, j);
    }
    /* An end token is not in the history, and is compared with no draft. */
    const int refused = compared && !e->choice.holds && j->n_history == start + (size_t)n;
    count_drafts(s, j, e->drafts, n_right);
    learn_drafts(s, j, e->drafts, n_right, refused);
    draft_compare(&j->draft, &s->price, j->history, j->n_history, start,
                  j->draft.kind == DRAFT_LAYER ? 0 : n_right + refused);
    session_refuse(&p->batch, e->first, e->rows, n);
    e->rows = n;
}

void verify_drafts(struct stoker *s, struct step *p)
{
    for (int i = 0; i < p->n && p->batch.n_drafted; i++) {
        struct share *e = &p->share[i];
        if (e->rows && e->drafts && !p->batch.dead[e->first])
            verify(s, p, e);
        if (e->job->seq)
            e->job->seq->kept = NULL;
    }
}

void verify_count(const struct stoker *s, struct step *p, int sign)
{
    struct step_cost *t = &p->took;
    struct store_stats st;
    if (!s->session->plan.priced || !s->session->model->store)
        return;
    store_stats(s->session->model->store, &st);
    t->waited += sign * st.wait_seconds;
    t->experts += sign * (double)(st.hits + st.misses);
    t->misses += sign * (double)st.misses;
    t->expert_seconds += sign * s->session->model->expert_seconds;
}

void verify_price(struct stoker *s, const struct step *p)
{
    const struct batch *b = &p->batch;
    int decoding = 0, left = 0, rows = 0;
    if (!s->session->plan.priced)
        return;
    for (int i = 0; i < b->n_rows; i++)
        left |= b->dead[i] == ROW_LEFT; /* refused drafts are what a price is of */
    for (int i = 0; i < p->n; i++) {
        decoding += p->share[i].rows > 0;
        rows += p->share[i].rows;
    }
    if (!left && b->n_prompt == 0)
        price_learn(&s->price, decoding, b->n_drafted, rows - decoding, &p->took);
}
