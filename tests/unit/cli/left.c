/* links: cli server toolbox mcp library eval engine text model store op machine kernel format base */
/* What is measured on a machine with little memory: nothing that takes more than is left, which is made up here. */
#include "cli/machine/left.h"
#include "cli/doctor/doctor.h"
#include "cli/machine/drive.h"
#include "machine/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char model[] = "models/ember/ember.gguf";
static uint64_t left;

/* In place of this machine's. */
uint64_t machine_memory(const char *root, const char **from)
{
    (void)root;
    *from = "cgroup";
    return left;
}

uint64_t machine_limit(const char *root)
{
    (void)root;
    return UINT64_MAX;
}

uint64_t machine_slow_limit(const char *root) { return machine_limit(root); }

static void more_than_it_takes(void **state)
{
    (void)state;
    left = 1 << 20;
    assert_int_equal(left_for_measuring((1 << 20) - 1, "this"), 1);
    assert_int_equal(left_for_measuring(1 << 20, "this"), 0);
    left = 0;
    assert_int_equal(left_for_measuring(1 << 20, "this"), 0);
}

/* The file is open all the same. */
static void a_drive(void **state)
{
    struct drive d;
    double rate = 0;
    (void)state;
    left = DRIVE_MEMORY;
    assert_int_equal(drive_open(&d, model), 0);
    assert_int_equal(drive_take_memory(&d), -1);
    assert_null(d.memory.base);
    assert_true(d.file.size > 0);
    drive_close(&d);
    assert_int_equal(drive_rate_of_model(model, 1 << 20, &rate), -1);
    assert_int_equal(drive_roof_of_model(model, 1 << 20, &rate), -1);
    assert_true(rate == 0);
}

/* What is found of both before, or without measuring, stays. */
static void a_doctor(void **state)
{
    static struct findings f;
    struct facts facts = {.n_cpu = 0};
    struct stoker_plan p = {.n_class = 0};
    (void)state;
    left = 1 << 20;
    found(&f, "ulimit", "a limit");
    examine_memory_rate(&f, &facts);
    assert_true(facts.memory_rate == 0);
    assert_int_equal(examine_drive(&f, "", model, &p, &facts), 0);
    assert_true(facts.drive_rate == 0);
    assert_true(findings_have(&f, "ulimit"));
    assert_false(findings_have(&f, "memory-rate") || findings_have(&f, "slow-drive"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(more_than_it_takes), cmocka_unit_test(a_drive),
                                       cmocka_unit_test(a_doctor)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
