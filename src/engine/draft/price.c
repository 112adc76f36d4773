/* See price.h. */
#include "engine/draft/price.h"

#include "base/rng.h"

enum { MOST_OFFERS = 128 };
/* Plain steps before drafts; steps with drafts until the next plain one, for each of those that there were, and at most. */
enum { FRESH = 2, AGAIN = 8, SELDOM = 64 };
enum { KNOWN = 4 }; /* steps with drafts, until their price is taken for known */
static const double by_text = 1.0 / 32, by_all = 1.0 / 192, /* how fast acceptance is learnt */
    back = 1.0 / 1000,                                      /* and forgotten, where drafts are there and not computed */
    by_step = 1.0 / 6, memory = 0.97,                       /* plain steps; what drafts add */
    worth = 1.02,                                           /* times as many tokens a second, or none is drafted */
    income = 0.01, debt = 3, wealth = 8;                    /* of time; in plain steps: least and most credit */
static const double at_first[DRAFT_KINDS] = {0.6, 0.8, 0.8, 0.75, 0.55, 0.4};

void price_init(struct price *p)
{
    *p = (struct price){.set = 0};
    for (int kind = 0; kind < DRAFT_KINDS; kind++)
        for (int i = 0; i < DRAFT_PLACES; i++)
            p->usual.often[kind][i] = at_first[kind];
    for (int i = 0; i < PRICE_SIZES; i++) { /* until it is known: a third of a step for each draft, as of 1 and of 4 */
        p->fit[i] = (struct price_fit){.n = 0.5, .k = 1.25, .kk = 4.25, .y = 1.25 / 3, .ky = 4.25 / 3};
    }
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
    double rate = 1.0 / (3 + a->seen[kind][place]);
    rate = rate > slowest ? rate : slowest;
    a->seen[kind][place] += rate > slowest;
    for (int i = 0; i < DRAFT_PLACES; i++)
        learn(&a->often[kind][i], held, i == place ? rate : rate / 8);
}

void acceptance_learn(struct acceptance *a, struct price *p, enum draft_kind kind, int n_right, int refused)
{
    for (int i = 0; i < n_right + refused; i++) {
        int place = i < DRAFT_PLACES ? i : DRAFT_PLACES - 1;
        learn_place(a, kind, place, i < n_right, by_text);
        learn_place(&p->usual, kind, place, i < n_right, by_all);
    }
}

/* ---- what drafts add -------------------------------------------------------------------------------------------------------- */

static struct price_fit *fit_of(struct price *p, int decoding)
{
    int size = 31 - __builtin_clz((unsigned)decoding | 1);
    return &p->fit[size < PRICE_SIZES ? size : PRICE_SIZES - 1];
}

/* What n drafts add to a step, as a share of it: never less than nothing, and not less for more of them. */
static double added(const struct price_fit *f, int n)
{
    double by_k = f->n * f->kk - f->k * f->k, slope = by_k > 1e-9 ? (f->n * f->ky - f->k * f->y) / by_k : f->y / f->k;
    slope = slope > 0 ? slope : 0;
    double jump = (f->y - slope * f->k) / f->n, sum = jump + slope * n;
    return n > 0 && sum > 0 ? sum : 0;
}

static void learn_added(struct price_fit *f, int n, double share)
{
    double most = 1 + 2 * added(f, n);
    if (f->seen < KNOWN)
        f->seen++;
    else
        share = share < most ? share : most; /* an interrupted step is no price */
    f->n = f->n * memory + 1;
    f->k = f->k * memory + n;
    f->kk = f->kk * memory + (double)n * n;
    f->y = f->y * memory + share;
    f->ky = f->ky * memory + share * n;
}

