/* See cuts.h. */
#include "engine/step/cuts.h"

#include <stdlib.h>

/* A prompt's end gets a state of its own only if it is farther from the last requested one. */
enum { END_DISTANCE = 16 };

static int by_size(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* As many of the requested positions as there are copies for: the newest, and the first, which other conversations may share. */
static int is_requested(const struct stoker *s, const struct job *j, size_t pos)
{
    size_t most = (size_t)(s->session->states.n_page / s->session->plan.n_parallel), n = j->n_snapshot_at;
    const size_t *at = bsearch(&pos, j->snapshot_at, n, sizeof pos, by_size);
    return at && (most > 1 ? at == j->snapshot_at || j->snapshot_at + n - at < (ptrdiff_t)most
                           : at + 1 == j->snapshot_at + n);
}

int cuts_at(const struct stoker *s, const struct job *j, size_t pos)
{
    return j->seq->state && !j->no_cache && s->session->states.n_page &&
           (pos % PREFIX_STATE_INTERVAL == 0 || is_requested(s, j, pos));
}

/* The end of a prompt is one to resume from as well, unless a requested position is close before it: states are large. */
static int is_end(const struct job *j, size_t pos)
{
    return pos == j->n_prompt &&
           (!j->seq->state || j->n_snapshot_at == 0 || pos - j->snapshot_at[j->n_snapshot_at - 1] > END_DISTANCE);
}

size_t cuts_last(const struct stoker *s, const struct job *j, size_t n)
{
    if (!j->seq->state || is_end(j, n))
        return n;
    while (n > 0 && !cuts_at(s, j, n))
        n--;
    return n;
}

static enum prefix_priority priority_of(const struct stoker *s, const struct job *j, size_t pos)
{
    if (!is_requested(s, j, pos))
        return PREFIX_PERIODIC;
    return pos == j->snapshot_at[0] || pos == j->snapshot_at[j->n_snapshot_at - 1] ? PREFIX_REQUESTED
                                                                                   : PREFIX_SUPERSEDED;
}

void cuts_remember(struct stoker *s, struct job *j)
{
    struct prefix_cache *c = &s->session->prefix;
    if (j->no_cache)
        return;
    if (cuts_at(s, j, j->n_done))
        prefix_remember(c, &j->cursor, j->seq, j->history, priority_of(s, j, j->n_done));
    else if (is_end(j, j->n_done))
        prefix_remember(c, &j->cursor, j->seq, j->history, PREFIX_ENDING);
}
