/* The vocabulary that arch files are written in: each call is one sentence of a paper, over all rows of a step.
 *
 * Shapes are [n_rows][...]. Scratch comes from the step: step_rows() lasts until the step_reset() of the mark taken before. */
#ifndef MODEL_STEP_H
#define MODEL_STEP_H

#include "model/bind.h"
#include "model/model.h"
#include "op/act.h"
#include "op/attention.h"
#include "op/moe.h"
#include "op/recur.h"
#include "op/rows.h"

struct step {
    struct model *m;
    struct batch *b;
    int n_rows;
    struct rope_rows {
        float *cos, *sin; /* [n_rows][n_rot / 2] */
    } rope[ROPES];
    struct attn_row *attn_row[KV_KINDS]; /* [n_rows], NULL where the model has no such kind */
    float *layer_embd;                   /* [n_layer][n_rows][d_layer_embd], or NULL */
    int32_t *chosen;                     /* [n_rows][params.index.top_k] what a layer of latents chose last */
    struct run *run;                     /* stretches of rows of one sequence */
    int n_run;
    struct error *err; /* of the step as a whole */
};

float *step_rows(struct step *s, int n_cols);
static inline size_t step_mark(const struct step *s) { return arena_mark(s->m->op.scratch); }
static inline void step_reset(struct step *s, size_t mark) { arena_reset(s->m->op.scratch, mark); }

struct act act(struct step *s, const float *x, int n_cols);
void rms_norm(struct step *s, float *out, const float *x, const struct weight *w);
void matmul(struct step *s, float *out, struct act *a, const struct weight *w); /* out = a w^T */
void matmul_rows(struct step *s, float *out, struct act *a, const struct weight *w, int first,
                 int n); /* out [n_rows][n]: rows [first, first + n) of w alone */
void add_bias(struct step *s, float *x, const struct weight *b); /* x += b on every row; NULL: untouched */
void add(struct step *s, float *x, const float *y, int n_cols);  /* x += y */

/* Rows of x, ld apart, are those of the step's tokens, wherever the table is. -1 with the sentence in s->err. */
int embed(struct step *s, float *x, size_t ld, struct weight *table);

/* ---- shared mathematics ------------------------------------------------------------------------------------------------ */

/* Grouped-query attention with rotary positions; what a model lacks is NULL.
 *     x += post_norm(Wo attend(rope(norm(Wq n + bq)), rope(norm(Wk n + bk)), Wv n + bv) + bo)        n = rms_norm(x) */
struct attention_weights {
    struct kv_place kv;
    int rope;                   /* which of the model's */
    const struct weight *sinks; /* [n_head] */
    const struct weight *norm, *wq, *wk, *wv, *wo, *bq, *bk, *bv, *bo, *post_norm;
    const struct weight *q_norm,
        *k_norm; /* as wide as a head: each head by itself; as the projection: all heads together */
};
void block_attention(struct step *s, float *x, const struct attention_weights *w);

/* What chooses among keys: its queries and the weights of its heads; index keys of positions. */
struct indexer_weights {
    const struct weight *q, *w;
};
struct index_keys_weights {
    const struct weight *k, *norm, *norm_bias;
    struct kv_place place;
};

/* Latent attention (MLA): x += Wo [Wv_b,h attend([Wk_b,h^T q_nope | q_pe], [c | k_pe], c)]. params.latent has its numbers; where
 * params.rope[0].n_rot is 0, q_pe and k_pe stay as they are. Where params.index chooses (top_k > 0) a layer attends to the positions
 * that its indexer chooses, or, without one, to those that the layer before it did. */
struct latent_weights {
    struct index_keys_weights index_keys;
    struct indexer_weights indexer; /* q NULL: none */
    struct kv_place kv;
    const struct weight *norm, *wq, *wq_a, *q_a_norm, *wq_b, *wkv_a, *kv_a_norm, *wk_b, *wv_b, *wo;
    int v_first, v_rows; /* a head's rows of wv_b begin here; rows from head to head */
};
void block_latent(struct step *s, float *x, const struct latent_weights *w);

/* out = post_norm(Wdown act(Wgate a + bg, Wup a + bu) + bd); act is params.ffn_act, which may have no gate. */
struct ffn_weights {
    const struct weight *gate, *up, *down, *gate_bias, *up_bias, *down_bias, *post_norm;
    int n_ff;
    float limit; /* gate a at most, up a within it; 0: none */
};
void block_ffn(struct step *s, float *out, struct act *a, const struct ffn_weights *w);
ffn_act_fn *ffn_kernel(const struct step *s); /* the act of the model */

/* Mamba-2: x += Wout (group_norm(silu(z) * y)); params.ssm has its numbers, block_mamba2.c the formula. */
struct mamba2_weights {
    const struct weight *norm, *in, *conv, *conv_bias, *dt_bias, *A, *D, *y_norm, *out;
    size_t history, state;
};
void block_mamba2(struct step *s, float *x, const struct mamba2_weights *w);

