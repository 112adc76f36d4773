/* See draft.h. */
#include "engine/draft/draft.h"

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
