/* Byte-level BPE (GPT-2's): its alphabet, and words encoded by merges.
 *
 * Token texts and merges are stored in an alphabet of printable characters, one for each byte: 33..126, 161..172 and 174..255
 * stand for themselves, the other 68 bytes are U+0100 and up. tokenizer.md 3. */
#include "base/error.h"
#include "base/utf8.h"
#include "format/gguf.h"
#include "text/tokenizer/vocab.h"

#include <stdlib.h>
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

int bpe_load(struct tokenizer *t, const struct gguf *g, struct error *err)
{
    for (int b = 0; b < 256; b++) {
        char text[2];
        size_t n = bpe_spell((uint8_t)b, text);
        t->byte_token[b] = lookup_find(&t->lookup, &t->text, text, n);
        if (t->byte_token[b] < 0 && t->unknown < 0)
            return error_set(err, ERR_FORMAT,
                             "the vocabulary has no token for byte 0x%02X and no unknown token, so that not every text "
                             "could be written in it; convert the model again",
                             (unsigned)b);
    }
    return merges_load(t, g, err);
}

/* ---- encoding ---- */

static int add_byte(const struct tokenizer *t, uint8_t b, struct token_list *out)
{
    int32_t id = t->byte_token[b] >= 0 ? t->byte_token[b] : t->unknown;
    return token_list_add(out, id);
}

/* The id of a word that is a token as it stands, -1 none. */
static int32_t whole_word(const struct tokenizer *t, struct workspace *w, const uint8_t *word, size_t n)
{
    char *text = n <= t->longest_text ? workspace_buffer(w, 2 * n) : NULL;
    size_t length = 0;
    for (size_t i = 0; text && i < n; i++)
        length += bpe_spell(word[i], text + length);
    return text ? lookup_find(&t->lookup, &t->text, text, length) : -1;
}

static int encode_word(const struct tokenizer *t, struct workspace *w, const char *text, size_t n,
                       struct token_list *out)
{
    const uint8_t *word = (const uint8_t *)text;
    int32_t id = t->pre->ignore_merges ? whole_word(t, w, word, n) : -1;
    if (id >= 0)
        return token_list_add(out, id);
    struct merger *m = &w->merger;
    m->n = 0;
    for (size_t i = 0; i < n; i++)
        if (merge_add(m, (uint32_t)i, 1, t->byte_symbol[word[i]]) != 0)
            return -1;
    if (merge_run(m, merges_rank, t) != 0)
        return -1;
    for (int32_t at = 0; at >= 0; at = m->symbol[at].next) {
        const struct symbol *s = &m->symbol[at];
        if (s->id < t->n_vocab) {
            if (token_list_add(out, s->id) != 0)
                return -1;
            continue;
        }
        for (uint32_t i = 0; i < s->length; i++)
            if (add_byte(t, word[s->start + i], out) != 0)
                return -1;
    }
    return 0;
}

/* A word that is too long to be remembered falls apart where no merge reaches across: rules by which words are whole phrases. */
static int encode_parts(const struct tokenizer *t, struct workspace *w, const char *text, size_t n,
                        struct token_list *out)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t from = 0;
    int rc = 0;
    for (size_t i = 1; i <= n && rc == 0; i++)
        if (i == n || !(t->joined[p[i - 1]][p[i] >> 6] >> (p[i] & 63) & 1)) {
            rc = workspace_word(t, w, encode_word, text + from, i - from, out);
            from = i;
        }
    return rc;
}

int bpe_encode(const struct tokenizer *t, struct workspace *w, const char *text, size_t n, struct token_list *out)
{
    size_t start, length;
    int rc = splitting_begin(&w->splitting, t->splitter, (const uint8_t *)text, n);
    while (rc == 0 && (rc = splitting_next(&w->splitting, &start, &length)) > 0)
        rc = length <= WORD_BYTES || t->pre->ignore_merges /* there the word may be a token as a whole */
                 ? workspace_word(t, w, encode_word, text + start, length, out)
                 : encode_parts(t, w, text + start, length, out);
    return rc;
}
