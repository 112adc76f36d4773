/* Unigram (model "t5"): of all ways to write a text in tokens the one with the greatest sum of scores. tokenizer.md 2b and 5.
 *
 *     place:   0      1      2      3          a place knows the best sum of the ways that end there, and the last token of it
 *              |--_---|--a---|--b---|
 *              |-----_a------|
 *              |      |-----ab------|
 *
 * Where no token has U+2581 behind another character no token reaches across the beginning of a word, and words are written one by
 * one (words_apart, as in spm.c): sums then begin anew with each, which is the same path. */
#include "base/error.h"
#include "base/reqmem.h"
#include "format/gguf.h"
#include "text/tokenizer/vocab.h"

#include <math.h>

/* ---- loading --------------------------------------------------------------------------------------------------------------- */

/* Made of U+2581 alone. */
static int is_spaces(const char *text, size_t n)
{
    while (spm_is_space(text, n)) {
        text += 3;
        n -= 3;
    }
    return n == 0;
}

/* User-defined texts were cut out of the text before. What normalisation makes of other characters is none of them: a client's wide
 * letters must not become a marker. Runs of spaces are found here, since texts hold them as U+0020. */
static int takes_part(const struct tokenizer *t, int32_t id)
{
    const uint32_t *start = &t->text.start[id];
    if (t->type[id] == TOKEN_USER)
        return is_spaces(t->text.bytes + start[0], start[1] - start[0]);
    return t->type[id] == TOKEN_NORMAL || t->type[id] == TOKEN_UNUSED;
}

static int load_scores(struct tokenizer *t, const struct gguf *g, struct error *err)
{
    double least = INFINITY;
    if (spm_load_scores(t, g, err) != 0)
        return -1;
    for (int32_t id = 0; id < t->n_vocab; id++) {
        if (takes_part(t, id) && !isfinite(t->score[id]))
            return error_set(err, ERR_FORMAT,
                             "tokenizer.ggml.scores holds no finite number for token %d; the file is damaged", (int)id);
        if (t->type[id] == TOKEN_USER)
            t->score[id] = 0;
        if (t->type[id] == TOKEN_NORMAL && (double)t->score[id] < least)
            least = (double)t->score[id];
    }
    t->unknown_score = (isfinite(least) ? least : 0) - 10;
    return 0;
}

int unigram_load(struct tokenizer *t, const struct gguf *g, struct error *err)
{
    if (t->unknown < 0)
        return error_set(
            err, ERR_FORMAT,
            "the vocabulary has no unknown token (tokenizer.ggml.unknown_token_id), so that not every text could "
            "be written in it; convert the model again");
    t->words_apart = spm_words_apart(t);
    if (gguf_bool(g, "tokenizer.ggml.remove_extra_whitespaces", &t->merge_spaces, err) < 0)
        return -1;
    if (load_scores(t, g, err) != 0 || charsmap_load(&t->charsmap, &t->arena, g, err) != 0)
        return -1;
    return prefixes_load(t, takes_part, err);
}

/* ---- normalising ----------------------------------------------------------------------------------------------------------- */

/* A text as it is being written; out NULL: counted only. */
struct normal {
    char *out;
    size_t n;
    int prefix, merge; /* U+2581 in front of the text; runs of spaces are one, none at the ends */
    int in_word;
};

static void add_space(struct normal *x)
{
    if (x->out)
        memcpy(x->out + x->n, SPM_SPACE, 3);
    x->n += 3;
}

static void add_bytes(struct normal *x, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == ' ') {
            x->in_word = 0;
            if (!x->merge)
                add_space(x);
            continue;
        }
        if (!x->in_word && (x->prefix || x->merge)) {
            add_space(x);
            x->prefix = 0;
        }
        x->in_word = 1;
        if (x->out)
            x->out[x->n] = text[i];
        x->n++;
    }
}

