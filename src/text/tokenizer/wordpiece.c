/* WordPiece (model "bert"): words in lower case without accents, each cut into the longest tokens from its beginning; a word that
 * cannot be covered is one unknown token. tokenizer.md 2b and 5.
 *
 * Tokens that begin a word are stored with U+2581 in front, so every word gets it. A client's "[SEP]" is three words: control tokens
 * take no part here, and special tokens were cut out before. */
#include "base/error.h"
#include "base/utf8.h"
#include "text/tokenizer/vocab.h"
#include "text/tokenizer/wordpiece_chars.h"

static int takes_part(const struct tokenizer *t, int32_t id)
{
    return t->type[id] != TOKEN_CONTROL && t->type[id] != TOKEN_UNKNOWN;
}

int wordpiece_load(struct tokenizer *t, struct error *err)
{
    if (t->unknown < 0)
        return error_set(
            err, ERR_FORMAT,
            "the vocabulary has no unknown token ([UNK], tokenizer.ggml.unknown_token_id), so that not every "
            "text could be written in it; convert the model again");
    return prefixes_load(t, takes_part, err);
}

/* The longest token at the beginning of a text, with its length; -1 none. */
static int32_t longest(const struct tokenizer *t, const char *text, size_t n, size_t *length)
{
    struct prefix_walk w = {0};
    int32_t best = -1;
    for (size_t i = 0; i < n; i++) {
        int32_t id = prefix_step(t, &w, (uint8_t)text[i]);
        if (id == PREFIX_DEAD)
            break;
        if (id >= 0) {
            best = id;
            *length = i + 1;
        }
    }
    return best;
}

static int encode_word(const struct tokenizer *t, struct workspace *w, const char *word, size_t n,
                       struct token_list *out)
{
    (void)w;
    size_t from = out->n;
    for (size_t i = 0, length = 0; i < n; i += length) {
        int32_t id = longest(t, word + i, n - i, &length);
        if (id < 0) {
            out->n = from;
            return token_list_add(out, t->unknown);
        }
        if (token_list_add(out, id) != 0)
            return -1;
    }
    return 0;
}

/* A word as it is being written, behind U+2581. */
struct growing_word {
    const struct tokenizer *tokenizer;
    struct workspace *workspace;
    struct token_list *out;
    char *text;
    size_t n;
};

static int finish_word(struct growing_word *g)
{
    size_t n = g->n;
    g->n = 3;
    return n > 3 ? workspace_word(g->tokenizer, g->workspace, encode_word, g->text, n, g->out) : 0;
}

static int add_char(struct growing_word *g, uint32_t character)
{
    uint32_t written;
    enum char_kind kind = wordpiece_char(character, &written);
    if (kind == CHAR_DROPPED)
        return 0;
    if (kind != CHAR_OF_WORD && finish_word(g) != 0)
        return -1;
    if (kind != CHAR_SPACE)
        g->n += utf8_write(written, g->text + g->n);
    return kind == CHAR_ALONE ? finish_word(g) : 0;
}

/* Letters and digits of ASCII at the beginning of a text, written to the word. Returns how many. */
static size_t add_plain(struct growing_word *g, const char *text, size_t n)
{
    size_t i = 0;
    for (; i < n; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + 32);
        else if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
            break;
        g->text[g->n++] = c;
    }
    return i;
}

int wordpiece_encode(const struct tokenizer *t, struct workspace *w, const char *text, size_t n, struct token_list *out)
{
    struct growing_word g = {t, w, out, workspace_buffer(w, 2 * n + 3), 3};
    if (!g.text)
        return -1;
    memcpy(g.text, SPM_SPACE, 3);
    for (size_t i = 0, length; i < n; i += length) {
        uint32_t character;
        if ((length = add_plain(&g, text + i, n - i)) > 0)
            continue;
        utf8_read(text + i, n - i, &length, &character);
        if (add_char(&g, character) != 0)
            return -1;
    }
    return finish_word(&g);
}
