/* See propose.h. */
#include "engine/step/propose.h"

#include "base/clock.h"
#include "base/rng.h"
#include "engine/draft/forced.h"
#include "engine/step/follow.h"
#include "engine/step/nextn.h"

#include <string.h>

/* The row behind n drafts chooses one more token, and each that is chosen is an event. Two entries of the queue are kept for the last
 * event. Refused rows would be recorded: nothing is drafted as long as there are rows to record. */
int propose_most(const struct stoker *s, const struct job *j, int most)
{
    size_t answer = j->max_history - j->n_history, events = queue_free(j->events);
    size_t n = answer < events - 2 ? answer : events - 2;
    if (capture_goes_on(j->capture, j->n_done) || j->draft.is_off || n == 0 ||
        (!j->draft.source && !s->session->plan.ngrams))
        return 0;
    return n - 1 < (size_t)most ? (int)n - 1 : most;
}

/* What the job's text repeats. The tables belong to the sequence, so another job's text is forgotten. */
static struct ngram *ngram_of(const struct stoker *s, struct job *j)
{
    struct ngram *g = &s->session->tables.ngram[j->seq - s->session->tables.seq];
    if (g->text != j->id)
        ngram_begin(g, j->id);
    return g;
}

/* What its constraint leaves behind n_guess drafts. Its work counts as that on masks, which other jobs wait for. */
static int by_constraint(struct stoker *s, struct job *j, int n_guess, int most, stoker_token *out)
{
    uint64_t work = s->mask_work < MASK_WORK_PER_STEP ? MASK_WORK_PER_STEP - s->mask_work : 0;
    if (most <= 0 || !work)
        return 0;
    int n = forced_propose(j->constraint_state, s->session->tokenizer, out, n_guess, most, out + n_guess, &work);
    s->mask_work += work;
    return n;
}

/* Where a layer drafts, only what stood behind many tokens is likelier; unless there is a price for both. */
static int is_likely(const struct stoker *s, const struct job *j)
{
    return !s->session->plan.nextn || s->session->plan.priced || j->draft.kind == DRAFT_BEGUN ||
           j->draft.kind == DRAFT_LONG;
}

/* What its text repeats, and the prediction, which is learnt behind the prompt; behind n_guess drafts. */
static int by_text(const struct stoker *s, struct job *j, int n_guess, int most, stoker_token *out)
{
    struct ngram *g = ngram_of(s, j);
    if (j->n_prediction && !g->prediction)
        ngram_predict(g, j->prediction, j->n_prediction, j->n_prompt);
    int n = ngram_propose(g, j->history, j->n_history, n_guess, most, out);
    j->draft.predicted = g->predicted;
    j->draft.kind = g->found == 0 ? DRAFT_BEGUN : g->found > 3 ? DRAFT_LONG : g->found > 2 ? DRAFT_MIDDLE : DRAFT_SHORT;
    return is_likely(s, j) ? n : 0;
}

static int begins_with(const struct tokenizer *t, stoker_token whole, stoker_token first)
{
    size_t n = 0, n_first = 0;
    if (whole == first || whole < 0 || whole >= tokenizer_n_vocab(t))
        return whole == first;
    const char *piece = tokenizer_piece(t, whole, 0, &n), *beginning = tokenizer_piece(t, first, 0, &n_first);
    return n_first > 0 && n >= n_first && memcmp(piece, beginning, n_first) == 0;
}

/* What the text repeats behind the n tokens that are forced. The last of them may be spelled in one with what is chosen behind it: where
 * the text has such a token in its place, that is drafted; where it has another one, nothing of it. Returns how many drafts there are. */
static int go_on(const struct stoker *s, struct job *j, int n, int most, stoker_token *out)
{
    if (n == 0)
        return by_text(s, j, 0, most, out);
    const stoker_token last = out[n - 1];
    int more = by_text(s, j, n - 1, most - n + 1, out + n - 1);
    if (more > 0 && begins_with(s->session->tokenizer, out[n - 1], last) && (n > 1 || j->mask[out[0]])) {
        j->draft.n_forced -= out[n - 1] != last;
        return n - 1 + more;
    }
    out[n - 1] = last;
    j->draft.predicted = 0;
    return n;
}

/* Behind a value that the text repeats there are keys again. Those behind a prediction would count as if it had said them. */
static int force_behind(struct stoker *s, struct job *j, int forced, int n, int most, stoker_token *out)
{
    int more = forced < most - n ? forced : most - n;
    if (n == j->draft.n_forced || j->draft.predicted || !j->mask[out[0]])
        return n;
    return n + by_constraint(s, j, n, more, out);
}