/* A layer's own embeddings e_l of the tokens, made before the first layer: x += norm(Wo act(Wg x, e_l)). */
struct layer_embd_weights {
    const struct weight *gate, *out, *post_norm;
};
int make_layer_embd(struct step *s, const float *x);
void block_layer_embd(struct step *s, int l, float *x, const struct layer_embd_weights *w);

/* How x is attended when q, k, v [n_rows][...] are ready: stores k and v (k NULL: another layer did), out [n_rows][n_head * d_v].
 * d_v: of a value. */
void attend(struct step *s, struct kv_place kv, float *out, const float *q, const float *k, const float *v, int d_v,
            float scale, const struct weight *sinks);
/* The same with rows beside the layer's own; NULL: none. */
void attend_beside(struct step *s, struct kv_place kv, float *out, const float *q, const float *k, const float *v,
                   int d_v, float scale, const struct weight *sinks, const struct attn_beside *beside);
/* The same over chosen positions of latents [n_rows][params.index.top_k]. */
void attend_chosen(struct step *s, struct kv_place kv, float *out, const float *q, const float *k, int d_v, float scale,
                   const int32_t *chosen);
/* Rotary positions, on the first n_rot values of each head; rope: which of the model's. Its n_rot 0: none. */
void rotate_heads(struct step *s, float *x, int n_head, int head_dim, int rope);

/* The runs of the step [n_run], with what their sequences keep at these places of bind_state(). */
struct run *step_runs(struct step *s, size_t history, size_t state);

/* The same backwards: what was rotated to its position comes back. */
void rotate_heads_back(struct step *s, float *x, int n_head, int head_dim, int rope);

/* Hyper-connections (op/hyper.h): x [n_rows][n][n_embd] are the streams; a block sees u and gives y [n_rows][n_embd]. */
float *hyper_in(struct step *s, float *u, const float *x,
                const struct hyper_weights *w); /* returns what hyper_out() takes */
void hyper_out(struct step *s, float *x, const float *y, const float *gates, const struct hyper_weights *w);
float *hyper_end(struct step *s, const float *x, int n_rows); /* behind the last layer: u of these rows */

/* One compressed key for each ratio positions (op/compress.h), normed and rotated to its block's first position; the rows of
 * blocks that end in this step are stored. rounded: through fp8, but for the rotated values. */
struct compressor_weights {
    const struct weight *kv, *gate, *ape, *norm;
    int ratio, overlap, d, rounded;
    size_t state;
    struct kv_place place;
};

/* ... of a layer, beside those of its window. Where blocks overlap, the indexer chooses among them with keys of its own; else all are
 * seen. low: the compressed query. */
struct compressed_weights {
    int ratio, overlap; /* ratio 0: the layer has none */
    struct compressor_weights keys, index_keys;
    struct indexer_weights indexer;
};
struct attn_beside block_compressed(struct step *s, struct act *n, struct act *low, const struct compressed_weights *w,
                                    int rope);

/* The params.index.top_k keys of each row (op/indexer.h), asked with the compressed query low; keys: where they are. Rows that see no
 * more are left alone. chosen: of chosen_rows(), scratch of the step. */
void block_indexer(struct step *s, int32_t *chosen, struct act *n, struct act *low, const struct indexer_weights *w,
                   struct kv_place keys, int rope);
int32_t *chosen_rows(struct step *s); /* [n_rows][top_k] */

/* An index key of each position, stored. */
void index_keys(struct step *s, struct act *n, const struct index_keys_weights *w, int rope);

/* y = Wb [Wa,g o_g], g over params.out.n_group groups of heads. */
struct grouped_weights {
    const struct weight *a, *b;
};
void grouped_output(struct step *s, float *y, const float *o, const struct grouped_weights *w);

/* The experts of each row and their weights, by the rule; the router's bias may be NULL. */
struct routes {
    int32_t *id; /* [n_rows][n_used], in order of selection; -1: none */
    float *w;
    int n_used;
};
struct routes route_top_k(struct step *s, int l, struct act *a, const struct weight *router, const struct weight *bias,
                          int n_expert, int n_used, const struct route_rule *rule);

/* The experts that a table [n_vocab][n_used] has for each row's token; their weights are still the router's. */
struct routes route_by_token(struct step *s, int l, struct act *a, const struct weight *router,
                             const struct weight *table, const struct route_rule *rule);

/* y = post_norm(sum over a row's experts, ascending id), plus the shared expert (gated by a sigmoid where it has a gate); either
 * NULL. */
struct shared_expert {
    struct ffn_weights ffn;
    const struct weight *gate; /* [n_embd], or NULL: ungated */
    struct act *in;            /* what it sees, where that is not what the experts see; else NULL */
};
void moe_step_begin(struct step *s); /* before the first layer: the store may read on ahead */
void block_moe(struct step *s, int l, float *y, struct act *a, const struct routes *r, const struct experts *e,
               const struct shared_expert *shared);

