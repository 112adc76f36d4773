/* From what is asked for to tensors: which rows of which taps a request records, and what is made of them. The order is that of the
 * model: tokens, then layer by layer in the order of enum tap. See capture.h. */
#include "engine/capture/capture.h"

#include "base/checked.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

_Static_assert((int)STOKER_TAPS == (int)TAPS && (int)STOKER_TAP_LENS == (int)TAP_LENS &&
                   (int)STOKER_TAP_ROUTER_IDS == (int)TAP_ROUTER_IDS,
               "public numbers are those inside");

static const char *const reduce_name[STOKER_REDUCES] = {"none", "mean", "last", "top", "norm", "dot", "count"};

const char *stoker_tap_name(int tap) { return tap >= 0 && tap < STOKER_TAPS ? tap_name((enum tap)tap) : NULL; }

const char *stoker_reduce_name(int reduce)
{
    return reduce >= 0 && reduce < STOKER_REDUCES ? reduce_name[reduce] : NULL;
}

/* ---- one tensor -------------------------------------------------------------------------------------------------------------- */

static size_t dtype_bytes(enum stoker_dtype t) { return t == STOKER_F16 || t == STOKER_BF16 ? 2 : 4; }

struct place {
    const struct model *m;
    const struct stoker_capture *c;
    const struct vector *along;
    enum tap tap;
    int layer;
};

/* n values of a row in the target; 0: one value, and the tensor has one dimension. */
static void add_tensor(struct capture_list *l, const struct place *p, enum capture_form form, const char *end, int n,
                       enum stoker_dtype dtype)
{
    struct capture_tensor t = {.form = form, .in = l->row_bytes};
    struct stoker_tensor *x = &t.shown;
    x->one_row = form == CAPTURE_MEAN || form == CAPTURE_LAST || form == CAPTURE_LAST_IDS || form == CAPTURE_COUNT;
    if (form == CAPTURE_TOKENS)
        snprintf(x->name, sizeof x->name, "tokens");
    else if (form == CAPTURE_SAE_IDS || form == CAPTURE_SAE_VALUES)
        snprintf(x->name, sizeof x->name, "sae%s.%d", end, p->layer);
    else if (p->tap == TAP_FINAL)
        snprintf(x->name, sizeof x->name, "final%s", end);
    else if (p->tap == TAP_LENS)
        snprintf(x->name, sizeof x->name, "lens%s.%d", end, p->layer);
    else
        snprintf(x->name, sizeof x->name, "%s.%d%s", tap_name(p->tap), p->layer, end);
    x->dtype = dtype;
    x->n_dim = n ? 2 : 1;
    x->shape[0] = x->one_row ? p->c->n_requests : p->c->n_rows;
    x->shape[1] = (uint64_t)n;
    t.row_bytes = (size_t)(n ? n : 1) * dtype_bytes(dtype);
    x->offset = l->bytes;
    if (!checked_mul(x->shape[0], t.row_bytes, &x->bytes) || !checked_add(l->bytes, x->bytes, &l->bytes))
        l->is_too_large = 1;
    if (form != CAPTURE_TOKENS && form != CAPTURE_SAE_IDS && form != CAPTURE_SAE_VALUES)
        t.width = tap_width(p->m, p->tap, p->layer);
    size_t sum = form == CAPTURE_MEAN    ? (size_t)t.width * sizeof(double)
                 : form == CAPTURE_COUNT ? round_up((uint64_t)n * sizeof(int32_t), 8)
                                         : 0;
    t.sum_at = l->sum_bytes;
    l->sum_bytes += sum;
    if (l->tensor)
        l->tensor[l->n] = t;
    l->n++;
}

/* ---- what fits together ------------------------------------------------------------------------------------------------------ */

static int refuse(struct error *err, const char *field, const char *what, const struct place *p)
{
    error_set(err, ERR_INPUT, "reduce \"%s\": %s", stoker_reduce_name((int)p->c->reduce), what);
    return error_field(err, "capture.%s", field);
}

