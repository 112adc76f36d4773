/* See session_tables.h. */
#include "engine/session_tables.h"

#include "base/checked.h"

static int alloc_ngrams(struct session_tables *t, struct arena *a, int n_parallel, int n_ctx)
{
    t->ngram = arena_array(a, (size_t)n_parallel, sizeof *t->ngram);
    t->ngram_memory = arena_array(a, (size_t)n_parallel, ngram_bytes(n_ctx));
    return t->ngram && t->ngram_memory ? 0 : -1;
}

static int alloc_pairs(struct pair_tables *t, struct arena *a, const struct tables_request *of)
{
    size_t rows = (size_t)of->n_chunk, n = (size_t)of->n_parallel, width = (size_t)of->nextn;
    t->token = arena_array(a, rows, sizeof *t->token);
    t->pos = arena_array(a, rows, sizeof *t->pos);
    t->logit_row = arena_array(a, rows, sizeof *t->logit_row);
    t->row_seq = arena_array(a, rows, sizeof(struct sequence *));
    t->dead = arena_array(a, rows, 1);
    t->h = arena_array(a, (rows + 1) * width, sizeof *t->h);
    t->nextn = arena_array(a, n, sizeof *t->nextn);
    t->nextn_h = arena_array(a, n * (size_t)of->nextn_rows * width, sizeof *t->nextn_h);
    return t->token && t->pos && t->logit_row && t->row_seq && t->dead && t->h && t->nextn && t->nextn_h ? 0 : -1;
}

int session_tables_alloc(struct session_tables *t, struct arena *a, const struct tables_request *of)
{
    size_t rows = (size_t)of->n_chunk, n = (size_t)of->n_parallel, vocab = (size_t)of->n_vocab;
    size_t n_logits = (size_t)of->n_logits;
    t->seq = arena_array(a, n, sizeof *t->seq);
    t->sampling_history = arena_array(a, n, sizeof *t->sampling_history);
    t->logits = arena_array(a, n_logits * vocab, sizeof *t->logits);
    t->kept = arena_array(a, n_logits, sizeof(uint8_t *));
    t->sampler = arena_alloc(a, sampler_bytes(of->n_vocab));
    t->token = arena_array(a, rows, sizeof *t->token);
    t->pos = arena_array(a, rows, sizeof *t->pos);
    t->logit_row = arena_array(a, rows, sizeof *t->logit_row);
    t->scored_row = arena_array(a, rows, sizeof *t->scored_row);
    t->row_seq = arena_array(a, rows, sizeof(struct sequence *));
    t->dead = arena_array(a, rows, 1);
    t->history_bytes = round_up(sampler_history_most(of->n_vocab, (size_t)of->n_ctx), 64);
    t->history_memory = arena_array(a, n, t->history_bytes);
    t->breakers = arena_array(a, n, vocab);
    if ((of->ngrams && alloc_ngrams(t, a, of->n_parallel, of->n_ctx)) || (of->nextn && alloc_pairs(&t->pairs, a, of)))
        return -1;
    return t->seq && t->sampling_history && t->logits && t->kept && t->sampler && t->token && t->pos && t->logit_row &&
                   t->scored_row && t->row_seq && t->dead && t->history_memory && t->breakers
               ? 0
               : -1;
}

uint64_t session_tables_bytes(const struct tables_request *of)
{
    struct arena measured;
    struct session_tables t;
    arena_init_measuring(&measured);
    session_tables_alloc(&t, &measured, of);
    return measured.peak;
}
