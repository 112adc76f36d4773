/* Pre-tokenizers: the rules by which a BPE vocabulary was trained to cut text into words.
 *
 * A pre-tokenizer is a chain of stages; each cuts every piece of the stage before it. pretokenize_rules.c is the table. */
#ifndef TEXT_TOKENIZER_PRETOKENIZE_H
#define TEXT_TOKENIZER_PRETOKENIZE_H

#include <stddef.h>
#include <stdint.h>

struct error;

enum { PRETOKENIZER_STAGES = 6 };

enum cut {
    CUT_MATCHES,  /* matches of the pattern are pieces, and so is the text between them */
    CUT_THREES,   /* runs of the pattern are cut into threes counted from their end; nothing else is cut */
    CUT_TRAILING, /* white space at the end is a piece */
    CUT_POWERS,   /* a piece of nothing but white space that ends no line: 512, 256, ... 1 characters, as many as fit */
    CUT_LINES     /* runs of newlines, and what is between them */
};

struct rule {
    const char *pattern; /* PCRE2, UTF and UCP; matches are not empty. NULL where the cut needs none */
    enum cut cut;
    int words; /* a run of ASCII letters, upper case before lower, with or without a space before it, is one match unless another
                  letter, an apostrophe or a byte above ASCII follows */
};

/* A row of the table. Names share a row when they share the rules and the flags. */
struct pretokenizer {
    const char *names;                  /* separated by spaces */
    uint8_t stage[PRETOKENIZER_STAGES]; /* numbers of rules, 0 behind the last */
    uint8_t ignore_merges;              /* a word that is a token is taken whole */
    uint8_t add_bos;                    /* unless the file says otherwise */
    uint8_t no_bos;                     /* there is no default bos */
    uint8_t add_sep;
};

/* NULL with the sentence when the name is not in the table. */
const struct pretokenizer *pretokenizer_find(const char *name, size_t length, struct error *err);
/* The rule of stage 0, 1, ...; NULL behind the last. */
const struct rule *pretokenizer_rule(const struct pretokenizer *row, int stage);

/* The compiled rules of a row: read-only, shared by threads. */
struct splitter;
int splitter_create(struct splitter **out, const struct pretokenizer *row, struct error *err);
void splitter_destroy(struct splitter *s);
size_t splitter_bytes(const struct splitter *s);

/* One text being cut: state of one thread. Zeroed: ready for splitting_begin(). */
struct splitting {
    const struct splitter *splitter;
    const uint8_t *text;
    struct piece_cursor {
        size_t end, at;          /* of the piece that this stage is cutting: its end, and how far it was given out */
        size_t match, match_end; /* the match that comes next */
        size_t look, left;       /* threes, powers: place of the next cut, and characters left behind it */
    } stage[PRETOKENIZER_STAGES];
    struct matcher *matcher; /* memory of PCRE2, kept from text to text */
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
