/* An article of a source, read in order, section by section (library.md 13). */
#ifndef LIBRARY_ARTICLE_H
#define LIBRARY_ARTICLE_H

#include "library/source.h"

struct article_part { /* a chunk; valid during the call */
    int64_t chunk, ordinal;
    int begins;                 /* 1: the first one that is told of its section */
    const char *heading, *text; /* heading: its path, lines */
    const char *path, *anchor;  /* of the document, of the section */
};

/* Where the section of a chunk begins: the ordinal of its first chunk. -1: *err. */
int64_t article_section(struct source *s, int64_t article, int64_t chunk, struct error *err);

enum { ARTICLE_PARTS = 256 }; /* of a call, at most */

/* The parts of the article's document from an ordinal on, until take() returns 1: that part was not taken. *next: the ordinal of the first
 * that was not taken; -1: there is none. */
int article_read(struct source *s, int64_t article, int64_t from, int (*take)(void *arg, const struct article_part *p),
                 void *arg, int64_t *next, struct error *err);

#endif
