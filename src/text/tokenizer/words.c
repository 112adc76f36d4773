/* The table of words: see words.h. */
#include "text/tokenizer/words.h"

#include "base/hash.h"

#include <string.h>

struct word *word_slot(struct word *table, const char *text, size_t length)
{
    return table && length <= WORD_BYTES ? &table[hash64(text, length, 0) % WORDS] : NULL;
}

int word_is(const struct word *w, const char *text, size_t length)
{
    return w->length == length && memcmp(w->text, text, length) == 0;
}

void word_keep(struct word *w, const char *text, size_t length, const int32_t *id, size_t n)
{
    if (n > WORD_IDS)
        return;
    w->length = (uint8_t)length;
    w->n = (uint8_t)n;
    memcpy(w->text, text, length);
    memcpy(w->id, id, n * sizeof *id);
}
