/* Building the trie of a vocabulary: token_trie.h. Tokens that are never chosen by their text stay out: control, unknown and
 * unused tokens, ends of generation, tokens without bytes. */
#include "text/constraint/token_trie.h"

#include "base/error.h"
#include "base/utf8.h"
#include "text/tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_DEPTH = 65535 };

/* A token to sort: its first eight bytes as a number, so that most comparisons need no text. */
struct sorted {
    uint64_t head;
    uint32_t id, n;
    const char *text;
};

static int by_bytes(const void *a, const void *b)
{
    const struct sorted *x = a, *y = b;
    if (x->head != y->head)
        return x->head < y->head ? -1 : 1;
    int order = memcmp(x->text, y->text, x->n < y->n ? x->n : y->n);
    if (order == 0 && x->n != y->n)
        order = x->n < y->n ? -1 : 1;
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

static uint64_t head_of(const char *text, uint32_t n)
{
    uint64_t head = 0;
    for (uint32_t i = 0; i < 8; i++)
        head = head << 8 | (i < n ? (uint8_t)text[i] : 0);
    return head;
}

/* Tokens that may be chosen by their text. Returns how many. */
static uint32_t collect(struct token_trie *trie, struct sorted *out)
{
    const struct tokenizer *t = trie->tokenizer;
    const uint8_t *sampleable = tokenizer_sampleable(t);
    uint32_t n = 0;
    for (int32_t id = 0; id < trie->n_vocab; id++) {
        if (tokenizer_is_end(t, id)) {
            if (trie->n_end < sizeof trie->end / sizeof *trie->end)
                trie->end[trie->n_end++] = id;
            continue;
        }
        enum token_type type = tokenizer_type(t, id);
        if (type == TOKEN_CONTROL || type == TOKEN_UNKNOWN || type == TOKEN_UNUSED || !sampleable[id])
            continue;
        size_t length;
        const char *text = tokenizer_piece(t, id, 0, &length);
        if (length == 0 || length > MOST_DEPTH)
            continue;
        out[n++] = (struct sorted){head_of(text, (uint32_t)length), (uint32_t)id, (uint32_t)length, text};
    }
    return n;
}

/* By the first two bytes in one pass, then within these: most comparisons are between neighbours in memory. */
static int sort_tokens(struct sorted *s, uint32_t n)
{
    uint32_t *first = calloc(65537, sizeof *first);
    struct sorted *copy = malloc((n + 1) * sizeof *copy);
    int failed = !first || !copy;
    for (uint32_t i = 0; !failed && i < n; i++)
        first[(s[i].head >> 48) + 1]++;
    for (uint32_t b = 0; !failed && b < 65536; b++)
        first[b + 1] += first[b];
    for (uint32_t i = 0; !failed && i < n; i++)
        copy[first[s[i].head >> 48]++] = s[i];
    for (uint32_t b = 0; !failed && b < 65536; b++) {
        uint32_t from = b ? first[b - 1] : 0;
        if (first[b] - from > 1)
            qsort(copy + from, first[b] - from, sizeof *copy, by_bytes);
    }
    if (!failed)
        memcpy(s, copy, n * sizeof *s);
    free(first);
    free(copy);
    return failed;
}

static uint32_t shared_prefix(const struct sorted *x, const struct sorted *y)
{
    uint32_t n = 0;
    while (n < x->n && n < y->n && x->text[n] == y->text[n])
        n++;
    return n;
}

/* Nodes of sorted tokens; open[d]: the node of depth d on the way to the last token. */
static void lay_out(struct token_trie *trie, const struct sorted *s, uint32_t *open)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < trie->n_token; i++) {
        uint32_t shared = i ? shared_prefix(&s[i - 1], &s[i]) : 0;
        while (depth > shared)
            trie->node[open[depth--]].skip = trie->n_node;
        while (depth < s[i].n) {
            trie->node[trie->n_node] = (struct trie_node){
                .token = i, .depth = (uint16_t)(depth + 1), .byte = (uint8_t)s[i].text[depth]};
            open[++depth] = trie->n_node++;
        }
        trie->token[i] = s[i].id;
        size_t characters = utf8_count(s[i].text, s[i].n);
        trie->characters[i] = (uint8_t)(characters < UINT8_MAX ? characters : UINT8_MAX);
        set_bit(trie->is_text, s[i].id);
        trie->longest = s[i].n > trie->longest ? s[i].n : trie->longest;
    }
    while (depth > 0)
        trie->node[open[depth--]].skip = trie->n_node;
    trie->node[trie->n_node] = (struct trie_node){.skip = trie->n_node, .token = trie->n_token};
    for (int b = 0; b < 256; b++)
        trie->first[b] = trie->n_node;
    for (uint32_t i = 0; i < trie->n_node; i = trie->node[i].skip) {
        trie->first[trie->node[i].byte] = i;
        set_bit(trie->begins, trie->node[i].byte);
    }
    trie->spells = 1;
    for (int b = 0; b <= 0xF4; b++) {
        uint32_t i = trie->first[b];
        trie->spells &= b == 0xC0 || b == 0xC1 || (i < trie->n_node && trie->node[i].token < trie->node[i + 1].token);
    }
}

/* ---- plain text ----------------------------------------------------------------------------------------------------------------- */

/* Where a byte may stand in well-formed UTF-8: at the border of characters; before the last byte, the last two, the last three;
 * behind a lead byte that bounds the next one. */
enum { BORDER, LAST, LAST_2, LAST_3, AFTER_E0, AFTER_ED, AFTER_F0, AFTER_F4 };

