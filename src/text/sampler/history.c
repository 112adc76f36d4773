/* The sampling history, for penalties and DRY: the tokens of prompt and answer so far, in tables that grow by a token at a time.
 *
 *     token    [n]        a b c a b
 *     before   [n]        0 0 0 1 2     for DRY: the previous position of the same token, + 1; 0: none
 *     same     [n]        0 2 0 0 5     for DRY: longest common suffix of the text up to here and the whole text
 *     count    [n_vocab]  for penalties: how often each token is in the last `window` tokens; present lists those that are
 *
 * DRY asks for the longest repetition that each token would lengthen: of all earlier positions j with the text that ends there equal
 * to the text that ends now. With same[j] = length of the longest common suffix of the text up to j and the whole text, a new
 * token x makes same[j] = same[j - 1] + 1 where token[j] is x, and 0 elsewhere. So only the positions of x change, which are
 * linked, and a value counts only where its token is the last one. Of many tokens at once, a prompt, the values of the last one are
 * found in linear time: they are the Z function of the reversed text (Gusfield, 1997). sampling.md 3. */
#include "text/sampler/history.h"

#include "base/checked.h"
#include "text/sampler/sampler.h"
#include "text/tokenizer/tokenizer.h"

#include <string.h>

struct sampler_history {
    int n_vocab;
    uint32_t n, cap;
    uint32_t *token; /* [cap]: n_vocab or an id */

    /* penalties: the last `window` tokens */
    uint32_t window, n_present;
    uint32_t *count, *present_index; /* [n_vocab]: in the window; index in present */
    int32_t *present;                /* [min(n_vocab, window)] ids whose count is not 0 */

    /* DRY */
    int has_dry;
    uint32_t *last;          /* [n_vocab] last position + 1, 0: none */
    uint32_t *before, *same; /* [cap] see above, as they were for n_same tokens */
    uint32_t n_same;
    uint32_t *longest; /* [n_vocab] of history_matches(), 0 outside of it */
    int64_t breaker;   /* last position of a breaker, -1: none */
    const uint8_t *breakers;
};

int history_has_penalties(const struct sampling *how)
{
    return how->repeat_last_n != 0 &&
           (how->repeat_penalty != 1 || how->presence_penalty != 0 || how->frequency_penalty != 0);
}

int history_has_dry(const struct sampling *how)
{
    return how->dry_multiplier != 0 && how->dry_base >= 1 && how->dry_penalty_last_n != 0;
}

/* The parts one behind another; base NULL: sizes only. Returns the end. */
static size_t lay_out(struct sampler_history *h, char *base, const struct sampling *how, size_t n_token)
{
    size_t at = round_up(sizeof *h, 64), vocab = round_up((size_t)h->n_vocab * 4, 64), all = round_up(n_token * 4, 64);
    uint32_t **parts[8] = {&h->token, &h->before, &h->same, &h->count, &h->present_index, &h->last, &h->longest};
    int has_penalties = history_has_penalties(how), has_dry = history_has_dry(how);
    int is_used[8] = {1, has_dry, has_dry, has_penalties, has_penalties, has_dry, has_dry};
    for (int i = 0; i < 7; i++) {
        if (!is_used[i])
            continue;
        if (base)
            *parts[i] = (uint32_t *)(base + at);
        at += i < 3 ? all : vocab;
    }
    if (base && has_penalties)
        h->present = (int32_t *)(base + at);
    return at + (has_penalties ? vocab : 0);
}

size_t sampler_history_bytes(const struct sampling *how, int n_vocab, size_t n_token)
{
    struct sampler_history h = {.n_vocab = n_vocab};
    return history_has_penalties(how) || history_has_dry(how) ? lay_out(&h, NULL, how, n_token) : 0;
}

size_t sampler_history_most(int n_vocab, size_t n_token)
{
    struct sampling all = sampling_defaults();
    all.presence_penalty = all.dry_multiplier = 1;
    return sampler_history_bytes(&all, n_vocab, n_token);
}

struct sampler_history *sampler_history_init(void *mem, const struct sampling *how, int n_vocab, size_t n_token,
                                             const uint8_t *breakers)
{
    struct sampler_history *h = mem;
    *h = (struct sampler_history){.n_vocab = n_vocab, .cap = (uint32_t)n_token, .breakers = breakers};
    lay_out(h, mem, how, n_token);
    if (history_has_penalties(how))
        h->window = how->repeat_last_n < 0 ? h->cap : (uint32_t)how->repeat_last_n;
    h->has_dry = history_has_dry(how);
    sampler_history_clear(h);
    return h;
}

void sampler_history_clear(struct sampler_history *h)
{
    size_t vocab = (size_t)h->n_vocab * 4;
    h->n = h->n_same = h->n_present = 0;
    h->breaker = -1;
    if (h->count)
        memset(h->count, 0, vocab);
    if (h->has_dry) {
        memset(h->last, 0, vocab);
        memset(h->longest, 0, vocab);
    }
}

