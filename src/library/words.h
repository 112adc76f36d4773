/* Words of queries, and text as the index takes it (library.md 10, 11). */
#ifndef LIBRARY_WORDS_H
#define LIBRARY_WORDS_H

#include "base/json/buffer.h"

enum { WORDS_MOST = 64, WORD_BYTES = 160, QUERY_BYTES = 64 << 10 };

struct words {
    char word[WORDS_MOST]
             [WORD_BYTES]; /* characters of scripts without word borders with spaces between them: a phrase */
    int n, n_left_out;
};

/* The first words of a query: runs of letters, digits and marks. */
void words_of(struct words *w, const char *query, size_t n);

/* As FTS5's query: each in quotes, OR between them; `use` [w->n], where it is not NULL, says which. */
void words_match(const struct words *w, const unsigned char *use, struct buffer *out);

/* Text with spaces around each character of the scripts that have no word borders. */
void words_spaced(const char *text, size_t n, struct buffer *out);

#endif
