/* GGUF files with everything but weights: keys and tensors of a given shape, the data a hole. A plan, which reads headers alone,
 * cannot tell them from the real thing; a 250 GB model takes a few kilobytes of disk.
 *
 * One key can be given another value than the shape has: hostile headers. */
#ifndef TESTS_SPARSE_MODEL_H
#define TESTS_SPARSE_MODEL_H

#include "base/error.h"
#include "format/gguf_write.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct shape {
    const char *arch; /* llama, qwen3moe or olmoe */
    int n_layer, n_embd, n_head, n_head_kv, d_k, d_v, n_ctx;
    int n_ff;                       /* dense */
    int n_expert, n_used, n_ff_exp; /* or experts */
    uint64_t n_vocab;
    enum block_type expert_type;
    int mixed;             /* down of odd layers in Q6_K: two sizes of experts */
    const char *other_key; /* without the architecture; NULL: none */
    uint64_t other_value;
};

static inline void sparse_key(struct gguf_writer *w, const struct shape *s, const char *name, int value)
{
    char key[100];
    int n = snprintf(key, sizeof key, "%s.%s", s->arch, name);
    uint64_t v = s->other_key && strcmp(s->other_key, name) == 0 ? s->other_value : (uint64_t)value;
    gguf_write_value(w, &(struct gguf_value){.key = {key, (uint64_t)n}, .kind = GGUF_U64, .n = 1, .as.u = v});
}

static inline void sparse_tensor(struct gguf_writer *w, int layer, const char *name, enum block_type type, uint64_t n0,
                                 uint64_t n1, uint64_t n2)
{
    char full[100];
    if (layer < 0)
        snprintf(full, sizeof full, "%s.weight", name);
    else
        snprintf(full, sizeof full, "blk.%d.%s.weight", layer, name);
    gguf_write_tensor(w, full, type, n2 ? 3 : n1 ? 2 : 1, (uint64_t[]){n0, n1, n2});
}

static inline void sparse_layer(struct gguf_writer *w, const struct shape *s, int l)
{
    uint64_t n = (uint64_t)s->n_embd, q = (uint64_t)(s->n_head * s->d_k), k = (uint64_t)(s->n_head_kv * s->d_k),
             v = (uint64_t)(s->n_head_kv * s->d_v), o = (uint64_t)(s->n_head * s->d_v), f = (uint64_t)s->n_ff,
             e = (uint64_t)s->n_expert, x = (uint64_t)s->n_ff_exp;
    int whole = strcmp(s->arch, "olmoe") == 0;
    sparse_tensor(w, l, "attn_norm", TYPE_F32, n, 0, 0);
    sparse_tensor(w, l, "attn_q", TYPE_F16, n, q, 0);
    sparse_tensor(w, l, "attn_k", TYPE_F16, n, k, 0);
    sparse_tensor(w, l, "attn_v", TYPE_F16, n, v, 0);
    sparse_tensor(w, l, "attn_output", TYPE_F16, o, n, 0);
    if (strcmp(s->arch, "llama") != 0) {
        sparse_tensor(w, l, "attn_q_norm", TYPE_F32, whole ? q : (uint64_t)s->d_k, 0, 0);
        sparse_tensor(w, l, "attn_k_norm", TYPE_F32, whole ? k : (uint64_t)s->d_k, 0, 0);
    }
    sparse_tensor(w, l, "ffn_norm", TYPE_F32, n, 0, 0);
    if (!s->n_expert) {
        sparse_tensor(w, l, "ffn_gate", TYPE_F16, n, f, 0);
        sparse_tensor(w, l, "ffn_up", TYPE_F16, n, f, 0);
        sparse_tensor(w, l, "ffn_down", TYPE_F16, f, n, 0);
        return;
    }
    sparse_tensor(w, l, "ffn_gate_inp", TYPE_F32, n, e, 0);
    sparse_tensor(w, l, "ffn_gate_exps", s->expert_type, n, x, e);
    sparse_tensor(w, l, "ffn_up_exps", s->expert_type, n, x, e);
    sparse_tensor(w, l, "ffn_down_exps", s->mixed && l % 2 ? TYPE_Q6_K : s->expert_type, x, n, e);
}

/* 0, or -1 with the sentence: the file system may not take so large a file. */
static inline int sparse_write(const char *path, const struct shape *s, struct error *err)
{
    struct gguf_writer w;
    gguf_write_begin(&w, path, 32);
    gguf_write_string(&w, "general.architecture", s->arch, strlen(s->arch));
    sparse_key(&w, s, "block_count", s->n_layer);
    sparse_key(&w, s, "context_length", s->n_ctx);
    sparse_key(&w, s, "embedding_length", s->n_embd);
    sparse_key(&w, s, "feed_forward_length", s->n_ff ? s->n_ff : s->n_ff_exp);
    sparse_key(&w, s, "attention.head_count", s->n_head);
    sparse_key(&w, s, "attention.head_count_kv", s->n_head_kv);
    sparse_key(&w, s, "attention.key_length", s->d_k);
    sparse_key(&w, s, "attention.value_length", s->d_v);
    sparse_key(&w, s, "rope.dimension_count", s->d_k);
    if (s->n_expert) {
        sparse_key(&w, s, "expert_count", s->n_expert);
        sparse_key(&w, s, "expert_used_count", s->n_used);
        sparse_key(&w, s, "expert_feed_forward_length", s->n_ff_exp);
    }
    sparse_tensor(&w, -1, "token_embd", TYPE_F16, (uint64_t)s->n_embd, s->n_vocab, 0);
    sparse_tensor(&w, -1, "output_norm", TYPE_F32, (uint64_t)s->n_embd, 0, 0);
    sparse_tensor(&w, -1, "output", TYPE_F16, (uint64_t)s->n_embd, s->n_vocab, 0);
    for (int l = 0; l < s->n_layer; l++)
        sparse_layer(&w, s, l);

    gguf_write_data(&w, "", 0); /* the header is written; the data stays a hole */
    long header = w.file ? ftell(w.file) : -1;
    if (w.err.code == ERR_NONE &&
        (fflush(w.file) || header < 0 || ftruncate(fileno(w.file), (off_t)((uint64_t)header + w.data_size))))
        error_set(&w.err, ERR_IO, "%s: the file system takes no hole of %llu bytes", path,
                  (unsigned long long)w.data_size);
    w.next = w.n_tensor;
    return gguf_write_end(&w, err);
}

#endif
