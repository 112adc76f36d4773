/* links: mcp base */
/* Which arguments of a tool are said in headers too, and what breaks the rules. */
#include "mcp/param_headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct param_header found[PARAM_HEADERS];

static struct span of(const char *text) { return (struct span){text, strlen(text)}; }

static void their_values_are_found(void **state)
{
    static const char schema[] = "{\"type\":\"object\",\"properties\":{\"region\":{\"type\":\"string\",\"x-mcp-"
                                 "header\":\"Region\"},\"in\":{\"type\":"
                                 "\"object\",\"properties\":{\"n\\u0031\":{\"x-mcp-header\":\"Deep-1\",\"type\":"
                                 "\"integer\"}}},\"q\":{\"type\":\"string\"}}}";
    const char *why;
    (void)state;
    assert_int_equal(param_headers_find(of(schema), found, &why), 2);
    assert_string_equal(found[0].name, "Region");
    assert_string_equal(found[1].name, "Deep-1");
    struct span v = param_header_value(&found[0], of("{\"region\":\"north\"}"));
    assert_int_equal(v.n, 7);
    v = param_header_value(&found[1], of("{\"in\":{\"n1\":-7}}"));
    assert_true(v.n == 2 && memcmp(v.text, "-7", 2) == 0);
    assert_int_equal(param_header_value(&found[1], of("{\"in\":{}}")).n, 0);
    assert_int_equal(param_header_value(&found[1], of("{\"in\":7}")).n, 0);
    assert_int_equal(param_header_value(&found[0], of("{\"region\":null}")).n, 0);
    assert_int_equal(param_headers_find(of("{\"type\":\"object\"}"), found, &why), 0);
}

static void what_breaks_the_rules(void **state)
{
#define P(schema) "{\"properties\":{\"a\":" schema "}}"
    static const char *const broken[] = {
        "{\"x-mcp-header\":\"A\",\"type\":\"string\"}",
        P("{\"type\":\"string\",\"x-mcp-header\":\"\"}"),
        P("{\"type\":\"string\",\"x-mcp-header\":\"a b\"}"),
        P("{\"type\":\"string\",\"x-mcp-header\":\"a\\nb\"}"),
        P("{\"type\":\"string\",\"x-mcp-header\":\"\\u00e9\"}"),
        P("{\"type\":\"string\",\"x-mcp-header\":7}"),
        P("{\"type\":\"number\",\"x-mcp-header\":\"A\"}"),
        P("{\"type\":\"object\",\"x-mcp-header\":\"A\"}"),
        P("{\"type\":\"array\",\"items\":{\"type\":\"string\",\"x-mcp-header\":\"A\"}}"),
        P("{\"anyOf\":[{\"type\":\"string\",\"x-mcp-header\":\"A\"}]}"),
        ("{\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"A\"},"
         "\"b\":{\"type\":\"string\",\"x-mcp-header\":\"a\"}}}"),
    };
    const char *why;
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        if (param_headers_find(of(broken[i]), found, &why) != -1 || !why)
            fail_msg("%s is taken", broken[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(their_values_are_found),
                                       cmocka_unit_test(what_breaks_the_rules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
