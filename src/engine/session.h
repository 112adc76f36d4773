/* A loaded model under one plan: file, tokenizer, weights, expert store, pages, scratch. Everything with a size is cut from one
 * mapping; after session_load() a step allocates nothing.
 *
 *     session_prepare   file, numbers, tokenizer, plan: reads headers only
 *     session_load      mapping, pool, reader, weights
 *     model_forward     one step of a batch (model/model.h)
 *     session_commit    its rows are computed
 */
#ifndef ENGINE_SESSION_H
#define ENGINE_SESSION_H

#include "base/error.h"
#include "engine/plan.h"
#include "engine/prefault.h"
#include "engine/prefix/cache.h"
#include "text/chat/chat.h"
#include "text/constraint/constraint.h"
#include "text/sampler/sampler.h"
#include "text/tokenizer/tokenizer.h"

/* What the answer in a sequence has said, for penalties and DRY. */
struct sampling_history {
    uint64_t answer;                 /* whose it is, 0: nobody's */
    struct sampler_history *sampler; /* n tokens of it */
    size_t n;
    void *memory;      /* for any history of plan.n_ctx tokens */
    uint8_t *breakers; /* [n_vocab] tokens that end a repetition, of the texts that make up this hash */
    uint64_t breakers_hash;
};

struct session {
    struct gguf *file;
    struct model *model;
    struct tokenizer *tokenizer; /* NULL where the file has none that stoker can use; why: tokenizer_error */
    struct error tokenizer_error;
    struct token_trie *trie;                    /* of the tokenizer, for constraints */
    struct constraint_budget constraint_budget; /* of plan.constraints.held bytes */
    struct chat *chat;                          /* NULL without a tokenizer */
    struct plan plan;
    struct pool *pool;
    struct reader *reader;

    enum kv_type kv;
    struct sequence *seq;  /* [plan.n_parallel] */
    struct kv_pool states; /* copies of recurrent state */
    struct prefix_cache prefix;
    float *logits; /* [plan.n_logits][n_vocab] */
    struct sampler *sampler;
    struct sampling_history *sampling_history; /* [plan.n_parallel], beside seq */
    int32_t *token, *pos, *wants;              /* [plan.n_chunk]: room for a batch */
    struct sequence **row_seq;
    uint8_t *dead;

    struct arena memory; /* the mapping, cut into: */
    struct arena slots, weights, pages, scratch, tables;
    struct prefault prefault;
};

struct session_options {
    const char *chat_template, *tool_format; /* of stoker_options; may be NULL */
    struct plan_request plan_request;
    enum cpu_tier tier;                                         /* cap */
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* bytes of weights read; may be NULL */
    void *progress_arg;
    const char *route_trace, *cache_log; /* paths, or NULL: model/traces.h */
    const char *routes;                  /* path, or NULL: model/forced_routes.h */
};

/* On failure everything is given back. When the plan is refused, *out stays for its numbers (minimum, whole) if keep is set;
 * the caller closes it. */
int session_prepare(struct session **out, const char *path, const struct session_options *opt, int keep,
                    struct error *err);
int session_load(struct session *s, const struct session_options *opt, struct error *err);
/* Ends reading: on the thread that ran the steps, because it owns the ring and only it sees completions at once. Optional before
 * session_close(), which does it otherwise. */
void session_end_reading(struct session *s);
void session_close(struct session *s);

/* An empty batch over the session's room. */
struct batch session_batch(struct session *s);

/* Append a row; the pages for its position are reserved. -1: no room in the step or no page left. wants_logits rows must not
 * exceed plan.n_logits. */
int batch_add(struct session *s, struct batch *b, struct sequence *seq, int32_t token, int pos, int wants_logits);

/* After model_forward(), and before pages that windows leave are used for anything else. The positions of the rows that stayed are
 * computed; the sequences of those that left are invalid. */
void session_commit(struct batch *b);

/* Logits, sampler, histories and batch room: for the plan. */
uint64_t session_logits_bytes(int n_vocab, int n_logits, int n_chunk, int n_parallel, int n_ctx);

#endif
