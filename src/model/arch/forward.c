/* One step of a model over a batch of rows: embeddings, layers, norm, logits of the rows that need them, or these rows themselves; and what
 * scratch that takes. */
#include "model/arch/forward.h"
#include "model/block/hyper.h"
#include "model/block/hyper_mix.h"
#include "model/block/layer_embd.h"
#include "model/block/moe.h"
#include "model/collector.h"
#include "model/pooling.h"
#include "model/tables.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/f64.h"
#include "op/matmul.h"
#include "op/moe.h"

#include <string.h>

/* x [n_rows][row width]: embeddings, all streams alike. */
static void first_rows(struct step *s, float *x)
{
    struct model *m = s->m;
    size_t n_embd = (size_t)m->p.n_embd, width = (size_t)params_row_width(&m->p);
    take_rows(s, TABLE_TOKENS, x, width);
    if (m->arch->first_rows)
        m->arch->first_rows(s, x);
    for (size_t i = n_embd; i < width; i += n_embd)
        op_copy(&m->op, x + i, width, x, width, s->n_rows, m->p.n_embd);
    if (m->p.embd_scale > 0)
        op_scale(&m->op, x, m->p.embd_scale, s->n_rows, (int)width);
    if (m->layer_embd.table)
        make_layer_embd(s, x);
}

/* Group neighbouring rows of one sequence into runs, and mark all rows as alive. */
static void find_runs(struct step *s)
{
    struct sequence **seq = s->b->seq;
    s->run = op_alloc(&s->m->op, (size_t)s->n_rows * sizeof *s->run);
    if (op_measuring(&s->m->op)) {
        s->n_run = s->n_rows; /* the most that there can be */
        return;
    }
    for (int r = 0; r < s->n_rows; r++) {
        if (r == 0 || seq[r] != seq[r - 1])
            s->run[s->n_run++] = (struct run){.first = r};
        s->run[s->n_run - 1].n++;
        s->b->dead[r] = 0;
    }
}

/* The last position that a bidirectional row of run i sees. Such texts are whole: they end with their run. */
static int last_seen(const struct step *s, struct kv_window window, int i, int r)
{
    const struct run *run = &s->run[i];
    return kv_last_position(window, s->b->pos[r], s->b->pos[run->first + run->n - 1]);
}

/* For each kind of pages, which pages a row has and which rows of them it sees; of compressed rows those whose positions are complete. */
static void place_rows(struct step *s)
{
    const struct batch *b = s->b;
    for (int k = 0; k < KV_KINDS; k++) {
        const struct kv_pool *kv = &s->m->kv[k];
        if (kv->n_layer == 0)
            continue;
        s->attn_row[k] = op_alloc(&s->m->op, (size_t)s->n_rows * sizeof *s->attn_row[k]);
        for (int i = 0; i < s->n_run && !op_measuring(&s->m->op); i++)
            for (int r = s->run[i].first; r < s->run[i].first + s->run[i].n; r++) {
                int at = (b->pos[r] + 1) / kv_ratio(&kv->shape) - 1;
                int first = kv_first_position(kv->window, b->pos[r]);
                s->attn_row[k][r] = (struct attn_row){.page = b->seq[r]->page[k],
                                                      .pos = at,
                                                      .first = first > s->pairs ? first : s->pairs,
                                                      .last = s->m->p.bidirectional ? last_seen(s, kv->window, i, r)
                                                                                    : at,
                                                      .seq = i};
            }
    }
}

static void make_rope(struct step *s)
{
    for (int i = 0; i < ROPES; i++) {
        int n_pair = s->m->p.rope[i].n_rot / 2;
        const struct model_rope *from = &s->m->rope[i];
        if (n_pair == 0)
            continue;
        s->rope[i] = (struct rope_rows){step_rows(s, n_pair), step_rows(s, n_pair)};
        op_rope_table(&s->m->op, s->rope[i].cos, s->rope[i].sin, from->freq, from->magnitude, n_pair, s->b->pos,
                      s->n_rows);
    }
}

static void make_temperature(struct step *s)
{
    if (s->m->p.temperature.scale == 0)
        return;
    s->temperature = step_rows(s, 1);
    for (int r = 0; r < s->n_rows && !op_measuring(&s->m->op); r++)
        s->temperature[r] = params_temperature(&s->m->p.temperature, s->b->pos[r]);
}

