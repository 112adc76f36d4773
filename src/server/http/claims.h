/* Who may take memory when several want more than there is: the banker's rule (Dijkstra 1965), for one kind of resource.
 *
 * Whoever begins says what he will need at most. He is given a part of it only if afterwards there is an order in which all can
 * end: the first takes the rest of what he needs out of what is free, ends, and gives back all he holds; then the next. So nobody
 * waits for somebody who waits for him, and who needs little passes those who hold little and need much.
 *
 * Others, who claim nothing, may have made less free than the claims were granted on. They give it back some time, whatever is done
 * here: who cannot end before that is left out of the count, and holds up nobody. */
#ifndef SERVER_HTTP_CLAIMS_H
#define SERVER_HTTP_CLAIMS_H

#include <stddef.h>

struct claim {
    size_t held, need; /* bytes; need: beyond what is held */
};

/* 1: asks, which is one of the n (by its value), may take so many more bytes, at most what it needs, of those that are free: it can end
 * then, and so can all others that could before. Changes the list. */
int claims_allow(struct claim *c, size_t n, struct claim asks, size_t more, size_t free);

#endif
