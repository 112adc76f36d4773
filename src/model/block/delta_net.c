/* Gated delta net: see delta_net.h.
 *
 *     u = silu(conv(Wqkv n));  q, k = l2_norm(u_q) / sqrt(d), l2_norm(u_k);  v = u_v
 *     S = decay S + k (v - decay S k) beta;  o = S q       decay = exp(A softplus(Wa n + dt)), beta = sigmoid(Wb n)
 *     y = Wout (rms_norm(o) * gate(Wz n))                  each value head by itself
 *
 * Source: Yang et al., arXiv 2412.06464. */
#include "model/block/delta_net.h"

#include "base/error.h"
#include "format/gguf.h"

#include <math.h>

static int n_channel(const struct params *p) { return (2 * p->delta.n_head_k + p->delta.n_head_v) * p->delta.d; }
static int n_value(const struct params *p) { return p->delta.n_head_v * p->delta.d; }

int params_read_delta(struct params *p, const struct gguf *g, struct error *err)
{
    struct delta_params *d = &p->delta;
    int inner;
    if (params_int(g, "ssm.conv_kernel", 2, CONV_MOST, -1, &d->conv, err) ||
        params_int(g, "ssm.state_size", 1, 1 << 12, -1, &d->d, err) ||
        params_int(g, "ssm.time_step_rank", 1, 1 << 12, -1, &d->n_head_v, err) ||
        params_int(g, "ssm.group_count", 1, d->n_head_v, -1, &d->n_head_k, err) ||
        params_int(g, "ssm.inner_size", 1, 1 << 24, -1, &inner, err))
        return -1;
    if (d->n_head_v % d->n_head_k || inner != d->n_head_v * d->d)
        return error_set(err, ERR_FORMAT,
                         "%s: ssm.inner_size %d is not ssm.time_step_rank %d times ssm.state_size %d, in groups of "
                         "ssm.group_count %d",
                         g->file->path, inner, d->n_head_v, d->d, d->n_head_k);
    return 0;
}

void bind_delta_net(struct binder *b, int l, struct delta_net_weights *w)
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

/* decay and beta [n_rows][n_head_v] from the two projections. */
static void gates(struct step *s, float *decay, float *beta, struct act *n, const struct delta_net_weights *w)
{
    const struct delta_params *d = &s->m->p.delta;
    struct op *op = &s->m->op;
    int n_v = d->n_head_v, share = n_v / d->n_head_k;
    if (w->wba) {
        size_t ld = 2 * (size_t)share;
        float *both = step_rows(s, 2 * n_v);
        matmul(s, both, n, w->wba);
        op_copy(op, beta, (size_t)share, both, ld, s->n_rows * d->n_head_k, share);
        op_copy(op, decay, (size_t)share, both + share, ld, s->n_rows * d->n_head_k, share);
    } else {
        matmul(s, decay, n, w->wa);
        matmul(s, beta, n, w->wb);
    }
    op_decay(op, decay, w->A->vector, w->dt->vector, s->n_rows, n_v);
    op_sigmoid(op, beta, s->n_rows, n_v);
}

/* o [n_rows][n_head_v][d] */
static void recurrence(struct step *s, float *o, const float *u, const float *decay, const float *beta,
                       const struct run *run, const struct delta_net_weights *w)
{
    const struct delta_params *d = &s->m->p.delta;
    int n_key = d->n_head_k * d->d;
    struct delta delta = {.n_head_k = d->n_head_k, .n_head_v = d->n_head_v, .d = d->d, .o = o};
    delta.ld = (size_t)n_channel(&s->m->p);
    delta.interleaved = !w->neighbours;
    delta.q = u;
    delta.k = u + n_key;
    delta.v = u + 2 * n_key;
    delta.decay = decay;
    delta.beta = beta;
    op_delta(&s->m->op, &delta, run, s->n_run);
}

void delta_net(struct step *s, float *y, const float *n, const struct delta_net_weights *w)
{
    const struct params *p = &s->m->p;
    const struct delta_params *d = &p->delta;
    struct op *op = &s->m->op;
    int channels = n_channel(p), values = n_value(p);
    size_t mark = step_mark(s), ld = (size_t)channels;
    float *mixed = step_rows(s, channels), *u = step_rows(s, channels);
    float *z = step_rows(s, values), *o = step_rows(s, values);
    float *decay = step_rows(s, d->n_head_v), *beta = step_rows(s, d->n_head_v);

    struct act a = step_act(s, n, p->n_embd);
    matmul(s, mixed, &a, w->wqkv);
    matmul(s, z, &a, w->wz);
    gates(s, decay, beta, &a, w);
    struct run *run = step_runs(s, w->history, w->state);
    op_conv(op, u, mixed, (const float *)w->conv->mat.data, NULL, d->conv, channels, run, s->n_run);
    op_l2_norm(op, u, s->n_rows, ld, d->n_head_k, d->d, p->norm_eps, 1.0f / sqrtf((float)d->d));
    op_l2_norm(op, u + d->n_head_k * d->d, s->n_rows, ld, d->n_head_k, d->d, p->norm_eps, 1.0f);
    recurrence(s, o, u, decay, beta, run, w);
    op_rms_norm(op, o, o, w->o_norm->vector, s->n_rows * d->n_head_v, d->d, p->norm_eps);
    if (w->sigmoid)
        op_sigmoid_mul(op, o, z, s->n_rows, values);
    else
        op_activate(op, op->k->silu_mul, o, z, o, s->n_rows, values);
    struct act b = step_act(s, o, values);
    matmul(s, y, &b, w->wout);
    step_reset(s, mark);
}
