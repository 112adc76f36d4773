/* links: eval base */
/* Bounds by hand: memory, products and drive at the same time, stages one after another; roofs that move by a tenth. */
#include "eval/bound.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct stoker_roofs roofs = {.memory = 50e9, .drive = 2e9, .int8 = 400e9, .f32 = 100e9};

static void near(double x, double want) { assert_true(x > want * (1 - 1e-12) && x < want * (1 + 1e-12)); }

static void test_parts_overlap_and_stages_do_not(void **state)
{
    (void)state;
    struct eval_bound b = {0};
    /* a prompt by its products: 2.5 + 0.5 s of them, 0.2 s of memory; an answer by memory: 4 s, 0.25 s of products */
    eval_bound_add(&b, &(struct stoker_work){.memory_bytes = 10e9, .int8_products = 1e12, .f32_products = 50e9},
                   &roofs);
    near(b.memory, 0.2);
    near(b.products, 3);
    near(b.seconds, 3);
    assert_string_equal(eval_bound_by(&b), "products");
    eval_bound_add(&b, &(struct stoker_work){.memory_bytes = 200e9, .int8_products = 100e9}, &roofs);
    near(b.memory, 4.2);
    near(b.products, 3.25);
    near(b.seconds, 7);
    assert_string_equal(eval_bound_by(&b), "memory");
    eval_bound_read(&b, 8e9, &roofs); /* 4 s, behind the others */
    near(b.seconds, 7);
    eval_bound_read(&b, 2e9, &roofs); /* 5 s: more than memory and more than products, not more than both stages */
    assert_string_equal(eval_bound_by(&b), "memory");
    eval_bound_read(&b, 6e9, &roofs); /* 8 s in all */
    near(b.drive, 8);
    near(b.seconds, 8);
    assert_string_equal(eval_bound_by(&b), "drive");
}

static void test_a_roof_that_is_unknown_bounds_nothing(void **state)
{
    (void)state;
    struct eval_bound b = {0};
    const struct stoker_roofs some = {.memory = 50e9};
    eval_bound_add(&b, &(struct stoker_work){.memory_bytes = 5e9, .int8_products = 1e15, .f32_products = 1e15}, &some);
    eval_bound_read(&b, 1e15, &some);
    near(b.seconds, 0.1);
    assert_true(b.products == 0 && b.drive == 0);
}

static void test_memory_explains_no_more_than_was_computed(void **state)
{
    (void)state;
    struct eval_bound b = {0};
    assert_true(eval_bound_memory_of(&b, 2) == 0); /* without a roof nothing is explained */
    eval_bound_add(&b, &(struct stoker_work){.memory_bytes = 75e9, .int8_products = 1e12}, &roofs);
    near(eval_bound_memory_of(&b, 4), 1.5);
    near(eval_bound_memory_of(&b, 1), 1); /* weights came from caches */
    eval_bound_read(&b, 1e15, &roofs);    /* drives are waited for elsewhere */
    near(eval_bound_memory_of(&b, 4), 1.5);
}

static void test_roofs_move_by_a_tenth(void **state)
{
    (void)state;
    struct eval_roof_move m = {.roof = "none"};
    struct stoker_roofs last = roofs;
    assert_int_equal(eval_roofs_moved(&m, &roofs, &last), 0);
    last.memory = 54.9e9;
    last.f32 = 91e9;
    assert_int_equal(eval_roofs_moved(&m, &roofs, &last), 0);
    assert_string_equal(m.roof, "none");
    last.memory = 44.9e9;
    assert_int_equal(eval_roofs_moved(&m, &roofs, &last), 1);
    assert_string_equal(m.roof, "memory");
    near(m.share, 5.1 / 50);
    near(m.to, 44.9e9);
    last.int8 = 500e9;
    assert_int_equal(eval_roofs_moved(&m, &roofs, &last), 1);
    assert_string_equal(m.roof, "int8");
    last = roofs;
    last.drive = 0; /* not measured again */
    assert_int_equal(eval_roofs_moved(&m, &roofs, &last), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_overlap_and_stages_do_not),
        cmocka_unit_test(test_a_roof_that_is_unknown_bounds_nothing),
        cmocka_unit_test(test_memory_explains_no_more_than_was_computed),
        cmocka_unit_test(test_roofs_move_by_a_tenth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
