/* links: server toolbox mcp library kernel format base */
/* Bodies of Ollama's chat and generate: what chat they mean, and what is refused, under which name. */
#include "server/dialect/ollama_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N_CTX = 4096 };

#define CHAT(m) "{\"messages\":[" m "]"
#define A       "{\"role\":\"user\",\"content\":\"a\"}"
#define CALL(id, name, arguments)                                                                                      \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" arguments "\"}}"

struct given {
    const char *body, *want; /* the chat; or the param of the refusal */
};

static const struct given chats[] = {
    {CHAT(A) ",\"keep_alive\":\"5m\"}", CHAT(A) ",\"stream\":true}"},
    {CHAT(A) ",\"stream\":false,\"think\":false,\"format\":\"\",\"options\":{\"num_predict\":7,\"temperature\":0.25,"
             "\"top_k\":2,"
             "\"seed\":5,\"stop\":[],\"num_ctx\":4096,\"num_gpu\":9}}",
     CHAT(A) ",\"temperature\":0.25,\"top_k\":2,\"seed\":5,\"max_tokens\":7,\"enable_thinking\":false,\"stream\":"
             "false}"},
    {CHAT(A) ",\"options\":{\"num_predict\":-1,\"stop\":\"x\"}}", CHAT(A) ",\"stop\":\"x\",\"stream\":true}"},
    /* numbers as their clients mean them */
    {CHAT(A) ",\"options\":{\"num_ctx\":4096.0,\"num_predict\":7.0,\"top_k\":40.0,\"seed\":-5.0,\"top_p\":0.5,"
             "\"temperature\":1.0}}",
     CHAT(A) ",\"temperature\":1,\"top_p\":0.5,\"top_k\":40,\"seed\":-5,\"max_tokens\":7,\"stream\":true}"},
    {CHAT(A) ",\"options\":{\"top_p\":0,\"top_k\":40,\"repeat_penalty\":0}}",
     CHAT(A) ",\"top_k\":1,\"repeat_penalty\":1,\"stream\":true}"},
    {CHAT(A) ",\"options\":{\"top_p\":-0.5,\"repeat_penalty\":0.0}}",
     CHAT(A) ",\"top_k\":1,\"repeat_penalty\":1,\"stream\":true}"},
    {CHAT(A) ",\"format\":\"json\",\"think\":\"low\",\"images\":null}",
     CHAT(A) ",\"response_format\":{\"type\":\"json_object\"},\"enable_thinking\":true,\"reasoning_effort\":\"low\","
             "\"stream\":"
             "true}"},
    {CHAT(A) ",\"format\":{\"type\":\"null\"},\"tools\":[]}",
     CHAT(A) ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"output\",\"schema\":{\"type\":"
             "\"null\"}}},\"stream\":true}"},
    /* results find their calls by name, else in order */
    {CHAT("{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\",\"tool_calls\":[{\"function\":{\"name\":\"f\","
          "\"arguments\":{\"x\":1.0,\"y\":[1E400,18446744073709551616]}}},{\"function\":{\"name\":\"g\"}}]},{\"role\":"
          "\"tool\",\"tool_name\":\"g\","
          "\"content\":\"2\"},"
          "{\"role\":\"tool\",\"content\":\"1\"}") "}",
     CHAT("{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"hm\",\"tool_calls\":[" CALL(
         "call_0", "f",
         "{\\\"x\\\": 1.0, \\\"y\\\": [1E400, 18446744073709551616]}") "," CALL("call_1", "g",
                                                                                "{}") "]},{\"role\":\"tool\","
                                                                                      "\"content\":\"2\","
                                                                                      "\"tool_call_id\":\"call_1\"},"
                                                                                      "{\"role\":\"tool\",\"content\":"
                                                                                      "\"1\",\"tool_"
                                                                                      "call_id\":\"call_0\"}") ",\"stre"
                                                                                                               "am\":"
                                                                                                               "true}"},
};

