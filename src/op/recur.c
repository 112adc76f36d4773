/* Work split of recurrences: units are (run, head, panel of columns) and (run, range of channels). See recur.h. */
#include "op/recur.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- convolution ------------------------------------------------------------------------------------------------------------- */

enum { CHANNELS = 256 };

struct conv {
    const struct op *op;
    float *y;
    const float *x, *c, *bias;
    int width, apart, n_channel, parts, plain; /* apart: rows from tap to tap */
    const struct run *run;
};

/* The kernel takes the weights of its channels as rows of its own width. */
static void conv_part(const struct conv *a, const struct run *r, int c0, int n)
{
    size_t ld = (size_t)a->n_channel;
    int past = (a->width - 1) * a->apart;
    float weights[CONV_MOST * CHANNELS], before[CONV_PAST * CHANNELS];
    for (int t = 0; t < a->width; t++)
        memcpy(weights + (size_t)t * (size_t)n, a->c + (size_t)t * ld + c0, (size_t)n * sizeof(float));
    for (int t = 0; t < past; t++)
        memcpy(before + (size_t)t * (size_t)n, r->history + (size_t)t * ld + c0, (size_t)n * sizeof(float));
    for (int i = 0; i < r->n; i++) {
        const float *x[CONV_MOST];
        for (int t = 0; t < a->width; t++) {
            int row = i + t * a->apart - past;
            x[t] = row < 0 ? before + (size_t)(row + past) * (size_t)n : a->x + (size_t)(r->first + row) * ld + c0;
        }
        float *y = a->y + (size_t)(r->first + i) * ld + c0;
        if (a->plain)
            a->op->k->conv_plain(y, x, weights, a->width, n);
        else
            a->op->k->conv(y, x, weights, a->bias ? a->bias + c0 : NULL, a->width, n);
    }
    for (int i = r->kept ? 0 : r->n - 1; i < r->n; i++) {
        float *to = i + 1 < r->n ? run_kept(r, i, r->history) : r->history;
        for (int t = 0; t < past && to; t++) {
            int row = i + 1 + t - past;
            memcpy(to + (size_t)t * ld + c0,
                   row < 0 ? before + (size_t)(row + past) * (size_t)n : a->x + (size_t)(r->first + row) * ld + c0,
                   (size_t)n * sizeof(float));
        }
    }
}

static void conv_units(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct conv *a = arg;
    for (int u = begin; u < end; u++) {
        int c0 = u % a->parts * CHANNELS, n = a->n_channel - c0 < CHANNELS ? a->n_channel - c0 : CHANNELS;
        conv_part(a, &a->run[u / a->parts], c0, n);
    }
}

static void run_conv(struct op *op, struct conv *a, int n_run)
{
    assert(a->width >= 1 && a->width <= CONV_MOST && (a->width - 1) * a->apart <= CONV_PAST);
    a->op = op;
    a->parts = (a->n_channel + CHANNELS - 1) / CHANNELS;
    op_split(op, n_run * a->parts, 1, 1, conv_units, a);
}

void op_conv(struct op *op, float *y, const float *x, const float *c, const float *bias, int width, int n_channel,
             const struct run *run, int n_run)
{
    struct conv a = {
        .y = y, .x = x, .c = c, .bias = bias, .width = width, .apart = 1, .n_channel = n_channel, .run = run};
    run_conv(op, &a, n_run);
}

void op_conv_apart(struct op *op, float *y, const float *x, const float *c, int width, int apart, int n_channel,
                   const struct run *run, int n_run)
{
    struct conv a = {.y = y, .x = x, .c = c, .width = width, .apart = apart, .n_channel = n_channel, .run = run};
    run_conv(op, &a, n_run);
}

void op_conv_plain(struct op *op, float *y, const float *x, const float *c, int width, int n_channel,
                   const struct run *run, int n_run)
{
    struct conv a = {
        .y = y, .x = x, .c = c, .width = width, .apart = 1, .n_channel = n_channel, .plain = 1, .run = run};
    run_conv(op, &a, n_run);
}

