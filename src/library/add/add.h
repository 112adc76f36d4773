/* Adding to the library: an archive, a file or a folder of files becomes a source, or what has changed of it does (library.md 8, 10). It
 * stops and is killed at any moment; the same call goes on and ends in what an undisturbed one makes. */
#ifndef LIBRARY_ADD_ADD_H
#define LIBRARY_ADD_ADD_H

#include "base/error.h"
#include "library/source.h"

enum {
    ADD_NAMED = 5,
    ADD_HTML_MOST = 16 << 20,
    ADD_WINDOW = 1 << 20 /* articles of an archive that are put in order at a time */
};

struct add_report {
    char name[128];
    int64_t done, total;                         /* entries of an archive, files; total 0: not known */
    int64_t n_article, n_chunk;                  /* of the source, by now */
    int64_t n_new, n_removed, n_skipped, n_text; /* n_text: bytes of what is new */
    char skipped[ADD_NAMED][240];                /* the first ones, a sentence each */
    int is_unchanged, is_stopped;
    int has_lost_vectors; /* those of the older archive, which another took the place of */
    int n_warning;
    char warning[8][200];
};

struct add_options {
    const char *dir, *name; /* name NULL: the source's own */
    int verify;
    uint32_t window; /* instead of ADD_WINDOW, for tests: small archives have several then */
    /* now and then; non-zero: stop at the next commit */
    int (*tick)(void *arg, const struct add_report *r);
    void *arg;
};

int library_add(const char *source, const struct add_options *o, struct add_report *r, struct error *err);

/* For add.c, zim.c, files.c. */
struct adding {
    const struct add_options *o;
    struct add_report *r;
    struct source store;
    int in_batch; /* articles since the last commit */
    int lock;
    struct error chunk_error; /* what the store said while a document was read */
};
int add_zim(struct adding *a, const char *path, struct error *err);
int add_files(struct adding *a, const char *path, int is_folder, struct error *err);
void add_skip(struct adding *a, const char *sentence);
int add_begin(struct adding *a, const char *name, struct error *err); /* the lock */
/* fd: of a file of PDF. */
int add_document(struct adding *a, int kind, const struct text_input *in, int fd, const char *title, struct error *err);
int add_batch(struct adding *a, struct error *err); /* an article more: commits a full batch; 1: stop */
int add_kind(const char *name);                     /* by its ending: 0 unknown, else ADD_HTML, .. */
enum { ADD_HTML = 1, ADD_MARKDOWN, ADD_TEXT, ADD_PDF };

#endif
