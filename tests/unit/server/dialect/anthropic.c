/* links: server toolbox mcp library engine text model store op machine kernel format base */
/* Anthropic's dialect over the embedded model, without sockets: a stream says what the whole answer says, its events come in their
 * order, the count is what a message costs, a client that disconnects is cleaned up after. */
#include "server/dialect/anthropic.h"

#include "http_world.h"

#define ASK(text) "\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]"
#define LAMP                                                                                                           \
    "{\"name\":\"set_lamp\",\"input_schema\":{\"type\":\"object\",\"properties\":{\"room\":{\"enum\":[\"hall\","       \
    "\"attic\"]},\"on\":{\"type\":\"boolean\"}},\"required\":[\"room\",\"on\"]}}"

static void ask(void (*handle)(struct http_exchange *x), const char *fields, int is_stream)
{
    char body[4000];
    int n = snprintf(body, sizeof body, "{%s%s}", fields, is_stream ? ",\"stream\":true" : "");
    http_ask(handle, body, (size_t)n);
}

static json_t *whole(const char *fields)
{
    ask(anthropic_messages, fields, 0);
    if (http_world.status != 200)
        fail_msg("%d %s: %s", http_world.status, http_world.param, http_world.text.text);
    return parse(http_world.text.text, http_world.text.n);
}

/* ---- a stream, put together ------------------------------------------------------------------------------------------------ */

struct joined {
    json_t *message; /* as a whole answer has it */
    int open;        /* a block is */
    int n_event;
    const char *last; /* type of the last event */
};

static void join_delta(json_t *block, const json_t *delta)
{
    static const struct {
        const char *type, *key, *to, *of;
    } known[] = {{"text_delta", "text", "text", "text"},
                 {"thinking_delta", "thinking", "thinking", "thinking"},
                 {"signature_delta", "signature", "signature", "thinking"},
                 {"input_json_delta", "partial_json", "json", "tool_use"}};
    for (size_t i = 0; i < 4; i++)
        if (strcmp(text_of(delta, "type"), known[i].type) == 0) {
            assert_string_equal(text_of(block, "type"), known[i].of);
            append(block, known[i].to, text_of(delta, known[i].key));
            return;
        }
    fail_msg("unknown delta %s", text_of(delta, "type"));
}

static void join_event(struct joined *j, const char *type, const json_t *e)
{
    json_t *content = json_object_get(j->message, "content");
    json_t *block = json_array_get(content, json_array_size(content) - 1);
    int index = (int)json_integer_value(json_object_get(e, "index"));
    assert_string_equal(text_of(e, "type"), type);
    assert_int_equal(j->n_event++ == 0, strcmp(type, "message_start") == 0); /* first, and only once */
    if (strcmp(type, "message_start") == 0) {
        j->message = json_deep_copy(json_object_get(e, "message"));
    } else if (strcmp(type, "content_block_start") == 0) {
        assert_false(j->open);
        assert_int_equal(index, json_array_size(content));
        json_array_append_new(content, json_deep_copy(json_object_get(e, "content_block")));
        j->open = 1;
    } else if (strcmp(type, "content_block_delta") == 0) {
        assert_true(j->open);
        assert_int_equal(index + 1, json_array_size(content));
        join_delta(block, json_object_get(e, "delta"));
    } else if (strcmp(type, "content_block_stop") == 0) {
        assert_true(j->open);
        j->open = 0;
        if (json_object_get(block, "json")) {
            json_object_set_new(block, "input", parse(text_of(block, "json"), strlen(text_of(block, "json"))));
            json_object_del(block, "json");
        }
    } else if (strcmp(type, "message_delta") == 0) {
        assert_false(j->open);
        json_object_update(j->message, json_object_get(e, "delta"));
        json_object_set(j->message, "usage", json_object_get(e, "usage"));
    } else {
        assert_string_equal(type, "message_stop");
    }
}

static json_t *joined(const char *fields)
{
    struct joined j = {0};
    char type[64] = "";
    ask(anthropic_messages, fields, 1);
    if (http_world.status != 200)
        fail_msg("%d %s: %s", http_world.status, http_world.param, http_world.text.text);
    for (char *at = http_world.text.text, *end; *at; at = end + 2) {
        end = strstr(at, "\n\n");
        assert_non_null(end);
        if (*at == ':')
            continue;
        assert_int_equal(sscanf(at, "event: %63[a-z_]\n", type), 1);
        char *data = strstr(at, "\ndata: ");
        assert_true(data && data < end);
        json_t *e = parse(data + 7, (size_t)(end - data - 7));
        if (strcmp(type, "ping") != 0)
            join_event(&j, type, e);
        json_decref(e);
    }
    assert_string_equal(type, "message_stop");
    assert_true(http_world.ended);
    return j.message;
}

