/* links: op base */
/* The largest of many numbers, held against sorting all of them: ties, what is no number, infinities, fewer numbers than places. */
#include "op/largest.h"
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 70, LONGEST = 300 };

static float x[LONGEST];

static int before(const void *left, const void *right)
{
    int32_t i = *(const int32_t *)left, j = *(const int32_t *)right;
    float a = x[i], b = x[j];
    if (isnan(a) != isnan(b))
        return isnan(a) ? 1 : -1;
    if (!isnan(a) && a != b)
        return a > b ? -1 : 1;
    return i < j ? -1 : 1;
}

static void held_against_sorting(int n, int most)
{
    float value[MOST];
    int32_t id[MOST], order[LONGEST];
    struct largest l = {value, id, most, 0};
    for (int i = 0; i < n; i++) {
        order[i] = i;
        largest_offer(&l, x[i], i);
    }
    qsort(order, (size_t)n, sizeof *order, before);
    largest_sort(&l);
    assert_int_equal(l.held, n < most ? n : most);
    for (int i = 0; i < most; i++) {
        assert_int_equal(id[i], i < n ? order[i] : -1);
        assert_memory_equal(&value[i], i < n ? &x[order[i]] : &(float){0}, sizeof(float));
    }
}

static void any_numbers(void **state)
{
    (void)state;
    static const float odd[] = {NAN, INFINITY, -INFINITY, 0, -0.0f, 0x1p-149f};
    for (uint32_t round = 0; round < 400; round++) {
        uint32_t kinds = 1 + round % 50; /* few: many ties */
        for (int i = 0; i < LONGEST; i++) {
            uint64_t r = rng_u64(5, round, (uint32_t)i, 0);
            x[i] = r % 9 == 0 ? odd[(r >> 8) % 6] : (float)((r >> 8) % kinds) - (float)kinds / 3;
        }
        held_against_sorting((int)(round * 7 % (LONGEST + 1)), 1 + (int)(round % MOST));
    }
}

static void ordered_numbers(void **state)
{
    (void)state;
    for (int down = 0; down < 2; down++) {
        for (int i = 0; i < LONGEST; i++)
            x[i] = (float)(down ? -i : i);
        for (int most = 1; most <= MOST; most++)
            held_against_sorting(LONGEST, most);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_numbers), cmocka_unit_test(ordered_numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
