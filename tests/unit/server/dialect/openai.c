/* links: server toolbox mcp library engine text model store op machine kernel format base */
/* OpenAI's dialect over the embedded model, without sockets: a stream says what the whole answer says, events come in their order,
 * requests of clients that disconnect are cancelled, bad fields are refused by name. */
#include "server/dialect/openai.h"

#include "base/utf8.h"
#include "http_world.h"
#include "spm_model.h"
#include "temporary.h"

#define HELLO "\"messages\":[{\"role\":\"user\",\"content\":\"Say hello.\"}]"
#define USER  "{\"role\":\"user\",\"content\":\"a\"}"
#define LAMP                                                                                                           \
    "{\"type\":\"function\",\"function\":{\"name\":\"set_lamp\",\"parameters\":{\"type\":\"object\",\"properties\":{"  \
    "\"room\":{\"enum\":[\"hall\",\"attic\"]},\"on\":{\"type\":\"boolean\"}},\"required\":[\"room\",\"on\"]}}}"
#define SCHEMA                                                                                                         \
    "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"strict\":true,\"schema\":{"       \
    "\"type\":\"object\",\"properties\":{\"ok\":{\"type\":\"boolean\"},\"c\":{\"enum\":[\"red\",\"blue\"]}},"          \
    "\"required\":[\"ok\",\"c\"],\"additionalProperties\":false}}}"

/* ask(handler, fields with commas between): the whole answer. */
static json_t *whole(void (*handle)(struct http_exchange *x), const char *fields)
{
    char body[4000];
    int n = snprintf(body, sizeof body, "{%s}", fields);
    http_ask(handle, body, (size_t)n);
    if (http_world.status != 200)
        fail_msg("%d %s: %s", http_world.status, http_world.param, http_world.text.text);
    return parse(http_world.text.text, http_world.text.n);
}

/* The events of a stream: an array of their data, without [DONE], which must come last where it comes. */
static json_t *stream(void (*handle)(struct http_exchange *x), const char *fields, int *done)
{
    char body[4000];
    int n = snprintf(body, sizeof body, "{%s,\"stream\":true}", fields);
    http_ask(handle, body, (size_t)n);
    if (http_world.status != 200)
        fail_msg("%d %s: %s", http_world.status, http_world.param, http_world.text.text);
    json_t *events = json_array();
    *done = 0;
    for (char *at = http_world.text.text; *at;) {
        char *end = strstr(at, "\n\n"), *data = strstr(at, "data: ");
        assert_non_null(end);
        assert_int_equal(*done, 0);
        if (*at != ':') {
            assert_true(data && data < end);
            data += 6;
            if (strncmp(data, "[DONE]", 6) == 0)
                *done = 1;
            else
                json_array_append_new(events, parse(data, (size_t)(end - data)));
        }
        at = end + 2;
    }
    return events;
}

/* ---- chat ------------------------------------------------------------------------------------------------------------------ */

static void join_calls(json_t *message, const json_t *delta)
{
    size_t i;
    json_t *piece;
    json_array_foreach((json_t *)delta, i, piece)
    {
        json_t *calls = json_object_get(message, "tool_calls"),
               *call = json_array_get(calls, (size_t)json_integer_value(json_object_get(piece, "index")));
        json_t *f = json_object_get(piece, "function");
        if (!calls)
            json_object_set_new(message, "tool_calls", calls = json_array());
        if (call) {
            append(json_object_get(call, "function"), "arguments", text_of(f, "arguments"));
        } else {
            json_object_del(piece, "index");
            json_array_append(calls, piece);
        }
    }
}

/* What a stream of chat chunks says, as the choices of a whole answer. */
static json_t *join(const json_t *events)
{
    size_t i, k;
    json_t *chunk, *c, *all = json_array();
    json_array_foreach((json_t *)events, i, chunk) json_array_foreach(json_object_get(chunk, "choices"), k, c)
    {
        size_t index = (size_t)json_integer_value(json_object_get(c, "index"));
        json_t *delta = json_object_get(c, "delta"), *choice = json_array_get(all, index);
        if (!choice) {
            assert_int_equal(index, json_array_size(all));
            assert_string_equal(text_of(delta, "role"), "assistant"); /* before all else */
            choice = json_pack("{s:i, s:{s:s, s:s, s:n}, s:n, s:n}", "index", (int)index, "message", "role",
                               "assistant", "content", "", "refusal", "logprobs", "finish_reason");
            json_array_append_new(all, choice);
            continue;
        }
        assert_null(json_object_get(delta, "role"));
        json_t *message = json_object_get(choice, "message"), *probs = json_object_get(c, "logprobs");
        append(message, "content", text_of(delta, "content"));
        if (json_object_get(delta, "reasoning_content"))
            append(message, "reasoning_content", text_of(delta, "reasoning_content"));
        join_calls(message, json_object_get(delta, "tool_calls"));
        if (json_is_object(probs) && !json_is_object(json_object_get(choice, "logprobs")))
            json_object_set(choice, "logprobs", probs);
        else if (json_is_object(probs))
            json_array_extend(json_object_get(json_object_get(choice, "logprobs"), "content"),
                              json_object_get(probs, "content"));
        if (json_is_string(json_object_get(c, "finish_reason"))) {
            assert_true(json_is_null(json_object_get(choice, "finish_reason"))); /* once */
            json_object_set(choice, "finish_reason", json_object_get(c, "finish_reason"));
        }
    }
    json_array_foreach(all, i, c)
    {
        json_t *message = json_object_get(c, "message");
        if (json_object_get(message, "tool_calls") && !*text_of(message, "content"))
            json_object_set_new(message, "content", json_null());
    }
    return all;
}

/* Ids are drawn, and the second answer finds more of its prompt cached: compare all but that. */
static void drop_ids(json_t *v)
{
    const char *key;
    json_t *inner;
    size_t i;
    json_object_del(v, "id");
    json_object_del(v, "call_id");
    json_object_del(v, "item_id");
    json_object_del(v, "input_tokens_details");
    json_array_foreach(v, i, inner) drop_ids(inner);
    json_object_foreach(v, key, inner) drop_ids(inner);
}

static void assert_same(json_t *a, json_t *b)
{
    drop_ids(a);
    drop_ids(b);
    char *x = json_dumps(a, JSON_SORT_KEYS), *y = json_dumps(b, JSON_SORT_KEYS);
    assert_string_equal(x, y);
    free(x);
    free(y);
}

static void stream_is_whole(void **state)
{
    (void)state;
    static const char *const asked[] = {
        HELLO ",\"max_tokens\":24,\"temperature\":0,\"seed\":1",
        HELLO ",\"max_tokens\":40,\"seed\":11,\"temperature\":1.5,\"n\":3,\"ignore_eos\":true",
        HELLO ",\"max_tokens\":12,\"seed\":3,\"logprobs\":true,\"top_logprobs\":4",
        HELLO ",\"max_tokens\":80,\"seed\":5,\"stop\":[\"e\",\"he\"],\"logprobs\":true",
        HELLO ",\"max_tokens\":300,\"seed\":4,\"tools\":[" LAMP "],\"tool_choice\":\"required\"",
        HELLO ",\"max_tokens\":300,\"seed\":6,\"tools\":[" LAMP
              "],\"tool_choice\":\"required\",\"parallel_tool_calls\":false",
        HELLO ",\"max_tokens\":60,\"seed\":6,\"tools\":[" LAMP "]",
        HELLO ",\"max_tokens\":300,\"seed\":2," SCHEMA,
        HELLO ",\"max_tokens\":40,\"seed\":-9,\"response_format\":{\"type\":\"json_object\"}"};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        int done;
        json_t *w = whole(openai_chat, asked[i]), *s = stream(openai_chat, asked[i], &done), *joined = join(s);
        assert_int_equal(done, 1);
        assert_int_equal(http_world.ended, 1);
        assert_int_equal(http_world.counted, 1);
        assert_same(joined, json_object_get(w, "choices"));
        json_t *usage = json_object_get(w, "usage");
        assert_int_equal(json_integer_value(json_object_get(usage, "prompt_tokens")), http_world.n_prompt);
        assert_int_equal(json_integer_value(json_object_get(usage, "completion_tokens")), http_world.n_generated);
        json_t *last = json_array_get(s, json_array_size(s) - 1);
        assert_non_null(json_object_get(last, "timings"));
        assert_true(json_equal(json_object_get(last, "seed"), json_object_get(w, "seed")));
        json_decref(joined);
        json_decref(s);
        json_decref(w);
    }
}

