/* links: server toolbox mcp library kernel format base */
/* Bodies of Anthropic's Messages: what chat they mean, and what is refused, under which name. */
#include "server/dialect/anthropic_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "\"max_tokens\":5,"
#define USER "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]"
#define CHAT "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]"
#define OFF  ",\"enable_thinking\":false"
#define USE                                                                                                            \
    "{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{\"x\":1.50,"  \
    "\"y\":[1,2.0]}}]}"
#define CALL                                                                                                           \
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"t1\",\"type\":\"function\",\"function\":"      \
    "{\"name\":\"f\",\"arguments\":\"{\\\"x\\\": 1.50, \\\"y\\\": [1, 2.0]}\"}}]}"
#define TOOLS                                                                                                          \
    "\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\"},\"cache_control\":{}}]"
#define FUNCTIONS                                                                                                      \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\"},"             \
    "\"description\":\"d\"}}]"
#define TEXT(t) "{\"type\":\"text\",\"text\":\"" t "\"}"

struct given {
    const char *body, *want; /* the chat; or the param of the refusal */
};

static const struct given chats[] = {
    {"{" HEAD USER "}", CHAT OFF ",\"max_tokens\":5}"},
    {"{" HEAD USER
     ",\"system\":\"s\",\"temperature\":0.1,\"top_k\":3,\"stream\":true,\"metadata\":{\"user_id\":\"u\"}}",
     "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"a\"}]" OFF
     ",\"max_tokens\":5,\"temperature\":0.1,\"top_k\":3,\"stream\":true}"},
    {"{" HEAD USER ",\"system\":[" TEXT("s") "," TEXT("t") "]}",
     "{\"messages\":[{\"role\":\"system\",\"content\":[" TEXT("s") "," TEXT(
         "t") "]},{\"role\":\"user\",\"content\":\"a\"}]" OFF ",\"max_tokens\":5}"},
    /* calls and results; what else the user says comes behind the results */
    {"{" HEAD "\"messages\":[" USE
     ",{\"role\":\"user\",\"content\":[" TEXT("and") ",{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"is_error\":"
                                                     "false,\"content\":[" TEXT("done") "]}]}]}",
     "{\"messages\":[" CALL ",{\"role\":\"tool\",\"tool_call_id\":\"t1\",\"content\":[" TEXT(
         "done") "]},{\"role\":\"user\",\"content\":[" TEXT("and") "]}]" OFF ",\"max_tokens\":5}"},
    {"{" HEAD "\"messages\":[" USE
     ",{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\"}]}]}",
     "{\"messages\":[" CALL ",{\"role\":\"tool\",\"tool_call_id\":\"t1\",\"content\":\"\"}]" OFF ",\"max_tokens\":5}"},
    {"{" HEAD "\"messages\":[" USE ",{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\","
     "\"content\":[{\"type\":\"image\",\"source\":{}}]}]}]}",
     "{\"messages\":[" CALL ",{\"role\":\"tool\",\"tool_call_id\":\"t1\",\"content\":[" TEXT(
         "[image omitted]") "]}]" OFF ",\"max_tokens\":5}"},
    /* thinking */
    {"{" HEAD "\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"max\"},\"messages\":[{\"role\":"
     "\"assistant\","
     "\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"c2ln\"},{\"type\":\"redacted_thinking\","
     "\"data\":\"eA==\"}," TEXT("b") "]}]}",
     "{\"messages\":[{\"role\":\"assistant\",\"content\":[" TEXT(
         "b") "],\"reasoning_content\":\"hm\"}],\"enable_thinking\":true,\"reasoning_effort\":\"high\",\"max_tokens\":"
              "5}"},
    {"{" HEAD "\"messages\":[{\"role\":\"system\",\"content\":\"late\"},{\"role\":\"assistant\",\"content\":[]}]}",
     "{\"messages\":[{\"role\":\"system\",\"content\":\"late\"},{\"role\":\"assistant\",\"content\":\"\"}]" OFF
     ",\"max_tokens\":5}"},
    /* tools */
    {"{" HEAD USER "," TOOLS ",\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":true}}",
     CHAT "," FUNCTIONS ",\"parallel_tool_calls\":false,\"tool_choice\":\"required\"" OFF ",\"max_tokens\":5}"},
    {"{" HEAD USER "," TOOLS ",\"thinking\":{\"type\":\"enabled\"},\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\"}}",
     CHAT "," FUNCTIONS ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}" OFF
          ",\"max_tokens\":5}"},
    {"{" HEAD USER
     ",\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}],\"tool_choice\":{\"type\":\"none\"}}",
     CHAT ",\"tool_choice\":\"none\"" OFF ",\"max_tokens\":5}"},
    /* formats, stops */
    {"{" HEAD USER ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"null\"}}}}",
     CHAT OFF
     ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"output\",\"schema\":{\"type\":"
     "\"null\"}}},\"max_tokens\":5}"},
    {"{" HEAD USER ",\"output_format\":{\"type\":\"json_schema\",\"schema\":{}},\"stop_sequences\":[\"x\",\"y\"]}",
     CHAT OFF ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"output\",\"schema\":{}}},"
              "\"stop\":[\"x\",\"y\"],\"max_tokens\":5}"},
    {"{" HEAD USER ",\"stop_sequences\":[]}", CHAT OFF ",\"max_tokens\":5}"},
};

