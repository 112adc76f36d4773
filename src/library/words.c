/* See words.h. */
#include "library/words.h"

#include "base/utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

/* Han, Kana, Hangul, Thai, Lao, Khmer, Myanmar: their main blocks. */
static int is_borderless(uint32_t c)
{
    static const uint32_t range[][2] = {{0x0E00, 0x0EFF}, {0x1000, 0x109F}, {0x1100, 0x11FF}, {0x1780, 0x17FF},
                                        {0x3040, 0x30FF}, {0x3130, 0x318F}, {0x31F0, 0x31FF}, {0x3400, 0x4DBF},
                                        {0x4E00, 0x9FFF}, {0xAC00, 0xD7AF}, {0xF900, 0xFAFF}, {0x20000, 0x3FFFF}};
    for (size_t i = 0; c >= 0x0E00 && i < sizeof range / sizeof *range; i++)
        if (c >= range[i][0] && c <= range[i][1])
            return 1;
    return 0;
}

void words_spaced(const char *text, size_t n, struct buffer *out)
{
    size_t length, from = 0;
    uint32_t c;
    for (size_t i = 0; i < n; i += length) {
        utf8_read(text + i, n - i, &length, &c);
        if (!is_borderless(c))
            continue;
        buffer_put(out, text + from, i - from);
        buffer_put(out, " ", 1);
        buffer_put(out, text + i, length);
        buffer_put(out, " ", 1);
        from = i + length;
    }
    buffer_put(out, text + from, n - from);
}

/* A run of word characters, divided where the kind of script changes. */
static void add_run(struct words *w, const char *text, size_t n)
{
    size_t length, k = 0;
    uint32_t c;
    int last = -1;
    for (size_t i = 0; i < n; i += length) {
        utf8_read(text + i, n - i, &length, &c);
        int is_phrase = is_borderless(c);
        if (last >= 0 && (last != is_phrase || (is_phrase && k + 8 > WORD_BYTES))) {
            k = 0;
            w->n++;
        }
        last = is_phrase;
        if (w->n == WORDS_MOST) {
            w->n_left_out++;
            return;
        }
        char *word = w->word[w->n];
        if (k + 8 > WORD_BYTES)
            continue;
        if (k && is_phrase)
            word[k++] = ' ';
        memcpy(word + k, text + i, length);
        k += length;
        word[k] = 0;
    }
    w->n += last >= 0;
}

void words_of(struct words *w, const char *query, size_t n)
{
    static pcre2_code *runs;
    int code;
    PCRE2_SIZE at;
    w->n = w->n_left_out = 0;
    n = n > QUERY_BYTES ? QUERY_BYTES : n;
    if (!runs)
        runs = pcre2_compile((PCRE2_SPTR) "[\\p{L}\\p{N}\\p{M}]+", PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &code,
                             &at, NULL);
    pcre2_match_data *match = runs ? pcre2_match_data_create(1, NULL) : NULL;
    for (size_t from = 0; match && from < n;) { /* bytes that are not UTF-8 separate */
        size_t end = from + utf8_valid(query + from, n - from), i = from;
        while (i < end && pcre2_match(runs, (PCRE2_SPTR)query, end, i, PCRE2_NO_UTF_CHECK, match, NULL) > 0) {
            const PCRE2_SIZE *found = pcre2_get_ovector_pointer(match);
            if (w->n == WORDS_MOST)
                w->n_left_out++;
            else
                add_run(w, query + found[0], found[1] - found[0]);
            i = found[1];
        }
        from = end + 1;
    }
    pcre2_match_data_free(match);
}

void words_match(const struct words *w, const unsigned char *use, struct buffer *out)
{
    int n = 0;
    for (int i = 0; i < w->n; i++)
        if (!use || use[i]) {
            buffer_puts(out, n++ ? " OR \"" : "\"");
            buffer_puts(out, w->word[i]);
            buffer_puts(out, "\"");
        }
}
