/* The library as tools of a model (library.md 13): search_library gives numbered passages, open_article an article from a section on. */
#ifndef TOOLBOX_LIBRARY_TOOLS_H
#define TOOLBOX_LIBRARY_TOOLS_H

#include "base/error.h"
#include "library/library.h"
#include "toolbox/passages.h"
#include "toolbox/toolbox.h"

#include <pthread.h>

/* What SQLite may take, articles while they are taken apart, results: of all conversations, one of which searches at a time. */
enum { LIBRARY_TOOLS_MEMORY = SOURCE_HEAP + (8 << 20) };

enum { LIBRARY_LIMIT = 4, LIBRARY_LIMIT_MOST = 8 /* passages of a search */, LIBRARY_FOUND = 64 };

/* A passage that a call gave. */
struct library_found {
    int number;
    size_t from, to; /* bytes of the call's result that are its text */
    double score;    /* of a search; not a number: the article was opened */
};

/* Of one conversation. Several may have one library, each in its thread. */
struct library_talk {
    struct library *library;
    struct source *source[SEARCH_SOURCES]; /* [n], those of the library that it searches */
    int n;
    int limit;           /* passages of a search that does not say how many */
    struct json_t *list; /* of tools */
    char *text;          /* the same, [n_text] */
    size_t n_text;
    struct passages passages;
    /* NULL; or several threads call its tools, and this is held while passages get their numbers: a search may take long. Who has it for
     * days then: the oldest passages are forgotten. */
    pthread_mutex_t *lock;
    struct error warning; /* what the last call could not do, for people; with a lock it is logged instead */
    struct library_found found[LIBRARY_FOUND]; /* [n_found] what the last call gave; nothing that is true with a lock */
    int n_found;
};

/* Of the sources of names, or all of n_name 0. -1: *err: there is no such one, by its place in names (err.field), or no memory. */
int library_talk_begin(struct library_talk *t, struct library *l, const char *const *names, int n_name,
                       struct error *err);
void library_talk_end(struct library_talk *t); /* a zeroed one too */
struct toolbox_provider library_talk_provider(struct library_talk *t);

#endif
