/* links: quant machine kernel format base */
/* What weighs what: looking up importance takes work in proportion to tensors. Comparisons of names are counted, not time: this
 * program's own strcmp() and strstr() stand before the C library's. */
#include "quant/importance.h"
#include "quant/quant.h"
#include "quant_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static char model[TEMPORARY_PATH], importance[TEMPORARY_PATH];
static unsigned long n_compared;

int strcmp(const char *a, const char *b)
{
    n_compared++;
    for (; *a && *a == *b; b++)
        a++;
    return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    n_compared++;
    for (; n && *a && *a == *b; b++, n--)
        a++;
    return n ? (unsigned char)*a - (unsigned char)*b : 0;
}

char *strstr(const char *a, const char *b)
{
    n_compared++;
    return memmem(a, strlen(a), b, strlen(b));
}

static struct quant_job *opened(const struct quant_options *o)
{
    struct quant_job *j;
    struct error err = {0};
    if (quant_open(&j, o, &err))
        fail_msg("%s", err.text);
    return j;
}

/* ---- work ------------------------------------------------------------------------------------------------------------------------ */

enum { MANY = 20000, COLS = 32, EXPERTS = 2, NAME = 40 };

/* Each in a layer of its own, so that nothing is found early. */
static void make_many(size_t n)
{
    static char name[MANY][NAME];
    static struct world_tensor t[MANY];
    static struct world_importance e[MANY];
    for (size_t i = 0; i < n; i++) {
        snprintf(name[i], NAME, "blk.%zu.ffn_up_exps.weight", i);
        t[i] = (struct world_tensor){name[i], TYPE_F32, 3, {COLS, 2, EXPERTS}, NULL};
        e[i] = (struct world_importance){name[i], COLS, EXPERTS, NULL, NULL};
    }
    world_model(model, (uint32_t)n, 0, t, n);
    world_importance(importance, e, n);
}

static double work_a_tensor(size_t n)
{
    struct quant_options o = {.in = model,
                              .out = "/nowhere/out.gguf",
                              .program = "test",
                              .type = "q8_0",
                              .imatrix = importance,
                              .header_only = 1,
                              .n_threads = 1};
    make_many(n);
    n_compared = 0;
    struct quant_job *j = opened(&o);
    unsigned long work = n_compared;
    for (size_t i = 0; i < n; i++)
        assert_ptr_equal(j->tensor[i].experts, importance_named(j->importance, j->in->tensor[i].name));
    quant_close(j);
    return (double)work / (double)n;
}

/* Four times the tensors are sorted by a few comparisons more each. */
static void takes_work_by_tensors(void **state)
{
    (void)state;
    double few = work_a_tensor(MANY / 4), many = work_a_tensor(MANY);
    assert_true(few > 10 && few < 500);
    if (many > 1.5 * few)
        fail_msg("%.0f comparisons a tensor of %d, %.0f of %d", many, MANY, few, MANY / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(takes_work_by_tensors)};
    close(temporary_file(model, "model"));
    close(temporary_file(importance, "importance"));
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(model);
    unlink(importance);
    return status;
}
