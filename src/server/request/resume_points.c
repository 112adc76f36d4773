/* Ends of messages in a prompt: see resume_points.h. */
#include "server/request/resume_points.h"

#include <string.h>

/* The first token behind the last words that are not the template's. */
static size_t tail_of(const struct stoker_templates *t, const struct stoker_prompt *p)
{
    size_t tail = 0, at = p->n_token, n;
    for (size_t i = p->n_span; i > 0 && p->span[i - 1].author == STOKER_TEMPLATE; i--)
        tail += p->span[i - 1].n;
    for (size_t left = tail; at > 0; left -= n) {
        stoker_templates_piece(t, p->token[at - 1], &n);
        if (n > left)
            break;
        at--;
    }
    return at;
}

size_t resume_points(const struct stoker_templates *t, const struct stoker_prompt *p, size_t at[RESUME_POINTS])
{
    size_t n = 0, end = tail_of(t, p);
    while (end < p->n_token && !p->structure[end])
        end++;
    if (end == p->n_token)
        return 0;
    for (size_t i = 0; i < p->n_token; i++) {
        if (p->token[i] != p->token[end] || !p->structure[i])
            continue;
        size_t next = i + 1; /* white space between messages belongs to the one before */
        while (next < p->n_token && !p->structure[next])
            next++;
        if (next == p->n_token)
            next = i + 1;
        if (n && at[n - 1] >= next)
            continue;
        if (n == RESUME_POINTS) { /* the first stays, of the others the newest */
            memmove(at + 1, at + 2, (n - 2) * sizeof *at);
            n--;
        }
        at[n++] = next;
    }
    return n;
}
