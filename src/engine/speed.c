/* Predicting how long a request takes: see speed.h; the formulas are those of memory.md 10.
 *
 * What is left out is the same in all plans of a model, or small: routing, choosing positions, sampling, the time in which memory is
 * prefaulted. The cache is as earlier requests left it. */
#include "engine/speed.h"

#include <math.h>

/* Rates that a plan reckons with, whatever the machine. */
#define DRIVE_RATE 3.0e9 /* bytes/s: an NVMe drive of PCIe 3.0; PERFORMANCE.md "Reading" has 2.6 to 4.0 GB/s */
#define MEMORY_RATE                                                                                                    \
    50e9 /* bytes/s: dots of two cores from DRAM in PERFORMANCE.md "Kernels", a slow minute: 53 to 56 GB/s */
#define PRODUCT_RATE                                                                                                   \
    300e9 /* weights x rows/s of a core, 0.6 Tops: prompts of 4,096 of the 30B shape took 37.9 s of two cores */
#define DOT_RATE     60e9 /* weights/s of a core with one row: 0.12 Tops; PERFORMANCE.md "Kernels" has 0.10 to 0.19 */
#define VECTOR_RATE  4e9  /* floats/s of a core: all functions of rows together, by perf (memory.md 10) */
#define ATTEND_RATE  80e9 /* products/s of a core: 161 GFlop/s, f16, PERFORMANCE.md "Kernels" */
#define STATE_RATE   23e9 /* floats/s of a core: 0.70 us a row and head of 128 x 128 in the delta rule, the same place */
#define READ_LATENCY 0.15e-3 /* seconds until a read begins to give bytes (streaming.md M) */

/* Unpacking a weight takes as long as its products with so many rows: tiles of q4_K do 0.19 Tops with 1 row, 0.47 with 8, 0.81 with 512. */
#define UNPACK_ROWS 4.0

enum { EARLY_ROWS = 64 }; /* from so many rows on the next layer's experts are read early (streaming.md S 4) */

struct speed_rates speed_usual_rates(int n_thread)
{
    double cores = n_thread > 1 ? n_thread : 1;
    return (struct speed_rates){.drive = DRIVE_RATE,
                                .memory = MEMORY_RATE,
                                .product = PRODUCT_RATE * cores,
                                .unpack_rows = UNPACK_ROWS,
                                .dot = DOT_RATE * cores,
                                .vector = VECTOR_RATE * cores,
                                .attend = ATTEND_RATE * cores,
                                .state = STATE_RATE * cores};
}

struct speed_rates speed_known_rates(int n_thread, const struct speed_rates *known)
{
    struct speed_rates r = speed_usual_rates(n_thread);
    double *const field[] = {&r.drive, &r.memory, &r.product, &r.unpack_rows, &r.dot, &r.vector, &r.attend, &r.state};
    const double of[] = {known->drive, known->memory, known->product, known->unpack_rows,
                         known->dot,   known->vector, known->attend,  known->state};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        if (of[i] > 0)
            *field[i] = of[i];
    return r;
}

/* ---- the model ---------------------------------------------------------------------------------------------------------------- */

static double n_weights(const struct gguf_tensor *t)
{
    double n = 1;
    for (int d = 0; d < GGUF_MAX_DIMS; d++)
        n *= (double)t->ne[d];
    return n;
}

static int is_table(const struct model *m, const struct weight *w)
{
    int n = 0;
    for (int i = 0; i < m->n_table; i++)
        n += m->table[i].weight == w;
    return n;
}

/* What a product takes and gives of a row is written once and read once by the functions before and behind it. */
static double n_floats(const struct gguf_tensor *t) { return 2.0 * ((double)t->ne[0] + (double)t->ne[1]); }

static void describe_dense(struct speed_model *s, const struct model *m)
{
    for (int i = 0; i < m->n_weight; i++) {
        const struct weight *w = &m->weight[i];
        if (!w->tensor || w->keys_of || w->is_vector || w->ids_below || w == m->output || is_table(m, w))
            continue;
        s->dense_weights += n_weights(w->tensor);
        s->of_type[w->tensor->type] += n_weights(w->tensor);
        s->row_floats += n_floats(w->tensor);
        s->dense_bytes += (double)w->tensor->n_bytes;
    }
    s->output_weights = m->output ? n_weights(m->output->tensor) : 0;
    s->output_bytes = m->output ? (double)m->output->tensor->n_bytes : 0;
}

