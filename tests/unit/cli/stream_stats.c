/* links: cli server toolbox mcp library eval engine text model store op machine kernel format base */
/* The line of --stats about energy, of counters that are planted for an engine. */
#include "base/clock.h"
#include "cli/common/cli.h"
#include "planted.h"
#include "temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char root[TEMPORARY_PATH];

static int plant_root(void **state)
{
    (void)state;
    return temporary_folder(root, "stats");
}

static int remove_root(void **state)
{
    char command[TEMPORARY_PATH + 16];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static struct stoker *opened(void)
{
    struct stoker *s = NULL;
    struct stoker_error err = {0};
    const struct stoker_options o = {.memory = STOKER_MEMORY_MIN, .n_ctx = 64, .n_threads = 1, .root = root};
    if (stoker_open(&s, "models/ember/ember.gguf", &o, &err))
        fail_msg("%s", err.text);
    return s;
}

static void says(const struct stoker_stats *a, const struct stoker_stats *b, size_t n_tokens, const char *want)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    assert_non_null(f);
    print_energy_line(f, a, b, n_tokens);
    fclose(f);
    assert_string_equal(text, want);
    free(text);
}

static void joules_a_token(void **state)
{
    struct stoker_stats before, after;
    (void)state;
    plant_package(root, "9000000\n");
    struct stoker *s = opened();
    stoker_stats_of(s, &before);
    assert_null(before.no_energy);
    plant_package(root, "16000000\n");
    double began = clock_seconds();
    do
        stoker_stats_of(s, &after);
    while (after.energy_joules <= before.energy_joules && clock_seconds() - began < 20);
    says(&before, &after, 2, "energy 3.5 J a token\n");
    says(&before, &after, 0, "");
    stoker_close(s);
}

static void counters_that_nobody_may_read(void **state)
{
    struct stoker_stats now;
    (void)state;
    plant_package(root, NULL);
    struct stoker *s = opened();
    stoker_stats_of(s, &now);
    says(&now, &now, 2,
         "energy is not counted, since only root may read the counters: they could betray what other programs compute "
         "(CVE-2020-8694)\n");
    stoker_close(s);
}

static void no_counters(void **state)
{
    struct stoker_stats now;
    (void)state;
    struct stoker *s = opened();
    stoker_stats_of(s, &now);
    says(&now, &now, 2,
         "energy is not counted, since this machine shows no counters (RAPL in /sys/class/powercap, hwmon)\n");
    stoker_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(joules_a_token, plant_root, remove_root),
        cmocka_unit_test_setup_teardown(counters_that_nobody_may_read, plant_root, remove_root),
        cmocka_unit_test_setup_teardown(no_counters, plant_root, remove_root),
    };
    return cmocka_run_group_tests_name("stream_stats", tests, NULL, NULL);
}