/* ---- adding ---------------------------------------------------------------------------------------------------------------- */

static void count_in(struct sampler_history *h, uint32_t id)
{
    if (h->count[id]++ == 0) {
        h->present_index[id] = h->n_present;
        h->present[h->n_present++] = (int32_t)id;
    }
}

static void count_out(struct sampler_history *h, uint32_t id)
{
    if (--h->count[id] > 0)
        return;
    int32_t moved = h->present[--h->n_present];
    h->present[h->present_index[id]] = moved;
    h->present_index[moved] = h->present_index[id];
}

static void link_place(struct sampler_history *h, uint32_t at, uint32_t id)
{
    h->before[at] = h->last[id];
    h->last[id] = at + 1;
    if (h->breakers && h->breakers[id])
        h->breaker = at;
}

void sampler_history_add(struct sampler_history *h, int32_t token)
{
    uint32_t at = h->n, id = (uint32_t)token;
    if (at == h->cap || token < 0 || token >= h->n_vocab)
        return;
    h->token[h->n++] = id;
    if (h->window) {
        if (at >= h->window)
            count_out(h, h->token[at - h->window]);
        count_in(h, id);
    }
    if (h->has_dry)
        link_place(h, at, id);
}

/* ---- repetitions ----------------------------------------------------------------------------------------------------------- */

/* The values for one token more, which is at `at`. */
static void lengthen(struct sampler_history *h, uint32_t at)
{
    /* from the latest position on: same[j - 1] is still that of the text before */
    for (uint32_t j = h->before[at]; j > 0; j = h->before[j - 1]) {
        int was_equal = j > 1 && at > 0 && h->token[j - 2] == h->token[at - 1];
        h->same[j - 1] = (was_equal ? h->same[j - 2] : 0) + 1;
    }
    h->same[at] = at + 1; /* the whole text is its own suffix */
}

/* All values anew. [left, right) of the reversed text equals its beginning, and right is the furthest that was seen. */
static void measure(struct sampler_history *h)
{
    const uint32_t *token = h->token + h->n - 1; /* token[-i] is the reversed text's i */
    uint32_t *same = h->same + h->n - 1;
    int64_t n = h->n, left = 0, right = 0;
    same[0] = h->n;
    for (int64_t k = 1; k < n; k++) {
        int64_t z = 0;
        if (k < right)
            z = same[left - k] < right - k ? same[left - k] : right - k;
        while (k + z < n && token[-z] == token[-k - z])
            z++;
        if (k + z > right) {
            left = k;
            right = k + z;
        }
        same[-k] = (uint32_t)z;
    }
}

static void catch_up(struct sampler_history *h)
{
    if (h->n == h->n_same + 1)
        lengthen(h, h->n - 1);
    else if (h->n > h->n_same)
        measure(h);
    h->n_same = h->n;
}

/* ---- asking ---------------------------------------------------------------------------------------------------------------- */

uint32_t history_repeated(const struct sampler_history *h, const int32_t **id, const uint32_t **count_by_id)
{
    *id = h->present;
    *count_by_id = h->count;
    return h->window ? h->n_present : 0;
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

void history_matches(struct sampler_history *h, const struct sampling *how, history_match *each, void *arg)
{
    uint32_t n = h->n, allowed = (uint32_t)how->dry_allowed_length;
    uint32_t window = how->dry_penalty_last_n < 0 ? n : least(n, (uint32_t)how->dry_penalty_last_n);
    uint32_t begin = n - window; /* of the window */
    uint32_t since_breaker = h->breaker >= (int64_t)begin ? n - 1 - (uint32_t)h->breaker : window;
    if (!h->has_dry || window <= allowed || since_breaker < allowed)
        return;
    catch_up(h);
    uint32_t first = h->before[n - 1]; /* the last token's earlier positions */
    for (uint32_t j = first; j > begin; j = h->before[j - 1]) {
        uint32_t length = least(least(h->same[j - 1], j - begin), since_breaker), next = h->token[j];
        if (length >= allowed && length > h->longest[next])
            h->longest[next] = length;
    }
    for (uint32_t j = first; j > begin; j = h->before[j - 1]) {
        uint32_t next = h->token[j], length = h->longest[next];
        h->longest[next] = 0;
        if (length > 0 && !(h->breakers && h->breakers[next]))
            each(arg, (int32_t)next, length);
    }
}

void sampler_breakers(const struct tokenizer *t, const struct sampler_text *texts, size_t n, uint8_t *breakers,
                      int n_vocab)
{
    int known = tokenizer_n_vocab(t);
    for (int32_t id = 0; id < n_vocab; id++) {
        size_t length = 0;
        const char *piece = id < known ? tokenizer_piece(t, id, 1, &length) : "";
        breakers[id] = 0;
        for (size_t i = 0; i < n; i++)
            breakers[id] |= texts[i].length > 0 && memmem(piece, length, texts[i].text, texts[i].length) != NULL;
    }
}