static const struct given generates[] = {
    {"{\"prompt\":\"a\",\"suffix\":\"\",\"template\":\"\",\"images\":[],\"context\":[1,2]}",
     CHAT(A) ",\"stream\":true}"},
    {"{\"prompt\":\"a\",\"system\":\"s\"}", CHAT("{\"role\":\"system\",\"content\":\"s\"}," A) ",\"stream\":true}"},
};

static const struct given chats_refused[] = {
    {"{\"messages\":\"a\"}", "messages"},
    {"{\"messages\":[5]}", "messages[0]"},
    {"{\"messages\":[{\"content\":\"a\"}]}", "messages[0].role"},
    {"{\"messages\":[{\"role\":\"king\"}]}", "messages[0].role"},
    {"{\"messages\":[{\"role\":\"user\",\"content\":[]}]}", "messages[0].content"},
    {"{\"messages\":[{\"role\":\"user\",\"content\":\"a\",\"images\":[\"AAAA\"]}]}", "messages[0].images"},
    {"{\"messages\":[{\"role\":\"tool\",\"content\":\"a\"}]}", "messages[0]"},
    {"{\"messages\":[{\"role\":\"tool\",\"tool_name\":\"f\",\"content\":\"a\"}]}", "messages[0].tool_name"},
    {"{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{}]}]}", "messages[0].tool_calls[0].function"},
    {"{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{}}]}]}",
     "messages[0].tool_calls[0].function.name"},
    {"{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}]}",
     "messages[0].tool_calls[0].function.arguments"},
    {CHAT(A) ",\"options\":5}", "options"},
    {CHAT(A) ",\"options\":{\"num_ctx\":4097}}", "options.num_ctx"},
    {CHAT(A) ",\"options\":{\"num_ctx\":4097.0}}", "options.num_ctx"},
    {CHAT(A) ",\"options\":{\"num_predict\":1.5}}", "options.num_predict"},
    {CHAT(A) ",\"options\":{\"num_predict\":1e300}}", "options.num_predict"},
    {CHAT(A) ",\"format\":\"xml\"}", "format"},
    {CHAT(A) ",\"format\":5}", "format"},
    {CHAT(A) ",\"think\":\"hard\"}", "think"},
    {CHAT(A) ",\"think\":5}", "think"},
    {CHAT(A) ",\"stream\":\"no\"}", "stream"},
};

static const struct given generates_refused[] = {
    {"{\"prompt\":5}", "prompt"},
    {"{\"prompt\":\"a\",\"system\":5}", "system"},
    {"{\"prompt\":\"a\",\"raw\":\"yes\"}", "raw"},
    {"{\"prompt\":\"a\",\"suffix\":\"b\"}", "suffix"},
    {"{\"prompt\":\"a\",\"images\":[\"AAAA\"]}", "images"},
    {"{\"prompt\":\"a\",\"template\":\"{{ .Prompt }}\"}", "template"},
};

typedef int reader(struct ollama_request *o, const json_t *body, int n_ctx, struct refusal *r);

static json_t *body_of(const char *text)
{
    struct refusal r = {0};
    json_t *body = json_read(text, strlen(text), &r);
    if (!body)
        fail_msg("%s: %s", text, r.text);
    return body;
}

static void check_read(reader *read, const struct given *g)
{
    struct ollama_request o;
    struct refusal r = {0};
    struct out got = {0};
    json_t *body = body_of(g->body);
    if (read(&o, body, N_CTX, &r) != 0)
        fail_msg("%s: %s", g->body, r.text);
    out_value(&got, o.chat);
    out_bytes(&got, "", 1);
    assert_string_equal(got.text, g->want);
    out_free(&got);
    assert_string_equal(json_string_value(json_object_get(o.origins, "max_tokens")), "options.num_predict");
    ollama_request_free(&o);
    json_decref(body);
}