static json_t *choice_of(const json_t *w) { return json_array_get(json_object_get(w, "choices"), 0); }

#define NESTED                                                                                                         \
    "{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":{"  \
    "\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":9},\"minItems\":2,\"maxItems\":3},"  \
    "\"o\":{"                                                                                                          \
    "\"type\":\"object\",\"properties\":{\"x\":{\"const\":[1,{\"y\":2}]},\"b\":{\"type\":\"boolean\"}},\"required\":[" \
    "\"x\","                                                                                                           \
    "\"b\"]}},\"required\":[\"a\",\"o\"]}}}"

/* An agent sends the call back: the template prints it as the model wrote it. */
static void calls_come_back(void **state)
{
    (void)state;
    for (int seed = 1; seed < 6; seed++) {
        char fields[2000];
        struct out spaced = {0}, request = {0};
        struct stoker_prompt p;
        struct stoker_error err;
        snprintf(fields, sizeof fields,
                 HELLO ",\"max_tokens\":200,\"seed\":%d,\"temperature\":1.5,\"tools\":[" NESTED
                       "],\"tool_choice\":\"required\",\"parallel_tool_calls\":false",
                 seed);
        json_t *w = whole(openai_chat, fields), *message = json_object_get(choice_of(w), "message"),
               *call = json_array_get(json_object_get(message, "tool_calls"), 0);
        const char *text = text_of(json_object_get(call, "function"), "arguments");
        json_t *arguments = parse(text, strlen(text));
        out_spaced(&spaced, arguments);
        out_bytes(&spaced, "", 1);
        assert_string_equal(text, spaced.text);
        out_print(&request, "{\"messages\":[" USER ",");
        out_value(&request, message);
        out_print(&request, "]}");
        assert_int_equal(
            stoker_prompt(stoker_templates_of(http_server.engine), request.text, request.n, NULL, NULL, &p, NULL, &err),
            0);
        assert_non_null(memmem(p.text, p.n_text, text, strlen(text)));
        stoker_prompt_free(&p);
        out_free(&spaced);
        out_free(&request);
        json_decref(arguments);
        json_decref(w);
    }
}

static void limits_and_stops(void **state)
{
    (void)state;
    json_t *w = whole(openai_chat, HELLO ",\"max_tokens\":7,\"ignore_eos\":true,\"temperature\":0");
    assert_string_equal(text_of(choice_of(w), "finish_reason"), "length");
    assert_int_equal(http_world.n_generated, 7);
    char text[400], stop[8], fields[1000];
    snprintf(text, sizeof text, "%s", text_of(json_object_get(choice_of(w), "message"), "content"));
    json_decref(w);
    assert_true(strlen(text) > 8);
    snprintf(stop, sizeof stop, "%.3s", text + 4);
    snprintf(fields, sizeof fields, HELLO ",\"max_tokens\":7,\"ignore_eos\":true,\"temperature\":0,\"stop\":\"%s\"",
             stop);
    w = whole(openai_chat, fields);
    *strstr(text, stop) = 0;
    assert_string_equal(text_of(json_object_get(choice_of(w), "message"), "content"), text);
    assert_string_equal(text_of(choice_of(w), "finish_reason"), "stop");
    json_decref(w);
}

static void usage_comes_when_asked(void **state)
{
    (void)state;
    int done;
    json_t *s = stream(openai_chat, HELLO ",\"max_tokens\":5,\"stream_options\":{\"include_usage\":true}", &done);
    size_t n = json_array_size(s);
    for (size_t i = 0; i < n; i++) {
        json_t *usage = json_object_get(json_array_get(s, i), "usage");
        assert_true(i + 1 == n ? json_is_object(usage) : json_is_null(usage));
    }
    assert_int_equal(json_array_size(json_object_get(json_array_get(s, n - 1), "choices")), 0);
    json_decref(s);
    s = stream(openai_chat, HELLO ",\"max_tokens\":5", &done);
    for (size_t i = 0; i < json_array_size(s); i++) {
        assert_null(json_object_get(json_array_get(s, i), "usage"));
        assert_true(json_array_size(json_object_get(json_array_get(s, i), "choices")) > 0);
    }
    json_decref(s);
}

static int busy(void)
{
    struct stoker_slot slot[16];
    int n = stoker_slots(http_server.engine, slot, 16), running = 0;
    for (int i = 0; i < n; i++)
        running += slot[i].state != STOKER_IDLE;
    return running;
}

static void requests_of_disconnected_clients_end(void **state)
{
    (void)state;
    static const char body[] = "{" HELLO ",\"max_tokens\":1500,\"ignore_eos\":true,\"n\":2,\"stream\":true}";
    for (size_t after = 0; after < 3; after++) {
        http_world.leaves = HTTP_DISCONNECTED;
        http_world.leaves_after = after;
        http_ask(openai_chat, body, sizeof body - 1);
        http_world.leaves = 0;
        assert_int_equal(http_world.ended, 0);
        assert_int_equal(http_world.cancelled, 1);
        for (int i = 0; i < 2000 && busy(); i++)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        assert_int_equal(busy(), 0);
    }
}

static void assert_broken_off(void)
{
    assert_int_equal(http_world.status, 200);
    assert_int_equal(http_world.ended, 1);
    assert_non_null(strstr(http_world.text.text, "data: {\"error\":"));
    assert_null(strstr(http_world.text.text, "[DONE]"));
}

static void a_stopping_server_breaks_off(void **state)
{
    (void)state;
    static const char body[] = "{" HELLO ",\"max_tokens\":1500,\"ignore_eos\":true,\"stream\":true}";
    int begun = 0;
    http_world.leaves = HTTP_CUT;
    http_world.leaves_after = 2;
    http_ask(openai_chat, body, sizeof body - 1);
    assert_broken_off();
    http_world.leaves_after = 0;
    for (http_ask(openai_chat, body, sizeof body - 1); http_world.status != 503 && begun < 50; begun++) {
        assert_broken_off(); /* the engine was so fast that the stream had begun */
        http_ask(openai_chat, body, sizeof body - 1);
    }
    http_world.leaves = 0;
    assert_int_equal(http_world.status, 503);
}

/* A stream that runs out of memory ends with an error: it must not look complete. */
static void a_stream_without_memory_breaks_off(void **state)
{
    (void)state;
    static const char body[] = "{" HELLO ",\"max_tokens\":200,\"ignore_eos\":true,\"logprobs\":true,\"stream\":true}";
    static const char block[1 << 20];
    out_bytes(&http_world.text, block, sizeof block); /* the client's, which is not short */
    http_world.is_short = 1; /* before anything is written: a client that is held up gets all of an answer at once */
    http_ask(openai_chat, body, sizeof body - 1);
    http_world.is_short = 0;
    http_memory_set(HTTP_PLENTY);
    assert_int_equal(http_world.status, 200);
    assert_int_equal(http_world.ended, 1);
    assert_non_null(strstr(http_world.text.text, "data: {\"error\":{\"message\":\"this request takes more memory"));
    assert_null(strstr(http_world.text.text, "[DONE]"));
}

/* ---- refusals -------------------------------------------------------------------------------------------------------------- */

struct bad {
    const char *fields, *code, *param;
};

static void refused(void (*handle)(struct http_exchange *x), const struct bad *b)
{
    http_refused(handle, b->fields, b->code, b->param);
}

#define CALL(arguments)                                                                                                \
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\":{"      \
    "\"name\":\"f\",\"arguments\":\"" arguments "\"}}]}"

static void bad_chats(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {"\"max_tokens\":2", "missing_field", "messages"},
        {"\"messages\":\"hi\"", "invalid_type", "messages"},
        {"\"messages\":[]", "invalid_value", "messages"},
        {"\"messages\":[1]", "invalid_type", "messages[0]"},
        {"\"messages\":[{\"role\":\"king\",\"content\":\"a\"}]", "invalid_value", "messages[0].role"},
        {"\"messages\":[{\"content\":\"a\"}]", "missing_field", "messages[0].role"},
        {"\"messages\":[" USER ",{\"role\":\"user\",\"content\":5}]", "invalid_type", "messages[1].content"},
        {"\"messages\":[{\"role\":\"user\"}]", "missing_field", "messages[0].content"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]", "unsupported",
         "messages[0].content[0]"},
        {"\"messages\":[" USER "," CALL("{") ",{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"x\"}]",
         "invalid_value", "messages[1].tool_calls[0].function.arguments"},
        {"\"messages\":[" USER "," CALL("{}") ",{\"role\":\"tool\",\"tool_call_id\":\"d\",\"content\":\"x\"}]",
         "invalid_value", "messages[2].tool_call_id"},
        {HELLO ",\"max_tokens\":0", "invalid_value", "max_tokens"},
        {HELLO ",\"max_completion_tokens\":-1", "invalid_value", "max_completion_tokens"},
        {HELLO ",\"max_tokens\":\"9\"", "invalid_type", "max_tokens"},
        {HELLO ",\"temperature\":-1", "invalid_value", "temperature"},
        {HELLO ",\"temperature\":1e308", "invalid_value", "temperature"},
        {HELLO ",\"top_k\":-2", "invalid_value", "top_k"},
        {HELLO ",\"presence_penalty\":2.5", "invalid_value", "presence_penalty"},
        {HELLO ",\"tools\":[" LAMP ",{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":"
               "\"string\"}}}]",
         "invalid_value", "tools[1].function.parameters"},
        {HELLO ",\"top_p\":0", "invalid_value", "top_p"},
        {HELLO ",\"repeat_penalty\":0", "invalid_value", "repeat_penalty"},
        {HELLO ",\"repeat_penalty\":1e-300", "invalid_value", "repeat_penalty"},
        {HELLO ",\"repeat_penalty\":1e999", "invalid_value", "repeat_penalty"},
        {HELLO ",\"n\":5", "invalid_value", "n"},
        {HELLO ",\"stop\":5", "invalid_type", "stop"},
        {HELLO ",\"stop\":[\"a\",\"\"]", "invalid_value", "stop[1]"},
        {HELLO ",\"stream\":\"yes\"", "invalid_type", "stream"},
        {HELLO ",\"logprobs\":1", "invalid_type", "logprobs"},
        {HELLO ",\"top_logprobs\":2", "invalid_value", "top_logprobs"},
        {HELLO ",\"logit_bias\":[1]", "invalid_type", "logit_bias"},
        {HELLO ",\"logit_bias\":{\"x\":1}", "invalid_value", "logit_bias"},
        {HELLO ",\"logit_bias\":{\"5\":200}", "invalid_value", "logit_bias.5"},
        {HELLO ",\"logit_bias\":{\"999999999\":1}", "invalid_value", "logit_bias"},
        {HELLO ",\"tools\":{}", "invalid_type", "tools"},
        {HELLO ",\"tools\":[{\"type\":\"function\",\"function\":{}}]", "missing_field", "tools[0].function.name"},
        {HELLO ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a b\"}}]", "invalid_value",
         "tools[0].function.name"},
        {HELLO ",\"tools\":[" LAMP "," LAMP "]", "invalid_value", "tools[1].function.name"},
        {HELLO ",\"tools\":[" LAMP "],\"tool_choice\":\"sometimes\"", "invalid_value", "tool_choice"},
        {HELLO ",\"tool_choice\":\"required\"", "invalid_value", "tool_choice"},
        {HELLO ",\"tools\":[" LAMP "],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"no\"}}",
         "invalid_value", "tool_choice.function.name"},
        {HELLO ",\"response_format\":{\"type\":\"xml\"}", "invalid_value", "response_format.type"},
        {HELLO ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a\"}}", "missing_field",
         "response_format.json_schema.schema"},
        {HELLO ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":\"quux\"}}}",
         "invalid_value", "response_format"},
        {HELLO ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a\",\"schema\":{\"type\":"
               "\"string\",\"minLength\":1000000000}}}",
         "invalid_value", "response_format"},
        {HELLO ",\"functions\":[]", "unsupported", "functions"},
        {HELLO ",\"modalities\":[\"text\",\"audio\"]", "unsupported", "modalities[1]"},
        {HELLO ",\"metadata\":3", "invalid_type", "metadata"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(openai_chat, &bad[i]);
}

/* response_format beside tools: the model calls, or (here the marker of a call is made unlikely) writes what the format asks for; forced
 * calls are calls. */
static void formats_beside_tools(void **state)
{
    (void)state;
    static const char *const choices[] = {"", ",\"tool_choice\":\"required\"", ",\"logit_bias\":{\"%d\":-99}"};
    struct stoker_error err;
    stoker_token *marker;
    size_t n, n_values = 0;
    assert_int_equal(stoker_tokenize(http_server.engine, "<tool_call>", 11, 0, 1, &marker, &n, &err), 0);
    for (int k = 0; k < 24; k++) {
        char fields[1500], choice[60];
        snprintf(choice, sizeof choice, choices[k % 3], (int)*marker);
        snprintf(fields, sizeof fields,
                 HELLO ",\"max_tokens\":120,\"temperature\":1.5,\"seed\":%d,\"tools\":[" LAMP "]," SCHEMA "%s", k,
                 choice);
        json_t *w = whole(openai_chat, fields);
        const json_t *m = json_object_get(choice_of(w), "message");
        const json_t *call = json_array_get(json_object_get(m, "tool_calls"), 0);
        const char *text = call ? text_of(json_object_get(call, "function"), "arguments") : text_of(m, "content");
        json_t *v = parse(text, strlen(text));
        assert_true(json_is_string(json_object_get(v, call ? "room" : "c")));
        assert_true(json_is_boolean(json_object_get(v, call ? "on" : "ok")));
        assert_true(!call || json_is_null(json_object_get(m, "content")));
        assert_true(call || k % 3 != 1);
        n_values += !call;
        json_decref(v);
        json_decref(w);
    }
    free(marker);
    assert_true(n_values > 0);
}

static void null_is_absent(void **state)
{
    (void)state;
    json_decref(whole(openai_chat,
                      HELLO ",\"max_tokens\":2,\"stop\":null,\"tools\":null,\"tool_choice\":null,\"top_p\":null,"
                            "\"logit_bias\":null,\"response_format\":null,\"n\":null,\"frobnicate\":{\"a\":1}"));
}

/* -1, which other servers have for "all tokens", is our 0; and neither is the default. */
static void top_k_minus_one_is_off(void **state)
{
    (void)state;
    static const char *const top_k[] = {"-1", "0", "1"};
    json_t *message[3];
    for (int i = 0; i < 3; i++) {
        struct out fields = {0};
        out_print(&fields, HELLO ",\"max_tokens\":40,\"seed\":3,\"temperature\":3,\"top_p\":1,\"min_p\":0,\"top_k\":%s",
                  top_k[i]);
        out_bytes(&fields, "", 1);
        json_t *answer = whole(openai_chat, fields.text);
        message[i] = json_incref(json_object_get(json_array_get(json_object_get(answer, "choices"), 0), "message"));
        json_decref(answer);
        out_free(&fields);
    }
    assert_true(json_equal(message[0], message[1]));
    assert_false(json_equal(message[0], message[2]));
    for (int i = 0; i < 3; i++)
        json_decref(message[i]);
}

static void long_prompts_are_refused(void **state)
{
    (void)state;
    struct out body = {0};
    out_print(&body, "{\"messages\":[{\"role\":\"user\",\"content\":\"");
    for (int i = 0; i < 4000; i++)
        out_print(&body, "word ");
    out_print(&body, "\"}]}");
    http_ask(openai_chat, body.text, body.n);
    assert_int_equal(http_world.status, 400);
    assert_string_equal(http_world.code, "context_length_exceeded");
    assert_string_equal(http_world.param, "messages");
    assert_non_null(strstr(http_world.text.text, "2048"));
    out_free(&body);
}

static void long_lists_are_refused(void **state)
{
    (void)state;
    struct out fields = {0};
    out_print(&fields, HELLO ",\"logit_bias\":{\"0\":1");
    for (int i = 1; i <= STOKER_BIAS_MOST; i++)
        out_print(&fields, ",\"%d\":1", i);
    out_print(&fields, "}");
    out_bytes(&fields, "", 1);
    http_refused(openai_chat, fields.text, "invalid_value", "logit_bias");
    out_free(&fields);
}

static void unstable_lines_are_named(void **state)
{
    (void)state;
    static const char system[] = "\"messages\":[{\"role\":\"system\",\"content\":\"x-anthropic-billing-header: a\\nBe "
                                 "kind.\"}," USER "],\"max_tokens\":1",
                      without[] = "\"messages\":[{\"role\":\"system\",\"content\":\"Be kind.\"}," USER
                                  "],\"max_tokens\":1";
    json_decref(whole(openai_chat, without));
    size_t n = http_world.n_prompt;
    assert_null(strstr(http_world.header, "x-stoker-stabilized"));
    http_server.opt.stabilize = STABILIZE_STRIP;
    json_decref(whole(openai_chat, system));
    http_server.opt.stabilize = STABILIZE_OFF;
    assert_non_null(strstr(http_world.header, "x-stoker-stabilized: R1\n"));
    assert_int_equal(http_world.n_prompt, n);
}

/* Messages behind one that --stabilize takes away keep the names that the client knows. */
static void stabilized_messages_are_named(void **state)
{
    (void)state;
#define CUT_CALL "{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}"
    static const struct bad chat = {
        "\"messages\":[{\"role\":\"system\",\"content\":\"x-anthropic-billing-header: a\"}," USER
        ",{\"role\":\"assistant\",\"tool_calls\":[" CUT_CALL "]},{\"role\":\"tool\",\"tool_call_id\":\"c\","
        "\"content\":\"x\"}]",
        "invalid_value", "messages[2].tool_calls[0].function.arguments"};
    static const struct bad response = {
        "\"instructions\":\"x-anthropic-billing-header: a\",\"input\":[{\"role\":\"user\",\"content\":\"a\"},"
        "{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{\"},"
        "{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"x\"}]",
        "invalid_value", "input[1].arguments"};
    http_server.opt.stabilize = STABILIZE_STRIP;
    refused(openai_chat, &chat);
    refused(openai_responses, &response);
    http_server.opt.stabilize = STABILIZE_OFF;
}

#define WITH_NOT(strict)                                                                                               \
    HELLO ",\"max_tokens\":60,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"," strict                  \
          "\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"boolean\",\"not\":{}}}}}}]"

static void what_is_not_enforced_is_named(void **state)
{
    (void)state;
    json_decref(whole(openai_chat, WITH_NOT("")));
    assert_non_null(strstr(http_world.header, "x-stoker-schema-warnings: "));
    assert_non_null(strstr(http_world.header, "tools[0].function.parameters#/properties/a"));
    static const struct bad strict = {WITH_NOT("\"strict\":true,"), "invalid_value", "tools[0].function.parameters"};
    refused(openai_chat, &strict);
    json_decref(whole(openai_chat,
                      HELLO ",\"max_tokens\":20,\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{"
                            "\"name\":\"x\",\"schema\":{\"type\":\"boolean\",\"not\":{}}}}"));
    assert_non_null(strstr(http_world.header, "x-stoker-schema-warnings: "));
}

/* Of many sentences those that fit stand whole in the header, with the number of the others. */
static void many_are_counted(void **state)
{
    (void)state;
    enum { N = 30 };
    char body[4000];
    int n = snprintf(body, sizeof body, "%s",
                     HELLO
                     ",\"max_tokens\":60,\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\","
                     "\"schema\":{\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < N; i++)
        n += snprintf(body + n, sizeof body - (size_t)n, "%s\"\u00e4%d\":{\"type\":\"boolean\",\"not\":{}}",
                      i ? "," : "", i);
    snprintf(body + n, sizeof body - (size_t)n, "}}}}");
    json_decref(whole(openai_chat, body));
    const char *at = strstr(http_world.header, "x-stoker-schema-warnings: "), *and = at ? strstr(at, "; and ") : NULL;
    assert_non_null(and);
    int named = 0, more = atoi(and+strlen("; and "));
    for (const char *p = at; (p = strstr(p, "response_format#/properties/")) && p < and; p++)
        named++;
    assert_true(named > 2 && more > 2);
    assert_int_equal(named + more, N);
}

/* ---- completions ----------------------------------------------------------------------------------------------------------- */

static void completions(void **state)
{
    (void)state;
    static const char *const asked[] = {"\"prompt\":\"Once upon\",\"max_tokens\":8,\"temperature\":0",
                                        "\"prompt\":[\"Once upon\",\"The river\"],\"max_tokens\":6,\"seed\":1,\"n\":2",
                                        "\"prompt\":\"Once upon\",\"echo\":true,\"seed\":1,\"ignore_eos\":true",
                                        "\"prompt\":[[40,41,42],[43]],\"max_tokens\":4,\"seed\":1,\"echo\":true",
                                        "\"prompt\":[40,41,42],\"max_tokens\":4,\"seed\":1,\"logprobs\":3"};
    for (size_t k = 0; k < sizeof asked / sizeof *asked; k++) {
        int done;
        size_t i, j;
        json_t *w = whole(openai_completions, asked[k]), *s = stream(openai_completions, asked[k], &done), *chunk, *c;
        struct out text[8] = {0};
        json_array_foreach(s, i, chunk) json_array_foreach(json_object_get(chunk, "choices"), j, c)
            out_print(&text[json_integer_value(json_object_get(c, "index"))], "%s", text_of(c, "text"));
        json_array_foreach(json_object_get(w, "choices"), j, c)
        {
            out_bytes(&text[j], "", 1);
            assert_string_equal(text[j].text, text_of(c, "text"));
            out_free(&text[j]);
        }
        json_t *probs = json_object_get(choice_of(w), "logprobs");
        if (json_is_object(probs))
            assert_int_equal(json_array_size(json_object_get(probs, "text_offset")), 4);
        json_decref(s);
        json_decref(w);
    }
    json_t *w = whole(openai_completions, "\"prompt\":\"Once\",\"ignore_eos\":true");
    assert_int_equal(http_world.n_generated, 16);
    json_decref(w);
}

static void bad_completions(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {"\"max_tokens\":2", "missing_field", "prompt"},
        {"\"prompt\":5", "invalid_type", "prompt"},
        {"\"prompt\":[\"a\",5]", "invalid_type", "prompt[1]"},
        {"\"prompt\":[1,\"a\"]", "invalid_type", "prompt[1]"},
        {"\"prompt\":[1,99999999]", "invalid_value", "prompt[1]"},
        {"\"prompt\":[]", "invalid_value", "prompt"},
        {"\"prompt\":\"a\",\"suffix\":\"b\"", "unsupported", "suffix"},
        {"\"prompt\":\"a\",\"best_of\":2", "unsupported", "best_of"},
        {"\"prompt\":\"a\",\"logprobs\":6", "invalid_value", "logprobs"},
        {"\"prompt\":\"a\",\"max_tokens\":0", "invalid_value", "max_tokens"},
        {"\"prompt\":\"a\",\"logprobs\":1,\"logprobs_from\":1", "invalid_value", "logprobs_from"},
        {"\"prompt\":\"a\",\"echo\":true,\"logprobs_from\":1", "invalid_value", "logprobs_from"},
        {"\"prompt\":\"a\",\"echo\":true,\"logprobs\":1,\"logprobs_from\":-1", "invalid_value", "logprobs_from"},
        {"\"prompt\":\"a\",\"echo\":true,\"logprobs\":1,\"logprobs_from\":\"1\"", "invalid_type", "logprobs_from"},
        {"\"prompt\":\"a\",\"prompt_logprobs\":21", "invalid_value", "prompt_logprobs"},
        {"\"prompt\":\"a\",\"prompt_logprobs\":-1", "invalid_value", "prompt_logprobs"},
        {"\"prompt\":\"a\",\"prompt_logprobs\":true", "invalid_type", "prompt_logprobs"},
        {"\"prompt\":\"a\",\"prompt_logprobs\":1,\"stream\":true", "unsupported", "prompt_logprobs"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(openai_completions, &bad[i]);
}

/* ---- scores of prompts ------------------------------------------------------------------------------------------------------ */

static json_t *list_of(const json_t *choice, const char *name)
{
    return json_object_get(json_object_get(choice, "logprobs"), name);
}

/* The lists of a choice: n tokens, of which the first has no log-probability; offsets at which the tokens stand in the text. */
static void assert_lists(const json_t *choice, size_t n, size_t n_top)
{
    static const char *const names[] = {"tokens", "token_logprobs", "top_logprobs", "text_offset"};
    const char *text = text_of(choice, "text");
    for (size_t k = 0; k < 4; k++)
        assert_int_equal(json_array_size(list_of(choice, names[k])), n);
    for (size_t i = 0; i < n; i++) {
        json_t *logprob = json_array_get(list_of(choice, "token_logprobs"), i),
               *top = json_array_get(list_of(choice, "top_logprobs"), i);
        assert_true(i == 0 ? json_is_null(logprob) && json_is_null(top) : json_real_value(logprob) < 0);
        assert_true(i == 0 || (json_object_size(top) <= n_top && (n_top == 0 || json_object_size(top) > 0)));
        const char *token = json_string_value(json_array_get(list_of(choice, "tokens"), i));
        size_t at = (size_t)json_integer_value(json_array_get(list_of(choice, "text_offset"), i)), left = strlen(text);
        assert_true(at <= left);
        if (at + strlen(token) <= left) /* an end token is not in the text */
            assert_memory_equal(text + at, token, strlen(token));
    }
}

static void prompts_are_scored(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        size_t n[4]; /* of each choice */
    } asked[] = {
        /* what lm-evaluation-harness sends; an end token that was sampled counts, so there is always one more */
        {"\"prompt\":\"Say hello to me.\",\"max_tokens\":1,\"temperature\":0,\"logprobs\":1,\"echo\":true", {6}},
        {"\"prompt\":[[779,10],[4088,276,10,779]],\"max_tokens\":1,\"temperature\":0,\"logprobs\":1,\"echo\":true,"
         "\"seed\":1234",
         {3, 5}},
        {"\"prompt\":[\"Once upon\",\"Say\"],\"max_tokens\":0,\"logprobs\":5,\"echo\":true", {3, 1}},
        {"\"prompt\":[4088,276,10,779],\"max_tokens\":3,\"seed\":2,\"ignore_eos\":true,\"logprobs\":0,\"echo\":true,"
         "\"n\":3,\"cache_prompt\":false",
         {7, 7, 7}}};
    for (size_t k = 0; k < sizeof asked / sizeof *asked; k++) {
        int done;
        size_t i, j;
        json_t *w = whole(openai_completions, asked[k].fields), *s = stream(openai_completions, asked[k].fields, &done);
        json_t *choice, *event, *part;
        json_array_foreach(json_object_get(w, "choices"), i, choice)
        {
            static const char *const names[] = {"tokens", "token_logprobs", "top_logprobs", "text_offset"};
            assert_lists(choice, asked[k].n[i], k == 2 ? 5 : k == 3 ? 0 : 1);
            for (size_t m = 0; m < 4; m++) { /* the chunks' lists one behind the other are the same */
                json_t *joined = json_array();
                json_array_foreach(s, j, event)
                {
                    part = json_array_get(json_object_get(event, "choices"), 0);
                    if ((size_t)json_integer_value(json_object_get(part, "index")) == i)
                        json_array_extend(joined, list_of(part, names[m]));
                }
                assert_true(json_equal(joined, list_of(choice, names[m])));
                json_decref(joined);
            }
        }
        assert_int_equal(done, 1);
        json_decref(s);
        json_decref(w);
    }
}

/* The lists of `from` are the ends of those of the whole prompt; of_text: from its first token that begins there or behind. */
static void assert_tail(const char *fields, int from, int of_text)
{
    static const char *const names[] = {"tokens", "token_logprobs", "top_logprobs", "text_offset"};
    char asked[400];
    int done;
    snprintf(asked, sizeof asked, "%s,\"logprobs_from\":%d", fields, from);
    json_t *all = whole(openai_completions, fields), *w = whole(openai_completions, asked),
           *s = stream(openai_completions, asked, &done), *choice, *event;
    size_t i, j;
    json_array_foreach(json_object_get(w, "choices"), i, choice)
    {
        const json_t *of = json_array_get(json_object_get(all, "choices"), i), *at = list_of(of, "text_offset");
        size_t first = 0, n = json_array_size(at);
        while (first + 1 < n && (of_text ? json_integer_value(json_array_get(at, first)) < from : (int)first < from))
            first++; /* the last one is the answer's */
        assert_string_equal(text_of(choice, "text"), text_of(of, "text"));
        for (size_t m = 0; m < 4; m++) {
            json_t *joined = json_array();
            assert_int_equal(json_array_size(list_of(choice, names[m])), n - first);
            for (size_t k = first; k < n; k++)
                assert_true(json_equal(json_array_get(list_of(choice, names[m]), k - first),
                                       json_array_get(list_of(of, names[m]), k)));
            json_array_foreach(s, j, event)
            {
                json_t *part = json_array_get(json_object_get(event, "choices"), 0);
                if ((size_t)json_integer_value(json_object_get(part, "index")) == i)
                    json_array_extend(joined, list_of(part, names[m]));
            }
            assert_true(json_equal(joined, list_of(choice, names[m])));
            json_decref(joined);
        }
    }
    json_decref(s);
    json_decref(w);
    json_decref(all);
}

static void lists_begin_where_they_are_asked_to(void **state)
{
    (void)state;
    static const char rest[] = "\"max_tokens\":1,\"temperature\":0,\"ignore_eos\":true,\"echo\":true,\"logprobs\":2";
    static const struct {
        const char *prompt;
        int of_text, most;
    } asked[] = {{"\"Say hello to me.\"", 1, 18},
                 {"[\"Once upon\",\"Say a\u4e2d\u00e9b\"]", 1, 11},
                 {"[779,10,4088,276]", 0, 6},
                 {"[[779,10],[4088,276,10,779]]", 0, 5},
                 {"\"a\"", 1, 2}};
    char fields[300];
    for (size_t k = 0; k < sizeof asked / sizeof *asked; k++)
        for (int from = 0; from <= asked[k].most; from++) {
            snprintf(fields, sizeof fields, "\"prompt\":%s,%s", asked[k].prompt, rest);
            assert_tail(fields, from, asked[k].of_text);
        }
    snprintf(fields, sizeof fields, "\"prompt\":%s,%s,\"n\":2,\"seed\":3", asked[0].prompt, rest);
    assert_tail(fields, 7, 1);

    /* prompt_logprobs are of all tokens all the same */
    static const char of_all[] = "\"prompt\":[4088,276,10,779],\"max_tokens\":0,\"echo\":true,\"logprobs\":0,"
                                 "\"prompt_logprobs\":1";
    snprintf(fields, sizeof fields, "%s,\"logprobs_from\":2", of_all);
    json_t *all = whole(openai_completions, of_all), *w = whole(openai_completions, fields);
    assert_int_equal(json_array_size(list_of(choice_of(w), "tokens")), 2);
    assert_int_equal(json_array_size(json_object_get(choice_of(w), "prompt_logprobs")), 4);
    assert_true(json_equal(json_object_get(choice_of(w), "prompt_logprobs"),
                           json_object_get(choice_of(all), "prompt_logprobs")));
    json_decref(w);
    json_decref(all);
}

/* Characters whose bytes are tokens of their own: the lists spell the text all the same. */
static void parts_of_characters_are_spelled(void **state)
{
    (void)state;
    json_t *w = whole(openai_completions,
                      "\"prompt\":\"a\u4e2d\u00e9b\",\"max_tokens\":0,\"logprobs\":1,\"echo\":true"),
           *choice = json_array_get(json_object_get(w, "choices"), 0), *token;
    char text[64] = "";
    size_t i, n = 0, parts = 0;
    json_array_foreach(list_of(choice, "tokens"), i, token)
    {
        const char *is = json_string_value(token);
        unsigned byte;
        int skip = strncmp(is, "bytes:", 6) == 0 ? 6 : 0;
        parts += skip > 0;
        for (is += skip; *is; is += skip ? 4 : 1)
            text[n++] = !skip ? *is : sscanf(is, "\\x%2x", &byte) == 1 ? (char)byte : '?';
    }
    assert_string_equal(text, "a\u4e2d\u00e9b");
    assert_in_range(parts, 2, 5);
    assert_string_equal(text_of(choice, "text"), text);
    json_decref(w);
}

/* What the vocabulary puts in front of a string, <s> and a blank, is not in its echo. */
static void offsets_of_sentencepiece(void **state)
{
    (void)state;
    static const struct {
        const char *prompt, *text; /* as JSON; as it is */
        size_t n, at[12];          /* tokens of the prompt; their offsets */
    } asked[] = {
        {"\"Hello\"", "Hello", 5, {0, 0, 1, 2, 4}},
        {"\"Hello world h\"", "Hello world h", 10, {0, 0, 1, 2, 4, 5, 7, 9, 10, 11}},
        {"\" H\"", " H", 3, {0, 0, 1}},
        {"\"<s>Hello\"", "<s>Hello", 6, {0, 3, 3, 4, 5, 7}},
        {"\"\u00e4\u00e4o\"", "\xC3\xA4\xC3\xA4o", 5, {0, 0, 0, 1, 2}},
    };
    struct stoker_error why;
    struct error err = {0};
    struct stoker *kept = http_server.engine;
    struct stoker_options o = {.n_ctx = 256, .n_parallel = 1, .n_threads = 1, .memory = STOKER_MEMORY_MAX};
    char path[TEMPORARY_PATH];
    int fd = temporary_file(path, "spm");
    assert_true(fd >= 0);
    close(fd);
    if (spm_copy(HTTP_WORLD_MODEL, path, &err) || stoker_open(&http_server.engine, path, &o, &why))
        fail_msg("%s%s", err.text, err.code ? "" : why.text);
    unlink(path);
    for (size_t k = 0; k < sizeof asked / sizeof *asked; k++) {
        char fields[200];
        int done;
        size_t i, code_points = utf8_count(asked[k].text, strlen(asked[k].text));
        snprintf(fields, sizeof fields,
                 "\"prompt\":%s,\"max_tokens\":2,\"temperature\":0,\"ignore_eos\":true,\"logprobs\":1,\"echo\":true",
                 asked[k].prompt);
        json_t *w = whole(openai_completions, fields), *s = stream(openai_completions, fields, &done),
               *offsets = list_of(choice_of(w), "text_offset"), *joined = json_array(), *event;
        assert_int_equal(json_array_size(offsets), asked[k].n + 2);
        for (i = 0; i < asked[k].n; i++)
            if ((size_t)json_integer_value(json_array_get(offsets, i)) != asked[k].at[i])
                fail_msg("%s: token %zu is said to be at %lld, not %zu", asked[k].text, i,
                         (long long)json_integer_value(json_array_get(offsets, i)), asked[k].at[i]);
        assert_int_equal(json_integer_value(json_array_get(offsets, i)), code_points);
        json_array_foreach(s, i, event)
            json_array_extend(joined, list_of(json_array_get(json_object_get(event, "choices"), 0), "text_offset"));
        assert_true(json_equal(joined, offsets));
        json_decref(joined);
        json_decref(s);
        json_decref(w);
    }
    stoker_close(http_server.engine);
    http_server.engine = kept;
}

/* The list of an end token is that of its place: without the bias that made it win, the likeliest first. */
static void end_tokens_are_listed(void **state)
{
    (void)state;
    static const char fields[] =
        "\"prompt\":\"Once upon\",\"max_tokens\":1,\"temperature\":0,\"logprobs\":3,\"echo\":true%s";
    stoker_token *end;
    size_t n;
    struct stoker_error err;
    char biased[300], bias[100], plain[300];
    assert_int_equal(stoker_tokenize(http_server.engine, "<|im_end|>", 10, 0, 1, &end, &n, &err), 0);
    assert_int_equal(n, 1);
    snprintf(bias, sizeof bias, ",\"logit_bias\":{\"%d\":100}", end[0]);
    snprintf(biased, sizeof biased, fields, bias);
    snprintf(plain, sizeof plain, fields, ",\"ignore_eos\":true");
    stoker_free(end);
    json_t *w = whole(openai_completions, biased), *other = whole(openai_completions, plain),
           *top = list_of(choice_of(w), "top_logprobs");
    size_t last = json_array_size(top) - 1;
    assert_string_equal(text_of(choice_of(w), "finish_reason"), "stop");
    assert_int_equal(last, 3);
    assert_string_equal(json_string_value(json_array_get(list_of(choice_of(w), "tokens"), last)), "<|im_end|>");
    assert_int_equal(json_object_size(json_array_get(top, last)), 3);
    assert_true(json_equal(json_array_get(top, last), json_array_get(list_of(choice_of(other), "top_logprobs"), last)));
    json_decref(other);
    json_decref(w);

    /* prompt_logprobs adds nothing to the lists of the answer */
    for (int k = 0; k < 2; k++) {
        char asked[400];
        json_t *list[2];
        for (int i = 0; i < 2; i++) {
            snprintf(asked, sizeof asked, "%s,\"max_tokens\":4,\"temperature\":0,\"logprobs\":%s%s%s",
                     k ? HELLO : "\"prompt\":\"Once upon\"", k ? "true,\"top_logprobs\":2" : "2", bias,
                     i ? ",\"prompt_logprobs\":0" : "");
            w = whole(k ? openai_chat : openai_completions, asked);
            list[i] = json_incref(json_object_get(choice_of(w), "logprobs"));
            assert_int_equal(http_world.n_generated, 1);
            json_decref(w);
        }
        assert_true(json_equal(list[0], list[1]));
        json_decref(list[0]);
        json_decref(list[1]);
    }
}

static json_t *entry_of(const json_t *list, size_t i, const char *id)
{
    return json_object_get(json_array_get(list, i), id);
}

/* The score of a token behind a prompt is what generation says of it there. */
static void prompt_logprobs(void **state)
{
    (void)state;
    json_t *w = whole(openai_completions, "\"prompt\":[4088,276,10,779],\"max_tokens\":0,\"prompt_logprobs\":2"),
           *list = json_object_get(choice_of(w), "prompt_logprobs"), *entry;
    assert_int_equal(json_array_size(list), 4);
    assert_true(json_is_null(json_array_get(list, 0)));
    assert_string_equal(text_of(choice_of(w), "finish_reason"), "length");
    assert_string_equal(text_of(choice_of(w), "text"), "");
    assert_int_equal(http_world.n_generated, 0);
    for (size_t i = 1; i < 4; i++) {
        const char *id;
        size_t n = 0;
        json_object_foreach(json_array_get(list, i), id, entry)
        {
            json_int_t rank = json_integer_value(json_object_get(entry, "rank"));
            n++;
            assert_true(n <= 2 ? rank == (json_int_t)n : rank > 2);
            assert_true(json_is_string(json_object_get(entry, "decoded_token")));
        }
        assert_in_range(n, 2, 3);
    }
    assert_non_null(entry_of(list, 1, "276"));
    assert_non_null(entry_of(list, 3, "779"));
    json_t *g = whole(openai_completions,
                      "\"prompt\":[4088,276,10],\"max_tokens\":1,\"temperature\":0,\"ignore_eos\":true,\"logprobs\":1");
    const char *token = json_string_value(json_array_get(list_of(choice_of(g), "tokens"), 0)), *id;
    int found = 0;
    json_object_foreach(json_array_get(list, 3), id, entry)
    {
        if (json_integer_value(json_object_get(entry, "rank")) != 1)
            continue;
        found = 1;
        assert_string_equal(text_of(entry, "decoded_token"), token);
        assert_true(
            json_equal(json_object_get(entry, "logprob"), json_array_get(list_of(choice_of(g), "token_logprobs"), 0)));
    }
    assert_true(found);
    json_decref(g);
    json_decref(w);

    w = whole(openai_chat, HELLO ",\"max_tokens\":0,\"prompt_logprobs\":0");
    list = json_object_get(w, "prompt_logprobs");
    assert_int_equal(json_array_size(list), http_world.n_prompt);
    for (size_t i = 1; i < json_array_size(list); i++)
        assert_int_equal(json_object_size(json_array_get(list, i)), 1);
    assert_string_equal(text_of(choice_of(w), "finish_reason"), "length");
    json_decref(w);
    w = whole(openai_chat, HELLO ",\"max_tokens\":2");
    assert_null(json_object_get(w, "prompt_logprobs"));
    json_decref(w);
    static const struct bad bad[] = {{HELLO ",\"prompt_logprobs\":21", "invalid_value", "prompt_logprobs"},
                                     {HELLO ",\"prompt_logprobs\":1,\"stream\":true", "unsupported", "prompt_logprobs"},
                                     {HELLO ",\"max_tokens\":0", "invalid_value", "max_tokens"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(openai_chat, &bad[i]);
}

/* A prompt that is only scored may fill the context; a token more, or one to generate, is too many. */
static void prompts_that_fill_the_context(void **state)
{
    (void)state;
    static const struct {
        int n, max_tokens, status;
    } asked[] = {{2048, 1, 400}, {2049, 0, 400}, {2048, 0, 200}};
    for (size_t k = 0; k < sizeof asked / sizeof *asked; k++) {
        struct out body = {0};
        out_print(&body, "{\"prompt\":[40");
        for (int i = 1; i < asked[k].n; i++)
            out_print(&body, ",40");
        out_print(&body, "],\"max_tokens\":%d,\"prompt_logprobs\":0}", asked[k].max_tokens);
        http_ask(openai_completions, body.text, body.n);
        out_free(&body);
        assert_int_equal(http_world.status, asked[k].status);
    }
    json_t *w = parse(http_world.text.text, http_world.text.n);
    assert_int_equal(json_array_size(json_object_get(choice_of(w), "prompt_logprobs")), 2048);
    json_decref(w);
}

/* 336 bytes a token of the prompt, and the answer's text: refused where requests have no memory for it. */
static void scores_need_memory(void **state)
{
    (void)state;
    static char body[4000] = "{\"prompt\":[";
    for (int i = 0; i < 800; i++)
        strcat(body, i ? ",40" : "40");
    strcat(body, "],\"max_tokens\":0,\"prompt_logprobs\":20}");
    for (long long left = 200000; left <= 500000; left += 300000) {
        http_memory_set(left);
        http_ask(openai_completions, body, strlen(body));
        http_memory_set(HTTP_PLENTY);
        assert_true(http_world.status == 503 || http_world.status == 413);
    }
    http_ask(openai_completions, body, strlen(body));
    assert_int_equal(http_world.status, 200);
}

/* ---- responses ------------------------------------------------------------------------------------------------------------- */

#define FLAT_LAMP                                                                                                      \
    "{\"type\":\"function\",\"name\":\"set_lamp\",\"parameters\":{\"type\":\"object\",\"properties\":{\"on\":{"        \
    "\"type\":\"boolean\"}},\"required\":[\"on\"]}}"

static void responses_stream_is_whole(void **state)
{
    (void)state;
    static const char *const asked[] = {
        "\"input\":\"Say hello.\",\"max_output_tokens\":20,\"temperature\":0",
        "\"input\":\"Say hello.\",\"max_output_tokens\":3,\"seed\":1,\"ignore_eos\":true,\"top_logprobs\":2",
        "\"input\":\"Lamp.\",\"max_output_tokens\":300,\"seed\":1,\"tools\":[" FLAT_LAMP
        "],\"tool_choice\":\"required\"",
        ("\"input\":\"Lamp.\",\"max_output_tokens\":300,\"seed\":1,\"tools\":[{\"type\":\"namespace\",\"name\":"
         "\"home\","
         "\"tools\":[" FLAT_LAMP
         "]},{\"type\":\"web_search\"}],\"tool_choice\":\"required\",\"parallel_tool_calls\":false"),
        "\"input\":\"Patch.\",\"max_output_tokens\":60,\"seed\":1,\"tools\":[{\"type\":\"custom\",\"name\":\"patch\"}],"
        "\"tool_choice\":{\"type\":\"custom\",\"name\":\"patch\"},\"parallel_tool_calls\":false"};
    for (size_t k = 0; k < sizeof asked / sizeof *asked; k++) {
        int done;
        json_t *w = whole(openai_responses, asked[k]), *s = stream(openai_responses, asked[k], &done);
        size_t n = json_array_size(s), i;
        json_t *e, *last = json_object_get(json_array_get(s, n - 1), "response");
        assert_int_equal(done, 0);
        json_array_foreach(s, i, e) assert_int_equal(json_integer_value(json_object_get(e, "sequence_number")), i);
        assert_string_equal(text_of(json_array_get(s, 0), "type"), "response.created");
        assert_string_equal(text_of(json_array_get(s, 1), "type"), "response.in_progress");
        json_t *done_items = json_array();
        json_array_foreach(s, i, e) if (strcmp(text_of(e, "type"), "response.output_item.done") == 0)
            json_array_append(done_items, json_object_get(e, "item"));
        assert_same(done_items, json_object_get(last, "output"));
        assert_same(last, w);
        json_decref(done_items);
        json_decref(s);
        json_decref(w);
    }
}

#define AMBIGUOUS                                                                                                      \
    "{\"type\":\"string\",\"pattern\":\"^((((([a-z]{0,9}[0-9]{0,9}){0,9}[A-Z]{0,9}){0,9}"                              \
    "(x|yy|zzz){0,9}){0,9}([ab]{0,9}c{0,9}){0,9}){0,9}(k|l|mm){0,9}(n{0,9}o{0,9}){0,9}q{0,9}){0,9}$\"}"

/* A constraint that is refused while it runs is the request's fault. */
static void responses_fail_by_their_schema(void **state)
{
    (void)state;
    int done;
    json_t *s = stream(
        openai_responses,
        "\"input\":\"x\",\"max_output_tokens\":300,\"temperature\":1.5,\"seed\":1,\"text\":{\"format\":{\"type\":"
        "\"json_schema\",\"name\":\"a\",\"strict\":true,\"schema\":" AMBIGUOUS "}}",
        &done);
    const json_t *last = json_array_get(s, json_array_size(s) - 1);
    assert_string_equal(text_of(last, "type"), "response.failed");
    const json_t *error = json_object_get(json_object_get(last, "response"), "error");
    assert_string_equal(text_of(error, "code"), "invalid_prompt");
    assert_non_null(strstr(text_of(error, "message"), "too ambiguous"));
    json_decref(s);
}

static json_t *first_call(const json_t *w)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(w, "output"), i, item) if (strstr(text_of(item, "type"), "call")) return item;
    fail_msg("no call");
    return NULL;
}

static void responses_tools(void **state)
{
    (void)state;
    json_t *w = whole(
        openai_responses,
        "\"input\":\"x\",\"max_output_tokens\":200,\"seed\":1,\"tools\":[{\"type\":\"namespace\",\"name\":"
        "\"home\",\"tools\":[" FLAT_LAMP
        "]},{\"type\":\"web_search\"},{\"type\":\"file_search\",\"filters\":0},{\"type\":\"mcp\"}],"
        "\"tool_choice\":\"required\",\"parallel_tool_calls\":false");
    assert_string_equal(text_of(first_call(w), "namespace"), "home");
    assert_string_equal(text_of(first_call(w), "name"), "set_lamp");
    assert_non_null(strstr(http_world.header, "x-stoker-ignored-tools: web_search, file_search, mcp\n"));
    json_decref(w);
    w = whole(openai_responses, "\"input\":\"x\",\"max_output_tokens\":60,\"seed\":1,\"tools\":[{\"type\":\"custom\","
                                "\"name\":\"patch\"}],\"tool_choice\":\"required\",\"parallel_tool_calls\":false");
    assert_string_equal(text_of(first_call(w), "type"), "custom_tool_call");
    assert_true(json_is_string(json_object_get(first_call(w), "input")));
    json_decref(w);
}

/* A whole turn reads as the chat that means the same. */
static void responses_items_are_turns(void **state)
{
    (void)state;
    json_decref(
        whole(openai_chat,
              "\"max_tokens\":1,\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":"
              "\"lamp\"},{\"role\":\"assistant\",\"content\":\"Sure.\",\"reasoning_content\":\"hm\",\"tool_calls\":["
              "{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"n\\\":1}\"}},"
              "{\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"p\",\"arguments\":\"{\\\"input\\\": "
              "\\\"x\\\"}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":\"1\"},"
              "{\"role\":\"tool\",\"tool_call_id\":\"b\",\"content\":\"2\"},"
              "{\"role\":\"assistant\",\"content\":\"On.\"},{\"role\":\"user\",\"content\":\"Thanks.\"}]"));
    size_t n = http_world.n_prompt;
    json_decref(whole(
        openai_responses,
        "\"max_output_tokens\":1,\"instructions\":\"S\",\"input\":[{\"role\":\"user\",\"content\":\"lamp\"},"
        "{\"type\":\"reasoning\",\"summary\":[],\"content\":[{\"type\":\"reasoning_text\",\"text\":\"hm\"}]},"
        "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"Sure.\"}]},"
        "{\"type\":\"function_call\",\"call_id\":\"a\",\"name\":\"f\",\"arguments\":\"{\\\"n\\\":1}\"},"
        "{\"type\":\"custom_tool_call\",\"call_id\":\"b\",\"name\":\"p\",\"input\":\"x\"},{\"type\":\"item_reference\"}"
        ","
        "{\"type\":\"file_search_call\",\"id\":\"fs_1\",\"status\":\"completed\",\"queries\":[\"q\"],\"results\":[{"
        "\"text\":\"t\"}]}"
        ","
        "{\"type\":\"function_call_output\",\"call_id\":\"a\",\"output\":\"1\"},"
        "{\"type\":\"custom_tool_call_output\",\"call_id\":\"b\",\"output\":[{\"type\":\"input_text\",\"text\":\"2\"}]}"
        ","
        "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"On.\"}]},"
        "{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"Thanks.\"}]}]"));
    assert_int_equal(http_world.n_prompt, n);
#define SHOWN(output)                                                                                                  \
    "\"max_output_tokens\":1,\"input\":[{\"role\":\"user\",\"content\":\"a\"},{\"type\":\"function_call\",\"call_"     \
    "id\":\"c\","                                                                                                      \
    "\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":" output     \
    "}]"
    json_decref(whole(openai_responses, SHOWN("\"[image omitted]\"")));
    n = http_world.n_prompt;
    json_decref(
        whole(openai_responses, SHOWN("[{\"type\":\"input_image\",\"image_url\":\"data:image/png;base64,AA==\"}]")));
    assert_int_equal(http_world.n_prompt, n);
}