/* Row i of the run leaves the n numbers of its state that are at `state`. */
static void keep_state(const struct run *r, int i, const float *state, size_t n)
{
    float *to = run_kept(r, i, state);
    if (to)
        memcpy(to, state, n * sizeof *to);
}

/* Columns of a panel of a head of d. */
static int panel_of(int d) { return d % STATE_PANEL == 0 ? STATE_PANEL : d; }

/* ---- delta rule -------------------------------------------------------------------------------------------------------------- */

struct delta_units {
    const struct op *op;
    const struct delta *d;
    const struct run *run;
    int panel, panels;
};

/* One row at a time, each of which leaves its state. */
static void delta_by_rows(const struct delta_units *a, const struct run *r, struct delta_run run)
{
    run.n_rows = 1;
    for (int i = 0; i < r->n; i++) {
        a->op->k->delta(&run);
        keep_state(r, i, run.state, (size_t)run.n_k * (size_t)run.panel);
        run.q += run.ld_k;
        run.k += run.ld_k;
        run.v += run.ld_v;
        run.o += run.ld_o;
        run.decay += run.ld_decay;
        run.beta += run.ld_beta;
    }
}

static void delta_units(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct delta_units *a = arg;
    const struct delta *d = a->d;
    for (int u = begin; u < end; u++) {
        int p = u % a->panels, h = u / a->panels % d->n_head_v;
        const struct run *r = &a->run[u / a->panels / d->n_head_v];
        size_t n = (size_t)d->d, row = (size_t)r->first, head = row * (size_t)d->n_head_v + (size_t)h;
        size_t key = (size_t)(d->interleaved ? h % d->n_head_k : h / (d->n_head_v / d->n_head_k)) * n;
        size_t column = (size_t)h * n + (size_t)(p * a->panel);
        struct delta_run run = {.state = r->state + column * n, .n_k = d->d, .panel = a->panel, .n_rows = r->n};
        run.q = d->q + row * d->ld + key;
        run.k = d->k + row * d->ld + key;
        run.v = d->v + row * d->ld + column;
        run.o = d->o + row * (size_t)d->n_head_v * n + column;
        run.by_key = d->by_key;
        run.decay = d->decay + head * (d->by_key ? n : 1);
        run.beta = d->beta + head;
        run.ld_k = run.ld_v = d->ld;
        run.ld_o = (size_t)d->n_head_v * n;
        run.ld_beta = (size_t)d->n_head_v;
        run.ld_decay = d->by_key ? run.ld_o : run.ld_beta;
        if (r->kept)
            delta_by_rows(a, r, run);
        else
            a->op->k->delta(&run);
    }
}

void op_delta(struct op *op, const struct delta *d, const struct run *run, int n_run)
{
    assert(d->n_head_v % d->n_head_k == 0);
    int panel = panel_of(d->d), panels = d->d / panel;
    op_split(op, n_run * d->n_head_v * panels, 1, 1, delta_units, &(struct delta_units){op, d, run, panel, panels});
}

/* ---- Mamba-2 ----------------------------------------------------------------------------------------------------------------- */

struct ssm_units {
    const struct op *op;
    const struct ssm *m;
    const struct run *run;
    int panel, panels;
};

static void ssm_by_rows(const struct ssm_units *a, const struct run *r, struct ssm_run run)
{
    run.n_rows = 1;
    for (int i = 0; i < r->n; i++) {
        a->op->k->ssm(&run);
        keep_state(r, i, run.state, (size_t)run.n_state * (size_t)run.panel);
        run.x += run.ld;
        run.B += run.ld;
        run.C += run.ld;
        run.y += run.ld_y;
        run.decay += run.ld_dt;
        run.dt += run.ld_dt;
    }
}

