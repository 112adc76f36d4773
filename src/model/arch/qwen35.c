/* Qwen3-Next and Qwen3.5: three layers of a recurrence, then one of attention with an output gate.
 *
 *   gated delta net        u = silu(conv(Wqkv n));  q, k = l2_norm(u_q) / sqrt(d), l2_norm(u_k);  v = u_v
 *                          S = decay S + k (v - decay S k) beta;  o = S q      decay = exp(A softplus(Wa n + dt)), beta = sigmoid(Wb n)
 *                          h = x + Wout (rms_norm(o) * silu(Wz n))             each value head by itself
 *   gated attention        [q | g] = Wq n by head;  h = x + Wo (attend(rope(norm(q)), rope(norm(k)), v) * sigmoid(g))
 *   then                   y = h + ffn(m), or experts(m) + sigmoid(gs m) shared(m)      n = rms_norm(x), m = rms_norm(h)
 *
 * Value heads share key heads: neighbours in qwen3next, every n-th in qwen35 and qwen35moe. rope in halves of the first n_rot
 * values (the sections of multi-modal rope coincide on text). Draft layers are not run.
 * Sources: Yang et al., arXiv 2412.06464; Qwen3-Next and Qwen3.5 model cards. Goldens: qwen3next, qwen35, qwen35moe, nvfp4. */
#include "model/block/attention.h"
#include "model/block/moe.h"

#include "base/error.h"
#include "format/gguf.h"

#include <math.h>

extern const struct arch arch_qwen3next;

struct layer {
    const struct weight *norm;
    /* the recurrence */
    const struct weight *wqkv, *wz, *conv, *wa, *wb, *wba, *A, *dt, *o_norm, *wout;
    size_t history, state;
    /* or attention */
    const struct weight *wq, *wk, *wv, *wo, *q_norm, *k_norm;
    struct kv_ref kv;
    /* then */
    const struct weight *ffn_norm;
    struct ffn_weights ffn;
    struct moe_weights moe;
    struct shared_expert shared;
};

static int attends(const struct params *p, int l) { return (l + 1) % p->delta.interval == 0; }
static int n_channel(const struct params *p) { return (2 * p->delta.n_head_k + p->delta.n_head_v) * p->delta.d; }
static int n_value(const struct params *p) { return p->delta.n_head_v * p->delta.d; }

/* ---- parameters and tensors --------------------------------------------------------------------------------------------------- */

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    struct delta_params *d = &p->delta;
    int inner;
    if (params_read(p, g, ROPE_HALF, err) || params_int(g, "ssm.conv_kernel", 2, CONV_MOST, -1, &d->conv, err) ||
        params_int(g, "ssm.state_size", 1, 1 << 12, -1, &d->d, err) ||
        params_int(g, "ssm.time_step_rank", 1, 1 << 12, -1, &d->n_head_v, err) ||
        params_int(g, "ssm.group_count", 1, d->n_head_v, -1, &d->n_head_k, err) ||
        params_int(g, "ssm.inner_size", 1, 1 << 24, -1, &inner, err) ||
        params_int(g, "full_attention_interval", 1, 1 << 12, 4, &d->interval, err) ||
        params_int(g, "expert_count", 0, 1 << 14, 0, &p->n_expert, err))
        return -1;
    if (d->n_head_v % d->n_head_k || inner != d->n_head_v * d->d)
        return error_set(err, ERR_FORMAT,
                         "%s: ssm.inner_size %d is not ssm.time_step_rank %d times ssm.state_size %d, in groups of "
                         "ssm.group_count %d",
                         g->file->path, inner, d->n_head_v, d->d, d->n_head_k);
    if (p->d_v != p->d_k)
        return error_set(
            err, ERR_FORMAT,
            "%s: attention.value_length is %d and attention.key_length %d: this architecture's output gate is as "
            "wide as its queries and needs them to be equal",
            g->file->path, p->d_v, p->d_k);
    if (!p->n_expert)
        return 0;
    if (params_read_experts(p, g, err))
        return -1;
    return params_int(g, "expert_shared_feed_forward_length", 1, 1 << 20, -1, &p->n_ff_shared, err);
}

