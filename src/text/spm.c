/* SentencePiece BPE (model "llama"): no pre-tokenizer; neighbours whose joined text is a token merge, highest score first.
 *
 * Spaces are written as U+2581; a character that is no token falls apart into byte tokens <0xXX>. tokenizer.md 2b and 5. */
#include "base/error.h"
#include "base/half.h"
#include "format/gguf.h"
#include "text/vocab.h"

#include <string.h>

static const char underline[] = "\xE2\x96\x81"; /* U+2581, 3 bytes */

size_t spm_piece(const char *text, size_t n, char *out)
{
    size_t written = 0;
    for (size_t i = 0; i < n;) {
        int is_space = n - i >= 3 && memcmp(text + i, underline, 3) == 0;
        out[written++] = is_space ? ' ' : text[i];
        i += is_space ? 3 : 1;
    }
    return written;
}

int spm_load(struct tokenizer *t, const struct gguf *g, struct error *err)
{
    size_t n = (size_t)t->n_vocab;
    const struct gguf_value *scores = gguf_find(g, "tokenizer.ggml.scores");
    if (scores && (scores->kind != GGUF_ARRAY || scores->item != GGUF_F32 || scores->n != n))
        return error_set(err, ERR_FORMAT, "tokenizer.ggml.scores is not an array of %zu floats, one for each token", n);
    t->score = arena_array(&t->arena, n, sizeof *t->score);
    if (!t->score)
        return error_set(err, ERR_MEMORY, "no memory for the vocabulary");
    for (size_t i = 0; scores && i < n; i++)
        t->score[i] = (float)gguf_item_float(scores, i);
    for (int b = 0; b < 256; b++) {
        t->byte_token[b] = vocab_byte_token(t, (uint8_t)b);
        if (t->byte_token[b] < 0 && t->unknown < 0)
            return error_set(
                err, ERR_FORMAT,
                "the vocabulary has no token <0x%02X> and no unknown token, so that not every text could be "
                "written in it; convert the model again",
                (unsigned)b);
    }
    return 0;
}

/* Higher scores first, as a number that grows; total over all bit patterns, so that a NaN in a file does no harm. */
static uint32_t rank_of_score(float score)
{
    uint32_t bits = f32_bits(score + 0.0f); /* -0 is 0 */
    uint32_t ascending = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return ~ascending == MERGE_NEVER ? MERGE_NEVER - 1 : ~ascending;
}

struct spm_text {
    const struct tokenizer *tokenizer;
    const char *text;
};

static uint32_t rank_of(const void *context, const struct symbol *left, const struct symbol *right, int32_t *joined)
{
    const struct spm_text *x = context;
    const struct tokenizer *t = x->tokenizer;
    size_t n = (size_t)left->length + right->length;
    if (n > t->longest_text)
        return MERGE_NEVER;
    *joined = lookup_find(&t->lookup, &t->text, x->text + left->start, n);
    return *joined < 0 ? MERGE_NEVER : rank_of_score(t->score[*joined]);
}

/* Length of a character by its first byte; what is no first byte stands alone. */
static size_t char_length(uint8_t lead) { return lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4; }

static int encode_escaped(const struct tokenizer *t, struct merger *m, const char *text, size_t n,
                          struct token_list *out)
{
    m->n = 0;
    for (size_t i = 0, length; i < n; i += length) {
        length = char_length((uint8_t)text[i]);
        length = length < n - i ? length : n - i;
        int32_t id = lookup_find(&t->lookup, &t->text, text + i, length);
        if (merge_add(m, (uint32_t)i, (uint32_t)length, id) != 0)
            return -1;
    }
    if (merge_run(m, rank_of, &(struct spm_text){t, text}) != 0)
        return -1;
    for (int32_t at = 0; at >= 0; at = m->symbol[at].next) {
        const struct symbol *s = &m->symbol[at];
        if (s->id >= 0) {
            if (token_list_add(out, s->id) != 0)
                return -1;
            continue;
        }
        for (uint32_t i = 0; i < s->length; i++) {
            int32_t id = t->byte_token[(uint8_t)text[s->start + i]];
            if (token_list_add(out, id >= 0 ? id : t->unknown) != 0)
                return -1;
        }
    }
    return 0;
}

int spm_encode(const struct tokenizer *t, struct encoding *e, const char *text, size_t n, struct token_list *out)
{
    size_t length = t->add_space_prefix ? 3 : 0;
    for (size_t i = 0; i < n; i++)
        length += text[i] == ' ' ? 3 : 1;
    char *escaped = encoding_buffer(e, length);
    if (!escaped)
        return -1;
    size_t at = 0;
    if (t->add_space_prefix) {
        memcpy(escaped, underline, 3);
        at = 3;
    }
    for (size_t i = 0; i < n; i++) {
        if (text[i] == ' ') {
            memcpy(escaped + at, underline, 3);
            at += 3;
        } else {
            escaped[at++] = text[i];
        }
    }
    return encode_escaped(t, &e->merger, escaped, at, out);
}