/* Slopes of ALiBi (arXiv 2108.12409): a geometric series, of heads beyond a power of two from the next finer one. */
static void make_slopes(struct step *s)
{
    const struct params *p = &s->m->p;
    if (p->alibi <= 0)
        return;
    int whole = 1;
    while (2 * whole <= p->n_head)
        whole *= 2;
    s->slopes = op_alloc(&s->m->op, (size_t)p->n_head * sizeof *s->slopes);
    for (int h = 0; h < p->n_head && !op_measuring(&s->m->op); h++) {
        double steps = h < whole ? h + 1 : (2 * (h - whole) + 1) / 2.0;
        s->slopes[h] = (float)f64_pow(2, -(double)p->alibi / whole * steps);
    }
}

static int all_left(const struct step *s)
{
    return !op_measuring(&s->m->op) && memchr(s->b->dead, 0, (size_t)s->n_rows) == NULL;
}

float *forward_rows(struct step *s, const float *x, size_t width, const int32_t *row, int n)
{
    float *out = op_alloc(&s->m->op, (size_t)n * width * sizeof(float));
    for (int i = 0; i < n && !op_measuring(&s->m->op); i++)
        memcpy(out + (size_t)i * width, x + (size_t)row[i] * width, width * sizeof(float));
    return out;
}

/* x_out [n][n_embd] behind the output norm, in its place. */
static float *output_normed(struct step *s, float *x_out, int n)
{
    const struct model *m = s->m;
    if (m->output_norm)
        model_norm(s, x_out, x_out, m->output_norm, n);
    if (m->output_norm_bias)
        op_add_vector(&s->m->op, x_out, m->output_norm_bias->vector, n, m->p.n_embd);
    return x_out;
}

float *forward_end(struct step *s, const float *x, const int32_t *row, int n)
{
    const struct model *m = s->m;
    float *x_out = forward_rows(s, x, (size_t)params_row_width(&m->p), row, n);
    if (m->p.hyper.rank)
        return hyper_mix_end(s, x_out, n, s->pairs ? &m->nextn.mix : &m->hyper_mix);
    return m->p.hyper.n ? hyper_end(s, x_out, row, n, s->pairs ? &m->nextn.streams : &m->hyper) : x_out;
}

/* The same behind the output norm. */
static float *final_rows(struct step *s, const float *x, const int32_t *row, int n)
{
    return output_normed(s, forward_end(s, x, row, n), n);
}

void forward_logits(struct step *s, float *out, const float *x, int n)
{
    const struct model *m = s->m;
    struct act a = act_rows(&s->m->op, x, n, m->p.n_embd, (size_t)m->p.n_embd);
    op_matmul(&s->m->op, out, (size_t)m->p.n_vocab, &a, &m->output->mat);
    if (m->output_bias)
        op_add_vector(&s->m->op, out, m->output_bias->vector, n, m->p.n_vocab);
    if (m->p.logit_scale > 0)
        op_scale(&s->m->op, out, m->p.logit_scale, n, m->p.n_vocab);
    if (m->p.logit_cap > 0)
        op_softcap(&s->m->op, out, m->p.logit_cap, n, m->p.n_vocab);
}

/* Logits of n rows of x, those with the numbers row [n], into out [n][n_vocab]. */
static void logits_of(struct step *s, float *out, const float *x, const int32_t *row, int n)
{
    forward_logits(s, out, final_rows(s, x, row, n), n);
}

/* ---- scored rows ------------------------------------------------------------------------------------------------------------ */

/* Of a group of n scored rows: their logits stand in the step's scratch, which no layer needs any more. */
static float *group_logits(struct step *s, const float *x, const int32_t *row, int n)
{
    float *out = op_alloc(&s->m->op, (size_t)n * (size_t)s->m->p.n_vocab * sizeof *out);
    logits_of(s, out, x, row, n);
    return out;
}

/* What a group takes, run on an op of its own that measures. */
static struct step_scratch group_scratch(struct step *s, int n)
{
    const struct op op = s->m->op;
    struct arena measured;
    arena_init_measuring(&measured);
    s->m->op.scratch = &measured;
    group_logits(s, NULL, NULL, n);
    struct step_scratch scratch = {measured.peak, s->m->op.thread_bytes};
    s->m->op = op;
    return scratch;
}

/* As many rows at a time as the rest of the scratch holds: nothing is planned for them but for one. */
static int group_rows(struct step *s)
{
    const struct arena *a = s->m->op.scratch;
    int n = s->b->score_rows < s->b->n_scored ? s->b->score_rows : s->b->n_scored;
    while (n > 1 && group_scratch(s, n).step_bytes > a->size - round_up(a->used, 64))
        n--;
    return n;
}

struct group {
    const struct batch *b;
    const int32_t *row;
    const float *logits;
    size_t n_vocab;
};

static void give_rows(void *arg, int begin, int end, int thread)
{
    const struct group *g = arg;
    (void)thread;
    for (int i = begin; i < end; i++)
        if (!g->b->dead[g->row[i]])
            g->b->on_row(g->b->on_row_arg, g->row[i], g->logits + (size_t)i * g->n_vocab);
}