static void bind_delta(struct binder *b, int l, struct layer *w)
{
    const struct params *p = &b->m->p;
    const struct delta_params *d = &p->delta;
    w->wqkv = bind_matrix(b, l, "attn_qkv.weight", n_channel(p), p->n_embd);
    w->wz = bind_matrix(b, l, "attn_gate.weight", n_value(p), p->n_embd);
    w->conv = bind_conv(b, l, "ssm_conv1d.weight", d->conv, n_channel(p));
    w->wba = bind_matrix_if(b, l, "ssm_ba.weight", 2 * d->n_head_v, p->n_embd);
    if (!w->wba) {
        w->wb = bind_matrix(b, l, "ssm_beta.weight", d->n_head_v, p->n_embd);
        w->wa = bind_matrix(b, l, "ssm_alpha.weight", d->n_head_v, p->n_embd);
    }
    w->A = bind_vector(b, l, "ssm_a", d->n_head_v);
    w->dt = bind_vector(b, l, "ssm_dt.bias", d->n_head_v);
    w->o_norm = bind_vector(b, l, "ssm_norm.weight", d->d);
    w->wout = bind_matrix(b, l, "ssm_out.weight", p->n_embd, n_value(p));
    w->history = bind_state(b, (size_t)(d->conv - 1) * (size_t)n_channel(p));
    w->state = bind_state(b, (size_t)n_value(p) * (size_t)d->d);
}

static void bind_gated_attention(struct binder *b, int l, struct layer *w)
{
    const struct params *p = &b->m->p;
    w->wq = bind_matrix(b, l, "attn_q.weight", 2 * p->n_head * p->d_k, p->n_embd);
    w->wk = bind_matrix(b, l, "attn_k.weight", p->n_head_kv * p->d_k, p->n_embd);
    w->wv = bind_matrix(b, l, "attn_v.weight", p->n_head_kv * p->d_v, p->n_embd);
    w->wo = bind_matrix(b, l, "attn_output.weight", p->n_embd, p->n_head * p->d_v);
    w->q_norm = bind_vector(b, l, "attn_q_norm.weight", p->d_k);
    w->k_norm = bind_vector(b, l, "attn_k_norm.weight", p->d_k);
    w->kv = bind_kv(b, p->n_head, (struct kv_shape){.n_head_kv = p->n_head_kv, .d_k = p->d_k, .d_v = p->d_v},
                    see_all());
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    w->norm = bind_vector(b, l, "attn_norm.weight", p->n_embd);
    if (attends(p, l))
        bind_gated_attention(b, l, w);
    else
        bind_delta(b, l, w);
    if (!p->n_expert) {
        w->ffn_norm = bind_vector(b, l, "post_attention_norm.weight", p->n_embd);
        bind_ffn(b, l, &w->ffn, "", p->n_ff);
        return b->failed;
    }
    bind_moe(b, l, &w->moe, "post_attention_norm.weight");
    w->shared.gate = bind_vector(b, l, "ffn_gate_inp_shexp.weight", p->n_embd);
    bind_ffn(b, l, &w->shared.ffn, "_shexp", p->n_ff_shared);
    return b->failed;
}

/* ---- a layer ------------------------------------------------------------------------------------------------------------------ */

/* Pairs of blocks of d values: the first of each pair, the second of each. */
static void split_pairs(struct op *op, float *first, float *second, const float *both, int n, int d)
{
    op_copy(op, first, (size_t)d, both, 2 * (size_t)d, n, d);
    op_copy(op, second, (size_t)d, both + d, 2 * (size_t)d, n, d);
}

/* decay and beta [n_rows][n_head_v] from the two projections; qwen3next has them in one matrix, by key head [b | a]. */
static void gates(struct step *s, float *decay, float *beta, struct act *n, const struct layer *w)
{
    const struct delta_params *d = &s->m->p.delta;
    int n_v = d->n_head_v, share = n_v / d->n_head_k;
    if (w->wba) {
        float *both = step_rows(s, 2 * n_v);
        matmul(s, both, n, w->wba);
        split_pairs(&s->m->op, beta, decay, both, s->n_rows * d->n_head_k, share);
    } else {
        matmul(s, decay, n, w->wa);
        matmul(s, beta, n, w->wb);
    }
    op_decay(&s->m->op, decay, w->A->vector, w->dt->vector, s->n_rows, n_v, 1);
    op_sigmoid(&s->m->op, beta, s->n_rows, n_v);
}