static void ssm_units(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct ssm_units *a = arg;
    const struct ssm *m = a->m;
    for (int u = begin; u < end; u++) {
        int p = u % a->panels, h = u / a->panels % m->n_head;
        const struct run *r = &a->run[u / a->panels / m->n_head];
        size_t n = (size_t)m->n_state, row = (size_t)r->first, head = row * (size_t)m->n_head + (size_t)h;
        size_t group = (size_t)(h / (m->n_head / m->n_group)) * n, column = (size_t)(h * m->d + p * a->panel);
        struct ssm_run run = {.state = r->state + column * n, .n_state = m->n_state, .panel = a->panel, .n_rows = r->n};
        run.x = m->x + row * m->ld + column;
        run.B = m->B + row * m->ld + group;
        run.C = m->C + row * m->ld + group;
        run.ld = m->ld;
        run.ld_y = (size_t)m->n_head * (size_t)m->d;
        run.y = m->y + row * run.ld_y + column;
        run.decay = m->decay + head;
        run.dt = m->dt + head;
        run.ld_dt = (size_t)m->n_head;
        run.D = m->D[h];
        if (r->kept)
            ssm_by_rows(a, r, run);
        else
            a->op->k->ssm(&run);
    }
}

void op_ssm(struct op *op, const struct ssm *m, const struct run *run, int n_run)
{
    assert(m->n_head % m->n_group == 0);
    int panel = panel_of(m->d), panels = m->d / panel;
    op_split(op, n_run * m->n_head * panels, 1, 1, ssm_units, &(struct ssm_units){op, m, run, panel, panels});
}

struct ssm_steps {
    const struct op *op;
    float *decay, *dt;
    const float *bias, *A;
    int n_head;
};

static void steps_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct ssm_steps *a = arg;
    for (int r = begin; r < end; r++) {
        float *decay = a->decay + (size_t)r * (size_t)a->n_head, *dt = a->dt + (size_t)r * (size_t)a->n_head;
        a->op->k->softplus(dt, dt, a->bias, a->n_head);
        memcpy(decay, dt, (size_t)a->n_head * sizeof *decay);
        a->op->k->mul(decay, a->A, a->n_head);
        a->op->k->exp(decay, a->n_head);
    }
}

void op_ssm_steps(struct op *op, float *decay, float *dt, const float *bias, const float *A, int n_rows, int n_head)
{
    op_split(op, n_rows, 1, 64, steps_rows, &(struct ssm_steps){op, decay, dt, bias, A, n_head});
}

/* ---- Mamba-1 ----------------------------------------------------------------------------------------------------------------- */

struct channel_units {
    const struct op *op;
    const struct ssm_channels *m;
    const struct run *run;
    int parts;
};

/* Row `row` of channels [c0, c0 + n), whose states of one number are ld floats apart. */
static void channels_row(const struct channel_units *a, float *state, int row, int c0, int n)
{
    const struct kernels *k = a->op->k;
    const struct ssm_channels *m = a->m;
    size_t ld = (size_t)m->n_channel, at = (size_t)row * ld + (size_t)c0, states = (size_t)row * (size_t)m->n_state;
    size_t bytes = (size_t)n * sizeof(float);
    float *dt = m->dt + at, *y = m->y + at, in[CHANNELS], decay[CHANNELS];
    k->softplus(dt, dt, m->bias + c0, n);
    memcpy(in, m->x + at, bytes);
    k->mul(in, dt, n);
    memcpy(y, m->x + at, bytes);
    k->mul(y, m->D + c0, n);
    for (int i = 0; i < m->n_state; i++) {
        float *S = state + (size_t)i * ld + c0;
        memcpy(decay, m->A + (size_t)i * ld + c0, bytes);
        k->mul(decay, dt, n);
        k->exp(decay, n);
        k->mul(S, decay, n);
        k->add_scaled(S, m->B[states + (size_t)i], in, n);
        k->add_scaled(y, m->C[states + (size_t)i], S, n);
    }
}

