/* The map of characters that files of Unigram vocabularies carry: which sequences of bytes are written as which other ones.
 *
 * tokenizer.ggml.precompiled_charsmap: the length of a trie in bytes (32 bits), the trie as a double array of 32-bit units, and
 * replacements, each ended by NUL:
 *
 *     unit    bit 31 and bits 0-7: the byte that leads here; bit 8: a key ends here; bits 10-30: offset, shifted by 8 if bit 9
 *     child   of a place by a byte: place ^ byte, a unit that names this byte; its place: that ^ its offset
 *     value   of a key: the unit at its place; bits 0-30: where its replacement begins
 *
 * Nothing of it is believed: the whole trie is walked once while loading. tokenizer.md 2b. */
#ifndef TEXT_TOKENIZER_CHARSMAP_H
#define TEXT_TOKENIZER_CHARSMAP_H

#include "base/arena.h"

#include <stddef.h>
#include <stdint.h>

struct error;
struct gguf;

enum { CHARSMAP_KEY = 256, CHARSMAP_REPLACEMENT = 256 }; /* bytes at most */

struct charsmap {
    uint32_t *unit; /* NULL: the file has none */
    char *replacement;
    uint32_t n_unit, n_replacement;
};

int charsmap_load(struct charsmap *m, struct arena *a, const struct gguf *g, struct error *err);
/* The longest key that the text begins with: its length, and what replaces it. 0: none. */
size_t charsmap_find(const struct charsmap *m, const char *text, size_t n, const char **replacement);

#endif
