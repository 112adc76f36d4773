/* The numbers of a model, read from the file's metadata and checked against each other before anything uses them. */
#ifndef MODEL_PARAMS_H
#define MODEL_PARAMS_H

#include "op/rope.h"
#include "op/rows.h"

#include <stdint.h>

struct error;
struct gguf;

enum { PARAMS_MAX_LAYERS = 4096, PARAMS_MAX_WIDTH = 1 << 20 };
enum { NGRAM_SIZE = 8, NGRAM_HEADS = 64 }; /* at most: tokens of an n-gram; rows that a token takes */

/* Which of params.rope a layer takes: the first unless it says otherwise. The second is that of layers with a window, or, where no
 * architecture fills it in, none. */
enum { ROPE, WINDOW_ROPE, NO_ROPE = WINDOW_ROPE, ROPES };

/* Of so many layers the last sees everything, or knows no positions, where no key says which does (architectures.md 2). */
enum { PERIOD_UNSAID = 4 };

/* The hidden row of a feed-forward: silu(g) * u; clamped, with a steeper sigmoid (gpt-oss); gelu(g) * u; max(g, 0) * u; without a gate
 * max(u, 0)^2 or gelu(u). */
enum ffn_act { FFN_SILU, FFN_SWIGLU_OAI, FFN_GELU, FFN_RELU, FFN_RELU2, FFN_GELU_UNGATED };

/* What becomes of the rows of a text behind the last layer: logits, or, by the key ARCH.pooling_type (its value and 1), vectors or scores:
 * every row; their mean; the first, the last; a head behind one of these. */
enum pooling { POOLING_OFF, POOLING_NONE, POOLING_MEAN, POOLING_CLS, POOLING_LAST, POOLING_RANK };

