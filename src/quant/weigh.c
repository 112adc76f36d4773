/* What the columns of every tensor weigh: entries of the file of importance found, held against shapes, and what has none told. */
#include "quant/importance.h"
#include "quant/inside.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
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

struct missing { /* tensors that weigh all alike */
    uint64_t n;
    const char *first;
};

struct coverage {
    struct missing none, empty, draft; /* without an entry; with one that says nothing; of layers that predict */
    uint64_t unseen, few;              /* experts without rows, and with few */
    const char *first_unseen;
    uint8_t has_experts[GGUF_LAYERS_MOST / 8 + 1]; /* a bit of each layer, and one of what is in none */
};

/* The rows of a layer's experts, of the first tensor that tells them. */
static const struct importance_entry *take_experts(struct coverage *c, const char *name,
                                                   const struct importance_entry *e)
{
    const char *rest;
    if (!e || e->n_counts < 2 || e->n_mat < 2 || !strstr(e->name, "_exps"))
        return NULL;
    int layer = gguf_layer_of(name, &rest), bit = layer < 0 ? GGUF_LAYERS_MOST : layer;
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

int quant_is_draft(const struct quant_job *j, uint64_t t)
{
    const char *rest;
    int layer = gguf_layer_of(j->in->tensor[t].name, &rest);
    return layer >= 0 && (uint64_t)layer >= j->first_draft;
}

static void note_missing(struct coverage *c, const struct quant_job *j, uint64_t t)
{
    const char *name = j->in->tensor[t].name;
    struct missing *m = importance_named(j->importance, name) ? &c->empty : quant_is_draft(j, t) ? &c->draft : &c->none;
    if (m->n++ == 0)
        m->first = name;
}

static void tell_missing(const struct quant_job *j, const struct missing *m, const char *what, const char *why)
{
    if (m->n)
        log_line(LOG_WARN, "%s has %s of %" PRIu64 " tensors, %s first%s: their columns all weigh the same",
                 j->options->imatrix, what, m->n, m->first, why);
}

static void tell(const struct quant_job *j, const struct coverage *c)
{
    tell_missing(j, &c->none, "nothing", "");
    tell_missing(j, &c->empty, "no rows, or zeros alone,", "");
    tell_missing(j, &c->draft, "nothing",
                 ", whose layers predict further tokens and are not collected by stoker imatrix");
    if (c->unseen || c->few)
        log_line(LOG_WARN,
                 "%s: %" PRIu64 " experts saw no row (of %s first) and %" PRIu64
                 " fewer than %d: they take after their neighbours",
                 j->options->imatrix, c->unseen, c->unseen ? c->first_unseen : "none", c->few, FEW_ROWS);
}

/* blk.A-B. as rules have it: the layers that predict. */
static void draft_layers(const struct quant_job *j, char *text, size_t n)
{
    int last = 0;
    const char *rest;
    for (uint64_t t = 0; t < j->in->n_tensor; t++) {
        int layer = gguf_layer_of(j->in->tensor[t].name, &rest);
        last = layer > last ? layer : last;
    }
    snprintf(text, n, "blk.%" PRIu64 "-%d.", j->first_draft, last);
}

int quant_refuse_needs(const struct quant_job *j, struct error *err)
{
    static const char ends[] = "--no-imatrix-ok writes them all the same";
    char layers[60], what[200];
    snprintf(what, sizeof what, "%" PRIu64 " tensors, %.80s first, get types that are of little use without importance",
             j->n_needs_importance, j->needs_importance);
    if (!j->importance)
        return error_set(err, ERR_INPUT, "%s; --imatrix FILE gives it, which stoker imatrix collects, or %s", what,
                         ends);
    if (j->n_needs_draft < j->n_needs_importance)
        return error_set(err, ERR_INPUT,
                         "%s, and %s has none of them; --rule '%s=q4_k' and the like give them other types, or %s",
                         what, j->options->imatrix, j->needs_importance, ends);
    draft_layers(j, layers, sizeof layers);
    return error_set(err, ERR_INPUT,
                     "%s, which is not collected of layers that predict further tokens; --rule '%s=q4_k' gives them "
                     "another type, or %s",
                     what, layers, ends);
}

int quant_weigh(struct quant_job *j, struct error *err)
{
    struct coverage c = {0};
    j->first_draft = gguf_first_draft(j->in);
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
        if (!to->importance)
            note_missing(&c, j, i);
    }
    tell(j, &c);
    return 0;
}
