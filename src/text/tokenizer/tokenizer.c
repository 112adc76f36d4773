/* The tokenizer as its users see it: loading, the order of work for one text, and what is known of each id. See tokenizer.h;
 * the steps live in the files that vocab.h lists. tokenizer.md 2. */
#include "text/tokenizer/tokenizer.h"

#include "base/error.h"
#include "base/log.h"
#include "base/reqmem.h"
#include "format/gguf.h"
#include "text/tokenizer/vocab.h"

#include <stdlib.h>
#include <string.h>

static int is(const struct gguf_string *s, const char *word)
{
    return s->length == strlen(word) && memcmp(s->text, word, s->length) == 0;
}

static int choose_model(struct tokenizer *t, const struct gguf *g, struct error *err)
{
    struct gguf_string model;
    int found = gguf_str(g, "tokenizer.ggml.model", &model, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERR_UNSUPPORTED, "the file has no tokenizer (no tokenizer.ggml.model)");
    static const struct {
        const char *name;
        enum vocab_model model;
    } models[] = {
        {"gpt2", MODEL_BPE}, {"llama", MODEL_SPM}, {"gemma4", MODEL_GEMMA4}, {"t5", MODEL_UGM}, {"bert", MODEL_WPM}};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (is(&model, models[i].name)) {
            t->model = models[i].model;
            return 0;
        }
    return error_set(err, ERR_UNSUPPORTED,
                     "tokenizer model \"%.*s\" (tokenizer.ggml.model) is not supported; supported are gpt2 (byte-level "
                     "BPE), llama (SentencePiece BPE), gemma4, bert (WordPiece) and t5 (Unigram)",
                     (int)(model.length < 40 ? model.length : 40), model.text);
}

static int choose_rule(struct tokenizer *t, const struct gguf *g, const char *override, struct error *err)
{
    struct gguf_string name = {"", 0};
    if (t->model == MODEL_GEMMA4)
        override = "gemma4";
    if (!override && gguf_str(g, "tokenizer.ggml.pre", &name, err) < 0)
        return -1;
    if (override)
        name = (struct gguf_string){override, strlen(override)};
    if (name.length == 0) {
        log_line(LOG_WARN, "the file names no pre-tokenizer (tokenizer.ggml.pre); \"default\" is assumed");
        name = (struct gguf_string){"default", 7};
    }
    t->pre = pretokenizer_find(name.text, (size_t)name.length, err);
    return t->pre ? splitter_create(&t->splitter, t->pre, err) : -1;
}

/* What encoding needs. */
static int load_model(struct tokenizer *t, const struct gguf *g, struct error *err)
{
    switch (t->model) {
    case MODEL_BPE:
        return bpe_load(t, g, err);
    case MODEL_SPM:
    case MODEL_GEMMA4:
        return spm_load(t, g, err);
    case MODEL_UGM:
        return unigram_load(t, g, err);
    case MODEL_WPM:
        return wordpiece_load(t, err);
    }
    return 0;
}

static int load(struct tokenizer *t, const struct gguf *g, const char *pre, struct error *err)
{
    if (choose_model(t, g, err) != 0)
        return -1;
    if ((t->model == MODEL_BPE || t->model == MODEL_GEMMA4) && choose_rule(t, g, pre, err) != 0)
        return -1;
    if (vocab_load(t, g, err) != 0 || roles_load(t, g, err) != 0 || load_model(t, g, err) != 0)
        return -1;
    return vocab_pieces(t, err) || special_load(t, g, err) || workspaces_load(t, err) ? -1 : 0;
}

int tokenizer_create(struct tokenizer **out, const struct gguf *g, const char *pre, struct error *err)
{
    struct tokenizer *t = calloc(1, sizeof *t);
    if (!t)
        return error_set(err, ERR_MEMORY, "no memory for the tokenizer");
    arena_init_growing(&t->arena);
    if (load(t, g, pre, err) != 0) {
        tokenizer_destroy(t);
        return -1;
    }
    *out = t;
    return 0;
}

void tokenizer_destroy(struct tokenizer *t)
{
    if (!t)
        return;
    workspaces_free(t);
    splitter_destroy(t->splitter);
    arena_free(&t->arena);
    free(t);
}

size_t tokenizer_bytes(const struct tokenizer *t) { return sizeof *t + t->arena.total + splitter_bytes(t->splitter); }
int tokenizer_n_vocab(const struct tokenizer *t) { return t->n_vocab; }
int32_t tokenizer_bos(const struct tokenizer *t) { return t->bos; }
int32_t tokenizer_eos(const struct tokenizer *t) { return t->eos; }
int tokenizer_adds_bos(const struct tokenizer *t) { return t->add_bos && t->bos >= 0; }
int32_t tokenizer_separator(const struct tokenizer *t) { return t->add_sep ? t->sep : -1; }
const uint8_t *tokenizer_sampleable(const struct tokenizer *t) { return t->sampleable; }

