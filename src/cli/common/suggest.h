/* "did you mean": the known word that is nearest to a mistyped one. */
#ifndef CLI_COMMON_SUGGEST_H
#define CLI_COMMON_SUGGEST_H

#include <stddef.h>

struct suggestion {
    const char *typed;
    size_t n;         /* bytes of typed */
    const char *word; /* the best so far; NULL: none is near */
    size_t distance;
};

/* Begins a search for the word typed [n], which outlives s and need not end in NUL. */
void suggest_begin(struct suggestion *s, const char *typed, size_t n);
/* A word that it may have been; it lives as long as the suggestion. NULL is none. */
void suggest_try(struct suggestion *s, const char *word);
/* Another name for a word, of n bytes, that it may have been. */
void suggest_name(struct suggestion *s, const char *name, size_t n, const char *word);

#endif
