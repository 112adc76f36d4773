/* A loaded model under one plan: file, tokenizer, weights, expert store, pages, scratch. All memory whose size the plan knows is cut
 * from one mapping, so that a step allocates nothing.
 *
 *     session_prepare   opens file and tokenizer, makes the plan: reads headers only
 *     session_load      maps the memory, starts pool and reader, reads the weights
 *     a step            session_batch, batch_add for each row, model_forward, session_commit
 */
#ifndef ENGINE_SESSION_H
#define ENGINE_SESSION_H

#include "base/error.h"
#include "engine/plan.h"
#include "engine/prefault.h"
#include "engine/prefix/cache.h"
#include "engine/session_tables.h"
#include "text/chat/chat.h"
#include "text/constraint/constraint.h"
#include "text/sampler/sampler.h"
#include "text/tokenizer/tokenizer.h"

struct session {
    struct gguf *file;
    struct model *model;
    struct tokenizer *tokenizer;                /* NULL: the file has none that stoker can use, or it only drafts */
    struct error tokenizer_error;               /* why not */
    struct error no_text;                       /* why it gives no text, of a model that pools */
    struct token_trie *trie;                    /* of the tokenizer, for constraints */
    struct constraint_budget constraint_budget; /* of plan.constraints.held bytes */
    struct chat *chat;                          /* NULL without a tokenizer */
    struct plan_request request;                /* as it was planned */
    struct plan plan;
    struct pool *pool;
    int shares_pool; /* 1: the pool is another session's, which outlives this one */
    struct reader *reader;

    enum kv_type kv;       /* of the options, but for models that pool */
    int score_rows;        /* of a batch: how many logits of scored rows are made at a time */
    struct kv_pool states; /* copies of recurrent state */
    struct prefix_cache prefix;
    struct sampler *sampler;
    struct session_tables tables; /* in table_memory */

    struct arena memory; /* the mapping, which is cut into: */
    struct arena slots, weights, pages, scratch, table_memory;
    struct prefault prefault;
};

/* What it is opened for; a model that cannot do that is refused. */
enum session_use { SESSION_FOR_ANY, SESSION_FOR_TEXT, SESSION_FOR_VECTORS, SESSION_FOR_DRAFTS };

struct session_options {
    enum session_use use;
    enum pooling pooling;                    /* instead of the file's; POOLING_OFF: the file's */
    const char *chat_template, *tool_format; /* of stoker_options; may be NULL */
    struct plan_request plan_request;
    enum cpu_tier tier;                                         /* of the kernels */
    double spin_ms;                                             /* of the pool; 0: the usual */
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* bytes of weights read; may be NULL */
    void *progress_arg;
    const char *route_trace, *cache_log; /* paths, or NULL: model/traces.h */
    const char *drafter;                 /* path of a model beside it that drafts, or NULL */
    int header_only;                     /* session_prepare(): a header without its tensors will do */
    struct pool *pool; /* session_load(): of another session, which outlives this one; NULL: one of its own */
};

/* Reads headers and makes the plan. -1: nothing stays open, except that a session whose plan was refused is returned in *out if keep is
 * set: its plan tells minimum and whole, and the caller closes it. */
int session_prepare(struct session **out, const char *path, const struct session_options *opt, int keep,
                    struct error *err);

/* Loads what session_prepare() planned, with the same options. -1: close the session. */
int session_load(struct session *s, const struct session_options *opt, struct error *err);

/* Between steps: reads experts that nothing has asked for yet, where all have a slot. 1: there is more to read. */
int session_read_idle(struct session *s);

/* Closes store and reader. Call it on the thread that ran the steps: that thread owns the ring, and only it is told of completions at
 * once. If it was not called, session_close() does it. */
void session_end_reading(struct session *s);

/* Frees everything. NULL is fine. No step may be running. */
void session_close(struct session *s);

/* An empty batch in the session's tables: one at a time. */
struct batch session_batch(struct session *s);

/* The same of pairs, for model_nextn(), in tables of their own; h and logits are those of session_batch(). Then: appends a pair, for whose
 * position a page is reserved; its row of h is the caller's to write. */
struct batch session_pairs(struct session *s);
void pairs_add(struct session *s, struct batch *b, struct sequence *seq, int32_t token, int pos, int with_logits);

/* Appends a row and reserves the page of its position. with_logits: it is one of at most plan.n_logits rows whose logits are computed.
 * -1: the batch is full, or no page is free. */
int batch_add(struct session *s, struct batch *b, struct sequence *seq, int32_t token, int pos, int with_logits);

/* The row that was added last is scored: struct batch. Its caller sets on_row. */
void batch_score(struct session *s, struct batch *b);

/* The last n rows of those that are added for seq next are drafts, at most plan.n_draft in a step: the rows before them leave their
 * states. Call it before batch_add(). */
void session_draft(struct session *s, struct batch *b, struct sequence *seq, int n);

/* After model_forward(), for each sequence with drafts: of its n rows from row first on the first n_right > 0 stay; the sequence is as if
 * the others had never been. */
void session_refuse(struct batch *b, int first, int n, int n_right);

/* After model_forward(): the positions of rows that were computed become their sequences' own; sequences whose rows left the step are
 * invalid. Pages that no window sees any more are given back, and those of refused rows alone. */
void session_commit(struct batch *b);

#endif
