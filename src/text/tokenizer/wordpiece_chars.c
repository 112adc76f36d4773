/* Characters as WordPiece sees them: see wordpiece_chars.h. */
#include "text/tokenizer/wordpiece_chars.h"

#include "text/tokenizer/wordpiece_tables.h"

#include <stddef.h>

enum { HANGUL_FIRST = 0xAC00, HANGUL_LAST = 0xD7A3, HANGUL_LEAD = 0x1100, HANGUL_A_LEAD = 588 };

static enum char_kind kind_of(uint32_t c)
{
    size_t low = 0, high = sizeof kind_rows / sizeof *kind_rows;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (kind_rows[middle].last < c)
            low = middle + 1;
        else
            high = middle;
    }
    int found = low < sizeof kind_rows / sizeof *kind_rows && c >= kind_rows[low].first;
    return found ? kind_rows[low].kind : CHAR_OF_WORD;
}

static uint32_t folded(uint32_t c)
{
    size_t low = 0, high = sizeof fold_rows / sizeof *fold_rows;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (fold_rows[middle].last < c)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == sizeof fold_rows / sizeof *fold_rows || c < fold_rows[low].first)
        return c;
    uint32_t step = fold_rows[low].step, off = c - fold_rows[low].first;
    if (step == 0)
        return fold_rows[low].to;
    return off % step ? c : fold_rows[low].to + off;
}

enum char_kind wordpiece_char(uint32_t c, uint32_t *written)
{
    if (c >= HANGUL_FIRST && c <= HANGUL_LAST) {
        *written = HANGUL_LEAD + (c - HANGUL_FIRST) / HANGUL_A_LEAD;
        return CHAR_OF_WORD;
    }
    *written = folded(c);
    return kind_of(c);
}