static void describe_experts(struct speed_model *s, const struct model *m)
{
    double n = 0;
    for (int l = 0; l < m->p.n_layer; l++) {
        n += m->expert_layer[l].n_part ? m->expert_layer[l].n_expert : 0;
        for (int i = 0; i < m->expert_layer[l].n_part; i++) {
            const struct expert_layer *e = &m->expert_layer[l];
            const struct gguf_tensor *t = gguf_tensor(m->file, e->part[i].tensor);
            s->expert_bytes += (double)e->part[i].bytes * e->n_expert;
            s->expert_weights += t ? n_weights(t) : 0;
            if (t)
                s->of_type[t->type] += n_weights(t) * m->p.n_expert_used / e->n_expert;
            if (t)
                s->row_floats += n_floats(t) * m->p.n_expert_used;
        }
    }
    s->n_moe_layer = m->n_moe_layer;
    s->n_expert = m->n_moe_layer ? n / m->n_moe_layer : 0;
    s->n_expert_used = m->p.n_expert_used;
}

/* Of a row and a position that it sees, in one layer: scores, then the sum of values. */
static double products_of(const struct params *p, int windowed)
{
    if (p->latent.kv_rank)
        return (double)p->n_head * (2.0 * p->latent.kv_rank + p->latent.d_rope);
    return (double)p->n_head * (windowed && p->d_window ? 2.0 * p->d_window : (double)p->d_k + p->d_v);
}

void speed_describe(struct speed_model *out, const struct model *m, enum kv_type kv)
{
    *out = (struct speed_model){
        .window = m->p.window, .most_chosen = params_most_chosen(&m->p), .state_floats = (double)m->state_floats};
    describe_dense(out, m);
    describe_experts(out, m);
    for (int l = 0; l < m->p.n_layer; l++) {
        enum layer_keeps keeps = m->kept[l].most;
        if (keeps == LAYER_KEEPS_ALL || keeps == LAYER_KEEPS_LATENTS)
            out->pair_products += products_of(&m->p, 0);
        else if (keeps == LAYER_KEEPS_WINDOW || keeps == LAYER_KEEPS_COMPRESSED)
            out->window_products += products_of(&m->p, 1);
    }
    for (int k = 0; k < KV_KINDS; k++) {
        struct kv_shape shape = kv_shape_as(m->kv_layout[k].shape, kv);
        if (!m->kv_layout[k].window.n)
            out->kv_bytes += (double)kv_page_bytes(&shape) / KV_PAGE * m->kv_layout[k].n_layer;
    }
}

/* ---- computing ---------------------------------------------------------------------------------------------------------------- */

/* A layer's distinct experts of n rows, as a share of all, if routes know nothing of each other. */
static double touched(const struct speed_model *m, double n_rows)
{
    return m->n_expert > 0 ? 1 - pow(1 - m->n_expert_used / m->n_expert, n_rows) : 0;
}

/* Products of n rows with matrices that hold so many numbers in so many bytes, each fetched once: unpacked for all rows, or, where rows
 * are few, row by row. */
static double product_seconds(const struct speed_rates *r, double weights, double n_rows, double bytes)
{
    double unpacked = weights * (n_rows + r->unpack_rows) / r->product, by_dots = weights * n_rows / r->dot;
    return fmax(fmin(unpacked, by_dots), bytes / r->memory);
}

static double expert_seconds(const struct speed_model *m, const struct speed_rates *r, double n_rows)
{
    double share = touched(m, n_rows), each = m->n_expert > 0 ? n_rows * m->n_expert_used / (m->n_expert * share) : 0;
    return product_seconds(r, share * m->expert_weights, each, share * m->expert_bytes);
}

/* Attention, states and functions of rows that see `pairs` positions in all, `near` of them in layers with a window. */
static double sequence_seconds(const struct speed_model *m, const struct speed_rates *r, double n_rows, double pairs,
                               double near)
{
    double attended = m->most_chosen > 0 ? fmin(pairs, n_rows * m->most_chosen) : pairs;
    return (m->pair_products * attended + m->window_products * near) / r->attend + m->state_floats * n_rows / r->state +
           m->row_floats * n_rows / r->vector;
}

