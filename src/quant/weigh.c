/* What the columns of every tensor weigh: entries of the file of importance found, held against shapes, and what has none told. */
#include "quant/importance.h"
#include "quant/inside.h"

#include "base/log.h"

#include <inttypes.h>
#include <string.h>

enum { FEW_ROWS = 32, LAYERS_MOST = 100000 /* gguf_layer_of() reads five digits */ };

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
    uint8_t has_experts[LAYERS_MOST / 8 + 1]; /* a bit of each layer, and one of what is in none */
};

/* The rows of a layer's experts, of the first tensor that tells them. */
static const struct importance_entry *take_experts(struct coverage *c, const char *name,
                                                   const struct importance_entry *e)
{
    const char *rest;
    if (!e || e->n_counts < 2 || e->n_mat < 2 || !strstr(e->name, "_exps"))
        return NULL;
    int layer = gguf_layer_of(name, &rest), bit = layer < 0 ? LAYERS_MOST : layer;
    if (c->has_experts[bit / 8] >> bit % 8 & 1)
        return NULL;
    c->has_experts[bit / 8] |= (uint8_t)(1 << bit % 8);
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
        to->experts = take_experts(&c, t->name, to->importance);
        if (to->experts)
            count_rows(&c, t->name, to->experts);
        if (!to->importance && c.none++ == 0)
            c.first_none = t->name;
    }
    tell(j, &c);
    return 0;
}
