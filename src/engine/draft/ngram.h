/* Drafts by what a text repeats: where its last 5, 3 or 2 tokens stood before, it goes on as it did there.
 *
 * A table for each of these lengths has, by a hash of so many tokens, where the text went on when they stood in it last. What a place
 * holds is compared with the text, so places that are shared or stale cost a draft at most. Of a text that is known all at once, as a
 * cached prefix is, they learn a little in each step; what stands before those tokens is searched meanwhile, piece by piece.
 *
 * Where the same 5 tokens went on differently, a text varies, as the values of a list's items do. Drafts end before such a place, and
 * right behind it unless the tokens before that went on alike twice, until the text has gone past several of them as the one that it
 * follows did. */
#ifndef ENGINE_DRAFT_NGRAM_H
#define ENGINE_DRAFT_NGRAM_H

#include "stoker.h"

#include <stddef.h>
#include <stdint.h>

struct ngram {
    uint32_t *next; /* [lengths][n_place] where it goes on, from 1; 0: nowhere; and a bit: in the prediction */
    uint8_t *marks; /* [n_place] two bits each, of places of the text, which wrap around: it varies, it went on alike */
    uint32_t n_place;
    uint64_t text; /* its number */
    int found; /* how many tokens were alike where the last drafts are from: 5, 3, 2; 0: the prediction's beginning */
    size_t n_oldest,
        n_known; /* of the text's tokens, those whose continuations are in the tables: from the one up to the other */
    const stoker_token
        *prediction; /* [n_prediction] another text, which the rest of this one may be like; NULL: none is known */
    size_t n_prediction, from; /* from: of this text, where that rest begins */
    size_t n_learnt;           /* tokens of the prediction whose continuations are in the tables */
    int predicted;             /* 1: the last drafts are the prediction's */
    int searched;      /* 1: the last step searched what the tables do not have yet, and learnt nothing of it, */
    size_t search_end; /* the next piece that is searched ends here; 0: where the tables begin */
    size_t followed;   /* where the text was followed last, of what the tables did not have then; 0: nowhere */
    int around;        /* 1: the last search was around that place */
    struct way {       /* a text that goes on at `at`, of n tokens; NULL: none */
        const stoker_token *text;
        size_t at, n;
    } last;        /* where the last drafts are from, */
    size_t last_n; /* which went on after so many tokens of this text */
    int held;      /* places where the text varies, one after another, in which it went on as it did before */
};

/* Bytes of the tables for texts of n_ctx tokens: at most 3 MiB and 64 KiB. ngram_init() takes memory of them;
 * ngram_begin(): another text. */
size_t ngram_bytes(int n_ctx);
void ngram_init(struct ngram *g, void *memory, int n_ctx);
void ngram_begin(struct ngram *g, uint64_t text);

enum { NGRAM_STEP = 16 }; /* tokens that a step learns: some 4 us, as their places come from DRAM */

/* text [n] is known so far: it begins with what it began with before. At most so many of its tokens are learnt: those that are new first;
 * then, the newest first, those of a prefix that was known all at once, as what is found in the cache of prefixes, or what came while
 * nobody asked. */
void ngram_learn(struct ngram *g, const stoker_token *text, size_t n, int most);

/* The text goes on from here, and what comes behind its first `from` tokens may be like prediction [n], which lives as long as this text
 * is asked about. It counts for more than what the text has said so far. A long one is learnt in pieces, while it is asked about, before
 * what is left of the text. */
void ngram_predict(struct ngram *g, const stoker_token *prediction, size_t n, size_t from);

/* At most `most` tokens that may follow text [n] and n_guess more behind it, fewer behind shorter matches. What is guessed is not learnt;
 * of the text and the prediction at most NGRAM_STEP tokens are, or all that one step accepted. Returns how many. */
int ngram_propose(struct ngram *g, const stoker_token *text, size_t n, int n_guess, int most, stoker_token *out);

#endif
