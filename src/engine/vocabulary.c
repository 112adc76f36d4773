/* A vocabulary without its model: the part of stoker.h that needs no engine. */
#include "base/error.h"
#include "base/reqmem.h"
#include "engine/engine.h"
#include "engine/public_error.h"
#include "format/gguf.h"
#include "text/tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

struct stoker_vocab {
    struct tokenizer *tokenizer;
};

int stoker_vocab_open(struct stoker_vocab **out, const char *path, const char *pre, struct stoker_error *public)
{
    struct error err = {0};
    struct gguf *g = NULL;
    struct stoker_vocab *v = calloc(1, sizeof *v);
    int rc = v ? gguf_open_header(&g, path, &err) : error_set(&err, ERR_MEMORY, "no memory for a vocabulary");
    if (rc == 0)
        rc = tokenizer_create(&v->tokenizer, g, pre, &err);
    gguf_close(g);
    if (rc != 0) {
        free(v);
        return error_to_public(public, &err);
    }
    *out = v;
    return 0;
}

void stoker_vocab_close(struct stoker_vocab *v)
{
    if (v)
        tokenizer_destroy(v->tokenizer);
    free(v);
}

int stoker_vocab_size(const struct stoker_vocab *v) { return tokenizer_n_vocab(v->tokenizer); }

int stoker_vocab_tokenize(const struct stoker_vocab *v, const char *text, size_t length, int add_special,
                          int parse_special, stoker_token **out, size_t *n, struct stoker_error *public)
{
    struct error err = {0};
    struct token_list l = {0};
    if (tokenizer_encode(v->tokenizer, text, length, add_special, parse_special, &l, &err) != 0) {
        token_list_free(&l);
        return error_to_public(public, &err);
    }
    *out = l.id;
    *n = l.n;
    return 0;
}

const char *stoker_vocab_piece(const struct stoker_vocab *v, stoker_token id, size_t *length)
{
    return tokenizer_piece(v->tokenizer, id, 1, length);
}

/* At most as many bytes as the streaming detokenizer writes for these ids. */
static size_t text_capacity(const struct tokenizer *t, const stoker_token *ids, size_t n)
{
    size_t capacity = 16, length;
    for (size_t i = 0; i < n; i++) {
        tokenizer_piece(t, ids[i], 1, &length);
        capacity += 3 * length;
    }
    return capacity;
}

int stoker_vocab_text(const struct stoker_vocab *v, const stoker_token *ids, size_t n, char **out, size_t *length,
                      struct stoker_error *public)
{
    const struct tokenizer *t = v->tokenizer;
    struct error err = {0};
    struct detok d;
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= tokenizer_n_vocab(t)) {
            error_set(&err, ERR_INPUT, "id number %zu is %d; the vocabulary has ids 0 to %d", i + 1, ids[i],
                      tokenizer_n_vocab(t) - 1);
            return error_to_public(public, &err);
        }
    *length = 0;
    *out = reqmem_malloc(text_capacity(t, ids, n));
    if (!*out) {
        error_set(&err, ERR_MEMORY, "no memory for the text of %zu tokens", n);
        return error_to_public(public, &err);
    }
    detok_begin(&d, t, 1, 0);
    for (size_t i = 0; i < n; i++)
        *length += detok_next(&d, ids[i], *out + *length);
    *length += detok_end(&d, *out + *length);
    return 0;
}
