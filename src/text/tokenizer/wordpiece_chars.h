/* What WordPiece makes of a character, before words are looked up: which kind it is of, and what is written in its place.
 *
 * The tables come from the Unicode data by tools/wordpiece_tables.py. tokenizer.md 2b. */
#ifndef TEXT_TOKENIZER_WORDPIECE_CHARS_H
#define TEXT_TOKENIZER_WORDPIECE_CHARS_H

#include <stdint.h>

enum char_kind {
    CHAR_OF_WORD,
    CHAR_SPACE,   /* ends a word */
    CHAR_DROPPED, /* NUL, U+FFFD, controls, formats, private use */
    CHAR_ALONE    /* a word of itself: punctuation, signs of ASCII, ideographs */
};

/* *written: the first character of its canonical decomposition, in lower case: at most twice the bytes of the character. */
enum char_kind wordpiece_char(uint32_t character, uint32_t *written);

#endif