enum token_type tokenizer_type(const struct tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->n_vocab ? (enum token_type)t->type[id] : TOKEN_UNUSED;
}

const char *tokenizer_text(const struct tokenizer *t, int32_t id, size_t *length)
{
    *length = 0;
    if (id < 0 || id >= t->n_vocab)
        return "";
    *length = t->text.start[id + 1] - t->text.start[id];
    return t->text.bytes + t->text.start[id];
}

/* Both cut words by pieces alone, and find no control tokens. */
static int by_pieces(const struct tokenizer *t) { return t->model == MODEL_UGM || t->model == MODEL_WPM; }

int tokenizer_is_filler(const struct tokenizer *t, int32_t id) { return by_pieces(t) && id >= 0 && id == t->unknown; }
int tokenizer_is_hidden(const struct tokenizer *t, int32_t id) { return id >= 0 && id < t->n_vocab && t->hidden[id]; }

const char *tokenizer_piece(const struct tokenizer *t, int32_t id, int special, size_t *length)
{
    enum token_type type = tokenizer_type(t, id);
    *length = 0;
    if (type == TOKEN_UNUSED || (!special && t->hidden[id]))
        return "";
    *length = t->piece.start[id + 1] - t->piece.start[id];
    return t->piece.bytes + t->piece.start[id];
}

static int encode_clean(const struct tokenizer *t, struct workspace *w, const char *text, size_t n,
                        struct token_list *out)
{
    switch (t->model) {
    case MODEL_BPE:
        return bpe_encode(t, w, text, n, out);
    case MODEL_UGM:
        return unigram_encode(t, w, text, n, out);
    case MODEL_WPM:
        return wordpiece_encode(t, w, text, n, out);
    case MODEL_SPM:
    case MODEL_GEMMA4:
        break;
    }
    return spm_encode(t, w, text, n, out);
}

/* Vocabularies of text, not of bytes, were trained on well-formed UTF-8; SentencePiece writes other bytes as they are. */
static int encode_raw(const struct tokenizer *t, struct workspace *w, const char *text, size_t n,
                      struct token_list *out)
{
    if (n == 0)
        return 0;
    if (t->model == MODEL_SPM)
        return spm_encode(t, w, text, n, out);
    size_t clean = pretokenize_clean((const uint8_t *)text, n, NULL);
    char *cleaned = NULL;
    if (clean != n) { /* a replacement is longer than its byte: equal lengths mean that nothing was replaced */
        cleaned = reqmem_malloc(clean);
        if (!cleaned)
            return -1;
        pretokenize_clean((const uint8_t *)text, n, (uint8_t *)cleaned);
    }
    int rc = encode_clean(t, w, cleaned ? cleaned : text, clean, out);
    reqmem_free(cleaned);
    return rc;
}

static int add_spelled(const struct tokenizer *t, int32_t id, struct token_list *out)
{
    size_t n = t->text.start[id + 1] - t->text.start[id];
    char *bytes = malloc(n + 1);
    if (!bytes)
        return -1;
    n = (t->model == MODEL_BPE ? bpe_piece : spm_piece)(t->text.bytes + t->text.start[id], n, bytes);
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        int32_t choice[3] = {t->byte_token[(uint8_t)bytes[i]], t->unknown, -1}, *byte = choice;
        while (*byte >= 0 && t->type[*byte] == TOKEN_CONTROL)
            byte++;
        rc = token_list_add(out, *byte);
    }
    free(bytes);
    return rc;
}

/* Merges may end in a control token, in odd vocabularies. In a text of several authors it would be somebody's word for the
 * template's: it is written in bytes. */
static int spell_controls(const struct tokenizer *t, size_t from, struct token_list *out)
{
    size_t i = by_pieces(t) ? out->n : from;
    while (i < out->n && t->type[out->id[i]] != TOKEN_CONTROL)
        i++;
    if (i == out->n)
        return 0;
    struct token_list spelled = {0};
    int rc = 0;
    for (size_t k = i; k < out->n && rc == 0; k++)
        rc = t->type[out->id[k]] == TOKEN_CONTROL ? add_spelled(t, out->id[k], &spelled)
                                                  : token_list_add(&spelled, out->id[k]);
    out->n = i;
    for (size_t k = 0; k < spelled.n && rc == 0; k++)
        rc = token_list_add(out, spelled.id[k]);
    token_list_free(&spelled);
    return rc;
}

