/* Markdown (GitHub's dialect, by md4c) and plain text to sections (library.md 10). */
#ifndef LIBRARY_DOCUMENT_MARKDOWN_H
#define LIBRARY_DOCUMENT_MARKDOWN_H

#include "library/document/text.h"

struct elements;

enum { MARKDOWN_MOST = 16 << 20 }; /* bytes of a file: md4c reads a document whole */

/* title: what the path begins with until a heading of rank 1. */
int markdown_sections(const struct text_input *in, const char *title, const struct text_sink *sink, struct error *err);

/* Paragraphs between empty lines, of any size, in pieces; is_empty: 1 in the beginning. */
struct paragraphs {
    struct elements *elements;
    int is_empty; /* the line, so far */
};
void paragraphs_put(struct paragraphs *p, const char *text, size_t n);

int plain_sections(const struct text_input *in, const char *title, const struct text_sink *sink, struct error *err);

#endif
