/* links: engine text model store op machine kernel format base */
/* How many drafts are worth their rows, in worlds of made-up times: what a step takes, how often drafts hold. Nothing is timed. */
#include "engine/draft/price.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MOST = 12, STEPS = 3000 };

/* A step takes 1, and with k drafts jump + k * row more; drafts of a kind hold by chance. */
struct world {
    double jump, row, holds, noise;
    int fixed; /* as many drafts in every step; -1: as the price says */
    enum draft_kind kind;
};

struct run {
    double seconds, tokens;
    int drafted;
};

static uint64_t coins;
static double coin(void) { return (double)(rng_u64(11, coins++, 5, 5) >> 11) * 0x1p-53; }

static struct price price;
static struct acceptance text;

static void begin(void)
{
    coins = 0;
    price_init(&price);
    acceptance_begin(&text, &price);
}

static struct run go_on(const struct world *w, int steps)
{
    struct run r = {0};
    for (int i = 0; i < steps; i++) {
        struct offer o = {&text, w->kind, MOST};
        if (w->fixed >= 0)
            o.n = w->fixed;
        else
            price_choose(&price, 1, 1, &o, 1, MOST);
        int right = 0;
        while (right < o.n && coin() < w->holds)
            right++;
        double seconds = 1 + (o.n ? w->jump + w->row * o.n : 0);
        seconds *= 1 + w->noise * (coin() - 0.5);
        if (w->fixed < 0) {
            acceptance_learn(&text, &price, o.kind, right, right < o.n);
            price_learn(&price, 1, o.n, right, seconds);
        }
        r.seconds += seconds;
        r.tokens += 1 + right;
        r.drafted += o.n;
    }
    return r;
}

static double speed(const struct run *r) { return r->tokens / r->seconds; }

/* Of every fixed number the best, in the same world. */
static double best_fixed(struct world w)
{
    double best = 0;
    for (w.fixed = 0; w.fixed <= MOST; w.fixed++) {
        struct run r = go_on(&w, STEPS);
        best = speed(&r) > best ? speed(&r) : best;
    }
    return best;
}

static void near_the_best_number(void **state)
{
    static const double holds[] = {0.2, 0.5, 0.7, 0.85, 0.95, 1}, row[] = {0.03, 0.1, 0.3}, jump[] = {0, 0.15};
    (void)state;
    for (int i = 0; i < 6 * 3 * 2; i++) {
        struct world w = {jump[i % 2], row[i / 2 % 3], holds[i / 6], 0.1, -1, DRAFT_LONG};
        begin();
        double best = best_fixed(w);
        go_on(&w, 300);
        struct run r = go_on(&w, STEPS);
        if (speed(&r) < 0.95 * best)
            print_error("holds %.2f, a row %.2f, jump %.2f: %.3f of %.3f, %d\n", w.holds, w.row, w.jump, speed(&r),
                        best, r.drafted);
        assert_true(speed(&r) >= 0.95 * best);
    }
}

/* From the first step on, whatever drafts cost and however seldom they hold. */
static void never_much_slower(void **state)
{
    static const double holds[] = {0, 0.1, 0.3, 0.5, 0.8, 1}, row[] = {0.05, 0.3, 1, 4};
    (void)state;
    for (int i = 0; i < 6 * 4 * 2; i++) {
        struct world w = {i % 2 * 0.5, row[i / 2 % 4], holds[i / 8], 0.2, -1, (enum draft_kind)(i % DRAFT_KINDS)};
        begin();
        struct run r = go_on(&w, 600);
        if (speed(&r) < 0.98)
            print_error("holds %.2f, a row %.2f, jump %.2f: %.3f, %d, credit %.2f plain %.3f\n", w.holds, w.row, w.jump,
                        speed(&r), r.drafted, price.credit, price.plain);
        assert_true(speed(&r) >= 0.98);
    }
}

static void a_text_that_changes(void **state)
{
    struct world bad = {0, 0.1, 0, 0, -1, DRAFT_LONG}, good = {0, 0.1, 0.95, 0, -1, DRAFT_LONG};
    (void)state;
    begin();
    go_on(&bad, 500);
    struct run learns = go_on(&good, 400), r = go_on(&good, STEPS);
    assert_true(speed(&learns) > 1.5 && speed(&r) > 3);
    go_on(&bad, 100);
    r = go_on(&bad, 500);
    assert_true(speed(&r) > 0.98);
}

