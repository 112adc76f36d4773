/* GGUF files with everything but weights: keys and tensors of a given shape, the data a hole. A plan, which reads headers alone,
 * cannot tell them from the real thing; a 250 GB model takes a few kilobytes of disk.
 *
 * One key can be given another value than the shape has: hostile headers. */
#ifndef TESTS_SPARSE_MODEL_H
#define TESTS_SPARSE_MODEL_H

#include "base/error.h"
#include "gguf_write.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct shape {
    const char *arch; /* one of src/model/arch/archs.c, not all of them */
    int n_layer, n_embd, n_head, n_head_kv, d_k, d_v, n_ctx;
    int n_ff;                       /* dense */
    int n_expert, n_used, n_ff_exp; /* or experts */
    uint64_t n_vocab;
    enum block_type expert_type;
    int mixed;             /* down of odd layers in Q6_K: two sizes of experts */
    const char *other_key; /* without the architecture; NULL: none */
    uint64_t other_value;
    int window;                                     /* of the layers that have one */
    int n_head_state, n_group, d_state, n_conv;     /* qwen3next, qwen35: layers but every fourth */
    int q_rank, kv_rank, n_rot, n_dense, kv_b_type; /* deepseek2; kv_b_type: of an unsplit kv_b, 0: split */
    int d_kda; /* kimi-linear, with n_conv and the numbers of deepseek2: layers but every fourth and the last */
    const char *pattern;                         /* nemotron_h, nemotron_h_moe: of each layer M (Mamba-2), *, E or - */
    int d_head_state, n_latent;                  /* there: of a head of Mamba-2; of what experts see, 0: rows */
    const uint32_t *ratios;                      /* deepseek4: of each layer, with window, q_rank, n_rot */
    int n_index_head, d_index, top_k;            /* there, and of glm-dsa with the numbers of deepseek2 */
    int n_stream, n_out_group, out_rank, n_hash; /* there */
    int n_shared_kv, d_layer_embd;               /* gemma4 */
    int n_head_kv_window, d_window, window_period; /* gemma4: of layers with a window; every so-manieth has none */
    int n_draft;                                   /* layers behind n_layer that only predict further tokens */
};

static inline void sparse_key(struct gguf_writer *w, const struct shape *s, const char *name, int value)
{
    char key[100];
    int n = snprintf(key, sizeof key, "%s.%s", s->arch, name);
    uint64_t v = s->other_key && strcmp(s->other_key, name) == 0 ? s->other_value : (uint64_t)value;
    gguf_write_value(w, &(struct gguf_value){.key = {key, (uint64_t)n}, .kind = GGUF_U64, .n = 1, .as.u = v});
}

/* A key with one number a layer. */
enum { SPARSE_LAYERS = 256 };
static inline void sparse_list(struct gguf_writer *w, const struct shape *s, const char *name, const uint32_t *items)
{
    char key[100];
    int n = snprintf(key, sizeof key, "%s.%s", s->arch, name);
    if (s->other_key && strcmp(s->other_key, name) == 0)
        sparse_key(w, s, name, 0);
    else
        gguf_write_value(w, &(struct gguf_value){.key = {key, (uint64_t)n},
                                                 .kind = GGUF_ARRAY,
                                                 .item = GGUF_U32,
                                                 .n = (uint64_t)s->n_layer,
                                                 .as.items = items});
}

static inline void sparse_tensor(struct gguf_writer *w, int layer, const char *name, enum block_type type, uint64_t n0,
                                 uint64_t n1, uint64_t n2)
{
    char full[100];
    const char *suffix = strchr(name, '.') || strcmp(name, "ssm_a") == 0 || strcmp(name, "ssm_d") == 0 ? "" : ".weight";
    if (layer < 0)
        snprintf(full, sizeof full, "%s%s", name, suffix);
    else
        snprintf(full, sizeof full, "blk.%d.%s%s", layer, name, suffix);
    gguf_write_tensor(w, full, type, n2 ? 3 : n1 ? 2 : 1, (uint64_t[]){n0, n1, n2});
}

static inline int is_arch(const struct shape *s, const char *arch) { return strncmp(s->arch, arch, strlen(arch)) == 0; }

/* Dense layers first, then experts beside a shared one. */
static inline int has_dense_lead(const struct shape *s) { return s->kv_rank || is_arch(s, "glm4moe"); }

