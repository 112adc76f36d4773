/* Byte-level BPE (GPT-2's): merges loaded as pairs of ids, words encoded by them.
 *
 * Token texts and merges are stored in an alphabet of printable characters, one for each byte: 33..126, 161..172 and 174..255
 * stand for themselves, the other 68 bytes are U+0100 and up. A merge is a pair of texts, not the text of its result; where a
 * text between merges is no token, it gets an id beyond the vocabulary. tokenizer.md 3. */
#include "base/error.h"
#include "format/gguf.h"
#include "text/utf8.h"
#include "text/vocab.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_MERGES = 1 << 25 };

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

/* A byte in the alphabet, as UTF-8: 1 or 2 bytes. */
static size_t spell(uint8_t b, char *out)
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

/* ---- loading ---- */

/* Texts that merges make or need and that are no tokens: needed while loading only, as ids are all that encoding looks at. */
struct extras {
    struct texts text;
    size_t n, cap, cap_bytes;
    struct lookup lookup;
};

static int extras_grow(struct extras *x, size_t length)
{
    size_t used = x->n ? x->text.start[x->n] : 0;
    if (used + length > UINT32_MAX / 2)
        return -1;
    if (used + length > x->cap_bytes) {
        size_t cap = 2 * (used + length) + 4096;
        char *bytes = realloc(x->text.bytes, cap);
        if (!bytes)
            return -1;
        x->text.bytes = bytes;
        x->cap_bytes = cap;
    }
    if (x->n < x->cap)
        return 0;
    size_t cap = x->cap ? 2 * x->cap : 1024, slots = lookup_slots(cap);
    uint32_t *start = realloc(x->text.start, (cap + 1) * sizeof *start);
    if (!start)
        return -1;
    start[0] = 0;
    x->text.start = start;
    struct lookup_slot *slot = calloc(slots, sizeof *slot);
    if (!slot)
        return -1;
    free(x->lookup.slot);
    x->lookup = (struct lookup){slot, slots - 1};
    x->cap = cap;
    for (size_t i = 0; i < x->n; i++)
        lookup_put(&x->lookup, &x->text, (int32_t)i);
    return 0;
}

static void extras_free(struct extras *x)
{
    free(x->text.bytes);
    free(x->text.start);
    free(x->lookup.slot);
}

/* The id of a text: of a token, or a new one beyond the vocabulary. -1: no memory. */
static int32_t intern(const struct tokenizer *t, struct extras *x, const char *text, size_t n)
{
    int32_t id = lookup_find(&t->lookup, &t->text, text, n);
    if (id >= 0)
        return id;
    if (x->n > 0 && (id = lookup_find(&x->lookup, &x->text, text, n)) >= 0)
        return t->n_vocab + id;
    if (extras_grow(x, n) != 0)
        return -1;
    uint32_t at = x->text.start[x->n];
    memcpy(x->text.bytes + at, text, n);
    x->text.start[x->n + 1] = at + (uint32_t)n;
    lookup_put(&x->lookup, &x->text, (int32_t)x->n);
    return t->n_vocab + (int32_t)x->n++;
}

static size_t slot_of(const struct tokenizer *t, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    return (h ^ h >> 32) & t->merge_mask;
}

/* The slot of a pair, or the empty one where it would go. */
static uint32_t *pair_slot(const struct tokenizer *t, int32_t left, int32_t right)
{
    for (size_t at = slot_of(t, left, right);; at = (at + 1) & t->merge_mask) {
        uint32_t *slot = &t->merge_slot[at];
        if (*slot == 0 || (t->merge[*slot - 1].left == left && t->merge[*slot - 1].right == right))
            return slot;
    }
}

static int load_merge(struct tokenizer *t, struct extras *x, const struct gguf_string *s, uint32_t rank, char *joined,
                      struct error *err)
{
    size_t n = (size_t)s->length;
    const char *space = n > 2 ? memchr(s->text + 1, ' ', n - 2) : NULL;
    if (!space)
        return error_set(err, ERR_FORMAT, "tokenizer.ggml.merges[%u] is not two texts with a space between them", rank);
    size_t left = (size_t)(space - s->text), right = n - left - 1;
    memcpy(joined, s->text, left);
    memcpy(joined + left, space + 1, right);
    struct merge_pair m = {intern(t, x, joined, left), intern(t, x, joined + left, right),
                           intern(t, x, joined, left + right)};
    if (m.left < 0 || m.right < 0 || m.joined < 0)
        return error_set(err, ERR_MEMORY, "no memory for %u merges", t->n_merge);
    t->merge[rank] = m;
    uint32_t *slot = pair_slot(t, m.left, m.right);
    if (*slot == 0) /* of equal pairs the first counts */
        *slot = rank + 1;
    return 0;
}

