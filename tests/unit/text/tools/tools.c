/* links: text format base */
/* Tool calls: detection, the tools of a request, JSON and literals, what the parser promises beyond the cases, writing calls. */
#include "base/error.h"
#include "base/reqmem.h"
#include "base/rng.h"
#include "text/tools/list.h"
#include "text/tools/parser.h"
#include "text/tools/stream.h"
#include "text/tools/value.h"
#include "text/tools/write.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char two_tools[] =
    "[{\"type\": \"function\", \"function\": {\"name\": \"get_weather\", \"parameters\": {\"type\": \"object\", "
    "\"properties\": "
    "{\"city\": {\"type\": \"string\"}, \"days\": {\"$ref\": \"#/$defs/n\"}}, \"$defs\": {\"n\": {\"type\": "
    "[\"integer\", \"null\"]}}}}}, {\"type\": \"function\", \"function\": {\"name\": \"now\"}}]";

static struct tool_list *tools_of(const char *json, const char *format, struct error *err)
{
    struct tool_list *l = NULL;
    tool_list_parse(&l, json, strlen(json), tool_format_find(format, err), err);
    return l;
}

/* ---- detection ----------------------------------------------------------------------------------------------------- */

static void detects(void **state)
{
    (void)state;
    char path[1024];
    const char *name;
    json_t *caps = json_load_file(TEST_DATA "/templates/caps.json", 0, NULL), *row;
    assert_non_null(caps);
    json_object_foreach(caps, name, row)
    {
        snprintf(path, sizeof path, TEST_DATA "/templates/%s", name);
        FILE *f = fopen(path, "r");
        char *source = malloc(1 << 20);
        size_t n = f && source ? fread(source, 1, 1 << 20, f) : 0;
        assert_true(n > 0);
        assert_string_equal(tool_format_detect(source, n)->name, json_string_value(json_object_get(row, "format")));
        free(source);
        fclose(f);
    }
    json_decref(caps);
}

static void finds_by_name(void **state)
{
    (void)state;
    struct error err = {0};
    assert_string_equal(tool_format_find("glm", &err)->name, "glm");
    assert_null(tool_format_find("GLM", &err));
    assert_non_null(strstr(err.text, "qwen_xml"));
    const struct tool_format *f = tool_format_find("dsml", NULL);
    assert_string_equal(tool_format_token(f, 0), "｜DSML｜");
    assert_string_equal(tool_format_token(f, 1), "<think>");
    assert_int_equal(tool_format_assistant_marker(f, "<think>", 7), 1);
    assert_int_equal(tool_format_assistant_marker(tool_format_find("hermes", NULL), "<tool_call>", 11), 1);
    assert_int_equal(tool_format_assistant_marker(tool_format_find("kimi_k2", NULL), "<|tool_call_begin|>", 19), 0);
    assert_string_equal(tool_format_taught(tool_format_find("none", NULL))->name, "hermes");
}

/* ---- the tools of a request ---------------------------------------------------------------------------------------- */

static void refuses(const char *json, const char *format, const char *words)
{
    struct error err = {0};
    assert_null(tools_of(json, format, &err));
    assert_int_equal(err.code, ERR_INPUT);
    if (!strstr(err.text, words))
        fail_msg("'%s' does not say '%s'", err.text, words);
}

#define NAMED(name) "{\"type\": \"function\", \"function\": {\"name\": \"" name "\"}}"
#define WITH_KEY(key)                                                                                                  \
    "[{\"function\": {\"name\": \"f\", \"parameters\": {\"type\": \"object\", \"properties\": {\"" key "\": {}}}}}]"

