/* links: quant machine kernel format base */
/* What weighs what: tensors without importance are told of, those of layers that predict in words of their own; and looking up takes work
 * in proportion to tensors. Comparisons of names are counted, not time: this program's own strcmp() and strstr() stand before the C
 * library's. */
#include "base/log.h"
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

enum { MANY = 20000, COLS = 32, EXPERTS = 2, NAME = 48 };

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

/* ---- what is told ---------------------------------------------------------------------------------------------------------------- */

static char warnings[4000];

static void on_log(enum log_level level, const char *line)
{
    size_t n = strlen(warnings);
    (void)level;
    snprintf(warnings + n, sizeof warnings - n, "%s\n", line);
}

enum { WIDE = 256, HIGH = 4 };

static const char *const up[] = {"blk.0.ffn_up.weight", "blk.1.ffn_up.weight", "blk.2.ffn_up.weight"};
static const char *const predicts = "blk.2.nextn.eh_proj.weight";
static const float x[WIDE * HIGH], zeros[WIDE], some_rows[] = {100}, no_rows[] = {0};
static float ones[WIDE];

/* Two layers and one that predicts. */
static void make_small(const struct world_importance *e, size_t n)
{
    struct world_tensor t[4];
    for (int i = 0; i < 4; i++)
        t[i] = (struct world_tensor){i < 3 ? up[i] : predicts, TYPE_F32, 2, {WIDE, HIGH}, x};
    for (int i = 0; i < WIDE; i++)
        ones[i] = 1;
    world_model(model, 3, 1, t, 4);
    if (n)
        world_importance(importance, e, n);
}

static void says(const char *text, const char *sentence)
{
    if (!strstr(text, sentence))
        fail_msg("no \"%s\" in \"%s\"", sentence, text);
}

static struct quant_options small_options(const char *type, const char *file)
{
    return (struct quant_options){
        .in = model, .out = "/nowhere/out.gguf", .program = "test", .type = type, .imatrix = file, .n_threads = 1};
}

static struct quant_job *small_job(const struct quant_options *o)
{
    warnings[0] = 0;
    log_to(on_log);
    struct quant_job *j = opened(o);
    log_to(NULL);
    return j;
}

static void refused(struct quant_job *j, const char *sentence)
{
    struct quant_watch w = {0};
    struct error err = {0};
    assert_int_equal(quant_run(j, &w, &err), -1);
    assert_true(err.code == ERR_INPUT && !w.has_begun);
    says(err.text, sentence);
    quant_close(j);
}

static void layers_that_predict(void **state)
{
    struct world_importance e[] = {{up[0], WIDE, 1, ones, some_rows}, {up[1], WIDE, 1, ones, some_rows}};
    struct quant_options o = small_options("iq2_xs", importance);
    const char *const rules[] = {"blk.2-2.=q4_k"};
    (void)state;
    make_small(e, 2);
    struct quant_job *j = small_job(&o);
    says(warnings,
         " has nothing of 2 tensors, blk.2.ffn_up.weight first, whose layers predict further tokens and are not "
         "collected by stoker imatrix: their columns all weigh the same\n");
    assert_true(j->first_draft == 2 && j->n_needs_importance == 2 && j->n_needs_draft == 2);
    assert_true(j->tensor[1].importance && !j->tensor[2].importance);
    refused(j,
            "2 tensors, blk.2.ffn_up.weight first, get types that are of little use without importance, which is not "
            "collected of layers that predict further tokens; --rule 'blk.2-2.=q4_k' gives them another type, or "
            "--no-imatrix-ok writes them all the same");
    o.rule = rules; /* as it says */
    o.n_rule = 1;
    j = small_job(&o);
    assert_true(j->n_needs_importance == 0 && j->tensor[1].type == TYPE_IQ2_XS && j->tensor[2].type == TYPE_Q4_K);
    quant_close(j);
}

static void importance_that_is_demanded(void **state)
{
    struct world_importance e[] = {{up[0], WIDE, 1, ones, some_rows}};
    struct quant_options with = small_options("iq2_xs", importance), without = small_options("iq2_xs", NULL);
    (void)state;
    make_small(e, 1);
    refused(small_job(&without),
            "4 tensors, blk.0.ffn_up.weight first, get types that are of little use without "
            "importance; --imatrix FILE gives it, which stoker imatrix collects, or --no-imatrix-ok");
    struct quant_job *j = small_job(&with);
    says(warnings, " has nothing of 1 tensors, blk.1.ffn_up.weight first: their columns all weigh the same\n");
    refused(j, " has none of them; --rule 'blk.1.ffn_up.weight=q4_k' and the like give them other types, or");
}

/* Zeros alone, or no rows, weigh nothing: as if they were not there. */
static void entries_that_say_nothing(void **state)
{
    struct world_importance e[] = {{up[0], WIDE, 1, zeros, some_rows},
                                   {up[1], WIDE, 1, ones, no_rows},
                                   {up[2], WIDE, 1, ones, some_rows},
                                   {predicts, WIDE, 1, ones, some_rows}};
    struct quant_options o = small_options("iq2_xs", importance);
    (void)state;
    make_small(e, 4);
    struct quant_job *j = small_job(&o);
    says(warnings, " has no rows, or zeros alone, of 2 tensors, blk.0.ffn_up.weight first: their columns all weigh the "
                   "same\n");
    assert_true(!j->tensor[0].importance && !j->tensor[1].importance && j->tensor[2].importance);
    assert_int_equal(j->n_needs_importance, 2);
    quant_close(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(takes_work_by_tensors), cmocka_unit_test(layers_that_predict),
                                       cmocka_unit_test(importance_that_is_demanded),
                                       cmocka_unit_test(entries_that_say_nothing)};
    close(temporary_file(model, "model"));
    close(temporary_file(importance, "importance"));
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(model);
    unlink(importance);
    return status;
}
