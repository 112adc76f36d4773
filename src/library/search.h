/* Searching sources (library.md 11): by words, BM25 with numbers of rows, lengths and words summed over all of them, so a text scores the
 * same whatever source it is in; and where there is a vector of the query and sources have vectors, by these too, the two lists as one. */
#ifndef LIBRARY_SEARCH_H
#define LIBRARY_SEARCH_H

#include "base/cpu.h"
#include "library/source.h"

struct json_t;
struct library_turn;

enum {
    SEARCH_SOURCES = 64,
    SEARCH_LIMIT = 100,
    SEARCH_AN_ARTICLE = 3,        /* results of one */
    SEARCH_RANKED_AN_ARTICLE = 8, /* of what is ranked, at most: fewer where more results are wanted */
    SEARCH_FUSED = 50,            /* of each list that become one, at least; of what is ranked, too */
    SEARCH_ROWS = 200000          /* that all words together may be in: beyond that the commonest words do not count */
};

struct search_vector {
    const float *x; /* [width], finite */
    int width;
    uint64_t model;     /* the hash of the model that made it */
    enum cpu_tier tier; /* of the kernels, at most */
};

/* What searching by vectors takes besides: pieces of a segment, at most 10 MiB; rows of each list, chunks that have left. */
enum { SEARCH_VECTOR_MEMORY = 16 << 20 };
/* What ranking takes besides: passages that become no results, pairs of a long query and each of them as tokens. */
enum { SEARCH_RANK_MEMORY = 6 << 20 };

struct search_query {
    const char *text; /* [n_text] */
    size_t n_text;
    int limit;                          /* results */
    const struct search_vector *vector; /* NULL: by words alone */
    int is_for_ranking; /* 1: the best max(SEARCH_FUSED, limit) are wanted, SEARCH_RANKED_AN_ARTICLE of one: for search_choose() */
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
    int n_dropped;   /* words that did not count */
    int n_by_vector; /* sources that were searched by their vectors too; 0: scores are BM25's, else those of the fusion */
    int is_ranked;   /* 1: scores are those of a model that judges pairs */
    struct buffer match;
    struct library_turn *turn; /* library_find(): whose they are; else NULL */
};

/* The best of the n sources in list; search_free() in any case. A source that cannot be read, or whose vectors are of another model, is
 * named in *err, and what is left answers: then 0 is returned too. */
int search(struct source *const *list, int n, const struct search_query *q, struct search_result *r, struct error *err);
void search_free(struct search_result *r);

/* Of what was found for ranking, the results: the first `limit`, SEARCH_AN_ARTICLE of an article at most. */
void search_choose(struct search_result *r, int limit);

/* ---- what was found, for clients: the same from the command line and from a server (results.c) ---- */

/* Appends what a model is given of a passage, the same that people see: its path of headings (lines), a line, its text. */
void library_put_passage(struct buffer *out, const char *heading, const char *text);
/* Appends a part of an address, with percent signs for what an address cannot have. */
void library_put_escaped(struct buffer *out, const char *text);
/* Appends /library/NAME/PATH#ANCHOR. */
void library_url(struct buffer *out, const char *name, const char *path, const char *anchor);

/* New references; NULL: no memory. */
struct json_t *library_hit_json(const struct source *s, const struct search_hit *h, int rank);
struct json_t *library_heading_json(const char *heading); /* a path of headings, lines: a list */
struct json_t *library_text_json(const char *text);       /* "" for bytes that are not UTF-8 */

#endif
