/* See price.h. */
#include "engine/draft/price.h"

#include "base/rng.h"

#include <math.h>
#include <string.h>

enum { MOST_OFFERS = 128 };
/* Plain steps before drafts; steps with drafts until the next plain one, for each of those that there were, and at most. */
enum { FRESH = 2, AGAIN = 8, SELDOM = 64 };
enum { IN_DOUBT = 4 }; /* the same behind a plain step that was odd */
enum { KNOWN = 4 };    /* steps with drafts, until their price is taken for known */
static const double by_text = 1.0 / 32, by_all = 1.0 / 192, /* how fast acceptance is learnt, */
    by_others = 1.0 / 8,                                    /* of a place by what is seen of another one, */
    back = 1.0 / 1000,                                      /* and forgotten, where drafts are there and not computed */
    cheaper = 1.0 / 256,                                    /* so is what they take */
    by_step = 1.0 / 6, memory = 0.97,                       /* plain steps; what drafts add */
    odd = 1.3,                                              /* times as long: another step decides what to believe */
    by_plain = 1.0 / 16,                                    /* what is read for drafts, by what is read anyway */
    worth = 1.02,                                           /* times as many tokens a second, or none is drafted */
    income = 0.01, debt = 0.5,                              /* of time; in plain steps: what may be lost beyond it, */
    owed = 6, wealth = 8,                                   /* least and most credit */
    pass_at_first = 0.1, fresh_at_first = 0.7;              /* of a plain step; of experts: until they are known */
/* How often drafts hold, by kind and place. Of what a text repeats as it was seen in sources in C, in sh, and in prose (PERFORMANCE.md,
 * Drafts): who went on alike for long goes on. Of the layer: DeepSeek-V3, arXiv 2412.19437, section 5.4.3. */
static const double at_first[DRAFT_KINDS][DRAFT_PLACES] = {
    [DRAFT_OWN] = {0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6},
    [DRAFT_FORCED] = {0.8, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9},
    [DRAFT_BEGUN] = {0.8, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9},
    [DRAFT_LONG] = {0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.94, 0.95},
    [DRAFT_MIDDLE] = {0.5, 0.6, 0.7, 0.8, 0.8, 0.8, 0.8, 0.8},
    [DRAFT_SHORT] = {0.4, 0.57, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7},
    [DRAFT_LAYER] = {0.85, 0.85, 0.85, 0.85, 0.85, 0.85, 0.85, 0.85},
};

/* A third for each draft, as of 1 and of 4. */
static const struct price_line line_at_first = {.n = 0.5, .k = 1.25, .kk = 4.25, .y = 1.25 / 3, .ky = 4.25 / 3};

void price_init(struct price *p)
{
    *p = (struct price){.cold = -1, .fresh = fresh_at_first};
    memcpy(p->usual.often, at_first, sizeof at_first);
    for (int i = 0; i < PRICE_SIZES; i++)
        p->size[i].rest = line_at_first;
}

void acceptance_begin(struct acceptance *a, const struct price *p)
{
    *a = p->usual;
    for (int i = 0; i < DRAFT_KINDS * DRAFT_PLACES; i++)
        a->seen[i / DRAFT_PLACES][i % DRAFT_PLACES] = 0;
}

static void learn(double *often, double held, double rate) { *often += (held - *often) * rate; }

/* The places of a kind are much alike: each learns a little of what is seen of the others. */
static void learn_place(struct acceptance *a, enum draft_kind kind, int place, int held, double slowest)
{
    for (int i = 0; i < DRAFT_PLACES; i++) {
        double first = 1 / (3 + a->seen[kind][i]), rate = first > slowest ? first : slowest,
               share = i == place ? 1 : by_others;
        learn(&a->often[kind][i], held, rate * share);
        a->seen[kind][i] += first > slowest ? share : 0;
    }
}

/* Of draft i its kind, and its place among those that are of it side by side. */
static enum draft_kind kind_of(const struct offer *o, int i, int *place)
{
    int text = o->n - o->n_behind, forced = i < o->n_forced || i >= text;
    int at = o->by_layer || i < o->n_forced ? i : i < text ? i - o->n_forced : i - text;
    *place = at < DRAFT_PLACES ? at : DRAFT_PLACES - 1;
    return o->by_layer ? DRAFT_LAYER : forced ? DRAFT_FORCED : o->kind;
}