/* Of gemma4. */
static inline int has_window(const struct shape *s, int l) { return (l + 1) % s->window_period != 0; }

static inline void sparse_gemma4(struct gguf_writer *w, const struct shape *s, int l)
{
    static const char *const norms[] = {"pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2", "ffn_gate_inp.scale"};
    uint64_t n = (uint64_t)s->n_embd, d = (uint64_t)(has_window(s, l) ? s->d_window : s->d_k),
             q = (uint64_t)s->n_head * d, k = (uint64_t)(has_window(s, l) ? s->n_head_kv_window : s->n_head_kv) * d;
    sparse_tensor(w, l, "attn_q", TYPE_F16, n, q, 0);
    if (l < s->n_layer - s->n_shared_kv) {
        sparse_tensor(w, l, "attn_k", TYPE_F16, n, k, 0);
        sparse_tensor(w, l, "attn_k_norm", TYPE_F32, d, 0, 0);
        if (has_window(s, l))
            sparse_tensor(w, l, "attn_v", TYPE_F16, n, k, 0);
    }
    sparse_tensor(w, l, "attn_output", TYPE_F16, q, n, 0);
    sparse_tensor(w, l, "attn_q_norm", TYPE_F32, d, 0, 0);
    if (s->d_layer_embd) {
        sparse_tensor(w, l, "inp_gate", TYPE_F16, n, (uint64_t)s->d_layer_embd, 0);
        sparse_tensor(w, l, "proj", TYPE_F16, (uint64_t)s->d_layer_embd, n, 0);
        sparse_tensor(w, l, "post_norm", TYPE_F32, n, 0, 0);
    }
    for (int i = 0; s->n_expert && i < 4; i++)
        sparse_tensor(w, l, norms[i], TYPE_F32, n, 0, 0);
}

static inline void sparse_gemma4_keys(struct gguf_writer *w, const struct shape *s)
{
    uint32_t windowed[SPARSE_LAYERS];
    for (int l = 0; l < s->n_layer && l < SPARSE_LAYERS; l++)
        windowed[l] = (uint32_t)has_window(s, l);
    sparse_list(w, s, "attention.sliding_window_pattern", windowed);
    sparse_key(w, s, "attention.key_length_swa", s->d_window);
    sparse_key(w, s, "attention.value_length_swa", s->d_window);
    sparse_key(w, s, "rope.dimension_count_swa", s->d_window);
    sparse_key(w, s, "attention.shared_kv_layers", s->n_shared_kv);
    sparse_key(w, s, "embedding_length_per_layer_input", s->d_layer_embd);
}

/* The first tensor is the only one with data: zeros would not do. */
static inline void sparse_gemma4_tables(struct gguf_writer *w, const struct shape *s)
{
    uint64_t n = (uint64_t)(s->n_layer * s->d_layer_embd);
    sparse_tensor(w, -1, "rope_freqs", TYPE_F32, (uint64_t)s->d_k / 2, 0, 0);
    if (n == 0)
        return;
    sparse_tensor(w, -1, "per_layer_token_embd", TYPE_F16, n, s->n_vocab, 0);
    sparse_tensor(w, -1, "per_layer_model_proj", TYPE_F16, (uint64_t)s->n_embd, n, 0);
    sparse_tensor(w, -1, "per_layer_proj_norm", TYPE_F32, (uint64_t)s->d_layer_embd, 0, 0);
}

static inline void sparse_gemma4_data(struct gguf_writer *w, const struct shape *s)
{
    const float one = 1;
    for (int i = 0; i < s->d_k / 2; i++)
        gguf_write_data(w, &one, sizeof one);
}

