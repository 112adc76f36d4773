/* Which tokens begin at a place of a text: texts of tokens in order, walked byte by byte.
 *
 *     all texts in order:   a   ab   abc   abd   b        walk "abd":   a: [a .. abd], a    b: [ab .. abd], ab    d: [abd], abd
 *
 * A walk holds the run of texts that begin with the bytes so far; a byte narrows it by binary search, so that the order takes four
 * bytes a token and nothing else. WordPiece and Unigram look their pieces up here. */
#ifndef TEXT_TOKENIZER_PREFIXES_H
#define TEXT_TOKENIZER_PREFIXES_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct tokenizer;

enum { PREFIX_MOST = 512 }; /* bytes of a token: the most that is read of a text for one place */

struct prefixes {
    int32_t one[256]; /* texts of one byte; -1 none */
    int32_t *id;      /* the longer ones, in order of their bytes */
    uint32_t *pair;   /* [65537] by the first two bytes: where they begin in id */
};

/* The tokens that `takes` wants; of equal texts the last one. ERR_FORMAT: one is longer than PREFIX_MOST. */
int prefixes_load(struct tokenizer *t, int takes(const struct tokenizer *t, int32_t id), struct error *err);

struct prefix_walk { /* zeroed: at the beginning */
    uint32_t low, high, depth;
    uint8_t first;
};
enum { PREFIX_NONE = -1, PREFIX_DEAD = -2 };
/* One byte on: the token that ends there, PREFIX_NONE, or PREFIX_DEAD: no text goes on so. */
int32_t prefix_step(const struct tokenizer *t, struct prefix_walk *w, uint8_t byte);

#endif
