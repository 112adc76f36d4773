/* Searching sources by words (library.md 11): BM25 with numbers of rows, lengths and words summed over all of them, so a text scores the
 * same whatever source it is in. */
#ifndef LIBRARY_SEARCH_H
#define LIBRARY_SEARCH_H

#include "library/source.h"

struct json_t;

enum {
    SEARCH_SOURCES = 64,
    SEARCH_LIMIT = 100,
    SEARCH_AN_ARTICLE = 3, /* results of one */
    SEARCH_ROWS = 200000   /* that all words together may be in: beyond that the commonest words do not count */
};

struct search_hit {
    int source; /* of the list that was searched */
    int64_t chunk, article, ordinal;
    double score;                                 /* larger is better */
    char *path, *title, *anchor, *heading, *text; /* heading: its path, lines */
};

struct search_result {
    struct search_hit hit[SEARCH_LIMIT];
    int n;
    int n_dropped; /* words that did not count */
    struct buffer match;
};

/* The best `limit` of the n sources in list; search_free() in any case. A source that cannot be read is named in *err, and the others
 * answer: then 0 is returned too. */
int search(struct source *const *list, int n, const char *query, size_t n_query, int limit, struct search_result *r,
           struct error *err);
void search_free(struct search_result *r);

/* ---- what was found, for clients: the same from the command line and from a server (results.c) ---- */

/* Appends a part of an address, with percent signs for what an address cannot have. */
void library_put_escaped(struct buffer *out, const char *text);
/* Appends /library/NAME/PATH#ANCHOR. */
void library_url(struct buffer *out, const char *name, const char *path, const char *anchor);

/* New references; NULL: no memory. */
struct json_t *library_hit_json(const struct source *s, const struct search_hit *h, int rank);
struct json_t *library_heading_json(const char *heading); /* a path of headings, lines: a list */
struct json_t *library_text_json(const char *text);       /* "" for bytes that are not UTF-8 */

#endif
