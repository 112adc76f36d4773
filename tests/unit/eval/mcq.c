/* links: eval engine text model store op machine kernel format base */
/* Multiple choice: the choice that a reply names, and which one each figure takes. */
#include "eval/mcq.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int named(const char *choices, const char *reply)
{
    json_t *item = json_pack("{s:o}", "choices", json_loads(choices, 0, NULL));
    struct error err = {0};
    int k;
    assert_int_equal(eval_mcq_named(item, reply, &k, &err), 0);
    json_decref(item);
    return k;
}

static void test_named(void **state)
{
    (void)state;
    const char *cities = "[\"Rome\",\"Oslo\",\"New York\",\"York\"]";
    assert_int_equal(named(cities, "It is Oslo."), 1);
    assert_int_equal(named(cities, "Not Rome: OSLO, not Rome but oslo"), 1); /* the last */
    assert_int_equal(named(cities, "in New York!"), 2);                      /* the longer */
    assert_int_equal(named(cities, "in york"), 3);
    assert_int_equal(named(cities, "Romeo, Oslos, \xC3\xA9Rome"), -1); /* no whole word */
    assert_int_equal(named(cities, ""), -1);
    assert_int_equal(named(cities, "\xE2\x80\x9COslo\xE2\x80\x9D"), 1); /* quotation marks are no letters */
    assert_int_equal(named("[\"\xC3\x89T\xC3\x89\",\"\xD0\x9C\xD0\x98\xD0\xA0\"]", "\xC3\xA9t\xC3\xA9"), 0);
    assert_int_equal(named("[\"\xC3\x89T\xC3\x89\",\"\xD0\x9C\xD0\x98\xD0\xA0\"]", "\xD0\xBC\xD0\xB8\xD1\x80."), 1);
    assert_int_equal(named("[\"C++\",\"C\"]", "use C++11"), 0); /* a choice ends where its own word ends */
    assert_int_equal(named("[\"\xE5\x8C\x97\xE4\xBA\xAC\",\"x\"]", "\xE6\x98\xAF\xE5\x8C\x97\xE4\xBA\xAC\xE3\x80\x82"),
                     0);
    assert_int_equal(named("[\"12\",\"2\"]", "12"), 0);
    /* Thai has no spaces; a danda, an Arabic comma and question mark end a word */
    assert_int_equal(named("[\"\u0E41\u0E21\u0E27\"]", "\u0E04\u0E37\u0E2D\u0E41\u0E21\u0E27"), 0);
    assert_int_equal(named("[\"\u092C\u093F\"]", "\u092C\u093F\u0964"), 0);
    assert_int_equal(named("[\"\u0642\u0637\"]", "\u0642\u0637\u061F"), 0);
    assert_int_equal(named("[\"\u0141\u00F3d\u017A\"]", "\u0142\u00F3D\u0179"), 0);
    assert_int_equal(named("[\"\u0386\u03BD\"]", "\u03AC\u03BD"), 0);
    assert_int_equal(named("[\"\u0532\"]", "\u0562"), 0);
}

static void test_judge(void **state)
{
    (void)state;
    json_t *item = json_pack("{s:[s, s, s], s:i}", "choices", "four", "a much longer one", "6", "answer", 2);
    struct eval_mcq_result r = {.sum = {-3, -6, -3}, .mean = {-3, -1, -1}};
    struct error err = {0};
    assert_int_equal(eval_mcq_judge(&r, item, EVAL_MCQ_TEXT, &err), 0);
    assert_int_equal(r.best[EVAL_MCQ_ACC], 0); /* of equals the first */
    assert_int_equal(r.best[EVAL_MCQ_ACC_NORM], 1);
    assert_int_equal(r.best[EVAL_MCQ_ACC_TOKEN], 1);
    assert_true(r.margin > -0.5 && r.margin < 0.5);
    json_decref(item);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_named), cmocka_unit_test(test_judge)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