static int check_reduce(const struct place *p, struct error *err)
{
    enum stoker_reduce how = p->c->reduce;
    if (how == STOKER_REDUCE_COUNT && p->tap != TAP_ROUTER_IDS)
        return refuse(err, "tensors", "only router_ids are counted; ask for them alone", p);
    if (p->tap == TAP_ROUTER_IDS && how != STOKER_REDUCE_NONE && how != STOKER_REDUCE_LAST &&
        how != STOKER_REDUCE_COUNT)
        return refuse(err, "tensors",
                      "router_ids are numbers of experts; \"none\", \"last\" and \"count\" are possible", p);
    if (p->tap == TAP_LENS && how != STOKER_REDUCE_NONE)
        return refuse(err, "tensors", "the lens keeps the largest logits of a row already; \"none\" is possible", p);
    if (how == STOKER_REDUCE_DOT && tap_width(p->m, p->tap, p->layer) != p->m->p.n_embd)
        return refuse(err, "tensors",
                      "a direction has the width of the model's rows; router tensors and several streams have another",
                      p);
    return 0;
}

static const float *direction(const struct vector *v, int layer)
{
    return layer >= v->first && layer <= v->last ? v->direction[layer].v : NULL;
}

/* 1: the layer has the tap; 0: it has not, and need not; -1: it must. */
static int has_tap(const struct place *p, struct error *err)
{
    int has = tap_width(p->m, p->tap, p->layer) > 0;
    const char *lacks = tap_name(p->tap);
    if (has && p->along && !direction(p->along, p->layer)) {
        has = 0;
        lacks = "direction in the vector";
    }
    if (has || !p->c->layer || p->tap == TAP_FINAL)
        return has;
    error_set(err, ERR_UNSUPPORTED, "layer %d has no %s", p->layer, lacks);
    return error_field(err, "capture.layers");
}

/* ---- the list ---------------------------------------------------------------------------------------------------------------- */

static void add_forms(struct capture_list *l, const struct place *p)
{
    const struct stoker_capture *c = p->c;
    int width = tap_width(p->m, p->tap, p->layer);
    if (p->tap == TAP_ROUTER_IDS) {
        if (c->reduce == STOKER_REDUCE_COUNT)
            add_tensor(l, p, CAPTURE_COUNT, ".count", p->m->expert_layer[p->layer].n_expert, STOKER_I32);
        else
            add_tensor(l, p, c->reduce == STOKER_REDUCE_LAST ? CAPTURE_LAST_IDS : CAPTURE_IDS, "", width, STOKER_I32);
        return;
    }
    if (p->tap == TAP_LENS) {
        add_tensor(l, p, CAPTURE_LENS_IDS, "_ids", c->top, STOKER_I32);
        add_tensor(l, p, CAPTURE_LENS_VALUES, "_values", c->top, STOKER_F32);
        return;
    }
    switch (c->reduce) {
    case STOKER_REDUCE_MEAN:
        add_tensor(l, p, CAPTURE_MEAN, "", width, c->dtype);
        return;
    case STOKER_REDUCE_LAST:
        add_tensor(l, p, CAPTURE_LAST, "", width, c->dtype);
        return;
    case STOKER_REDUCE_NORM:
        add_tensor(l, p, CAPTURE_NORM, ".norm", 0, STOKER_F32);
        return;
    case STOKER_REDUCE_TOP:
        add_tensor(l, p, CAPTURE_TOP_INDEX, ".index", c->top < width ? c->top : width, STOKER_I32);
        add_tensor(l, p, CAPTURE_TOP_VALUE, ".value", c->top < width ? c->top : width, STOKER_F32);
        return;
    case STOKER_REDUCE_DOT:
        add_tensor(l, p, CAPTURE_DOT, ".dot", 0, STOKER_F32);
        if (l->tensor)
            l->tensor[l->n - 1].along = direction(p->along, p->layer);
        return;
    default:
        add_tensor(l, p, CAPTURE_ROWS, "", width, c->dtype);
    }
}

static int add_tap(struct capture_list *l, const struct place *p, struct error *err)
{
    int has = has_tap(p, err);
    if (has <= 0)
        return has;
    if (check_reduce(p, err))
        return -1;
    if (l->at)
        l->at[p->layer * TAPS + (int)p->tap] = (int64_t)l->row_bytes;
    l->has_lens |= p->tap == TAP_LENS;
    l->has_final |= p->tap == TAP_FINAL;
    add_forms(l, p);
    l->row_bytes += (size_t)tap_width(p->m, p->tap, p->layer) * 4 + (p->tap == TAP_LENS ? (size_t)p->c->top * 8 : 0);
    return 1;
}