struct params { /* numbers of values, heads, layers or positions */
    int n_layer, n_vocab, n_embd, n_ctx_train;
    enum pooling pooling;
    enum pooling head_takes;      /* with POOLING_RANK: of which rows its head makes scores */
    int bidirectional;            /* 1: a row sees later ones too; set before params_read() */
    int n_ff;                     /* of dense layers */
    enum ffn_act ffn_act;         /* of all feed-forwards, experts too */
    int n_head, n_head_kv;        /* n_head is a multiple of n_head_kv */
    int d_k, d_v;                 /* of a head */
    int n_expert, n_expert_used;  /* 0, 0: dense */
    int n_ff_expert, n_ff_shared; /* n_ff_shared 0: no shared expert */
    int n_latent_expert;          /* width of the latent that experts see; 0: they see rows of n_embd */
    float norm_eps;
    int layer_norm;                    /* 1: norms are around the mean, without bias */
    float embd_scale, attn_scale;      /* of embeddings and of scores; 0: 1, and 1 / sqrt(d_k) */
    float residual_scale, logit_scale; /* of what blocks add to a row, and of logits; 0: 1 */
    float value_scale;                 /* of values, and so of what attention adds to a row; 0: 1 */
    float alibi;               /* most that a distance takes off scores, times its positions; 0: nothing (ALiBi) */
    float attn_cap, logit_cap; /* x becomes cap tanh(x / cap); 0: none */
    int window, window_period; /* positions that windowed layers see; every window_period-th layer sees all */
    int d_window;              /* of a head in windowed layers, where it is not d_k */
    struct delta_params {      /* gated delta net: heads of d keys and d values, a convolution before them */
        int n_head_k, n_head_v, d, conv, interval; /* every interval-th layer attends instead */
        float qk_eps, lowest; /* of Kimi delta attention: of its l2 norms; bound of decays (op/recur.h), 0: none */
    } delta;
    struct ssm_params { /* Mamba-2: heads of d values, groups of B and C, a convolution before them */
        int n_head, n_group, d, n_state, conv;
    } ssm;
    struct mamba_params { /* Mamba-1: states of each channel, width of the row of which steps are made, a convolution */
        int n_channel, n_state, rank, conv;
    } mamba;
    struct latent_params {                        /* latent attention: ranks, and the parts of a head */
        int q_rank, kv_rank, d_nope, d_rope, d_v; /* q_rank 0: queries are not compressed */
        float scale;
    } latent;
    int n_conv;            /* positions of a short convolution */
    struct hyper_params {  /* hyper-connections: between blocks a row is n streams of n_embd values */
        int n, iterations; /* n 0: one stream, to which blocks add */
        int rank;          /* of low-rank ones; 0: the others */
        int is_behind;     /* 1: a block takes its input by the gates that the block before it left */
        float eps;
    } hyper;
    struct index_params { /* the indexer that chooses keys: heads of d values; top_k keys; 0: there is none */
        int n_head, d, top_k;
        int rope_at; /* the first rotated value of a head */
        int ratio;   /* positions that a key stands for, where plain keys are chosen by it; 0: 1 */
        int block,
            n_local; /* blocks of so many positions, chosen for each KV head (op/indexer.h); 0: one choice for all */
    } index;
    struct ngram_params { /* rows of a table that the last tokens choose; size 0: there is none */
        int layer, size, per_size, n_head, d, conv,
            eos; /* n-grams of 2 to size tokens, per_size heads of each, rows of d */
        uint64_t times[NGRAM_SIZE];
        int32_t first[NGRAM_HEADS], n_row[NGRAM_HEADS]; /* the rows of each head */
    } ngram;
    struct out_params { /* groups of heads whose outputs have a matrix of their own, each giving rank values */
        int n_group, rank;
    } out;
    /* Of attention: queries at position p are multiplied by 1 + scale ln(1 + floor((p + first) / n)). scale 0: they are not. */
    struct temperature_params {
        double scale;
        int n, first;
    } temperature;
    int n_token_routed;     /* leading layers whose experts the token alone decides */
    int n_shared_kv;        /* last layers that attend to what an earlier one of their kind keeps */
    int d_layer_embd;       /* width of a layer's own embeddings; 0: none */
    int n_layer_dense_lead; /* leading layers without experts */
    int moe_step;           /* of the others only every moe_step-th layer has some; 0: all */
    /* How a router's logits become experts and weights: struct route_rule. */
    enum route_gate router_gate;
    int router_normalise, n_group, n_group_used;
    float router_scale;
    struct rope_params rope[ROPES]; /* n_rot 0: nothing is rotated */
};

/* Matrices between a row and the hidden row: gate and up, or up alone. */
static inline int params_gated(const struct params *p)
{
    return p->ffn_act != FFN_RELU2 && p->ffn_act != FFN_GELU_UNGATED;
}

/* Width of the rows that experts see. */
static inline int params_expert_width(const struct params *p)
{
    return p->n_latent_expert ? p->n_latent_expert : p->n_embd;
}

/* Positions that a row attends to at most where an indexer chooses; 0: there is none. */
static inline int params_most_chosen(const struct params *p)
{
    const struct index_params *x = &p->index;
    return x->top_k * (x->block ? x->block : x->ratio ? x->ratio : 1);
}

/* Floats of a row between layers. */
static inline int params_row_width(const struct params *p) { return p->n_embd * (p->hyper.n ? p->hyper.n : 1); }

/* Read the keys that all models have ("ARCH.block_count" and so on); params_read() those of attention as well. pairs: how the
 * architecture rotates. This and all functions below: 0, or -1 with the sentence, which names the file and the key. */
int params_read_sizes(struct params *p, const struct gguf *g, struct error *err);
int params_read(struct params *p, const struct gguf *g, enum rope_pairs pairs, struct error *err);
/* Without those of positions, of models that rotate nothing. */
int params_read_unrotated(struct params *p, const struct gguf *g, struct error *err);

