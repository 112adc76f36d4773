/* links: quant machine kernel format base */
/* What a recipe takes is in the plan, whatever its lines and patterns are; and how long it takes is bounded. */
#include "quant/quant.h"
#include "quant_world.h"
#include "sanitized.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static char model[TEMPORARY_PATH], recipe[TEMPORARY_PATH];

/* By the recipe as it is: the plan's index, and by how much opening the job has raised the peak of this process. */
static uint64_t index_of_recipe(uint64_t *grown)
{
    struct quant_options o = {.in = model,
                              .out = "/nowhere/out.gguf",
                              .program = "test",
                              .type = "q8_0",
                              .recipe = recipe,
                              .header_only = 1,
                              .n_threads = 2};
    struct quant_job *j;
    struct error err = {0};
    uint64_t before = world_peak();
    if (quant_open(&j, &o, &err))
        fail_msg("%s", err.text);
    *grown = world_peak() - before;
    uint64_t index = j->plan.share[QUANT_INDEX];
    quant_close(j);
    return index;
}

static void of_lines_without_rules(void **state)
{
    enum { LINES = 1000000 };
    uint64_t grown;
    FILE *f = fopen(recipe, "w");
    (void)state;
    assert_non_null(f);
    for (int i = 0; i < LINES; i++)
        fputc('\n', f);
    assert_int_equal(fclose(f), 0);
    assert_true(index_of_recipe(&grown) < 8 * MIB);
    assert_true(SANITIZED || grown < 8 * MIB);
}

/* A class of two letters is 4 bytes long and compiled 33. */
static void of_recipe(void **state)
{
    enum { RULES = 4000, CLASSES = 60 };
    uint64_t grown;
    FILE *f = fopen(recipe, "w");
    (void)state;
    assert_non_null(f);
    for (int i = 0; i < RULES; i++) {
        fputs("attn_q|", f);
        for (int k = 0; k < CLASSES; k++)
            fputs("[ab]", f);
        fputs("=q8_0\n", f);
    }
    assert_int_equal(fclose(f), 0);
    uint64_t index = index_of_recipe(&grown);
    assert_true(index > 10 * MIB && index < 24 * MIB);
    assert_true(SANITIZED || (grown > 8 * MIB && grown < index + MIB));
}

/* Refused by one rule on a tensor of that name, with these words. */
static void refused(const char *name, const char *rule, const char *words)
{
    struct world_tensor t = {name, TYPE_BF16, 2, {256, 256}, NULL};
    struct quant_options o = {.in = model,
                              .out = "/nowhere/out.gguf",
                              .program = "test",
                              .type = "q8_0",
                              .rule = &rule,
                              .n_rule = 1,
                              .header_only = 1,
                              .n_threads = 2};
    struct quant_job *j;
    struct error err = {0};
    world_model(model, 1, 0, &t, 1);
    if (!quant_open(&j, &o, &err)) {
        quant_close(j);
        fail_msg("%s is not refused", rule);
    }
    if (!strstr(err.text, words))
        fail_msg("%s", err.text);
}

/* PCRE2's limit of steps holds at each place where a match may begin: where there are many, a bounded match takes for ever too. */
static void of_a_long_name(void **state)
{
    enum { LONG = 60000 };
    static char name[LONG + 1];
    (void)state;
    memset(name, 'a', LONG);
    refused(name, "(?:a|aa){0,12}[YZ]=f16", "take too long");
    refused(name, "(?i)A(?:a|aa){0,12}[YZ]=f16", "take too long");
    refused(name, "(*NO_START_OPT)(?:a|aa){0,12}[YZ]=f16", "take too long");
}

/* What PCRE2 refuses for another reason takes no time. */
static void of_a_name_without_characters(void **state)
{
    (void)state;
    refused("blk.0.\xff.weight", "(*UTF)attn=f16",
            "--rule: (*UTF)attn=f16: the pattern cannot be searched for in "
            "blk.0.?.weight: UTF-8 error: ");
}

int main(void)
{
    static const struct world_tensor t = {"blk.0.attn_q.weight", TYPE_BF16, 2, {256, 256}, NULL};
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_lines_without_rules), cmocka_unit_test(of_recipe),
                                       cmocka_unit_test(of_a_long_name),
                                       cmocka_unit_test(of_a_name_without_characters)};
    close(temporary_file(model, "model"));
    close(temporary_file(recipe, "recipe"));
    world_model(model, 1, 0, &t, 1);
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(model);
    unlink(recipe);
    return status;
}
