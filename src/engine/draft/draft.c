/* See draft.h. */
#include "engine/draft/draft.h"

#include <string.h>

void draft_of_layer(struct draft *d)
{
    d->kind = DRAFT_LAYER;
    d->n_forced = d->predicted = 0;
    d->n_text = STOKER_DRAFT_MOST;
}

struct offer draft_offer(struct draft *d, int n)
{
    return (struct offer){.of = &d->acceptance,
                          .kind = d->kind,
                          .n = n,
                          .n_forced = d->n_forced,
                          .n_behind = n > d->n_text ? n - d->n_text : 0};
}

void draft_follow(struct draft *d, const stoker_token *id, int n, size_t n_text)
{
    struct proposal *f = &d->followed;
    if (f->n_known < f->offer.n)
        return;
    *f = (struct proposal){.start = n_text, .offer = draft_offer(d, n)};
    memcpy(f->id, id, (size_t)n * sizeof *id);
}

void draft_compare(struct draft *d, struct price *p, const stoker_token *text, size_t n_text, size_t start,
                   int n_learnt)
{
    struct proposal *f = &d->followed;
    n_learnt = f->start == start ? n_learnt : 0;
    while (f->n_known < f->offer.n && f->start + (size_t)f->n_known < n_text) {
        int held = f->id[f->n_known] == text[f->start + (size_t)f->n_known];
        if (f->n_known >= n_learnt)
            acceptance_learn(p, &f->offer, f->n_known, held, !held);
        f->n_known = held ? f->n_known + 1 : f->offer.n;
    }
}

int draft_propose(const struct draft *d, const stoker_token *history, size_t n, int most, int n_vocab,
                  stoker_token *out)
{
    if (!d->source || most <= 0)
        return 0;
    int found = d->source(d->arg, history, n, most, out);
    found = found < most ? found : most;
    for (int i = 0; i < found; i++)
        if (out[i] < 0 || out[i] >= n_vocab)
            return i;
    return found > 0 ? found : 0;
}
