/* links: server toolbox mcp library kernel format base */
/* Strict reading, paths in refusals, writing what reads back. */
#include "server/http/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_code(const char *text, size_t n, const char *code)
{
    struct refusal r = {0};
    json_t *v = json_read(text, n, &r);
    if (v)
        fail_msg("%.60s was taken", text);
    assert_int_equal(r.status, 400);
    assert_string_equal(r.code, code);
    assert_true(*r.text != 0);
}

static void refused(void **state)
{
    static const struct {
        const char *text, *code;
    } cases[] = {{"", "invalid_json"},
                 {"{\"a\":[", "invalid_json"},
                 {"{} x", "invalid_json"},
                 {"{}}", "invalid_json"},
                 {"{\"a\":NaN}", "invalid_json"},
                 {"{'a':1}", "invalid_json"},
                 {"{\"a\":\"b\nc\"}", "invalid_json"},
                 {"{\"a\":\"\\ud800\"}", "invalid_json"},
                 {"{\"a\":\"\\udc00\\ud800\"}", "invalid_json"},
                 {"{\"a\":01}", "invalid_json"},
                 {"{\"a\":1.}", "invalid_json"},
                 {"{\"a\":-1.e5}", "invalid_json"},
                 {"{\"a\":1.5e}", "invalid_json"},
                 {"{\"a\":.5}", "invalid_json"},
                 {"{1.5:1.5}", "invalid_json"},
                 {"{\"a\":1.5", "invalid_json"},
                 {"{\"\\u0001\":\"1.5\"}", "invalid_json"},
                 {"{\"a\":{\"\\u0001\" \n :1}}", "invalid_json"},
                 {"{\"a\":1,\"b\":2,\"a\":3}", "duplicate_key"},
                 {"{\"x\":{\"a\":1,\"\\u0061\":2}}", "duplicate_key"},
                 {"{\"a\":\"\xff\xfe\"}", "invalid_utf8"},
                 {"{\"a\":\"\xed\xa0\x80\"}", "invalid_utf8"},
                 {"[]", "invalid_type"},
                 {"\"x\"", "invalid_type"},
                 {"1.5", "invalid_type"},
                 {"null", "invalid_type"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_code(cases[i].text, strlen(cases[i].text), cases[i].code);
}

/* jansson overlooks one behind a number. */
static void raw_zeros(void **state)
{
    static const char *const texts[] = {"{\"a\":1@}", "{\"a\":1.5@}", "{\"a\":[true@]}", "{\"a\":@1}", "{}@", "@{}"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[20];
        size_t n = strlen(texts[i]);
        memcpy(text, texts[i], n);
        *(char *)memchr(text, '@', n) = 0;
        assert_code(text, n, "invalid_json");
    }
}

static void depth_and_size(void **state)
{
    size_t most = 2 * JSON_VALUES + 100;
    char *text = malloc(most);
    struct refusal r = {0};
    (void)state;
    for (int depth = JSON_DEPTH - 1; depth <= JSON_DEPTH; depth++) { /* the object itself is a level */
        memcpy(text, "{\"a\":", 5);
        memset(text + 5, '[', (size_t)depth);
        memset(text + 5 + depth, ']', (size_t)depth);
        strcpy(text + 5 + 2 * depth, "}");
        json_t *v = depth < JSON_DEPTH ? json_read(text, strlen(text), &r) : NULL;
        if (depth < JSON_DEPTH)
            assert_non_null(v);
        else
            assert_code(text, strlen(text), "json_too_deep");
        json_decref(v);
    }
    memset(text, '[', most);
    assert_code(text, most, "json_too_deep");
    /* brackets in strings are none */
    memcpy(text, "{\"a\":\"\\\"", 8);
    strcpy(text + 1000, "\"}");
    json_t *v = json_read(text, strlen(text), &r);
    assert_non_null(v);
    json_decref(v);
    size_t n = (size_t)sprintf(text, "{\"a\":[0");
    for (size_t i = 0; i < JSON_VALUES; i++)
        n += (size_t)sprintf(text + n, ",1");
    n += (size_t)sprintf(text + n, "]}");
    assert_null(json_read(text, n, &r));
    assert_int_equal(r.status, 413);
    free(text);
}

static void zero_characters(void **state)
{
    static const char text[] = "{\"a\":\"x\\u0000y\"}";
    struct refusal r = {0};
    json_t *v = json_read(text, sizeof text - 1, &r);
    const char *s;
    size_t n;
    (void)state;
    assert_int_equal(json_get_text(v, NULL, "a", &s, &n, &r), 1);
    assert_int_equal(n, 3);
    assert_memory_equal(s, "x\0y", 3);
    json_decref(v);
}

static void paths(void **state)
{
    const struct json_at list = {NULL, "messages", 0}, item = {&list, NULL, 2}, calls = {&item, "tool_calls", 0},
                         call = {&calls, NULL, 0};
    char out[64], small[10];
    (void)state;
    assert_string_equal(json_path(out, sizeof out, NULL, "seed"), "seed");
    assert_string_equal(json_path(out, sizeof out, &item, "content"), "messages[2].content");
    assert_string_equal(json_path(out, sizeof out, &call, NULL), "messages[2].tool_calls[0]");
    assert_string_equal(json_path(out, sizeof out, NULL, NULL), "");
    assert_string_equal(json_path(small, sizeof small, &call, "x"), "messages[");
}

/* Every number of JSON is taken, and written as it was. */
static void numbers_as_written(void **state)
{
    static const char text[] = "{\"a\":[0,-0,7,-12,9223372036854775807,-9223372036854775808,9223372036854775808,"
                               "-9223372036854775809,123456789012345678901234567890],\"b\":{\"c\":1.0,\"d\":1.50},"
                               "\"e\":[1e400,-1E+400,1e-999,0.10,5e0,-0.0],\"\\u0001x\":\"\\u0001\"}";
    struct refusal r = {0};
    struct out o = {0};
    json_t *v = json_read(text, sizeof text - 1, &r);
    (void)state;
    assert_non_null(v);
    out_value(&o, v);
    assert_int_equal(o.n, sizeof text - 1);
    assert_memory_equal(o.text, text, o.n);
    char *dumped = json_dump_spelled(v, JSON_COMPACT);
    assert_string_equal(dumped, text);
    free(dumped);
    dumped = json_dump_spelled(json_object_get(v, "b"), 0);
    assert_string_equal(dumped, "{\"c\": 1.0, \"d\": 1.50}");
    free(dumped);
    out_free(&o);
    json_decref(v);
}

/* A fault is named where it stands in the text, whatever numbers come before it. */
static void places(void **state)
{
    static const char *const texts[] = {"{\"a\":[1,2,3,4],\"b\":x}", "{\"a\":[1.5,1e99,-0,4],\"b\":x}",
                                        "{\"a\":1.5,\"b\":[\"long text\", 1e400 135]}",
                                        "{\"a\":1.5,\"b\":[\"long text\", 1e400 1.5]}"},
                             *const where[] = {"near byte 20", "near byte 26", "near byte 36", "near byte 36"};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct refusal r = {0};
        assert_null(json_read(texts[i], strlen(texts[i]), &r));
        if (!strstr(r.text, where[i]))
            fail_msg("%s: %s", texts[i], r.text);
    }
}

/* Objects that are only passed on keep what jansson has no place for; others do not, wherever they are and however deep. */
static void kept_objects(void **state)
{
    static const char *const way[] = {"m", NULL, "i"};
    static const struct json_place place = {way, 3};
    static const struct {
        const char *text, *out; /* out: with spaces; NULL: refused, with code */
        const char *code;
    } cases[] = {
        {"{\"m\":[{\"i\":{\"a\":1,\"a\":[2,{}]}}]}", "{\"m\": [{\"i\": {\"a\": 1, \"a\": [2, {}]}}]}", NULL},
        {"{\"x\":{\"m\":1},\"m\":[0,{\"j\":{},\"i\":{\"\\u0001\":\"\\/\\u00e9\"}}, {\"i\":{\"\\u0000\":1.50,\n\"b\" "
         ":\t[ ]}}]}",
         "{\"x\": {\"m\": 1}, \"m\": [0, {\"j\": {}, \"i\": {\"\\u0001\": \"/\xc3\xa9\"}}, {\"i\": {\"\\u0000\": 1.50, "
         "\"b\": []}}]}",
         NULL},
        {"{\"m\":[{\"i\":{\"m\":[{\"i\":{\"i\":1,\"i\":\"}\"}}]}},{\"i\":[{\"i\":1}]}]}",
         "{\"m\": [{\"i\": {\"m\": [{\"i\": {\"i\": 1, \"i\": \"}\"}}]}}, {\"i\": [{\"i\": 1}]}]}", NULL},
        {"{\"m\":[{\"j\":{\"a\":1,\"a\":2}}]}", NULL, "duplicate_key"},
        {"{\"m\":{\"i\":{\"a\":1,\"a\":2}}}", NULL, "duplicate_key"},
        {"{\"m\":[[{\"i\":{\"a\":1,\"a\":2}}]]}", NULL, "duplicate_key"},
        {"{\"m\":[{\"x\":{\"i\":{\"a\":1,\"a\":2}}}]}", NULL, "duplicate_key"},
        {"{\"m\":[{\"i\":[{\"a\":1,\"a\":2}]}]}", NULL, "duplicate_key"},
        {"{\"m\":[],\"i\":{\"a\":1,\"a\":2}}", NULL, "duplicate_key"},
        {"{\"m\":[{\"i\":{}}],\"x\":[{\"i\":{\"\\u0000\":1}}]}", NULL, "invalid_json"},
        {"{\"m\":[{\"i\":{\"a\":1},\"i\":{\"a\":1}}]}", NULL, "duplicate_key"},
        {"{\"m\":[{\"i\":{\"a\":\"\\ud800\"}}]}", NULL, "invalid_json"},
        {"{\"m\":[{\"i\":{\"\\udc00\":1}}]}", NULL, "invalid_json"},
        {"{\"m\":[{\"i\":{\"a\":\"\xff\"}}]}", NULL, "invalid_utf8"},
        {"{\"m\":[{\"i\":{\"a\":01}}]}", NULL, "invalid_json"},
        {"{\"m\":[{\"i\":{\"a\":1]}]}", NULL, "invalid_json"},
        {"{\"m\":[{\"i\":{\"a\":1.5", NULL, "invalid_json"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct refusal r = {0};
        struct out o = {0};
        json_t *v = json_read_keeping(cases[i].text, strlen(cases[i].text), &place, &r);
        if (!v != !cases[i].out)
            fail_msg("%s: %s", cases[i].text, v ? "was taken" : r.text);
        if (!v) {
            assert_string_equal(r.code, cases[i].code);
            continue;
        }
        out_spaced(&o, v);
        out_bytes(&o, "", 1);
        assert_string_equal(o.text, cases[i].out);
        const json_t *first = json_array_get(json_object_get(v, "m"), i == 1), *got = NULL;
        assert_int_equal(json_get_kept(first, NULL, "i", &got, &r), 1);
        assert_int_equal(json_get_object(first, NULL, "i", &got, &r), -1);
        out_free(&o);
        json_decref(v);
    }
    static const char wrong[] = "{\"m\":[{\"i\":{\"a\":\"\\\\\",\n\"a\":1.5}}],\"b\":x}";
    struct refusal r = {0};
    char where[40];
    assert_null(json_read_keeping(wrong, sizeof wrong - 1, &place, &r));
    snprintf(where, sizeof where, "near byte %zu", sizeof wrong - 2);
    if (!strstr(r.text, where))
        fail_msg("%s", r.text);
}

/* A number that the server itself reads: what does not fit is refused by the name of its field. */
static void large_numbers(void **state)
{
    static const char text[] =
        "{\"more\":9223372036854775808,\"less\":-9223372036854775809,\"huge\":1e400,\"half\":0.50,"
        "\"zero\":-0,\"tiny\":1e-999}";
    struct refusal r[6] = {0};
    json_t *o = json_read(text, sizeof text - 1, &r[0]);
    const json_t *v;
    int64_t n = 1;
    double d;
    (void)state;
    assert_int_equal(json_get_int(o, NULL, "more", 1, INT64_MAX, &n, &r[0]), -1);
    assert_string_equal(r[0].text, "more must be from 1 to 9223372036854775807, not 9223372036854775808");
    assert_int_equal(json_get_int(o, NULL, "less", 1, INT64_MAX, &n, &r[1]), -1);
    assert_string_equal(r[1].text, "less must be at least 1, not -9223372036854775809");
    assert_int_equal(json_get_int(o, NULL, "huge", 1, INT64_MAX, &n, &r[2]), -1);
    assert_string_equal(r[2].text, "huge must be an integer, not 1e400");
    assert_int_equal(json_get_real(o, NULL, "huge", 0, 0, INFINITY, &d, &r[3]), -1);
    assert_string_equal(r[3].param, "huge");
    assert_int_equal(json_get_object(o, NULL, "half", &v, &r[4]), -1);
    assert_string_equal(r[4].text, "half must be an object, not a number");
    assert_int_equal(json_get_real(o, NULL, "half", 0, 0, 1, &d, &r[5]), 1);
    assert_true(d == 0.5);
    assert_int_equal(json_get_real(o, NULL, "tiny", 0, 0, 1, &d, &r[5]), 1);
    assert_int_equal(json_get_real(o, NULL, "more", 0, 0, INFINITY, &d, &r[5]), 1);
    assert_true(d == 0x1p63);
    assert_int_equal(json_get_int(o, NULL, "zero", 0, 9, &n, &r[5]), 1);
    assert_int_equal(n, 0);
    json_decref(o);
}

/* What a getter says of {"a": value}: 1, 0, or the code of its refusal. */
static void fields(void **state)
{
    static const char text[] =
        "{\"null\":null,\"true\":true,\"int\":7,\"real\":1.5,\"one\":1.0,\"text\":\"t\",\"list\":[],\"object\":{}}";
    struct refusal r = {0};
    json_t *o = json_read(text, sizeof text - 1, &r);
    const json_t *v;
    int64_t n;
    double d;
    int i;
    (void)state;
    assert_int_equal(json_get_bool(o, NULL, "true", &i, &r), 1);
    assert_int_equal(json_get_bool(o, NULL, "null", &i, &r), 0);
    assert_int_equal(json_get_bool(o, NULL, "absent", &i, &r), 0);
    assert_int_equal(json_get_int(o, NULL, "int", 7, 7, &n, &r), 1);
    assert_int_equal(json_get_real(o, NULL, "int", 0, 1, INFINITY, &d, &r), 1);
    assert_int_equal(json_get_array(o, NULL, "list", &v, &r), 1);
    assert_int_equal(json_get_object(o, NULL, "object", &v, &r), 1);
    assert_int_equal(r.status, 0);

    const struct json_at at = {NULL, "x", 0};
    struct refusal bad[9] = {0};
    assert_int_equal(json_get_bool(o, &at, "int", &i, &bad[0]), -1);
    assert_string_equal(bad[0].code, "invalid_type");
    assert_string_equal(bad[0].param, "x.int");
    assert_string_equal(bad[0].text, "x.int must be a boolean, not a number");
    assert_int_equal(json_get_int(o, NULL, "one", 0, 9, &n, &bad[1]), -1);
    assert_string_equal(bad[1].code, "invalid_value");
    assert_int_equal(json_get_int(o, NULL, "int", 0, 6, &n, &bad[2]), -1);
    assert_string_equal(bad[2].text, "int must be from 0 to 6, not 7");
    assert_int_equal(json_get_int(o, NULL, "text", 0, 6, &n, &bad[3]), -1);
    assert_string_equal(bad[3].code, "invalid_type");
    assert_int_equal(json_get_real(o, NULL, "real", 1.5, 1, 2, &d, &bad[4]), -1);
    assert_string_equal(bad[4].text, "real must be above 1.5 and at most 2, not 1.5");
    assert_int_equal(json_get_array(o, NULL, "object", &v, &bad[5]), -1);
    static const char *const words[] = {"auto", "none", "all"};
    assert_int_equal(json_get_word(o, NULL, "text", words, 3, &i, &bad[6]), -1);
    assert_string_equal(bad[6].text, "text must be auto, none or all, not \"t\"");
    json_missing(&bad[7], &at, "y");
    assert_string_equal(bad[7].code, "missing_field");
    assert_string_equal(bad[7].param, "x.y");
    /* the first refusal wins */
    json_missing(&bad[7], NULL, "z");
    assert_string_equal(bad[7].param, "x.y");
    json_decref(o);
}

static void assert_string(const char *text, size_t n, const char *want)
{
    struct out o = {0};
    out_string(&o, text, n);
    out_bytes(&o, "", 1);
    assert_string_equal(o.text, want);
    out_free(&o);
}

static void strings_out(void **state)
{
    (void)state;
    assert_string("a\"b\\c\n\t\x01\x7f", 9, "\"a\\\"b\\\\c\\n\\t\\u0001\x7f\"");
    assert_string("x\0y", 3, "\"x\\u0000y\"");
    assert_string("na\xc3\xafve \xf0\x9f\x99\x82", 11, "\"na\xc3\xafve \xf0\x9f\x99\x82\"");
    assert_string("\xff", 1, "\"\xef\xbf\xbd\"");
    assert_string("a\xe2\x82", 3, "\"a\xef\xbf\xbd\""); /* cut: one replacement, the maximal subpart */
    assert_string("", 0, "\"\"");
}

static void numbers_out(void **state)
{
    static const double values[] = {0, -0.0, 1, 0.1, 1e-7, 1795163316, 0.1 + 0.2, 1e300, -2.5};
    struct out o = {0};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        o.n = 0;
        out_real(&o, values[i]);
        out_bytes(&o, "", 1);
        assert_true(strtod(o.text, NULL) == values[i]);
    }
    o.n = 0;
    out_real(&o, NAN);
    assert_memory_equal(o.text, "null", 4);
    out_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),         cmocka_unit_test(raw_zeros),    cmocka_unit_test(depth_and_size),
        cmocka_unit_test(zero_characters), cmocka_unit_test(paths),        cmocka_unit_test(fields),
        cmocka_unit_test(strings_out),     cmocka_unit_test(numbers_out),  cmocka_unit_test(numbers_as_written),
        cmocka_unit_test(places),          cmocka_unit_test(kept_objects), cmocka_unit_test(large_numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
