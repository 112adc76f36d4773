/* What the columns of every tensor weigh: entries of the file of importance found, held against shapes, and what has none told. */
#include "quant/importance.h"
#include "quant/inside.h"

#include "base/log.h"

#include <inttypes.h>
#include <string.h>

enum { FEW_ROWS = 32 };

int quant_has_importance(const struct quant_job *j) { return j->importance || j->options->has_importance; }

static uint64_t matrices_of(const struct gguf_tensor *t) { return t->ne[2] * t->ne[3]; }

static int check_shape(const struct quant_job *j, const struct gguf_tensor *t, const struct importance_entry *e,
                       struct error *err)
{
    if (importance_fits(e, t->ne[0], matrices_of(t)))
        return 0;
    return error_set(err, ERR_INPUT,
                     "%s: it is of another model: %s has %" PRIu64 " x %" PRIu64 " columns there, and %s %" PRIu64
                     " x %" PRIu64,
                     j->options->imatrix, e->name, e->n_cols, e->n_mat, t->name, t->ne[0], matrices_of(t));
}

struct coverage {
    uint64_t none, unseen, few; /* tensors; experts without rows, and with few */
    const char *first_none, *first_unseen;
};

static const struct importance_entry *rows_of(const struct quant_job *j, uint64_t t, int *layer)
{
    const struct importance_entry *e = j->tensor[t].importance;
    const char *rest;
    *layer = gguf_layer_of(j->in->tensor[t].name, &rest);
    return e && e->n_counts > 1 && e->n_mat > 1 && strstr(e->name, "_exps") ? e : NULL;
}

const struct importance_entry *quant_expert_rows(const struct quant_job *j, uint64_t t)
{
    int layer, other;
    const struct importance_entry *e = rows_of(j, t, &layer);
    for (uint64_t i = 0; e && i < t; i++)
        if (rows_of(j, i, &other) && other == layer)
            return NULL;
    return e;
}

static void count_rows(struct coverage *c, const char *name, const struct importance_entry *e)
{
    for (uint64_t i = 0; i < e->n_mat; i++) {
        float rows = importance_rows(e, i);
        if (!(rows > 0) && c->unseen++ == 0)
            c->first_unseen = name;
        c->few += rows > 0 && rows < FEW_ROWS;
    }
}

static void tell(const struct quant_job *j, const struct coverage *c)
{
    if (c->none)
        log_line(LOG_WARN, "%s has nothing of %" PRIu64 " tensors, %s first: their columns all weigh the same",
                 j->options->imatrix, c->none, c->first_none);
    if (c->unseen || c->few)
        log_line(LOG_WARN,
                 "%s: %" PRIu64 " experts saw no row (of %s first) and %" PRIu64
                 " fewer than %d: they take after their neighbours",
                 j->options->imatrix, c->unseen, c->unseen ? c->first_unseen : "none", c->few, FEW_ROWS);
}

int quant_weigh(struct quant_job *j, struct error *err)
{
    struct coverage c = {0};
    for (uint64_t i = 0; j->importance && i < j->in->n_tensor; i++) {
        const struct gguf_tensor *t = &j->in->tensor[i];
        struct quant_tensor *to = &j->tensor[i];
        const struct block_info *type = type_info(to->type);
        if (quant_is_copied(j, i) || type->block == 1)
            continue;
        to->importance = importance_find(j->importance, t->name);
        if (to->importance && check_shape(j, t, to->importance, err))
            return -1;
        const struct importance_entry *rows = quant_expert_rows(j, i);
        if (rows)
            count_rows(&c, t->name, rows);
        if (!to->importance && c.none++ == 0)
            c.first_none = t->name;
    }
    tell(j, &c);
    return 0;
}
