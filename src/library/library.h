/* The library: a folder of sources, each NAME.db (source.h). There is no list of them but the folder; what is being made anew beside a
 * source that answers is .NAME.new until it is complete. */
#ifndef LIBRARY_LIBRARY_H
#define LIBRARY_LIBRARY_H

#include "library/search.h"

#include <limits.h>
#include <pthread.h>

/* Who makes vectors of queries: a model's, by whoever has one (library/encoder). x [width]. 1: x is set; 0: the text has no vector; -1:
 * *err, ERR_CANCELLED once stopped(arg), which is asked meanwhile, is 1. Any thread. */
struct library_encoder {
    int width;
    uint64_t model; /* its hash */
    int (*encode)(void *self, const char *text, size_t n, float *x, int (*stopped)(void *arg), void *arg,
                  struct error *err);
    void *self;
};

/* What is looked for, and who asks. */
struct library_query {
    const char *text; /* [n]: the first QUERY_BYTES count */
    size_t n;
    int limit;                            /* results */
    int no_words, no_vectors, no_ranking; /* 1: not by these */
    int (*stopped)(void *arg);            /* asked meanwhile; 1: nobody waits any more. NULL: never */
    void *arg;
};

/* Who judges passages for a query: a model that ranks, by whoever has one (library/encoder). score [r->n]: the larger, the better the
 * passage answers. -1: *err, ERR_CANCELLED once nobody waits. Any thread. */
struct library_ranker {
    int (*rank)(void *self, const struct library_query *q, const struct search_result *r, double *score,
                struct error *err);
    void *self;
};

/* What one thread has at a time; those that wait have it in the order in which they came. */
struct library_waiting {
    struct library_waiting *next;
};
struct library_turn {
    int is_taken;
    struct library_waiting *first;
};

struct library_warned {
    uint64_t text; /* its hash */
    double at;     /* 0: never */
};
enum { LIBRARY_WARNED = 8 };

/* Its sources are one thread's at a time: between library_enter() and library_leave(), where several have it. */
struct library {
    char dir[PATH_MAX - 256];
    struct source *list[SEARCH_SOURCES];
    int n;
    pthread_mutex_t lock;
    pthread_cond_t left;
    struct library_turn reading, searching, ranking; /* under lock: with the sources, and with results of searches */
    struct library_warned warned[LIBRARY_WARNED];    /* under lock: the newest lines of library_warn() */
    struct library_encoder encoder;                  /* encode NULL: there is none */
    struct library_ranker ranker;                    /* rank NULL: there is none */
};

/* Opens all sources, or those of names [n_name], in the order of their names. One that cannot be opened, or is not there, is left out and
 * named in *err, which is the only sign of it. */
void library_open(struct library *l, const char *dir, const char *const *names, int n_name, struct error *err);
/* The same, where at least one is wanted: -1 with *err: there is none. What is left out of others is named in *missing. */
int library_open_any(struct library *l, const char *dir, const char *const *names, int n_name, struct error *missing,
                     struct error *err);
void library_close(struct library *l); /* a zeroed one too */

/* Waits until no other thread has the sources. From then on what searches and reads them ends with ERR_CANCELLED as soon as stopped(arg),
 * which is asked while it waits and while it works, is 1. stopped NULL: never. -1: it was, and the sources are not the caller's. */
int library_enter(struct library *l, int (*stopped)(void *arg), void *arg);
void library_leave(struct library *l);

/* Searches the sources of list [n], which are of l: by words, by vectors where l->encoder makes one of the query, and in the order of
 * l->ranker where there is one. 0: *r, until library_found_free(); what could not be done as it should is named in *err, and the rest
 * answers. -1: *err, ERR_CANCELLED: nobody waits. Any thread, not between library_enter() and library_leave(): it enters, and leaves
 * while a model works. One ranked search and one other have results at a time; the next ones wait. */
int library_find(struct library *l, struct source *const *list, int n, const struct library_query *q,
                 struct search_result *r, struct error *err);
void library_found_free(struct library *l, struct search_result *r);

/* For who searches on behalf of a model: what library_find() named in *err becomes a line of the log: the same one once a minute at most,
 * and LIBRARY_WARNED of them. Any thread. */
void library_warn(struct library *l, const struct error *err);

/* The source is one writer's as long as the descriptor is open: that of a file beside it. -1: it is another one's, or *err. */
int library_lock(const char *dir, const char *name, struct error *err);

/* NAME of DIR into out; hidden: the one that is made anew. */
void library_path(char out[PATH_MAX], const char *dir, const char *name, int hidden);

/* A name that a file and an id can have, of any text. */
void library_name(char *out, size_t cap, const char *text);

/* 0: it is gone, with what belongs to it. */
int library_remove(const char *dir, const char *name, struct error *err);
void library_unlink(const char *path); /* a database and what SQLite keeps beside it */

#endif
