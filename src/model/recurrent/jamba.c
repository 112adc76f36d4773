/* Jamba: Mamba-1 in most layers, attention without positions in some; a feed-forward or experts behind each.
 *
 *     Mamba-1      [u | z] = Win n;  v = silu(conv(u) + bias);  [t | B | C] = Wx v, each with a norm        n = rms_norm(x)
 *                  dt = softplus(Wdt t + bias);  S = exp(A dt) S + B (dt v);  y = S C + D v        each channel by itself
 *                  h = x + Wout (silu(z) * y)
 *     attention    h = x + Wo attend(Wq n, Wk n, Wv n)
 *     y = h + ffn(m), or the sum over the top-k experts of m        m = rms_norm(h)
 *
 * A channel has ssm.state_size states; A has a row for each, -exp(A_log) in the file. A layer without key heads
 * (attention.head_count_kv) is Mamba-1; one has experts where it has a router: softmax, not renormalised. They are feed_forward_length
 * wide (architectures.md 2).
 * Sources: Jamba, arXiv 2403.19887; Mamba, arXiv 2312.00752. Golden: jamba. */
#include "model/block/attention.h"
#include "model/block/dense_or_moe.h"

struct layer {
    int attends;
    struct attention_weights attention;
    struct mamba_weights {
        const struct weight *norm, *in, *conv, *conv_bias, *x, *t_norm, *B_norm, *C_norm, *dt, *dt_bias, *A, *D, *out;
        size_t history, state;
    } mamba; /* where it does not */
    struct dense_or_moe_weights ffn;
};

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    struct mamba_params *m = &p->mamba;
    int n_group; /* Mamba-2 has some */
    if (params_read(p, g, ROPE_HALF, err) || params_int(g, "ssm.conv_kernel", 2, CONV_MOST, -1, &m->conv, err) ||
        params_int(g, "ssm.state_size", 1, 1 << 12, -1, &m->n_state, err) ||
        params_int(g, "ssm.time_step_rank", 1, 1 << 12, -1, &m->rank, err) ||
        params_int(g, "ssm.inner_size", 1, PARAMS_MAX_WIDTH, -1, &m->n_channel, err) ||
        params_int(g, "ssm.group_count", 0, 0, 0, &n_group, err) ||
        params_int(g, "expert_count", 0, 1 << 14, 0, &p->n_expert, err))
        return -1;
    p->rope[ROPE] = (struct rope_params){0};
    return p->n_expert ? params_read_experts(p, g, err) : 0;
}

static void bind_mamba(struct binder *b, int l, struct mamba_weights *w)
{
    const struct params *p = &b->m->p;
    const struct mamba_params *m = &p->mamba;
    w->norm = bind_vector(b, l, "attn_norm.weight", p->n_embd);
    w->in = bind_matrix(b, l, "ssm_in.weight", 2 * m->n_channel, p->n_embd);
    w->conv = bind_conv(b, l, "ssm_conv1d.weight", m->conv, m->n_channel);
    w->conv_bias = bind_vector(b, l, "ssm_conv1d.bias", m->n_channel);
    w->x = bind_matrix(b, l, "ssm_x.weight", m->rank + 2 * m->n_state, m->n_channel);
    w->t_norm = bind_vector(b, l, "ssm_dt_norm.weight", m->rank);
    w->B_norm = bind_vector(b, l, "ssm_b_norm.weight", m->n_state);
    w->C_norm = bind_vector(b, l, "ssm_c_norm.weight", m->n_state);
    w->dt = bind_matrix(b, l, "ssm_dt.weight", m->n_channel, m->rank);
    w->dt_bias = bind_vector(b, l, "ssm_dt.bias", m->n_channel);
    w->A = bind_conv(b, l, "ssm_a", m->n_state, m->n_channel);
    w->D = bind_vector(b, l, "ssm_d", m->n_channel);
    w->out = bind_matrix(b, l, "ssm_out.weight", p->n_embd, m->n_channel);
    w->history = bind_state(b, (size_t)(m->conv - 1) * (size_t)m->n_channel);
    w->state = bind_state(b, (size_t)m->n_state * (size_t)m->n_channel);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    int n_head_kv;
    if (params_int_of(b->m->file, "attention.head_count_kv", l, 0, p->n_head, p->n_head, &n_head_kv, b->err))
        return -1;
    w->attends = n_head_kv > 0;
    if (w->attends)
        bind_attention_heads(b, l, &w->attention, p->n_head, n_head_kv, see_all());
    else
        bind_mamba(b, l, &w->mamba);
    if (p->n_expert && bind_matrix_if(b, l, "ffn_gate_inp.weight", p->n_expert, p->n_embd))
        bind_sparse_half(b, l, &w->ffn, "ffn_norm.weight");
    else
        bind_dense_half(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

static void mamba(struct step *s, float *x, const struct mamba_weights *w)
{
    const struct params *p = &s->m->p;
    const struct mamba_params *m = &p->mamba;
    struct op *op = &s->m->op;
    int n_c = m->n_channel;
    size_t mark = step_mark(s);
    float *n = step_rows(s, p->n_embd), *u = step_rows(s, n_c), *z = step_rows(s, n_c), *v = step_rows(s, n_c);
    float *t = step_rows(s, m->rank), *B = step_rows(s, m->n_state), *C = step_rows(s, m->n_state);
    float *dt = step_rows(s, n_c), *y = u;

    rms_norm(s, n, x, w->norm);
    struct act a = step_act(s, n, p->n_embd), of_v = step_act(s, v, n_c), of_t = step_act(s, t, m->rank);
    matmul_rows(s, u, &a, w->in, 0, n_c);
    matmul_rows(s, z, &a, w->in, n_c, n_c);
    struct run *run = step_runs(s, w->history, w->state);
    op_conv(op, v, u, (const float *)w->conv->mat.data, w->conv_bias->vector, m->conv, n_c, run, s->n_run);
    matmul_rows(s, t, &of_v, w->x, 0, m->rank);
    matmul_rows(s, B, &of_v, w->x, m->rank, m->n_state);
    matmul_rows(s, C, &of_v, w->x, m->rank + m->n_state, m->n_state);
    rms_norm(s, t, t, w->t_norm);
    rms_norm(s, B, B, w->B_norm);
    rms_norm(s, C, C, w->C_norm);
    matmul(s, dt, &of_t, w->dt);
    struct ssm_channels ssm = {.n_channel = n_c, .n_state = m->n_state, .x = v, .B = B, .C = C, .dt = dt, .y = y};
    ssm.A = (const float *)w->A->mat.data;
    ssm.D = w->D->vector;
    ssm.bias = w->dt_bias->vector;
    op_ssm_channels(op, &ssm, run, s->n_run);
    op_activate(op, op->k->silu_mul, y, z, y, s->n_rows, n_c);
    struct act of_y = step_act(s, y, n_c);
    matmul(s, n, &of_y, w->out);
    block_out(s, VECTOR_ATTN, x, n);
    step_reset(s, mark);
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    if (w->attends)
        block_attention(s, x, &w->attention);
    else
        mamba(s, x, &w->mamba);
    block_dense_or_moe(s, l, x, &w->ffn);
    layer_out(s, l, x);
}

const struct arch arch_jamba = {.name = "jamba",
                                .read_params = read_params,
                                .layers_differ = 1,
                                .layer_bytes = sizeof(struct layer),
                                .bind = bind,
                                .layer = layer};
