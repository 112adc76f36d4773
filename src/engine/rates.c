/* Measuring the rates of speed.h, and roofs: see rates.h. Products are measured for each block type of the model, with one row and with
 * some and many that are multiplied with unpacked weights, and weighed by what a row meets of each type.
 *
 * Of work, what cannot be avoided is counted: every weight is read once a step, by all of its rows together; keys and values once a step
 * too; states are read once and written once. Rows of tables, norms and activations are left out: bounds are from below. */
#include "engine/rates.h"

#include "engine/engine.h"
#include "machine/machine.h"
#include "machine/memory.h"

#include <math.h>

enum { SOME = 32 }; /* beyond the rows for which a tile takes pairs (kernel/tiers.h) */

/* Seconds that one row, SOME and many rows take of all weights that a row meets: from the last two, products a second without unpacking,
 * and the rows that unpacking is worth. */
static void measure_products(struct speed_rates *r, struct machine *machine, const struct speed_model *s)
{
    double weights = 0, one = 0, some = 0, many = 0;
    for (int t = 0; t < TYPE_COUNT; t++) {
        if (!(s->of_type[t] > 0))
            continue;
        double a = machine_product_rate(machine, (enum block_type)t, 1),
               b = machine_product_rate(machine, (enum block_type)t, SOME),
               c = machine_product_rate(machine, (enum block_type)t, MACHINE_ROWS);
        if (!(a > 0) || !(b > 0) || !(c > 0))
            continue;
        weights += s->of_type[t];
        one += s->of_type[t] / a;
        some += s->of_type[t] * SOME / b;
        many += s->of_type[t] * MACHINE_ROWS / c;
    }
    if (!(many > some))
        return;
    r->product = weights * (MACHINE_ROWS - SOME) / (many - some);
    r->unpack_rows = some * r->product / weights - SOME;
    r->dot = weights / one;
}

/* Pages, each of one KV head, that a row of a prompt sees of a layer, on average. */
static int pages_of(const struct params *p)
{
    int n = p->latent.kv_rank ? 1 : p->n_head_kv;
    return (n > 0 ? n : 1) * (SPEED_PROMPT / 2 + ATTN_PAGE - 1) / ATTN_PAGE;
}

int rates_measure(struct speed_rates *out, const struct model *m, enum kv_type kv, enum cpu_tier tier, int n_threads,
                  struct error *err)
{
    struct machine *machine;
    struct speed_model s;
    const struct params *p = &m->p;
    *out = (struct speed_rates){0};
    if (machine_open(&machine, kernels_for(tier), n_threads, machine_bytes("", n_threads), MACHINE_MEDIAN, err))
        return -1;
    speed_describe(&s, m, kv);
    out->memory = machine_read_rate(machine);
    measure_products(out, machine, &s);
    int d_k = p->latent.kv_rank ? p->latent.kv_rank + p->latent.d_rope : p->d_k;
    int d_v = p->latent.kv_rank ? p->latent.kv_rank : p->d_v;
    if (s.pair_products + s.window_products > 0)
        out->attend = machine_attend_rate(machine, kv, d_k, d_v, pages_of(p));
    if (s.state_floats > 0)
        out->state = machine_state_rate(machine);
    machine_close(machine);
    return 0;
}

/* ---- roofs, and what is under them ------------------------------------------------------------------------------------------- */

/* Weights of a type meet rows as codes, or as floats. */
static int by_floats(enum block_type t) { return kernel_family(t) == ACT_F32; }

/* Products of a row with all weights that it meets but the output's. */
static void products_of_row(const struct speed_model *s, double *int8, double *f32)
{
    for (int t = 0; t < TYPE_COUNT; t++)
        *(by_floats((enum block_type)t) ? f32 : int8) += s->of_type[t];
}

/* Bytes of a position in layers that see only the last ones. */
static double window_bytes(const struct model *m, enum kv_type kv)
{
    double sum = 0;
    for (int k = 0; k < KV_KINDS; k++) {
        struct kv_shape shape = kv_shape_as(m->kv_layout[k].shape, kv);
        if (m->kv_layout[k].window.n)
            sum += (double)kv_page_bytes(&shape) / KV_PAGE * m->kv_layout[k].n_layer;
    }
    return sum;
}

/* What n positions are to a row where an indexer chooses some. */
static double chosen(const struct model *m, double n)
{
    int most = params_most_chosen(&m->p);
    return most > 0 ? fmin(n, most) : n;
}

/* Positions that the row at pos sees in layers with a window. */
static double near(struct kv_window w, int pos) { return pos + 1 - kv_first_position(w, pos); }

/* The window of layers that have one; all positions where none has. */
static struct kv_window window_of(const struct model *m)
{
    for (int k = 0; k < KV_KINDS; k++)
        if (m->kv_layout[k].n_layer > 0 && m->kv_layout[k].window.n)
            return m->kv_layout[k].window;
    return see_all();
}

/* Rows of one whole text, each of which sees it as far as its layers do: keys and values of one layer, which stay in caches. */
static double text_products(const struct model *m, const struct speed_model *s, int n)
{
    struct kv_window window = window_of(m);
    double sum = 0;
    for (int pos = 0; pos < n; pos++) {
        int last = m->p.bidirectional ? n - 1 : pos;
        double all = last + 1,
               few = window.n ? kv_last_position(window, pos, last) - kv_first_position(window, pos) + 1 : all;
        sum += all * s->pair_products + few * s->window_products;
    }
    return sum;
}