static void delta_net(struct step *s, float *x, const struct layer *w)
{
    const struct params *p = &s->m->p;
    const struct delta_params *d = &p->delta;
    int channels = n_channel(p), n_key = d->n_head_k * d->d, values = n_value(p);
    size_t mark = step_mark(s), ld = (size_t)channels;
    float *n = step_rows(s, p->n_embd), *mixed = step_rows(s, channels), *u = step_rows(s, channels);
    float *z = step_rows(s, values), *o = step_rows(s, values);
    float *decay = step_rows(s, d->n_head_v), *beta = step_rows(s, d->n_head_v);

    rms_norm(s, n, x, w->norm);
    struct act a = step_act(s, n, p->n_embd);
    matmul(s, mixed, &a, w->wqkv);
    matmul(s, z, &a, w->wz);
    gates(s, decay, beta, &a, w);
    struct run *run = step_runs(s, w->history, w->state);
    op_conv(&s->m->op, u, mixed, (const float *)w->conv->mat.data, NULL, d->conv, channels, run, s->n_run);
    op_l2_norm(&s->m->op, u, s->n_rows, ld, d->n_head_k, d->d, p->norm_eps, 1.0f / sqrtf((float)d->d));
    op_l2_norm(&s->m->op, u + n_key, s->n_rows, ld, d->n_head_k, d->d, p->norm_eps, 1.0f);
    struct delta delta = {.n_head_k = d->n_head_k, .n_head_v = d->n_head_v, .d = d->d, .ld = ld, .o = o};
    delta.interleaved = s->m->arch != &arch_qwen3next;
    delta.q = u;
    delta.k = u + n_key;
    delta.v = u + 2 * n_key;
    delta.decay = decay;
    delta.beta = beta;
    op_delta(&s->m->op, &delta, run, s->n_run);
    op_rms_norm(&s->m->op, o, o, w->o_norm->vector, s->n_rows * d->n_head_v, d->d, p->norm_eps);
    op_activate(&s->m->op, s->m->op.k->silu_mul, z, z, o, s->n_rows, values);
    struct act b = step_act(s, z, values);
    matmul(s, n, &b, w->wout);
    add(s, x, n, p->n_embd);
    step_reset(s, mark);
}

static void gated_attention(struct step *s, float *x, const struct layer *w)
{
    const struct params *p = &s->m->p;
    int n_q = p->n_head * p->d_k, n_k = p->n_head_kv * p->d_k;
    size_t mark = step_mark(s);
    float *n = step_rows(s, p->n_embd), *both = step_rows(s, 2 * n_q), *q = step_rows(s, n_q), *g = step_rows(s, n_q);
    float *k = step_rows(s, n_k), *v = step_rows(s, p->n_head_kv * p->d_v), *o = step_rows(s, p->n_head * p->d_v);

    rms_norm(s, n, x, w->norm);
    struct act a = step_act(s, n, p->n_embd);
    matmul(s, both, &a, w->wq);
    matmul(s, k, &a, w->wk);
    matmul(s, v, &a, w->wv);
    split_pairs(&s->m->op, q, g, both, s->n_rows * p->n_head, p->d_k);
    op_rms_norm(&s->m->op, q, q, w->q_norm->vector, s->n_rows * p->n_head, p->d_k, p->norm_eps);
    op_rms_norm(&s->m->op, k, k, w->k_norm->vector, s->n_rows * p->n_head_kv, p->d_k, p->norm_eps);
    rotate_heads(s, q, p->n_head, p->d_k, 0);
    rotate_heads(s, k, p->n_head_kv, p->d_k, 0);
    attend(s, w->kv, p->n_head, o, q, k, v, p->d_v, 1.0f / sqrtf((float)p->d_k), NULL);
    op_sigmoid_mul(&s->m->op, o, g, s->n_rows, p->n_head * p->d_v);
    struct act b = step_act(s, o, p->n_head * p->d_v);
    matmul(s, n, &b, w->wo);
    add(s, x, n, p->n_embd);
    step_reset(s, mark);
}

static const struct route_rule route = {.gate = ROUTE_SOFTMAX, .normalise = 1};

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    if (attends(&s->m->p, l))
        gated_attention(s, x, w);
    else
        delta_net(s, x, w);
    if (s->m->p.n_expert)
        block_sparse(s, l, x, &w->moe, &route, &w->shared);
    else
        block_dense(s, x, w->ffn_norm, &w->ffn);
    layer_out(s, l, x);
}

#define ROW(id, text)                                                                                                  \
    const struct arch id = {                                                                                           \
        .name = text, .read_params = read_params, .layer_bytes = sizeof(struct layer), .bind = bind, .layer = layer}
ROW(arch_qwen3next, "qwen3next");
ROW(arch_qwen35, "qwen35");
ROW(arch_qwen35moe, "qwen35moe");
