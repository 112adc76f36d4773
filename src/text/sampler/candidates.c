/* The candidates of one pick: see candidates.h. */
#include "text/sampler/candidates.h"

#include "text/sampler/sampler.h"

#include <math.h>
#include <string.h>

/* ---- logits ---------------------------------------------------------------------------------------------------------------- */

enum { BLOCK = 64, PLUS_INFINITY = 0x7F800000 };

/* The bits of an f32 as a number of the same order (-0 just below 0, NaNs at both ends). */
static inline int32_t ordered(int32_t bits) { return bits ^ ((bits >> 31) & INT32_MAX); }

/* Loops over a block have a fixed length and nothing but integers: compilers turn them into vector instructions. */
static int32_t block_max(const int32_t *bits)
{
    int32_t max = INT32_MIN;
    for (int i = 0; i < BLOCK; i++) {
        int32_t x = ordered(bits[i]);
        max = x > max ? x : max;
    }
    return max;
}

static int block_is_finite(const int32_t *bits)
{
    int32_t bad = 0;
    for (int i = 0; i < BLOCK; i++)
        bad |= ((bits[i] & INT32_MAX) > PLUS_INFINITY) | (bits[i] == PLUS_INFINITY);
    return !bad;
}

int source_is_finite(const float *logits, int n)
{
    const int32_t *bits = (const int32_t *)logits;
    int i = 0, ok = 1;
    for (; i + BLOCK <= n; i += BLOCK)
        ok &= block_is_finite(bits + i);
    for (; i < n; i++)
        ok &= logits[i] < INFINITY;
    return ok;
}

static int is_candidate(const struct source *from, int i)
{
    return from->logits[i] > -INFINITY && (!from->allowed || from->allowed[i]) &&
           !(from->n_changed && from->is_changed[i]);
}

/* The next changed candidate from number *k on. */
static int next_changed(const struct source *from, size_t *k, struct candidate *c)
{
    while (*k < from->n_changed) {
        int32_t id = from->changed[(*k)++];
        *c = (struct candidate){from->value[id], id};
        if (c->value > -INFINITY)
            return 1;
    }
    return 0;
}

/* ---- order ----------------------------------------------------------------------------------------------------------------- */

static inline int before(const struct candidate *a, const struct candidate *b, const double *key)
{
    double x = key ? key[a->id] : -a->value, y = key ? key[b->id] : -b->value;
    return x != y ? x < y : a->id < b->id;
}

static void sift(struct candidate *c, size_t n, size_t at, const double *key)
{
    struct candidate x = c[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && before(&c[child], &c[child + 1], key);
        if (!before(&x, &c[child], key))
            break;
        c[at] = c[child];
    }
    c[at] = x;
}

static void heap_sort(struct candidate *c, size_t n, const double *key)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(c, n, i, key);
    for (size_t i = n; i-- > 1;) {
        struct candidate x = c[0];
        c[0] = c[i];
        c[i] = x;
        sift(c, i, 0, key);
    }
}

/* Few are inserted; many may still be in order already, as equal values are. */
static void sort(struct candidate *c, size_t n, const double *key)
{
    size_t sorted = 1;
    while (sorted < n && before(&c[sorted - 1], &c[sorted], key))
        sorted++;
    if (n - sorted > 32 && sorted < n) {
        heap_sort(c, n, key);
        return;
    }
    for (; sorted < n; sorted++) {
        struct candidate x = c[sorted];
        size_t at = sorted;
        for (; at > 0 && before(&x, &c[at - 1], key); at--)
            c[at] = c[at - 1];
        c[at] = x;
    }
}

static void one_bucket(struct candidates *l, int in_order)
{
    l->is_scaled = 0;
    l->n_bucket = 1;
    l->start[0] = (uint32_t)l->begin;
    l->start[1] = (uint32_t)l->end;
    l->in_order[0] = (uint8_t)in_order;
}

/* A bucket's candidates: begin and end cut buckets, too. */
static size_t bucket_begin(const struct candidates *l, int b)
{
    return l->start[b] > l->begin ? l->start[b] : l->begin;
}

static size_t bucket_end(const struct candidates *l, int b)
{
    return l->start[b + 1] < l->end ? l->start[b + 1] : l->end;
}