static inline void sparse_attention(struct gguf_writer *w, const struct shape *s, int l)
{
    uint64_t n = (uint64_t)s->n_embd, q = (uint64_t)s->n_head * (uint64_t)s->d_k,
             k = (uint64_t)s->n_head_kv * (uint64_t)s->d_k, v = (uint64_t)s->n_head_kv * (uint64_t)s->d_v,
             o = (uint64_t)s->n_head * (uint64_t)s->d_v;
    int whole = is_arch(s, "olmoe") || is_arch(s, "minimax-m2"), gated = s->d_state != 0 && !s->pattern;
    sparse_tensor(w, l, "attn_q", TYPE_F16, n, gated ? 2 * q : q, 0);
    sparse_tensor(w, l, "attn_k", TYPE_F16, n, k, 0);
    sparse_tensor(w, l, "attn_v", TYPE_F16, n, v, 0);
    sparse_tensor(w, l, "attn_output", TYPE_F16, o, n, 0);
    if (is_arch(s, "gpt-oss") || is_arch(s, "glm4moe")) {
        sparse_tensor(w, l, "attn_q.bias", TYPE_F32, q, 0, 0);
        sparse_tensor(w, l, "attn_k.bias", TYPE_F32, k, 0, 0);
        sparse_tensor(w, l, "attn_v.bias", TYPE_F32, v, 0, 0);
    }
    if (is_arch(s, "gpt-oss")) {
        sparse_tensor(w, l, "attn_output.bias", TYPE_F32, n, 0, 0);
        sparse_tensor(w, l, "attn_sinks", TYPE_F32, (uint64_t)s->n_head, 0, 0);
    } else if (!is_arch(s, "llama") && !is_arch(s, "gemma2") && !s->pattern) {
        sparse_tensor(w, l, "attn_q_norm", TYPE_F32, whole ? q : (uint64_t)s->d_k, 0, 0);
        sparse_tensor(w, l, "attn_k_norm", TYPE_F32, whole ? k : (uint64_t)s->d_k, 0, 0);
    }
}

static inline void sparse_delta(struct gguf_writer *w, const struct shape *s, int l)
{
    uint64_t n = (uint64_t)s->n_embd, heads = (uint64_t)s->n_head_state, d = (uint64_t)s->d_state, values = heads * d,
             channels = 2 * (uint64_t)s->n_group * d + values;
    sparse_tensor(w, l, "attn_qkv", TYPE_F16, n, channels, 0);
    sparse_tensor(w, l, "attn_gate", TYPE_F16, n, values, 0);
    sparse_tensor(w, l, "ssm_conv1d", TYPE_F32, (uint64_t)s->n_conv, channels, 0);
    if (is_arch(s, "qwen3next"))
        sparse_tensor(w, l, "ssm_ba", TYPE_F16, n, 2 * heads, 0);
    else {
        sparse_tensor(w, l, "ssm_beta", TYPE_F16, n, heads, 0);
        sparse_tensor(w, l, "ssm_alpha", TYPE_F16, n, heads, 0);
    }
    sparse_tensor(w, l, "ssm_a", TYPE_F32, heads, 0, 0);
    sparse_tensor(w, l, "ssm_dt.bias", TYPE_F32, heads, 0, 0);
    sparse_tensor(w, l, "ssm_norm", TYPE_F32, d, 0, 0);
    sparse_tensor(w, l, "ssm_out", TYPE_F16, values, n, 0);
}

/* d_k, d_v: of a head, d_k with the n_rot values that are rotated. */
static inline void sparse_latent(struct gguf_writer *w, const struct shape *s, int l)
{
    uint64_t n = (uint64_t)s->n_embd, heads = (uint64_t)s->n_head, q = heads * (uint64_t)s->d_k,
             rank = (uint64_t)s->kv_rank, v = (uint64_t)s->d_v, nope = (uint64_t)(s->d_k - s->n_rot),
             qr = (uint64_t)s->q_rank;
    if (qr) {
        sparse_tensor(w, l, "attn_q_a", TYPE_F16, n, qr, 0);
        sparse_tensor(w, l, "attn_q_a_norm", TYPE_F32, qr, 0, 0);
        sparse_tensor(w, l, "attn_q_b", TYPE_F16, qr, q, 0);
    } else
        sparse_tensor(w, l, "attn_q", TYPE_F16, n, q, 0);
    sparse_tensor(w, l, "attn_kv_a_mqa", TYPE_F16, n, rank + (uint64_t)s->n_rot, 0);
    sparse_tensor(w, l, "attn_kv_a_norm", TYPE_F32, rank, 0, 0);
    if (s->kv_b_type)
        sparse_tensor(w, l, "attn_kv_b", (enum block_type)s->kv_b_type, rank, heads * (nope + v), 0);
    else {
        sparse_tensor(w, l, "attn_k_b", TYPE_F16, nope, rank, heads);
        sparse_tensor(w, l, "attn_v_b", TYPE_F16, rank, v, heads);
    }
    sparse_tensor(w, l, "attn_output", TYPE_F16, heads * v, n, 0);
}

