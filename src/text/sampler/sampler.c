/* The sampling chain: see sampler.h. Each stage is a function that cuts the list of candidates; sampling.md 3 defines them.
 *
 * Most stages come first in no chain, and the usual first one, top-k, needs one pass over the logits and no list of all. */
#include "text/sampler/sampler.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/f64.h"
#include "base/rng.h"
#include "text/sampler/candidates.h"
#include "text/sampler/history.h"
#include "text/sampler/logprobs.h"

#include <math.h>
#include <string.h>

enum { STREAM_PICK, STREAM_XTC };

struct sampler {
    struct candidates list;
    struct source source;
};

/* ---- memory ---------------------------------------------------------------------------------------------------------------- */

struct parts {
    size_t candidates, values, changed, marks, end;
};

static struct parts lay_out(int n_vocab)
{
    size_t n = (size_t)n_vocab;
    struct parts p = {.candidates = round_up(sizeof(struct sampler), 64)};
    p.values = p.candidates + round_up(n * sizeof(struct candidate), 64);
    p.changed = p.values + round_up(n * sizeof(double), 64);
    p.marks = p.changed + round_up(n * sizeof(int32_t), 64);
    p.end = p.marks + round_up(n, 64);
    return p;
}

size_t sampler_bytes(int n_vocab) { return lay_out(n_vocab).end; }

struct sampler *sampler_init(void *mem, int n_vocab)
{
    struct parts p = lay_out(n_vocab);
    struct sampler *s = mem;
    char *base = mem;
    memset(s, 0, sizeof *s);
    s->list.c = (struct candidate *)(base + p.candidates);
    s->source = (struct source){.n_vocab = n_vocab,
                                .changed = (int32_t *)(base + p.changed),
                                .is_changed = (uint8_t *)base + p.marks,
                                .value = (double *)(base + p.values)};
    memset(s->source.is_changed, 0, (size_t)n_vocab);
    return s;
}

/* ---- values that are not the logits: bias, penalties, DRY ------------------------------------------------------------------- */

/* The value of a token, to be changed; NULL where it is no candidate. */
static double *change_value(struct source *from, int32_t id)
{
    if (!from->is_changed[id]) {
        if (!(from->logits[id] > -INFINITY) || (from->allowed && !from->allowed[id]))
            return NULL;
        from->is_changed[id] = 1;
        from->changed[from->n_changed++] = id;
        from->value[id] = from->logits[id];
    }
    return &from->value[id];
}

static void forget_changed(struct source *from)
{
    for (size_t i = 0; i < from->n_changed; i++)
        from->is_changed[from->changed[i]] = 0;
    from->n_changed = 0;
}

static void apply_bias(struct source *from, const struct logit_bias *bias, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double *value = bias[i].id >= 0 && bias[i].id < from->n_vocab ? change_value(from, bias[i].id) : NULL;
        if (value)
            *value += bias[i].bias;
    }
}

static void apply_penalties(struct source *from, const struct sampler_history *h, const struct sampling *how)
{
    const int32_t *id;
    const uint32_t *count;
    uint32_t n = h && history_has_penalties(how) ? history_repeated(h, &id, &count) : 0;
    for (uint32_t i = 0; i < n; i++) {
        double *value = change_value(from, id[i]), r = how->repeat_penalty;
        if (!value || *value == -INFINITY)
            continue;
        *value = *value > 0 ? *value / r : *value * r;
        *value -= count[id[i]] * how->frequency_penalty + how->presence_penalty;
    }
}

/* What DRY takes from a token that would lengthen a repetition. */
static double dry_penalty(const struct sampling *how, uint32_t length)
{
    double exponent = (double)length - how->dry_allowed_length, base = how->dry_base;
    if (base > 1.000001) {
        double most = floor(88.7228391 / f64_ln(base));
        exponent = exponent < most ? exponent : most;
    }
    return how->dry_multiplier * f64_pow(base, exponent);
}

struct dry {
    struct sampler *sampler;
    const struct sampling *how;
};

static void dry_before(void *arg, int32_t id, uint32_t length)
{
    const struct dry *d = arg;
    double *value = change_value(&d->sampler->source, id);
    if (value)
        *value -= dry_penalty(d->how, length);
}

