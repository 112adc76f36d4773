/* Byte-level BPE (GPT-2's): its alphabet, and words encoded by merges.
 *
 * Token texts and merges are stored in an alphabet of printable characters, one for each byte: 33..126, 161..172 and 174..255
 * stand for themselves, the other 68 bytes are U+0100 and up. tokenizer.md 3. */
#include "base/error.h"
#include "base/utf8.h"
#include "format/gguf.h"
#include "text/vocab.h"

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

/* -1: not in the alphabet. */
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

size_t bpe_spell(uint8_t b, char *out)
{
    uint32_t c = code_point_of(b);
    if (c < 128) {
        out[0] = (char)c;
        return 1;
    }
    out[0] = (char)(0xC0 | c >> 6);
    out[1] = (char)(0x80 | (c & 63));
    return 2;
}

size_t bpe_piece(const char *text, size_t n, char *out)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t written = 0;
    for (size_t i = 0, length; i < n; i += length) {
        int whole = utf8_head(p + i, n - i, &length) == UTF8_WHOLE, b = -1;
        if (whole && length <= 2)
            b = byte_of(length == 1 ? p[i] : (p[i] & 31u) << 6 | (p[i + 1] & 63u));
        if (b >= 0) {
            out[written++] = (char)b;
        } else {
            memcpy(out + written, text + i, length);
            written += length;
        }
    }
    return written;
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

int bpe_encode(const struct tokenizer *t, struct workspace *w, const char *text, size_t n, struct token_list *out)
{
    size_t start, length;
    int rc = splitting_begin(&w->splitting, t->splitter, (const uint8_t *)text, n);
    while (rc == 0 && (rc = splitting_next(&w->splitting, &start, &length)) > 0)
        rc = workspace_word(t, w, encode_word, text + start, length, out);
    return rc;
}