#define CONTENT(c) "{" HEAD "\"messages\":[{\"role\":\"user\",\"content\":" c "}]}"
static const struct given refused[] = {
    {"{" USER "}", "max_tokens"},
    {"{" HEAD "\"x\":1}", "messages"},
    {"{" HEAD "\"messages\":[]}", "messages"},
    {"{" HEAD "\"messages\":{}}", "messages"},
    {"{" HEAD "\"messages\":[5]}", "messages[0]"},
    {"{" HEAD "\"messages\":[{\"role\":\"king\",\"content\":\"a\"}]}", "messages[0].role"},
    {"{" HEAD "\"messages\":[{\"content\":\"a\"}]}", "messages[0].role"},
    {"{" HEAD "\"messages\":[{\"role\":\"user\"}]}", "messages[0].content"},
    {CONTENT("5"), "messages[0].content"},
    {CONTENT("[5]"), "messages[0].content[0]"},
    {CONTENT("[{\"type\":\"smell\"}]"), "messages[0].content[0].type"},
    {CONTENT("[{\"type\":\"text\"}]"), "messages[0].content[0].text"},
    {CONTENT("[{\"type\":\"image\"}]"), "messages[0].content[0]"},
    {CONTENT("[{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{}}]"), "messages[0].content[0].type"},
    {CONTENT("[{\"type\":\"tool_result\",\"tool_use_id\":\"zz\"}]"), "messages[0].content[0].tool_use_id"},
    {CONTENT("[{\"type\":\"tool_result\"}]"), "messages[0].content[0].tool_use_id"},
    {"{" HEAD "\"messages\":[" USE "," USE "]}", "messages[1].content[0].id"},
    {"{" HEAD USER ",\"system\":5}", "system"},
    {"{" HEAD USER ",\"system\":[{\"type\":\"image\"}]}", "system[0]"},
    {"{" HEAD USER ",\"tools\":5}", "tools"},
    {"{" HEAD USER ",\"tools\":[{\"name\":\"x\"}]}", "tools[0].input_schema"},
    {"{" HEAD USER ",\"tools\":[{\"input_schema\":{}}]}", "tools[0].name"},
    {"{" HEAD USER ",\"tools\":[{\"name\":\"x\",\"input_schema\":[]}]}", "tools[0].input_schema"},
    {"{" HEAD USER ",\"tools\":[{\"name\":\"x\",\"input_schema\":{}},{\"name\":\"x\",\"input_schema\":{}}]}",
     "tools[1].name"},
    {"{" HEAD USER "," TOOLS ",\"tool_choice\":{\"type\":\"tool\",\"name\":\"zz\"}}", "tool_choice.name"},
    {"{" HEAD USER "," TOOLS ",\"tool_choice\":{\"type\":\"tool\"}}", "tool_choice.name"},
    {"{" HEAD USER "," TOOLS ",\"tool_choice\":\"auto\"}", "tool_choice"},
    {"{" HEAD USER ",\"tool_choice\":{\"type\":\"any\"}}", "tool_choice.type"},
    {"{" HEAD USER ",\"thinking\":{\"type\":\"maybe\"}}", "thinking.type"},
    {"{" HEAD USER ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":0}}", "thinking.budget_tokens"},
    {"{" HEAD USER ",\"output_config\":{\"effort\":\"huge\"}}", "output_config.effort"},
    {"{" HEAD USER ",\"output_config\":{\"format\":{\"type\":\"xml\"}}}", "output_config.format.type"},
    {"{" HEAD USER ",\"output_config\":{\"format\":{\"type\":\"json_schema\"}}}", "output_config.format.schema"},
    {"{" HEAD USER ",\"stop_sequences\":\"a\"}", "stop_sequences"},
};

