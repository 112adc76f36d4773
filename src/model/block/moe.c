/* Routed experts: from the ids and weights of each row to a weighted sum, with weights from the store. No other file uses the store during
 * a step.
 *
 *     pairs          (expert, row), sorted by expert, rows ascending: the uses of the layer call
 *     small batch    each expert is computed when it is readable; the pairs' outputs are added at the end, ascending
 *     large batch    a wave's hidden rows are computed as its experts become readable, their sums when all are there; waves ascend
 *
 * While the first wave is read, the shared expert is computed, and the latent where experts see one. When the read of an expert fails,
 * the rows that need it leave the step; the other rows keep the same bits. Definitions: streaming.md P, kernels.md C. */
#include "model/block/moe.h"
#include "model/collector.h"
#include "model/traces.h"

#include "base/clock.h"
#include "base/error.h"
#include "op/matmul.h"
#include "op/moe.h"

#include <string.h>

struct pairs {
    const struct experts *from;
    struct expert_uses uses;
    struct moe_expert *expert; /* [uses.n] */
    float *w;                  /* [n_pairs] */
    int n_pairs;
};

static const int32_t *ids_of_token(const struct step *s, const struct weight *table, int row)
{
    return (const int32_t *)table->mat.data + (size_t)s->b->token[row] * (size_t)table->mat.n_cols;
}

/* The experts that a table has for the rows' tokens into id: ascending, each once. Rows that are told their experts are left out. Returns
 * how many. */
static int ids_of_tokens(const struct step *s, const struct weight *table, int32_t *id)
{
    int n = 0;
    for (int row = 0; row < s->n_rows; row++) {
        int n_take = steering_forces(s, row) ? 0 : table->mat.n_cols;
        for (int k = 0; k < n_take; k++) {
            int32_t x = ids_of_token(s, table, row)[k];
            int at = n;
            while (at > 0 && id[at - 1] > x)
                at--;
            if (at > 0 && id[at - 1] == x)
                continue;
            memmove(id + at + 1, id + at, (size_t)(n++ - at) * sizeof *id);
            id[at] = x;
        }
    }
    return n;
}

/* Announce to the store the experts of layers where the tokens alone decide. Takes less scratch than routing, so it is not measured. */
static void read_ahead(struct step *s)
{
    size_t mark = step_mark(s);
    for (int l = 0; l < s->m->p.n_token_routed; l++) {
        int32_t *id = op_alloc(&s->m->op, (size_t)s->n_rows * (size_t)s->m->p.n_expert_used * sizeof *id);
        int n = ids_of_tokens(s, s->m->by_token[l], id);
        store_read_ahead(s->m->store, l, id, n);
        step_reset(s, mark);
    }
}

/* Enough rows to use nearly all experts, layer by layer (streaming.md S). */
static int is_sweep(const struct step *s) { return step_has_many_rows(s) && !s->keeps; /* which uses no expert */ }

void moe_step_begin(struct step *s)
{
    if (s->m->traces && !s->pairs)
        traces_step(s->m->traces, s->n_rows, s->b->n_prompt);
    if (!s->m->store)
        return;
    store_sweep_without(s->m->store, is_sweep(s) && !s->pairs ? steering_leaves_out : NULL, s);
    store_sweep_begin(s->m->store, is_sweep(s) ? s->n_rows : 0);
    if (!is_sweep(s) && !s->pairs)
        read_ahead(s);
}

/* Routes without experts yet, or with those that lists tell. */
static struct routes routes_begin(struct step *s, int l, int n_used)
{
    struct routes r = {.layer = l, .n_used = n_used};
    size_t n = (size_t)s->n_rows * (size_t)n_used;
    r.id = op_alloc(&s->m->op, n * sizeof *r.id);
    r.w = op_alloc(&s->m->op, n * sizeof *r.w);
    if (!op_measuring(&s->m->op))
        memset(r.id, 0xff, n * sizeof *r.id);
    r.is_turned = !s->pairs && steering_route(s, l, r.id, n_used);
    return r;
}

