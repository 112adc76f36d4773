/* The rows of several sources that are nearest to a vector: of all that a source has, or where it has lists of them (source_lists.h) of
 * the nearest lists and of what is in none. */
#ifndef LIBRARY_BY_VECTOR_H
#define LIBRARY_BY_VECTOR_H

#include "library/best.h"
#include "library/search.h"

/* Into *best, begun, which is not sorted. Returns how many sources were searched. One whose vectors cannot be read, or are of another
 * model, is named in *err; those without any are passed over. -1: no memory. */
int by_vector(struct source *const *list, int n, const struct search_vector *v, struct best *best, struct error *err);

#endif
