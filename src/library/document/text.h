/* What all documents become: sections, each with its path of headings and its text as lines (library.md 10).
 *
 *   bytes -> UTF-8 (encoding.h) -> elements of HTML (html.h), of Markdown (markdown.h) or paragraphs -> struct text_sink -> chunks
 * (chunk.h)
 *
 * Nothing is held but the line that is being written, and of that no more than a piece: a text of 100 MB passes through in kilobytes. */
#ifndef LIBRARY_DOCUMENT_TEXT_H
#define LIBRARY_DOCUMENT_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct error;

enum {
    TEXT_PATH = 7,      /* the title and headings of ranks 2 to 6 */
    TEXT_HEADING = 500, /* bytes of one that are kept */
    TEXT_ANCHOR = 200,
    TEXT_RULES = 2 /* the version of library.md 10: another one extracts anew */
};

struct text_section {
    const char *path[TEXT_PATH];
    int n_path;
    const char *anchor;
    int level; /* 0: what comes before the first heading */
};

/* Takes sections in order, those alone that have text. */
struct text_sink {
    void *arg;
    void (*section)(void *arg, const struct text_section *s); /* its strings are valid during the call */
    /* a piece of a line, whole characters of UTF-8; ends: the line ends behind it */
    void (*line)(void *arg, const char *text, size_t n, int ends);
};

/* Bytes from somewhere, several times over: at most cap of them from byte `at` on, *n; 0 behind the end. */
struct text_input {
    void *arg;
    int (*read)(void *arg, uint64_t at, char *buf, size_t cap, size_t *n, struct error *err);
};

#endif
