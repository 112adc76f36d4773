/* Compressed keys: see compress.h. A unit is a run and a range of columns: columns are independent, so any split gives the same
 * bits, and a prompt gives the same bits as its rows one by one. */
#include "op/compress.h"

#include <assert.h>
#include <string.h>

enum { COLUMNS = 128 };

struct work {
    const struct op *op;
    const struct compress *c;
    const struct run *run;
    int parts;
    float *out;
};

/* Row of the state that holds a position. */
static size_t state_row(const struct compress *c, int pos) { return (size_t)(pos % (c->ratio * (1 + c->overlap))); }

/* Keep columns [c0, c0 + n) of a row in the state until their block is complete; of overlapping blocks both halves. */
static void keep(const struct work *a, float *z, float *s, int row, int c0, int n)
{
    const struct compress *c = a->c;
    size_t width = (size_t)(c->d * (1 + c->overlap)), from = (size_t)row * width;
    for (int half = 0; half <= c->overlap; half++) {
        size_t column = (size_t)(half * c->d + c0), to = state_row(c, c->pos[row]) * width + column;
        memcpy(z + to, c->z + from + column, (size_t)n * sizeof *z);
        if (!c->s)
            continue;
        memcpy(s + to, c->s + from + column, (size_t)n * sizeof *s);
        if (c->ape)
            a->op->k->add(s + to, c->ape + (size_t)(c->pos[row] % c->ratio) * width + column, n);
    }
}

static void mean(const struct op *op, float *out, const float *const *z, int n_pos, int n)
{
    memset(out, 0, (size_t)n * sizeof *out);
    for (int i = 0; i < n_pos; i++)
        op->k->add(out, z[i], n);
    op->k->scale(out, 1.0f / (float)n_pos, n);
}

static void close_block(const struct work *a, const float *z, const float *s, int pos, int c0, int n, float *out)
{
    const struct compress *c = a->c;
    size_t width = (size_t)(c->d * (1 + c->overlap));
    const float *zs[COMPRESS_MOST], *ss[COMPRESS_MOST];
    int n_pos = 0, block = pos - c->ratio + 1, first = c->overlap && block > 0 ? block - c->ratio : block;
    for (int t = first; t <= pos; t++, n_pos++) {
        size_t at = state_row(c, t) * width + (size_t)((c->overlap && t >= block ? c->d : 0) + c0);
        zs[n_pos] = z + at;
        ss[n_pos] = c->s ? s + at : NULL;
    }
    if (c->s)
        a->op->k->softmax_sum(out + c0, zs, ss, n_pos, n);
    else
        mean(a->op, out + c0, zs, n_pos, n);
}

/* A drafted row leaves columns [c0, c0 + n) of the state, of all positions. */
static void leave(const struct compress *c, const struct run *r, int i, int c0, int n)
{
    float *to = run_kept(r, i, r->state);
    size_t rows = (size_t)((1 + (c->s != NULL)) * c->ratio * (1 + c->overlap)) * (size_t)(1 + c->overlap);
    for (size_t row = 0; row < rows && to; row++)
        memcpy(to + row * (size_t)c->d + c0, r->state + row * (size_t)c->d + c0, (size_t)n * sizeof *to);
}

static int ends_block(const struct compress *c, int row) { return (c->pos[row] + 1) % c->ratio == 0; }

static void units(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct work *a = arg;
    const struct compress *c = a->c;
    for (int u = begin; u < end; u++) {
        const struct run *r = &a->run[u / a->parts];
        int c0 = u % a->parts * COLUMNS, n = c->d - c0 < COLUMNS ? c->d - c0 : COLUMNS;
        float *z = r->state, *s = c->s ? z + compress_state(c->ratio, c->overlap, c->d) / 2 : NULL, *out = a->out;
        for (int row = 0; row < r->first; row++)
            out += ends_block(c, row) ? c->d : 0;
        for (int row = r->first; row < r->first + r->n; row++) {
            keep(a, z, s, row, c0, n);
            leave(c, r, row - r->first, c0, n);
            if (!ends_block(c, row))
                continue;
            close_block(a, z, s, c->pos[row], c0, n, out);
            out += c->d;
        }
    }
}

void op_compress(struct op *op, const struct compress *c, const struct run *run, int n_run, float *out)
{
    assert(c->ratio * (1 + c->overlap) <= COMPRESS_MOST && (c->s || !c->overlap));
    int parts = (c->d + COLUMNS - 1) / COLUMNS;
    op_split(op, n_run * parts, 1, 1, units, &(struct work){op, c, run, parts, out});
}