static void channel_units(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct channel_units *a = arg;
    for (int u = begin; u < end; u++) {
        const struct run *r = &a->run[u / a->parts];
        int c0 = u % a->parts * CHANNELS, left = a->m->n_channel - c0, n = left < CHANNELS ? left : CHANNELS;
        for (int i = 0; i < r->n; i++) {
            channels_row(a, r->state, r->first + i, c0, n);
            for (int k = 0; k < a->m->n_state && r->kept; k++)
                keep_state(r, i, r->state + (size_t)k * (size_t)a->m->n_channel + c0, (size_t)n);
        }
    }
}

void op_ssm_channels(struct op *op, const struct ssm_channels *m, const struct run *run, int n_run)
{
    int parts = (m->n_channel + CHANNELS - 1) / CHANNELS;
    op_split(op, n_run * parts, 1, 1, channel_units, &(struct channel_units){op, m, run, parts});
}

/* ---- gates ------------------------------------------------------------------------------------------------------------------- */

struct decay {
    const struct op *op;
    float *x;
    const float *A, *dt;
    int n_head, n;
    float lowest;
};

static void decay_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct decay *a = arg;
    for (int r = begin; r < end; r++) {
        float *x = a->x + (size_t)r * (size_t)a->n_head;
        a->op->k->softplus(x, x, a->dt, a->n_head);
        a->op->k->mul(x, a->A, a->n_head);
        a->op->k->exp(x, a->n_head);
    }
}

void op_decay(struct op *op, float *x, const float *A, const float *dt, int n_rows, int n_head)
{
    op_split(op, n_rows, 1, n_head >= 512 ? 4 : 64, decay_rows,
             &(struct decay){.op = op, .x = x, .A = A, .dt = dt, .n_head = n_head});
}

static void scale_heads(const struct decay *a, float *x, float sign)
{
    for (int h = 0; h < a->n_head; h++)
        a->op->k->scale(x + (size_t)h * (size_t)a->n, sign * fabsf(a->A[h]), a->n);
}

static void decay_key_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct decay *a = arg;
    int row = a->n_head * a->n;
    for (int r = begin; r < end; r++) {
        float *x = a->x + (size_t)r * (size_t)row;
        if (a->lowest == 0.0f) {
            a->op->k->softplus(x, x, a->dt, row);
            scale_heads(a, x, -1.0f);
        } else {
            a->op->k->add(x, a->dt, row);
            scale_heads(a, x, 1.0f);
            a->op->k->sigmoid(x, x, row);
            a->op->k->scale(x, a->lowest, row);
        }
        a->op->k->exp(x, row);
    }
}

void op_decay_keys(struct op *op, float *x, const float *A, const float *dt, float lowest, int n_rows, int n_head,
                   int n)
{
    op_split(op, n_rows, 1, n_head * n >= 512 ? 4 : 64, decay_key_rows,
             &(struct decay){.op = op, .x = x, .A = A, .dt = dt, .n_head = n_head, .n = n, .lowest = lowest});
}

/* ---- norms ------------------------------------------------------------------------------------------------------------------- */

struct l2 {
    const struct op *op;
    float *x;
    size_t ld;
    int n_head, n;
    float eps, scale;
};

static void l2_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct l2 *a = arg;
    for (int r = begin; r < end; r++)
        for (int h = 0; h < a->n_head; h++) {
            float *x = a->x + (size_t)r * a->ld + (size_t)h * (size_t)a->n;
            a->op->k->l2_norm(x, x, a->n, a->eps);
            if (a->scale != 1.0f)
                a->op->k->scale(x, a->scale, a->n);
        }
}

void op_l2_norm(struct op *op, float *x, int n_rows, size_t ld, int n_head, int n, float eps, float scale)
{
    op_split(op, n_rows, 1, 4, l2_rows, &(struct l2){op, x, ld, n_head, n, eps, scale});
}