static void count_texts(const struct model *m, const struct speed_model *s, const struct stoker_rows *r,
                        struct stoker_work *out)
{
    int n_text = r->n_texts > 1 ? r->n_texts : 1;
    out->f32_products += n_text * text_products(m, s, r->n_rows / n_text);
}

/* Row after row. What a step reads at least is what its last row sees. */
static void count_sequence(const struct model *m, enum kv_type kv, const struct speed_model *s,
                           const struct stoker_rows *r, struct stoker_work *out)
{
    struct kv_window window = window_of(m);
    double of_window = window_bytes(m, kv);
    for (int i = 0; i < r->n_rows; i++) {
        int pos = r->n_before + i, step = (int)((int64_t)i * r->n_steps / r->n_rows);
        int is_last = i + 1 == r->n_rows || (int64_t)(i + 1) * r->n_steps / r->n_rows > step;
        double all = chosen(m, pos + 1), few = near(window, pos);
        out->f32_products += all * s->pair_products + few * s->window_products;
        if (is_last)
            out->memory_bytes += all * s->kv_bytes + few * of_window;
    }
    out->memory_bytes += 2 * sizeof(float) * s->state_floats * r->n_steps;
    out->f32_products += s->state_floats * r->n_rows;
}

void rates_work(const struct model *m, enum kv_type kv, const struct stoker_rows *r, struct stoker_work *out)
{
    struct speed_model s;
    double int8 = 0, f32 = 0, n_expert = 0;
    *out = (struct stoker_work){0};
    speed_describe(&s, m, kv);
    for (int l = 0; l < m->p.n_layer; l++)
        n_expert += m->expert_layer[l].n_expert;
    out->expert_bytes = n_expert > 0 ? s.expert_bytes / n_expert : 0;
    out->row_experts = (double)m->n_moe_layer * m->p.n_expert_used;
    if (r->n_rows < 1 || r->n_steps < 1)
        return;
    products_of_row(&s, &int8, &f32);
    if (m->output)
        *(by_floats(m->output->tensor->type) ? &out->f32_products : &out->int8_products) = s.output_weights *
                                                                                           r->n_logits;
    out->int8_products += int8 * r->n_rows;
    out->f32_products += f32 * r->n_rows;
    out->memory_bytes = s.dense_bytes * r->n_steps + s.output_bytes * r->n_logits + out->expert_bytes * r->n_experts;
    if (m->p.pooling)
        count_texts(m, &s, r, out);
    else
        count_sequence(m, kv, &s, r, out);
}

/* Products a second of the types that a row meets, each at its own rate: of those that are met as codes, or as floats. The output's are
 * left out, since few rows meet them: where their type is slower, a bound with them would be above what is possible. */
static double rate_of(struct machine *machine, const double *of_type, int floats)
{
    double products = 0, seconds = 0;
    for (int t = 0; t < TYPE_COUNT; t++) {
        double rate = of_type[t] > 0 && by_floats((enum block_type)t) == floats
                          ? machine_peak_rate(machine, (enum block_type)t)
                          : 0;
        if (rate > 0) {
            products += of_type[t];
            seconds += of_type[t] / rate;
        }
    }
    return seconds > 0 ? products / seconds : 0;
}

int rates_roofs(struct stoker_roofs *out, const struct model *m, enum kv_type kv, enum cpu_tier tier, int n_threads,
                struct error *err)
{
    enum { HEAD = 128 };
    struct machine *machine;
    struct speed_model s;
    *out = (struct stoker_roofs){0};
    if (machine_open(&machine, kernels_for(tier), n_threads, machine_bytes("", n_threads), MACHINE_BEST, err))
        return -1;
    speed_describe(&s, m, kv);
    out->memory = machine_read_rate(machine);
    out->int8 = rate_of(machine, s.of_type, 0);
    /* attention too, of a page that stays in caches: the faster of both is nearer to what the cores can do */
    out->f32 = fmax(rate_of(machine, s.of_type, 1), machine_attend_rate(machine, KV_F32, HEAD, HEAD, 1));
    machine_close(machine);
    return 0;
}

/* ---- beside an open engine --------------------------------------------------------------------------------------------------- */

/* Of the engine, or of one beside it, whose jobs are in tables of their own. */
static int has_requests(void *arg)
{
    struct stoker *s = arg;
    for (int i = 0; i < PLAN_ENCODERS; i++)
        if (s->encoder[i] && engine_has_work(s->encoder[i]))
            return 1;
    return engine_has_work(s);
}

enum rates_fit rates_fit(uint64_t total, uint64_t budget, uint64_t left, uint64_t bytes)
{
    if (budget < total + bytes)
        return FITS_NEVER;
    return left < total + bytes ? FITS_LATER : FITS_NOW;
}

/* The engine's own threads sleep meanwhile, others take their place; what these read is a mapping of its own. */
int stoker_memory_roof(struct stoker *s, double *rate)
{
    const struct plan *p = &s->session->plan;
    const char *from;
    struct machine *m;
    struct error err = {0};
    uint64_t bytes = machine_bytes("", p->n_threads);
    enum rates_fit fit = rates_fit(p->total, p->memory, machine_memory("", &from), bytes);
    if (fit == FITS_NEVER)
        return -2;
    if (fit == FITS_LATER || has_requests(s) ||
        machine_open(&m, s->session->model->op.k, p->n_threads, bytes, MACHINE_BEST, &err))
        return -1;
    machine_stop_when(m, has_requests, s);
    *rate = machine_read_rate(m);
    machine_close(m);
    return *rate > 0;
}
