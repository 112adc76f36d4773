/* Low-rank hyper-connections: see hyper_mix.h. n streams x_s; n_s = rms_norm(x_s), n all of them side by side.
 *
 *     u    = mean over s of sigmoid(up silu(down n / n_streams))_s * n_s          a gate for each value of each stream
 *     x_s += 2 sigmoid((inject n)_s / n_streams) block(u)
 *
 * Sources: Zhu et al., arXiv 2409.19606 (hyper-connections); docs/spec/architectures.md, part 3. */
#include "model/block/hyper_mix.h"

#include "base/error.h"
#include "format/gguf.h"
#include "op/hyper.h"
#include "op/matmul.h"
#include "op/streams.h"

#include <stdio.h>

int params_read_hyper_mix(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_int(g, "hyper_connection.count", 2, HYPER_STREAMS, -1, &p->hyper.n, err) ||
        params_int(g, "hyper_connection.low_rank", 1, 1 << 16, -1, &p->hyper.rank, err))
        return -1;
    if ((long long)p->hyper.n * p->n_embd > PARAMS_MAX_WIDTH)
        return error_set(err, ERR_FORMAT, "%s: %d streams of %d values are more than stoker takes (%d)", g->file->path,
                         p->hyper.n, p->n_embd, PARAMS_MAX_WIDTH);
    return 0;
}

void bind_hyper_mix_end(struct binder *b, int l, struct hyper_mix_weights *w, const char *stem)
{
    const struct params *p = &b->m->p;
    int wide = p->hyper.n * p->n_embd;
    char name[40];
    snprintf(name, sizeof name, "%s_norm.weight", stem);
    w->norm = bind_vector(b, l, name, wide);
    snprintf(name, sizeof name, "%s_down.weight", stem);
    w->down = bind_matrix(b, l, name, p->hyper.rank, wide);
    snprintf(name, sizeof name, "%s_up.weight", stem);
    w->up = bind_matrix(b, l, name, wide, p->hyper.rank);
}

void bind_hyper_mix(struct binder *b, int l, struct hyper_mix_weights *w, const char *stem)
{
    const struct params *p = &b->m->p;
    char name[40];
    bind_hyper_mix_end(b, l, w, stem);
    snprintf(name, sizeof name, "%s_inject.weight", stem);
    w->inject = bind_matrix(b, l, name, p->hyper.n, p->hyper.n * p->n_embd);
}

/* gates [n_rows][n], or NULL */
static void mix(struct op *op, const struct params *p, float *u, float *gates, const float *x, int n_rows,
                const struct hyper_mix_weights *w)
{
    int n = p->hyper.n, wide = n * p->n_embd, rank = p->hyper.rank;
    size_t mark = arena_mark(op->scratch), rows = (size_t)n_rows;
    float *normed = op_alloc(op, rows * (size_t)wide * sizeof *normed),
          *open = op_alloc(op, rows * (size_t)wide * sizeof *open);
    float *low = op_alloc(op, rows * (size_t)rank * sizeof *low);
    op_group_norm(op, normed, x, w->norm->vector, n_rows, n, p->n_embd, p->norm_eps);
    struct act a = act_rows(op, normed, n_rows, wide, (size_t)wide);
    op_matmul(op, low, (size_t)rank, &a, &w->down->mat);
    if (gates) {
        op_matmul(op, gates, (size_t)n, &a, &w->inject->mat);
        op_scale(op, gates, 1.0f / (float)n, n_rows, n);
        op_sigmoid(op, gates, n_rows, n);
        op_scale(op, gates, 2.0f, n_rows, n);
    }
    op_scale(op, low, 1.0f / (float)n, n_rows, rank);
    op_sigmoid_mul(op, low, low, n_rows, rank); /* silu */
    struct act b = act_rows(op, low, n_rows, rank, (size_t)rank);
    op_matmul(op, open, (size_t)wide, &b, &w->up->mat);
    op_sigmoid_mul(op, normed, open, n_rows, wide);
    op_streams_mean(op, u, normed, n, p->n_embd, n_rows);
    arena_reset(op->scratch, mark);
}

float *hyper_mix_in(struct step *s, float *u, const float *x, const struct hyper_mix_weights *w)
{
    float *gates = step_rows(s, s->m->p.hyper.n);
    mix(&s->m->op, &s->m->p, u, gates, x, s->n_rows, w);
    return gates;
}

void hyper_mix_out(struct step *s, float *x, const float *y, const float *gates)
{
    op_streams_add(&s->m->op, x, y, gates, s->m->p.hyper.n, s->m->p.n_embd, s->n_rows);
}

float *hyper_mix_end(struct step *s, const float *x, int n_rows, const struct hyper_mix_weights *w)
{
    struct op *op = &s->m->op;
    float *u = op_alloc(op, (size_t)n_rows * (size_t)s->m->p.n_embd * sizeof *u);
    mix(op, &s->m->p, u, NULL, x, n_rows, w);
    return u;
}
