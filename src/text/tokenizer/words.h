/* Words that were encoded before: the larger part of any text consists of a few thousand of them.
 *
 *     word bytes -> hash -> one slot of a fixed table: bytes and ids, or another word, which is then replaced
 *
 * A table belongs to one caller at a time, and what it holds is a matter of speed only. */
#ifndef TEXT_TOKENIZER_WORDS_H
#define TEXT_TOKENIZER_WORDS_H

#include <stddef.h>
#include <stdint.h>

struct token_list;

enum { WORDS = 1 << 15, WORD_BYTES = 30, WORD_IDS = 8 };

struct word {
    uint8_t length, n; /* length 0: empty */
    char text[WORD_BYTES];
    int32_t id[WORD_IDS];
};

/* The slot for a word; NULL where it is too long for one. table: [WORDS] or NULL. */
struct word *word_slot(struct word *table, const char *text, size_t length);
int word_is(const struct word *w, const char *text, size_t length);
/* Remember, if the ids fit. */
void word_keep(struct word *w, const char *text, size_t length, const int32_t *id, size_t n);

#endif