/* Later in a chain: penalties by id, for all candidates at once. */
static void dry_among(void *arg, int32_t id, uint32_t length)
{
    const struct dry *d = arg;
    struct source *from = &d->sampler->source;
    from->is_changed[id] = 1;
    from->changed[from->n_changed++] = id;
    from->value[id] = dry_penalty(d->how, length);
}

static void cut_dry(struct sampler *s, const struct sampling *how, struct sampler_history *h)
{
    struct candidates *l = &s->list;
    struct source *from = &s->source;
    if (!h || !history_has_dry(how))
        return;
    forget_changed(from);
    history_matches(h, how, dry_among, &(struct dry){s, how});
    for (size_t i = l->begin; from->n_changed && i < l->end; i++)
        if (from->is_changed[l->c[i].id])
            l->c[i].value -= from->value[l->c[i].id];
    if (from->n_changed)
        candidates_changed(l);
    forget_changed(from);
}

/* ---- stages ---------------------------------------------------------------------------------------------------------------- */

static size_t least_kept(const struct sampling *how) { return how->min_keep > 1 ? (size_t)how->min_keep : 1; }

static void keep(struct candidates *l, const struct sampling *how, size_t k)
{
    candidates_keep(l, k > least_kept(how) ? k : least_kept(how));
}

static void cut_top_n_sigma(struct candidates *l, const struct sampling *how)
{
    double n = (double)candidates_count(l), sum = 0, squares = 0;
    for (size_t i = l->begin; i < l->end; i++)
        sum += l->c[i].value;
    for (size_t i = l->begin; i < l->end; i++)
        squares += (l->c[i].value - sum / n) * (l->c[i].value - sum / n);
    candidates_keep_above(l, candidates_at(l, 0)->value - how->top_n_sigma * sqrt(squares / n), least_kept(how));
}

/* -p ln p, in order: sums of rounded numbers depend on it. Weighed. */
static double entropy(struct candidates *l)
{
    double h = 0;
    candidates_order(l);
    for (size_t i = l->begin; i < l->end; i++) {
        double p = (double)candidates_weight(l, &l->c[i]) / (double)l->sum;
        h -= p > 0 ? p * f64_ln(p) : 0;
    }
    return h;
}

static void cut_typical(struct sampler *s, const struct sampling *how)
{
    struct candidates *l = &s->list;
    candidates_weigh(l);
    double h = entropy(l), sum = 0, *surprise = s->source.value;
    for (size_t i = l->begin; i < l->end; i++) {
        double p = (double)candidates_weight(l, &l->c[i]) / (double)l->sum;
        surprise[l->c[i].id] = p > 0 ? fabs(-f64_ln(p) - h) : INFINITY;
    }
    candidates_order_by(l, surprise);
    size_t k = 0;
    while (k < candidates_count(l) && !(sum > how->typical_p))
        sum += (double)candidates_weight(l, &l->c[l->begin + k++]) / (double)l->sum;
    keep(l, how, k);
    candidates_changed(l);
}

static void cut_top_p(struct candidates *l, const struct sampling *how)
{
    candidates_weigh(l);
    uint64_t q = how->top_p > 0 ? (uint64_t)nearbyint(how->top_p * 0x1p32) : 0;
    uint64_t enough = (uint64_t)(((unsigned __int128)q * l->sum + 0xFFFFFFFFu) >> 32);
    keep(l, how, enough > 0 ? candidates_reach(l, enough - 1) + 1 : 1);
}

static void cut_min_p(struct candidates *l, const struct sampling *how)
{
    candidates_keep_above(l, candidates_at(l, 0)->value + f64_ln(how->min_p), least_kept(how));
}

static void cut_xtc(struct candidates *l, const struct sampling *how, const struct sampler_row *row)
{
    size_t n = candidates_count(l), likely = 0;
    uint64_t coin = rng_u64(how->seed, row->index, STREAM_XTC, row->choice) >> 32;
    if (n < 2 || coin >= (uint64_t)nearbyint(how->xtc_probability * 0x1p32))
        return;
    candidates_weigh(l);
    while (likely < n && (double)candidates_weight(l, candidates_at(l, likely)) / (double)l->sum >= how->xtc_threshold)
        likely++;
    if (likely > 1 && n - (likely - 1) >= (size_t)(how->min_keep > 0 ? how->min_keep : 0))
        l->begin += likely - 1;
}

