/* links: format base */
/* What format/damage.c calls damaged is what decodes to something that is no number, of every type and for every byte of a block. */
#include "format/damage.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_BYTES = 512, MOST_VALUES = 512 };

static int decodes(const struct block_info *t, const uint8_t *block)
{
    float out[MOST_VALUES];
    t->decode(out, block, (size_t)t->block);
    for (int i = 0; i < t->block; i++)
        if (!isfinite(out[i]))
            return 0;
    return 1;
}

static void test_damage_is_what_decodes_to_no_number(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int t = 0; t < TYPE_COUNT; t++) {
        const struct block_info *info = type_info((uint32_t)t);
        int seen[2] = {0};
        if (!info || !info->decode)
            continue;
        assert_true(info->bytes <= MOST_BYTES && info->block <= MOST_VALUES);
        for (int round = 0; round < 20000; round++) {
            uint8_t b[MOST_BYTES];
            for (int i = 0; i < info->bytes; i++)
                b[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
            if (round % 4 == 1) { /* all exponent bits somewhere */
                int at = (int)((seed >> 8) % (unsigned)info->bytes);
                b[at] |= 0x7f;
                b[at ? at - 1 : 0] |= 0x80;
            } else if (round % 4 == 2) {
                memset(b, 0xff, (size_t)info->bytes);
            } else if (round % 4 == 3) {
                memset(b, 0, (size_t)info->bytes);
            }
            int sound = decodes(info, b) && !(t == TYPE_MXFP4 && b[0] >= 253);
            seen[sound]++;
            if ((blocks_find_damage((enum block_type)t, b, 1) == 1) != sound)
                fail_msg("%s, round %d: decodes %s", info->name, round, sound ? "well" : "to no number");
        }
        assert_true(seen[1] > 0);
        assert_true(seen[0] > 0 || t == TYPE_NVFP4); /* whose scales' NaN counts as 0 */
    }
}

static void test_the_first_of_several(void **state)
{
    (void)state;
    uint8_t b[5 * 18] = {0};
    assert_int_equal(blocks_find_damage(TYPE_Q4_0, b, 5), 5);
    b[3 * 18 + 1] = 0x7c;
    b[4 * 18 + 1] = 0xfe;
    assert_int_equal(blocks_find_damage(TYPE_Q4_0, b, 5), 3);
    assert_int_equal(blocks_find_damage(TYPE_Q4_0, b, 3), 3);
    assert_int_equal(blocks_find_damage(TYPE_Q4_0, b, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damage_is_what_decodes_to_no_number),
        cmocka_unit_test(test_the_first_of_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