static void reads_tools(void **state)
{
    (void)state;
    struct error err = {0};
    struct tool_list *l = tools_of(two_tools, "hermes", &err);
    assert_non_null(l);
    assert_int_equal(l->n, 2);
    assert_null(l->tool[1].schema);
    assert_memory_equal(l->tool[0].schema, "{\"type\": \"object\"", 17);
    const json_t *days = tool_argument_schema(&l->tool[0], "days", 4);
    assert_int_equal(tool_schema_types(days, l->tool[0].parameters), TYPE_INTEGER | TYPE_NULL);
    assert_null(tool_argument_schema(&l->tool[1], "x", 1));
    tool_list_free(l);
    refuses("{", "hermes", "cannot be read as JSON");
    refuses("{}", "hermes", "list");
    refuses("[1]", "hermes", "tools[0].function is missing");
    refuses("[{\"type\": \"retrieval\"}]", "hermes", "tools[0].type");
    refuses("[{\"function\": {\"name\": 5}}]", "hermes", "tools[0].function.name");
    refuses("[" NAMED("a b") "]", "hermes", "tools[0].function.name is 'a b'");
    refuses("[" NAMED("") "]", "hermes", "tools[0].function.name");
    refuses("[" NAMED("a") ", " NAMED("b") ", " NAMED("a") "]", "hermes",
            "tools[2].function.name is 'a', the name of tools[0]");
    refuses("[" NAMED("all") "]", "functionary_v3_2", "tools[0].function.name is 'all'");
    refuses("[{\"function\": {\"name\": \"f\", \"parameters\": 3}}]", "hermes", "tools[0].function.parameters");
    refuses(WITH_KEY("a>b"), "qwen_xml", "an argument named 'a>b'");
    refuses(WITH_KEY("a b"), "lfm2", "an argument named 'a b'");
    refuses(WITH_KEY("a<|\\\"|>b"), "gemma4", "an argument named");
    refuses(WITH_KEY("a\\u0000b"), "glm", "NUL byte");
}

/* A schema whose branches refer to each other is looked at for a bounded time. */
static void schema_cycles(void **state)
{
    (void)state;
    struct error err = {0};
    struct tool_list *l = tools_of(
        "[{\"function\": {\"name\": \"f\", \"parameters\": {\"properties\": {\"x\": {\"$ref\": \"#/$defs/a\"}, "
        "\"y\": {\"$ref\": \"#/properties/y\"}}, \"$defs\": {\"a\": {\"anyOf\": [{\"$ref\": \"#/$defs/a\"}, "
        "{\"$ref\": \"#/$defs/a\"}, {\"$ref\": \"#/$defs/a\"}]}}}}}]",
        "hermes", &err);
    assert_non_null(l);
    assert_int_equal(tool_schema_types(tool_argument_schema(&l->tool[0], "x", 1), l->tool[0].parameters), 0);
    assert_null(tool_argument_schema(&l->tool[0], "y", 1));
    tool_list_free(l);
}

/* A schema may nest as deep as the loader allows: it is found in the text all the same. */
static void finds_deep_schemas(void **state)
{
    (void)state;
    enum { DEPTH = 1000 };
    static const char before[] = "[{\"function\": {\"name\": \"f\", \"parameters\": {\"enum\": ", behind[] = "}}}]";
    char *text = malloc(sizeof before + 2 * DEPTH + sizeof behind);
    struct error err = {0};
    assert_non_null(text);
    strcpy(text, before);
    memset(text + sizeof before - 1, '[', DEPTH);
    memset(text + sizeof before - 1 + DEPTH, ']', DEPTH);
    strcpy(text + sizeof before - 1 + 2 * DEPTH, behind);
    struct tool_list *l = tools_of(text, "hermes", &err);
    if (!l)
        fail_msg("%s", err.text);
    assert_int_equal(l->tool[0].n_schema, strlen("{\"enum\": ") + 2 * DEPTH + 1);
    tool_list_free(l);
    free(text);
}

/* ---- JSON and literals --------------------------------------------------------------------------------------------- */

static void becomes(int (*convert)(struct buffer *, const char *, size_t), const char *text, const char *json)
{
    struct buffer b = {0};
    int rc = convert(&b, text, strlen(text));
    if ((rc == 0) != (json != NULL) || (json && (b.n != strlen(json) || memcmp(b.text, json, b.n))))
        fail_msg("%s became %.*s", text, (int)b.n, b.n ? b.text : "");
    buffer_free(&b);
}

