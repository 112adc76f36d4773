/* See session_tables.h. */
#include "engine/session_tables.h"

#include "base/checked.h"

static int alloc_ngrams(struct session_tables *t, struct arena *a, int n_parallel, int n_ctx)
{
    t->ngram = arena_array(a, (size_t)n_parallel, sizeof *t->ngram);
    t->ngram_memory = arena_array(a, (size_t)n_parallel, ngram_bytes(n_ctx));
    return t->ngram && t->ngram_memory ? 0 : -1;
}

int session_tables_alloc(struct session_tables *t, struct arena *a, int n_vocab, int n_logits, int n_chunk,
                         int n_parallel, int n_ctx, int ngrams)
{
    size_t rows = (size_t)n_chunk, n = (size_t)n_parallel, vocab = (size_t)n_vocab;
    t->seq = arena_array(a, n, sizeof *t->seq);
    t->sampling_history = arena_array(a, n, sizeof *t->sampling_history);
    t->logits = arena_array(a, (size_t)n_logits * vocab, sizeof *t->logits);
    t->kept = arena_array(a, (size_t)n_logits, sizeof(uint8_t *));
    t->sampler = arena_alloc(a, sampler_bytes(n_vocab));
    t->token = arena_array(a, rows, sizeof *t->token);
    t->pos = arena_array(a, rows, sizeof *t->pos);
    t->logit_row = arena_array(a, rows, sizeof *t->logit_row);
    t->scored_row = arena_array(a, rows, sizeof *t->scored_row);
    t->row_seq = arena_array(a, rows, sizeof(struct sequence *));
    t->dead = arena_array(a, rows, 1);
    t->history_bytes = round_up(sampler_history_most(n_vocab, (size_t)n_ctx), 64);
    t->history_memory = arena_array(a, n, t->history_bytes);
    t->breakers = arena_array(a, n, vocab);
    if (ngrams && alloc_ngrams(t, a, n_parallel, n_ctx))
        return -1;
    return t->seq && t->sampling_history && t->logits && t->kept && t->sampler && t->token && t->pos && t->logit_row &&
                   t->scored_row && t->row_seq && t->dead && t->history_memory && t->breakers
               ? 0
               : -1;
}

uint64_t session_tables_bytes(int n_vocab, int n_logits, int n_chunk, int n_parallel, int n_ctx, int ngrams)
{
    struct arena measured;
    struct session_tables t;
    arena_init_measuring(&measured);
    session_tables_alloc(&t, &measured, n_vocab, n_logits, n_chunk, n_parallel, n_ctx, ngrams);
    return measured.peak;
}