static json_t *body_of(const char *text)
{
    struct refusal r = {0};
    json_t *body = json_read(text, strlen(text), &r);
    if (!body)
        fail_msg("%s: %s", text, r.text);
    return body;
}

static void test_chats(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof chats / sizeof *chats; i++) {
        struct anthropic_request a;
        struct refusal r = {0};
        struct out got = {0};
        json_t *body = body_of(chats[i].body);
        if (anthropic_request_read(&a, body, 0, &r) != 0)
            fail_msg("%s: %s", chats[i].body, r.text);
        out_value(&got, a.chat);
        out_bytes(&got, "", 1);
        assert_string_equal(got.text, chats[i].want);
        out_free(&got);
        anthropic_request_free(&a);
        json_decref(body);
    }
}

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct anthropic_request a;
        struct refusal r = {0};
        json_t *body = body_of(refused[i].body);
        if (anthropic_request_read(&a, body, 0, &r) != -1)
            fail_msg("accepted: %s", refused[i].body);
        assert_int_equal(r.status, 400);
        if (strcmp(r.param, refused[i].want) != 0)
            fail_msg("%s: refused at %s, not %s", refused[i].body, r.param, refused[i].want);
        anthropic_request_free(&a);
        json_decref(body);
    }
}

/* Each result becomes a message: there are not too many of them. */
static void test_results(void **state)
{
    (void)state;
    for (int n = 4096; n <= 4097; n++) {
        struct anthropic_request a;
        struct refusal r = {0};
        struct out text = {0};
        out_print(&text, "{" HEAD "\"messages\":[" USE ",{\"role\":\"user\",\"content\":[");
        for (int i = 0; i < n; i++)
            out_print(&text, "%s{\"type\":\"tool_result\",\"tool_use_id\":\"t1\"}", i ? "," : "");
        out_print(&text, "]}]}");
        out_bytes(&text, "", 1);
        json_t *body = body_of(text.text);
        assert_int_equal(anthropic_request_read(&a, body, 0, &r), n == 4096 ? 0 : -1);
        assert_string_equal(r.param, n == 4096 ? "" : "messages[1].content[4096]");
        anthropic_request_free(&a);
        json_decref(body);
        out_free(&text);
    }
}

static void test_ignored_tools(void **state)
{
    (void)state;
    struct anthropic_request a;
    struct refusal r = {0};
    json_t *body = body_of("{" USER
                           ",\"tools\":[{\"type\":\"bash_20250124\",\"name\":\"bash\"},{\"type\":\"custom\",\"name\":"
                           "\"f\",\"input_schema\":{}}]}");
    assert_int_equal(anthropic_request_read(&a, body, 1, &r), 0); /* counting needs no max_tokens */
    assert_int_equal(json_array_size(a.ignored), 1);
    assert_string_equal(json_string_value(json_array_get(a.ignored, 0)), "bash_20250124");
    assert_int_equal(json_array_size(json_object_get(a.chat, "tools")), 1);
    anthropic_request_free(&a);
    json_decref(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chats),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_ignored_tools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
