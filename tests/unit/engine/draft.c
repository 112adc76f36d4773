/* links: engine text model store op machine kernel format base */
/* Drafts that were proposed are compared with what is chosen in their places, whether they were computed or not: each place teaches a price
 * once, and nothing behind one that does not hold does. */
#include "engine/draft/draft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { N = 5, BEFORE = 3 };
static const stoker_token proposed[N] = {10, 11, 12, 13, 14};

static struct draft draft;
static struct price price, expected;
static struct acceptance of;

/* Five drafts behind three tokens: one forced, three of the text, and one that is forced behind them. */
static void begin(void)
{
    price_init(&price);
    price_init(&expected);
    memset(&draft, 0, sizeof draft);
    draft.kind = DRAFT_LONG;
    draft.n_forced = 1;
    draft.n_text = 4;
    acceptance_begin(&draft.acceptance, &price);
    acceptance_begin(&of, &expected);
    draft_follow(&draft, proposed, N, BEFORE);
}

/* What so many that hold, and one that does not, should have taught. */
static void taught(int from, int n_right, int refused)
{
    const struct offer o = {.of = &of, .kind = DRAFT_LONG, .n = N, .n_forced = 1, .n_behind = 1};
    acceptance_learn(&expected, &o, from, n_right, refused);
    assert_memory_equal(&of, &draft.acceptance, sizeof of);
    assert_memory_equal(&expected.usual, &price.usual, sizeof price.usual);
}

static void each_place_once(void **state)
{
    const stoker_token text[BEFORE + N + 1] = {1, 2, 3, 10, 11, 12, 13, 14, 99};
    (void)state;
    begin();
    for (size_t n = BEFORE; n <= BEFORE + N + 1; n++)
        draft_compare(&draft, &price, text, n, 0, 0);
    taught(0, N, 0);
    assert_int_equal(draft.followed.n_known, N);
}

static void nothing_behind_one_that_is_wrong(void **state)
{
    const stoker_token text[BEFORE + N] = {1, 2, 3, 10, 11, 99, 13, 14};
    (void)state;
    begin();
    draft_compare(&draft, &price, text, BEFORE + N, 0, 0);
    taught(0, 2, 1);
}

/* Two of them were computed and held; those behind them are known later. */
static void computed_ones_are_learnt_by_the_verifier(void **state)
{
    const stoker_token text[BEFORE + N] = {1, 2, 3, 10, 11, 12, 99, 14};
    (void)state;
    begin();
    draft_compare(&draft, &price, text, BEFORE + 3, BEFORE, 2);
    taught(2, 1, 0);
    draft_compare(&draft, &price, text, BEFORE + 4, BEFORE + 3, 1); /* of other drafts, which stand elsewhere */
    taught(3, 0, 1);
}

/* One of them was computed and did not hold: it has told. */
static void a_computed_one_that_is_wrong(void **state)
{
    const stoker_token text[BEFORE + N] = {1, 2, 3, 99, 11, 12, 13, 14};
    (void)state;
    begin();
    draft_compare(&draft, &price, text, BEFORE + 1, BEFORE, 1);
    draft_compare(&draft, &price, text, BEFORE + N, 0, 0);
    taught(0, 0, 0);
}

static void others_wait_for_the_end(void **state)
{
    const stoker_token text[BEFORE + N] = {1, 2, 3, 10, 11, 99, 20, 21}, other[2] = {20, 21};
    (void)state;
    begin();
    draft_compare(&draft, &price, text, BEFORE + 2, 0, 0);
    draft_follow(&draft, other, 2, BEFORE + 2);
    assert_int_equal(draft.followed.start, BEFORE);
    draft_compare(&draft, &price, text, BEFORE + 3, 0, 0);
    draft_follow(&draft, other, 2, BEFORE + 3);
    assert_int_equal(draft.followed.start, BEFORE + 3);
    draft_compare(&draft, &price, text, BEFORE + N, 0, 0);
    assert_int_equal(draft.followed.n_known, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_place_once),
        cmocka_unit_test(nothing_behind_one_that_is_wrong),
        cmocka_unit_test(computed_ones_are_learnt_by_the_verifier),
        cmocka_unit_test(a_computed_one_that_is_wrong),
        cmocka_unit_test(others_wait_for_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