/* good: a bit for each of these positions, what is behind a byte is plain if the byte ends there. The same before the byte. */
static uint8_t plain_before(uint8_t byte, uint8_t good)
{
    unsigned border = good >> BORDER & 1, last = good >> LAST & 1, last_2 = good >> LAST_2 & 1;
    if (byte < 0x80)
        return (uint8_t)(byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\' ? border << BORDER : 0);
    if (byte < 0xC0)
        return (uint8_t)(border << LAST | last << LAST_2 | last_2 << LAST_3 | (byte >= 0xA0 ? last << AFTER_E0 : 0) |
                         (byte < 0xA0 ? last << AFTER_ED : 0) | (byte >= 0x90 ? last_2 << AFTER_F0 : 0) |
                         (byte < 0x90 ? last_2 << AFTER_F4 : 0));
    int behind = byte < 0xC2    ? -1
                 : byte < 0xE0  ? LAST
                 : byte == 0xE0 ? AFTER_E0
                 : byte == 0xED ? AFTER_ED
                 : byte < 0xF0  ? LAST_2
                 : byte == 0xF0 ? AFTER_F0
                 : byte < 0xF4  ? LAST_3
                 : byte == 0xF4 ? AFTER_F4
                                : -1;
    return (uint8_t)(behind >= 0 ? (good >> behind & 1) << BORDER : 0);
}

/* From the last node back, so that what is behind a node is known before it. below[d]: of the nodes of depth d so far. */
static int mark_plain(struct token_trie *trie, uint32_t from, uint32_t end)
{
    struct below {
        uint8_t good;
        uint16_t longest;
    } *below = malloc((trie->longest + 2) * sizeof *below);
    if (!below)
        return -1;
    for (uint32_t d = 0; d < trie->longest + 2; d++)
        below[d] = (struct below){UINT8_MAX, 0};
    for (uint32_t i = end; i-- > from;) {
        struct trie_node *node = &trie->node[i];
        struct below *behind = &below[node->depth + 1], *here = &below[node->depth];
        uint8_t good = behind->good;
        if (good >> BORDER & 1 && behind->longest <= UINT8_MAX)
            node->plain = (uint8_t)behind->longest;
        if (node->token < node[1].token)
            good &= 1 << BORDER;
        here->good &= plain_before(node->byte, good);
        if (here->longest < behind->longest + 1)
            here->longest = behind->longest + 1;
        *behind = (struct below){UINT8_MAX, 0};
    }
    free(below);
    return 0;
}

static uint32_t count_nodes(const struct sorted *s, uint32_t n)
{
    uint32_t nodes = 0;
    for (uint32_t i = 0; i < n; i++)
        nodes += s[i].n - (i ? shared_prefix(&s[i - 1], &s[i]) : 0);
    return nodes;
}

int token_trie_create(struct token_trie **out, const struct tokenizer *t, struct error *err)
{
    struct token_trie *trie = calloc(1, sizeof *trie);
    uint32_t n_vocab = (uint32_t)tokenizer_n_vocab(t), *open = malloc((MOST_DEPTH + 2) * sizeof *open);
    struct sorted *s = malloc((n_vocab + 1) * sizeof *s);
    int failed = !trie || !s || !open;
    if (!failed) {
        trie->tokenizer = t;
        trie->n_vocab = (int32_t)n_vocab;
        trie->n_word = (n_vocab + 63) / 64;
        trie->n_token = collect(trie, s);
        failed = sort_tokens(s, trie->n_token);
    }
    if (!failed) {
        uint32_t nodes = count_nodes(s, trie->n_token);
        trie->node = malloc((nodes + 1) * sizeof *trie->node);
        trie->token = malloc((trie->n_token + 1) * sizeof *trie->token);
        trie->characters = malloc(trie->n_token + 1);
        trie->is_text = calloc(trie->n_word + 1, sizeof *trie->is_text);
        trie->sampleable = calloc(trie->n_word + 1, sizeof *trie->sampleable);
        failed = !trie->node || !trie->token || !trie->characters || !trie->is_text || !trie->sampleable;
        if (!failed)
            lay_out(trie, s, open);
        for (uint32_t id = 0; id < n_vocab && !failed; id++)
            if (tokenizer_sampleable(t)[id])
                set_bit(trie->sampleable, id);
        failed = failed || token_trie_group(trie) || mark_plain(trie, 0, trie->n_node) ||
                 mark_plain(trie, trie->grouped, trie->grouped_end);
    }
    free(open);
    free(s);
    if (failed) {
        token_trie_destroy(trie);
        return error_set(err, ERR_MEMORY, "no memory for the tables of constraints: %u tokens", n_vocab);
    }
    *out = trie;
    return 0;
}

void token_trie_destroy(struct token_trie *trie)
{
    if (!trie)
        return;
    free(trie->node);
    free(trie->first_member);
    free(trie->member);
    free(trie->token);
    free(trie->characters);
    free(trie->is_text);
    free(trie->sampleable);
    free(trie);
}

size_t token_trie_bytes(const struct token_trie *trie)
{
    return sizeof *trie + (trie->grouped_end + 1) * sizeof *trie->node +
           2 * (size_t)trie->n_token * (sizeof *trie->token + sizeof *trie->characters) +
           (trie->grouped_end - trie->grouped + 1) * sizeof *trie->first_member + trie->n_node * sizeof *trie->member +
           2 * trie->n_word * sizeof *trie->is_text;
}
