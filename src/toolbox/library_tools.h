/* The library as tools of a model (library.md 13): search_library gives numbered passages, open_article an article from a section on. */
#ifndef TOOLBOX_LIBRARY_TOOLS_H
#define TOOLBOX_LIBRARY_TOOLS_H

#include "base/error.h"
#include "library/library.h"
#include "toolbox/passages.h"
#include "toolbox/toolbox.h"

/* What SQLite may take, articles while they are taken apart, results. */
enum { LIBRARY_TOOLS_MEMORY = SOURCE_HEAP + (8 << 20) };

struct library_tools {
    struct library library;
    struct json_t *list; /* of tools */
    char *text;          /* the same, [n] */
    size_t n;
};

/* Opens the sources of names, or all. One that cannot be opened is named in *missing, and the others are there. -1: *err; there is none. */
int library_tools_open(struct library_tools *t, const char *dir, const char *const *names, int n_name,
                       struct error *missing, struct error *err);
void library_tools_close(struct library_tools *t); /* a zeroed one too */

/* Of one conversation, zeroed but for its tools. library_talk_free() frees what it holds, not the tools. */
struct library_talk {
    const struct library_tools *tools;
    struct passages passages;
    struct error warning; /* of the last call: a source that could not be read; the others answered */
};
struct toolbox_provider library_talk_provider(struct library_talk *t);
void library_talk_free(struct library_talk *t);

#endif
