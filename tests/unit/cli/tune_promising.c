/* links: cli server toolbox mcp library eval engine text model store op machine kernel format base */
/* Which values stoker tune measures together: the fastest of each setting, weakest out first. Nothing is timed. */
#include "cli/tune/promising.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int add(struct tune_promising *p, int setting, const char *text, double ratio)
{
    struct tune_value v = {setting, ""};
    memcpy(v.text, text, strlen(text) + 1);
    return tune_promising_add(p, &v, ratio);
}

static void assert_at(const struct tune_promising *p, int i, int setting, const char *text)
{
    assert_true(i < p->n);
    assert_int_equal(p->of[i].value.setting, setting);
    assert_string_equal(p->of[i].value.text, text);
}

static void test_what_seems_faster(void **state)
{
    (void)state;
    struct tune_promising p = {0};
    assert_int_equal(add(&p, PROFILE_SPIN, "1", 0.995), 0); /* too little to seem anything */
    assert_int_equal(add(&p, PROFILE_SPIN, "1", 1.2), 0);
    assert_int_equal(p.n, 0);
    assert_int_equal(add(&p, PROFILE_SPIN, "1", 0.985), 1); /* with others it may be enough for a verdict */
    assert_int_equal(add(&p, PROFILE_SPIN, "50", 0.95), 1);
    assert_int_equal(add(&p, PROFILE_SPIN, "5", 0.96), 1);
    assert_int_equal(p.n, 3);
    assert_at(&p, 0, PROFILE_SPIN, "50");
    assert_at(&p, 1, PROFILE_SPIN, "5");
    assert_at(&p, 2, PROFILE_SPIN, "1");
}

static void test_fastest_of_each(void **state)
{
    (void)state;
    struct tune_promising p = {0}, out = {0};
    struct profile all = {.value[PROFILE_THREADS] = "3"};
    add(&p, PROFILE_SPIN, "1", 0.97);
    add(&p, PROFILE_SPIN, "50", 0.95);
    add(&p, PROFILE_SPIN, "5", 0.96);
    add(&p, PROFILE_CHUNK, "512", 0.965);
    tune_promising_part(&p, &out);
    assert_int_equal(p.n, 2);
    tune_promising_set(&p, &all);
    assert_string_equal(all.value[PROFILE_SPIN], "50");
    assert_string_equal(all.value[PROFILE_CHUNK], "512");
    assert_string_equal(all.value[PROFILE_THREADS], "3");
    assert_int_equal(out.n, 2);
    assert_at(&out, 0, PROFILE_SPIN, "5");
    assert_at(&out, 1, PROFILE_SPIN, "1");
}

/* A depth was looked at with the reader that was best then. */
static void test_depth_of_its_reader(void **state)
{
    (void)state;
    struct tune_promising p = {0}, out = {0};
    add(&p, PROFILE_READER, "buffered", 0.96);
    add(&p, PROFILE_DEPTH, "16", 0.95);
    add(&p, PROFILE_READER, "threads", 0.94);
    add(&p, PROFILE_CHUNK, "512", 0.97);
    tune_promising_part(&p, &out);
    assert_int_equal(p.n, 2);
    assert_at(&p, 0, PROFILE_READER, "threads");
    assert_at(&p, 1, PROFILE_CHUNK, "512");
    assert_at(&out, 0, PROFILE_DEPTH, "16");
    assert_at(&out, 1, PROFILE_READER, "buffered");
}

static void test_order_stays(void **state)
{
    (void)state;
    struct tune_promising p = {0}, out = {0};
    add(&p, PROFILE_SPIN, "50", 0.96);
    add(&p, PROFILE_READER, "threads", 0.90);
    add(&p, PROFILE_CHUNK, "512", 0.93);
    tune_promising_move(&p, p.n - 1, &out);
    tune_promising_move(&p, p.n - 1, &out);
    assert_at(&p, 0, PROFILE_READER, "threads");
    assert_at(&out, 0, PROFILE_CHUNK, "512");
    assert_at(&out, 1, PROFILE_SPIN, "50");
    tune_promising_drop(&out, 0);
    assert_int_equal(out.n, 1);
    assert_at(&out, 0, PROFILE_SPIN, "50");
    tune_promising_drop(&p, 0);
    assert_int_equal(p.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_seems_faster),
        cmocka_unit_test(test_fastest_of_each),
        cmocka_unit_test(test_depth_of_its_reader),
        cmocka_unit_test(test_order_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
