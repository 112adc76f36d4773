/* links: cli server toolbox mcp library eval engine text model store op machine kernel format base */
/* What stoker tune tries, on machines that trees of files below a folder of our own make: with and without siblings, with slow cores; what
 * depends on the defaults, on the runs, and on the profile that is there. Nothing is measured. */
#include "cli/tune/values.h"
#include "planted.h"
#include "temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char root[TEMPORARY_PATH];

static int begin(void **state)
{
    (void)state;
    return temporary_folder(root, "values");
}

static int end(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

/* CPUs first, first + 1 ... share a core by two. */
static void siblings(int first, int n)
{
    char path[128], list[32];
    for (int i = first; i < first + n; i++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/core_cpus_list", i);
        snprintf(list, sizeof list, "%d-%d\n", i - i % 2, i - i % 2 + 1);
        plant(root, path, list);
    }
}

static struct profile none;
static struct topology_set allowed;

/* As tune has it: the default is one thread a fast core. */
static struct tune_case machine(const char *cpus)
{
    assert_int_equal(topology_parse(cpus, &allowed), 0);
    return (struct tune_case){.old = &none,
                              .root = root,
                              .allowed = &allowed,
                              .most_threads = topology_count(&allowed),
                              .n_threads = topology_compute_threads(root, &allowed),
                              .n_chunk = 512,
                              .spin_ms = 5,
                              .prompt = 16,
                              .most_prompt = 1024};
}

/* All values of a setting as "16 7 6 4 1", "-" for the default. */
static const char *shown(const struct tune_values *v, int setting)
{
    static char out[256];
    *out = 0;
    for (int i = 0; i < v->n; i++)
        if (v->value[i].setting == setting) {
            size_t n = strlen(out);
            snprintf(out + n, sizeof out - n, "%s%s", n ? " " : "", *v->value[i].text ? v->value[i].text : "-");
        }
    return out;
}

static const char *list(const struct tune_case *c, int setting)
{
    static struct tune_values v;
    tune_list_values(&v, c);
    return shown(&v, setting);
}

static void threads_of_a_plain_machine(void **state)
{
    (void)state;
    struct tune_case c = machine("0-3");
    assert_string_equal(list(&c, PROFILE_THREADS), "3 2 1");
    c = machine("0-15");
    assert_string_equal(list(&c, PROFILE_THREADS), "15 12 8 1");
    c = machine("0");
    assert_string_equal(list(&c, PROFILE_THREADS), "");
    assert_string_equal(list(&c, PROFILE_SPIN), "");
}

/* The default is without siblings; all CPUs, which are siblings, are tried too. */
static void threads_with_and_without_siblings(void **state)
{
    (void)state;
    siblings(0, 16);
    struct tune_case c = machine("0-15");
    assert_int_equal(c.n_threads, 8);
    assert_string_equal(list(&c, PROFILE_THREADS), "16 7 6 4 1");
    c = machine("0-1");
    assert_int_equal(c.n_threads, 1);
    assert_string_equal(list(&c, PROFILE_THREADS), "2");
    assert_string_equal(list(&c, PROFILE_SPIN), "0.02 1 50"); /* for the case that two are taken */
    c = machine("0-15");
    c.most_threads = 6; /* a quota of processor time */
    c.n_threads = 6;
    assert_string_equal(list(&c, PROFILE_THREADS), "5 4 3 1");
}

/* Eight fast cores of two CPUs and four slow ones: all CPUs, all cores without siblings, the fast cores alone by default. */
static void threads_of_a_hybrid_machine(void **state)
{
    (void)state;
    siblings(0, 16);
    plant(root, "/sys/devices/cpu_atom/cpus", "16-19\n");
    struct tune_case c = machine("0-19");
    assert_int_equal(c.n_threads, 8);
    assert_string_equal(list(&c, PROFILE_THREADS), "20 12 7 6 4 1");
}

static void neighbours_of_what_was_taken(void **state)
{
    (void)state;
    struct tune_case c = machine("0-15");
    struct tune_values v;
    tune_list_values(&v, &c);
    tune_add_beside(&v, &c, 12);
    assert_string_equal(shown(&v, PROFILE_THREADS), "15 12 8 1 11 13");
    tune_add_beside(&v, &c, 1);
    assert_string_equal(shown(&v, PROFILE_THREADS), "15 12 8 1 11 13 2");
    tune_add_beside(&v, &c, 15); /* 16 is the default */
    assert_string_equal(shown(&v, PROFILE_THREADS), "15 12 8 1 11 13 2 14");
    c.n_threads = 4;
    tune_list_values(&v, &c);
    tune_add_beside(&v, &c, 16);
    assert_string_equal(shown(&v, PROFILE_THREADS), "16 3 2 1 15");
    for (int i = 0; i < 2 * TUNE_VALUES_MOST; i++)
        tune_add_beside(&v, &(struct tune_case){.most_threads = 256}, 2 * i);
    assert_int_equal(v.n, TUNE_VALUES_MOST);
}

static void times_awake(void **state)
{
    (void)state;
    struct tune_case c = machine("0-3");
    assert_string_equal(list(&c, PROFILE_SPIN), "0.02 1 50");
    c.spin_ms = 0.02; /* under a quota */
    assert_string_equal(list(&c, PROFILE_SPIN), "1 5 50");
}

static void readers_and_chunks(void **state)
{
    (void)state;
    struct tune_case c = machine("0-3");
    assert_string_equal(list(&c, PROFILE_READER), "");
    assert_string_equal(list(&c, PROFILE_CHUNK), "");
    c.streams = 1;
    c.prompt = 1024;
    assert_string_equal(list(&c, PROFILE_READER), "threads buffered");
    assert_string_equal(list(&c, PROFILE_DEPTH), "8 16 64 128");
    assert_string_equal(list(&c, PROFILE_CHUNK), "128 256 1024");
    c.n_chunk = 576; /* of a budget that is short of memory: the usual one is a value like any other */
    assert_string_equal(list(&c, PROFILE_CHUNK), "128 256 512 1024");
    assert_true(tune_is_unseen("1025", &c) && !tune_is_unseen("1024", &c));
    c.prompt = 512; /* one chunk of 256 rows more than the longest prompts would show */
    assert_string_equal(list(&c, PROFILE_CHUNK), "");
    assert_true(tune_is_unseen("256", &c) && !tune_is_unseen("", &c));
}

/* What answers change with is in no list, whatever the profile that is there has. */
static void an_old_profile(void **state)
{
    (void)state;
    struct profile old = {.value = {[PROFILE_THREADS] = "2", [PROFILE_SPIN] = "50", [PROFILE_KV] = "q8_0"}};
    struct tune_case c = machine("0-3");
    c.old = &old;
    assert_string_equal(list(&c, PROFILE_THREADS), "- 3 2 1");
    assert_string_equal(list(&c, PROFILE_SPIN), "- 0.02 1 50");
    assert_string_equal(list(&c, PROFILE_KV), "");
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOT(threads_of_a_plain_machine),
        IN_ROOT(threads_with_and_without_siblings),
        IN_ROOT(threads_of_a_hybrid_machine),
        IN_ROOT(neighbours_of_what_was_taken),
        IN_ROOT(times_awake),
        IN_ROOT(readers_and_chunks),
        IN_ROOT(an_old_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