/* The temperature that the entropy calls for. */
static double dynamic_temperature(struct candidates *l, const struct sampling *how)
{
    double t = how->temperature, d = how->dynatemp_range, low = t - d > 0 ? t - d : 0;
    size_t n = candidates_count(l);
    if (d <= 0 || n < 2)
        return t;
    candidates_weigh(l);
    double share = entropy(l) / f64_ln((double)n), e = how->dynatemp_exponent;
    return low + (t + d - low) * (share > 0 ? f64_pow(share, e) : e > 0 ? 0 : 1);
}

static void scale(struct candidates *l, double t)
{
    if (!(t > 0) || !isfinite(candidates_at(l, 0)->value / t)) /* so cold that nothing but the first has a weight */
        candidates_keep(l, 1);
    else if (t != 1)
        candidates_scale(l, t);
}

static void cut_temperature(struct candidates *l, const struct sampling *how)
{
    scale(l, how->temperature > 0 ? dynamic_temperature(l, how) : 0);
}

/* Mirostat 2 (Basu et al., ICLR 2021): instead of the stages from top-n-sigma on. */
static void cut_mirostat(struct candidates *l, const struct sampling *how, double mu)
{
    size_t n = candidates_count(l), k = 1;
    scale(l, how->temperature);
    n = candidates_count(l) < n ? candidates_count(l) : n;
    candidates_weigh(l);
    while (k < n) {
        double p = (double)candidates_weight(l, candidates_at(l, k)) / (double)l->sum;
        if (!(p > 0) || -f64_ln(p) * 0x1.71547652b82fep+0 > mu)
            break;
        k++;
    }
    candidates_keep(l, k);
}

/* ---- the chain ------------------------------------------------------------------------------------------------------------- */

static const uint8_t usual_order[] = {STAGE_DRY,   STAGE_TOP_N_SIGMA, STAGE_TOP_K,       STAGE_TYPICAL, STAGE_TOP_P,
                                      STAGE_MIN_P, STAGE_XTC,         STAGE_TEMPERATURE, STAGE_END};

static int is_on(const struct sampling *how, int stage, const struct sampler_row *row)
{
    switch ((enum sampling_stage)stage) {
    case STAGE_DRY:
        return row->history && history_has_dry(how);
    case STAGE_TOP_N_SIGMA:
        return how->top_n_sigma >= 0;
    case STAGE_TOP_K:
        return how->top_k > 0;
    case STAGE_TYPICAL:
        return how->typical_p < 1;
    case STAGE_TOP_P:
        return how->top_p < 1;
    case STAGE_MIN_P:
        return how->min_p > 0;
    case STAGE_XTC:
        return how->xtc_probability > 0 && how->xtc_threshold <= 0.5;
    case STAGE_TEMPERATURE:
        return 1;
    case STAGE_USUAL:
    case STAGE_END:
        break;
    }
    return 0;
}

static void cut(struct sampler *s, const struct sampling *how, const struct sampler_row *row, int stage)
{
    struct candidates *l = &s->list;
    switch ((enum sampling_stage)stage) {
    case STAGE_DRY:
        cut_dry(s, how, row->history);
        break;
    case STAGE_TOP_N_SIGMA:
        cut_top_n_sigma(l, how);
        break;
    case STAGE_TOP_K:
        keep(l, how, (size_t)how->top_k);
        break;
    case STAGE_TYPICAL:
        cut_typical(s, how);
        break;
    case STAGE_TOP_P:
        cut_top_p(l, how);
        break;
    case STAGE_MIN_P:
        cut_min_p(l, how);
        break;
    case STAGE_XTC:
        cut_xtc(l, how, row);
        break;
    case STAGE_TEMPERATURE:
        cut_temperature(l, how);
        break;
    case STAGE_USUAL:
    case STAGE_END:
        break;
    }
}

