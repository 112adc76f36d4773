/* links: base */
/* What cpu.h reports about this machine must at least be consistent. */
#include "base/cpu.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void names_go_both_ways(void **state)
{
    (void)state;
    for (int t = 0; t < TIER_COUNT; t++)
        assert_int_equal(cpu_tier_by_name(cpu_tier_name((enum cpu_tier)t)), t);
    assert_int_equal(cpu_tier_by_name("sse9"), -1);
    assert_int_equal(cpu_tier_by_name(""), -1);
}

static void best_tier_exists(void **state)
{
    (void)state;
    enum cpu_tier best = cpu_best_tier();
    assert_in_range(best, TIER_SCALAR, TIER_COUNT - 1);
    assert_int_equal(best, cpu_best_tier());
}

/* Runs last: it narrows this process to one core. */
static void cores_follow_the_affinity_mask(void **state)
{
    (void)state;
    cpu_set_t all, one;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    assert_in_range(cpu_usable_cores(), 1, CPU_COUNT(&all));
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &all))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(cpu_usable_cores(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(best_tier_exists),
        cmocka_unit_test(cores_follow_the_affinity_mask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
