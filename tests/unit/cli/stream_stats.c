/* links: cli server toolbox mcp library eval engine text model store op machine kernel format base */
/* The line of --stats about energy, of counters that are planted for an engine; sums of what streaming did. */
#include "base/clock.h"
#include "cli/common/cli.h"
#include "planted.h"
#include "temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

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

/* An engine's counters when it has done k of everything, all of which differ. */
static struct stoker_stats counted(uint64_t k)
{
    double seconds = 0.25 * (double)k; /* exact */
    return (struct stoker_stats){.hits = 2 * k,
                                 .misses = 3 * k,
                                 .evictions = 5 * k,
                                 .early = 7 * k,
                                 .early_used = 11 * k,
                                 .early_waste = 13 * k,
                                 .reads = 17 * k,
                                 .bytes_read = 19 * k,
                                 .retries = 23 * k,
                                 .shorts = 29 * k,
                                 .failed = 31 * k,
                                 .wait_seconds = 3 * seconds,
                                 .reading_seconds = 5 * seconds,
                                 .piece_seconds = 7 * seconds,
                                 .step_seconds = 11 * seconds,
                                 .energy_joules = 13 * seconds,
                                 .drafted_tokens = 37 * k,
                                 .accepted_tokens = 41 * k,
                                 .n_table = 1,
                                 .table = {{.name = "table",
                                            .wanted = 43 * k,
                                            .unique = 47 * k,
                                            .cached = 53 * k,
                                            .reads = 59 * k,
                                            .bytes = 61 * k,
                                            .takes = 67 * k,
                                            .late = 71 * k,
                                            .wait_seconds = 17 * seconds}},
                                 .backend = "uring"};
}

/* All that is told of what lies between a and b, to be freed. */
static char *words_of(const struct stoker_stats *a, const struct stoker_stats *b)
{
    static const struct stoker_plan plan;
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    json_t *o = json_object();
    assert_non_null(f);
    add_stream_json(o, &plan, a, b, 3);
    json_dumpf(o, f, JSON_INDENT(1));
    json_decref(o);
    print_drafts(f, "", a, b);
    print_energy_line(f, a, b, 3);
    fclose(f);
    return text;
}

/* Of what an engine did from 1 to 3, and another from 10 to 11: as of one that did 3 of everything. */
static void a_sum(void **state)
{
    const struct stoker_stats at[] = {counted(0), counted(1), counted(3), counted(10), counted(11)};
    struct stoker_stats sum = {0};
    (void)state;
    add_stream_stats(&sum, &at[1], &at[2]);
    add_stream_stats(&sum, &at[3], &at[4]);
    char *got = words_of(&(struct stoker_stats){0}, &sum), *want = words_of(&at[0], &at[2]);
    assert_string_equal(got, want);
    free(got);
    free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(joules_a_token, plant_root, remove_root),
        cmocka_unit_test_setup_teardown(counters_that_nobody_may_read, plant_root, remove_root),
        cmocka_unit_test_setup_teardown(no_counters, plant_root, remove_root),
        cmocka_unit_test(a_sum),
    };
    return cmocka_run_group_tests_name("stream_stats", tests, NULL, NULL);
}
