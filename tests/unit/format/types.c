/* links: format base */
/* The type table, and blocks small enough to decode by hand; all types against vectors: tests/quants.c. */
#include "format/types.h"

#include "base/half.h"
#include "format/grids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_table(void **state)
{
    (void)state;
    int known = 0, weights = 0;
    for (uint32_t t = 0; t < TYPE_COUNT + 40; t++) {
        const struct block_info *i = type_info(t);
        if (!i)
            continue;
        known++;
        weights += i->decode != NULL;
        assert_true(t < TYPE_COUNT && i->block >= 1 && i->bytes >= 1 && i->block <= 256);
        assert_int_equal(type_by_name(i->name), (int)t);
        assert_int_equal(type_row_bytes(i, 3 * (size_t)i->block), 3 * i->bytes);
    }
    assert_int_equal(known, 32);
    assert_int_equal(weights, 27);
    assert_null(type_info(4));
    assert_null(type_info(TYPE_COUNT));
    assert_null(type_info(UINT32_MAX));
    assert_null(type_info(TYPE_I32)->decode);
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(type_by_name("Q4_K"), TYPE_Q4_K);
    assert_int_equal(type_by_name("iq2_XXS"), TYPE_IQ2_XXS);
    assert_int_equal(type_by_name("q4"), -1);
    assert_int_equal(type_by_name(""), -1);
}

static float value(enum block_type type, const uint8_t *blocks, size_t n, size_t i)
{
    float *out = malloc(n * sizeof *out);
    assert_non_null(out);
    type_info(type)->decode(out, blocks, n);
    float v = out[i];
    free(out);
    return v;
}

static void test_by_hand(void **state)
{
    (void)state;
    uint8_t q4_0[18] = {0x00, 0x38 /* 0.5 */, 0xf0};
    assert_true(value(TYPE_Q4_0, q4_0, 32, 0) == -4.0f);
    assert_true(value(TYPE_Q4_0, q4_0, 32, 16) == 3.5f);

    uint8_t q8_0[68] = {0x00, 0x3c /* 1 */, 0x80, [34] = 0x00, [35] = 0xc0 /* -2 */, [67] = 5};
    assert_true(value(TYPE_Q8_0, q8_0, 64, 0) == -128.0f);
    assert_true(value(TYPE_Q8_0, q8_0, 64, 63) == -10.0f);

    uint8_t bf16[4] = {0x80, 0x3f, 0x40, 0xc0};
    assert_true(value(TYPE_BF16, bf16, 2, 0) == 1.0f && value(TYPE_BF16, bf16, 2, 1) == -3.0f);

    uint8_t mxfp4[17] = {127, 0x1f};
    assert_true(value(TYPE_MXFP4, mxfp4, 32, 0) == -6.0f && value(TYPE_MXFP4, mxfp4, 32, 16) == 0.5f);
}

/* The scale byte that would be NaN means 0; its sign bit means nothing. */
static void test_nvfp4_scales(void **state)
{
    (void)state;
    uint8_t block[36] = {0x7f, 0x7e, 0xff, 0x38, [4] = 7, [12] = 7, [20] = 7, [28] = 7};
    assert_true(value(TYPE_NVFP4, block, 64, 0) == 0.0f);
    assert_true(value(TYPE_NVFP4, block, 64, 16) == 448.0f * 6);
    assert_true(value(TYPE_NVFP4, block, 64, 32) == 480.0f * 6);
    assert_true(value(TYPE_NVFP4, block, 64, 48) == 6.0f);
}

static void test_nothing(void **state)
{
    (void)state;
    for (uint32_t t = 0; t < TYPE_COUNT; t++)
        if (type_info(t) && type_info(t)->decode)
            type_info(t)->decode(NULL, NULL, 0);
}

static void test_signs(void **state)
{
    (void)state;
    for (unsigned s = 0; s < 128; s++) {
        assert_int_equal(grid_signs(s) & 127, s);
        assert_int_equal(__builtin_popcount(grid_signs(s)) % 2, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),        cmocka_unit_test(test_names),   cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_nvfp4_scales), cmocka_unit_test(test_nothing), cmocka_unit_test(test_signs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
