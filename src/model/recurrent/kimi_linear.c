/* Kimi Linear: three layers of Kimi delta attention, then one of latent attention without positions.
 *
 *   Kimi delta attention   q, k, v = silu(conv(Wq n)), silu(conv(Wk n)), silu(conv(Wv n));  q, k l2-normed by head, q / sqrt(d)
 *                          S = D S + k (v - (D S)^T k)^T beta;  o = S^T q       beta = sigmoid(Wb n), one a head
 *                          D = exp(A softplus(Wf2 Wf1 n + dt))                  one a key channel
 *                          h = x + Wo (rms_norm(o) * sigmoid(Wg2 Wg1 n))        each head by itself
 *   latent attention       as block/latent.c has it, without rotation
 *   then                   y = h + ffn(m), or experts(m) + shared(m)            n = rms_norm(x), m = rms_norm(h)
 *
 * Which layers attend: those whose attention.head_count_kv is not 0. The router is a sigmoid with a bias for the choice; the
 * weights of the chosen are made to sum to 1 whatever the file says, as in the model. Source: arXiv 2510.26692. Golden:
 * kimi-linear. */
#include "model/block/dense_or_moe.h"
#include "model/block/latent.h"

#include "base/error.h"
#include "format/gguf.h"

#include <math.h>

enum { Q, K, V, QKV };

struct delta_weights {
    const struct weight *norm, *project[QKV], *conv[QKV], *decay_a, *decay_b, *A, *dt, *beta, *gate_a, *gate_b, *o_norm,
        *wo;
    size_t history[QKV], state;
};

struct layer {
    int attends;
    union {
        struct latent_weights latent;
        struct delta_weights delta;
    };
    struct dense_or_moe_weights ffn;
};

/* The epsilon of q's and k's norms in the published model; the key in files is that of its rms norms. */
static const float qk_eps = 1e-6f;

static int n_value(const struct params *p) { return p->n_head * p->delta.d; }

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_ADJACENT, err) || params_read_latent(p, g, err) ||
        params_read_dense_or_moe(p, g, ROUTER_SIGMOID, err) ||
        params_int(g, "ssm.conv_kernel", 2, CONV_MOST, -1, &p->delta.conv, err) ||
        params_int(g, "kda.head_dim", 1, 1 << 12, -1, &p->delta.d, err))
        return -1;
    p->rope[0].n_rot = 0;
    p->router_normalise = 1;
    p->delta.n_head_k = p->delta.n_head_v = p->n_head;
    return 0;
}