/* A machine that is held up for a moment. */
static void a_step_that_takes_long(void **state)
{
    struct world w = {0, 0.1, 0.9, 0, -1, DRAFT_LONG};
    (void)state;
    begin();
    go_on(&w, 300);
    price_learn(&price, 1, 4, 4, 500);
    price_learn(&price, 1, 0, 0, 500);
    struct run r = go_on(&w, 1000);
    assert_true(speed(&r) > 2.2);
}

/* Of two sequences one has drafts that hold; and a third decodes beside them. */
static void the_better_drafts_go_first(void **state)
{
    struct acceptance of[2];
    (void)state;
    begin();
    acceptance_begin(&of[0], &price);
    acceptance_begin(&of[1], &price);
    for (int i = 0; i < 60; i++) {
        acceptance_learn(&of[0], &price, DRAFT_LONG, 0, 1);
        acceptance_learn(&of[1], &price, DRAFT_LONG, 6, 0);
    }
    for (int i = 0; i < 4; i++)
        price_learn(&price, 3, 0, 0, 1);
    for (int i = 0; i < 200; i++) {
        struct offer o[2] = {{&of[0], DRAFT_LONG, 6}, {&of[1], DRAFT_LONG, 6}};
        price_choose(&price, 7, 3, o, 2, 6);
        assert_in_range(o[0].n + o[1].n, 0, 6);
        if (i > 50 && o[0].n + o[1].n) {
            assert_true(o[1].n > o[0].n);
        }
        price_learn(&price, 3, o[0].n + o[1].n, o[1].n, 1 + 0.05 * (o[0].n + o[1].n));
    }
    assert_true(price.credit > 0);
}

/* Others decode: what their steps take without drafts is measured first. */
static void others_are_measured_anew(void **state)
{
    struct world w = {0, 0.05, 1, 0, -1, DRAFT_LONG};
    struct offer o = {&text, DRAFT_LONG, MOST};
    (void)state;
    begin();
    go_on(&w, 100);
    for (int i = 0; i < 2; i++) {
        o.n = MOST;
        price_choose(&price, 2, 1, &o, 1, MOST);
        assert_int_equal(o.n, 0);
        price_learn(&price, 1, 0, 0, 2);
    }
    o.n = MOST;
    price_choose(&price, 2, 1, &o, 1, MOST);
    assert_true(o.n > 0);
}

/* Whatever it believes: drafts are said to hold, and bring nothing. */
static void what_is_lost_is_bounded(void **state)
{
    double lost = 0;
    (void)state;
    begin();
    for (int i = 0; i < STEPS; i++) {
        struct offer o = {&text, DRAFT_FORCED, MOST};
        price_choose(&price, 1, 1, &o, 1, MOST);
        acceptance_learn(&text, &price, o.kind, o.n, 0);
        price_learn(&price, 1, o.n, 0, 1 + 0.02 * o.n);
        lost += 0.02 * o.n;
    }
    assert_true(lost > 3 && lost < 4 + 0.012 * STEPS);
}

static void by_chance_for_tests(void **state)
{
    int seen[MOST + 1] = {0};
    (void)state;
    begin();
    price.coin = 1;
    for (int i = 0; i < 500; i++) {
        struct offer o[2] = {{&text, DRAFT_SHORT, MOST}, {&text, DRAFT_SHORT, MOST}};
        price_choose(&price, 1, 2, o, 2, MOST);
        assert_in_range(o[0].n + o[1].n, 0, MOST);
        seen[o[0].n]++;
        price_learn(&price, 2, o[0].n + o[1].n, 0, 1);
    }
    for (int i = 0; i <= MOST; i++)
        assert_true(seen[i] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_the_best_number),       cmocka_unit_test(never_much_slower),
        cmocka_unit_test(a_text_that_changes),        cmocka_unit_test(a_step_that_takes_long),
        cmocka_unit_test(the_better_drafts_go_first), cmocka_unit_test(others_are_measured_anew),
        cmocka_unit_test(what_is_lost_is_bounded),    cmocka_unit_test(by_chance_for_tests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