/* Choose experts for the rows that have none yet, and compute the weights of all. */
static void routes_end(struct step *s, struct routes *r, struct act *a, const struct weight *router,
                       const struct weight *bias, int n_expert, const struct route_rule *rule)
{
    float *logits = step_rows(s, n_expert), *work = step_rows(s, n_expert);
    const struct steering_turn turn = {s, r->layer};
    struct route_rule how = *rule;
    how.given = 1;
    how.turn = r->is_turned ? steering_turn : NULL;
    how.turn_arg = &turn;
    matmul(s, logits, a, router);
    tap_rows(s, TAP_ROUTER_LOGITS, logits, n_expert);
    add_bias(s, logits, bias);
    op_route(&s->m->op, r->id, r->w, logits, work, s->n_rows, n_expert, r->n_used, &how);
    tap_rows(s, TAP_ROUTER_IDS, r->id, r->n_used);
    tap_rows(s, TAP_ROUTER_WEIGHTS, r->w, r->n_used);
}

struct routes route_top_k(struct step *s, int l, struct act *a, const struct weight *router, const struct weight *bias,
                          int n_expert, int n_used, const struct route_rule *rule)
{
    struct routes r = routes_begin(s, l, n_used);
    routes_end(s, &r, a, router, bias, n_expert, rule);
    return r;
}

struct routes route_by_token(struct step *s, int l, struct act *a, const struct weight *router,
                             const struct weight *table, const struct route_rule *rule)
{
    size_t n_used = (size_t)table->mat.n_cols;
    struct routes r = routes_begin(s, l, table->mat.n_cols);
    for (int row = 0; row < s->n_rows && !op_measuring(&s->m->op); row++) {
        if (r.id[(size_t)row * n_used] < 0)
            memcpy(r.id + (size_t)row * n_used, ids_of_token(s, table, row), n_used * sizeof *r.id);
    }
    routes_end(s, &r, a, router, NULL, router->mat.n_rows, rule);
    return r;
}

static int routed(const struct step *s, const struct routes *r, int row, int k, int n_expert)
{
    int32_t id = r->id[(size_t)row * (size_t)r->n_used + (size_t)k];
    return !s->b->dead[row] && id >= 0 && id < n_expert ? id : -1;
}

static const float *bias_row(const struct weight *b, int id)
{
    return b ? (const float *)b->mat.data + (size_t)id * (size_t)b->mat.n_cols : NULL;
}

/* An expert of a layer: its matrices without data, its biases, no rows. */
static struct moe_expert shape_of(const struct experts *e)
{
    return (struct moe_expert){
        .gate = e->gate, .up = e->up, .down = e->down, .gate_limit = e->gate_limit, .up_limit = e->up_limit};
}

static struct moe_expert moe_expert(const struct experts *e, int id, int first, int end, const int32_t *rows,
                                    const float *w)
{
    struct moe_expert x = shape_of(e);
    x.gate_bias = bias_row(e->gate_bias, id);
    x.up_bias = bias_row(e->up_bias, id);
    x.down_bias = bias_row(e->down_bias, id);
    x.row = rows + first;
    x.w = w + first;
    x.n = end - first;
    x.first_use = first;
    x.gate.scale = e->gate_scale ? e->gate_scale->vector + id : NULL;
    x.up.scale = e->up_scale ? e->up_scale->vector + id : NULL;
    x.down.scale = e->down_scale ? e->down_scale->vector + id : NULL;
    return x;
}

/* The (row, expert) pairs by expert: counting sort. While measuring there are as many pairs and experts as there can be. */
static struct pairs sort_pairs(struct step *s, const struct routes *r, const struct experts *e)
{
    struct op *op = &s->m->op;
    size_t most = (size_t)s->n_rows * (size_t)r->n_used;
    struct pairs p = {.from = e, .w = op_alloc(op, most * sizeof(float))};
    int32_t *start = op_alloc(op, ((size_t)e->n_expert + 1) * sizeof *start),
            *id = op_alloc(op, (size_t)e->n_expert * sizeof *id);
    int32_t *row_start = op_alloc(op, ((size_t)e->n_expert + 1) * sizeof *row_start),
            *rows = op_alloc(op, most * sizeof *rows);
    if (op_measuring(op)) {
        p.n_pairs = (int)most;
        p.uses.n = most < (size_t)e->n_expert ? (int)most : e->n_expert;
        p.expert = op_alloc(op, (size_t)p.uses.n * sizeof *p.expert);
        return p;
    }