static void score_rows(struct step *s, const float *x)
{
    const struct batch *b = s->b;
    size_t mark = step_mark(s);
    for (int at = 0, most = group_rows(s), n; at < b->n_scored; at += n) {
        n = most < b->n_scored - at ? most : b->n_scored - at;
        struct group g = {b, b->scored_row + at, group_logits(s, x, b->scored_row + at, n), (size_t)s->m->p.n_vocab};
        op_split(&s->m->op, n, 1, 1, give_rows, &g);
        step_reset(s, mark);
    }
}

/* One row must find place in the scratch; threads must be ready for a whole group. */
static void measure_scores(struct step *s)
{
    size_t mark = step_mark(s);
    int most = s->n_rows < MODEL_SCORE_ROWS ? s->n_rows : MODEL_SCORE_ROWS;
    op_need_thread(&s->m->op, group_scratch(s, most).thread_bytes);
    group_logits(s, NULL, NULL, 1);
    step_reset(s, mark);
}

/* ---- recorded rows ---------------------------------------------------------------------------------------------------------- */

/* Logits of a recorded row of the end of a layer. Where streams are mixed one block behind, it is of one stream already. */
static float *lens_logits(struct step *s, const float *x, int32_t row)
{
    const struct params *p = &s->m->p;
    if (!p->hyper.is_behind)
        return group_logits(s, x, &row, 1);
    float *out = op_alloc(&s->m->op, (size_t)p->n_vocab * sizeof *out);
    forward_logits(s, out, output_normed(s, forward_rows(s, x, (size_t)p->n_embd, &row, 1), 1), 1);
    return out;
}

/* Recorded row i of a sequence through the lens of each layer: the scratch of a scored row is enough. */
static void look_through(struct step *s, const struct taps *t, int i)
{
    size_t mark = step_mark(s), n = (size_t)t->n, top = (size_t)t->top;
    for (int l = 0; l < s->m->p.n_layer; l++) {
        if (t->at[l * TAPS + TAP_LENS] < 0)
            continue;
        const float *x = (const float *)tap_at(t, l, TAP_LENS, 0, 0);
        int32_t *id = (int32_t *)tap_at(t, l, TAP_LENS, (int)n, (size_t)tap_width(s->m, TAP_LENS, l));
        float *value = (float *)(id + n * top);
        tap_largest(lens_logits(s, x, i), s->m->p.n_vocab, t->top, id + (size_t)i * top, value + (size_t)i * top);
        step_reset(s, mark);
    }
}

static void record_final(struct step *s, const struct taps *t, int i, const float *x, int32_t row)
{
    size_t mark = step_mark(s), n_embd = (size_t)s->m->p.n_embd;
    memcpy(tap_at(t, s->m->p.n_layer - 1, TAP_FINAL, i, n_embd), final_rows(s, x, &row, 1), n_embd * sizeof(float));
    step_reset(s, mark);
}

/* What is recorded of rows behind the last layer. */
static void tap_last(struct step *s, const float *x)
{
    for (int32_t r = 0; r < s->n_rows; r++) {
        const struct taps *t = s->b->seq[r]->taps;
        int i = t ? s->b->pos[r] - t->first : 0;
        if (!t || s->b->dead[r] || i < 0 || i >= t->n)
            continue;
        if (t->has_lens)
            look_through(s, t, i);
        if (t->has_final)
            record_final(s, t, i, x, r);
    }
}

/* The rows of a model that pools, behind its last norm; nothing is recorded of them. */
static void write_hidden(struct step *s, const float *x)
{
    const struct batch *b = s->b;
    size_t mark = step_mark(s), bytes = (size_t)s->m->p.n_embd * sizeof(float) * (size_t)b->n_logits;
    const float *out = b->n_logits ? final_rows(s, x, b->logit_row, b->n_logits) : NULL;
    if (out && !op_measuring(&s->m->op))
        memcpy(b->hidden, out, bytes);
    step_reset(s, mark);
}

/* What the output would be multiplied with, of all rows, whether their logits are computed or not: one at a time, for which the scratch of
 * a scored row is enough. */
static void collect_output(struct step *s, const float *x)
{
    for (int32_t r = 0; r < s->n_rows; r++) {
        size_t mark = step_mark(s), n_embd = (size_t)s->m->p.n_embd;
        collector_rows(s->m->collector, s->m->output, (struct op_rows){final_rows(s, x, &r, 1), n_embd, 0, 1, 1});
        step_reset(s, mark);
    }
}

