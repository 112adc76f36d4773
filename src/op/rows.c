/* Row-wise operations: see rows.h. */
#include "op/rows.h"

#include <math.h>
#include <string.h>

enum { ALONE = 4 }; /* the most rows that the leader computes alone: waking workers would take longer */

struct rows {
    struct op *op;
    float *out;
    const float *x, *w;
    int n;
    float number; /* eps, cap, factor */
};

static void norm_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    for (int r = begin; r < end; r++)
        a->op->k->rms_norm(a->out + (size_t)r * (size_t)a->n, a->x + (size_t)r * (size_t)a->n, a->w, a->n, a->number);
}

void op_rms_norm(struct op *op, float *out, const float *x, const float *w, int n_rows, int n, float eps)
{
    op_split(op, n_rows, 1, n >= 512 ? ALONE : 512, norm_rows, &(struct rows){op, out, x, w, n, eps});
}

/* ---- rows that are ld floats apart; where `alone` is n_rows the leader does all: a second thread would gain nothing ------------- */

struct strided {
    const struct op *op;
    float *x;
    const float *from;
    size_t ld, ld_from;
    int n;
    float eps;
};

static void strided_norm_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct strided *a = arg;
    for (int r = begin; r < end; r++)
        a->op->k->rms_norm(a->x + (size_t)r * a->ld, a->x + (size_t)r * a->ld, a->from, a->n, a->eps);
}

void op_rms_norm_strided(struct op *op, float *x, const float *w, int n_rows, size_t ld, int n, float eps)
{
    op_split(op, n_rows, 1, n_rows, strided_norm_rows, &(struct strided){op, x, w, ld, 0, n, eps});
}

static void copy_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct strided *a = arg;
    for (int r = begin; r < end; r++)
        memcpy(a->x + (size_t)r * a->ld, a->from + (size_t)r * a->ld_from, (size_t)a->n * sizeof(float));
}

void op_copy(struct op *op, float *to, size_t ld_to, const float *from, size_t ld_from, int n_rows, int n)
{
    op_split(op, n_rows, 1, n_rows, copy_rows, &(struct strided){op, to, from, ld_to, ld_from, n, 0});
}

static void sigmoid_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct strided *a = arg;
    float *x = a->x + (size_t)begin * a->ld;
    a->op->k->sigmoid(x, x, (end - begin) * a->n);
}

void op_sigmoid(struct op *op, float *x, int n_rows, int n)
{
    op_split(op, n_rows, 1, n_rows, sigmoid_rows, &(struct strided){op, x, NULL, (size_t)n, 0, n, 0});
}

static void round_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct strided *a = arg;
    for (int r = begin; r < end; r++)
        a->op->k->round_fp8(a->x + (size_t)r * a->ld, a->n);
}

void op_round_fp8(struct op *op, float *x, int n_rows, size_t ld, int n)
{
    op_split(op, n_rows, 1, ALONE, round_rows, &(struct strided){op, x, NULL, ld, 0, n, 0});
}

/* ---- norms around the mean, norms of groups ----------------------------------------------------------------------------------- */

struct centred {
    const struct op *op;
    float *out;
    const float *x, *w, *b;
    int n;
    float eps;
};

static void centred_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct centred *a = arg;
    size_t n = (size_t)a->n;
    for (int r = begin; r < end; r++)
        a->op->k->layer_norm(a->out + (size_t)r * n, a->x + (size_t)r * n, a->w, a->b, a->n, a->eps);
}

void op_layer_norm(struct op *op, float *out, const float *x, const float *w, const float *b, int n_rows, int n,
                   float eps)
{
    op_split(op, n_rows, 1, n >= 512 ? ALONE : 512, centred_rows, &(struct centred){op, out, x, w, b, n, eps});
}

struct groups {
    struct op *op;
    float *out;
    const float *x, *w, *b; /* b NULL: not around the mean */
    int n_group, n;
    float eps;
};

static void group_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct groups *a = arg;
    for (int r = begin; r < end; r++)
        for (int g = 0; g < a->n_group; g++) {
            size_t group = (size_t)g * (size_t)a->n, at = (size_t)r * (size_t)a->n_group * (size_t)a->n + group;
            if (a->b)
                a->op->k->layer_norm(a->out + at, a->x + at, a->w + group, a->b, a->n, a->eps);
            else
                a->op->k->rms_norm(a->out + at, a->x + at, a->w + group, a->n, a->eps);
        }
}

void op_group_norm(struct op *op, float *out, const float *x, const float *w, int n_rows, int n_group, int n, float eps)
{
    op_split(op, n_rows, 1, ALONE, group_rows, &(struct groups){op, out, x, w, NULL, n_group, n, eps});
}

void op_group_layer_norm(struct op *op, float *out, const float *x, const float *w, const float *b, int n_rows,
                         int n_group, int n, float eps)
{
    op_split(op, n_rows, 1, ALONE, group_rows, &(struct groups){op, out, x, w, b, n_group, n, eps});
}

