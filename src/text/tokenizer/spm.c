/* SentencePiece BPE (models "llama" and "gemma4"): spaces are written as U+2581, neighbouring characters merge, and a character that
 * is no token falls apart into byte tokens <0xXX>. In "llama" two symbols merge when their joined text is a token, highest score
 * first; "gemma4" has a list of merges, and newlines stand apart. tokenizer.md 2b, 3 and 5.
 *
 * Merging works on whole texts. But where no token has U+2581 behind another character no merge reaches across the beginning of a
 * word, and words can be encoded one by one, each only once: words_apart. */
#include "base/error.h"
#include "base/half.h"
#include "format/gguf.h"
#include "text/tokenizer/vocab.h"

#include <string.h>

size_t spm_char_length(const char *text, size_t n)
{
    uint8_t lead = (uint8_t)*text;
    size_t length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    return length < n ? length : n;
}

size_t spm_word_end(const char *text, size_t n)
{
    size_t i = 0;
    while (spm_is_space(text + i, n - i))
        i += 3;
    while (i < n && !spm_is_space(text + i, n - i))
        i += spm_char_length(text + i, n - i);
    return i;
}

/* ---- loading --------------------------------------------------------------------------------------------------------------- */

static int load_bytes(struct tokenizer *t, struct error *err)
{
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

int spm_load_scores(struct tokenizer *t, const struct gguf *g, struct error *err)
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
    return 0;
}

int spm_words_apart(const struct tokenizer *t)
{
    int apart = 1;
    for (int i = 0; i < t->n_vocab && apart; i++) {
        size_t n = t->text.start[i + 1] - t->text.start[i];
        apart = spm_word_end(t->text.bytes + t->text.start[i], n) == n;
    }
    return apart;
}

int spm_load(struct tokenizer *t, const struct gguf *g, struct error *err)
{
    t->words_apart = spm_words_apart(t);
    if (load_bytes(t, err) != 0)
        return -1;
    return t->model == MODEL_GEMMA4 ? merges_load(t, g, err) : spm_load_scores(t, g, err);
}

/* ---- encoding -------------------------------------------------------------------------------------------------------------- */

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

static int add_bytes(const struct tokenizer *t, const char *text, size_t n, struct token_list *out)
{
    for (size_t i = 0; i < n; i++) {
        int32_t id = t->byte_token[(uint8_t)text[i]];
        if (token_list_add(out, id >= 0 ? id : t->unknown) != 0)
            return -1;
    }
    return 0;
}

static int encode_part(const struct tokenizer *t, struct workspace *w, const char *text, size_t n,
                       struct token_list *out)
{
    struct merger *m = &w->merger;
    size_t n_char = 0;
    for (size_t i = 0; i < n; i += spm_char_length(text + i, n - i))
        n_char++;
    if (merge_begin(m, n_char) != 0)
        return -1;
    for (size_t i = 0, length; i < n; i += length) {
        length = spm_char_length(text + i, n - i);
        merge_add(m, (uint32_t)i, (uint32_t)length, merges_symbol(t, text + i, length));
    }
    struct spm_text x = {t, text};
    if (t->model == MODEL_GEMMA4 ? merge_run(m, merges_rank, t) : merge_run(m, rank_of, &x))
        return -1;
    for (int32_t at = 0; at >= 0; at = m->symbol[at].next) {
        const struct symbol *s = &m->symbol[at];
        int is_token = s->id >= 0 && s->id < t->n_vocab;
        if (is_token ? token_list_add(out, s->id) : add_bytes(t, text + s->start, s->length, out))
            return -1;
    }
    return 0;
}

static int encode_words(const struct tokenizer *t, struct workspace *w, const char *text, size_t n,
                        struct token_list *out)
{
    for (size_t i = 0, length; i < n; i += length) {
        length = t->words_apart ? spm_word_end(text + i, n - i) : n;
        if (workspace_word(t, w, encode_part, text + i, length, out) != 0)
            return -1;
    }
    return 0;
}

/* Newlines apart from the rest; a run of them that is a token is one. */
static int encode_lines(const struct tokenizer *t, struct workspace *w, const char *text, size_t n,
                        struct token_list *out)
{
    size_t start, length;
    int rc = splitting_begin(&w->splitting, t->splitter, (const uint8_t *)text, n);
    while (rc == 0 && (rc = splitting_next(&w->splitting, &start, &length)) > 0) {
        int32_t id = text[start] == '\n' ? lookup_find(&t->lookup, &t->text, text + start, length) : -1;
        rc = id >= 0 ? token_list_add(out, id) : encode_words(t, w, text + start, length, out);
    }
    return rc;
}

int spm_encode(const struct tokenizer *t, struct workspace *w, const char *text, size_t n, struct token_list *out)
{
    size_t length = t->add_space_prefix ? 3 : 0;
    for (size_t i = 0; i < n; i++)
        length += text[i] == ' ' ? 3 : 1;
    char *escaped = workspace_buffer(w, length);
    if (!escaped)
        return -1;
    size_t at = 0;
    if (t->add_space_prefix) {
        memcpy(escaped, SPM_SPACE, 3);
        at = 3;
    }
    for (size_t i = 0; i < n; i++) {
        if (text[i] == ' ') {
            memcpy(escaped + at, SPM_SPACE, 3);
            at += 3;
        } else {
            escaped[at++] = text[i];
        }
    }
    return (t->model == MODEL_GEMMA4 ? encode_lines : encode_words)(t, w, escaped, at, out);
}
