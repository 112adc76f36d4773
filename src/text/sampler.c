/* The sampling chain: see sampler.h.
 *
 * A candidate is one 64-bit key: the logit, mapped so that larger values are smaller numbers, above the id. Sorting keys
 * ascending is the order of the specification (value descending, id ascending), and each stage keeps a prefix. Weights are
 * integers, so their sums depend on no order. sampling.md 2 and 3. */
#include "text/sampler.h"

#include "base/error.h"
#include "base/f64.h"
#include "base/half.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

enum { FEW = 256 }; /* top_k up to here keeps a sorted list; above, and without top_k, everything is sorted */

struct sampler {
    int n_vocab;
    size_t n;         /* candidates */
    uint64_t *key;    /* [n_vocab] in order */
    uint64_t *weight; /* [n_vocab] of the last stage; while sorting: the other half of the keys */
};

struct sampling sampling_defaults(void) { return (struct sampling){0.8, 40, 0.95, 0.05, 0}; }

size_t sampler_bytes(int n_vocab) { return 64 + (size_t)n_vocab * 2 * sizeof(uint64_t); }

struct sampler *sampler_place(void *mem, int n_vocab)
{
    struct sampler *s = mem;
    uint64_t *rows = (uint64_t *)((char *)mem + 64);
    *s = (struct sampler){n_vocab, 0, rows, rows + n_vocab};
    return s;
}

static uint64_t key_of(float logit, int32_t id)
{
    uint32_t bits = f32_bits(logit + 0.0f); /* -0 and 0 are equal */
    uint32_t ascending = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return (uint64_t)~ascending << 32 | (uint32_t)id;
}

static int32_t id_of(uint64_t key) { return (int32_t)(uint32_t)key; }

/* NaN and +inf are errors, also of tokens that are not allowed. */
static int check_finite(const struct sampler *s, const float *logits, uint64_t index, struct error *err)
{
    int bad = 0;
    for (int i = 0; i < s->n_vocab; i++)
        bad |= !(logits[i] < INFINITY);
    return !bad ? 0
                : error_set(err, ERR_FORMAT,
                            "non-finite logits at position %llu: the model file is damaged or its weights overflow",
                            (unsigned long long)index);
}

static int is_candidate(const float *logits, const uint8_t *allowed, int i)
{
    return logits[i] > -INFINITY && (!allowed || allowed[i]);
}

static void collect_all(struct sampler *s, const float *logits, const uint8_t *allowed)
{
    for (int i = 0; i < s->n_vocab; i++)
        if (is_candidate(logits, allowed, i))
            s->key[s->n++] = key_of(logits[i], i);
}

/* The k best, by insertion. After the first few hundred tokens hardly any gets past the comparison. */
static void collect_best(struct sampler *s, const float *logits, const uint8_t *allowed, size_t k)
{
    float least = -INFINITY; /* of k candidates */
    for (int i = 0; i < s->n_vocab; i++) {
        /* a later id with the same value comes behind */
        if (!(logits[i] > least) || !is_candidate(logits, allowed, i))
            continue;
        uint64_t key = key_of(logits[i], i);
        size_t low = 0, high = s->n;
        while (low < high) {
            size_t mid = (low + high) / 2;
            if (s->key[mid] < key)
                low = mid + 1;
            else
                high = mid;
        }
        s->n += s->n < k;
        memmove(&s->key[low + 1], &s->key[low], (s->n - 1 - low) * sizeof *s->key);
        s->key[low] = key;
        if (s->n == k)
            least = logits[id_of(s->key[k - 1])];
    }
}

/* Least significant digit first, 11 bits at a time, over the upper half: stable, and ids came in ascending. */
static void sort_keys(struct sampler *s)
{
    uint64_t *from = s->key, *to = s->weight;
    for (int shift = 32; shift < 64; shift += 11) {
        uint32_t place[2048] = {0}, sum = 0;
        for (size_t i = 0; i < s->n; i++)
            place[from[i] >> shift & 2047]++;
        for (int d = 0; d < 2048; d++) {
            uint32_t n = place[d];
            place[d] = sum;
            sum += n;
        }
        for (size_t i = 0; i < s->n; i++)
            to[place[from[i] >> shift & 2047]++] = from[i];
        uint64_t *sorted = to;
        to = from;
        from = sorted;
    }
    s->key = from; /* three passes: the halves have changed places */
    s->weight = to;
}

