/* Text of any encoding as UTF-8 (library.md 10): by its byte order mark; else UTF-8 where all of it is that; else, of HTML, by the
 * charset that a meta element near the beginning names, where iconv knows it; else windows-1252. Zero bytes vanish, what cannot be decoded
 * is U+FFFD. */
#ifndef LIBRARY_DOCUMENT_ENCODING_H
#define LIBRARY_DOCUMENT_ENCODING_H

#include "library/document/text.h"

struct decoder;

/* Reads all of the input once, to know. */
int decoder_open(struct decoder **out, const struct text_input *in, int is_html, struct error *err);

/* The next bytes, at most cap of them (>= 64), *n; 0 at the end. Characters may be split between two calls. */
int decoder_next(struct decoder *d, char *out, size_t cap, size_t *n, struct error *err);
void decoder_close(struct decoder *d);

/* Memory as an input; `at` and lifetime are the caller's. */
struct text_memory {
    const char *text;
    size_t n;
};
struct text_input text_of_memory(struct text_memory *m);

#endif