/* Ids are drawn, and the second answer finds more of its prompt cached: compare all but that. */
static void forget(json_t *message)
{
    size_t i;
    json_t *block, *usage = json_object_get(message, "usage");
    json_int_t total = json_integer_value(json_object_get(usage, "input_tokens")) +
                       json_integer_value(json_object_get(usage, "cache_read_input_tokens"));
    json_object_set_new(usage, "input_tokens", json_integer(total));
    json_object_del(usage, "cache_read_input_tokens");
    json_object_del(message, "id");
    json_array_foreach(json_object_get(message, "content"), i, block) { json_object_del(block, "id"); }
}

static const char *const asks[] = {
    "\"max_tokens\":24,\"temperature\":0," ASK("Say hello."),
    "\"max_tokens\":1,\"temperature\":0," ASK("Say hello."),
    "\"max_tokens\":60,\"temperature\":0,\"stop_sequences\":[\"small\"]," ASK("Hello"),
    "\"max_tokens\":60,\"temperature\":0,\"thinking\":{\"type\":\"enabled\"}," ASK("What is 2 + 3?"),
    "\"max_tokens\":200,\"temperature\":0,\"tools\":[" LAMP "],\"tool_choice\":{\"type\":\"any\"}," ASK("lamp"),
    "\"max_tokens\":90,\"temperature\":0,\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":"
    "\"object\",\"properties\":{\"a\":{\"type\":\"boolean\"}},\"required\":[\"a\"]}}}," ASK("x"),
};
static const char *const stop_reasons[] = {"end_turn", "max_tokens", "stop_sequence",
                                           "end_turn", "tool_use",   "end_turn"};

static void stream_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        json_t *a = whole(asks[i]), *b = joined(asks[i]);
        forget(a);
        forget(b);
        char *first = json_dumps(a, JSON_SORT_KEYS), *second = json_dumps(b, JSON_SORT_KEYS);
        assert_string_equal(first, second);
        assert_string_equal(text_of(a, "stop_reason"), stop_reasons[i]);
        free(first);
        free(second);
        json_decref(a);
        json_decref(b);
    }
}

static void thinking_comes_first(void **state)
{
    (void)state;
    json_t *a = whole(asks[3]), *content = json_object_get(a, "content");
    assert_int_equal(json_array_size(content), 2);
    assert_string_equal(text_of(json_array_get(content, 0), "type"), "thinking");
    assert_true(*text_of(json_array_get(content, 0), "thinking"));
    assert_true(*text_of(json_array_get(content, 0), "signature"));
    assert_string_equal(text_of(json_array_get(content, 1), "text"), "2 + 3 = 5.");
    json_decref(a);
}

static void a_call_fits_its_schema(void **state)
{
    (void)state;
    json_t *a = whole(asks[4]), *block, *calls = json_object_get(a, "content");
    size_t i;
    assert_true(json_array_size(calls) > 0);
    json_array_foreach(calls, i, block)
    {
        assert_string_equal(text_of(block, "type"), "tool_use");
        assert_int_equal(strncmp(text_of(block, "id"), "toolu_", 6), 0);
        assert_true(json_is_boolean(json_object_get(json_object_get(block, "input"), "on")));
    }
    json_decref(a);
}

static void the_count_is_the_cost(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        json_t *a = whole(asks[i]);
        forget(a);
        ask(anthropic_count_tokens, asks[i], 0);
        json_t *count = parse(http_world.text.text, http_world.text.n);
        assert_int_equal(json_integer_value(json_object_get(count, "input_tokens")),
                         json_integer_value(json_object_get(json_object_get(a, "usage"), "input_tokens")));
        json_decref(count);
        json_decref(a);
    }
}

