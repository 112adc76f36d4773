/* links: cli server toolbox mcp library eval engine text model store op machine kernel format base */
/* What doctor makes of figures that a test cannot plant on a machine: tiers, rates of memory and drives. When rates say nothing of the
 * machine: others are busy. */
#include "cli/doctor/doctor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void who_is_busy(void **state)
{
    static const char *const busy[] = {"busy", "busy-drive", "busy-memory", "steal"};
    static struct findings f;
    (void)state;
    assert_int_equal(findings_are_busy(&f), 0);
    found(&f, "governor", "slow clocks");
    found(&f, "swap", "memory is short");
    assert_int_equal(findings_are_busy(&f), 0);
    for (size_t i = 0; i < sizeof busy / sizeof *busy; i++) {
        f.n = 2;
        found(&f, busy[i], "%s", busy[i]);
        assert_int_equal(findings_are_busy(&f), 1);
    }
}

/* The last run's finding, the only one: its name is as given, and its sentence has the words. name NULL: there is none. */
static void is(const struct findings *f, const char *name, const char *words)
{
    assert_int_equal(f->n, name ? 1 : 0);
    if (!name)
        return;
    assert_string_equal(f->list[0].name, name);
    if (!strstr(f->list[0].text, words))
        fail_msg("\"%s\" is not in: %s", words, f->list[0].text);
}

static void a_cpu_without_kernels(void **state)
{
    (void)state;
    static struct findings f;
    for (int t = 0; t < TIER_COUNT; t++) {
        f.n = 0;
        judge_tier(&f, (enum cpu_tier)t);
        is(&f, t == TIER_SCALAR ? "tier" : NULL, "10 to 40 times as slowly");
    }
}

/* In GB/s, of a machine with so many modules in so many channels, which give most; read by threads. */
static const struct findings *memory(double rate, double most, int n_channel, int n_thread)
{
    static struct findings f;
    struct facts facts = {.memory_rate = rate * 1e9, .n_thread = n_thread};
    facts.modules = (struct memory_modules){.n = 2, .n_channel = n_channel, .rate = most * 1e9};
    f.n = 0;
    judge_memory_rate(&f, &facts);
    return &f;
}

static void a_memory_that_is_slow(void **state)
{
    (void)state;
    /* by the constant: nobody says which modules there are */
    is(memory(21.9, 0, 0, 8), "memory-rate", "read at 21.9 GB/s, which is what one channel gives, and");
    is(memory(22.1, 0, 0, 8), NULL, "");
    is(memory(21.9, 0, 1, 8), "memory-rate", "look whether a second module would fill a second channel");
    is(memory(21.9, 0, 2, 8), "memory-rate", "though 2 have modules");
    is(memory(21.9, 0, 0, 4), NULL, ""); /* few threads ask for less */
    is(memory(19.9, 0, 0, 4), "memory-rate", "");
    is(memory(10.1, 0, 0, 2), NULL, "");
    is(memory(9.9, 0, 0, 2), "memory-rate", "");
    is(memory(5.1, 0, 0, 1), NULL, "");
    is(memory(4.9, 0, 0, 1), "memory-rate", "");
    /* by what modules give, whatever the constant */
    is(memory(18, 25.6, 1, 8), NULL, "");
    is(memory(12, 25.6, 1, 8), "memory-rate", "read at 12.0 GB/s, 47 % of the 25.6 that its modules give");
    is(memory(23, 51.2, 2, 8), "memory-rate", "read by turns");
    is(memory(23, 51.2, 0, 8), "memory-rate", "look whether both modules are in slots of one channel");
    is(memory(26, 51.2, 2, 8), NULL, "");
    is(memory(90, 204.8, 8, 64), "memory-rate", "44 % of the 204.8");
    is(memory(300, 51.2, 2, 8), NULL, "");
    /* by what its cores ask for, where these are few */
    is(memory(41, 204.8, 8, 8), NULL, "");
    is(memory(39, 204.8, 8, 8), "memory-rate", "");
    is(memory(5.1, 51.2, 2, 1), NULL, "");
    is(memory(4.9, 51.2, 2, 1), "memory-rate", "");
}

/* What keeps cores from us keeps them from reading. */
static void a_memory_that_was_not_free(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double most;
        int counts;
    } others[] = {{"busy", 51.2, 0}, {"steal", 0, 0}, {"quota", 51.2, 0}, {"quota", 0, 0}, {"governor", 51.2, 1}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        static struct findings f;
        struct facts facts = {.memory_rate = 1e9, .n_thread = 8, .modules.rate = others[i].most * 1e9};
        f.n = 0;
        found(&f, others[i].name, "one");
        judge_memory_rate(&f, &facts);
        assert_int_equal(f.n, 1 + others[i].counts);
    }
}

static void a_drive_that_is_slow(void **state)
{
    (void)state;
    static struct findings f;
    const struct stoker_plan streams = {.n_class = 1, .hit_rate = 0.75, .expert_bytes_per_token = UINT64_C(400000000)},
                             held = {.n_class = 1, .hit_rate = 1, .expert_bytes_per_token = UINT64_C(400000000)},
                             dense = {.n_class = 0};
    judge_drive_rate(&f, "m.gguf", &streams, 0.5e9); /* of 100 MB a token */
    is(&f, "slow-drive", "the drive of m.gguf is read at 0.50 GB/s, which allows at most 5.0 tokens/s");
    f.n = 0;
    judge_drive_rate(&f, "m.gguf", &streams, 1e9);
    judge_drive_rate(&f, "m.gguf", &held, 0.1e9);
    judge_drive_rate(&f, "m.gguf", &dense, 0.1e9);
    is(&f, NULL, "");
    found(&f, "busy-drive", "others");
    judge_drive_rate(&f, "m.gguf", &streams, 0.5e9);
    assert_int_equal(f.n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_busy),           cmocka_unit_test(a_cpu_without_kernels),
        cmocka_unit_test(a_memory_that_is_slow), cmocka_unit_test(a_memory_that_was_not_free),
        cmocka_unit_test(a_drive_that_is_slow),
    };
    return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
