/* See taps.h. */
#include "model/taps.h"

#include "model/step.h"
#include "op/largest.h"

#include <assert.h>

const char *tap_name(enum tap t)
{
    static const char *const name[TAPS] = {"resid_pre",     "attn_out",   "resid_mid",      "ffn_out", "resid_post",
                                           "router_logits", "router_ids", "router_weights", "lens",    "final"};
    return name[t];
}

int tap_width(const struct model *m, enum tap t, int layer)
{
    if (!(m->taps[layer] >> t & 1))
        return 0;
    switch (t) {
    case TAP_RESID_PRE:
    case TAP_RESID_POST:
        return params_row_width(&m->p);
    case TAP_LENS:
        return m->p.hyper.is_behind ? m->p.n_embd : params_row_width(&m->p);
    case TAP_ROUTER_LOGITS:
        return m->expert_layer[layer].n_expert;
    case TAP_ROUTER_IDS:
    case TAP_ROUTER_WEIGHTS:
        return m->p.n_expert_used;
    default:
        return m->p.n_embd;
    }
}

/* Rows of a run that are wanted, from the run's i-th on. */
static int wanted(const struct taps *t, int pos, int n, int *i)
{
    int from = t->first > pos ? t->first - pos : 0, to = t->first + t->n - pos < n ? t->first + t->n - pos : n;
    *i = from;
    return to - from;
}

void tap_rows(struct step *s, enum tap t, const void *x, int n_cols)
{
    if (s->pairs) /* what drafts is none of the model's layers */
        return;
    if (op_measuring(
            &s->m->op)) { /* as hooks of steering: every model is measured, so it is known which layers have which */
        s->m->taps[s->layer] |= (uint16_t)(1 << t);
        assert(tap_width(s->m, t, s->layer) == n_cols);
        return;
    }
    for (int r = 0, i; r < s->n_run; r++) {
        const struct run *run = &s->run[r];
        const struct taps *to = s->b->seq[run->first]->taps;
        int pos = s->b->pos[run->first], n = to && to->n ? wanted(to, pos, run->n, &i) : 0;
        if (n > 0 && to->at[s->layer * TAPS + (int)t] >= 0)
            op_copy(&s->m->op, (float *)tap_at(to, s->layer, t, pos + i - to->first, (size_t)n_cols), (size_t)n_cols,
                    (const float *)x + (size_t)(run->first + i) * (size_t)n_cols, (size_t)n_cols, n, n_cols);
    }
}

int tap_wants(const struct step *s, enum tap t)
{
    if (s->pairs)
        return 0;
    if (op_measuring(&s->m->op))
        return 1;
    for (int r = 0; r < s->n_run; r++) {
        const struct taps *to = s->b->seq[s->run[r].first]->taps;
        if (to && to->n && to->at[s->layer * TAPS + (int)t] >= 0)
            return 1;
    }
    return 0;
}

void tap_features(struct step *s, const float *x)
{
    size_t n_embd = (size_t)s->m->p.n_embd;
    for (int r = 0, i; r < s->n_run && !op_measuring(&s->m->op); r++) {
        const struct run *run = &s->run[r];
        const struct taps *to = s->b->seq[run->first]->taps;
        int wants = to && to->n && to->sae && to->sae->form.layer == s->layer;
        int pos = s->b->pos[run->first], n = wants ? wanted(to, pos, run->n, &i) : 0;
        if (n <= 0)
            continue;
        size_t top = (size_t)to->top, at = (size_t)(pos + i - to->first) * top;
        int32_t *id = (int32_t *)(void *)(to->data + (size_t)to->sae_at * (size_t)to->n);
        float *value = (float *)(id + (size_t)to->n * top);
        features_largest(&s->m->op, to->sae, x + (size_t)(run->first + i) * n_embd, n, to->top, id + at, value + at);
    }
}

void tap_largest(const float *x, int n, int k, int32_t *id, float *value)
{
    struct largest l = {value, id, k, 0};
    for (int i = 0; i < n; i++)
        largest_offer(&l, x[i], i);
    largest_sort(&l);
}