struct activate {
    ffn_act_fn *act;
    float *h;
    const float *gate, *up;
    int n;
};

static void activate_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct activate *a = arg;
    size_t at = (size_t)begin * (size_t)a->n;
    a->act(a->h + at, a->gate ? a->gate + at : NULL, a->up + at, (end - begin) * a->n);
}

void op_activate(struct op *op, ffn_act_fn *act, float *h, const float *gate, const float *up, int n_rows, int n)
{
    op_split(op, n_rows, 1, ALONE, activate_rows, &(struct activate){act, h, gate, up, n});
}

struct limits {
    const struct op *op;
    float *x, low, high;
    int n;
};

static void clamp_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct limits *a = arg;
    a->op->k->clamp(a->x + (size_t)begin * (size_t)a->n, a->low, a->high, (end - begin) * a->n);
}

void op_clamp(struct op *op, float *x, float low, float high, int n_rows, int n)
{
    op_split(op, n_rows, 1, ALONE, clamp_rows, &(struct limits){op, x, low, high, n});
}

static void sigmoid_mul_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    size_t at = (size_t)begin * (size_t)a->n;
    int n = (end - begin) * a->n;
    float part[256];
    for (int i = 0; i < n; i += 256) {
        int m = n - i < 256 ? n - i : 256;
        a->op->k->sigmoid(part, a->x + at + i, m);
        a->op->k->mul(a->out + at + i, part, m);
    }
}

void op_sigmoid_mul(struct op *op, float *x, const float *gate, int n_rows, int n)
{
    op_split(op, n_rows, 1, ALONE, sigmoid_mul_rows, &(struct rows){op, x, gate, NULL, n, 0});
}

static void add_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    size_t at = (size_t)begin * (size_t)a->n;
    a->op->k->add(a->out + at, a->x + at, (end - begin) * a->n);
}

void op_add(struct op *op, float *x, const float *y, int n_rows, int n)
{
    op_split(op, n_rows, 1, ALONE, add_rows, &(struct rows){op, x, y, NULL, n, 0});
}

static void mul_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    size_t at = (size_t)begin * (size_t)a->n;
    a->op->k->mul(a->out + at, a->x + at, (end - begin) * a->n);
}

void op_mul(struct op *op, float *x, const float *y, int n_rows, int n)
{
    op_split(op, n_rows, 1, ALONE, mul_rows, &(struct rows){op, x, y, NULL, n, 0});
}

static void add_vector_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    for (int r = begin; r < end; r++)
        a->op->k->add(a->out + (size_t)r * (size_t)a->n, a->w, a->n);
}

void op_add_vector(struct op *op, float *x, const float *b, int n_rows, int n)
{
    op_split(op, n_rows, 1, ALONE, add_vector_rows, &(struct rows){op, x, NULL, b, n, 0});
}

/* By columns: the logits of one row are many. */
static void softcap_columns(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    a->op->k->softcap(a->out + begin, a->number, end - begin);
}

void op_softcap(struct op *op, float *x, float cap, int n_rows, int n)
{
    for (int r = 0; r < n_rows && !op_measuring(op); r++)
        op_split(op, n, 64, 1024, softcap_columns, &(struct rows){op, x + (size_t)r * (size_t)n, NULL, NULL, n, cap});
}

static void scale_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    a->op->k->scale(a->out + (size_t)begin * (size_t)a->n, a->number, (end - begin) * a->n);
}

void op_scale(struct op *op, float *x, float factor, int n_rows, int n)
{
    op_split(op, n_rows, 1, ALONE, scale_rows, &(struct rows){op, x, NULL, NULL, n, factor});
}

static void fill_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    for (size_t i = (size_t)begin * (size_t)a->n; i < (size_t)end * (size_t)a->n; i++)
        a->out[i] = a->number;
}

void op_fill(struct op *op, float *x, float value, int n_rows, int n)
{
    op_split(op, n_rows, 1, n_rows, fill_rows, &(struct rows){op, x, NULL, NULL, n, value});
}

static void scale_each_row(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    for (int r = begin; r < end; r++)
        a->op->k->scale(a->out + (size_t)r * (size_t)a->n, a->w[r], a->n);
}

void op_scale_rows(struct op *op, float *x, const float *factor, int n_rows, int n)
{
    op_split(op, n_rows, 1, n >= 512 ? ALONE : 512, scale_each_row, &(struct rows){op, x, NULL, factor, n, 0});
}

static void add_gated_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    for (int r = begin; r < end; r++) {
        float g;
        a->op->k->sigmoid(&g, &a->w[r], 1);
        a->op->k->add_scaled(a->out + (size_t)r * (size_t)a->n, g, a->x + (size_t)r * (size_t)a->n, a->n);
    }
}