/* From a context of a million on, layers share the choice of one before them. */
static inline int has_indexer(const struct shape *s, int l)
{
    return is_arch(s, "glm-dsa") && (s->n_ctx < 1 << 20 || l < 2 || l % 4 == 2);
}

static inline void sparse_indexer(struct gguf_writer *w, const struct shape *s, int l)
{
    uint64_t n = (uint64_t)s->n_embd, heads = (uint64_t)s->n_index_head, d = (uint64_t)s->d_index;
    sparse_tensor(w, l, "indexer.attn_q_b.weight", TYPE_F16, (uint64_t)s->q_rank, heads * d, 0);
    sparse_tensor(w, l, "indexer.attn_k.weight", TYPE_F16, n, d, 0);
    sparse_tensor(w, l, "indexer.k_norm.weight", TYPE_F32, d, 0, 0);
    sparse_tensor(w, l, "indexer.k_norm.bias", TYPE_F32, d, 0, 0);
    sparse_tensor(w, l, "indexer.proj.weight", TYPE_F16, n, heads, 0);
}

static inline int has_kda(const struct shape *s, int l) { return s->d_kda && (l + 1) % 4 && l + 1 < s->n_layer; }

static inline void sparse_kda(struct gguf_writer *w, const struct shape *s, int l)
{
    static const char *const project[] = {"attn_q", "attn_k", "attn_v"}, *const low[] = {"ssm_f_a", "ssm_g_a"},
                             *const conv[] = {"ssm_conv1d_q", "ssm_conv1d_k", "ssm_conv1d_v"},
                             *const high[] = {"ssm_f_b", "ssm_g_b"};
    uint64_t n = (uint64_t)s->n_embd, heads = (uint64_t)s->n_head, d = (uint64_t)s->d_kda, values = heads * d;
    for (int i = 0; i < 3; i++) {
        sparse_tensor(w, l, project[i], TYPE_F16, n, values, 0);
        sparse_tensor(w, l, conv[i], TYPE_F32, (uint64_t)s->n_conv, 1, values);
    }
    for (int i = 0; i < 2; i++) {
        sparse_tensor(w, l, low[i], TYPE_F16, n, d, 0);
        sparse_tensor(w, l, high[i], TYPE_F16, d, values, 0);
    }
    sparse_tensor(w, l, "ssm_beta", TYPE_F16, n, heads, 0);
    sparse_tensor(w, l, "ssm_a", TYPE_F32, 1, heads, 0);
    sparse_tensor(w, l, "ssm_dt.bias", TYPE_F32, values, 0, 0);
    sparse_tensor(w, l, "ssm_norm", TYPE_F32, d, 0, 0);
    sparse_tensor(w, l, "attn_output", TYPE_F16, values, n, 0);
}

static inline void sparse_ffn(struct gguf_writer *w, const struct shape *s, int l, const char *suffix, uint64_t f)
{
    static const char *const names[] = {"ffn_gate", "ffn_up", "ffn_down"};
    uint64_t n = (uint64_t)s->n_embd;
    for (int i = 0; i < 3; i++) {
        char name[40];
        snprintf(name, sizeof name, "%s%s", names[i], suffix);
        sparse_tensor(w, l, name, TYPE_F16, i < 2 ? n : f, i < 2 ? f : n, 0);
    }
}

static inline void sparse_experts(struct gguf_writer *w, const struct shape *s, int l)
{
    uint64_t n = (uint64_t)s->n_embd, e = (uint64_t)s->n_expert, x = (uint64_t)s->n_ff_exp;
    sparse_tensor(w, l, "ffn_gate_inp", TYPE_F32, n, e, 0);
    sparse_tensor(w, l, "ffn_gate_exps", s->expert_type, n, x, e);
    sparse_tensor(w, l, "ffn_up_exps", s->expert_type, n, x, e);
    sparse_tensor(w, l, "ffn_down_exps", s->mixed && l % 2 ? TYPE_Q6_K : s->expert_type, x, n, e);
    if (is_arch(s, "gpt-oss")) {
        sparse_tensor(w, l, "ffn_gate_inp.bias", TYPE_F32, e, 0, 0);
        sparse_tensor(w, l, "ffn_gate_exps.bias", TYPE_F32, x, e, 0);
        sparse_tensor(w, l, "ffn_up_exps.bias", TYPE_F32, x, e, 0);
        sparse_tensor(w, l, "ffn_down_exps.bias", TYPE_F32, n, e, 0);
    }
    if (is_arch(s, "minimax-m2") || is_arch(s, "glm4moe") || s->d_kda)
        sparse_tensor(w, l, "exp_probs_b.bias", TYPE_F32, e, 0, 0);
    if (s->d_state)
        sparse_tensor(w, l, "ffn_gate_inp_shexp", TYPE_F32, n, 0, 0);
    if (s->d_state || has_dense_lead(s))
        sparse_ffn(w, s, l, "_shexp", x);
}

