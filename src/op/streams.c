/* Streams row by row: see streams.h. */
#include "op/streams.h"

#include <math.h>
#include <string.h>

enum { ALONE = 2 };

struct work {
    const struct op *op;
    float *out;
    const float *x, *y, *gate;
    int n, n_embd, adds;
};

static void mean_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct work *a = arg;
    size_t d = (size_t)a->n_embd;
    for (int r = begin; r < end; r++) {
        float *out = a->out + (size_t)r * d;
        const float *x = a->x + (size_t)r * (size_t)a->n * d;
        memcpy(out, x, d * sizeof *out);
        for (int s = 1; s < a->n; s++)
            a->op->k->add(out, x + (size_t)s * d, a->n_embd);
        a->op->k->scale(out, 1.0f / (float)a->n, a->n_embd);
    }
}

void op_streams_mean(struct op *op, float *out, const float *x, int n, int n_embd, int n_rows)
{
    op_split(op, n_rows, 1, ALONE, mean_rows, &(struct work){.op = op, .out = out, .x = x, .n = n, .n_embd = n_embd});
}

static void into_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct work *a = arg;
    size_t d = (size_t)a->n_embd, n = (size_t)a->n;
    for (int r = begin; r < end; r++)
        for (size_t s = 0; s < n; s++) {
            float *x = a->out + ((size_t)r * n + s) * d;
            const float *y = a->y + (size_t)r * d;
            if (a->adds)
                a->op->k->add_scaled(x, a->gate[(size_t)r * n + s], y, a->n_embd);
            else {
                memcpy(x, y, d * sizeof *x);
                a->op->k->scale(x, a->gate[(size_t)r * n + s], a->n_embd);
            }
        }
}

void op_streams_add(struct op *op, float *x, const float *y, const float *gate, int n, int n_embd, int n_rows)
{
    op_split(op, n_rows, 1, ALONE, into_rows,
             &(struct work){.op = op, .out = x, .y = y, .gate = gate, .n = n, .n_embd = n_embd, .adds = 1});
}

void op_streams_set(struct op *op, float *x, const float *y, const float *gate, int n, int n_embd, int n_rows)
{
    op_split(op, n_rows, 1, ALONE, into_rows,
             &(struct work){.op = op, .out = x, .y = y, .gate = gate, .n = n, .n_embd = n_embd});
}

/* What is not a number stays so. */
static float root(float a)
{
    float size = fabsf(a);
    return a == 0.0f ? 0.0f : copysignf(sqrtf(size < 1e-6f ? 1e-6f : size), a);
}

static void gate_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct work *a = arg;
    size_t d = (size_t)a->n_embd, n = (size_t)a->n;
    float scale = 1.0f / sqrtf((float)a->n_embd);
    for (int r = begin; r < end; r++) {
        float *gate = a->out + (size_t)r * n;
        for (size_t s = 0; s < n; s++) {
            size_t at = ((size_t)r * n + s) * d;
            gate[s] = root(a->op->k->dot16(a->x + at, a->y + at, d) * scale);
        }
        a->op->k->sigmoid(gate, gate, a->n);
    }
}

void op_streams_gate(struct op *op, float *gate, const float *key, const float *query, int n, int n_embd, int n_rows)
{
    op_split(op, n_rows, 1, ALONE, gate_rows,
             &(struct work){.op = op, .out = gate, .x = key, .y = query, .n = n, .n_embd = n_embd});
}
