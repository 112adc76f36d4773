/* Cutting special tokens out of a text: one pass over it, equal to the sequential procedure.
 *
 * The procedure: candidates by length descending, then id ascending; each is cut out of what raw text is left, from the left.
 * Equal to it: all occurrences in the order (candidate, place), each taken if none of its bytes is taken yet. Of the
 * occurrences that end at one place only the longest is queued; when it is blocked, the next shorter one that fits between
 * that end and the taken bytes before it takes its place in the queue. So memory is linear in the text, however the
 * candidates overlap.
 *
 * The automaton (Aho and Corasick, CACM 1975) keeps the children of a node as a list, except the root's: most bytes of a text
 * begin no special token. */
#include "base/error.h"
#include "base/reqmem.h"
#include "format/gguf.h"
#include "text/tokenizer/vocab.h"

#include <stdlib.h>
#include <string.h>

/* Text of one candidate, and of all of them. */
enum { MAX_CANDIDATE = 1024, MAX_CANDIDATES = 16 << 20 };

static uint32_t child_of(const struct special *s, uint32_t node, uint8_t byte)
{
    if (node == 0)
        return s->root[byte];
    uint32_t child = s->node[node].child;
    while (child && s->node[child].byte != byte)
        child = s->node[child].sibling;
    return child;
}

static uint32_t step(const struct special *s, uint32_t node, uint8_t byte)
{
    uint32_t next;
    while ((next = child_of(s, node, byte)) == 0 && node != 0)
        node = s->node[node].fail;
    return next;
}

/* ---- loading ---- */

static void insert(struct special *s, const uint8_t *text, size_t n, int32_t candidate)
{
    uint32_t at = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t child = child_of(s, at, text[i]);
        if (!child) {
            child = s->n_node++;
            s->node[child] = (struct special_node){.longest = -1, .byte = text[i]};
            if (at == 0) {
                s->root[text[i]] = child;
            } else {
                s->node[child].sibling = s->node[at].child;
                s->node[at].child = child;
            }
        }
        at = child;
    }
    if (s->node[at].longest < 0) /* of equal texts the lowest id */
        s->node[at].longest = candidate;
}

/* Breadth first: a node's failure is shallower than the node. queue: [number of nodes]. */
static void link_failures(struct special *s, uint32_t *queue)
{
    size_t n = 0;
    for (int b = 0; b < 256; b++)
        if (s->root[b])
            queue[n++] = s->root[b];
    for (size_t i = 0; i < n; i++) {
        struct special_node *node = &s->node[queue[i]];
        for (uint32_t c = node->child; c; c = s->node[c].sibling) {
            s->node[c].fail = step(s, node->fail, s->node[c].byte);
            queue[n++] = c;
        }
        int32_t shorter = s->node[node->fail].longest;
        if (node->longest < 0)
            node->longest = shorter;
        else
            s->candidate[node->longest].shorter = shorter;
    }
}

static int by_length_then_id(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->length != y->length)
        return x->length > y->length ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* White space behind it is part of it in files of phi-3. */
static int swallows(const char *text, size_t n)
{
    const char *const not [] = {"<unk>", "<s>", "<|endoftext|>"};
    for (size_t i = 0; i < sizeof not / sizeof *not ; i++)
        if (strlen(not [i]) == n && memcmp(not [i], text, n) == 0)
            return 0;
    return 1;
}

static int takes_part(const struct tokenizer *t, int id, int parse_special)
{
    int type = t->type[id];
    return t->text.start[id] != t->text.start[id + 1] &&
           (type == TOKEN_USER || (parse_special && (type == TOKEN_CONTROL || type == TOKEN_UNKNOWN)));
}

/* Candidates in their order, and the number of bytes of their texts. */
static int collect(struct tokenizer *t, struct special *s, int parse_special, int phi3, size_t *bytes,
                   struct error *err)
{
    size_t n = 0;
    *bytes = 0;
    for (int i = 0; i < t->n_vocab; i++) {
        if (!takes_part(t, i, parse_special))
            continue;
        size_t length = t->text.start[i + 1] - t->text.start[i];
        *bytes += length;
        n++;
        if (length > MAX_CANDIDATE || *bytes > MAX_CANDIDATES)
            return error_set(err, ERR_FORMAT,
                             "token %d, a special token, has %zu bytes; at most %d, and %d for all of them together, "
                             "are supported",
                             i, length, MAX_CANDIDATE, MAX_CANDIDATES);
    }
    s->candidate = arena_array(&t->arena, n, sizeof *s->candidate);
    if (!s->candidate)
        return error_set(err, ERR_MEMORY, "no memory for the vocabulary");
    for (int i = 0; i < t->n_vocab; i++) {
        if (!takes_part(t, i, parse_special))
            continue;
        uint32_t length = t->text.start[i + 1] - t->text.start[i];
        int swallow = phi3 && swallows(t->text.bytes + t->text.start[i], length);
        s->candidate[s->n_candidate++] = (struct candidate){i, length, -1, (uint8_t)swallow};
    }
    qsort(s->candidate, n, sizeof *s->candidate, by_length_then_id);
    return 0;
}