static inline void sparse_mamba2(struct gguf_writer *w, const struct shape *s, int l)
{
    uint64_t n = (uint64_t)s->n_embd, heads = (uint64_t)s->n_head_state, values = heads * (uint64_t)s->d_head_state,
             groups = (uint64_t)s->n_group, channels = values + 2 * groups * (uint64_t)s->d_state;
    sparse_tensor(w, l, "ssm_in", TYPE_F16, n, values + channels + heads, 0);
    sparse_tensor(w, l, "ssm_conv1d", TYPE_F32, (uint64_t)s->n_conv, channels, 0);
    sparse_tensor(w, l, "ssm_conv1d.bias", TYPE_F32, channels, 0, 0);
    sparse_tensor(w, l, "ssm_dt.bias", TYPE_F32, heads, 0, 0);
    sparse_tensor(w, l, "ssm_a", TYPE_F32, 1, heads, 0);
    sparse_tensor(w, l, "ssm_d", TYPE_F32, 1, heads, 0);
    sparse_tensor(w, l, "ssm_norm", TYPE_F32, values / groups, groups, 0);
    sparse_tensor(w, l, "ssm_out", TYPE_F16, values, n, 0);
}

static inline void sparse_relu2(struct gguf_writer *w, const struct shape *s, int l, const char *up, const char *down,
                                int n_ff)
{
    sparse_tensor(w, l, up, TYPE_F16, (uint64_t)s->n_embd, (uint64_t)n_ff, 0);
    sparse_tensor(w, l, down, TYPE_F16, (uint64_t)n_ff, (uint64_t)s->n_embd, 0);
}

static inline void sparse_block(struct gguf_writer *w, const struct shape *s, int l)
{
    uint64_t n = (uint64_t)s->n_embd, e = (uint64_t)s->n_expert, x = (uint64_t)s->n_ff_exp,
             sees = s->n_latent ? (uint64_t)s->n_latent : n;
    sparse_tensor(w, l, "attn_norm", TYPE_F32, n, 0, 0);
    switch (s->pattern[l]) {
    case 'M':
        sparse_mamba2(w, s, l);
        return;
    case '*':
        sparse_attention(w, s, l);
        return;
    case '-':
        sparse_relu2(w, s, l, "ffn_up", "ffn_down", s->n_ff);
        return;
    }
    sparse_tensor(w, l, "ffn_gate_inp", TYPE_F32, n, e, 0);
    sparse_tensor(w, l, "exp_probs_b.bias", TYPE_F32, e, 0, 0);
    sparse_tensor(w, l, "ffn_up_exps", s->expert_type, sees, x, e);
    sparse_tensor(w, l, "ffn_down_exps", s->expert_type, x, sees, e);
    if (s->n_latent) {
        sparse_tensor(w, l, "ffn_latent_down", TYPE_F16, n, sees, 0);
        sparse_tensor(w, l, "ffn_latent_up", TYPE_F16, sees, n, 0);
    }
    sparse_relu2(w, s, l, "ffn_up_shexp", "ffn_down_shexp", 2 * s->n_ff_exp);
}

static inline void sparse_compressor(struct gguf_writer *w, const struct shape *s, int l, const char *stem, uint64_t d)
{
    char name[60];
    uint64_t ratio = s->ratios[l], width = d * (ratio == 4 ? 2 : 1);
    snprintf(name, sizeof name, "%s_compressor_ape", stem);
    sparse_tensor(w, l, name, TYPE_F32, width, ratio, 0);
    snprintf(name, sizeof name, "%s_compressor_kv", stem);
    sparse_tensor(w, l, name, TYPE_F16, (uint64_t)s->n_embd, width, 0);
    snprintf(name, sizeof name, "%s_compressor_gate", stem);
    sparse_tensor(w, l, name, TYPE_F16, (uint64_t)s->n_embd, width, 0);
    snprintf(name, sizeof name, "%s_compressor_norm", stem);
    sparse_tensor(w, l, name, TYPE_F32, d, 0, 0);
}