/* Every layer ends here: the tap of control vectors and capture; rows of cancelled sequences leave. */
void layer_out(struct step *s, int l, float *x);

/* The second half of most decoders' layer: x += ffn(rms_norm(x)), or x += experts(rms_norm(x)) with the router on the same
 * norm. */
struct moe_weights {
    const struct weight *norm, *router, *router_bias;
    const struct experts *experts;
};
void block_dense(struct step *s, float *x, const struct weight *norm, const struct ffn_weights *w);
void block_sparse(struct step *s, int l, float *x, const struct moe_weights *w, const struct route_rule *rule,
                  const struct shared_expert *shared);

/* The same of DeepSeek's kind: the first params.n_dense_lead layers dense, the others with shared experts beside the routed. */
struct lead_weights {
    const struct weight *norm; /* of a dense layer */
    struct ffn_weights ffn;
    struct moe_weights moe; /* of one with experts */
    const struct weight *select_bias;
    struct shared_expert shared;
};
void block_lead(struct step *s, int l, float *x, const struct lead_weights *w);

/* A row leaves the step, and with it all rows of its sequence: they are routed nowhere from now on. */
void row_leaves(struct step *s, int row);

/* ---- what the shared blocks take, for an architecture's memory function: bytes of a row ------------------------------------ */
size_t attention_row_bytes(const struct params *p);
size_t latent_row_bytes(const struct params *p);
size_t latent_thread_bytes(const struct params *p); /* of a thread, where positions are chosen */
size_t mamba2_row_bytes(const struct params *p);
size_t hyper_row_bytes(const struct params *p); /* of hyper_in(), besides u */
size_t grouped_row_bytes(const struct params *p);
size_t indexer_row_bytes(const struct params *p); /* besides what is chosen */
size_t chosen_row_bytes(const struct params *p);
size_t indexer_thread_bytes(const struct params *p); /* of a thread */
size_t compressed_row_bytes(const struct params *p, int rope);
size_t ffn_row_bytes(const struct params *p, int n_ff);
size_t layer_embd_row_bytes(const struct params *p); /* of the block; */
size_t make_layer_embd_row_bytes(const struct model *m);
size_t moe_row_bytes(const struct params *p);              /* norm, router, bookkeeping, shared expert */
size_t moe_fixed_bytes(const struct model *m, int n_rows); /* the pairs of op/moe.h, for steps of n_rows rows */

/* Keys and values of plain attention in every layer, and the scratch of attention followed by a feed-forward of ffn bytes a
 * row: the memory function of most decoders. */
void decoder_memory(const struct model *m, size_t ffn_row, size_t ffn_fixed, struct arch_memory *out);

/* Attention of attention_row bytes a row followed by block_lead(): the memory function. */
void lead_memory(const struct model *m, int n_rows, size_t attention_row, struct arch_memory *out);

/* ---- what bind functions share ---------------------------------------------------------------------------------------------- */
struct binder;
void bind_attention(struct binder *b, int l, struct attention_weights *w,
                    int window); /* norm, q, k, v, output; window 0: none */
void bind_qkv_bias(struct binder *b, int l, struct attention_weights *w);
void bind_attention_biases_if(struct binder *b, int l,
                              struct attention_weights *w); /* q, k, v, output: those that are there */
void bind_qk_norm(struct binder *b, int l, struct attention_weights *w, int n_q, int n_k); /* their widths */
struct experts *bind_moe(struct binder *b, int l, struct moe_weights *w,
                         const char *norm);                                  /* its name; router, experts */
void bind_layer_embd(struct binder *b, int l, struct layer_embd_weights *w); /* and, with layer 0, the table */
void bind_ffn(struct binder *b, int l, struct ffn_weights *w, const char *suffix, int n_ff); /* suffix: "", "_shexp" */
/* stem: "hc_attn" of a layer; "output_hc" with l -1, the model's. */
void bind_hyper(struct binder *b, int l, struct hyper_weights *w, const char *stem);
void bind_grouped_output(struct binder *b, int l, struct grouped_weights *w);
void bind_indexer(struct binder *b, int l, struct indexer_weights *w, int q_rank);
void bind_index_keys(struct binder *b, int l, struct index_keys_weights *w); /* and what the layer keeps of them */
void bind_latent_index(struct binder *b, int l,
                       struct latent_weights *w); /* after bind_latent(): the layer chooses for itself */
void bind_compressed(struct binder *b, int l, struct compressed_weights *w, int q_rank); /* ratio and overlap are set */
void bind_latent(struct binder *b, int l, struct latent_weights *w); /* norm, q, latent, output; what the layer keeps */
void bind_mamba2(struct binder *b, int l, struct mamba2_weights *w); /* all of it; the state that the layer keeps */
void bind_lead(struct binder *b, int l, struct lead_weights *w, const char *norm); /* its name */

#endif
