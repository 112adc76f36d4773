/* See draft.h. */
#include "engine/draft/draft.h"

void draft_of_layer(struct draft *d)
{
    d->kind = DRAFT_LAYER;
    d->guess = -1;
    d->n_forced = d->predicted = 0;
    d->n_text = STOKER_DRAFT_MOST;
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