static inline void sparse_hyper(struct gguf_writer *w, const struct shape *s, int l, const char *stem)
{
    char name[60];
    uint64_t n = (uint64_t)s->n_stream, gates = l < 0 ? n : n * (2 + n);
    snprintf(name, sizeof name, "%s_base", stem);
    sparse_tensor(w, l, name, TYPE_F32, gates, 0, 0);
    snprintf(name, sizeof name, "%s_fn", stem);
    sparse_tensor(w, l, name, TYPE_F32, n * (uint64_t)s->n_embd, gates, 0);
    snprintf(name, sizeof name, "%s_scale", stem);
    sparse_tensor(w, l, name, TYPE_F32, l < 0 ? 1 : 3, 0, 0);
}

static inline void sparse_compressed(struct gguf_writer *w, const struct shape *s, int l)
{
    uint64_t n = (uint64_t)s->n_embd, d = (uint64_t)s->d_k, q = (uint64_t)s->n_head * d, qr = (uint64_t)s->q_rank,
             groups = (uint64_t)s->n_out_group, low = groups * (uint64_t)s->out_rank, e = (uint64_t)s->n_expert;
    sparse_hyper(w, s, l, "hc_attn");
    sparse_hyper(w, s, l, "hc_ffn");
    sparse_tensor(w, l, "attn_norm", TYPE_F32, n, 0, 0);
    sparse_tensor(w, l, "attn_q_a", TYPE_F16, n, qr, 0);
    sparse_tensor(w, l, "attn_q_a_norm", TYPE_F32, qr, 0, 0);
    sparse_tensor(w, l, "attn_q_b", TYPE_F16, qr, q, 0);
    sparse_tensor(w, l, "attn_kv", TYPE_F16, n, d, 0);
    sparse_tensor(w, l, "attn_kv_a_norm", TYPE_F32, d, 0, 0);
    sparse_tensor(w, l, "attn_sinks", TYPE_F32, (uint64_t)s->n_head, 0, 0);
    sparse_tensor(w, l, "attn_output_a", TYPE_F16, q / groups, low, 0);
    sparse_tensor(w, l, "attn_output_b", TYPE_F16, low, n, 0);
    if (s->ratios[l])
        sparse_compressor(w, s, l, "attn", d);
    if (s->ratios[l] == 4) {
        sparse_compressor(w, s, l, "indexer", (uint64_t)s->d_index);
        sparse_tensor(w, l, "indexer.attn_q_b.weight", TYPE_F16, qr, (uint64_t)(s->n_index_head * s->d_index), 0);
        sparse_tensor(w, l, "indexer.proj.weight", TYPE_F16, n, (uint64_t)s->n_index_head, 0);
    }
    sparse_tensor(w, l, "ffn_norm", TYPE_F32, n, 0, 0);
    sparse_experts(w, s, l);
    sparse_ffn(w, s, l, "_shexp", (uint64_t)s->n_ff_exp);
    if (l < s->n_hash)
        sparse_tensor(w, l, "ffn_gate_tid2eid", TYPE_I32, (uint64_t)s->n_used, s->n_vocab, 0);
    else
        sparse_tensor(w, l, "exp_probs_b.bias", TYPE_F32, e, 0, 0);
}

static inline void sparse_compressed_keys(struct gguf_writer *w, const struct shape *s)
{
    sparse_key(w, s, "attention.q_lora_rank", s->q_rank);
    sparse_key(w, s, "attention.output_lora_rank", s->out_rank);
    sparse_key(w, s, "attention.output_group_count", s->n_out_group);
    sparse_key(w, s, "expert_shared_count", 1);
    sparse_key(w, s, "hash_layer_count", s->n_hash);
    sparse_key(w, s, "hyper_connection.count", s->n_stream);
    sparse_key(w, s, "hyper_connection.sinkhorn_iterations", 20);
    sparse_list(w, s, "attention.compress_ratios", s->ratios);
    sparse_key(w, s, "attention.compress_rope_freq_base", 160000);
}

