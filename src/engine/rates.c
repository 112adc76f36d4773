/* Measuring the rates of speed.h: see rates.h. Products are measured for each block type of the model, with few rows and with many, and
 * weighed by what a row meets of each type. */
#include "engine/rates.h"

#include "machine/machine.h"

enum { FEW = 8 };

/* Seconds that a row and FEW, and many rows, take of all weights that a row meets: from them, products a second without unpacking, and the
 * rows that unpacking is worth. */
static void measure_products(struct speed_rates *r, struct machine *machine, const struct speed_model *s)
{
    double weights = 0, few = 0, many = 0;
    for (int t = 0; t < TYPE_COUNT; t++) {
        if (!(s->of_type[t] > 0))
            continue;
        double a = machine_product_rate(machine, (enum block_type)t, FEW),
               b = machine_product_rate(machine, (enum block_type)t, MACHINE_ROWS);
        if (!(a > 0) || !(b > 0))
            continue;
        weights += s->of_type[t];
        few += s->of_type[t] * FEW / a;
        many += s->of_type[t] * MACHINE_ROWS / b;
    }
    if (!(many > few))
        return;
    r->product = weights * (MACHINE_ROWS - FEW) / (many - few);
    r->unpack_rows = few * r->product / weights - FEW;
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
        out->attend = machine_attend_rate(machine, kv, d_k, d_v);
    if (s.state_floats > 0)
        out->state = machine_state_rate(machine);
    machine_close(machine);
    return 0;
}
