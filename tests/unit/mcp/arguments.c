/* links: mcp base */
/* Arguments against schemas: what fits, and the sentence about what does not, with its path; texts that want all of the time. */
#include "mcp/arguments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct span span_of(const char *text) { return (struct span){text, strlen(text)}; }

/* why: what is said; "": it fits. */
static void expect(const char *schema, const char *arguments, const char *why)
{
    struct buffer said = {0};
    int fits = arguments_fit(span_of(schema), span_of(arguments), &said);
    buffer_put(&said, "", 1);
    assert_string_equal(said.text, why);
    assert_int_equal(fits, *why == 0);
    buffer_free(&said);
}

static const char invoice[] =
    "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"},"
    "\"how\":{\"type\":\"object\",\"properties\":{\"dry\":{\"type\":\"boolean\"},\"level\":{\"type\":\"string\","
    "\"enum\":[\"low\",\"h\\u0069gh\"]}},\"additionalProperties\":false},\"tags\":{\"type\":\"array\",\"items\":{"
    "\"type\":[\"string\",\"null\"]}}},\"required\":[\"id\"],\"additionalProperties\":false}";

static void sentences(void **state)
{
    (void)state;
    expect(invoice, "{\"id\":\"i7\"}", "");
    expect(invoice, "{\"\\u0069d\":\"i7\",\"n\":-3,\"how\":{\"dry\":true,\"level\":\"high\"},\"tags\":[\"a\",null]}",
           "");
    expect(invoice, "{}", "arguments.id is missing");
    expect(invoice, "{\"invoice\":1}", "arguments.id is missing");
    expect(invoice, "{\"id\":7}", "arguments.id must be of type string");
    expect(invoice, "{\"id\":\"a\",\"n\":1.5}", "arguments.n must be of type integer");
    expect(invoice, "{\"id\":\"a\",\"n\":1e400}", "");
    expect(invoice, "{\"id\":\"a\",\"n\":3.0}", "");
    expect(invoice, "{\"id\":\"a\",\"x\":1}", "arguments.x is not known; there are id, n, how, tags");
    expect(invoice, "{\"id\":\"a\",\"how\":{\"wet\":true}}", "arguments.how.wet is not known; there are dry, level");
    expect(invoice, "{\"id\":\"a\",\"how\":{\"level\":\"top\"}}",
           "arguments.how.level must be one of [\"low\",\"h\\u0069gh\"]");
    expect(invoice, "{\"id\":\"a\",\"tags\":[\"a\",7]}",
           "arguments.tags[1] must be of one of the types [\"string\",\"null\"]");
}

/* What is not held to is the server's to judge. */
static void others(void **state)
{
    (void)state;
    expect("{}", "{\"a\":1}", "");
    expect("{\"type\":\"thing\"}", "{}", "");
    expect("{\"type\":7,\"required\":\"id\",\"properties\":[],\"items\":3}", "{\"a\":[1]}", "");
    expect("{\"additionalProperties\":{\"type\":\"string\"}}", "{\"a\":1}", "arguments.a must be of type string");
    expect("{\"additionalProperties\":false,\"patternProperties\":{\"^x\":{}}}", "{\"xy\":1}", "");
    expect("{\"additionalProperties\":{\"type\":\"integer\"},\"patternProperties\":{\"^x\":{}}}", "{\"xy\":\"s\"}", "");
    expect("{\"properties\":{\"a\":{\"prefixItems\":[{}],\"items\":{\"type\":\"integer\"}}}}", "{\"a\":[\"s\",1]}", "");
    expect("{\"properties\":{\"a\":{\"const\":\"b\"}}}", "{\"a\":\"c\"}", "arguments.a must be what its schema says");
    expect("{\"properties\":{\"a\":{\"$ref\":\"#/$defs/x\"}}}", "{\"a\":\"c\"}", "");
    expect("{\"required\":[\"a\\u0000b\"]}", "{\"a\":1}", "arguments.a?b is missing");
    expect("{\"required\":[\"a\\u0000b\"]}", "{\"a\\u0000b\":1}", "");
}

/* A path, a name, a list of words are cut; depth and work end. */
static void bounds(void **state)
{
    (void)state;
    enum { DEEP = 120, MANY = 200000 };
    struct buffer schema = {0}, value = {0}, why = {0};
    for (int i = 0; i < DEEP; i++) {
        buffer_puts(&schema, "{\"items\":");
        buffer_puts(&value, "[");
    }
    buffer_puts(&schema, "{\"type\":\"string\"}");
    buffer_puts(&value, "7");
    for (int i = 0; i < DEEP; i++) {
        buffer_puts(&schema, "}");
        buffer_puts(&value, "]");
    }
    assert_int_equal(arguments_fit((struct span){schema.text, schema.n}, (struct span){value.text, value.n}, &why), 1);
    schema.n = value.n = why.n = 0;
    buffer_puts(&schema, "{\"additionalProperties\":{\"type\":\"integer\"},\"required\":[\"k\"");
    buffer_puts(&value, "{\"k\":1");
    for (int i = 0; i < MANY; i++) {
        char text[40];
        snprintf(text, sizeof text, ",\"k%d\"", i);
        buffer_puts(&schema, text);
        buffer_puts(&value, text);
        buffer_puts(&value, ":1");
    }
    buffer_puts(&schema, "]}");
    buffer_puts(&value, "}");
    assert_int_equal(arguments_fit((struct span){schema.text, schema.n}, (struct span){value.text, value.n}, &why), 1);
    schema.n = value.n = 0; /* a long list of words for each of many strings */
    buffer_puts(&schema, "{\"additionalProperties\":{\"items\":{\"enum\":[\"k\"");
    buffer_puts(&value, "{\"a\":[\"z\"");
    for (int i = 0; i < MANY; i++) {
        buffer_puts(&schema, ",\"word\"");
        buffer_puts(&value, ",\"word\"");
    }
    buffer_puts(&schema, "]}}}");
    buffer_puts(&value, "]}");
    why.n = 0;
    assert_int_equal(arguments_fit((struct span){schema.text, schema.n}, (struct span){value.text, value.n}, &why), 0);
    memcpy(value.text + 6, "\"k\"", 3); /* the first one fits: the work ends before the others are looked at */
    assert_int_equal(arguments_fit((struct span){schema.text, schema.n}, (struct span){value.text, value.n}, &why), 1);
    value.n = why.n = 0;
    buffer_puts(&value, "{\"");
    for (int i = 0; i < 1000; i++)
        buffer_puts(&value, "long");
    buffer_puts(&value, "\":\"x\"}");
    assert_int_equal(
        arguments_fit(span_of("{\"additionalProperties\":false}"), (struct span){value.text, value.n}, &why), 0);
    assert_true(why.n < 200);
    buffer_free(&schema);
    buffer_free(&value);
    buffer_free(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sentences), cmocka_unit_test(others), cmocka_unit_test(bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
