/* Attention with one key head: see one_key.h. Source: DeepSeek-V4's report and inference code. */
#include "model/block/one_key.h"

#include "base/error.h"
#include "base/f64.h"
#include "format/gguf.h"
#include "model/block/attention.h"
#include "model/block/indexer.h"
#include "op/compress.h"

#include <math.h>

int params_read_one_key(struct params *p, const struct gguf *g, struct error *err)
{
    struct rope_params *far = &p->rope[ONE_KEY_FAR];
    if (params_int(g, "attention.sliding_window", 1, 1 << 28, -1, &p->window, err) ||
        params_int(g, "attention.q_lora_rank", 1, 1 << 16, -1, &p->latent.q_rank, err) ||
        params_read_groups(p, g, err) || params_read_indexer(p, g, err))
        return -1;
    p->index.rope_at = p->index.d - p->rope[ONE_KEY_PLAIN].n_rot;
    *far = p->rope[ONE_KEY_PLAIN];
    if (params_real(g, "attention.compress_rope_freq_base", 1.5, 1e12, NAN, &far->base, err))
        return -1;
    if (far->scaling == ROPE_YARN)
        far->attn_factor = 1 / (1 + 0.1 * f64_ln(far->factor));
    p->rope[ONE_KEY_PLAIN].scaling = ROPE_PLAIN;
    if (p->n_head_kv != 1 || p->d_k != p->d_v || p->n_head % p->out.n_group)
        return error_set(err, ERR_FORMAT,
                         "%s: %d heads in %d groups share %d keys of %d values, the values have %d; stoker takes one "
                         "key, which is the value, and equal groups (attention.head_count, attention.head_count_kv, "
                         "attention.key_length, attention.value_length, attention.output_group_count)",
                         g->file->path, p->n_head, p->out.n_group, p->n_head_kv, p->d_k, p->d_v);
    return 0;
}

/* A layer that predicts further tokens has its rows one position on (drafts.md 8), so that blocks of them would be others. */
static void check_predicting(struct binder *b, int l)
{
    static const char key[] = "attention.compress_ratios";
    int ratio = 0;
    if (params_int_of(b->m->file, key, l, 0, 1 << 20, 0, &ratio, b->err))
        b->failed = -1;
    else if (ratio)
        b->failed = error_set(b->err, ERR_UNSUPPORTED,
                              "%s: %s is %d for layer %d, which predicts further tokens; stoker takes 0 there",
                              b->m->file->file->path, key, ratio, l);
}

void bind_one_key(struct binder *b, int l, struct one_key_weights *w)
{
    const struct params *p = &b->m->p;
    if (l == p->n_layer)
        check_predicting(b, l);
    w->norm = bind_vector(b, l, "attn_norm.weight", p->n_embd);
    w->wq_a = bind_matrix(b, l, "attn_q_a.weight", p->latent.q_rank, p->n_embd);
    w->q_a_norm = bind_vector(b, l, "attn_q_a_norm.weight", p->latent.q_rank);
    w->wq_b = bind_matrix(b, l, "attn_q_b.weight", p->n_head * p->d_k, p->latent.q_rank);
    w->wkv = bind_matrix(b, l, "attn_kv.weight", p->d_k, p->n_embd);
    w->kv_norm = bind_vector(b, l, bind_spelling(b, l, "attn_kv_a_norm.weight", "attn_kv_norm.weight"), p->d_k);
    w->sinks = bind_vector(b, l, "attn_sinks.weight", p->n_head);
    bind_grouped_output(b, l, &w->out);
    w->kv = bind_kv(b, p->n_head, (struct kv_shape){.n_head_kv = 1, .d_k = p->d_k}, see_last(p->window));
}

float *one_key_queries(struct step *s, struct act *n, const struct one_key_weights *w, int rope, struct act *low)
{
    const struct params *p = &s->m->p;
    float *q = step_rows(s, p->n_head * p->d_k), *a = step_rows(s, p->latent.q_rank);
    matmul(s, a, n, w->wq_a);
    rms_norm(s, a, a, w->q_a_norm);
    *low = step_act(s, a, p->latent.q_rank);
    matmul(s, q, low, w->wq_b);
    if (w->unit_queries)
        op_rms_norm(&s->m->op, q, q, NULL, s->n_rows * p->n_head, p->d_k, p->norm_eps);
    rotate_heads(s, q + p->d_k - p->rope[rope].n_rot, p->n_head, p->d_k, rope);
    return q;
}

float *one_key_keys(struct step *s, struct act *n, const struct one_key_weights *w, int rope)
{
    const struct params *p = &s->m->p;
    int d_plain = p->d_k - p->rope[rope].n_rot;
    float *k = step_rows(s, p->d_k);
    matmul(s, k, n, w->wkv);
    rms_norm(s, k, k, w->kv_norm);
    rotate_heads(s, k + d_plain, 1, p->d_k, rope);
    if (w->rounded)
        op_round_fp8(&s->m->op, k, s->n_rows, (size_t)p->d_k, d_plain);
    return k;
}

void one_key_keep(struct step *s, struct act *n, const struct one_key_weights *w, int rope)
{
    keep_keys(s, w->kv, s->m->p.n_head, one_key_keys(s, n, w, rope), NULL, s->m->p.d_k);
}

void one_key_attend(struct step *s, float *y, const float *q, const float *k, const struct one_key_weights *w, int rope,
                    const struct attn_beside *beside)
{
    const struct params *p = &s->m->p;
    size_t mark = step_mark(s);
    float *o = step_rows(s, p->n_head * p->d_k);
    attend_beside(s, w->kv, p->n_head, o, q, k, NULL, p->d_k, 1.0f / sqrtf((float)p->d_k), w->sinks, beside);
    rotate_heads_back(s, o + p->d_k - p->rope[rope].n_rot, p->n_head, p->d_k, rope);
    grouped_output(s, y, o, &w->out);
    step_reset(s, mark);
}