static void converts_literals(void **state)
{
    (void)state;
    becomes(value_python, "{'a': (1, 2,), \"b\": [True, None, ], 'c': ('x')}",
            "{\"a\": [1, 2], \"b\": [true, null], \"c\": \"x\"}");
    becomes(value_python, "'\\x41\\u00e9\\101\\q\\'\\\n'", "\"AéA\\\\q'\"");
    becomes(value_python, "'\\ud83d\\ude00'", "\"😀\"");
    becomes(value_python, "()", "[]");
    becomes(value_python, "open('x')", NULL);
    becomes(value_python, "1 + 2", NULL);
    becomes(value_python, "{1: 2}", NULL);
    becomes(value_python, "[1,,2]", NULL);
    becomes(value_python, "'a", NULL);
    becomes(value_python, "Truely", NULL);
    becomes(value_gemma_member, "k : [<|\"|>a\"b<|\"|>, {<|\"|>x<|\"|>: None}, -1.5e3]",
            "\"k\": [\"a\\\"b\", {\"x\": null}, -1.5e3]");
    becomes(value_gemma_member, "k:word", NULL);
    becomes(value_gemma_member, ":1", NULL);
    becomes(value_gemma_member, "k:[1,]", NULL);
}

static void typed(const char *schema, const char *text, const char *json)
{
    struct buffer b = {0};
    json_t *s = schema ? json_loads(schema, 0, NULL) : NULL;
    value_typed(&b, s, s, text, strlen(text));
    if (b.n != strlen(json) || memcmp(b.text, json, b.n) != 0)
        fail_msg("%s under %s became %.*s", text, schema ? schema : "nothing", (int)b.n, b.text);
    buffer_free(&b);
    json_decref(s);
}

static void types_values(void **state)
{
    (void)state;
    typed(NULL, " 12 ", "12");
    typed(NULL, "\"x\"", "\"\\\"x\\\"\"");
    typed(NULL, "True", "\"True\"");
    typed("{\"type\": \"string\"}", "12", "\"12\"");
    typed("{\"type\": \"integer\"}", "3.0", "3.0");
    typed("{\"type\": \"integer\"}", "3.5", "\"3.5\"");
    typed("{\"type\": \"number\"}", "3", "3");
    typed("{\"type\": [\"string\", \"null\"]}", "None", "null");
    typed("{\"type\": \"boolean\"}", "\nFalse\n", "false");
    typed("{\"type\": \"array\"}", "['a', 1]", "[\"a\", 1]");
    typed("{\"type\": \"object\"}", "{'a': 1}", "{\"a\": 1}");
    typed("{\"anyOf\": [{\"type\": \"integer\"}, {\"type\": \"string\"}]}", "x y", "\"x y\"");
    typed("{\"enum\": [1, 2]}", "2", "2");
    typed("{\"const\": true}", "true", "true");
}

/* ---- the parser ---------------------------------------------------------------------------------------------------- */

static void collect(void *arg, const struct tool_event *e) { tool_message_event(arg, e); }

/* The whole text, or in pieces of a size; no marker is a token. */
static void parse(struct tool_message *m, const char *format, const struct tool_list *l, const char *text, size_t n,
                  size_t piece, int checked)
{
    struct tool_options o = {.format = tool_format_find(format, NULL), .tools = l, .checked = checked};
    struct tool_parser *p;
    struct error err = {0};
    assert_int_equal(tool_parser_create(&p, &o, collect, m, &err), 0);
    for (size_t i = 0; i < n; i += piece)
        assert_int_equal(tool_parser_text(p, text + i, n - i < piece ? n - i : piece, &err), 0);
    assert_int_equal(tool_parser_end(p, &err), 0);
    tool_parser_destroy(p);
}

static int same(const struct buffer *b, const char *text)
{
    return b->n == strlen(text) && (b->n == 0 || !memcmp(b->text, text, b->n));
}

static void repairs_utf8(void **state)
{
    (void)state;
    static const char text[] = "a\xC3\xA9\xFF\xE2\x82"
                               "b\xF0\x9F\x98\x80\xC3";
    for (size_t piece = 1; piece < sizeof text; piece++) {
        struct tool_message m = {0};
        parse(&m, "hermes", NULL, text, sizeof text - 1, piece, 0);
        assert_true(same(&m.content, "aé\xEF\xBF\xBD\xEF\xBF\xBD"
                                     "b😀\xEF\xBF\xBD"));
        tool_message_free(&m);
    }
}