static void too_long_is_reported_as_agents_expect(void **state)
{
    (void)state;
    struct out body = {0};
    out_print(&body, "{\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"");
    for (int i = 0; i < 3000; i++)
        out_print(&body, "river ");
    out_print(&body, "\"}]}");
    http_ask(anthropic_messages, body.text, body.n);
    int tokens, most;
    assert_int_equal(http_world.status, 400);
    assert_int_equal(sscanf(http_world.text.text, "prompt is too long: %d tokens > %d maximum", &tokens, &most), 2);
    assert_true(tokens > 3000);
    assert_int_equal(most, 2048);
    out_free(&body);
}

/* In the client's words, whatever was left out or put together on the way. */
static void refusals_name_what_was_sent(void **state)
{
    (void)state;
#define HI "\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]"
    static const char *const bad[][2] = {
        {HI ",\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"w\"},{\"name\":\"f\",\"input_schema\":{\"type\":"
            "\"string\"}}]",
         "tools[1].input_schema"},
        {HI ",\"tools\":[{\"type\":\"bash_20250124\",\"name\":\"b\"},{\"name\":\"a b\",\"input_schema\":{}}]",
         "tools[1].name"},
        {HI ",\"stop_sequences\":[\"a\",\"\"]", "stop_sequences[1]"},
        {HI ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"quux\"}}}",
         "output_config.format"},
        {HI ",\"output_format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"quux\"}}", "output_format"},
        {HI ",\"temperature\":1e308", "temperature"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        http_refused(anthropic_messages, bad[i][0], NULL, bad[i][1]);
}

/* As many messages as there may be are not too many for what else becomes a message of the chat: a system text, results. One more is
 * counted as the client counts. */
static void messages_are_counted_as_sent(void **state)
{
    (void)state;
    for (int n = 4096; n <= 4097; n++) {
        struct out body = {0};
        out_print(&body, "{\"max_tokens\":5,\"system\":\"s\",\"messages\":[");
        for (int i = 0; i < n; i++)
            out_print(&body, "%s{\"role\":\"%s\",\"content\":\"a\"}", i ? "," : "", i & 1 ? "assistant" : "user");
        out_print(&body, "]}");
        http_ask(anthropic_messages, body.text, body.n);
        assert_int_equal(http_world.status, 400);
        assert_non_null(strstr(http_world.text.text,
                               n == 4096 ? "prompt is too long: " : "must hold 1 to 4096 messages, not 4097"));
        out_free(&body);
    }
}

static void left_out_tools_are_named(void **state)
{
    (void)state;
    ask(anthropic_messages,
        "\"max_tokens\":1,\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}," LAMP
        ",{\"type\":\"bash_20250124\",\"name\":\"bash\"}]," ASK("x"),
        0);
    assert_int_equal(http_world.status, 200);
    assert_non_null(strstr(http_world.header, "x-stoker-ignored-tools: web_search_20250305,bash_20250124\n"));
}

/* An answer that is not over before the client leaves. */
#define LONG                                                                                                           \
    "\"max_tokens\":900,\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"string\","      \
    "\"minLength\":800}}}," ASK("Tell me a long story.")

static void requests_of_disconnected_clients_end(void **state)
{
    (void)state;
    http_world.leaves = HTTP_DISCONNECTED;
    http_world.leaves_after = 1;
    ask(anthropic_messages, LONG, 1);
    http_world.leaves = 0;
    assert_false(http_world.ended);
    assert_int_equal(http_world.counted, 1);
}

static void a_stopping_server_says_so(void **state)
{
    (void)state;
    http_world.leaves = HTTP_CUT;
    http_world.leaves_after = 1;
    ask(anthropic_messages, LONG, 1);
    http_world.leaves = 0;
    assert_non_null(strstr(http_world.text.text, "event: message_start\n"));
    assert_non_null(strstr(http_world.text.text, "event: error\ndata: {"));
    assert_null(strstr(http_world.text.text, "message_stop"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_is_whole),
        cmocka_unit_test(thinking_comes_first),
        cmocka_unit_test(a_call_fits_its_schema),
        cmocka_unit_test(the_count_is_the_cost),
        cmocka_unit_test(too_long_is_reported_as_agents_expect),
        cmocka_unit_test(refusals_name_what_was_sent),
        cmocka_unit_test(messages_are_counted_as_sent),
        cmocka_unit_test(left_out_tools_are_named),
        cmocka_unit_test(requests_of_disconnected_clients_end),
        cmocka_unit_test(a_stopping_server_says_so),
    };
    return cmocka_run_group_tests(tests, http_world_open, http_world_close);
}
