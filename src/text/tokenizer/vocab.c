/* The vocabulary of a file: token texts, types, output bytes, and the way from a text to its id.
 *
 * Texts are bytes with a length; they need be neither NUL-free nor UTF-8. An empty text is never found and decodes to nothing;
 * of equal texts the last id is found. Keys: tokenizer.md 1, pieces: 8. */
#include "text/tokenizer/vocab.h"

#include "base/error.h"
#include "base/hash.h"
#include "format/gguf.h"

#include <string.h>

enum { MAX_TOKENS = 1 << 24 };

size_t lookup_slots(size_t n)
{
    size_t slots = 64;
    while (slots < n + n / 2)
        slots *= 2;
    return slots;
}

/* The slot that holds the text, or the empty one where it would go. */
static struct lookup_slot *probe(const struct lookup *l, const struct texts *x, const char *text, size_t n,
                                 uint32_t *tag)
{
    uint64_t hash = hash64(text, n, 0);
    *tag = (uint32_t)(hash >> 32);
    for (size_t at = hash & l->mask;; at = (at + 1) & l->mask) {
        struct lookup_slot *slot = &l->slot[at];
        if (slot->entry == 0)
            return slot;
        const uint32_t *start = &x->start[slot->entry - 1];
        if (slot->tag == *tag && start[1] - start[0] == n && memcmp(x->bytes + start[0], text, n) == 0)
            return slot;
    }
}

int32_t lookup_find(const struct lookup *l, const struct texts *x, const char *text, size_t n)
{
    uint32_t tag;
    return n == 0 ? -1 : (int32_t)probe(l, x, text, n, &tag)->entry - 1;
}

void lookup_put(struct lookup *l, const struct texts *x, int32_t index)
{
    size_t n = x->start[index + 1] - x->start[index];
    uint32_t tag;
    if (n == 0)
        return;
    struct lookup_slot *slot = probe(l, x, x->bytes + x->start[index], n, &tag);
    *slot = (struct lookup_slot){tag, (uint32_t)index + 1};
}

static int no_memory(struct error *err) { return error_set(err, ERR_MEMORY, "no memory for the vocabulary"); }

static int load_texts(struct tokenizer *t, const struct gguf_value *tokens, struct error *err)
{
    size_t n = (size_t)t->n_vocab;
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t length = tokens->as.strings[i].length;
        if (length > TEXT_MAX || (total += length) > TEXT_MAX)
            return error_set(err, ERR_FORMAT, "tokenizer.ggml.tokens holds more than 256 MiB of text at token %zu", i);
        if (length > t->longest_text)
            t->longest_text = (size_t)length;
    }
    size_t slots = lookup_slots(n);
    t->text.bytes = arena_alloc(&t->arena, (size_t)total + 1);
    t->text.start = arena_array(&t->arena, n + 1, sizeof *t->text.start);
    t->lookup.slot = arena_array(&t->arena, slots, sizeof *t->lookup.slot);
    t->lookup.mask = slots - 1;
    if (!t->text.bytes || !t->text.start || !t->lookup.slot)
        return no_memory(err);
    uint32_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const struct gguf_string *s = &tokens->as.strings[i];
        memcpy(t->text.bytes + at, s->text, (size_t)s->length);
        t->text.start[i] = at;
        t->text.start[i + 1] = at += (uint32_t)s->length;
        lookup_put(&t->lookup, &t->text, (int32_t)i);
    }
    return 0;
}