void acceptance_learn(struct price *p, const struct offer *o, int from, int n_right, int refused)
{
    for (int i = from; i < from + n_right + refused; i++) {
        int place, held = i < from + n_right;
        enum draft_kind kind = kind_of(o, i, &place);
        learn_place(o->of, kind, place, held, by_text);
        learn_place(&p->usual, kind, place, held, by_all);
    }
}

/* ---- what drafts add -------------------------------------------------------------------------------------------------------- */

static struct price_size *size_of(struct price *p, int decoding)
{
    int size = 31 - __builtin_clz((unsigned)decoding | 1);
    return &p->size[size < PRICE_SIZES ? size : PRICE_SIZES - 1];
}

/* What n drafts add: never less than nothing, and not less for more of them. */
static double line_at(const struct price_line *f, int n)
{
    double by_k = f->n * f->kk - f->k * f->k, slope = by_k > 1e-9 ? (f->n * f->ky - f->k * f->y) / by_k : f->y / f->k;
    slope = slope > 0 ? slope : 0;
    double jump = (f->y - slope * f->k) / f->n, sum = jump + slope * n;
    return n > 0 && sum > 0 ? sum : 0;
}

static void line_learn(struct price_line *f, int n, double y)
{
    f->n = f->n * memory + 1;
    f->k = f->k * memory + n;
    f->kk = f->kk * memory + (double)n * n;
    f->y = f->y * memory + y;
    f->ky = f->ky * memory + y * n;
}

/* What seems dear, towards what was believed at first: who was held up when it was tried would never be tried again. */
static void size_forget(struct price_size *size)
{
    struct price_line *f = &size->rest;
    if (line_at(f, 1) <= line_at(&line_at_first, 1))
        return;
    size->seen = 0; /* one draft first */
    double *of[] = {&f->n, &f->k, &f->kk, &f->y, &f->ky};
    const double first[] = {line_at_first.n, line_at_first.k, line_at_first.kk, line_at_first.y, line_at_first.ky};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        learn(of[i], first[i], cheaper);
}

static double recent(double mean, double now, int n)
{
    double rate = 1.0 / (1 + n);
    return mean + (now - mean) * (rate > by_step ? rate : by_step);
}

/* Experts of n rows behind others, as a share of theirs: each row's are new by as much less than the one's before it. */
static double grown(double fresh, int rows, int n)
{
    double share = 1, before = 0, behind = 0;
    for (int i = 0; i < rows + n; i++, share *= fresh)
        *(i < rows ? &before : &behind) += share;
    return behind / before;
}

static void learn_fresh(struct price *p, int rows, int n, double share)
{
    double low = 0, high = 1;
    for (int i = 0; i < 20; i++)
        *(grown((low + high) / 2, rows, n) < share ? &low : &high) = (low + high) / 2;
    p->fresh = recent(p->fresh, low, p->n_fresh++);
}

/* Seconds that are waited for an expert that is read. */
static double miss(const struct price *p) { return p->reads > 0 ? p->read_wait / p->reads : 0; }

/* Of a plain step the seconds but for experts and reads, which rows take. */
static double rest_of(const struct price *p)
{
    double rest = p->plain - p->waited - p->experts * p->expert;
    return rest > p->plain / 20 ? rest : p->plain / 20;
}

/* What n drafts add to a plain step, as a share of it. */
static double added(const struct price *p, const struct price_size *f, int decoding, int n)
{
    double experts = p->experts * grown(p->fresh, decoding, n);
    return (line_at(&f->rest, n) * rest_of(p) + experts * (p->expert + p->cold * miss(p))) / p->plain;
}

