/* How vocabularies store the texts of tokens, and back.
 *
 *   gpt2           an alphabet of printable characters, one for each byte: 33..126, 161..172 and 174..255 are themselves, the
 *                  other 68 bytes are U+0100 and up: " a" is "\u0120a"
 *   llama, gemma4  UTF-8 with U+2581 for a space
 *
 * tokenizer.md 3. */
#include "base/utf8.h"
#include "text/tokenizer/vocab.h"

#include <string.h>

static uint32_t code_point_of(uint8_t b)
{
    if (b < 33)
        return 256u + b;
    if (b >= 127 && b <= 160)
        return 256u + 33 + (b - 127u);
    return b == 173 ? 256 + 67 : b;
}

/* -1: not in the alphabet, as U+FFFD. */
static int byte_of(uint32_t code_point)
{
    if (code_point < 256)
        return code_point_of((uint8_t)code_point) == code_point ? (int)code_point : -1;
    if (code_point < 256 + 33)
        return (int)code_point - 256;
    if (code_point < 256 + 67)
        return (int)code_point - 256 - 33 + 127;
    return code_point == 256 + 67 ? 173 : -1;
}

size_t bpe_spell(uint8_t b, char *out) { return utf8_write(code_point_of(b), out); }

size_t bpe_piece(const char *text, size_t n, char *out)
{
    size_t written = 0;
    for (size_t i = 0, length; i < n; i += length) {
        uint32_t c;
        utf8_read(text + i, n - i, &length, &c);
        int b = byte_of(c);
        if (b >= 0) {
            out[written++] = (char)b;
        } else {
            memcpy(out + written, text + i, length);
            written += length;
        }
    }
    return written;
}

/* The byte that the first or the last character of a text stands for; -1: none, no merge of bytes comes to such a text. */
static int byte_at(const char *text, size_t n, int last)
{
    size_t at = 0, length;
    uint32_t c;
    if (last)
        for (at = n - 1; at > 0 && !utf8_begins(text[at]);)
            at--;
    utf8_read(text + at, n - at, &length, &c);
    return byte_of(c);
}

void bpe_note_merge(struct tokenizer *t, const char *left, size_t n_left, const char *right, size_t n_right)
{
    int a = byte_at(left, n_left, 1), b = byte_at(right, n_right, 0);
    if (a >= 0 && b >= 0)
        t->joined[a][b >> 6] |= UINT64_C(1) << (b & 63);
}

size_t spm_piece(const char *text, size_t n, char *out)
{
    size_t written = 0;
    for (size_t i = 0; i < n;) {
        int is_space = spm_is_space(text + i, n - i);
        out[written++] = is_space ? ' ' : text[i];
        i += is_space ? 3 : 1;
    }
    return written;
}
