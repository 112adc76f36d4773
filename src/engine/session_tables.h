/* The tables of a session that no other part sizes: sequences, logits, the sampler's memory and the rows of a batch. The plan measures
 * them with the function that allocates them, so that the two cannot differ. */
#ifndef ENGINE_SESSION_TABLES_H
#define ENGINE_SESSION_TABLES_H

#include "base/arena.h"
#include "engine/draft/nextn.h"
#include "engine/draft/ngram.h"
#include "model/model.h"
#include "text/sampler/sampler.h"

/* What a sequence's answer holds so far, as penalties and DRY need it. */
struct sampling_history {
    uint64_t answer;                 /* id of the request, 0: none yet */
    struct sampler_history *sampler; /* of its first n tokens */
    size_t n;
    void *memory;           /* for any history of plan.n_ctx tokens */
    uint8_t *breakers;      /* [n_vocab] tokens that end a repetition, for the texts with this hash */
    uint64_t breakers_hash; /* 0: not filled in yet */
};

/* Rows of pairs (model_nextn()), beside those of a batch, and what the layer that predicts has of each sequence. */
struct pair_tables {
    int32_t *token, *pos, *logit_row; /* [n_chunk] */
    struct sequence **row_seq;        /* [n_chunk] */
    uint8_t *dead;                    /* [n_chunk] */
    float *h; /* [n_chunk + 1][model_h_width()] struct batch's, of a batch, then of its pairs; the last one is spare */
    struct nextn *nextn; /* [n_parallel] beside seq */
    float *nextn_h;      /* [n_parallel][nextn_rows()][model_h_width()] of theirs */
    int widest;          /* most rows of a pass that drafts */
};

struct session_tables {
    struct sequence *seq;                      /* [n_parallel] */
    struct sampling_history *sampling_history; /* [n_parallel] beside seq */
    float *logits;                             /* [n_logits][n_vocab] */
    void *sampler;                             /* [sampler_bytes(n_vocab)] */
    uint8_t **kept;                  /* [n_logits] blocks where drafted rows leave states, plan.n_draft of them */
    int32_t *token, *pos;            /* [n_chunk] of a batch: struct batch */
    int32_t *logit_row, *scored_row; /* [n_chunk] likewise */
    struct sequence **row_seq;       /* [n_chunk] */
    uint8_t *dead;                   /* [n_chunk] */
    uint8_t *history_memory;         /* [n_parallel][history_bytes] */
    uint8_t *breakers;               /* [n_parallel][n_vocab] */
    size_t history_bytes;
    uint8_t *ngram_memory;    /* [n_parallel][ngram_bytes()] */
    struct ngram *ngram;      /* [n_parallel], where texts that repeat themselves are drafted from; NULL: none are */
    struct pair_tables pairs; /* of a model whose own layer drafts */
};

/* What they are made for. */
struct tables_request {
    int n_vocab, n_logits, n_chunk, n_parallel, n_ctx;
    int ngrams; /* 1: with those of drafts by what texts repeat */
    int nextn;  /* values of a row, where a layer of the model drafts; 0: none does; and rows of each sequence */
    int nextn_rows;
};

/* Allocates them. Their contents are undefined. -1: the arena is too small. */
int session_tables_alloc(struct session_tables *t, struct arena *a, const struct tables_request *of);

/* Bytes that session_tables_alloc() takes: measured. */
uint64_t session_tables_bytes(const struct tables_request *of);

#endif
