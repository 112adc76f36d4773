/* Drafts: tokens that may come next, computed behind a sequence's last one in the same step (docs/spec/drafts.md). Where they come
 * from changes no bit of an answer: only what is computed in vain. Here are their sources; ../step/ computes and verifies them. */
#ifndef ENGINE_DRAFT_DRAFT_H
#define ENGINE_DRAFT_DRAFT_H

#include "engine/draft/forced.h"
#include "engine/draft/price.h"
#include "stoker.h"

#include <stddef.h>
#include <stdint.h>

/* A source of drafts: at most `most` ids that may follow history [n], into out. Returns how many. */
typedef int draft_source(void *arg, const stoker_token *history, size_t n, int most, stoker_token *out);

/* Drafts as they were proposed: those that are not computed are compared with what is chosen in their places all the same, so that what
 * is learnt of places far behind does not wait until they are worth computing. */
struct proposal {
    size_t start; /* where the first one stands in the text */
    struct offer offer;
    int n_known; /* so many have been compared; all of them where one does not hold */
    stoker_token id[STOKER_DRAFT_MOST];
};

/* Part of a job. */
struct draft {
    draft_source *source; /* NULL: nothing is drafted */
    void *arg;
    int coin;             /* of a scripted answer: 1 + per cent of the drafts that hold; 0: as the source says */
    int is_off;           /* 1: something that a step with drafts needed was unreadable; the answer goes on without */
    int n_forced;         /* of those of this step, the first ones: what the constraint forces */
    int n_text;           /* and those behind so many, which it forces if they hold */
    enum draft_kind kind; /* of the others */
    int predicted;        /* 1: these are the prediction's */
    int by_layer;         /* 1: the model's own layer made them; reach: so many it makes next (0: it has made none) */
    int reach;
    struct forced forced;
    struct acceptance acceptance; /* begun 1: it is being learnt */
    int begun;
    struct proposal followed;                                          /* where drafts are priced */
    uint64_t n_drafted, n_accepted, n_predicted, n_predicted_accepted; /* predicted: of these, the prediction's */
};

/* What is drafted in this step is the model's own layer's, or another model's, and nobody else's. */
void draft_of_layer(struct draft *d);

/* What a price is told of the first n of this step's drafts. */
struct offer draft_offer(struct draft *d, int n);

/* Follows n drafts that were proposed behind a text of n_text tokens, unless others are followed still. */
void draft_follow(struct draft *d, const stoker_token *id, int n, size_t n_text);

/* Compares them with text [n_text], which has gone on. Of this step's drafts, which stand from `start` on, the first n_learnt were computed
 * and have taught what they teach. */
void draft_compare(struct draft *d, struct price *p, const stoker_token *text, size_t n_text, size_t start,
                   int n_learnt);

/* Asks the source. Ids that are not in [0, n_vocab) end what it says. */
int draft_propose(const struct draft *d, const stoker_token *history, size_t n, int most, int n_vocab,
                  stoker_token *out);

#endif