static void bad_responses(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {"\"max_output_tokens\":2", "missing_field", "input"},
        {"\"input\":5", "invalid_type", "input"},
        {"\"input\":[]", "invalid_value", "input"},
        {"\"input\":[{\"role\":\"king\",\"content\":\"a\"}]", "invalid_value", "input[0].role"},
        {"\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\"}]}]", "unsupported",
         "input[0].content[0]"},
        {"\"instructions\":\"be\",\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"q\",\"output\":\"x\"}]",
         "invalid_value", "input[0].call_id"},
        {"\"instructions\":\"be\",\"input\":[{\"role\":\"user\",\"content\":\"a\"},{\"type\":\"reasoning\",\"content\":"
         "[{"
         "\"text\":\"t\"}]},{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{\"},{"
         "\"type\":"
         "\"function_call_output\",\"call_id\":\"c\",\"output\":\"x\"}]",
         "invalid_value", "input[2].arguments"},
        {"\"input\":\"a\",\"tools\":[{\"type\":\"web_search\"},{\"type\":\"namespace\",\"name\":\"n\",\"tools\":[{"
         "\"type\":"
         "\"function\",\"name\":\"f\",\"parameters\":{\"enum\":[1]}}]}]",
         "invalid_value", "tools[1].tools[0].parameters"},
        {"\"input\":\"a\",\"temperature\":-1", "invalid_value", "temperature"},
        {"\"input\":\"a\",\"previous_response_id\":\"r\"", "unsupported", "previous_response_id"},
        {"\"input\":\"a\",\"conversation\":{}", "unsupported", "conversation"},
        {"\"input\":\"a\",\"background\":true", "unsupported", "background"},
        {"\"input\":\"a\",\"max_output_tokens\":0", "invalid_value", "max_output_tokens"},
        {"\"input\":\"a\",\"text\":{\"format\":{\"type\":\"xml\"}}", "invalid_value", "text.format.type"},
        {"\"input\":\"a\",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"a\"}}", "missing_field",
         "text.format.schema"},
        {"\"input\":\"a\",\"tools\":[{\"type\":\"function\",\"name\":\"a b\"}]", "invalid_value", "tools[0].name"},
        {"\"input\":\"a\",\"tools\":[{\"type\":\"function\"}]", "missing_field", "tools[0].name"},
        {"\"input\":\"a\",\"tool_choice\":{\"type\":\"function\",\"name\":\"x\"}", "invalid_value", "tool_choice.name"},
        {"\"input\":\"a\",\"tools\":[{\"type\":\"file_search\"}],\"tool_choice\":{\"type\":\"file_search\"}",
         "unsupported", "tool_choice.type"},
        {"\"input\":\"a\",\"tools\":[{\"type\":\"file_search\"}],\"tool_choice\":\"required\"", "invalid_value",
         "tool_choice"},
        {"\"input\":\"a\",\"library\":true", "unsupported", "library"},
        {"\"input\":\"a\",\"reasoning\":{\"effort\":5}", "invalid_type", "reasoning.effort"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(openai_responses, &bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_is_whole),
        cmocka_unit_test(calls_come_back),
        cmocka_unit_test(limits_and_stops),
        cmocka_unit_test(usage_comes_when_asked),
        cmocka_unit_test(requests_of_disconnected_clients_end),
        cmocka_unit_test(a_stream_without_memory_breaks_off),
        cmocka_unit_test(a_stopping_server_breaks_off),
        cmocka_unit_test(bad_chats),
        cmocka_unit_test(null_is_absent),
        cmocka_unit_test(formats_beside_tools),
        cmocka_unit_test(top_k_minus_one_is_off),
        cmocka_unit_test(long_prompts_are_refused),
        cmocka_unit_test(long_lists_are_refused),
        cmocka_unit_test(unstable_lines_are_named),
        cmocka_unit_test(stabilized_messages_are_named),
        cmocka_unit_test(what_is_not_enforced_is_named),
        cmocka_unit_test(many_are_counted),
        cmocka_unit_test(completions),
        cmocka_unit_test(bad_completions),
        cmocka_unit_test(prompts_are_scored),
        cmocka_unit_test(lists_begin_where_they_are_asked_to),
        cmocka_unit_test(parts_of_characters_are_spelled),
        cmocka_unit_test(offsets_of_sentencepiece),
        cmocka_unit_test(end_tokens_are_listed),
        cmocka_unit_test(prompt_logprobs),
        cmocka_unit_test(prompts_that_fill_the_context),
        cmocka_unit_test(scores_need_memory),
        cmocka_unit_test(responses_stream_is_whole),
        cmocka_unit_test(responses_fail_by_their_schema),
        cmocka_unit_test(responses_tools),
        cmocka_unit_test(responses_items_are_turns),
        cmocka_unit_test(bad_responses),
    };
    return cmocka_run_group_tests(tests, http_world_open, http_world_close);
}