/* Features of a row, which are its largest already. */
static void add_features(struct capture_list *l, const struct place *p)
{
    l->sae_at = (int64_t)l->row_bytes;
    add_tensor(l, p, CAPTURE_SAE_IDS, "_ids", p->c->top, STOKER_I32);
    add_tensor(l, p, CAPTURE_SAE_VALUES, "_values", p->c->top, STOKER_F32);
    l->row_bytes += (size_t)p->c->top * 8;
}

static int check_fields(const struct stoker_capture *c, const struct sae *sae, struct error *err)
{
    int wants_top = c->reduce == STOKER_REDUCE_TOP || c->taps >> STOKER_TAP_LENS & 1 || sae;
    if ((c->taps == 0 && !c->sae && !sae) || c->taps >> STOKER_TAPS) {
        error_set(err, ERR_INPUT, "no tensor is asked for");
        return error_field(err, "capture.tensors");
    }
    if ((unsigned)c->reduce >= STOKER_REDUCES || (unsigned)c->dtype > STOKER_BF16) {
        error_set(err, ERR_INPUT, "there is no such reduction or type of elements");
        return error_field(err, (unsigned)c->reduce >= STOKER_REDUCES ? "capture.reduce" : "capture.dtype");
    }
    if (wants_top && (c->top < 1 || c->top > STOKER_CAPTURE_TOP)) {
        error_set(err, ERR_INPUT, "top is %d; from 1 to %d is possible", c->top, STOKER_CAPTURE_TOP);
        return error_field(err, "capture.top");
    }
    if (c->sae && (!sae || c->reduce != STOKER_REDUCE_NONE)) {
        error_set(err, ERR_INPUT,
                  sae ? "features are the largest of a row already; reduce \"none\" is possible"
                      : "the vector is no autoencoder: it has no features");
        return error_field(err, sae ? "capture.reduce" : "capture.sae");
    }
    return 0;
}

int capture_list_make(struct capture_list *l, const struct model *m, const struct stoker_capture *c,
                      const struct vector *along, const struct sae *sae, struct error *err)
{
    struct place p = {m, c, along, TAPS, 0};
    struct capture_tensor *tensor = l->tensor;
    int64_t *at = l->at;
    *l = (struct capture_list){.tensor = tensor, .at = at};
    if (check_fields(c, sae, err))
        return -1;
    for (int i = 0; at && i < m->p.n_layer * TAPS; i++)
        at[i] = -1;
    if (!c->no_tokens)
        add_tensor(l, &p, CAPTURE_TOKENS, "", 0, STOKER_I32);
    l->row_bytes = 4;
    for (int t = 0, found; t < TAPS; t++) {
        found = !(c->taps >> t & 1);
        for (p.layer = 0; p.layer < m->p.n_layer && !found; p.layer++)
            found = tap_width(m, (enum tap)t, p.layer) > 0 && (t == TAP_FINAL || !c->layer || c->layer[p.layer]);
        if (!found && !c->layer) {
            error_set(err, ERR_UNSUPPORTED, "no layer of the model has %s", tap_name((enum tap)t));
            return error_field(err, "capture.tensors");
        }
    }
    for (p.layer = 0; p.layer < m->p.n_layer; p.layer++) {
        for (int t = 0; t < TAPS; t++) {
            p.tap = (enum tap)t;
            if (c->taps >> t & 1 && (t == TAP_FINAL || !c->layer || c->layer[p.layer]) && add_tap(l, &p, err) < 0)
                return -1;
        }
        if (sae && sae->form.layer == p.layer)
            add_features(l, &p);
    }
    if (l->is_too_large)
        return error_set(err, ERR_INPUT, "what is recorded takes more bytes than any file has");
    if (l->n > !c->no_tokens)
        return 0;
    error_set(err, ERR_INPUT, "nothing is left to record: no layer is asked for that has what is asked for");
    return error_field(err, "capture.layers");
}