static int build(struct tokenizer *t, struct special *s, int parse_special, int phi3, struct error *err)
{
    size_t bytes;
    if (collect(t, s, parse_special, phi3, &bytes, err) != 0)
        return -1;
    struct special_node *node = calloc(bytes + 1, sizeof *node);
    uint32_t *queue = malloc((bytes + 1) * sizeof *queue);
    if (!node || !queue) {
        free(node);
        free(queue);
        return error_set(err, ERR_MEMORY, "no memory for the vocabulary");
    }
    s->node = node;
    s->node[0].longest = -1;
    s->n_node = 1;
    for (uint32_t i = 0; i < s->n_candidate; i++) {
        const char *text = t->text.bytes + t->text.start[s->candidate[i].id];
        insert(s, (const uint8_t *)text, s->candidate[i].length, (int32_t)i);
    }
    link_failures(s, queue);
    s->node = arena_array(&t->arena, s->n_node, sizeof *node); /* as many as there are, not as many as there might be */
    if (s->node)
        memcpy(s->node, node, s->n_node * sizeof *node);
    free(node);
    free(queue);
    return s->node ? 0 : error_set(err, ERR_MEMORY, "no memory for the vocabulary");
}

static int is_phi3(const struct gguf *g)
{
    struct gguf_string name;
    struct error other_kind = {0};
    return gguf_str(g, "general.name", &name, &other_kind) > 0 &&
           (strcasestr(name.text, "phi-3") || strcasestr(name.text, "phi3"));
}

int special_load(struct tokenizer *t, const struct gguf *g, struct error *err)
{
    int phi3 = is_phi3(g);
    for (int parse_special = 0; parse_special < 2; parse_special++)
        if (build(t, &t->special[parse_special], parse_special, phi3, err) != 0)
            return -1;
    return 0;
}

/* ---- cutting ---- */

static int is_ascii_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static int queue_push(struct heap *queue, int32_t candidate, size_t end)
{
    return heap_push(queue, (uint64_t)(uint32_t)candidate << 32 | (uint32_t)end);
}

/* May this candidate end here: does no byte of it come from whom it must not? */
static int may_end(const struct special *s, int32_t candidate, size_t end, const struct special_marks *marks)
{
    const struct candidate *c = &s->candidate[candidate];
    for (size_t i = end - c->length; marks && i < end; i++)
        if (marks->mark[i] > marks->reach[c->id])
            return 0;
    return 1;
}

/* The longest occurrence at each end. */
static int find(const struct special *s, const uint8_t *text, size_t length, const struct special_marks *marks,
                struct heap *queue)
{
    uint32_t at = 0;
    for (size_t i = 0; i < length; i++) {
        at = at == 0 ? s->root[text[i]] : step(s, at, text[i]);
        int32_t longest = at ? s->node[at].longest : -1;
        while (longest >= 0 && !may_end(s, longest, i + 1, marks))
            longest = s->candidate[longest].shorter;
        if (longest >= 0 && queue_push(queue, longest, i + 1) != 0)
            return -1;
    }
    return 0;
}

/* The occurrence at the head of the queue: cut it, or queue the one that may still fit. 1: cut. -1: no memory. */
static int take(const struct special *s, const char *text, size_t length, const struct special_marks *marks,
                uint8_t *taken, struct heap *queue, struct special_cut *cut)
{
    uint64_t head = heap_pop(queue);
    int32_t index = (int32_t)(head >> 32);
    size_t end = (uint32_t)head, free_before = 0;
    const struct candidate *c = &s->candidate[index];
    while (free_before < c->length && !taken[end - 1 - free_before])
        free_before++;
    if (free_before == c->length) {
        *cut = (struct special_cut){end - c->length, end, c->id};
        while (c->swallow && cut->end < length && !taken[cut->end] && is_ascii_space(text[cut->end]))
            cut->end++;
        memset(taken + cut->start, 1, cut->end - cut->start);
        return 1;
    }
    while (index >= 0 && (s->candidate[index].length > free_before || !may_end(s, index, end, marks)))
        index = s->candidate[index].shorter;
    return index >= 0 ? queue_push(queue, index, end) : 0;
}

static int by_start(const void *a, const void *b)
{
    const struct special_cut *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

int special_cuts(const struct special *s, const char *text, size_t length, const struct special_marks *marks,
                 struct special_cut **out, size_t *n)
{
    struct heap queue = {0};
    *out = NULL;
    *n = 0;
    int rc = s->n_candidate ? find(s, (const uint8_t *)text, length, marks, &queue) : 0;
    size_t cap = queue.n; /* no more cuts than ends */
    uint8_t *taken = cap ? reqmem_calloc(length, 1) : NULL;
    if (cap && (!taken || !(*out = reqmem_malloc(cap * sizeof **out))))
        rc = -1;
    while (rc == 0 && queue.n > 0) {
        rc = take(s, text, length, marks, taken, &queue, &(*out)[*n]);
        if (rc > 0) {
            ++*n;
            rc = 0;
        }
    }
    reqmem_free(taken);
    reqmem_free(queue.item);
    if (rc == 0 && *n > 1)
        qsort(*out, *n, sizeof **out, by_start);
    if (rc != 0) {
        reqmem_free(*out);
        *out = NULL;
    }
    return rc;
}