static int load_merges(struct tokenizer *t, struct extras *x, const struct gguf_value *merges, struct error *err)
{
    size_t longest = 0;
    for (uint64_t i = 0; i < merges->n; i++) {
        uint64_t length = merges->as.strings[i].length;
        if (length > TEXT_MAX)
            return error_set(err, ERR_FORMAT, "tokenizer.ggml.merges[%llu] has %llu bytes", (unsigned long long)i,
                             (unsigned long long)length);
        longest = length > longest ? (size_t)length : longest;
    }
    size_t slots = lookup_slots(merges->n);
    t->n_merge = (uint32_t)merges->n;
    t->merge = arena_array(&t->arena, t->n_merge, sizeof *t->merge);
    t->merge_slot = arena_array(&t->arena, slots, sizeof *t->merge_slot);
    t->merge_mask = slots - 1;
    char *joined = malloc(longest + 1);
    int rc = 0;
    if (!t->merge || !t->merge_slot || !joined)
        rc = error_set(err, ERR_MEMORY, "no memory for %u merges", t->n_merge);
    for (uint32_t i = 0; i < t->n_merge && rc == 0; i++)
        rc = load_merge(t, x, &merges->as.strings[i], i, joined, err);
    free(joined);
    return rc;
}

/* Every byte must end as some token. */
static int load_bytes(struct tokenizer *t, struct extras *x, struct error *err)
{
    for (int b = 0; b < 256; b++) {
        char text[2];
        size_t n = spell((uint8_t)b, text);
        t->byte_token[b] = lookup_find(&t->lookup, &t->text, text, n);
        if (t->byte_token[b] < 0 && t->unknown < 0)
            return error_set(err, ERR_FORMAT,
                             "the vocabulary has no token for byte 0x%02X and no unknown token, so that not every text "
                             "could be written in it; convert the model again",
                             (unsigned)b);
        t->byte_symbol[b] = intern(t, x, text, n);
        if (t->byte_symbol[b] < 0)
            return error_set(err, ERR_MEMORY, "no memory for the vocabulary");
    }
    return 0;
}

int bpe_load(struct tokenizer *t, const struct gguf *g, struct error *err)
{
    const struct gguf_value *merges = gguf_find(g, "tokenizer.ggml.merges");
    if (!merges || merges->kind != GGUF_ARRAY || (merges->item != GGUF_STRING && merges->n > 0))
        return error_set(err, ERR_FORMAT,
                         "tokenizer.ggml.merges is missing or not an array of strings; "
                         "a vocabulary of model gpt2 needs it");
    if (merges->n > MAX_MERGES)
        return error_set(err, ERR_FORMAT, "tokenizer.ggml.merges has %llu merges; at most %d are supported",
                         (unsigned long long)merges->n, MAX_MERGES);
    struct extras x = {0};
    int rc = load_bytes(t, &x, err);
    if (rc == 0)
        rc = load_merges(t, &x, merges, err);
    extras_free(&x);
    return rc;
}

/* ---- encoding ---- */

static uint32_t rank_of(const void *context, const struct symbol *left, const struct symbol *right, int32_t *joined)
{
    const struct tokenizer *t = context;
    uint32_t place = *pair_slot(t, left->id, right->id);
    if (place == 0)
        return MERGE_NEVER;
    *joined = t->merge[place - 1].joined;
    return place - 1;
}

static int add_byte(const struct tokenizer *t, uint8_t b, struct token_list *out)
{
    int32_t id = t->byte_token[b] >= 0 ? t->byte_token[b] : t->unknown;
    return token_list_add(out, id);
}

static int encode_word(const struct tokenizer *t, struct encoding *e, const uint8_t *word, size_t n,
                       struct token_list *out)
{
    if (n == 1 && t->byte_symbol[*word] < t->n_vocab)
        return token_list_add(out, t->byte_symbol[*word]);
    if (t->pre->ignore_merges && n <= t->longest_text) {
        char *text = encoding_buffer(e, 2 * n);
        size_t length = 0;
        if (!text)
            return -1;
        for (size_t i = 0; i < n; i++)
            length += spell(word[i], text + length);
        int32_t id = lookup_find(&t->lookup, &t->text, text, length);
        if (id >= 0)
            return token_list_add(out, id);
    }
    struct merger *m = &e->merger;
    m->n = 0;
    for (size_t i = 0; i < n; i++)
        if (merge_add(m, (uint32_t)i, 1, t->byte_symbol[word[i]]) != 0)
            return -1;
    if (merge_run(m, rank_of, t) != 0)
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

int bpe_encode(const struct tokenizer *t, struct encoding *e, const char *text, size_t n, struct token_list *out)
{
    const uint8_t *bytes = (const uint8_t *)text;
    uint8_t *cleaned = NULL;
    size_t clean = pretokenize_clean(bytes, n, NULL);
    if (clean !=
        n) { /* a replacement is longer than the byte it stands for: equal lengths mean that nothing was replaced */
        cleaned = malloc(clean);
        if (!cleaned)
            return -1;
        pretokenize_clean(bytes, n, cleaned);
        bytes = cleaned;
    }
    int rc = splitting_begin(&e->splitting, t->splitter, bytes, clean);
    size_t start, length;
    while (rc == 0 && (rc = splitting_next(&e->splitting, &start, &length)) > 0)
        rc = encode_word(t, e, bytes + start, length, out);
    free(cleaned);
    return rc;
}
