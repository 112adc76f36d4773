/* Pages: what an address /library/NAME/PATH leads to (library.md 13). Of an archive any entry, images and styles too; of a file or a folder
 * a document that was added; where that is not to be had, or is no page (Markdown, PDF), a page of the text that was kept of it.
 *
 *   NAME -> source -> archive -> entry -> its bytes, or another path
 *                  -> row of the document -> its file, if it is as it was added -> its bytes
 *                                         -> its chunks -> a page (kept.h)
 *
 * A path is what somebody sent: it is looked up and never becomes part of a path of the file system. One thread: between library_enter()
 * and library_leave(). */
#ifndef LIBRARY_PAGES_PAGES_H
#define LIBRARY_PAGES_PAGES_H

#include "library/library.h"

enum {
    PAGES_MOST = 8 << 20,     /* bytes of a page */
    PAGES_CLUSTERS = 8 << 20, /* of clusters that stay decompressed, and of one */
    PAGES_DECODER = 12 << 20, /* what decompresses one: today's archives want a window of 8 MiB */
    /* of all that, beside the library's own */
    PAGES_MEMORY = PAGES_CLUSTERS + PAGES_MOST + PAGES_DECODER
};

struct pages;

enum page_kind {
    PAGE_NONE, /* nothing has this address */
    PAGE_BYTES,
    PAGE_ELSEWHERE /* bytes: the path that it has, of the same source */
};

struct page {
    enum page_kind kind;
    const char *type;    /* of PAGE_BYTES, of a fixed list: scripts are not on it */
    struct buffer bytes; /* page_free() */
};

/* NULL: no memory. They look at l from then on, and hold at most one archive open. */
struct pages *pages_open(struct library *l);
void pages_close(struct pages *p); /* NULL too */

/* The page of a path, decoded; "" of an archive: its main page. -1: there is something, and *err says why it cannot be had. */
int pages_get(struct pages *p, const char *name, const char *path, struct page *out, struct error *err);
void page_free(struct page *page);

#endif