static double within(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

static void learn_reads(struct price *p, const struct step_cost *took)
{
    p->reads = p->reads * memory + took->misses;
    p->read_wait = p->read_wait * memory + took->waited;
}

/* Something that is no part of it holds a step up for a while, and nothing makes one faster than it is. One that takes much longer or less
 * than those before it is in doubt until another one, without drafts too, decides what to believe: if that is odd the mean begins anew. */
static int is_fast(const struct price *p, const struct step_cost *took)
{
    return p->plain - p->waited > odd * (took->seconds - took->waited);
}

static int is_slow(const struct price *p, const struct step_cost *took)
{
    return took->seconds - took->waited > odd * (p->plain - p->waited) || took->seconds > 3 * p->plain;
}

/* A step of others is believed alone where it takes about as long as theirs did who decoded before. */
static int is_usual(const struct price *p, const struct step_cost *took)
{
    if (p->of_others)
        return took->seconds <= odd * p->plain && p->plain <= odd * took->seconds;
    return !is_fast(p, took) && !is_slow(p, took);
}

/* Of those before many steps with drafts less is left. */
static void learn_plain(struct price *p, const struct step_cost *took)
{
    int n = p->since >= AGAIN && p->n_plain > FRESH ? FRESH : p->n_plain, usual = is_usual(p, took);
    if (!usual && p->n_plain >= FRESH && !p->in_doubt) {
        p->in_doubt = 1;
        p->since = 0;
        return;
    }
    if (!usual)
        n = p->n_plain = 0;
    p->in_doubt = 0;
    n = p->of_others ? 0 : n;
    p->of_others = 0;
    p->n_plain++;
    p->plain = recent(p->plain, took->seconds, n);
    p->waited = recent(p->waited, took->waited, n);
    p->misses = recent(p->misses, took->misses, n);
    p->experts = recent(p->experts, took->experts, n);
    if (took->experts > 0) {
        p->expert = recent(p->expert, took->expert_seconds / took->experts, n);
        p->cold += (took->misses / took->experts - p->cold) * (p->cold < 0 ? 1 : by_plain);
    }
    p->since = 0;
}

/* Either something held the step up, or drafts have become dearer. */
static int is_dear(const struct price_size *f, int n, double rest)
{
    return f->seen >= KNOWN && rest > 0.3 + 1.2 * line_at(&f->rest, n);
}

/* What experts add is known for itself; the rest is that of rows. Returns the seconds that drafts added. */
static double learn_added(struct price *p, int decoding, int n, const struct step_cost *took)
{
    struct price_size *f = size_of(p, decoding);
    double experts = took->experts > p->experts ? took->experts - p->experts : 0,
           known = experts * p->expert + took->waited - p->waited,
           rest = (took->seconds - p->plain - known) / rest_of(p), most = 1 + 2 * line_at(&f->rest, n);
    int dear = is_dear(f, n, rest), alone = dear && !f->dear;
    if (!f->dear || n >= f->dear)
        f->dear = dear ? n : 0;
    f->seen += f->seen < KNOWN;
    rest = rest < most ? rest : most;
    if (!alone) /* one is no price */
        line_learn(&f->rest, n, rest);
    if (p->experts > 0)
        learn_fresh(p, decoding, n, experts / p->experts);
    if (experts > 0)
        p->cold += (within((took->misses - p->misses) / experts, 0, 1) - p->cold) * by_step;
    return known + rest * rest_of(p);
}

static void learn_pass(struct price *p, const struct step_cost *took)
{
    double seconds = took->drafting / took->n_pass, most = p->pass > 0 ? 3 * p->pass : p->plain;
    seconds = most > 0 && seconds > most ? most : seconds;
    p->pass = p->pass > 0 ? p->pass + (seconds - p->pass) * by_step : seconds;
}

void price_learn(struct price *p, int decoding, int n_drafted, int n_right, const struct step_cost *took)
{
    double beside = took->drafting + took->catching_up + took->asking, seconds = took->seconds + beside;
    if (decoding < 1 || took->seconds <= 0 || (n_drafted && p->plain <= 0))
        return;
    learn_reads(p, took);
    if (took->n_pass)
        learn_pass(p, took);
    p->credit += income * seconds - beside;
    if (n_drafted == 0) {
        learn_plain(p, took);
    } else if (is_fast(p, took)) { /* with drafts: what is known of steps without is measured again */
        p->n_plain = 0;
    } else {
        double gain = n_right * p->plain / decoding;
        if (p->in_doubt) /* what they add is not known: what is believed can be lost, and nothing is gained */
            gain = fmin(0, gain - p->plain * added(p, size_of(p, decoding), decoding, n_drafted));
        else
            gain -= learn_added(p, decoding, n_drafted, took);
        p->since++;
        p->credit += gain;
    }
    p->credit = within(p->credit, -owed * p->plain, wealth * p->plain);
}

/* ---- choosing --------------------------------------------------------------------------------------------------------------- */

/* Drafts that are there and are not computed may be better than they were: those that would be the first. */
static void forget(const struct price *p, struct acceptance *of, enum draft_kind kind)
{
    for (int i = 0; i < DRAFT_PLACES; i++) {
        double first = at_first[kind][i], usual = p->usual.often[kind][i];
        learn(&of->often[kind][i], first > usual ? first : usual, back);
    }
}

static double often(const struct offer *o, int i)
{
    int place;
    enum draft_kind kind = kind_of(o, i, &place);
    return o->of->often[kind][place];
}

/* Now and then more or fewer are tried: from steps of one size nobody learns what a draft adds. */
static int tried(const struct price *p, int n)
{
    return p->since % 32 == 15 ? 2 * n + 1 : p->since % 32 == 31 ? (n + 1) / 2 : n;
}

/* What the layer's drafts add before the step, where a sequence has so many of them. */
static double passes(const struct price *p, int n) { return n * (p->pass > 0 ? p->pass / p->plain : pass_at_first); }

/* Tokens a plain step's time, of sequences that decode with n drafts in all, of which the layer makes up to so many for one. */
static double rate(const struct price *p, const struct price_size *f, int decoding, double tokens, int n, int n_layer)
{
    return tokens / (1 + added(p, f, decoding, n) + passes(p, n_layer));
}

/* Drafts one by one, that which holds most often first. Returns how many of them bring most tokens a second; n: at most so many. */
static int take(const struct price *p, const struct price_size *f, int decoding, const struct offer *offer, int n_offer,
                int most, int *n, double *best)
{
    double holds[MOST_OFFERS], tokens = decoding;
    int kept = 0, deepest = 0;
    *best = worth * decoding;
    for (int i = 0; i < n_offer; i++) {
        holds[i] = often(&offer[i], 0);
        n[i] = 0;
    }
    for (int all = 1; all <= most; all++) {
        int next = -1;
        for (int i = 0; i < n_offer; i++)
            if (n[i] < offer[i].n && (next < 0 || holds[i] > holds[next]))
                next = i;
        if (next < 0)
            break;
        tokens += holds[next];
        holds[next] *= often(&offer[next], ++n[next]);
        deepest = offer[next].by_layer && n[next] > deepest ? n[next] : deepest;
        double now = rate(p, f, decoding, tokens, all, deepest);
        if (now > *best) {
            *best = now;
            kept = all;
        }
    }
    return kept;
}

/* What its text repeats or what the layer would make: whichever brings more, if nobody else drafted. */
static void choose_source(const struct price *p, const struct price_size *f, int decoding, struct offer *o, int most)
{
    struct offer layer = *o;
    double by_itself, by_layer;
    int n;
    if (!o->n_layer)
        return;
    layer.n = o->n_layer;
    layer.by_layer = 1;
    take(p, f, decoding, o, 1, most, &n, &by_itself);
    if (take(p, f, decoding, &layer, 1, most, &n, &by_layer) && (by_layer > by_itself || o->n == 0))
        *o = layer;
}

/* Of `most` so many that no more is lost than may be, even if none of them holds. */
static int affordable(const struct price *p, const struct price_size *f, int decoding, const struct offer *offer,
                      int n_offer, int most)
{
    int deepest_layer = 0;
    for (int i = 0; i < n_offer; i++)
        deepest_layer = offer[i].n_layer > deepest_layer ? offer[i].n_layer : deepest_layer;
    for (; most > 0; most--) {
        double lost = added(p, f, decoding, most) + passes(p, most < deepest_layer ? most : deepest_layer);
        if (p->credit - lost * p->plain >= -debt * p->plain)
            break;
    }
    return most;
}

static void by_price(struct price *p, int decoding, struct offer *offer, int n_offer, int most)
{
    const struct price_size *f = size_of(p, decoding);
    int n[MOST_OFFERS], all;
    double best;
    n_offer = n_offer < MOST_OFFERS ? n_offer : MOST_OFFERS;
    most = affordable(p, f, decoding, offer, n_offer, most);
    for (int i = 0; i < n_offer && most; i++)
        choose_source(p, f, decoding, &offer[i], most);
    all = take(p, f, decoding, offer, n_offer, most, n, &best);
    all = all ? tried(p, all) : 0;
    if (f->seen < KNOWN && all > 1 + f->seen) /* what one costs first: its rows may be dear */
        all = 1 + f->seen;
    take(p, f, decoding, offer, n_offer, all < most ? all : most, n, &best);
    for (int i = 0; i < n_offer; i++)
        offer[i].n = n[i];
}

/* first: what there was; offer: what of it is computed. */
static void forget_idle(struct price *p, int decoding, const struct offer *first, const struct offer *offer,
                        int n_offer)
{
    int computed = 0, there = 0, layer = 0, place;
    for (int i = 0; i < n_offer; i++) {
        if (first[i].n && (offer[i].n == 0 || offer[i].by_layer))
            forget(p, offer[i].of, kind_of(&first[i], 0, &place));
        if (first[i].n_layer && (offer[i].n == 0 || !offer[i].by_layer))
            forget(p, offer[i].of, DRAFT_LAYER);
        computed |= offer[i].n;
        there |= first[i].n | first[i].n_layer;
        layer |= first[i].n_layer;
    }
    if (there && !computed)
        size_forget(size_of(p, decoding));
    if (layer && !computed && p->pass > pass_at_first * p->plain)
        learn(&p->pass, pass_at_first * p->plain, cheaper);
}

static void by_chance(struct price *p, struct offer *offer, int n_offer, int most)
{
    for (int i = 0; i < n_offer; i++) {
        uint64_t coin = rng_u64(p->coin, (uint64_t)i, 4, 4);
        offer[i].by_layer = offer[i].n_layer && (offer[i].n == 0 || coin % 2);
        offer[i].n = offer[i].by_layer ? offer[i].n_layer : offer[i].n;
        int n = offer[i].n < most ? offer[i].n : most;
        offer[i].n = (int)(rng_u64(p->coin++, (uint64_t)i, 3, 3) % (uint64_t)(n + 1));
        most -= offer[i].n;
    }
}

static void take_all(struct offer *offer, int n_offer, int most)
{
    for (int i = 0; i < n_offer; i++) {
        offer[i].by_layer = offer[i].n_layer > 0;
        offer[i].n = offer[i].by_layer ? offer[i].n_layer : offer[i].n;
        offer[i].n = offer[i].n < most ? offer[i].n : most;
        most -= offer[i].n;
    }
}

int price_rests(const struct price *p) { return !p->coin && !p->all && p->credit < -debt * p->plain; }

int price_affords(const struct price *p) { return p->coin || p->all || p->credit >= -debt / 2 * p->plain; }

void price_choose(struct price *p, uint64_t set, int decoding, struct offer *offer, int n_offer, int most)
{
    if (set != p->set) { /* others, elsewhere in their texts: one step tells whether theirs take about as long */
        p->n_plain = p->of_others = p->n_plain > 0 && decoding == p->decoding;
        p->since = 0;
        p->set = set;
        p->decoding = decoding;
    }
    if (p->coin) {
        by_chance(p, offer, n_offer, most);
        return;
    }
    if (p->all) {
        take_all(offer, n_offer, most);
        return;
    }
    struct offer first[MOST_OFFERS];
    memcpy(first, offer, (size_t)(n_offer < MOST_OFFERS ? n_offer : MOST_OFFERS) * sizeof *first);
    int again = p->in_doubt ? IN_DOUBT : AGAIN * p->n_plain < SELDOM ? AGAIN * p->n_plain : SELDOM;
    int measures = p->n_plain < FRESH || p->since >= again;
    by_price(p, decoding, offer, n_offer, measures ? 0 : most);
    if (!measures)
        forget_idle(p, decoding, first, offer, n_offer < MOST_OFFERS ? n_offer : MOST_OFFERS);
}
