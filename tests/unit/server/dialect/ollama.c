/* links: server toolbox mcp library engine text model store op machine kernel format base */
/* Ollama's dialect over the embedded model, without sockets: lines of a stream say what the whole answer says, generate and chat agree,
 * calls come whole, what the model is. */
#include "server/dialect/ollama.h"

#include "http_world.h"

#define HELLO   "\"messages\":[{\"role\":\"user\",\"content\":\"Say hello.\"}]"
#define OPTIONS ",\"options\":{\"temperature\":0,\"num_predict\":24}"
#define WEATHER                                                                                                        \
    "\"messages\":[{\"role\":\"user\",\"content\":\"What is the weather in "                                           \
    "Bergen?\"}],\"tools\":[{\"type\":\"function\","                                                                   \
    "\"function\":{\"name\":\"get_weather\",\"description\":\"Tell the weather in a city.\",\"parameters\":{\"type\":" \
    "\"object\",\"properties\":{\"city\":{\"type\":\"string\"}},\"required\":[\"city\"]}}}]"

static void ask(void (*handle)(struct http_exchange *x), const char *fields)
{
    char body[4000];
    int n = snprintf(body, sizeof body, "{%s}", fields);
    http_ask(handle, body, (size_t)n);
    if (http_world.status != 200)
        fail_msg("%d %s: %s", http_world.status, http_world.param, http_world.text.text);
}

static json_t *whole(void (*handle)(struct http_exchange *x), const char *fields)
{
    char more[3900];
    snprintf(more, sizeof more, "%s,\"stream\":false", fields);
    ask(handle, more);
    return parse(http_world.text.text, http_world.text.n);
}

static json_int_t number_of(const json_t *o, const char *key) { return json_integer_value(json_object_get(o, key)); }

/* The lines of a stream put together: text of all of them; the last line. */
static json_t *joined(void (*handle)(struct http_exchange *x), const char *fields, struct out *text)
{
    json_t *last = NULL;
    ask(handle, fields);
    for (char *at = http_world.text.text, *end; *at; at = end + 1) {
        end = strchr(at, '\n');
        assert_non_null(end);
        if (last)
            assert_true(json_is_false(json_object_get(last, "done")));
        json_decref(last);
        last = parse(at, (size_t)(end - at));
        const json_t *message = json_object_get(last, "message");
        out_print(text, "%s", message ? text_of(message, "content") : text_of(last, "response"));
    }
    assert_true(json_is_true(json_object_get(last, "done")));
    assert_true(http_world.ended);
    return last;
}

static void stream_is_whole(void **state)
{
    (void)state;
    static const struct {
        void (*handle)(struct http_exchange *x);
        const char *fields;
    } asks[] = {{ollama_chat, HELLO OPTIONS}, {ollama_generate, "\"prompt\":\"Say hello.\"" OPTIONS}};
    struct out first = {0};
    for (size_t i = 0; i < 2; i++) {
        struct out text = {0};
        json_t *b = joined(asks[i].handle, asks[i].fields, &text), *a = whole(asks[i].handle, asks[i].fields);
        const json_t *message = json_object_get(a, "message");
        out_bytes(&text, "", 1);
        assert_string_equal(text.text, message ? text_of(message, "content") : text_of(a, "response"));
        assert_string_equal(text_of(a, "done_reason"), text_of(b, "done_reason"));
        assert_int_equal(number_of(a, "eval_count"), number_of(b, "eval_count"));
        assert_int_equal(number_of(a, "prompt_eval_count"), number_of(b, "prompt_eval_count"));
        assert_true(number_of(a, "total_duration") > 0);
        if (i == 0)
            out_bytes(&first, text.text, text.n);
        else
            assert_string_equal(text.text, first.text); /* generate is chat of one message */
        out_free(&text);
        json_decref(a);
        json_decref(b);
    }
    out_free(&first);
}

static void calls_come_whole(void **state)
{
    (void)state;
    json_t *a = whole(ollama_chat, WEATHER OPTIONS);
    json_t *calls = json_object_get(json_object_get(a, "message"), "tool_calls");
    json_t *function = json_object_get(json_array_get(calls, 0), "function");
    assert_int_equal(json_array_size(calls), 1);
    assert_string_equal(text_of(function, "name"), "get_weather");
    assert_string_equal(text_of(json_object_get(function, "arguments"), "city"), "Bergen");
    assert_string_equal(text_of(a, "done_reason"), "stop");
    struct out text = {0};
    json_t *last = joined(ollama_chat, WEATHER OPTIONS, &text);
    assert_non_null(
        strstr(http_world.text.text, "\"tool_calls\":[{\"function\":{\"name\":\"get_weather\",\"arguments\":{"));
    assert_int_equal(text.n, 0);
    out_free(&text);
    json_decref(last);
    json_decref(a);
}

