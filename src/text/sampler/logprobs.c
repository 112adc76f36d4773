/* See logprobs.h. Nearly all of the work is one exponential a token of the vocabulary. */
#include "text/sampler/logprobs.h"

#include "base/f64.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 64 };

/* exp(x) of x <= 0, within an ulp or two: 2^n times the series of the rest, |r| <= ln 2 / 2. Plain products and sums, and no branch:
 * compilers make vector instructions of a loop over it, which have the same bits. f64_exp() divides fifteen times. */
static inline double exp_of(double x)
{
    static const double c[] = {1.0 / 2,       1.0 / 6,        1.0 / 24,        1.0 / 120,
                               1.0 / 720,     1.0 / 5040,     1.0 / 40320,     1.0 / 362880,
                               1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
    double y = x < -700 ? -700 : x;
    double shifted = y * 0x1.71547652b82fep+0 + 0x1.8p52, n = shifted - 0x1.8p52; /* to the nearest integer */
    double r = (y - n * 0x1.62e42fee00000p-1) - n * 0x1.a39ef35793c76p-33, z = r * r, z4 = z * z;
    double low = (c[0] + r * c[1]) + z * (c[2] + r * c[3]), mid = (c[4] + r * c[5]) + z * (c[6] + r * c[7]),
           high = (c[8] + r * c[9]) + z * (c[10] + r * c[11]);
    uint64_t bits;
    double scale;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 1023) << 52; /* the integer is in the low bits */
    memcpy(&scale, &bits, sizeof scale);
    double e = (1 + (r + z * (low + z4 * (mid + z4 * high)))) * scale;
    return x < -700 ? 0 : e;
}

/* The sum of exp(logit - best), in the order of ids. */
static double sum_of(const float *logits, int n, double best)
{
    double e[BLOCK], sum = 0;
    int i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        for (int k = 0; k < BLOCK; k++)
            e[k] = exp_of((double)logits[i + k] - best);
        for (int k = 0; k < BLOCK; k++)
            sum += e[k];
    }
    for (; i < n; i++)
        sum += exp_of((double)logits[i] - best);
    return sum;
}

size_t logprobs_of(struct candidates *l, const struct source *from, struct token_logprob *token,
                   struct token_logprob *top, size_t n_top)
{
    candidates_first(l, from, n_top > 0 ? (n_top < SAMPLER_TOP ? n_top : SAMPLER_TOP) : 1);
    double best = candidates_count(l) ? l->c[0].value : 0,
           all = best + f64_ln(sum_of(from->logits, from->n_vocab, best));
    token->logprob = from->logits[token->id] - all;
    n_top = n_top < candidates_count(l) ? n_top : candidates_count(l);
    for (size_t i = 0; i < n_top; i++)
        top[i] = (struct token_logprob){l->c[i].id, l->c[i].value - all};
    return n_top;
}

static int rank_of(const float *logits, int n, int32_t id)
{
    float value = logits[id];
    int before = 0;
    for (int i = 0; i < id; i++)
        before += logits[i] >= value;
    for (int i = id + 1; i < n; i++)
        before += logits[i] > value;
    return before + 1;
}

int sampler_score(const float *logits, int n_vocab, int32_t id, struct token_score *out, struct token_logprob *top,
                  size_t n_top)
{
    struct candidate first[SAMPLER_TOP];
    struct candidates l;
    const struct source from = {.logits = logits, .n_vocab = n_vocab};
    struct token_logprob token = {.id = id};
    if (!source_is_finite(logits, n_vocab))
        return -1;
    l.c = first;
    size_t n = logprobs_of(&l, &from, &token, top, n_top);
    *out = (struct token_score){token.logprob, rank_of(logits, n_vocab, id), (int)n};
    return 0;
}
