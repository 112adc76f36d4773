/* Pre-tokenizers: the rules by which a byte-level BPE vocabulary was trained to cut text into words. */
#ifndef TEXT_PRETOKENIZE_H
#define TEXT_PRETOKENIZE_H

#include <stddef.h>
#include <stdint.h>

struct error;

/* A row of the table. Names share a row when they share the rule and its flags. */
struct pretokenizer {
    const char *names; /* separated by spaces */
    const char *rule;  /* regular expression */
    int ignore_merges; /* a word that is a token is taken whole */
    int add_bos;       /* unless the file says otherwise */
};

/* NULL with the sentence when the name is not in the table. */
const struct pretokenizer *pretokenizer_find(const char *name, size_t length, struct error *err);

/* A compiled rule: read-only, shared by threads. */
struct splitter;
int splitter_create(struct splitter **out, const struct pretokenizer *row, struct error *err);
void splitter_destroy(struct splitter *s);
size_t splitter_bytes(const struct splitter *s);

/* One text being cut: state of one thread. Zeroed: ready for splitting_begin(). */
struct splitting {
    const struct splitter *splitter;
    const uint8_t *text;
    size_t length, at;
    size_t match, match_end; /* the match that follows the piece last given */
    void *data;              /* memory of the matcher, kept from text to text */
};

/* text is well-formed UTF-8. -1: no memory. */
int splitting_begin(struct splitting *p, const struct splitter *s, const uint8_t *text, size_t length);
/* The next word is [*start, *start + *n): 1; 0 at the end; -1: no memory. Words follow each other without gaps. */
int splitting_next(struct splitting *p, size_t *start, size_t *n);
void splitting_end(struct splitting *p);

/* The bytes with each byte outside well-formed UTF-8 replaced by U+FFFD. Returns how many bytes that is; writes them unless out
 * is NULL. */
size_t pretokenize_clean(const uint8_t *text, size_t length, uint8_t *out);

#endif
