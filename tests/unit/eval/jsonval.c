/* links: eval engine text model store op machine kernel format base */
/* Whether a value fits a schema, its members in any order, wherever the schema declares them; what an answer is right about. */
#include "eval/jsonval.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int fits(const char *schema, const char *value)
{
    json_t *item = json_pack("{s:o}", "schema", json_loads(schema, JSON_DECODE_ANY, NULL)),
           *of = json_loads(value, JSON_DECODE_ANY, NULL);
    struct error err = {0};
    assert_non_null(item);
    assert_non_null(of);
    int is = eval_json_fits(item, NULL, of, &err);
    json_decref(item);
    json_decref(of);
    return is;
}

static void members_in_any_order(void **state)
{
    (void)state;
    static const char pair[] =
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"string\"}},"
        "\"required\":[\"a\",\"b\"],\"additionalProperties\":false}";
    static const char right[] = "{\"b\":\"x\",\"a\":1}", wrong[] = "{\"b\":1,\"a\":1}";
    static const char *const places[][3] = {{"", "", ""},
                                            {"{\"$ref\":\"#/$defs/p\",\"$defs\":{\"p\":", "", "}}"},
                                            {"{\"anyOf\":[{\"type\":\"null\"},", "", "]}"},
                                            {"{\"oneOf\":[{\"type\":\"string\"},", "", "]}"},
                                            {"{\"allOf\":[", "", "]}"},
                                            {"{\"type\":\"array\",\"prefixItems\":[", "[", "]}"},
                                            {"{\"type\":\"array\",\"items\":", "[", "}"},
                                            {"{\"patternProperties\":{\"^k\":", "{\"k\":", "}}"},
                                            {"{\"additionalProperties\":", "{\"other\":", "}"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *open = places[i][1], *end = *open == '[' ? "]" : *open ? "}" : "";
        char schema[512], good[80], bad[80];
        snprintf(schema, sizeof schema, "%s%s%s", places[i][0], pair, places[i][2]);
        snprintf(good, sizeof good, "%s%s%s", open, right, end);
        snprintf(bad, sizeof bad, "%s%s%s", open, wrong, end);
        if (fits(schema, good) != 1 || fits(schema, bad) != 0)
            fail_msg("under %s: %s %d, %s %d", schema, good, fits(schema, good), bad, fits(schema, bad));
    }
}

static void edges(void **state)
{
    (void)state;
    static const char list[] =
        "{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"integer\"},\"next\":{\"$ref\":\"#\"}},"
        "\"required\":[\"v\"],\"additionalProperties\":false}";
    assert_int_equal(fits(list, "{\"next\":{\"next\":{\"v\":3},\"v\":2},\"v\":1}"), 1); /* it leads to itself */
    assert_int_equal(fits(list, "{\"next\":{\"next\":{\"w\":3},\"v\":2},\"v\":1}"), 0);
    assert_int_equal(
        fits("{\"properties\":{\"$ref\":{\"type\":\"string\"}},\"enum\":[{\"$ref\":\"#\"}]}", "{\"$ref\":\"#\"}"),
        1); /* which is no reference */
    assert_int_equal(fits("true", "[1]"), 1);
    assert_int_equal(fits("false", "1"), 0);
    assert_int_equal(fits("{}", "{\"a\":{}}"), 1);
    assert_int_equal(fits("{\"enum\":[\"x\",2]}", "2"), 1);
    assert_int_equal(fits("{\"const\":3}", "2"), 0);
    assert_int_equal(fits("{\"allOf\":[{\"minimum\":2}],\"maximum\":4,\"type\":\"integer\"}", "5"), 0);
    assert_int_equal(fits("{\"type\":\"string\",\"maxLength\":2}", "\"abc\""), 0);
}

static void what_is_right(void **state)
{
    (void)state;
    json_t *item = json_loads("{\"schema\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}},"
                              "\"required\":[\"a\"]},\"expect_value\":{\"a\":1}}",
                              0, NULL);
    static const struct {
        const char *text;
        unsigned char parses, valid, value, wrapped;
    } cases[] = {{"{\"a\":1}", 1, 1, 1, 0},     {"{\"a\":1.0}", 1, 1, 1, 0}, {"So: {\"a\":1}.", 1, 1, 1, 1},
                 {"{\"a\":\"1\"}", 1, 0, 0, 0}, {"{\"a\":1", 0, 0, 0, 0},    {"{\"a\":1,\"a\":2}", 0, 0, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct eval_json_answer a = {.text = cases[i].text};
        unsigned char right[EVAL_JSON_RATES];
        struct error err = {0};
        assert_int_equal(eval_json_judge(item, &a, right, &err), 0);
        if (right[EVAL_JSON_PARSES] != cases[i].parses || right[EVAL_JSON_VALID] != cases[i].valid ||
            right[EVAL_JSON_VALUE] != cases[i].value || right[EVAL_JSON_WRAPPED] != cases[i].wrapped)
            fail_msg("%s: %d %d %d %d", cases[i].text, right[EVAL_JSON_PARSES], right[EVAL_JSON_VALID],
                     right[EVAL_JSON_VALUE], right[EVAL_JSON_WRAPPED]);
    }
    json_decref(item);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(members_in_any_order), cmocka_unit_test(edges),
                                       cmocka_unit_test(what_is_right)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
