/* Byte-level BPE (GPT-2's): words encoded by merges. Texts are stored in the alphabet of spelling.c. tokenizer.md 3. */
#include "base/error.h"
#include "base/utf8.h"
#include "format/gguf.h"
#include "text/tokenizer/vocab.h"

#include <stdlib.h>
#include <string.h>

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
    if (merge_begin(m, n) != 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        merge_add(m, (uint32_t)i, 1, t->byte_symbol[word[i]]);
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
