/* The merges of a BPE vocabulary, loaded as pairs of ids.
 *
 * A merge is a pair of texts, not the text of its result: the same result may have several merges. Where a text in a merge is no
 * token it gets an id beyond the vocabulary; such ids never leave the layer. tokenizer.md 3. */
#include "base/error.h"
#include "format/gguf.h"
#include "text/tokenizer/vocab.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_MERGES = 1 << 25 };

/* Texts of merges that are no tokens. */
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

/* The slot of a pair, or the empty one where it would go. */
static struct merge_pair *pair_slot(const struct tokenizer *t, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    for (size_t at = (h ^ h >> 32) & t->merge_mask;; at = (at + 1) & t->merge_mask) {
        struct merge_pair *p = &t->merge[at];
        if (p->rank_1 == 0 || (p->left == left && p->right == right))
            return p;
    }
}

uint32_t merges_rank(const void *context, const struct symbol *left, const struct symbol *right, int32_t *joined)
{
    const struct merge_pair *p = pair_slot(context, left->id, right->id);
    *joined = p->joined;
    return p->rank_1 - 1; /* MERGE_NEVER of an empty slot */
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
                           intern(t, x, joined, left + right), rank + 1};
    if (m.left < 0 || m.right < 0 || m.joined < 0)
        return error_set(err, ERR_MEMORY, "no memory for the merges of the vocabulary");
    if (t->model == MODEL_BPE)
        bpe_note_merge(t, joined, left, joined + left, right);
    struct merge_pair *slot = pair_slot(t, m.left, m.right);
    if (slot->rank_1 == 0) /* of equal pairs the first counts */
        *slot = m;
    return 0;
}

static int load_all(struct tokenizer *t, struct extras *x, const struct gguf_value *merges, struct error *err)
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
    t->merge = arena_array(&t->arena, slots, sizeof *t->merge);
    t->merge_mask = slots - 1;
    char *joined = malloc(longest + 1);
    int rc = 0;
    if (!t->merge || !joined)
        rc = error_set(err, ERR_MEMORY, "no memory for %llu merges", (unsigned long long)merges->n);
    for (uint32_t i = 0; i < merges->n && rc == 0; i++)
        rc = load_merge(t, x, &merges->as.strings[i], i, joined, err);
    free(joined);
    return rc;
}

static int name_bytes(struct tokenizer *t, struct extras *x, struct error *err)
{
    for (int b = 0; b < 256; b++) {
        char text[2];
        size_t n = bpe_spell((uint8_t)b, text);
        t->byte_symbol[b] = intern(t, x, text, n);
        if (t->byte_symbol[b] < 0)
            return error_set(err, ERR_MEMORY, "no memory for the vocabulary");
    }
    return 0;
}

/* Symbols of gemma4 begin as characters, of which some may be extras. */
static int keep_extras(struct tokenizer *t, const struct extras *x, struct error *err)
{
    size_t bytes = x->n ? x->text.start[x->n] : 0, slots = lookup_slots(x->n);
    if (x->n == 0)
        return 0;
    t->extra.bytes = arena_copy(&t->arena, x->text.bytes, bytes);
    t->extra.start = arena_array(&t->arena, x->n + 1, sizeof *t->extra.start);
    t->extra_lookup.slot = arena_array(&t->arena, slots, sizeof *t->extra_lookup.slot);
    t->extra_lookup.mask = slots - 1;
    if (!t->extra.bytes || !t->extra.start || !t->extra_lookup.slot)
        return error_set(err, ERR_MEMORY, "no memory for the vocabulary");
    memcpy(t->extra.start, x->text.start, (x->n + 1) * sizeof *t->extra.start);
    for (size_t i = 0; i < x->n; i++)
        lookup_put(&t->extra_lookup, &t->extra, (int32_t)i);
    return 0;
}

int32_t merges_symbol(const struct tokenizer *t, const char *text, size_t n)
{
    int32_t id = lookup_find(&t->lookup, &t->text, text, n);
    if (id >= 0 || !t->extra_lookup.slot)
        return id;
    id = lookup_find(&t->extra_lookup, &t->extra, text, n);
    return id >= 0 ? t->n_vocab + id : -1;
}

int merges_load(struct tokenizer *t, const struct gguf *g, struct error *err)
{
    const struct gguf_value *merges = gguf_find(g, "tokenizer.ggml.merges");
    if (!merges || merges->kind != GGUF_ARRAY || (merges->item != GGUF_STRING && merges->n > 0))
        return error_set(
            err, ERR_FORMAT,
            "tokenizer.ggml.merges is missing or not an array of strings; a vocabulary of model %s needs it",
            t->model == MODEL_BPE ? "gpt2" : "gemma4");
    if (merges->n > MAX_MERGES)
        return error_set(err, ERR_FORMAT, "tokenizer.ggml.merges has %llu merges; at most %d are supported",
                         (unsigned long long)merges->n, MAX_MERGES);
    struct extras x = {0};
    int rc = t->model == MODEL_BPE ? name_bytes(t, &x, err) : 0;
    if (rc == 0)
        rc = load_all(t, &x, merges, err);
    if (rc == 0 && t->model == MODEL_GEMMA4)
        rc = keep_extras(t, &x, err);
    extras_free(&x);
    return rc;
}