    memset(start, 0, ((size_t)e->n_expert + 1) * sizeof *start);
    for (int row = 0; row < s->n_rows; row++)
        for (int k = 0; k < r->n_used; k++) {
            int x = routed(s, r, row, k, e->n_expert);
            if (x >= 0)
                start[x + 1]++;
        }
    int n = 0;
    for (int x = 0; x < e->n_expert; x++) {
        if (start[x + 1] > 0) {
            id[n] = x;
            row_start[n++] = start[x];
        }
        start[x + 1] += start[x];
    }
    p.n_pairs = start[e->n_expert];
    row_start[n] = p.n_pairs;
    for (int row = 0; row < s->n_rows; row++)
        for (int k = 0; k < r->n_used; k++) {
            int x = routed(s, r, row, k, e->n_expert);
            if (x < 0)
                continue;
            p.w[start[x]] = r->w[(size_t)row * (size_t)r->n_used + (size_t)k];
            rows[start[x]++] = row;
        }
    p.uses = (struct expert_uses){
        .id = id, .row_start = row_start, .row = rows, .n = n, .n_rows = s->n_rows, .n_prompt = s->b->n_prompt};
    p.expert = op_alloc(op, (size_t)n * sizeof *p.expert);
    for (int i = 0; i < n; i++)
        p.expert[i] = moe_expert(e, id[i], row_start[i], row_start[i + 1], rows, p.w);
    return p;
}

static void trace(const struct step *s, int l, const struct routes *r)
{
    for (int row = 0; s->m->traces && row < s->n_rows; row++)
        if (!s->b->dead[row])
            traces_row(s->m->traces, l, row, r->id + (size_t)row * (size_t)r->n_used, r->n_used);
}

/* The rows that need the expert leave the step, and it computes nothing. */
static void expert_failed(struct step *s, struct moe_expert *e, const struct error *why)
{
    for (int i = 0; i < e->n; i++)
        row_leaves(s, e->row[i]);
    if (s->b->row_error && s->b->row_error->code == ERR_NONE)
        *s->b->row_error = *why;
    e->n = 0;
}

/* Take one expert from the store. 1: *index is its index in p->expert; 0: there is none, or, without wait, none yet. */
static int take(struct step *s, struct pairs *p, int wait, int *index)
{
    struct expert_view v;
    struct error why = {0};
    if (!store_next(s->m->store, wait, &v, &why))
        return 0;
    struct moe_expert *e = &p->expert[v.index];
    *index = v.index;
    if (v.failed)
        expert_failed(s, e, &why);
    if (v.failed)
        return 1;
    if (e->gate.n_rows)
        e->gate.data = v.part[p->from->gate_part];
    e->up.data = v.part[p->from->up_part] + p->from->up_offset;
    e->down.data = v.part[p->from->down_part];
    return 1;
}

/* Take all experts that are readable, at least one of the *left that the wave still lacks. Those that still have rows go to out.
 * Returns how many. */
static int take_some(struct step *s, struct pairs *p, struct moe_expert *out, int *left)
{
    int n = 0, taken = 0, index;
    for (; taken < *left && take(s, p, taken == 0, &index); taken++)
        if (p->expert[index].n > 0)
            out[n++] = p->expert[index];
    *left = taken ? *left - taken : 0;
    return n;
}

/* What the experts of a wave were multiplied with; h: hidden rows from the use first_use on. */
static void collect(struct step *s, const struct pairs *p, const struct expert_wave *w, const struct act *x,
                    const float *h, int first_use)
{
    if (s->m->collector && !op_measuring(&s->m->op))
        collector_experts(s->m->collector, p->from->layer, p->expert + w->first, p->uses.id + w->first, w->n, x, h,
                          first_use);
}

static void wave_of_small_batch(struct step *s, struct pairs *p, const struct expert_wave *w,
                                const struct moe_small_batch *f, struct act *a)
{
    struct op *op = &s->m->op;
    size_t mark = step_mark(s);
    struct moe_expert *ready = op_alloc(op, (size_t)w->n * sizeof *ready), any = shape_of(p->from);
    if (op_measuring(op))
        op_moe_small_batch(op, f, &any, 1, a);
    for (int left = op_measuring(op) ? 0 : w->n; left > 0;) {
        int n = take_some(s, p, ready, &left);
        double begin = clock_seconds();
        op_moe_small_batch(op, f, ready, n, a);
        s->m->expert_seconds += clock_seconds() - begin;
    }
    collect(s, p, w, a, f->up, 0);
    step_reset(s, mark);
}