static void bind_delta(struct binder *b, int l, struct delta_weights *w)
{
    static const char *const project[] = {"attn_q.weight", "attn_k.weight", "attn_v.weight"};
    static const char *const conv[] = {"ssm_conv1d_q.weight", "ssm_conv1d_k.weight", "ssm_conv1d_v.weight"};
    const struct params *p = &b->m->p;
    int n = n_value(p), d = p->delta.d;
    w->norm = bind_vector(b, l, "attn_norm.weight", p->n_embd);
    for (int i = 0; i < QKV; i++) {
        w->project[i] = bind_matrix(b, l, project[i], n, p->n_embd);
        w->conv[i] = bind_conv(b, l, conv[i], p->delta.conv, n);
        w->history[i] = bind_state(b, (size_t)(p->delta.conv - 1) * (size_t)n);
    }
    w->decay_a = bind_matrix(b, l, "ssm_f_a.weight", d, p->n_embd);
    w->decay_b = bind_matrix(b, l, "ssm_f_b.weight", n, d);
    w->A = bind_table(b, l, "ssm_a", p->n_head, 1);
    w->dt = bind_vector(b, l, "ssm_dt.bias", n);
    w->beta = bind_matrix(b, l, "ssm_beta.weight", p->n_head, p->n_embd);
    w->gate_a = bind_matrix(b, l, "ssm_g_a.weight", d, p->n_embd);
    w->gate_b = bind_matrix(b, l, "ssm_g_b.weight", n, d);
    w->o_norm = bind_vector(b, l, "ssm_norm.weight", d);
    w->wo = bind_matrix(b, l, "attn_output.weight", p->n_embd, n);
    w->state = bind_state(b, (size_t)n * (size_t)d);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    if (params_int_of(b->m->file, "attention.head_count_kv", l, 0, b->m->p.n_head, b->m->p.n_head_kv, &w->attends,
                      b->err))
        return -1;
    if (w->attends)
        bind_latent(b, l, &w->latent);
    else
        bind_delta(b, l, &w->delta);
    bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

/* ---- a layer ------------------------------------------------------------------------------------------------------------------ */

/* out = second first a, through d values */
static void low_rank(struct step *s, float *out, struct act *a, const struct weight *first, const struct weight *second)
{
    int d = s->m->p.delta.d;
    float *c = step_rows(s, d);
    matmul(s, c, a, first);
    struct act b = step_act(s, c, d);
    matmul(s, out, &b, second);
}

static void delta_attention(struct step *s, float *x, const struct delta_weights *w)
{
    const struct params *p = &s->m->p;
    struct op *op = &s->m->op;
    int n_head = p->n_head, d = p->delta.d, values = n_value(p);
    size_t mark = step_mark(s), ld = (size_t)values;
    float *n = step_rows(s, p->n_embd), *mixed = step_rows(s, values), *u[QKV], *o = step_rows(s, values);
    float *decay = step_rows(s, values), *beta = step_rows(s, n_head), *gate = mixed;

    rms_norm(s, n, x, w->norm);
    struct act a = step_act(s, n, p->n_embd);
    struct run *run = NULL;
    for (int i = 0; i < QKV; i++) {
        u[i] = step_rows(s, values);
        run = step_runs(s, w->history[i], w->state);
        matmul(s, mixed, &a, w->project[i]);
        op_conv(op, u[i], mixed, (const float *)w->conv[i]->mat.data, NULL, p->delta.conv, values, run, s->n_run);
    }
    op_l2_norm(op, u[Q], s->n_rows, ld, n_head, d, qk_eps, 1.0f / sqrtf((float)d));
    op_l2_norm(op, u[K], s->n_rows, ld, n_head, d, qk_eps, 1.0f);
    low_rank(s, decay, &a, w->decay_a, w->decay_b);
    op_decay(op, decay, (const float *)w->A->mat.data, w->dt->vector, s->n_rows, n_head, d);
    matmul(s, beta, &a, w->beta);
    op_sigmoid(op, beta, s->n_rows, n_head);
    struct delta delta = {.n_head_k = n_head, .n_head_v = n_head, .d = d, .by_key = 1, .ld = ld, .o = o};
    delta.q = u[Q];
    delta.k = u[K];
    delta.v = u[V];
    delta.decay = decay;
    delta.beta = beta;
    op_delta(op, &delta, run, s->n_run);
    op_rms_norm(op, o, o, w->o_norm->vector, s->n_rows * n_head, d, p->norm_eps);
    low_rank(s, gate, &a, w->gate_a, w->gate_b);
    op_sigmoid_mul(op, o, gate, s->n_rows, values);
    struct act b = step_act(s, o, values);
    matmul(s, n, &b, w->wo);
    add(s, x, n, p->n_embd);
    step_reset(s, mark);
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    if (w->attends)
        block_latent(s, x, &w->latent);
    else
        delta_attention(s, x, &w->delta);
    block_dense_or_moe(s, l, x, &w->ffn);
    layer_out(s, l, x);
}

const struct arch arch_kimi_linear = {.name = "kimi-linear",
                                      .read_params = read_params,
                                      .layers_differ = 1,
                                      .layer_bytes = sizeof(struct layer),
                                      .bind = bind,
                                      .layer = layer};