int propose(struct stoker *s, struct job *j, int most)
{
    stoker_token *out = j->history + j->n_history;
    struct draft *d = &j->draft;
    int n = 0, forced = 0;
    d->kind = DRAFT_OWN;
    d->n_forced = d->predicted = d->by_layer = 0;
    if (d->source) {
        n = draft_propose(d, j->history, j->n_history, most, s->session->model->p.n_vocab, out);
    } else {
        if (j->constraint_state)
            n = d->n_forced = by_constraint(s, j, 0, forced = forced_most(&d->forced, most), out);
        if (n == 0 || n < forced) /* not where what is forced goes on, as far as is known */
            n = go_on(s, j, n, most, out);
    }
    d->n_text = n;
    if (j->constraint_state && !d->source)
        n = force_behind(s, j, forced, n, most, out);
    n = n > 0 && (!j->constraint_state || j->mask[out[0]]) ? n : 0;
    if (s->session->plan.priced && !d->coin)
        draft_follow(d, out, n, j->n_history);
    return n;
}

int32_t propose_likeliest(const float *logits, int n, const uint8_t *allowed)
{
    int32_t best = -1;
    for (int32_t i = 0; i < n; i++)
        if ((!allowed || allowed[i]) && (best < 0 || logits[i] > logits[best]))
            best = i;
    return best;
}

/* One more than held, of `most`. */
static int reach(const struct stoker *s, const struct share *e, int most)
{
    const struct draft *d = &e->job->draft;
    int n = d->coin ? STOKER_DRAFT_MOST : d->reach ? d->reach : 1;
    return e->drafts ? 0 : nextn_most(s, e, n < most ? n : most);
}

void propose_by_layer(struct stoker *s, struct step *p, int most)
{
    int want[MAX_PARALLEL] = {0}, n = 0;
    for (int i = 0; i < p->n; i++)
        n += reach(s, &p->share[i], 1);
    for (int i = 0; i < p->n && n > 0; i++) {
        want[i] = reach(s, &p->share[i], (most + n - 1) / n);
        n -= want[i] > 0;
        most -= want[i];
    }
    nextn_draft(s, p, want);
}

void propose_by_coin(const struct stoker *s, struct job *j, int n)
{
    stoker_token *out = j->history + j->n_history;
    for (int i = 0; i < n && j->draft.coin; i++) {
        stoker_token next = j->script[j->n_generated + i];
        int right = (int)(rng_u64(j->n_history, (uint64_t)i, 5, 1) % 100) < j->draft.coin - 1;
        out[i] = right ? next : (next + 1) % s->session->model->p.n_vocab;
    }
}

void propose_learn(const struct stoker *s, struct job *j, int rows)
{
    if (s->session->plan.ngrams && !j->draft.source)
        ngram_learn(ngram_of(s, j), j->history, j->n_done, NGRAM_STEP * rows);
}

/* Of all who decode: any number that differs when they do. */
static uint64_t set_of(const struct step *p)
{
    uint64_t set = 0;
    for (int i = 0; i < p->n; i++)
        set = (set + p->share[i].job->id) * UINT64_C(0x9e3779b97f4a7c15);
    return set;
}

void propose_priced(struct stoker *s, struct step *p, int most, double begin)
{
    struct offer offer[MAX_PARALLEL];
    int at[MAX_PARALLEL], by_layer[MAX_PARALLEL] = {0}, n = 0;
    for (int i = 0; i < p->n; i++) {
        struct draft *d = &p->share[i].job->draft;
        int drafts = p->share[i].drafts,
            layer = s->drafter ? follow_most(s, &p->share[i], most) : nextn_most(s, &p->share[i], most);
        if (!drafts && !layer)
            continue;
        if (!d->begun)
            acceptance_begin(&d->acceptance, &s->price);
        d->begun = 1;
        at[n] = i;
        offer[n] = draft_offer(d, drafts);
        offer[n++].n_layer = layer;
    }
    price_choose(&s->price, set_of(p), p->n, offer, n, most);
    p->took.asking = clock_seconds() - begin;
    for (int i = 0; i < n; i++) {
        p->share[at[i]].drafts = offer[i].by_layer ? 0 : offer[i].n;
        by_layer[at[i]] = offer[i].by_layer ? offer[i].n : 0;
    }
    if (s->drafter)
        follow_draft(s, p, by_layer);
    else
        nextn_draft(s, p, by_layer);
}
