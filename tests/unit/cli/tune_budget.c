/* links: cli server toolbox mcp library eval engine text model store op machine kernel format base */
/* How large the measurements of stoker tune are: sizes of runs, and what fits into a time, by made-up costs. Nothing is timed. */
#include "cli/tune/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PROMPT = 512, ANSWER = 32, VALUES = 9 };
enum {
    LOOKS = 21
}; /* at nine values, at four of them again, and at what is best before every two of these and at the end */

static void test_sizes(void **state)
{
    (void)state;
    int last = tune_shortest(PROMPT, ANSWER);
    assert_int_equal(last, 5);
    assert_int_equal(tune_tokens(PROMPT, TUNE_PROMPT_LEAST, TUNE_WARM), PROMPT);
    assert_int_equal(tune_tokens(PROMPT, TUNE_PROMPT_LEAST, 0), PROMPT);
    assert_int_equal(tune_tokens(PROMPT, TUNE_PROMPT_LEAST, 2), 128);
    assert_int_equal(tune_tokens(PROMPT, TUNE_PROMPT_LEAST, last), TUNE_PROMPT_LEAST);
    assert_int_equal(tune_tokens(ANSWER, TUNE_ANSWER_LEAST, last), TUNE_ANSWER_LEAST);
    assert_int_equal(tune_shortest(5, 2), 0); /* of a context with less room than the shortest run takes */
    assert_int_equal(tune_tokens(5, TUNE_PROMPT_LEAST, 0), 5);
}

/* What is promised of a search: runs of the defaults, looks at its values, pairs of what seems faster, and their proof. The shortest runs
 * and the fewest pairs leave a look at one value at least. */
static void check(double loading, double measured, double seconds, int size, int pairs)
{
    const int shortest = tune_shortest(PROMPT, ANSWER);
    const struct tune_cost c = {shortest, loading, measured, 1};
    struct tune_budget b;
    assert_int_equal(tune_budget(&b, &c, shortest, VALUES, 1, seconds), 1);
    assert_int_equal(b.size, size);
    assert_int_equal(b.pairs, pairs);
    int looks = b.size < shortest || b.pairs > TUNE_PAIRS_LEAST ? LOOKS : 1;
    assert_true(b.run * (2 * TUNE_PAIRS_LEAST + looks + 2 * b.pairs + 4) <= seconds);
}

static void test_choice(void **state)
{
    (void)state;
    check(0.02, 0.005, 280, TUNE_WARM, TUNE_PAIRS);
    check(0.05, 0.1, 280, 0, TUNE_PAIRS);
    check(1, 1, 280, 3, TUNE_PAIRS);
    check(1.5, 10, 280, 5, TUNE_PAIRS_LEAST); /* 18.6 GB, of which most is read for a prompt */
    check(1.5, 10, 3600, 2, TUNE_PAIRS);
}

/* A longer run is never assumed to take less, nor more than its tokens say; more time never makes less of it. */
static void test_order(void **state)
{
    const int shortest = tune_shortest(PROMPT, ANSWER);
    int size = shortest, pairs = TUNE_PAIRS_LEAST;
    (void)state;
    for (double seconds = 200; seconds < 1e5; seconds *= 1.1) {
        const struct tune_cost c = {shortest, 1, 5, 1};
        struct tune_budget b;
        if (!tune_budget(&b, &c, shortest, VALUES, 0, seconds))
            continue;
        assert_true(b.size <= size && b.pairs >= pairs);
        assert_true(b.size == shortest ? b.run == 6 : b.run > 6);
        size = b.size;
        pairs = b.pairs;
    }
    assert_int_equal(size, TUNE_WARM);
    assert_int_equal(pairs, TUNE_PAIRS);
}

/* A model whose experts are read for any prompt: 16 and 32 tokens take nearly as long, so runs may be longer. */
static void test_share(void **state)
{
    const int shortest = tune_shortest(PROMPT, ANSWER);
    struct tune_cost c = {shortest - 1, 2, 3, 1};
    struct tune_budget b;
    (void)state;
    assert_true(tune_share(24, 2, 48, 4) == 1);
    assert_true(tune_share(24, 1.6, 48, 2) > 0.399 && tune_share(24, 1.6, 48, 2) < 0.401);
    assert_true(tune_share(24, 2, 48, 1.9) == TUNE_SHARE_LEAST && tune_share(24, 0.5, 48, 4) == 1);
    assert_int_equal(tune_budget(&b, &c, shortest, VALUES, 1, 280), 1);
    assert_int_equal(b.size, shortest - 1);
    c.share = tune_share(24, 2.4, 48, c.measured);
    assert_int_equal(tune_budget(&b, &c, shortest, VALUES, 1, 280), 1);
    assert_int_equal(b.size, shortest - 2);
}

static void test_too_little(void **state)
{
    const struct tune_cost c = {5, 20, 40, 1};
    struct tune_budget b;
    (void)state;
    assert_int_equal(tune_budget(&b, &c, 5, VALUES, 1, 280), 0);
    assert_int_equal(b.pairs, TUNE_PAIRS_LEAST);
    assert_int_equal(tune_budget(&b, &c, 5, VALUES, 1, 60 * tune_runs_least(TUNE_PAIRS_LEAST)), 1);
}

/* A probe that is ended in time leaves enough for runs like the one before it; and what is advised is enough, behind four probes and where
 * runs take a little longer than the one that it stands on. */
static void test_back(void **state)
{
    struct tune_budget b;
    (void)state;
    for (double run = 0.1; run < 100; run *= 1.7) {
        const struct tune_cost c = {5, run / 2, run / 2, 1}, slower = {5, run / 2, run * 0.55, 1};
        double least = tune_seconds_least(run), left = run / tune_probe_most(1);
        assert_int_equal(tune_budget_same(&b, &c, VALUES, 1.0001 * (left - 2 * tune_probe_most(left))), 1);
        assert_true(b.size == 5 && b.run == run && b.pairs == TUNE_PAIRS_LEAST);
        assert_int_equal(tune_budget_same(&b, &c, VALUES, 200 * run), 1);
        assert_true(b.size == 5 && b.pairs == TUNE_PAIRS);
        assert_int_equal(tune_budget_same(&b, &c, VALUES, tune_probe_most(left)), 0);
        assert_int_equal(tune_budget(&b, &slower, 5, VALUES, 1, least - 2 * 1.05 * run), 1);
        assert_true(least == (int)least && least < 24 * run + 1);
    }
}

/* As many pairs as there is time for. */
static void test_pairs_left(void **state)
{
    (void)state;
    assert_int_equal(tune_pairs_left(2, -1), 0);
    assert_int_equal(tune_pairs_left(2, 3), 0);
    assert_int_equal(tune_pairs_left(2, 6 * 2 * 2 - 1), 5);
    assert_int_equal(tune_pairs_left(2, 6 * 2 * 2), 6);
    assert_int_equal(tune_pairs_left(0.01, 300), TUNE_PAIRS_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),      cmocka_unit_test(test_choice),     cmocka_unit_test(test_order),
        cmocka_unit_test(test_share),      cmocka_unit_test(test_too_little), cmocka_unit_test(test_back),
        cmocka_unit_test(test_pairs_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
