/* Importance that was collected, for its caller: model/collector.h. */
#include "engine/engine.h"
#include "model/collector.h"

int stoker_importance_of(const struct stoker *s, size_t i, struct stoker_importance *out)
{
    const struct collector *c = s->session->model->collector;
    if (!c || i >= (size_t)c->n)
        return 0;
    const struct collected *e = &c->entry[i];
    *out = (struct stoker_importance){.name = e->tensor->name,
                                      .also = e->also ? e->also->name : NULL,
                                      .n_cols = (uint64_t)e->n_cols,
                                      .n_mat = (uint64_t)e->n_mat,
                                      .sum = e->sum,
                                      .n_count = (uint64_t)e->n_count,
                                      .count = e->count};
    return 1;
}