static void raw_has_no_template(void **state)
{
    (void)state;
    json_t *a = whole(ollama_generate, "\"prompt\":\"Say hello.\",\"raw\":true" OPTIONS);
    json_t *b = whole(ollama_generate, "\"prompt\":\"Say hello.\"" OPTIONS);
    assert_true(number_of(a, "prompt_eval_count") < number_of(b, "prompt_eval_count"));
    json_decref(a);
    json_decref(b);
}

/* Without a template too an answer is what the format says, from its first token on. */
static void raw_keeps_its_format(void **state)
{
    (void)state;
    for (int seed = 1; seed < 6; seed++) {
        char fields[300];
        snprintf(
            fields, sizeof fields,
            "\"prompt\":\"Say hello.\",\"raw\":true,\"format\":{\"type\":\"object\",\"properties\":{\"ok\":{\"type\":"
            "\"boolean\"}},\"required\":[\"ok\"]},\"options\":{\"num_predict\":40,\"temperature\":1,\"seed\":%d}",
            seed);
        json_t *a = whole(ollama_generate, fields);
        json_t *value = parse(text_of(a, "response"), strlen(text_of(a, "response")));
        assert_true(json_is_boolean(json_object_get(value, "ok")));
        json_decref(value);
        json_decref(a);
    }
}

static void refusals_name_what_was_sent(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {HELLO ",\"options\":{\"temperature\":\"hot\"}", "options.temperature"},
        {HELLO ",\"options\":{\"temperature\":-1}", "options.temperature"},
        {HELLO ",\"options\":{\"temperature\":1e308}", "options.temperature"},
        {HELLO ",\"options\":{\"stop\":5}", "options.stop"},
        {HELLO ",\"options\":{\"stop\":[\"\"]}", "options.stop[0]"},
        {HELLO ",\"format\":{\"type\":\"quux\"}", "format"},
        {HELLO ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"enum\":[1]}}}]",
         "tools[0].function.parameters"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        http_refused(ollama_chat, bad[i][0], NULL, bad[i][1]);
    static const char raw[] = "{\"prompt\":\"a\",\"raw\":true,\"format\":{\"type\":\"quux\"}}";
    http_ask(ollama_generate, raw, sizeof raw - 1);
    assert_int_equal(http_world.status, 400);
    assert_string_equal(http_world.param, "format");
}

static void loading_answers_nothing(void **state)
{
    (void)state;
    json_t *a = whole(ollama_chat, "\"messages\":[]"), *b = whole(ollama_generate, "\"model\":\"ember\"");
    assert_string_equal(text_of(a, "done_reason"), "load");
    assert_string_equal(text_of(b, "done_reason"), "load");
    assert_int_equal(http_world.counted, 0);
    json_decref(a);
    json_decref(b);
}

static void more_context_is_not_promised(void **state)
{
    (void)state;
    static const char body[] = "{" HELLO ",\"options\":{\"num_ctx\":4096}}";
    http_ask(ollama_chat, body, sizeof body - 1);
    assert_int_equal(http_world.status, 400);
    assert_string_equal(http_world.param, "options.num_ctx");
    assert_non_null(strstr(http_world.text.text, "2048"));
}

static void the_model_is_shown(void **state)
{
    (void)state;
    ask(ollama_show, "\"model\":\"ember\"");
    json_t *a = parse(http_world.text.text, http_world.text.n), *info = json_object_get(a, "model_info");
    assert_string_equal(text_of(info, "general.architecture"), "qwen3moe");
    assert_int_equal(number_of(info, "qwen3moe.context_length"), 2048);
    assert_string_equal(text_of(json_object_get(a, "details"), "format"), "gguf");
    assert_true(*text_of(a, "template"));
    json_decref(a);
    ask(ollama_models, "");
    a = parse(http_world.text.text, http_world.text.n);
    const json_t *model = json_array_get(json_object_get(a, "models"), 0);
    assert_string_equal(text_of(model, "name"), "ember:latest");
    assert_int_equal(strlen(text_of(model, "digest")), 64);
    assert_null(json_object_get(model, "expires_at"));
    json_decref(a);
    ask(ollama_running, "");
    a = parse(http_world.text.text, http_world.text.n);
    model = json_array_get(json_object_get(a, "models"), 0);
    assert_string_equal(text_of(model, "name"), "ember:latest");
    assert_int_equal(number_of(model, "context_length"), 2048);
    assert_int_equal(number_of(model, "size_vram"), 0);
    assert_string_equal(text_of(model, "expires_at"), "9999-12-31T23:59:59Z");
    json_decref(a);
}

static int open_world(void **state)
{
    struct stoker_error err;
    return http_world_open(state) || stoker_about(&http_server.about, HTTP_WORLD_MODEL, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_is_whole),
        cmocka_unit_test(calls_come_whole),
        cmocka_unit_test(raw_has_no_template),
        cmocka_unit_test(raw_keeps_its_format),
        cmocka_unit_test(refusals_name_what_was_sent),
        cmocka_unit_test(loading_answers_nothing),
        cmocka_unit_test(more_context_is_not_promised),
        cmocka_unit_test(the_model_is_shown),
    };
    return cmocka_run_group_tests(tests, open_world, http_world_close);
}