/* The expert keys; -1 also when they are absent. */
int params_read_experts(struct params *p, const struct gguf *g, struct error *err);
/* The same; their width may be a list of equal numbers. */
int params_read_experts_listed(struct params *p, const struct gguf *g, struct error *err);

/* One key, "ARCH.key", whose value must be in [min, max]. bool: absent leaves *out as it is; real: absent sets *out to
 * fallback, or is an error where that is NaN. */
int params_bool(const struct gguf *g, const char *key, int *out, struct error *err);
int params_real(const struct gguf *g, const char *key, double min, double max, double fallback, double *out,
                struct error *err);

/* A whole number of "ARCH.key" in [min, max]; absent: fallback, or an error if fallback < 0. */
int params_int(const struct gguf *g, const char *key, int min, int max, int fallback, int *out, struct error *err);

/* After params_read(): attention.temperature_scale, and where it is not 0 attention.temperature_length, which is length_absent where the
 * file has none (-1: the key is missing). */
int params_read_temperature(struct params *p, const struct gguf *g, int length_absent, struct error *err);

/* The temperature of queries at a position; scale is not 0. */
float params_temperature(const struct temperature_params *t, int pos);

/* After params_read(): params.rope[WINDOW_ROPE], that of layers with a window: as the first, but unscaled, with the base
 * rope.freq_base_swa; base_absent, or an error where that is NaN, if the file has none. params_unscaled(): the first must be unscaled
 * too, since the file does not say what its scaling means for layers with a window. */
int params_read_window_rope(struct params *p, const struct gguf *g, double base_absent, struct error *err);
int params_unscaled(const struct params *p, const struct gguf *g, struct error *err);

/* Whether layer l has a window: attention.sliding_window_pattern, a truth for each layer or a period whose last layer sees everything;
 * where the file has none, period_absent. */
int params_windowed(const struct gguf *g, int l, int period_absent, int *windowed, struct error *err);

/* The same of a key that has one number for all layers or an array with one a layer (bools count as 0 and 1): that of layer l,
 * and the largest of n_layer. */
int params_int_of(const struct gguf *g, const char *key, int l, int min, int max, int fallback, int *out,
                  struct error *err);
int params_int_most(const struct gguf *g, const char *key, int n_layer, int min, int max, int fallback, int *out,
                    struct error *err);

/* rope.dimension_sections: how many pairs of rotated values each of the three axes has, at most `most`. 1: out is filled; 0: the file has
 * no such key; -1 with the sentence. Files have a fourth number, which text does not need. */
int params_axes(const struct gguf *g, int most, int out[3], struct error *err);

/* An array of exactly n whole numbers; signed ones are taken as u64. Absent: -1 with the sentence. */
int params_list(const struct gguf *g, const char *key, int n, uint64_t *out, struct error *err);
/* The same of numbers that rows of tables, tokens and the like may have: whole ones below 2^31. */
int params_numbers(const struct gguf *g, const char *key, uint64_t n, int32_t *out, struct error *err);
/* How many items an array has, from min to max. */
int params_count(const struct gguf *g, const char *key, int min, int max, int *out, struct error *err);
/* Of what tensors tell of layer l (is_so; role: in words): -1 where one of so many keys, a layer's number or a list of them, is there and
 * tells otherwise. */
int params_agree(const struct gguf *g, int l, int is_so, const char *role, const char *const *key, int n_key,
                 struct error *err);
int params_has(const struct gguf *g, const char *key);
int params_is_list(const struct gguf *g, const char *key); /* an array of any kind */

/* After params_read(): -1 where feed_forward_length, attention.head_count or attention.head_count_kv has another number for
 * one layer than for another. */
int params_alike(const struct gguf *g, int n_layer, struct error *err);

/* A real number, of layer l, likewise from one number or an array. */
int params_real_of(const struct gguf *g, const char *key, int l, double min, double max, double fallback, double *out,
                   struct error *err);

#endif
