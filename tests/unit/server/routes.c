/* links: server toolbox mcp library engine text model store op machine kernel format base */
/* The table of routes: what a server without a model has of it. */
#include "server/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What runs without an engine: where it is not among these, somebody has to see that its handler takes server_engine() for NULL. */
static const char *const without_engine[] = {
    "/health", "/v1/library/sources", "/v1/library/search", "/v1/library/article/*", "/v1/library/ticket", "/library/*",
    "/mcp",
};
enum { WITHOUT_ENGINE = sizeof without_engine / sizeof *without_engine };

static int runs_without_engine(const struct route *row)
{
    for (size_t i = 0; i < WITHOUT_ENGINE; i++)
        if (strcmp(without_engine[i], row->path) == 0)
            return 1;
    return 0;
}

static void without_a_model(void **state)
{
    struct route row[ROUTES_MOST];
    size_t n;
    (void)state;
    assert_ptr_equal(routes_without_model(row, &n), row);
    assert_int_equal(n, WITHOUT_ENGINE);
    for (size_t i = 0; i < n; i++) {
        assert_true(row[i].flags & ROUTE_NO_MODEL);
        if (!runs_without_engine(&row[i]))
            fail_msg("%s %s is offered without a model", row[i].method, row[i].path);
    }
}

/* Each flagged row is offered as it is, in the table's order. */
static void with_one(void **state)
{
    struct route row[ROUTES_MOST];
    size_t n_all, n, k = 0;
    const struct route *all = routes_all(&n_all);
    (void)state;
    routes_without_model(row, &n);
    for (size_t i = 0; i < n_all; i++) {
        if (!(all[i].flags & ROUTE_NO_MODEL))
            continue;
        assert_true(k < n);
        assert_ptr_equal(row[k].path, all[i].path);
        assert_ptr_equal(row[k].method, all[i].method);
        assert_true(row[k].handle == all[i].handle && row[k].flags == all[i].flags);
        k++;
    }
    assert_int_equal(k, n);
    assert_true(n < n_all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(without_a_model), cmocka_unit_test(with_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
