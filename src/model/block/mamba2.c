/* Mamba-2: a state space whose decay is one number a head and row. See mamba2.h.
 *
 *     [z | u | dt] = Win n;   [x | B | C] = silu(conv(u) + bias)          n = rms_norm(x)
 *     dt = softplus(dt + bias);   S = exp(A dt) S + B (dt x)^T;   y = S^T C + D x             each head by itself
 *     x += Wout (norm(silu(z) * y) * w)                                    the norm, if there is one, over each group's heads
 *
 * B and C are shared by the heads of a group, neighbours. Files hold A as -exp(A_log).
 * Source: Dao and Gu, arXiv 2405.21060. */
#include "model/block/mamba2.h"

#include "base/error.h"
#include "format/gguf.h"
#include "op/matmul.h"

static int n_value(const struct ssm_params *m) { return m->n_head * m->d; }
static int n_channel(const struct ssm_params *m) { return n_value(m) + 2 * m->n_group * m->n_state; }

int params_read_mamba2(struct params *p, const struct gguf *g, struct error *err)
{
    struct ssm_params *m = &p->ssm;
    int inner;
    if (params_int(g, "ssm.conv_kernel", 2, CONV_MOST, -1, &m->conv, err) ||
        params_int(g, "ssm.state_size", 1, 1 << 12, -1, &m->n_state, err) ||
        params_int(g, "ssm.time_step_rank", 1, 1 << 12, -1, &m->n_head, err) ||
        params_int(g, "ssm.group_count", 1, m->n_head, -1, &m->n_group, err) ||
        params_int(g, "ssm.inner_size", 1, 1 << 20, -1, &inner, err))
        return -1;
    if (inner % m->n_head || m->n_head % m->n_group)
        return error_set(err, ERR_FORMAT,
                         "%s: ssm.inner_size %d cannot be shared evenly by %d heads (ssm.time_step_rank) in groups of "
                         "ssm.group_count %d",
                         g->file->path, inner, m->n_head, m->n_group);
    m->d = inner / m->n_head;
    return 0;
}

static void bind_mixer(struct binder *b, int l, struct mamba2_weights *w)
{
    const struct params *p = &b->m->p;
    const struct ssm_params *m = &p->ssm;
    w->in = bind_matrix(b, l, "ssm_in.weight", n_value(m) + n_channel(m) + m->n_head, p->n_embd);
    w->conv = bind_conv(b, l, "ssm_conv1d.weight", m->conv, n_channel(m));
    w->conv_bias = bind_vector(b, l, "ssm_conv1d.bias", n_channel(m));
    w->dt_bias = bind_vector(b, l, "ssm_dt.bias", m->n_head);
    w->A = bind_table(b, l, "ssm_a", m->n_head, 1);
    w->D = bind_table(b, l, "ssm_d", m->n_head, 1);
    w->out = bind_matrix(b, l, "ssm_out.weight", p->n_embd, n_value(m));
    w->history = bind_state(b, (size_t)(m->conv - 1) * (size_t)n_channel(m));
    w->state = bind_state(b, (size_t)n_value(m) * (size_t)m->n_state);
}

void bind_mamba2(struct binder *b, int l, struct mamba2_weights *w)
{
    const struct ssm_params *m = &b->m->p.ssm;
    w->norm = bind_vector(b, l, "attn_norm.weight", b->m->p.n_embd);
    bind_mixer(b, l, w);
    w->y_norm = bind_table(b, l, "ssm_norm.weight", m->n_group, n_value(m) / m->n_group);
}

void bind_mamba2_beside(struct binder *b, int l, struct mamba2_weights *w)
{
    const struct ssm_params *m = &b->m->p.ssm;
    bind_mixer(b, l, w);
    w->y_norm = bind_table_if(b, l, "ssm_norm.weight", m->n_group, n_value(m) / m->n_group);
}

static const float *table(const struct weight *w) { return (const float *)w->mat.data; }

void mamba2_of(struct step *s, float *out, struct act *a, const struct mamba2_weights *w)
{
    const struct params *p = &s->m->p;
    const struct ssm_params *m = &p->ssm;
    struct op *op = &s->m->op;
    int values = n_value(m), channels = n_channel(m), n_b = m->n_group * m->n_state;
    op_view(a, w->in->mat.type); /* copies of a live as long as a: made before the mark */
    size_t mark = step_mark(s);
    float *z = step_rows(s, values), *y = step_rows(s, values);
    float *mixed = step_rows(s, channels), *u = step_rows(s, channels);
    float *dt = step_rows(s, m->n_head), *decay = step_rows(s, m->n_head);

    matmul_rows(s, z, a, w->in, 0, values);
    matmul_rows(s, mixed, a, w->in, values, channels);
    matmul_rows(s, dt, a, w->in, values + channels, m->n_head);
    struct run *run = step_runs(s, w->history, w->state);
    op_conv(op, u, mixed, table(w->conv), w->conv_bias->vector, m->conv, channels, run, s->n_run);
    op_ssm_steps(op, decay, dt, w->dt_bias->vector, table(w->A), s->n_rows, m->n_head);
    struct ssm ssm = {m->n_head, m->n_group, m->d,        m->n_state,       u, u + values, u + values + n_b,
                      decay,     dt,         table(w->D), (size_t)channels, y};
    op_ssm(op, &ssm, run, s->n_run);
    op_activate(op, op->k->silu_mul, y, z, y, s->n_rows, values);
    if (w->y_norm)
        op_group_norm(op, y, y, table(w->y_norm), s->n_rows, m->n_group, values / m->n_group, p->norm_eps);
    struct act b = step_act(s, y, values);
    matmul(s, out, &b, w->out);
    step_reset(s, mark);
}

void block_mamba2(struct step *s, float *x, const struct mamba2_weights *w)
{
    const struct params *p = &s->m->p;
    size_t mark = step_mark(s);
    float *n = step_rows(s, p->n_embd);
    rms_norm(s, n, x, w->norm);
    struct act a = step_act(s, n, p->n_embd);
    mamba2_of(s, n, &a, w);
    block_out(s, VECTOR_ATTN, x, n);
    step_reset(s, mark);
}
