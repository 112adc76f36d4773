/* links: base */
/* Philox: the known answers of Random123 (kat_vectors), and our own coordinates. */
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t out[4];
        philox4x32(cases[i].counter, cases[i].key, out);
        assert_memory_equal(out, cases[i].out, sizeof out);
    }
}

static void coordinates(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed, index;
        uint32_t stream, choice;
        uint64_t number;
    } cases[] = {
        {0, 0, 0, 0, 0xe169c58d6627e8d5},
        {1, 0, 0, 0, 0xe50a0ebce3e80670},
        {1, 1, 0, 0, 0xdfc5ccbeac08141b},
        {1, 0, 1, 0, 0x428264b607071c12},
        {1, 0, 0, 1, 0x1e047488127bee41},
        {UINT64_MAX, (uint64_t)1 << 40, 0, 0, 0xe7850d9b47028905},
        {20261120, 123456789, 2, 7, 0x3b01bc22525ebd23},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(rng_u64(cases[i].seed, cases[i].index, cases[i].stream, cases[i].choice) == cases[i].number);
}

static void seeds_differ(void **state)
{
    (void)state;
    assert_true(rng_seed() != rng_seed());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(coordinates),
        cmocka_unit_test(seeds_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
