/* links: cli server toolbox mcp library eval engine text model store op machine kernel format base */
/* Which values stoker tune measures together at the end: the fastest of each setting, weakest out first. Nothing is timed. */
#include "cli/tune/promising.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add(struct tune_promising *p, int setting, const char *text, double ratio)
{
    struct tune_value v = {setting, ""};
    memcpy(v.text, text, strlen(text) + 1);
    tune_promising_add(p, &v, ratio);
}

static void test_fastest_of_each(void **state)
{
    (void)state;
    struct tune_promising p = {0};
    struct profile all = {.value[PROFILE_THREADS] = "3"};
    assert_int_equal(tune_promising_set(&p, &all), 0);
    add(&p, PROFILE_SPIN, "1", 0.985); /* too little to seem anything */
    add(&p, PROFILE_SPIN, "1", 1.2);
    assert_int_equal(tune_promising_set(&p, &all), 0);
    add(&p, PROFILE_SPIN, "1", 0.97);
    add(&p, PROFILE_SPIN, "50", 0.95);
    add(&p, PROFILE_SPIN, "5", 0.96);
    add(&p, PROFILE_CHUNK, "512", 0.97);
    assert_int_equal(tune_promising_set(&p, &all), 2);
    assert_string_equal(all.value[PROFILE_SPIN], "50");
    assert_string_equal(all.value[PROFILE_CHUNK], "512");
    assert_string_equal(all.value[PROFILE_THREADS], "3");
}

static void test_weakest_first(void **state)
{
    (void)state;
    struct tune_promising p = {0}, out = {0};
    struct profile all = {0};
    add(&p, PROFILE_READER, "threads", 0.90);
    add(&p, PROFILE_SPIN, "50", 0.96);
    add(&p, PROFILE_CHUNK, "512", 0.93);
    tune_promising_move_weakest(&p, &out);
    assert_int_equal(tune_promising_set(&p, &all), 2);
    assert_string_equal(all.value[PROFILE_SPIN], "");
    tune_promising_drop(&p, PROFILE_READER);
    all = (struct profile){0};
    assert_int_equal(tune_promising_set(&p, &all), 1);
    assert_string_equal(all.value[PROFILE_CHUNK], "512");
    tune_promising_move_weakest(&p, &out);
    assert_int_equal(tune_promising_count(&p), 0);
    assert_int_equal(tune_promising_count(&out), 2);
    all = (struct profile){0};
    tune_promising_move_strongest(&out, &p);
    assert_int_equal(tune_promising_set(&p, &all), 1);
    assert_string_equal(all.value[PROFILE_CHUNK], "512");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fastest_of_each), cmocka_unit_test(test_weakest_first)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