/* ---- prompt and answer --------------------------------------------------------------------------------------------------------- */

/* Reading and computing of a sweep overlap but for one layer: nothing is computed before its first experts are read, and behind the last
 * read its experts are still to be computed. */
static double overlapped(const struct speed_model *m, double compute, double read)
{
    return fmax(compute, read) + (m->n_moe_layer > 0 ? fmin(compute, read) / m->n_moe_layer : 0);
}

/* A chunk behind `before` positions. Small ones read nothing early: what stands between the layers' experts is not overlapped. */
static double chunk_seconds(const struct speed_model *m, const struct speed_config *c, const struct speed_rates *r,
                            double n_rows, double before)
{
    double pairs = n_rows * before + n_rows * (n_rows + 1) / 2, most = n_rows * m->window,
           read = touched(m, n_rows) * m->expert_bytes * (1 - c->held_in_sweeps) / r->drive,
           rest = product_seconds(r, m->dense_weights, n_rows, m->dense_bytes) +
                  product_seconds(r, m->output_weights, 1, m->output_bytes) +
                  sequence_seconds(m, r, n_rows, pairs, fmin(pairs, most)),
           experts = expert_seconds(m, r, n_rows);
    return n_rows < EARLY_ROWS ? rest + fmax(experts, read) : overlapped(m, rest + experts, read);
}

static double prompt_seconds(const struct speed_model *m, const struct speed_config *c, const struct speed_rates *r)
{
    double seconds = 0;
    for (int done = 0; done < c->n_prompt; done += c->n_chunk) {
        int left = c->n_prompt - done;
        seconds += chunk_seconds(m, c, r, left < c->n_chunk ? left : c->n_chunk, done);
    }
    return seconds;
}

int speed_prompt(int n_ctx) { return n_ctx < SPEED_PROMPT ? n_ctx : SPEED_PROMPT; }

double speed_hits(double held)
{
    static const double at[] = {0, 0.03, 0.06, 0.125, 0.25, 0.5, 1}, hit[] = {0, 0.28, 0.44, 0.63, 0.81, 0.94, 1};
    for (int i = 1; i < 7; i++)
        if (held <= at[i])
            return hit[i - 1] + (hit[i] - hit[i - 1]) * (held - at[i - 1]) / (at[i] - at[i - 1]);
    return 1;
}

/* A layer waits for its first read, if it reads at all; the last expert that comes is computed behind its arrival. */
static double step_seconds(const struct speed_model *m, const struct speed_config *c, const struct speed_rates *r,
                           const struct speed *s)
{
    double n = c->n_parallel, sees = n * (c->n_prompt + SPEED_ANSWER / 2.0),
           misses = touched(m, n) * m->n_expert * (1 - s->hits), some = fmin(misses, 1),
           experts = expert_seconds(m, r, n), behind = misses > 0 ? some * experts / (touched(m, n) * m->n_expert) : 0,
           rest = product_seconds(r, m->dense_weights, n, m->dense_bytes) +
                  product_seconds(r, m->output_weights, n, m->output_bytes) +
                  sequence_seconds(m, r, n, sees, fmin(sees, n * m->window)) + sees * m->kv_bytes / r->memory;
    return rest + (c->tables_on_disk ? READ_LATENCY : 0) +
           fmax(experts, some * READ_LATENCY * m->n_moe_layer + s->read_bytes / r->drive + behind);
}

struct speed speed_predict(const struct speed_model *m, const struct speed_config *c, const struct speed_rates *r)
{
    struct speed s = {.prompt_seconds = prompt_seconds(m, c, r), .hits = speed_hits(c->held)};
    s.read_bytes = touched(m, c->n_parallel) * m->expert_bytes * (1 - s.hits);
    s.step_seconds = step_seconds(m, c, r, &s);
    s.seconds = s.prompt_seconds * (2 - c->known) + SPEED_ANSWER * s.step_seconds / c->n_parallel;
    return s;
}