static inline void sparse_layer(struct gguf_writer *w, const struct shape *s, int l)
{
    int other_norm = s->d_state || is_arch(s, "gpt-oss") || is_arch(s, "glm4moe");
    sparse_tensor(w, l, "attn_norm", TYPE_F32, (uint64_t)s->n_embd, 0, 0);
    if (has_kda(s, l))
        sparse_kda(w, s, l);
    else if (s->kv_rank)
        sparse_latent(w, s, l);
    else if (s->d_state && (l + 1) % 4)
        sparse_delta(w, s, l);
    else if (is_arch(s, "gemma4"))
        sparse_gemma4(w, s, l);
    else
        sparse_attention(w, s, l);
    if (has_indexer(s, l))
        sparse_indexer(w, s, l);
    sparse_tensor(w, l, other_norm ? "post_attention_norm" : "ffn_norm", TYPE_F32, (uint64_t)s->n_embd, 0, 0);
    if (is_arch(s, "gemma")) {
        sparse_tensor(w, l, "post_attention_norm", TYPE_F32, (uint64_t)s->n_embd, 0, 0);
        sparse_tensor(w, l, "post_ffw_norm", TYPE_F32, (uint64_t)s->n_embd, 0, 0);
    }
    if (s->n_expert && l >= s->n_dense)
        sparse_experts(w, s, l);
    if (!s->n_expert || l < s->n_dense || is_arch(s, "gemma4"))
        sparse_ffn(w, s, l, "", (uint64_t)s->n_ff);
}

static inline void sparse_more_keys(struct gguf_writer *w, const struct shape *s)
{
    if (s->window)
        sparse_key(w, s, "attention.sliding_window", s->window);
    if (is_arch(s, "gemma4"))
        sparse_gemma4_keys(w, s);
    if (s->d_state) {
        sparse_key(w, s, "ssm.conv_kernel", s->n_conv);
        sparse_key(w, s, "ssm.state_size", s->d_state);
        sparse_key(w, s, "ssm.time_step_rank", s->n_head_state);
        sparse_key(w, s, "ssm.group_count", s->n_group);
        sparse_key(w, s, "ssm.inner_size", s->n_head_state * (s->pattern ? s->d_head_state : s->d_state));
        sparse_key(w, s, "full_attention_interval", 4);
        if (s->n_expert)
            sparse_key(w, s, "expert_shared_feed_forward_length", (s->pattern ? 2 : 1) * s->n_ff_exp);
    }
    if (s->n_latent)
        sparse_key(w, s, "moe_latent_size", s->n_latent);
    if (s->kv_rank) {
        sparse_key(w, s, "attention.q_lora_rank", s->q_rank);
        sparse_key(w, s, "attention.kv_lora_rank", s->kv_rank);
        sparse_key(w, s, "attention.key_length_mla", s->d_k);
        sparse_key(w, s, "attention.value_length_mla", s->d_v);
    }
    if (s->d_kda) {
        sparse_key(w, s, "kda.head_dim", s->d_kda);
        sparse_key(w, s, "ssm.conv_kernel", s->n_conv);
    }
    if (s->ratios)
        sparse_compressed_keys(w, s);
    if (s->n_index_head) {
        sparse_key(w, s, "attention.indexer.head_count", s->n_index_head);
        sparse_key(w, s, "attention.indexer.key_length", s->d_index);
        sparse_key(w, s, "attention.indexer.top_k", s->top_k);
    }
    if (has_dense_lead(s)) {
        sparse_key(w, s, "leading_dense_block_count", s->n_dense);
        sparse_key(w, s, "expert_shared_count", 1);
    }
}

/* Where layers differ, those that keep no keys have 0 heads of them. */
static inline void sparse_heads_kv(struct gguf_writer *w, const struct shape *s)
{
    uint32_t heads[SPARSE_LAYERS];
    if (is_arch(s, "gemma4")) {
        for (int l = 0; l < s->n_layer && l < SPARSE_LAYERS; l++)
            heads[l] = (uint32_t)(has_window(s, l) ? s->n_head_kv_window : s->n_head_kv);
        sparse_list(w, s, "attention.head_count_kv", heads);
        return;
    }
    if (!s->pattern && !s->d_kda) {
        sparse_key(w, s, "attention.head_count_kv", s->n_head_kv);
        return;
    }
    for (int l = 0; l < s->n_layer && l < SPARSE_LAYERS; l++)
        heads[l] = (s->pattern ? s->pattern[l] == '*' : !has_kda(s, l)) ? (uint32_t)s->n_head_kv : 0;
    sparse_list(w, s, "attention.head_count_kv", heads);
}

