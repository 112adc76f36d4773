/* links: cli server toolbox mcp library eval engine text model store op machine kernel format base */
/* What bench says of roofs that it measures a second time, behind its rows: measurements are made up. */
#include "cli/machine/roofs.h"
#include "cli/bench/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int is_left, fails, n_measured;
static struct stoker_roofs next;

/* In place of cli/machine/roofs.c. */
uint64_t roofs_memory(const struct stoker_options *o)
{
    (void)o;
    return (uint64_t)384 << 20;
}

int roofs_can_measure(const struct stoker_options *o)
{
    (void)o;
    return is_left;
}

int roofs_can_wait(const struct stoker_plan *p, const struct stoker_options *o)
{
    (void)p, (void)o;
    return 0;
}

int roofs_measure(struct stoker_roofs *out, const char *model, const struct stoker_options *o, int cold,
                  struct stoker_error *err)
{
    (void)model, (void)o, (void)cold;
    n_measured++;
    *out = next;
    snprintf(err->text, sizeof err->text, "no memory");
    return fails ? -1 : 0;
}

static const struct stoker_roofs first = {.memory = 10e9, .int8 = 1e12, .f32 = 1e11};

/* What is warned of on stderr behind rows that were measured under these roofs. */
static const char *warned(struct stoker_roofs under)
{
    static char text[512];
    struct bench b = {.model = "m.gguf", .roofs = under};
    FILE *f = tmpfile();
    fflush(stderr);
    int was = dup(STDERR_FILENO);
    assert_true(f && was >= 0 && dup2(fileno(f), STDERR_FILENO) >= 0);
    bench_check_roofs(&b);
    fflush(stderr);
    assert_true(dup2(was, STDERR_FILENO) >= 0);
    close(was);
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    return text;
}

static int begin(void **state)
{
    (void)state;
    is_left = 1;
    fails = n_measured = 0;
    next = first;
    return 0;
}

static void a_machine_that_stays(void **state)
{
    (void)state;
    next.memory = 10.9e9;
    assert_string_equal(warned(first), "");
    assert_int_equal(n_measured, 1);
}

static void a_roof_that_moved(void **state)
{
    (void)state;
    next.memory = 8e9;
    assert_string_equal(
        warned(first),
        "stoker bench: the roof of memory went from 10 to 8 GB/s while this was measured (20 %): other programs "
        "or clocks changed the machine; efficiencies are of the first\n");
    next = first;
    next.int8 = 2e12;
    assert_non_null(strstr(warned(first), "the roof of int8 went from 2 to 4 Tops "));
}

static void roofs_that_cannot_be_measured_again(void **state)
{
    (void)state;
    is_left = 0;
    assert_string_equal(
        warned(first), "stoker bench: whether a roof moved is not known, since measuring them again takes 384.0 MiB of "
                       "memory, which this machine has not left\n");
    assert_int_equal(n_measured, 0);
    is_left = fails = 1;
    assert_string_equal(
        warned(first),
        "stoker bench: whether a roof moved is not known, since they cannot be measured again: no memory\n");
}

/* What was not known before cannot move. */
static void rows_without_roofs(void **state)
{
    (void)state;
    is_left = 0;
    assert_string_equal(warned((struct stoker_roofs){0}), "");
    assert_int_equal(n_measured, 0);
}

#define OF_BENCH(test) cmocka_unit_test_setup(test, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {OF_BENCH(a_machine_that_stays), OF_BENCH(a_roof_that_moved),
                                       OF_BENCH(roofs_that_cannot_be_measured_again), OF_BENCH(rows_without_roofs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
