/* Markdown (GitHub's dialect, by md4c) and plain text to sections (library.md 10). */
#ifndef LIBRARY_MARKDOWN_H
#define LIBRARY_MARKDOWN_H

#include "library/text.h"

enum { MARKDOWN_MOST = 16 << 20 }; /* bytes of a file: md4c reads a document whole */

/* title: what the path begins with until a heading of rank 1. */
int markdown_sections(const struct text_input *in, const char *title, const struct text_sink *sink, struct error *err);

/* Paragraphs between empty lines, of any size. */
int plain_sections(const struct text_input *in, const char *title, const struct text_sink *sink, struct error *err);

#endif
