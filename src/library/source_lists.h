/* The lists of a source's vectors (vectors/lists.h): the file SEGMENT.lists beside its segment. The database knows nothing of it: lists say
 * themselves which segment they are of, and how much of it. A source without any, or with damaged ones, has all its vectors read. */
#ifndef LIBRARY_SOURCE_LISTS_H
#define LIBRARY_SOURCE_LISTS_H

#include "base/error.h"
#include "library/source_vectors.h"
#include "library/vectors/lists.h"
#include "library/vectors/lists_make.h"

enum {
    LISTS_ABOVE = 2000000, /* vectors of a source that are all read */
    LISTS_TAIL = 4         /* lists are made anew where more than 1 / LISTS_TAIL of the vectors are in none */
};

/* Those of the vectors *v, of which there are some. 1: *l; 0: the source has none; -1: *err, and *l has none. */
int source_lists_open(struct source *s, const struct source_vectors *v, struct lists *l, struct error *err);
/* Are those that it has whole, and of the segment's vectors? Reads all of both. 0 also where it has none. */
int source_lists_check(struct source *s, const struct source_vectors *v, const struct segment *of, struct error *err);

/* What searches read of the source's vectors is held in memory until there are more of them, if it fits into *ram bytes, which become less
 * by it: its lists and the rows behind them, or else all rows. 1; 0: it does not fit; -1: *err. Lists that no search can use are named in
 * *err, and all rows are held; of those that are damaged in a part nothing is held, with *err, and 0: searches that do not read that part
 * use them, and would not find the same in all rows. */
int source_hold(struct source *s, const struct source_vectors *v, uint64_t *ram, struct error *err);
void source_release(struct source *s);

struct lists_report {
    int n;           /* lists that the source has now; 0: none */
    int64_t n_row;   /* vectors in them */
    int is_made;     /* 1: just now */
    int is_checking; /* 1: those that it had are read, and that is what ticks are of, or what was stopped */
    int is_stopped;
    struct error anew; /* what was wrong with those that it had */
};

/* A source of more than `above` vectors gets lists of them, or new ones, if it needs some: what it has is read, all of it, since nothing
 * else finds the damage that searches tell of. That calls o->tick, as making does; it may read *r. above: LISTS_ABOVE, but in tests. */
int source_lists_make(const char *dir, const char *name, int64_t above, const struct lists_options *o,
                      struct lists_report *r, struct error *err);

#endif
