/* links: eval engine text model store op machine kernel format base */
/* Files of results: a run without a result leaves none, and takes away nothing but its own. */
#include "eval/results.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/stoker-results-XXXXXX";

static struct eval_results *begin(void)
{
    struct eval_results *r = NULL;
    struct error err = {0};
    json_t *header = json_pack("{s:s}", "eval", "test");
    unlink(path);
    assert_int_equal(eval_results_open(&r, path, header, 2, 0, NULL, NULL, &err), 0);
    json_decref(header);
    return r;
}

static void without_a_result(void **state)
{
    (void)state;
    struct eval_results *r = begin();
    assert_true(eval_results_is_new(r));
    eval_results_close(r);
    assert_int_equal(access(path, F_OK), -1);
}

static void with_one(void **state)
{
    (void)state;
    struct eval_results *r = begin();
    struct error err = {0};
    assert_int_equal(eval_results_add(r, json_pack("{s:i}", "chunk", 0), &err), 0);
    assert_false(eval_results_is_new(r));
    eval_results_close(r);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
}

/* Whoever found the run's flags wrong has removed its file and begun again. */
static void another_by_now(void **state)
{
    (void)state;
    struct eval_results *r = begin();
    unlink(path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("other\n", f);
    fclose(f);
    eval_results_close(r);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(without_a_result), cmocka_unit_test(with_one),
                                       cmocka_unit_test(another_by_now)};
    close(mkstemp(path));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