/* text is well-formed UTF-8. */
static size_t normalise(const struct tokenizer *t, const char *text, size_t n, char *out)
{
    struct normal x = {.out = out, .prefix = t->add_space_prefix, .merge = t->merge_spaces};
    if (!t->charsmap.unit)
        add_bytes(&x, text, n);
    for (size_t i = 0, length; t->charsmap.unit && i < n; i += length) {
        const char *replacement = NULL;
        length = charsmap_find(&t->charsmap, text + i, n - i, &replacement);
        if (length > 0) {
            add_bytes(&x, replacement, strlen(replacement));
        } else {
            length = spm_char_length(text + i, n - i);
            add_bytes(&x, text + i, length);
        }
    }
    return x.n;
}

/* ---- the best way ---------------------------------------------------------------------------------------------------------- */

struct place {
    double sum; /* -INFINITY: no way ends here */
    int32_t id; /* its last token, which began at `from` */
    uint32_t from;
};

static void offer(struct place *to, const struct place *places, size_t from, int32_t id, double score)
{
    double sum = places[from].sum + score;
    if (sum > to->sum)
        *to = (struct place){sum, id, (uint32_t)from};
}

/* All tokens that begin at a character; the unknown one, where none covers just this character. */
static void go_on(const struct tokenizer *t, const char *text, size_t n, size_t from, size_t length,
                  struct place *places)
{
    struct prefix_walk w = {0};
    int covered = 0;
    for (size_t i = from; i < n; i++) {
        int32_t id = prefix_step(t, &w, (uint8_t)text[i]);
        if (id == PREFIX_DEAD)
            break;
        if (id < 0)
            continue;
        covered |= i + 1 == from + length;
        offer(&places[i + 1], places, from, id, (double)t->score[id]);
    }
    if (!covered)
        offer(&places[from + length], places, from, t->unknown, t->unknown_score);
}

/* The tokens of the best way; several unknown ones behind each other are one. */
static int add_way(const struct tokenizer *t, const struct place *places, size_t n, struct token_list *out)
{
    size_t from = out->n;
    for (size_t at = n; at > 0; at = places[at].from) {
        int again = out->n > from && out->id[out->n - 1] == t->unknown && places[at].id == t->unknown;
        if (!again && token_list_add(out, places[at].id) != 0)
            return -1;
    }
    for (size_t a = from, b = out->n; a + 1 < b; a++) {
        int32_t id = out->id[--b];
        out->id[b] = out->id[a];
        out->id[a] = id;
    }
    return 0;
}

static int encode_part(const struct tokenizer *t, struct workspace *w, const char *text, size_t n,
                       struct token_list *out)
{
    struct place few[129], *places = n < 129 ? few : reqmem_malloc((n + 1) * sizeof *places);
    (void)w;
    if (!places)
        return -1;
    places[0] = (struct place){0, t->unknown, 0};
    for (size_t i = 1; i <= n; i++)
        places[i] = (struct place){-INFINITY, t->unknown, 0};
    for (size_t i = 0, length; i < n; i += length) {
        length = spm_char_length(text + i, n - i);
        go_on(t, text, n, i, length, places);
    }
    int rc = add_way(t, places, n, out);
    if (places != few)
        reqmem_free(places);
    return rc;
}

/* Across words, too, several unknown tokens are one. */
static void join_unknown(const struct tokenizer *t, size_t at, struct token_list *out)
{
    if (at < out->n && out->id[at - 1] == t->unknown && out->id[at] == t->unknown) {
        memmove(out->id + at, out->id + at + 1, (out->n - at - 1) * sizeof *out->id);
        out->n--;
    }
}

int unigram_encode(const struct tokenizer *t, struct workspace *w, const char *text, size_t n, struct token_list *out)
{
    size_t most = t->charsmap.unit ? normalise(t, text, n, NULL) : 3 * n + 3, from = out->n;
    char *normal = most < INT32_MAX ? workspace_buffer(w, most + 1) : NULL;
    if (!normal)
        return -1;
    n = normalise(t, text, n, normal);
    for (size_t i = 0, length; i < n; i += length) {
        size_t before = out->n;
        length = t->words_apart ? spm_word_end(normal + i, n - i) : n;
        if (workspace_word(t, w, encode_part, normal + i, length, out) != 0)
            return -1;
        if (before > from)
            join_unknown(t, before, out);
    }
    return 0;
}