/* Of rows that are scored, group by group; of those that are kept; then what is recorded. */
static void write_logits(struct step *s, const float *x)
{
    const struct batch *b = s->b;
    if (s->m->p.pooling) {
        write_hidden(s, x);
        return;
    }
    struct op *op = &s->m->op;
    const struct op watched = *op;
    if (s->m->collector && !op_measuring(op))
        collect_output(s, x);
    op->watch = NULL;
    if (op_measuring(&s->m->op))
        measure_scores(s);
    else if (b->n_scored)
        score_rows(s, x);
    if (!op_measuring(&s->m->op))
        tap_last(s, x);
    if (b->n_logits)
        logits_of(s, b->logits, x, b->logit_row, b->n_logits);
    op->watch = watched.watch;
}

/* What the layer that predicts further tokens goes on from. */
static void write_h(struct step *s, const float *x)
{
    const int width = model_h_width(s->m);
    size_t mark = step_mark(s);
    if (!s->m->nextn.proj || !(s->b->h || op_measuring(&s->m->op)))
        return;
    int32_t *row = op_alloc(&s->m->op, (size_t)s->n_rows * sizeof *row);
    for (int32_t r = 0; r < s->n_rows && !op_measuring(&s->m->op); r++)
        row[r] = r;
    if (s->m->arch->nextn == NEXTN_BEHIND_NORM)
        x = final_rows(s, x, row, s->n_rows);
    op_copy(&s->m->op, s->b->h, (size_t)width, x, (size_t)width, s->n_rows, width);
    step_reset(s, mark);
}

/* ---- the step --------------------------------------------------------------------------------------------------------------- */

/* All layers, as long as a row is left. */
static void run_layers(struct step *s, float *x)
{
    const struct model *m = s->m;
    for (int l = 0; l < m->p.n_layer && !all_left(s); l++) {
        s->layer = l;
        tap_rows(s, TAP_RESID_PRE, x, params_row_width(&m->p));
        m->arch->layer(s, l, (char *)m->layer + (size_t)l * m->arch->layer_bytes, x);
        if (s->b->on_layer)
            s->b->on_layer(s->b->on_layer_arg);
    }
    if (op_measuring(&m->op))
        m->taps[m->p.n_layer - 1] |= 1 << TAP_FINAL;
    if (all_left(s))
        return;
    write_h(s, x);
    write_logits(s, x);
}

void forward_begin(struct step *s)
{
    arena_reset(s->m->op.scratch, 0);
    find_runs(s);
    tables_step_begin(s);
    place_rows(s);
    make_rope(s);
    make_temperature(s);
    make_slopes(s);
    moe_step_begin(s);
}

void model_forward(struct model *m, struct batch *b)
{
    struct error no_slots = {0};
    struct step s = {.m = m, .b = b, .n_rows = b->n_rows, .err = &no_slots};
    forward_begin(&s);
    float *x = step_rows(&s, params_row_width(&m->p));
    first_rows(&s, x);
    run_layers(&s, x);
    tables_step_end(&s);
}

/* The scratch of one step, in op's measuring arena. */
static void measure(struct model *m, int n_rows, int n_logits)
{
    struct batch b = {.n_rows = n_rows, .n_logits = n_logits};
    model_forward(m, &b);
    if (m->nextn.proj)
        model_nextn(m, &b);
}

struct step_scratch model_measure_step(const struct model *m, enum kv_type type, int n_rows, int n_logits)
{
    struct model measured = *m; /* with an op and pools of its own: the model itself is not changed */
    struct arena scratch;
    arena_init_measuring(&scratch);
    measured.op = (struct op){.k = kernels_for(TIER_SCALAR), .exact = m->op.exact, .scratch = &scratch};
    measured.store = NULL;
    for (int t = 0; t < measured.n_table; t++)
        measured.table[t].rows = NULL;
    measured.traces = NULL;
    measured.collector = NULL;
    for (int k = 0; k < KV_KINDS; k++) {
        const struct kv_layout *kv = &m->kv_layout[k];
        struct kv_shape shape = kv_shape_as(kv->shape, type);
        measured.kv[k] = (struct kv_pool){.shape = shape, .n_layer = kv->n_layer, .window = kv->window};
    }
    measure(&measured, n_rows, n_logits);
    if (m->p.pooling)
        pool_measure(&measured);
    if (m->n_moe_layer && n_rows > MOE_SMALL_BATCH) /* small batches take more for each row */
        measure(&measured, MOE_SMALL_BATCH, n_logits < MOE_SMALL_BATCH ? n_logits : MOE_SMALL_BATCH);
    return (struct step_scratch){.step_bytes = scratch.peak, .thread_bytes = measured.op.thread_bytes};
}