void op_add_gated(struct op *op, float *y, const float *o, const float *gate, int n_rows, int n)
{
    if (gate)
        op_split(op, n_rows, 1, ALONE, add_gated_rows, &(struct rows){op, y, o, gate, n, 0});
    else
        op_add(op, y, o, n_rows, n);
}

/* The n_used largest of p, value descending, ties by lower id; -Inf is not a candidate, the chosen become it. */
static void top_k(int32_t *id, float *p, int n, int n_used)
{
    for (int k = 0; k < n_used; k++) {
        int best = -1;
        for (int e = 0; e < n; e++)
            if (p[e] > -INFINITY && (best < 0 || p[e] > p[best]))
                best = e;
        id[k] = best;
        if (best >= 0)
            p[best] = -INFINITY;
    }
}

struct route {
    struct op *op;
    int32_t *id;
    float *w, *logits, *work;
    int n_expert, n_used;
    const struct route_rule *rule;
};

/* Sum of the two best of each group, or the only one; the experts of all other groups are excluded. A group without any has no score. */
static void exclude_groups(const struct route_rule *r, float *p, int n_expert)
{
    enum { MOST = 256 };
    float score[MOST];
    int32_t open[MOST];
    int size = n_expert / r->n_group;
    for (int g = 0; g < r->n_group; g++) {
        float best = -INFINITY, second = -INFINITY;
        for (int e = g * size; e < (g + 1) * size; e++) {
            if (p[e] > best) {
                second = best;
                best = p[e];
            } else if (p[e] > second)
                second = p[e];
        }
        score[g] = second > -INFINITY ? best + second : best;
    }
    top_k(open, score, r->n_group, r->n_group_used);
    for (int g = 0; g < r->n_group; g++)
        if (score[g] > -INFINITY) /* not chosen */
            for (int e = g * size; e < (g + 1) * size; e++)
                p[e] = -INFINITY;
}

static int all_finite(const float *x, int n)
{
    int finite = 1;
    for (int i = 0; i < n; i++)
        finite &= isfinite(x[i]) != 0;
    return finite;
}

static void weigh(const struct route *a, const int32_t *id, float *w, const float *p)
{
    const struct route_rule *r = a->rule;
    float sum = 0.0f;
    int chosen = 0;
    for (int k = 0; k < a->n_used; k++) {
        w[k] = id[k] < 0 ? 0.0f : p[id[k]];
        sum += w[k];
        chosen += id[k] >= 0;
    }
    if (r->gate == ROUTE_CHOSEN)
        a->op->k->softmax(w, chosen);
    if (r->gate == ROUTE_CHOSEN_SIGMOID)
        a->op->k->sigmoid(w, w, chosen);
    for (int k = 0; r->normalise && k < a->n_used; k++)
        w[k] = sum != 0.0f ? w[k] / sum : 0.0f; /* roots of softplus may all be 0 in f32 */
    for (int k = 0; r->scale != 0 && r->scale != 1.0f && k < a->n_used; k++)
        w[k] *= r->scale;
}

static void route_row(const struct route *a, int row, int32_t *id, float *w, float *p, float *choice)
{
    const struct route_rule *r = a->rule;
    if (r->gate == ROUTE_SOFTMAX)
        a->op->k->softmax(p, a->n_expert);
    else if (r->gate == ROUTE_SIGMOID)
        a->op->k->sigmoid(p, p, a->n_expert);
    else if (r->gate == ROUTE_SQRT_SOFTPLUS)
        a->op->k->sqrt_softplus(p, p, a->n_expert);
    if (!all_finite(p, a->n_expert)) { /* the logits of the step will fail; here the row must choose no expert */
        for (int k = 0; k < a->n_used; k++) {
            id[k] = -1;
            w[k] = 0.0f;
        }
        return;
    }
    if (r->given && id[0] >= 0) {
        weigh(a, id, w, p);
        return;
    }
    memcpy(choice, p, (size_t)a->n_expert * sizeof *p);
    if (r->select_bias)
        a->op->k->add(choice, r->select_bias, a->n_expert);
    if (r->turn)
        r->turn(r->turn_arg, row, choice);
    if (r->n_group > 1)
        exclude_groups(r, choice, a->n_expert);
    top_k(id, choice, a->n_expert, a->n_used);
    weigh(a, id, w, p);
}

static void route_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct route *a = arg;
    size_t n_used = (size_t)a->n_used, n_expert = (size_t)a->n_expert;
    for (int r = begin; r < end; r++)
        route_row(a, r, a->id + (size_t)r * n_used, a->w + (size_t)r * n_used, a->logits + (size_t)r * n_expert,
                  a->work + (size_t)r * n_expert);
}

void op_route(struct op *op, int32_t *id, float *w, float *logits, float *work, int n_rows, int n_expert, int n_used,
              const struct route_rule *rule)
{
    op_split(op, n_rows, 1, ALONE, route_rows, &(struct route){op, id, w, logits, work, n_expert, n_used, rule});
}