static void bounds_blocks(void **state)
{
    (void)state;
    struct error err = {0};
    struct tool_list *l = tools_of(two_tools, "hermes", &err);
    size_t n = TOOL_BLOCK_MAX + 4096;
    char *text = malloc(n);
    static const char begin[] = "<tool_call>{\"name\": \"now\", \"arguments\": {\"x\": \"";
    assert_non_null(text);
    memset(text, 'x', n);
    memcpy(text, begin, sizeof begin - 1);
    struct tool_message m = {0};
    parse(&m, "hermes", l, text, n, 1000, 0);
    assert_int_equal(m.n_bad, 1);
    assert_int_equal(m.content.n, n);
    tool_message_free(&m);
    free(text);
    tool_list_free(l);
}

static void makes_messages(void **state)
{
    (void)state;
    static const char text[] = "<think>hm</think>Ok.\n<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": "
                               "\"\\\"A\\\"\"}}</tool_call>";
    struct error err = {0};
    struct tool_list *l = tools_of(two_tools, "hermes", &err);
    for (int checked = 0; checked < 2; checked++) {
        struct tool_message m = {0};
        struct buffer json = {0};
        parse(&m, "hermes", l, text, sizeof text - 1, 5, checked);
        tool_message_json(&m, &json);
        assert_true(same(
            &json, "{\"role\": \"assistant\", \"content\": \"Ok.\", \"reasoning_content\": \"hm\", \"tool_calls\": "
                   "[{\"id\": \"call_0\", \"type\": \"function\", \"function\": {\"name\": \"get_weather\", "
                   "\"arguments\": \"{\\\"city\\\": \\\"\\\\\\\"A\\\\\\\"\\\"}\"}}]}"));
        buffer_free(&json);
        tool_message_free(&m);
    }
    tool_list_free(l);
}

static struct reqmem memory;

/* With a limit of memory: the message as JSON, or -1 where lack of memory was reported. */
static int parse_within(size_t most, const struct tool_options *o, const char *text, struct buffer *json)
{
    struct tool_message m = {0};
    struct tool_parser *p;
    struct error err = {0};
    struct tool_options options = *o;
    struct reqmem_account account = {.of = &memory};
    reqmem_init(&memory, most, 0);
    reqmem_enter(&account, 0);
    assert_int_equal(tool_parser_create(&p, &options, collect, &m, &err), 0);
    int rc = tool_parser_text(p, text, strlen(text), &err);
    rc = rc ? rc : tool_parser_end(p, &err);
    tool_parser_destroy(p);
    reqmem_leave();
    assert_int_equal(rc ? err.code : ERR_MEMORY, ERR_MEMORY);
    if (rc == 0 && !m.failed)
        tool_message_json(&m, json);
    else
        rc = -1;
    reqmem_enter(&account, 0);
    tool_message_free(&m);
    reqmem_leave();
    return rc;
}