static void wave_of_large_batch(struct step *s, struct pairs *p, const struct expert_wave *w, float *y, struct act *a)
{
    struct op *op = &s->m->op;
    size_t mark = step_mark(s);
    struct moe_expert *some = op_alloc(op, (size_t)w->n * sizeof *some);
    const int32_t *start = p->uses.row_start;
    int first = start ? start[w->first] : 0, n_uses = start ? start[w->first + w->n] - first : p->n_pairs, n = 0;
    struct moe_large_batch m = op_moe_large_batch_begin(op, p->from->down.type, first, n_uses, a, y,
                                                        p->from->down.n_rows, p->from->n_ff, ffn_kernel(s),
                                                        s->m->collects);
    for (int left = op_measuring(op) ? 0 : w->n; left > 0;) {
        int here = take_some(s, p, some, &left);
        double begin = clock_seconds();
        op_moe_large_batch_hidden(op, &m, some, here);
        s->m->expert_seconds += clock_seconds() - begin;
    }
    for (int i = w->first; i < w->first + w->n && !op_measuring(op); i++)
        if (p->expert[i].n > 0)
            some[n++] = p->expert[i];
    double begin = clock_seconds();
    op_moe_large_batch_sum(op, &m, some, n);
    s->m->expert_seconds += clock_seconds() - begin;
    collect(s, p, w, a, m.h, first);
    step_reset(s, mark);
}

/* Make the quantised copies of x that the experts need now, since later ones would be freed with the waves' scratch. */
static void quantise_for(struct act *a, const struct experts *e)
{
    if (e->gate.n_rows)
        op_view(a, e->gate.type);
    op_view(a, e->up.type);
}

static void quantise_for_shared(struct act *a, const struct shared_expert *shared)
{
    if (shared && shared->ffn.gate)
        op_view(a, shared->ffn.gate->mat.type);
    if (shared)
        op_view(a, shared->ffn.up->mat.type);
}

static float *shared_output(struct step *s, struct act *a, const struct shared_expert *shared, float **gate)
{
    float *o = step_rows(s, s->m->p.n_embd);
    *gate = NULL;
    if (shared->gate) {
        struct wmat w = shared->gate->mat;
        w = (struct wmat){(const uint8_t *)shared->gate->vector, TYPE_F32, 1, w.n_cols,
                          (size_t)w.n_cols * sizeof(float)};
        *gate = step_rows(s, 1);
        op_matmul(&s->m->op, *gate, 1, a, &w);
    }
    block_ffn(s, o, a, &shared->ffn);
    return o;
}

/* Count a layer call by its misses; the speed model of streaming is evaluated on these counts. */
static void count_call(struct model *m, uint64_t misses_before)
{
    uint64_t misses = store_misses(m->store) - misses_before;
    m->calls[misses < MODEL_CALLS ? misses : MODEL_CALLS - 1]++;
}

/* Project the rows into the latent space that the experts see, with the quantised copies that they need; and back. */
static struct act into_latent(struct step *s, struct act *a, const struct experts *e)
{
    float *z = step_rows(s, e->down.n_rows);
    matmul(s, z, a, e->latent_down);
    struct act x = step_act(s, z, e->down.n_rows);
    quantise_for(&x, e);
    return x;
}

static void out_of_latent(struct step *s, float *y, const float *z, const struct experts *e)
{
    struct act a = step_act(s, z, e->down.n_rows);
    matmul(s, y, &a, e->latent_up);
}

/* The waves of a layer call. While measuring there is one, of all experts, and the store has no part in it. */
struct waves {
    struct expert_wave *plan, all; /* plan [n], NULL while measuring */
    int n, n_begun;
    uint64_t misses_before;
};

static struct waves plan_waves(struct step *s, int l, struct pairs *p)
{
    struct waves w = {.plan = op_alloc(&s->m->op, ((size_t)p->uses.n + 1) * sizeof *w.plan)};
    if (op_measuring(&s->m->op))
        return (struct waves){.all = {0, p->uses.n}, .n = 1, .n_begun = 1};
    w.misses_before = store_misses(s->m->store);
    w.n = p->uses.n ? store_layer_begin(s->m->store, l, &p->uses, w.plan) : 0;
    return w;
}

/* Wave i is being read, and the one after it. Where the store has no slot left, the experts of that wave and of all later ones fail:
 * 0 if that is wave i. */
static int begin_waves(struct step *s, struct pairs *p, struct waves *w, int i)
{
    for (; w->n_begun < w->n && w->n_begun <= i + 1; w->n_begun++)
        if (store_begin(s->m->store, &w->plan[w->n_begun], s->err)) {
            for (int e = w->plan[w->n_begun].first; e < p->uses.n; e++)
                expert_failed(s, &p->expert[e], s->err);
            w->n = w->n_begun;
        }
    return i < w->n;
}

