/* See bound.h. */
#include "eval/bound.h"

#include <math.h>

static double seconds_of(double amount, double rate) { return rate > 0 ? amount / rate : 0; }

void eval_bound_add(struct eval_bound *to, const struct stoker_work *w, const struct stoker_roofs *r)
{
    double memory = seconds_of(w->memory_bytes, r->memory),
           products = seconds_of(w->int8_products, r->int8) + seconds_of(w->f32_products, r->f32);
    to->memory += memory;
    to->products += products;
    to->seconds += fmax(memory, products);
}

void eval_bound_read(struct eval_bound *to, double bytes, const struct stoker_roofs *r)
{
    to->drive += seconds_of(bytes, r->drive);
    to->seconds = fmax(to->seconds, to->drive);
}

const char *eval_bound_by(const struct eval_bound *b)
{
    if (b->drive > 0 && b->drive >= b->seconds)
        return "drive";
    return b->products > b->memory ? "products" : "memory";
}

double eval_bound_memory_of(const struct eval_bound *b, double computing) { return fmin(b->memory, computing); }

int eval_roofs_moved(struct eval_roof_move *out, const struct stoker_roofs *first, const struct stoker_roofs *last)
{
    const struct eval_roof_move roof[] = {{"memory", first->memory, last->memory, 0},
                                          {"drive", first->drive, last->drive, 0},
                                          {"int8", first->int8, last->int8, 0},
                                          {"f32", first->f32, last->f32, 0}};
    double most = 0;
    for (size_t i = 0; i < sizeof roof / sizeof *roof; i++) {
        double share = roof[i].from > 0 && roof[i].to > 0 ? fabs(roof[i].to / roof[i].from - 1) : 0;
        if (share < EVAL_ROOF_MOVES || share <= most)
            continue;
        most = share;
        *out = roof[i];
        out->share = share;
    }
    return most > 0;
}