static double value(const struct sampler *s, const float *logits, size_t i) { return logits[id_of(s->key[i])]; }

/* Weights of the candidates at temperature t, and their sum. */
static uint64_t weigh(struct sampler *s, const float *logits, double t)
{
    double best = value(s, logits, 0) / t;
    uint64_t sum = 0;
    for (size_t i = 0; i < s->n; i++) {
        double x = value(s, logits, i) / t - best;
        s->weight[i] = x < -28 ? 0 : (uint64_t)(f64_exp(x) * 0x1p40); /* exp(-28) is below 2^-40 */
        sum += s->weight[i];
    }
    return sum;
}

static void keep_top_p(struct sampler *s, const float *logits, double top_p)
{
    if (top_p >= 1)
        return;
    uint64_t sum = weigh(s, logits, 1), reached = 0;
    uint64_t q = top_p > 0 ? (uint64_t)nearbyint(top_p * 0x1p32) : 0;
    uint64_t enough = (uint64_t)(((unsigned __int128)q * sum + 0xFFFFFFFFu) >> 32);
    size_t k = 0;
    while (k < s->n && (k == 0 || reached < enough))
        reached += s->weight[k++];
    s->n = k;
}

static void keep_min_p(struct sampler *s, const float *logits, double min_p)
{
    if (min_p <= 0)
        return;
    double least = value(s, logits, 0) + f64_ln(min_p);
    size_t k = 1;
    while (k < s->n && value(s, logits, k) >= least)
        k++;
    s->n = k;
}

static int32_t only(struct sampler *s, uint64_t key)
{
    s->key[0] = key;
    s->weight[0] = (uint64_t)1 << 40;
    s->n = 1;
    return id_of(key);
}

static int32_t draw(struct sampler *s, const float *logits, const struct sampling *how, uint64_t index, uint32_t choice)
{
    if (!isfinite(value(s, logits, 0) / how->temperature)) /* so cold that nothing but the first has a weight */
        return only(s, s->key[0]);
    uint64_t sum = weigh(s, logits, how->temperature), reached = 0;
    uint64_t x = (uint64_t)(((unsigned __int128)rng_u64(how->seed, index, 0, choice) * sum) >> 64);
    size_t i = 0;
    while ((reached += s->weight[i]) <= x)
        i++;
    return id_of(s->key[i]);
}

int32_t sampler_pick(struct sampler *s, const float *logits, const uint8_t *allowed, const struct sampling *how,
                     uint64_t index, uint32_t choice, struct error *err)
{
    s->n = 0;
    if (check_finite(s, logits, index, err) != 0)
        return -1;
    int greedy = !(how->temperature > 0);
    size_t k = greedy ? 1 : how->top_k > 0 ? (size_t)how->top_k : (size_t)s->n_vocab;
    if (k <= FEW && k < (size_t)s->n_vocab) {
        collect_best(s, logits, allowed, k);
    } else {
        collect_all(s, logits, allowed);
        sort_keys(s);
    }
    if (s->n == 0)
        return error_set(err, ERR_INPUT, "no token may follow at position %llu: every one is masked",
                         (unsigned long long)index);
    s->n = s->n < k ? s->n : k;
    if (greedy)
        return only(s, s->key[0]);
    keep_top_p(s, logits, how->top_p);
    keep_min_p(s, logits, how->min_p);
    return draw(s, logits, how, index, choice);
}

size_t sampler_candidates(const struct sampler *s) { return s->n; }

int32_t sampler_candidate(const struct sampler *s, size_t i, uint64_t *weight)
{
    *weight = s->weight[i];
    return id_of(s->key[i]);
}
