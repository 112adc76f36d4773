/* The vectors of a source: which segment (vectors/segment.h) has them, and how far it holds. Both are in the database, so a commit is what
 * makes rows of the segment true:
 *
 *   vector       one row: the segment, the model and the width of its vectors, bytes and rows that count, the last chunk that was seen
 *   vector_gap   chunks that have left since they got a vector: the first, and how many
 *
 * Segments are files of the folder NAME.vec beside NAME.db, each named by its number, and beside them their lists (source_lists.h); those
 * that no database names are left-overs.
 * A number of a chunk that had a vector is never given again. */
#ifndef LIBRARY_SOURCE_VECTORS_H
#define LIBRARY_SOURCE_VECTORS_H

#include "library/source.h"
#include "library/vectors/segment.h"

#include <limits.h>

struct source_vectors {
    struct segment_about about; /* about.bytes 0: the source has no vectors */
    char model[128];            /* what the file of about.model was called */
    int is_lead;                /* 1: only the first chunk of each article gets one */
    int64_t n_row, last; /* rows, also of chunks that have left; the chunk after which those without a vector begin */
};

/* 0: *v, perhaps without vectors. */
int source_vectors_read(struct source *s, struct source_vectors *v, struct error *err);
/* 1: *v, of this model; 0: the source has no vectors; -1: *err, also where they are of another model. */
int source_vectors_of(struct source *s, uint64_t model, int width, struct source_vectors *v, struct error *err);
int source_vectors_open(struct source *s, const struct source_vectors *v, int writes, struct segment *out,
                        struct error *err);

/* The name of a segment's file, and `end` behind it. */
int source_vectors_path(struct source *s, int64_t segment, const char *end, char out[PATH_MAX], struct error *err);

/* Another, empty segment takes the place of what the source has: of v's model, about.width and is_lead, the rest of v is set. */
int source_vectors_begin(struct source *s, struct source_vectors *v, struct error *err);
/* What a segment has by now is committed; last: the chunk that was seen last. */
int source_vectors_commit(struct source *s, struct source_vectors *v, const struct segment *segment, int n_new,
                          int64_t last, struct error *err);
/* What of NAME.vec the database does not name is deleted. */
void source_vectors_sweep(struct source *s);

/* The same for a source that is gone: all of it. path: its database. */
void source_vectors_unlink(const char *path);

/* ---- chunks that have left ---- */

enum { GAPS_MOST = 1 << 16 };

struct vector_gaps {
    int64_t *first, *end; /* [n], ascending: chunks first..end - 1 */
    int n;
};
/* -1: *err, also where there are more than GAPS_MOST. */
int vector_gaps_read(struct source *s, struct vector_gaps *g, struct error *err);
void vector_gaps_free(struct vector_gaps *g);
int vector_gaps_has(const struct vector_gaps *g, int64_t chunk);

#endif
