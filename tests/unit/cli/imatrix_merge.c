/* links: cli server toolbox mcp library eval quant engine text model store op machine kernel format base */
/* What files of importance say of a tensor of several matrices is added up only where both mean the same matrices. */
#include "cli/imatrix/imatrix.h"
#include "quant/importance.h"
#include "quant_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { ALL = 12 };
static const char name[] = "blk.0.ffn_up_exps.weight";
enum { PATH = TEMPORARY_PATH + 8 };
static char folder[TEMPORARY_PATH], first[PATH], second[PATH], out[PATH];

static int set_up(void **state)
{
    (void)state;
    int failed = temporary_folder(folder, "merge");
    snprintf(first, sizeof first, "%s/first", folder);
    snprintf(second, sizeof second, "%s/second", folder);
    snprintf(out, sizeof out, "%s/out", folder);
    return failed;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(first) || unlink(second) || unlink(out) || rmdir(folder);
}

/* The sums of one file are 1, 2, 3 ..., of the other a hundred times that; rows are 10 and 20, in matrix i more by i. */
static void write_one(const char *path, uint64_t n_mat, float by, float rows)
{
    float sum[ALL], count[ALL];
    for (int i = 0; i < ALL; i++) {
        sum[i] = by * (float)(i + 1);
        count[i] = rows + (float)i;
    }
    const struct world_importance e = {name, ALL / n_mat, n_mat, sum, count};
    world_importance(path, &e, 1);
}

static int merge(void)
{
    const char *file[] = {first, second};
    const struct imatrix_command m = {
        .c.n_ctx = 64, .out = out, .form = IMPORTANCE_GGUF, .force = 1, .file = file, .n_file = 2};
    return imatrix_merge(&m);
}

static void of_other_matrices(void **state)
{
    (void)state;
    write_one(first, 3, 1, 10);
    write_one(second, 2, 100, 20);
    assert_int_equal(merge(), 2);
    write_one(first, 2, 1, 10);
    write_one(second, 3, 100, 20);
    assert_int_equal(merge(), 2);
}

/* A file that has one row for all of them has one count, which is each one's. */
static void of_one_row(void **state)
{
    (void)state;
    struct importance *m;
    struct error err = {0};
    for (int k = 0; k < 2; k++) {
        write_one(first, k ? 1 : 3, 1, 10);
        write_one(second, k ? 3 : 1, 100, 20);
        assert_int_equal(merge(), 0);
        assert_int_equal(importance_open(&m, out, &err), 0);
        const struct importance_entry *e = importance_named(m, name);
        assert_true(e && e->n_cols == 4 && e->n_mat == 3 && e->n_counts == 3);
        struct importance_values v;
        float *room = calloc(importance_floats(e), sizeof *room);
        assert_int_equal(importance_read(m, e, room, &v, &err), 0);
        for (int i = 0; i < ALL; i++)
            assert_float_equal(v.sum[i], 101 * (i + 1), 1e-3);
        for (int i = 0; i < 3; i++)
            assert_float_equal(importance_rows(e, (uint64_t)i), 30 + i, 1e-3);
        free(room);
        importance_close(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_other_matrices), cmocka_unit_test(of_one_row)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