/* At every limit of memory a call is read as it is, or lack of memory is reported; all memory is given back. */
static void reports_lack_of_memory(void **state)
{
    (void)state;
    static const struct {
        const char *format, *text;
    } cases[] = {
        {"hermes", "<think>hm</think>Ok.  \n <tool_call>{\"name\": \"get_weather\", \"id\": \"x\", \"arguments\": "
                   "{\"city\": \"A\"}}</tool_call><tool_call>{\"arguments\": {}, \"name\": \"now\"}</tool_call>"},
        {"hermes", "<tool_call>{\"name\": \"now\", \"arguments\": \" {} \"}</tool_call>"},
        {"mistral_args", "[TOOL_CALLS]get_weather[ARGS]{\"city\": \"A\"}[TOOL_CALLS]now[ARGS]{}"},
        {"qwen_xml", "<tool_call>\n<function=get_weather>\n<parameter=city>\nA\n</parameter>\n<parameter=days>\n"
                     "0x1F\n</parameter>\n</function>\n</tool_call>"},
        {"lfm2", "<|tool_call_start|>[get_weather(city='\\x41\\n', days=None), now()]<|tool_call_end|>"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        struct tool_list *l = tools_of(two_tools, cases[i].format, &err);
        struct tool_options o = {.format = tool_format_find(cases[i].format, NULL), .tools = l};
        struct buffer whole = {0};
        assert_non_null(l);
        assert_int_equal(parse_within(1 << 20, &o, cases[i].text, &whole), 0);
        buffer_put(&whole, "", 1);
        assert_non_null(strstr(whole.text, "tool_calls"));
        int told = 0;
        for (size_t most = 0; most < 4096; most += 8) {
            struct buffer json = {0};
            int rc = parse_within(most, &o, cases[i].text, &json);
            buffer_put(&json, "", 1);
            if (rc == 0)
                assert_string_equal(json.text, whole.text);
            told += rc != 0;
            assert_true(rc == 0 || most < 4000);
            buffer_free(&json);
            assert_int_equal(reqmem_taken(&memory), 0);
        }
        assert_true(told > 8);
        buffer_free(&whole);
        tool_list_free(l);
    }
}

/* Text made of pieces of markers: any split of it gives the same answer, in every format. */
static void splits_agree(void **state)
{
    (void)state;
    static const char *const words[] = {"{",
                                        "}",
                                        "[",
                                        "]",
                                        "\"name\"",
                                        ": ",
                                        "\"now\"",
                                        ", ",
                                        "\"arguments\"",
                                        "{}",
                                        "\n",
                                        " ",
                                        "now",
                                        "(",
                                        ")",
                                        "call:",
                                        "text é",
                                        "functions.now:0",
                                        "city",
                                        "=",
                                        "'a'",
                                        "all\n",
                                        "to=functions.now",
                                        "<function=now>",
                                        "</function>",
                                        "<parameter=city>",
                                        "</parameter>",
                                        "<arg_key>city</arg_key>",
                                        "<arg_value>",
                                        "</arg_value>",
                                        "analysis",
                                        "\"",
                                        "```json\n",
                                        ";",
                                        "python\n",
                                        "<invoke name=\"now\">"};
    struct error err = {0};
    struct tool_list *l = tools_of(two_tools, "hermes", &err);
    const struct tool_format *f;
    uint64_t count = 0;
    for (size_t i = 0; (f = tool_format_at(i)); i++)
        for (int round = 0; round < 60; round++) {
            struct buffer text = {0}, whole = {0}, parts = {0};
            for (int k = 0; k < 30; k++) {
                uint64_t r = rng_u64(7, count++, 0, 0);
                const char *marker = f->marker[r / 64 % N_ROLE];
                buffer_puts(&text, r % 3 && marker ? marker : words[r / 64 % (sizeof words / sizeof *words)]);
            }
            struct tool_message a = {0}, b = {0};
            parse(&a, f->name, l, text.text, text.n, text.n, 0);
            parse(&b, f->name, l, text.text, text.n, 1 + rng_u64(7, count++, 0, 0) % 9, 0);
            tool_message_json(&a, &whole);
            tool_message_json(&b, &parts);
            if (whole.n != parts.n || memcmp(whole.text, parts.text, whole.n) != 0 || a.n_bad != b.n_bad ||
                a.cut.n != b.cut.n)
                fail_msg("%s: %.*s", f->name, (int)text.n, text.text);
            tool_message_free(&a);
            tool_message_free(&b);
            buffer_free(&text);
            buffer_free(&whole);
            buffer_free(&parts);
        }
    tool_list_free(l);
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

struct written {
    struct buffer all, ours;
};

static void put(void *arg, int ours, const char *text, size_t n)
{
    struct written *w = arg;
    buffer_put(&w->all, text, n);
    if (ours)
        buffer_put(&w->ours, text, n);
}

static void writes(const char *format, const char *all, const char *ours)
{
    static const char args[] = "{\"a\": \"true \\\" b\", \"k\": [true, null]}";
    struct tool_written call[2] = {{"f", 1, args, sizeof args - 1}, {"g", 1, "{}", 2}};
    struct written w = {0};
    char room[sizeof args - 1];
    tool_write(tool_format_find(format, NULL), call, 2, room, put, &w);
    if (!same(&w.all, all) || !same(&w.ours, ours))
        fail_msg("%.*s | %.*s", (int)w.all.n, w.all.text, (int)w.ours.n, w.ours.text);
    buffer_free(&w.all);
    buffer_free(&w.ours);
}

static void keys_lose_their_escapes(void **state)
{
    (void)state;
    static const char args[] = "{\"a\\nb\":1,\"\\u00e9\\ud83d\\ude00\\ud800\":\"\\n\"}";
    struct tool_written call = {"f", 1, args, sizeof args - 1};
    struct written w = {0};
    char room[sizeof args - 1];
    tool_write(tool_format_find("lfm2", NULL), &call, 1, room, put, &w);
    if (!same(&w.all, "<|tool_call_start|>[f(a\nb=1, é😀\uFFFD=\"\\n\")]<|tool_call_end|>"))
        fail_msg("%.*s", (int)w.all.n, w.all.text);
    buffer_free(&w.all);
    buffer_free(&w.ours);
}

/* Arguments as deep as templates take them, with words in and beside strings. */
static void writes_deep_arguments(void **state)
{
    (void)state;
    enum { DEPTH = 250 };
    static const char before[] = "<|tool_call_start|>[f(a=", behind[] = "True, \"null\\\"null\"";
    char args[2 * DEPTH + 64] = "{\"a\": ", want[2 * DEPTH + 128] = "", room[sizeof args];
    memset(args + strlen(args), '[', DEPTH);
    strcat(args, "true, \"null\\\"null\"");
    memset(args + strlen(args), ']', DEPTH);
    strcat(args, "}");
    strcat(want, before);
    memset(want + strlen(want), '[', DEPTH);
    strcat(want, behind);
    memset(want + strlen(want), ']', DEPTH);
    strcat(want, ")]<|tool_call_end|>");
    struct tool_written call = {"f", 1, args, strlen(args)};
    struct written w = {0};
    tool_write(tool_format_find("lfm2", NULL), &call, 1, room, put, &w);
    if (!same(&w.all, want))
        fail_msg("%.*s", (int)w.all.n, w.all.text);
    buffer_free(&w.all);
    buffer_free(&w.ours);
}

static void writes_calls(void **state)
{
    (void)state;
    writes(
        "none",
        "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"true \\\" b\", \"k\": [true, null]}}\n</tool_call>\n"
        "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>",
        "<tool_call>\n\n</tool_call>\n<tool_call>\n\n</tool_call>");
    writes("lfm2", "<|tool_call_start|>[f(a=\"true \\\" b\", k=[True, None]), g()]<|tool_call_end|>",
           "<|tool_call_start|><|tool_call_end|>");
    writes("granite_3_3",
           "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": \"true \\\" b\", \"k\": [true, null]}}, "
           "{\"name\": \"g\", \"arguments\": {}}]",
           "<|tool_call|>");
    writes("deepseek_r1",
           "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": \"true \\\" b\", "
           "\"k\": [true, "
           "null]}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<"
           "｜tool▁call▁end｜>"
           "<｜tool▁calls▁end｜>",
           "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>\n```json\n\n```<｜tool▁call▁end｜>\n<"
           "｜tool▁call▁begin｜>"
           "function<｜tool▁sep｜>\n```json\n\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(detects),
        cmocka_unit_test(finds_by_name),
        cmocka_unit_test(reads_tools),
        cmocka_unit_test(schema_cycles),
        cmocka_unit_test(finds_deep_schemas),
        cmocka_unit_test(converts_literals),
        cmocka_unit_test(types_values),
        cmocka_unit_test(repairs_utf8),
        cmocka_unit_test(bounds_blocks),
        cmocka_unit_test(makes_messages),
        cmocka_unit_test(splits_agree),
        cmocka_unit_test(writes_calls),
        cmocka_unit_test(keys_lose_their_escapes),
        cmocka_unit_test(writes_deep_arguments),
        cmocka_unit_test(reports_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
