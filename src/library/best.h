/* The best rows of a search: by score, then by the name of the source, then by chunk, so that no two are equal. */
#ifndef LIBRARY_BEST_H
#define LIBRARY_BEST_H

#include "library/source.h"

struct best_row {
    double score; /* larger is better */
    int source;   /* of the list */
    int64_t chunk;
};

struct best {
    struct best_row *row; /* a heap, the worst on top, until best_sort() */
    int n, most;
    struct source *const *list;
};

/* Empty, of at most `most` rows; best_free() in any case. */
int best_begin(struct best *b, struct source *const *list, int most, struct error *err);
void best_free(struct best *b); /* a zeroed one too */

/* 1: best_offer() would keep it. */
int best_wants(const struct best *b, const struct best_row *r);
void best_offer(struct best *b, struct best_row r);
void best_sort(struct best *b); /* from best to worst; nothing is offered behind it */

/* Reciprocal rank fusion (Cormack, Clarke, Büttcher 2009): both lists, sorted, into out, which is empty, has place for all of both, and is
 * sorted behind it. A row's score is the sum of 1 / (60 + its rank), from 1, over the lists that it is in. */
void best_fuse(const struct best *x, const struct best *y, struct best *out);

#endif
