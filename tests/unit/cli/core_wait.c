/* links: cli server toolbox mcp library eval engine text model store op machine kernel format base */
/* Waits for a core, from planted files of proc: whose count, threads that come, and what cannot be known. */
#include "cli/bench/core_wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char root[64];

static void make_folders(void)
{
    static const char *const way[] = {"/proc", "/proc/self", "/proc/self/task"};
    char path[128];
    strcpy(root, "/tmp/stoker-wait-XXXXXX");
    assert_non_null(mkdtemp(root));
    for (size_t i = 0; i < sizeof way / sizeof *way; i++) {
        snprintf(path, sizeof path, "%s%s", root, way[i]);
        assert_int_equal(mkdir(path, 0755), 0);
    }
}

static void plant(const char *thread, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/proc/self/task/%s", root, thread);
    mkdir(path, 0755);
    strcat(path, "/schedstat");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int set_up(void **state)
{
    (void)state;
    make_folders();
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void near(double x, double want) { assert_true(x > want - 1e-9 && x < want + 1e-9); }

static void the_thread_that_ran_most(void **state)
{
    struct core_wait before, after;
    (void)state;
    plant("10", "5000000000 100000000 7\n");
    plant("11", "1000000000 900000000 7\n");
    core_wait_now(&before, root);
    assert_int_equal(before.n, 2);
    plant("10", "5100000000 700000000 9\n");
    plant("11", "4000000000 1150000000 8\n");
    core_wait_now(&after, root);
    near(core_wait_between(&before, &after), 0.25);
}

static void a_thread_that_began_meanwhile(void **state)
{
    struct core_wait before, after;
    (void)state;
    plant("10", "5000000000 100000000 7\n");
    core_wait_now(&before, root);
    plant("12", "2000000000 30000000 1\n");
    core_wait_now(&after, root);
    near(core_wait_between(&before, &after), 0.03);
}

static void what_is_not_known(void **state)
{
    struct core_wait none, some;
    (void)state;
    core_wait_now(&none, root);
    assert_int_equal(none.n, 0);
    plant("10", "");
    plant("13", "no numbers\n");
    core_wait_now(&none, root);
    assert_int_equal(none.n, 0);
    plant("10", "1 2 3\n");
    core_wait_now(&some, root);
    assert_int_equal(some.n, 1);
    assert_true(core_wait_between(&none, &some) < 0 && core_wait_between(&some, &none) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_thread_that_ran_most, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_thread_that_began_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_known, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("core_wait", tests, NULL, NULL);
}