void price_learn(struct price *p, int decoding, int n_drafted, int n_right, double seconds)
{
    double least = -debt * p->plain, most = wealth * p->plain;
    if (decoding < 1 || seconds <= 0 || (n_drafted && p->plain <= 0))
        return;
    if (n_drafted == 0) {
        double t = p->n_plain && seconds > 3 * p->plain ? 3 * p->plain : seconds;
        double rate = 1.0 / (1 + p->n_plain);
        p->plain = p->n_plain ? p->plain + (t - p->plain) * (rate > by_step ? rate : by_step) : t;
        p->n_plain++;
        p->since = 0;
        p->credit += income * seconds;
        return;
    }
    p->since++;
    learn_added(fit_of(p, decoding), n_drafted, seconds / p->plain - 1);
    p->credit += income * seconds + n_right * p->plain / decoding - (seconds - p->plain);
    p->credit = p->credit < 2 * least ? 2 * least : p->credit > most ? most : p->credit;
}

/* ---- choosing --------------------------------------------------------------------------------------------------------------- */

/* Drafts that are there and are not computed may be better than they were: those that would be the first. */
static void forget(const struct price *p, struct offer *o)
{
    enum draft_kind kind = o->n_forced ? DRAFT_FORCED : o->kind;
    double usual = at_first[kind];
    for (int i = 0; i < DRAFT_PLACES; i++)
        learn(&o->of->often[kind][i], usual > p->usual.often[kind][i] ? usual : p->usual.often[kind][i], back);
}

static double often(const struct offer *o, int i)
{
    int forced = i < o->n_forced, place = forced ? i : i - o->n_forced;
    return o->of->often[forced ? DRAFT_FORCED : o->kind][place < DRAFT_PLACES ? place : DRAFT_PLACES - 1];
}

/* Now and then more or fewer are tried: from steps of one size nobody learns what a draft adds. */
static int tried(const struct price *p, int n)
{
    return p->since % 16 == 7 ? 2 * n + 1 : p->since % 16 == 15 ? (n + 1) / 2 : n;
}

/* Drafts one by one, that which holds most often first. Returns how many of them bring most tokens a second; n: at most so many. */
static int take(const struct price_fit *f, int decoding, struct offer *offer, int n_offer, int most, int *n)
{
    double holds[MOST_OFFERS], tokens = decoding, best = worth * decoding;
    int kept = 0;
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
        if (tokens / (1 + added(f, all)) > best) {
            best = tokens / (1 + added(f, all));
            kept = all;
        }
    }
    return kept;
}

static void by_price(struct price *p, int decoding, struct offer *offer, int n_offer, int most)
{
    const struct price_fit *f = fit_of(p, decoding);
    int n[MOST_OFFERS], all;
    n_offer = n_offer < MOST_OFFERS ? n_offer : MOST_OFFERS;
    all = take(f, decoding, offer, n_offer, most, n);
    all = all ? tried(p, all) : 0;
    if (f->seen < KNOWN && all > 1 + f->seen) /* what one costs first: it may be a read for each expert */
        all = 1 + f->seen;
    take(f, decoding, offer, n_offer, all < most ? all : most, n);
    for (int i = 0; i < n_offer; i++)
        offer[i].n = n[i];
}

static void by_chance(struct price *p, struct offer *offer, int n_offer, int most)
{
    for (int i = 0; i < n_offer; i++) {
        int n = offer[i].n < most ? offer[i].n : most;
        offer[i].n = (int)(rng_u64(p->coin++, (uint64_t)i, 3, 3) % (uint64_t)(n + 1));
        most -= offer[i].n;
    }
}

void price_choose(struct price *p, uint64_t set, int decoding, struct offer *offer, int n_offer, int most)
{
    if (set != p->set) { /* others, elsewhere in their texts: their steps take other times */
        p->set = set;
        p->n_plain = p->since = 0;
    }
    if (p->coin) {
        by_chance(p, offer, n_offer, most);
        return;
    }
    int again = AGAIN * p->n_plain < SELDOM ? AGAIN * p->n_plain : SELDOM;
    int rests = p->n_plain < FRESH || p->since >= again || p->credit < -debt * p->plain;
    by_price(p, decoding, offer, n_offer, rests ? 0 : most);
    for (int i = 0; i < n_offer && p->n_plain >= FRESH; i++)
        if (offer[i].n == 0)
            forget(p, &offer[i]);
}