/* What is no special token. */
static int encode_ordinary(const struct tokenizer *t, struct workspace *w, const char *text, size_t n,
                           const struct special_marks *marks, struct token_list *out)
{
    size_t from = out->n;
    return encode_raw(t, w, text, n, out) || (marks && spell_controls(t, from, out)) ? -1 : 0;
}

static int encode(const struct tokenizer *t, struct workspace *w, const char *text, size_t length,
                  const struct special_marks *marks, const struct special_cut *cut, size_t n_cut,
                  struct token_list *out)
{
    size_t at = 0;
    for (size_t i = 0; i < n_cut; i++) {
        if (encode_ordinary(t, w, text + at, cut[i].start - at, marks, out) != 0 || token_list_add(out, cut[i].id) != 0)
            return -1;
        at = cut[i].end;
    }
    return encode_ordinary(t, w, text + at, length - at, marks, out);
}

/* What ends a text: eos, or the separator of WordPiece. */
static int add_last(const struct tokenizer *t, struct token_list *out)
{
    if (t->model == MODEL_WPM)
        return token_list_add(out, tokenizer_separator(t));
    return t->add_eos ? token_list_add(out, t->eos) : 0;
}

static int encode_text(const struct tokenizer *t, const char *text, size_t length, int add_special, int parse_special,
                       const struct special_marks *marks, struct token_list *out, struct error *err)
{
    if (length > TEXT_MAX)
        return error_set(err, ERR_INPUT, "the text has %zu bytes; at most %d can be tokenised at once", length,
                         TEXT_MAX);
    struct workspace own = {0}, *w = workspace_take(t, &own);
    struct special_cut *cut = NULL;
    size_t n_cut = 0, first;
    int rc = 0;
    if (add_special && tokenizer_adds_bos(t))
        rc = token_list_add(out, t->bos);
    first = out->n;
    if (rc == 0)
        rc = special_cuts(&t->special[parse_special != 0], text, length, marks, &cut, &n_cut);
    if (rc == 0)
        rc = encode(t, w, text, length, marks, cut, n_cut, out);
    if (rc == 0 && add_special && tokenizer_adds_bos(t) && out->n > first && out->id[first] == t->bos)
        log_line(LOG_WARN, "the text begins with the bos token that the vocabulary adds anyway: two are kept");
    if (rc == 0 && add_special)
        rc = add_last(t, out);
    reqmem_free(cut);
    workspace_give(w, &own);
    return rc == 0 ? 0 : error_set(err, ERR_MEMORY, "no memory to tokenise a text of %zu bytes", length);
}

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t length, int add_special, int parse_special,
                     struct token_list *out, struct error *err)
{
    return encode_text(t, text, length, add_special, parse_special, NULL, out, err);
}

int tokenizer_encode_marked(const struct tokenizer *t, const char *text, size_t length, const uint8_t *mark,
                            const uint8_t *reach, struct token_list *out, struct error *err)
{
    return encode_text(t, text, length, 0, 1, &(struct special_marks){mark, reach}, out, err);
}

/* What ends each text of a pair. */
static int32_t pair_end(const struct tokenizer *t) { return t->model == MODEL_WPM ? t->sep : t->eos; }

int tokenizer_encode_first(const struct tokenizer *t, const char *first, size_t n, struct token_list *out,
                           struct error *err)
{
    if (!by_pieces(t))
        return error_set(err, ERR_UNSUPPORTED,
                         "this vocabulary has no form of its own for a pair of texts; a model's "
                         "template has to say it");
    if (token_list_add(out, t->bos) != 0)
        return error_set(err, ERR_MEMORY, "no memory to tokenise a pair of texts");
    if (encode_text(t, first, n, 0, 0, NULL, out, err) != 0)
        return -1;
    int failed = token_list_add(out, pair_end(t)) != 0 || (t->model != MODEL_WPM && token_list_add(out, t->eos) != 0);
    return failed ? error_set(err, ERR_MEMORY, "no memory to tokenise a pair of texts") : 0;
}

int tokenizer_encode_second(const struct tokenizer *t, const char *second, size_t n, struct token_list *out,
                            struct error *err)
{
    if (encode_text(t, second, n, 0, 0, NULL, out, err) != 0)
        return -1;
    return token_list_add(out, pair_end(t)) == 0 ? 0
                                                 : error_set(err, ERR_MEMORY, "no memory to tokenise a pair of texts");
}