static inline void sparse_n_ff(struct gguf_writer *w, const struct shape *s)
{
    uint32_t n_ff[SPARSE_LAYERS];
    if (!s->pattern) {
        sparse_key(w, s, "feed_forward_length", s->n_ff ? s->n_ff : s->n_ff_exp);
        return;
    }
    for (int l = 0; l < s->n_layer && l < SPARSE_LAYERS; l++)
        n_ff[l] = s->pattern[l] == 'E' ? (uint32_t)s->n_ff_exp : s->pattern[l] == '-' ? (uint32_t)s->n_ff : 0;
    sparse_list(w, s, "feed_forward_length", n_ff);
}

/* 0, or -1 with the sentence: the file system may not take so large a file. */
static inline int sparse_write(const char *path, const struct shape *s, struct error *err)
{
    struct gguf_writer w;
    gguf_write_begin(&w, path, 32);
    gguf_write_string(&w, "general.architecture", s->arch, strlen(s->arch));
    sparse_key(&w, s, "block_count", s->n_layer + s->n_draft);
    sparse_key(&w, s, "nextn_predict_layers", s->n_draft);
    sparse_key(&w, s, "context_length", s->n_ctx);
    sparse_key(&w, s, "embedding_length", s->n_embd);
    sparse_n_ff(&w, s);
    sparse_key(&w, s, "attention.head_count", s->n_head);
    sparse_heads_kv(&w, s);
    sparse_key(&w, s, "attention.key_length", s->kv_rank ? s->kv_rank + s->n_rot : s->d_k);
    sparse_key(&w, s, "attention.value_length", s->kv_rank ? s->kv_rank : s->d_v);
    sparse_key(&w, s, "rope.dimension_count", s->n_rot ? s->n_rot : s->d_k);
    sparse_more_keys(&w, s);
    if (s->n_expert) {
        sparse_key(&w, s, "expert_count", s->n_expert);
        sparse_key(&w, s, "expert_used_count", s->n_used);
        sparse_key(&w, s, "expert_feed_forward_length", s->n_ff_exp);
    }
    if (is_arch(s, "gemma4"))
        sparse_gemma4_tables(&w, s);
    sparse_tensor(&w, -1, "token_embd", TYPE_F16, (uint64_t)s->n_embd, s->n_vocab, 0);
    sparse_tensor(&w, -1, "output_norm", TYPE_F32, (uint64_t)s->n_embd, 0, 0);
    sparse_tensor(&w, -1, "output", TYPE_F16, (uint64_t)s->n_embd, s->n_vocab, 0);
    for (int l = 0; l < s->n_layer + s->n_draft; l++)
        (s->pattern ? sparse_block : s->ratios ? sparse_compressed : sparse_layer)(&w, s, l);
    for (int l = s->n_layer; l < s->n_layer + s->n_draft; l++) {
        sparse_tensor(&w, l, "nextn.eh_proj.weight", TYPE_F16, 2 * (uint64_t)s->n_embd, (uint64_t)s->n_embd, 0);
        sparse_tensor(&w, l, "nextn.enorm.weight", TYPE_F32, (uint64_t)s->n_embd, 0, 0);
        sparse_tensor(&w, l, "nextn.hnorm.weight", TYPE_F32, (uint64_t)s->n_embd, 0, 0);
    }
    if (s->ratios)
        sparse_hyper(&w, s, -1, "output_hc");

    gguf_write_data(&w, "", 0); /* the header is written; the data stays a hole */
    long header = w.file ? ftell(w.file) : -1;
    if (is_arch(s, "gemma4"))
        sparse_gemma4_data(&w, s);
    if (w.err.code == ERR_NONE &&
        (fflush(w.file) || header < 0 || ftruncate(fileno(w.file), (off_t)((uint64_t)header + w.data_size))))
        error_set(&w.err, ERR_IO, "%s: the file system takes no hole of %llu bytes", path,
                  (unsigned long long)w.data_size);
    w.next = w.n_tensor;
    return gguf_write_end(&w, err);
}

#endif
