/* Measuring the rates of speed.h: see rates.h. Products are measured for each block type of the model, with one row and with some and many
 * that are multiplied with unpacked weights, and weighed by what a row meets of each type. */
#include "engine/rates.h"

#include "machine/machine.h"

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
    if (machine_open(&machine, kernels_for(tier), n_threads, err))
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
