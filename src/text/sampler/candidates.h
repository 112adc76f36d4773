/* The candidates of one pick, and how stages cut them. Inside of the sampler.
 *
 *     c[begin .. end)   divided into buckets by value: every candidate of a bucket comes before those of the next one
 *
 * Order is value descending, then id ascending. Buckets are put in order one by one, and only those in which a stage cuts: sums of
 * integer weights need no order. A short list is one bucket. */
#ifndef TEXT_SAMPLER_CANDIDATES_H
#define TEXT_SAMPLER_CANDIDATES_H

#include <stddef.h>
#include <stdint.h>

enum { BUCKETS = 2048 };

struct candidate {
    double value;
    int32_t id;
};

/* Where candidates come from. */
struct source {
    const float *logits;
    const uint8_t *allowed; /* [n_vocab] or NULL */
    int n_vocab;
    /* tokens whose value is not their logit: at the head of `changed`, marked, with their value; removed ones are -INFINITY */
    int32_t *changed;    /* [n_vocab] */
    uint8_t *is_changed; /* [n_vocab] */
    double *value;       /* [n_vocab] */
    size_t n_changed;
};

struct candidates {
    struct candidate *c; /* [n_vocab] */
    size_t begin, end;
    int n_bucket;
    uint32_t start[BUCKETS + 1];
    uint8_t in_order[BUCKETS];
    double top, per_unit;          /* bucket of a value as collected: (top - value) * per_unit */
    int is_scaled;                 /* values were divided since */
    uint64_t weight[BUCKETS], sum; /* of candidates_weigh() */
    double best;                   /* value of the first then */
};

/* 0: a NaN or +inf is among the logits. */
int source_is_finite(const float *logits, int n);

/* The k <= SAMPLER_TOP first. */
void candidates_first(struct candidates *l, const struct source *from, size_t k);
void candidates_all(struct candidates *l, const struct source *from);

static inline size_t candidates_count(const struct candidates *l) { return l->end - l->begin; }

/* Candidate i in order; i < count. */
struct candidate *candidates_at(struct candidates *l, size_t i);
void candidates_order(struct candidates *l);                 /* all of them: then c[begin + i] is candidate i */
void candidates_changed(struct candidates *l);               /* their values changed, and with them the order */
void candidates_scale(struct candidates *l, double divisor); /* of all values; > 0: the order stays */
/* Order by key[id] ascending, then id. */
void candidates_order_by(struct candidates *l, const double *key);

/* floor(exp(x) 2^40) of x <= 0. */
uint64_t candidate_weight(double x);
/* Weights of the buckets and their sum. */
void candidates_weigh(struct candidates *l);
static inline uint64_t candidates_weight(const struct candidates *l, const struct candidate *c)
{
    return candidate_weight(c->value - l->best);
}
/* The number of the first candidate where the sum of weights from the first on is above x; after weighing; x < sum. */
size_t candidates_reach(struct candidates *l, uint64_t x);

/* Keep the first k, never fewer than 1; those of at least a value, and never fewer than `least` of all. */
void candidates_keep(struct candidates *l, size_t k);
void candidates_keep_above(struct candidates *l, double value, size_t least);

#endif