/* The stages of a request that do something. Returns how many. */
static int chain_of(const struct sampling *how, const struct sampler_row *row, uint8_t *chain)
{
    const uint8_t *order = how->order[0] ? how->order : usual_order;
    int n = 0;
    for (; *order != STAGE_END; order++)
        if (is_on(how, *order, row) && (!how->mirostat || *order == STAGE_DRY))
            chain[n++] = *order;
    return n;
}

/* Will a stage at temperature 0 take the first of all candidates? */
static int is_greedy(const struct sampling *how, const uint8_t *chain, int n)
{
    if (how->temperature > 0)
        return 0;
    for (int i = 0; i < n && chain[i] != STAGE_DRY && chain[i] != STAGE_TYPICAL && chain[i] != STAGE_XTC; i++)
        if (chain[i] == STAGE_TEMPERATURE)
            return 1;
    return how->mirostat && n == 0;
}

/* The list of candidates after the first stages. DRY changes values before there is a list; where top-k or a greedy temperature
 * cuts first, only a few are collected. Returns how many stages are done. */
static int collect(struct sampler *s, const struct sampling *how, const struct sampler_row *row, const uint8_t *chain,
                   int n)
{
    int done = n > 0 && chain[0] == STAGE_DRY;
    if (done)
        history_matches(row->history, how, dry_before, &(struct dry){s, how});
    size_t k = how->top_k > 0 && (size_t)how->top_k > least_kept(how) ? (size_t)how->top_k : least_kept(how);
    if (is_greedy(how, chain + done, n - done)) {
        candidates_first(&s->list, &s->source, 1);
        return n;
    }
    if (done < n && chain[done] == STAGE_TOP_K && k <= SAMPLER_TOP) {
        candidates_first(&s->list, &s->source, k);
        return done + 1;
    }
    candidates_all(&s->list, &s->source);
    return done;
}

static int no_candidate(const struct sampler_row *row, struct error *err)
{
    return error_set(err, ERR_INPUT, "no token may follow at position %llu: every one is masked",
                     (unsigned long long)row->index);
}

static int32_t draw(struct candidates *l, const struct sampling *how, const struct sampler_row *row)
{
    uint64_t r = rng_u64(how->seed, row->index, STREAM_PICK, row->choice);
    candidates_weigh(l);
    const struct candidate *c = candidates_at(l,
                                              candidates_reach(l, (uint64_t)(((unsigned __int128)r * l->sum) >> 64)));
    if (how->mirostat && row->mu) {
        double p = (double)candidates_weight(l, c) / (double)l->sum;
        *row->mu -= how->mirostat_eta * (-f64_ln(p) * 0x1.71547652b82fep+0 - how->mirostat_tau);
    }
    return c->id;
}

int32_t sampler_pick(struct sampler *s, const struct sampling *how, const struct sampler_row *row, struct error *err)
{
    uint8_t chain[STAGE_END];
    if (!source_is_finite(row->logits, s->source.n_vocab))
        return error_set(err, ERR_FORMAT,
                         "non-finite logits at position %llu: the model file is damaged or its weights overflow",
                         (unsigned long long)row->index);
    s->source.logits = row->logits;
    s->source.allowed = row->allowed;
    apply_bias(&s->source, row->bias, row->n_bias);
    apply_penalties(&s->source, row->history, how);
    int n = chain_of(how, row, chain), done = collect(s, how, row, chain, n);
    forget_changed(&s->source);
    if (candidates_count(&s->list) == 0)
        return no_candidate(row, err);
    for (; done < n; done++)
        cut(s, how, row, chain[done]);
    if (how->mirostat)
        cut_mirostat(&s->list, how, row->mu ? *row->mu : 2 * how->mirostat_tau);
    return draw(&s->list, how, row);
}

size_t sampler_candidates(const struct sampler *s) { return candidates_count(&s->list); }

int32_t sampler_candidate(struct sampler *s, size_t i, uint64_t *weight)
{
    const struct candidate *c = candidates_at(&s->list, i);
    *weight = candidates_weight(&s->list, c);
    return c->id;
}

size_t sampler_logprobs(struct sampler *s, const float *logits, struct token_logprob *token, struct token_logprob *top,
                        size_t n_top)
{
    s->source.logits = logits;
    s->source.allowed = NULL;
    return logprobs_of(&s->list, &s->source, token, top, n_top);
}