void block_moe(struct step *s, int l, float *y, struct act *a, const struct routes *r, const struct experts *e,
               const struct shared_expert *shared)
{
    struct op *op = &s->m->op;
    int width = e->down.n_rows;
    struct act latent = {0}, *x = e->latent_down ? &latent : a; /* x: the experts' input; sum: their output */
    struct act *shared_x = shared && shared->in ? shared->in : a;
    float *sum = e->latent_down ? step_rows(s, width) : y;
    if (e->latent_down)
        op_view(a, e->latent_down->mat.type);
    else
        quantise_for(a, e);
    quantise_for_shared(shared_x, shared);
    size_t mark = step_mark(s);
    struct pairs p = sort_pairs(s, r, e);
    trace(s, l, r);
    struct waves waves = plan_waves(s, l, &p);
    int small_batch = s->n_rows <= MOE_SMALL_BATCH;
    float *shared_y = NULL, *shared_gate = NULL;
    struct moe_small_batch f = {0};
    if (small_batch)
        f = op_moe_small_batch_begin(op, p.n_pairs, e->n_ff, width, ffn_kernel(s));
    else if (!op_measuring(op))
        memset(sum, 0, (size_t)s->n_rows * (size_t)width * sizeof(float));

    for (int w = 0; w < waves.n; w++) {
        const struct expert_wave *wave = waves.plan ? &waves.plan[w] : &waves.all;
        if (!begin_waves(s, &p, &waves, w))
            break;
        if (w == 0 && e->latent_down)
            latent = into_latent(s, a, e);
        if (w == 0 && shared)
            shared_y = shared_output(s, shared_x, shared, &shared_gate);
        if (small_batch)
            wave_of_small_batch(s, &p, wave, &f, x);
        else
            wave_of_large_batch(s, &p, wave, sum, x);
        if (waves.plan)
            store_end(s->m->store);
    }
    if (small_batch) {
        if (waves.plan)
            count_call(s->m, waves.misses_before);
        op_moe_sum(op, &f, p.expert, p.uses.n, sum, s->n_rows);
    }
    if (e->latent_up)
        out_of_latent(s, y, sum, e);
    if (e->post_norm)
        rms_norm(s, y, y, e->post_norm);
    if (shared && !shared_y)
        shared_y = shared_output(s, shared_x, shared, &shared_gate);
    if (shared)
        op_add_gated(op, y, shared_y, shared_gate, s->n_rows, s->m->p.n_embd);
    step_reset(s, mark);
}

void sparse_of(struct step *s, int l, float *y, const float *x, const struct moe_weights *w,
               const struct route_rule *rule, const struct shared_expert *shared)
{
    const struct params *p = &s->m->p;
    size_t mark = step_mark(s);
    float *n = step_rows(s, p->n_embd);
    rms_norm(s, n, x, w->norm);
    struct act a = step_act(s, n, p->n_embd);
    struct routes r = route_top_k(s, l, &a, w->router, w->router_bias, p->n_expert, p->n_expert_used, rule);
    block_moe(s, l, y, &a, &r, w->experts, shared);
    if (w->post_norm)
        rms_norm(s, y, y, w->post_norm);
    step_reset(s, mark);
}

void block_sparse(struct step *s, int l, float *x, const struct moe_weights *w, const struct route_rule *rule,
                  const struct shared_expert *shared)
{
    size_t mark = step_mark(s);
    float *y = step_rows(s, s->m->p.n_embd);
    sparse_of(s, l, y, x, w, rule, shared);
    block_out(s, VECTOR_FFN, x, y);
    step_reset(s, mark);
}

struct experts *bind_moe_n(struct binder *b, int l, struct moe_weights *w, const char *norm, int n_expert)
{
    const struct params *p = &b->m->p;
    w->norm = norm ? bind_vector(b, l, norm, p->n_embd) : NULL;
    w->router = bind_matrix(b, l, "ffn_gate_inp.weight", n_expert, p->n_embd);
    struct experts *e = bind_experts(b, l, n_expert);
    w->experts = e;
    return e;
}

struct experts *bind_moe(struct binder *b, int l, struct moe_weights *w, const char *norm)
{
    return bind_moe_n(b, l, w, norm, b->m->p.n_expert);
}
