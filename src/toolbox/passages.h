/* Passages that were given to a model have numbers, and it cites them by these: [3]. A passage keeps its number however often it is
 * found. */
#ifndef TOOLBOX_PASSAGES_H
#define TOOLBOX_PASSAGES_H

#include <stddef.h>
#include <stdint.h>

enum { PASSAGES_MOST = 512, PASSAGES_LAST = 99999 };

struct passage {
    int64_t article, chunk;
    char *source, *title, *date; /* title: its path of headings on one line; date: of the source, or "" */
    char *url;                   /* where a server has it: library_url() */
};

struct passages {
    struct passage *list;
    int n;
    int before; /* the first one's number is the next: of an earlier part of the conversation, whose passages are not known any more */
};

/* The number of a passage, which is copied. 0: there are PASSAGES_MOST, or no memory. */
int passages_number(struct passages *p, const struct passage *of);
/* NULL: this number was never given out. */
const struct passage *passages_get(const struct passages *p, long number);
void passages_cut(struct passages *p, int n);    /* only the first n stay */
void passages_forget(struct passages *p, int n); /* the first n; numbers of the others stay */
void passages_free(struct passages *p);

/* The next [N] in text, n bytes, from *at on, which moves behind it. of NULL: a number that was never given out, which is text like any
 * other. 1; 0: there is none any more. */
struct citation {
    size_t from, n; /* bytes of text, its brackets too */
    long number;
    const struct passage *of;
};
int citation_next(const struct passages *p, const char *text, size_t n, size_t *at, struct citation *out);

#endif
