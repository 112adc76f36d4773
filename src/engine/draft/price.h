/* What drafts cost and bring: how many are worth their rows (docs/spec/drafts.md 5). It decides what is computed in vain, and no bit of an
 * answer.
 *
 * Learnt of a text: how often drafts of a source hold, by their place behind its last token. Of the model: what steps with drafts take,
 * relative to those without, as they are measured: products of more rows, experts that only those touch, reads that are waited for. Where
 * time was lost the drafts rest until it is a hundredth of all. */
#ifndef ENGINE_DRAFT_PRICE_H
#define ENGINE_DRAFT_PRICE_H

#include <stdint.h>

/* Where drafts are from: a caller, a constraint, the prediction's first tokens, what stood behind 5, 3, 2 tokens. */
enum draft_kind { DRAFT_OWN, DRAFT_FORCED, DRAFT_BEGUN, DRAFT_LONG, DRAFT_MIDDLE, DRAFT_SHORT, DRAFT_KINDS };
enum { DRAFT_PLACES = 8, PRICE_SIZES = 8 }; /* the last place stands for all behind it */

/* How often the draft in a place holds, if those before it do. */
struct acceptance {
    double often[DRAFT_KINDS][DRAFT_PLACES];
    int seen[DRAFT_KINDS][DRAFT_PLACES]; /* the first ones count for more */
};

/* Of a model and its machine. */
struct price {
    struct acceptance usual; /* of all texts: where a new one begins */
    uint64_t set;            /* who decodes */
    double plain;            /* seconds of their steps without drafts */
    int n_plain, since;      /* such steps that were measured; steps with drafts since the last of them */
    /* Least squares of what k drafts add, as a share of a plain step: jump + k * slope, newer steps count for more; by how many decode */
    struct price_fit {
        double n, k, kk, y, ky;
        int seen; /* steps, the first few */
    } fit[PRICE_SIZES];
    double credit; /* seconds, as far as they are remembered: gained by drafts, and a hundredth of all time */
    uint64_t coin; /* for tests, not 0: numbers by chance, whatever they cost */
};

/* A sequence's drafts. */
struct offer {
    struct acceptance *of;
    enum draft_kind kind;
    int n;        /* how many there are; out: how many to compute */
    int n_forced; /* of these, the first ones are DRAFT_FORCED, whatever the others are */
};

void price_init(struct price *p);
void acceptance_begin(struct acceptance *a, const struct price *p);

/* n drafts were computed of which the first n_right hold; refused 1: the next one was compared and did not. */
void acceptance_learn(struct acceptance *a, struct price *p, enum draft_kind kind, int n_right, int refused);

/* Before each step of `decoding` sequences without prompts, `set` of them: how many drafts of each offer are worth it, at most `most`. */
void price_choose(struct price *p, uint64_t set, int decoding, struct offer *offer, int n_offer, int most);

/* Behind it: so many drafts were computed, and held. */
void price_learn(struct price *p, int decoding, int n_drafted, int n_right, double seconds);

#endif