static int load_types(struct tokenizer *t, const struct gguf *g, struct error *err)
{
    size_t n = (size_t)t->n_vocab;
    t->type = arena_alloc(&t->arena, n);
    t->hidden = arena_alloc(&t->arena, n);
    t->sampleable = arena_alloc(&t->arena, n);
    if (!t->type || !t->hidden || !t->sampleable)
        return no_memory(err);
    memset(t->type, TOKEN_NORMAL, n);
    const struct gguf_value *types = gguf_find(g, "tokenizer.ggml.token_type");
    if (!types)
        return 0;
    if (types->kind != GGUF_ARRAY || (types->item != GGUF_I32 && types->item != GGUF_U32) || types->n != n)
        return error_set(err, ERR_FORMAT,
                         "tokenizer.ggml.token_type is not an array of %zu integers, one for each token", n);
    t->has_types = 1;
    for (size_t i = 0; i < n; i++) {
        int64_t type = gguf_item_int(types, i);
        if (type >= TOKEN_NORMAL && type <= TOKEN_BYTE) /* 0 and others: seen in old files, mean nothing */
            t->type[i] = (uint8_t)type;
    }
    return 0;
}

int vocab_load(struct tokenizer *t, const struct gguf *g, struct error *err)
{
    const struct gguf_value *tokens = gguf_find(g, "tokenizer.ggml.tokens");
    if (!tokens || tokens->kind != GGUF_ARRAY || tokens->item != GGUF_STRING || tokens->n == 0)
        return error_set(err, ERR_FORMAT, "tokenizer.ggml.tokens is missing or not an array of strings");
    if (tokens->n > MAX_TOKENS)
        return error_set(err, ERR_FORMAT, "tokenizer.ggml.tokens has %llu tokens; at most %d are supported",
                         (unsigned long long)tokens->n, MAX_TOKENS);
    t->n_vocab = (int)tokens->n;
    return load_texts(t, tokens, err) != 0 ? -1 : load_types(t, g, err);
}

static int hex(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

/* The byte of a text <0xXX>, -1: not such a text. */
static int byte_of(const char *text, size_t n)
{
    if (n != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>' || hex(text[3]) < 0 || hex(text[4]) < 0)
        return -1;
    return hex(text[3]) << 4 | hex(text[4]);
}

int32_t vocab_byte_token(const struct tokenizer *t, uint8_t byte)
{
    const char *digit = "0123456789ABCDEF";
    char text[6] = {'<', '0', 'x', digit[byte >> 4], digit[byte & 15], '>'};
    return lookup_find(&t->lookup, &t->text, text, sizeof text);
}

/* Output bytes of token i, at most as many as its text has. */
static size_t piece_of(const struct tokenizer *t, int i, char *out)
{
    const char *text = t->text.bytes + t->text.start[i];
    size_t n = t->text.start[i + 1] - t->text.start[i];
    int byte = t->type[i] == TOKEN_BYTE ? byte_of(text, n) : -1;
    switch ((enum token_type)t->type[i]) {
    case TOKEN_UNUSED:
        return 0;
    case TOKEN_CONTROL:
    case TOKEN_UNKNOWN:
    case TOKEN_USER:
        memcpy(out, text, n);
        return n;
    case TOKEN_BYTE:
    case TOKEN_NORMAL:
        break;
    }
    if (byte >= 0) {
        *out = (char)byte;
        return 1;
    }
    return t->model == MODEL_BPE ? bpe_piece(text, n, out) : spm_piece(text, n, out);
}

int vocab_pieces(struct tokenizer *t, struct error *err)
{
    size_t n = (size_t)t->n_vocab;
    t->piece.bytes = arena_alloc(&t->arena, (size_t)t->text.start[n] + 1);
    t->piece.start = arena_array(&t->arena, n + 1, sizeof *t->piece.start);
    if (!t->piece.bytes || !t->piece.start)
        return no_memory(err);
    uint32_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t length = piece_of(t, (int)i, t->piece.bytes + at);
        if (length > t->longest_piece)
            t->longest_piece = length;
        t->piece.start[i] = at;
        t->piece.start[i + 1] = at += (uint32_t)length;
    }
    return 0;
}

int32_t tokenizer_find(const struct tokenizer *t, const char *text, size_t length)
{
    return lookup_find(&t->lookup, &t->text, text, length);
}