static void check_refused(reader *read, const struct given *g)
{
    struct ollama_request o;
    struct refusal r = {0};
    json_t *body = body_of(g->body);
    if (read(&o, body, N_CTX, &r) != -1)
        fail_msg("accepted: %s", g->body);
    assert_int_equal(r.status, 400);
    if (strcmp(r.param, g->want) != 0)
        fail_msg("%s: refused at %s, not %s", g->body, r.param, g->want);
    ollama_request_free(&o);
    json_decref(body);
}

static void test_chats(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof chats / sizeof *chats; i++)
        check_read(ollama_chat_read, &chats[i]);
    for (size_t i = 0; i < sizeof generates / sizeof *generates; i++)
        check_read(ollama_generate_read, &generates[i]);
}

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof chats_refused / sizeof *chats_refused; i++)
        check_refused(ollama_chat_read, &chats_refused[i]);
    for (size_t i = 0; i < sizeof generates_refused / sizeof *generates_refused; i++)
        check_refused(ollama_generate_read, &generates_refused[i]);
}

/* n times item, with commas, in a message of calls, or as messages. */
static int read_many(const char *before, const char *item, size_t n, const char *behind, struct refusal *r)
{
    struct out text = {0};
    struct ollama_request o;
    out_print(&text, "%s", before);
    for (size_t i = 0; i < n; i++)
        out_print(&text, "%s%s", i ? "," : "", item);
    out_print(&text, "%s", behind);
    out_bytes(&text, "", 1);
    json_t *body = body_of(text.text);
    int rc = ollama_chat_read(&o, body, N_CTX, r);
    ollama_request_free(&o);
    json_decref(body);
    out_free(&text);
    return rc;
}

/* Results look for their calls one by one: there are not too many of either. */
static void test_limits(void **state)
{
    (void)state;
    static const char calls[] = "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[",
                      call[] = "{\"function\":{\"name\":\"f\"}}", messages[] = "{\"messages\":[",
                      message[] = "{\"role\":\"user\"}";
    struct refusal r = {0};
    assert_int_equal(read_many(calls, call, 1024, "]}]}", &r), 0);
    assert_int_equal(read_many(calls, call, 1025, "]}]}", &r), -1);
    assert_int_equal(r.status, 400);
    assert_string_equal(r.param, "messages[0].tool_calls");
    r = (struct refusal){0};
    assert_int_equal(read_many(messages, message, 4096, "]}", &r), 0);
    assert_int_equal(read_many(messages, message, 4097, "]}", &r), -1);
    assert_int_equal(r.status, 400);
    assert_string_equal(r.param, "messages");
}

static void test_forms(void **state)
{
    (void)state;
    static const struct {
        reader *read;
        const char *body;
        int load, stream;
        const char *raw;
    } form[] = {{ollama_chat_read, "{\"messages\":[]}", 1, 1, NULL},
                {ollama_chat_read, "{}", 1, 1, NULL},
                {ollama_generate_read, "{\"stream\":false}", 1, 0, NULL},
                {ollama_generate_read, "{\"prompt\":\"a\"}", 0, 1, NULL},
                {ollama_generate_read, "{\"prompt\":\"a\\u0000b\",\"raw\":true}", 0, 1, "a\0b"}};
    for (size_t i = 0; i < sizeof form / sizeof *form; i++) {
        struct ollama_request o;
        struct refusal r = {0};
        json_t *body = body_of(form[i].body);
        assert_int_equal(form[i].read(&o, body, N_CTX, &r), 0);
        assert_int_equal(o.load, form[i].load);
        assert_int_equal(o.stream, form[i].stream);
        assert_int_equal(!!o.raw, !!form[i].raw);
        if (o.raw) {
            assert_int_equal(o.n_raw, 3);
            assert_memory_equal(o.raw, form[i].raw, 3);
        }
        ollama_request_free(&o);
        json_decref(body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chats),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
