/* What drafts cost and bring: how many are worth their rows (docs/spec/drafts.md 5). It decides what is computed in vain, and no bit of an
 * answer.
 *
 * Learnt of a text: how often drafts of a source hold, by their place behind its last token. Of the model: what drafts add to a step.
 * Three things, each measured by itself: experts that drafts alone touch (they come from DRAM), those of them that have to be read (from
 * the drive), and the rest by rows. And what the model's own layer takes to draft one. What is lost is no more than a hundredth of all
 * time and half a step, and a machine that is held up now and then changes little of that. */
#ifndef ENGINE_DRAFT_PRICE_H
#define ENGINE_DRAFT_PRICE_H

#include <stdint.h>

/* Where drafts are from: a caller, a constraint, the prediction's first tokens, what stood behind 5, 3, 2 tokens, the model's layer, or
 * another model in its place. */
enum draft_kind {
    DRAFT_OWN,
    DRAFT_FORCED,
    DRAFT_BEGUN,
    DRAFT_LONG,
    DRAFT_MIDDLE,
    DRAFT_SHORT,
    DRAFT_LAYER,
    DRAFT_KINDS
};
enum { DRAFT_PLACES = 8, PRICE_SIZES = 8 }; /* the last place stands for all behind it */

/* How often the draft in a place holds, if those before it do. */
struct acceptance {
    double often[DRAFT_KINDS][DRAFT_PLACES];
    double seen[DRAFT_KINDS][DRAFT_PLACES]; /* drafts, those of other places in part; the first ones count for more */
};

/* Least squares of what k drafts add: jump + k * slope, newer steps count for more. */
struct price_line {
    double n, k, kk, y, ky;
};

/* Of a model and its machine. "Plain": of steps without drafts, recent means. */
struct price {
    struct acceptance usual; /* of all texts: where a new one begins */
    uint64_t set;            /* who decodes, */
    int decoding;            /* and how many they are */
    double plain;            /* seconds of their steps without drafts ... */
    double waited;           /* ... of which they waited for reads so long; */
    double experts, misses;  /* distinct experts of their layers, and how many of these were read */
    int n_plain, since;      /* such steps that were measured; steps with drafts since the last of them */
    int of_others;           /* 1: those were of sequences that decoded before */
    int in_doubt;            /* 1: the last one took much longer or less than those before it, and is not in the mean */
    double expert;           /* seconds that an expert takes which is in memory */
    double reads, read_wait; /* experts that were read, and seconds that steps waited for them: recent sums */
    double cold;             /* of experts that drafts alone touch, the share that is read; -1: not known */
    double fresh;            /* of the experts of a row, the share that the row before it did not touch */
    int n_fresh;             /* steps that told */
    double pass; /* seconds in which the layer, or the other model, makes one draft for who wants one; 0: not known */
    struct price_size {
        struct price_line rest; /* but for experts and reads, as a share of that of a plain step */
        int seen;               /* steps, the first few */
        int dear;               /* that took much longer than was believed, the last one of so many drafts; 0: none */
    } size[PRICE_SIZES];        /* by how many decode, in powers of two */
    double credit; /* seconds, as far as they are remembered: gained by drafts, and a hundredth of all time */
    uint64_t coin; /* for tests, not 0: numbers by chance, whatever they cost */
    int all;       /* likewise, 1: as many as there may be, of the layer where it has some */
};

/* A sequence's drafts. */
struct offer {
    struct acceptance *of;
    enum draft_kind kind;
    int n;        /* how many there are; out: how many to compute */
    int n_forced; /* of these, the first ones are DRAFT_FORCED, */
    int n_behind; /* and so are the last ones, whatever the others are */
    int n_layer;  /* so many may the model's layer make in place of them */
    int by_layer; /* out, 1: n of those are to be made */
};

/* What a step took. */
struct step_cost {
    double seconds;         /* of its forward pass, of which: */
    double waited;          /* for reads of experts */
    double expert_seconds;  /* computing them */
    double experts, misses; /* distinct ones of each layer, and those of them that were read */
    double drafting;        /* beside it: seconds of the layer or the other model, which drafts ... */
    int n_pass;             /* ... in so many passes that made drafts; */
    double catching_up;     /* of theirs, coming up to texts that they did not follow; */
    double asking;          /* and before it, of what texts repeat and constraints force */
};

void price_init(struct price *p);
void acceptance_begin(struct acceptance *a, const struct price *p);

/* Drafts of an offer were compared with what was chosen: from draft `from` on n_right hold; refused 1: the next one does not. */
void acceptance_learn(struct price *p, const struct offer *o, int from, int n_right, int refused);

/* Before each step of `decoding` sequences without prompts, `set` of them: how many drafts of each offer are worth it, at most `most`. */
void price_choose(struct price *p, uint64_t set, int decoding, struct offer *offer, int n_offer, int most);

/* 1: more time was lost than may be: nothing is drafted, and nobody need be asked. */
int price_rests(const struct price *p);

/* 1: what was gained pays for bringing a source up to a text that it has not followed. */
int price_affords(const struct price *p);

/* Behind it: so many drafts were computed, and held. */
void price_learn(struct price *p, int decoding, int n_drafted, int n_right, const struct step_cost *took);

#endif
