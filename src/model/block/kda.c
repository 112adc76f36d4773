/* Kimi delta attention, whose states decay by a share of their own for each key channel: see kda.h.
 *
 *     q, k, v = silu(conv(Wq n)), silu(conv(Wk n)), silu(conv(Wv n));  q, k l2-normed by head, q / sqrt(d)
 *     S = D S + k (v - (D S)^T k)^T beta;  o = S^T q       beta = sigmoid(Wb n), one a head
 *     D = exp(-|A| softplus(f)), or exp(lowest sigmoid(|A| f))        one a key channel; f = Wf2 Wf1 n + dt, or Wf1 n + dt
 *     x += Wo (rms_norm(o) * sigmoid(Wg2 Wg1 n))                      each head by itself; n = rms_norm(x)
 *
 * lowest: the logarithm of the smallest share that is kept in a step. Sources: Kimi Linear, arXiv 2510.26692; flash-linear-attention
 * (bounds). */
#include "model/block/kda.h"

#include "op/matmul.h"

#include <math.h>

static int n_value(const struct params *p) { return p->n_head * p->delta.d; }

int params_read_kda(struct params *p, const struct gguf *g, struct error *err)
{
    p->delta.n_head_k = p->delta.n_head_v = p->n_head;
    p->delta.qk_eps = 1e-6f; /* of the published models; the key in files is that of their rms norms */
    return params_int(g, "ssm.conv_kernel", 2, CONV_MOST, -1, &p->delta.conv, err) ||
                   params_int(g, "kda.head_dim", 1, 1 << 12, -1, &p->delta.d, err)
               ? -1
               : 0;
}

void bind_kda(struct binder *b, int l, struct kda_weights *w, int rank)
{
    static const char *const project[] = {"attn_q.weight", "attn_k.weight", "attn_v.weight"};
    static const char *const conv[] = {"ssm_conv1d_q.weight", "ssm_conv1d_k.weight", "ssm_conv1d_v.weight"};
    const struct params *p = &b->m->p;
    int n = n_value(p), d = p->delta.d, first = rank ? rank : n;
    w->norm = bind_vector(b, l, "attn_norm.weight", p->n_embd);
    for (int i = 0; i < KDA_QKV; i++) {
        w->project[i] = bind_matrix(b, l, project[i], n, p->n_embd);
        w->conv[i] = bind_conv(b, l, conv[i], p->delta.conv, n);
        w->history[i] = bind_state(b, (size_t)(p->delta.conv - 1) * (size_t)n);
    }
    const char *decay = rank ? "ssm_f_a.weight" : bind_spelling(b, l, "ssm_f_a.weight", "ssm_f.weight");
    const char *gate = rank ? "ssm_g_a.weight" : bind_spelling(b, l, "ssm_g_a.weight", "ssm_g.weight");
    w->decay_a = bind_matrix(b, l, decay, first, p->n_embd);
    w->gate_a = bind_matrix(b, l, gate, first, p->n_embd);
    if (rank) {
        w->decay_b = bind_matrix(b, l, "ssm_f_b.weight", n, rank);
        w->gate_b = bind_matrix(b, l, "ssm_g_b.weight", n, rank);
    }
    w->A = bind_column(b, l, "ssm_a", p->n_head);
    w->dt = bind_vector(b, l, "ssm_dt.bias", n);
    w->beta = bind_matrix(b, l, "ssm_beta.weight", p->n_head, p->n_embd);
    w->o_norm = bind_vector(b, l, "ssm_norm.weight", d);
    w->wo = bind_matrix(b, l, "attn_output.weight", p->n_embd, n);
    w->state = bind_state(b, (size_t)n * (size_t)d);
}

/* out = second first a; second NULL: out = first a */
static void low_rank(struct step *s, float *out, struct act *a, const struct weight *first, const struct weight *second)
{
    if (!second) {
        matmul(s, out, a, first);
        return;
    }
    float *c = step_rows(s, first->mat.n_rows);
    matmul(s, c, a, first);
    struct act b = step_act(s, c, first->mat.n_rows);
    matmul(s, out, &b, second);
}

void kda_of(struct step *s, float *out, struct act *a, const struct kda_weights *w)
{
    const struct params *p = &s->m->p;
    struct op *op = &s->m->op;
    int n_head = p->n_head, d = p->delta.d, values = n_value(p);
    const struct weight *const inputs[] = {w->project[KDA_Q], w->project[KDA_K], w->project[KDA_V],
                                           w->decay_a,        w->beta,           w->gate_a};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        op_view(a, inputs[i]->mat.type); /* copies of a live as long as a: made before the mark */
    size_t mark = step_mark(s), ld = (size_t)values;
    float *mixed = step_rows(s, values), *u[KDA_QKV], *o = step_rows(s, values);
    float *decay = step_rows(s, values), *beta = step_rows(s, n_head), *gate = mixed;

    struct run *run = NULL;
    for (int i = 0; i < KDA_QKV; i++) {
        u[i] = step_rows(s, values);
        run = step_runs(s, w->history[i], w->state);
        matmul(s, mixed, a, w->project[i]);
        op_conv(op, u[i], mixed, (const float *)w->conv[i]->mat.data, NULL, p->delta.conv, values, run, s->n_run);
    }
    op_l2_norm(op, u[KDA_Q], s->n_rows, ld, n_head, d, p->delta.qk_eps, 1.0f / sqrtf((float)d));
    op_l2_norm(op, u[KDA_K], s->n_rows, ld, n_head, d, p->delta.qk_eps, 1.0f);
    low_rank(s, decay, a, w->decay_a, w->decay_b);
    op_decay_keys(op, decay, (const float *)w->A->mat.data, w->dt->vector, p->delta.lowest, s->n_rows, n_head, d);
    matmul(s, beta, a, w->beta);
    op_sigmoid(op, beta, s->n_rows, n_head);
    struct delta delta = {.n_head_k = n_head, .n_head_v = n_head, .d = d, .by_key = 1, .ld = ld, .o = o};
    delta.q = u[KDA_Q];
    delta.k = u[KDA_K];
    delta.v = u[KDA_V];
    delta.decay = decay;
    delta.beta = beta;
    op_delta(op, &delta, run, s->n_run);
    op_rms_norm(op, o, o, w->o_norm->vector, s->n_rows * n_head, d, p->norm_eps);
    low_rank(s, gate, a, w->gate_a, w->gate_b);
    op_sigmoid_mul(op, o, gate, s->n_rows, values);
    struct act b = step_act(s, o, values);
    matmul(s, out, &b, w->wo);
    step_reset(s, mark);
}

void block_kda(struct step *s, float *x, const struct kda_weights *w)
{
    int n_embd = s->m->p.n_embd;
    size_t mark = step_mark(s);
    float *n = step_rows(s, n_embd), *y = step_rows(s, n_embd);
    rms_norm(s, n, x, w->norm);
    struct act a = step_act(s, n, n_embd);
    kda_of(s, y, &a, w);
    block_out(s, VECTOR_ATTN, x, y);
    step_reset(s, mark);
}