static void put_in_order(struct candidates *l, int b)
{
    size_t begin = bucket_begin(l, b), end = bucket_end(l, b);
    if (!l->in_order[b] && begin < end)
        sort(l->c + begin, end - begin, NULL);
    l->in_order[b] = 1;
}

void candidates_order(struct candidates *l)
{
    for (int b = 0; b < l->n_bucket; b++)
        put_in_order(l, b);
}

void candidates_changed(struct candidates *l)
{
    one_bucket(l, 0);
    candidates_order(l);
}

void candidates_scale(struct candidates *l, double divisor)
{
    for (size_t i = l->begin; i < l->end; i++)
        l->c[i].value /= divisor;
    l->is_scaled = 1;
}

void candidates_order_by(struct candidates *l, const double *key)
{
    sort(l->c + l->begin, l->end - l->begin, key);
    one_bucket(l, 1);
}

/* The bucket that holds c[at]. */
static int bucket_at(const struct candidates *l, size_t at)
{
    int low = 0, high = l->n_bucket - 1;
    while (low < high) {
        int mid = (low + high) / 2;
        if (l->start[mid + 1] > at)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

struct candidate *candidates_at(struct candidates *l, size_t i)
{
    put_in_order(l, bucket_at(l, l->begin + i));
    return &l->c[l->begin + i];
}

/* ---- collecting ------------------------------------------------------------------------------------------------------------ */

/* Into a list in order of at most k. */
static void insert(struct candidates *l, const struct candidate *x, size_t k)
{
    size_t low = 0, high = l->end;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (before(&l->c[mid], x, NULL))
            low = mid + 1;
        else
            high = mid;
    }
    if (low == k)
        return;
    l->end += l->end < k;
    memmove(&l->c[low + 1], &l->c[low], (l->end - 1 - low) * sizeof *l->c);
    l->c[low] = *x;
}

static int any_allowed(const uint8_t *allowed)
{
    uint64_t any = 0, eight;
    for (int i = 0; i < BLOCK; i += 8) {
        memcpy(&eight, allowed + i, 8);
        any |= eight;
    }
    return any != 0;
}

/* The value that a logit must exceed to get in: of k candidates the last; ids ascend, so an equal one comes behind it. */
static double least_value(const struct candidates *l, size_t k) { return l->end < k ? -INFINITY : l->c[k - 1].value; }

static void insert_block(struct candidates *l, const struct source *from, int i, int end, size_t k)
{
    double least = least_value(l, k);
    for (; i < end; i++) {
        if (!(from->logits[i] > least) || !is_candidate(from, i))
            continue;
        insert(l, &(struct candidate){from->logits[i], i}, k);
        least = least_value(l, k);
    }
}

void candidates_first(struct candidates *l, const struct source *from, size_t k)
{
    const int32_t *bits = (const int32_t *)from->logits;
    struct candidate c;
    int i = 0;
    l->begin = l->end = 0;
    for (; i + BLOCK <= from->n_vocab; i += BLOCK) {
        /* nearly every block stops here, once the first few hundred tokens were seen */
        float least = (float)least_value(l, k);
        int32_t least_bits;
        memcpy(&least_bits, &least, sizeof least);
        if (block_max(bits + i) <= ordered(least_bits) || (from->allowed && !any_allowed(from->allowed + i)))
            continue;
        insert_block(l, from, i, i + BLOCK, k);
    }
    insert_block(l, from, i, from->n_vocab, k);
    for (size_t t = 0; next_changed(from, &t, &c);)
        insert(l, &c, k);
    one_bucket(l, 1);
}

static int bucket_of(const struct candidates *l, double value)
{
    double x = (l->top - value) * l->per_unit;
    return x < BUCKETS - 1 ? (int)x : BUCKETS - 1;
}

static void find_range(struct candidates *l, const struct source *from)
{
    double top = -INFINITY, low = INFINITY;
    struct candidate c;
    for (int i = 0; i < from->n_vocab; i++)
        if (is_candidate(from, i)) {
            double x = from->logits[i];
            top = x > top ? x : top;
            low = x < low ? x : low;
        }
    for (size_t t = 0; next_changed(from, &t, &c);) {
        top = c.value > top ? c.value : top;
        low = c.value < low ? c.value : low;
    }
    l->top = top;
    double range = top - low < 28 ? top - low : 28; /* weights end at 28 */
    l->per_unit = range > 0 ? (BUCKETS - 1) / range : 0;
}

void candidates_all(struct candidates *l, const struct source *from)
{
    struct candidate c;
    uint32_t *next = l->start + 1, n = 0; /* counts, then where the bucket's next candidate goes, then its end */
    find_range(l, from);
    memset(l->start, 0, sizeof l->start);
    for (int i = 0; i < from->n_vocab; i++)
        if (is_candidate(from, i))
            next[bucket_of(l, from->logits[i])]++;
    for (size_t t = 0; next_changed(from, &t, &c);)
        next[bucket_of(l, c.value)]++;
    for (int b = 0; b < BUCKETS; b++) {
        uint32_t count = next[b];
        next[b] = n;
        n += count;
    }
    for (int i = 0; i < from->n_vocab; i++)
        if (is_candidate(from, i))
            l->c[next[bucket_of(l, from->logits[i])]++] = (struct candidate){from->logits[i], i};
    for (size_t t = 0; next_changed(from, &t, &c);)
        l->c[next[bucket_of(l, c.value)]++] = c;
    memset(l->in_order, 0, sizeof l->in_order);
    l->n_bucket = BUCKETS;
    l->is_scaled = 0;
    l->begin = 0;
    l->end = n;
}

/* ---- weights --------------------------------------------------------------------------------------------------------------- */

/* exp(r 2^0) by its series, |r| <= ln 2 / 2; within an ulp, and cheaper by the hundred thousand than f64_exp(). */
uint64_t candidate_weight(double x)
{
    static const double c[] = {1.0 / 2,       1.0 / 6,        1.0 / 24,        1.0 / 120,
                               1.0 / 720,     1.0 / 5040,     1.0 / 40320,     1.0 / 362880,
                               1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
    if (!(x >= -28)) /* exp(-28) is below 2^-40 */
        return 0;
    double n = (x * 0x1.71547652b82fep+0 + 0x1.8p52) - 0x1.8p52; /* to the nearest integer */
    double r = (x - n * 0x1.62e42fee00000p-1) - n * 0x1.a39ef35793c76p-33, z = r * r, z4 = z * z;
    double low = (c[0] + r * c[1]) + z * (c[2] + r * c[3]), mid = (c[4] + r * c[5]) + z * (c[6] + r * c[7]),
           high = (c[8] + r * c[9]) + z * (c[10] + r * c[11]);
    uint64_t bits = (uint64_t)((int64_t)n + 1023 + 40) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return (uint64_t)((1 + (r + z * (low + z4 * (mid + z4 * high)))) * scale);
}

void candidates_weigh(struct candidates *l)
{
    l->best = candidates_at(l, 0)->value;
    l->sum = 0;
    for (int b = 0; b < l->n_bucket; b++) {
        uint64_t sum = 0;
        for (size_t i = bucket_begin(l, b), end = bucket_end(l, b); i < end; i++)
            sum += candidate_weight(l->c[i].value - l->best);
        l->weight[b] = sum;
        l->sum += sum;
    }
}

size_t candidates_reach(struct candidates *l, uint64_t x)
{
    uint64_t sum = 0;
    int b = 0;
    while (b + 1 < l->n_bucket && sum + l->weight[b] <= x)
        sum += l->weight[b++];
    put_in_order(l, b);
    size_t i = bucket_begin(l, b);
    while (i + 1 < l->end && (sum += candidates_weight(l, &l->c[i])) <= x)
        i++;
    return i - l->begin;
}

void candidates_keep(struct candidates *l, size_t k)
{
    k = k > 0 ? k : 1;
    if (k >= candidates_count(l))
        return;
    candidates_at(l, k);
    l->end = l->begin + k;
}

void candidates_keep_above(struct candidates *l, double value, size_t least)
{
    if (l->n_bucket > 1 && l->is_scaled) {
        candidates_order(l);
        one_bucket(l, 1);
    }
    int b = l->n_bucket > 1 ? bucket_of(l, value) : 0; /* in buckets before it all are above */
    put_in_order(l, b);
    size_t i = bucket_begin(l, b), end = bucket_end(l, b);
    while (i < end && l->c[i].value >= value)
        i++;
    i = i > l->begin ? i - l->begin : 0;
    candidates_keep(l, i > least ? i : least);
}
