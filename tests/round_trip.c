/* links: format base
 *
 * What a model wrote comes back: round_trip [SEEDS] (50). A server of the embedded model with shuffled weights must call a function with
 * an integer and a number, at a high temperature. The call is read as clients read JSON, sent back as history in every dialect, and taken:
 * the prompt holds the arguments as they were written, and all dialects count the same tokens and answer the same, as they do to one
 * prompt. Then the same with objects that repeat keys or have keys with a NUL, for clients that keep what they get as it is, and with
 * numbers that no model writes and that are JSON. */
#include "base/clock.h"
#include "check.h"
#include "server_client.h"
#include "shuffled_model.h"

enum { SEEDS = 50, ODD_SEEDS = 6, DIALECTS = 4 };

static struct client client;
static struct reply reply;

/* The answer as JSON; NULL unless the status is 200. */
static json_t *ask(const char *path, const char *body)
{
    if (client_ask(&client, "POST", path, body, strlen(body), &reply, NULL, NULL) != 0 || reply.status != 200)
        return NULL;
    return json_loadb(reply.body, reply.n, JSON_ALLOW_NUL, NULL);
}

/* A text in JSON, with its quotes; to be freed. */
static char *quoted(const char *text)
{
    json_t *v = json_string(text);
    char *json = json_dumps(v, JSON_ENCODE_ANY);
    json_decref(v);
    return json;
}

/* ---- the call -------------------------------------------------------------------------------------------------------------- */

#define FUNCTION                                                                                                       \
    "{\"type\":\"function\",\"function\":{\"name\":\"measure\",\"parameters\":{\"type\":\"object\",\"properties\":{"   \
    "\"count\":{\"type\":\"integer\"},\"size\":{\"type\":\"number\"},\"any\":{\"type\":[\"number\",\"integer\"]}},"    \
    "\"required\":[\"count\",\"size\",\"any\"],\"additionalProperties\":false}}}"

/* The server may write what clients seldom read: keys that repeat where they are not declared, keys with a NUL, the key U+0001. */
#define ODD(ITEMS)                                                                                                     \
    "{\"type\":\"function\",\"function\":{\"name\":\"measure\",\"strict\":true,\"parameters\":{\"type\":\"object\","   \
    "\"properties\":{\"o\":{\"type\":\"array\",\"minItems\":8,\"maxItems\":8,\"items\":{\"type\":\"object\"," ITEMS    \
    "}}},\"required\":[\"o\"],\"additionalProperties\":false}}}"
static const struct odd {
    const char *what, *function, *has; /* has: what some answer must have */
} odd[] = {
    {"keys that repeat", ODD("\"patternProperties\":{\"^a$\":{\"enum\":[7,true]}},\"additionalProperties\":false"),
     ", \"a\": "},
    {"the key U+0001", ODD("\"required\":[\"\\u0001\"],\"additionalProperties\":{\"enum\":[7,true]}"), "{\"\\u0001\":"},
    {"a key with a NUL", ODD("\"required\":[\"a\\u0000\"],\"additionalProperties\":{\"enum\":[7,true]}"),
     "\\u0000\": "},
};

/* The arguments that the model wrote; to be freed. */
static char *arguments_of(const char *function, int seed)
{
    char body[2048];
    snprintf(body, sizeof body,
             "{\"messages\":[{\"role\":\"user\",\"content\":\"Measure.\"}],\"tools\":[%s],\"tool_choice\":\"required\","
             "\"parallel_tool_calls\":false,\"temperature\":1.5,\"top_p\":1,\"top_k\":0,\"min_p\":0,\"max_tokens\":200,"
             "\"seed\":%d}",
             function, seed);
    json_t *answer = ask("/v1/chat/completions", body), *choice = json_array_get(json_object_get(answer, "choices"), 0);
    json_t *calls = json_object_get(json_object_get(choice, "message"), "tool_calls");
    json_t *function_called = json_object_get(json_array_get(calls, 0), "function");
    const char *text = json_string_value(json_object_get(function_called, "arguments"));
    char *copy = text ? strdup(text) : NULL;
    json_decref(answer);
    return copy;
}

/* ---- the history ----------------------------------------------------------------------------------------------------------- */

#define CHAT                                                                                                           \
    "\"messages\":[{\"role\":\"user\",\"content\":\"Measure.\"},{\"role\":\"assistant\",\"content\":null,"             \
    "\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"measure\",\"arguments\":%s}}]},"    \
    "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"done\"}]"
#define HOW "\"temperature\":0"

static const struct {
    const char *path, *body;
    int is_text; /* the arguments are a text that holds JSON */
    const char *count[2];
} dialects[DIALECTS] = {
    {"/v1/chat/completions", "{" CHAT "," HOW ",\"max_tokens\":12}", 1, {"usage", "prompt_tokens"}},
    {"/v1/responses",
     "{\"input\":[{\"role\":\"user\",\"content\":\"Measure.\"},{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":"
     "\"measure\",\"arguments\":%s},{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"done\"}]," HOW
     ",\"max_output_tokens\":12}",
     1,
     {"usage", "input_tokens"}},
    {"/v1/messages",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"Measure.\"},{\"role\":\"assistant\",\"content\":[{\"type\":"
     "\"tool_use\",\"id\":\"c1\",\"name\":\"measure\",\"input\":%s}]},{\"role\":\"user\",\"content\":[{\"type\":"
     "\"tool_result\",\"tool_use_id\":\"c1\",\"content\":\"done\"}]}]," HOW ",\"max_tokens\":12}",
     0,
     {"usage", NULL}},
    {"/api/chat",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"Measure.\"},{\"role\":\"assistant\",\"content\":\"\","
     "\"tool_calls\":[{\"function\":{\"name\":\"measure\",\"arguments\":%s}}]},{\"role\":\"tool\",\"content\":"
     "\"done\"}],\"stream\":false,\"options\":{" HOW ",\"num_predict\":12}}",
     0,
     {NULL, "prompt_eval_count"}},
};

/* All texts called content or text in an answer, one behind the other. */
static void collect(const json_t *v, char *out, size_t size)
{
    const char *key;
    json_t *member;
    size_t i;
    json_array_foreach(v, i, member) collect(member, out, size);
    json_object_foreach((json_t *)v, key, member)
    {
        size_t n = strlen(out);
        if (json_is_string(member) && (!strcmp(key, "content") || !strcmp(key, "text")))
            snprintf(out + n, size - n, "%s", json_string_value(member));
        else
            collect(member, out, size);
    }
}

static long long tokens_of(const json_t *answer, int dialect)
{
    const char *const *count = dialects[dialect].count;
    const json_t *usage = count[0] ? json_object_get(answer, count[0]) : answer;
    if (count[1])
        return json_integer_value(json_object_get(usage, count[1]));
    return json_integer_value(json_object_get(usage, "input_tokens")) +
           json_integer_value(json_object_get(usage, "cache_read_input_tokens")) +
           json_integer_value(json_object_get(usage, "cache_creation_input_tokens"));
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void fill(char *body, size_t size, const char *format, const char *arguments, int is_text)
{
    char *text = is_text ? quoted(arguments) : NULL;
    snprintf(body, size, format, text ? text : arguments);
    free(text);
}
#pragma GCC diagnostic pop

/* is_shown: the prompt has them as they are written. The template reads them: of a key that repeats it knows one member. */
static void send_back(const char *what, const char *arguments, int is_shown)
{
    char body[8192], first[1024] = "", text[1024];
    long long tokens = 0;
    fill(body, sizeof body, "{" CHAT "}", arguments, 1);
    json_t *answer = ask("/apply-template", body);
    const char *prompt = json_string_value(json_object_get(answer, "prompt"));
    check(prompt && (!is_shown || strstr(prompt, arguments)), "%s %s: the prompt is %s", what, arguments,
          prompt       ? prompt
          : reply.body ? reply.body
                       : "none");
    json_decref(answer);
    for (int d = 0; d < DIALECTS; d++) {
        fill(body, sizeof body, dialects[d].body, arguments, dialects[d].is_text);
        answer = ask(dialects[d].path, body);
        *text = 0;
        collect(answer, text, sizeof text);
        if (d == 0) {
            snprintf(first, sizeof first, "%s", text);
            tokens = tokens_of(answer, d);
        }
        check(answer && tokens > 0 && tokens_of(answer, d) == tokens && strcmp(text, first) == 0,
              "%s %s, %s: status %d: %.300s", what, arguments, dialects[d].path, reply.status,
              reply.body ? reply.body : "");
        json_decref(answer);
    }
}

/* ---- runs ------------------------------------------------------------------------------------------------------------------ */

static void written_by_the_model(int seeds)
{
    char what[40];
    for (int seed = 1; seed <= seeds; seed++) {
        snprintf(what, sizeof what, "seed %d", seed);
        char *arguments = arguments_of(FUNCTION, seed);
        json_t *read = arguments ? json_loads(arguments, 0, NULL) : NULL;
        check(json_is_integer(json_object_get(read, "count")) && json_is_number(json_object_get(read, "size")) &&
                  json_is_number(json_object_get(read, "any")),
              "%s: %s", what,
              arguments    ? arguments
              : reply.body ? reply.body
                           : "no answer");
        if (arguments)
            send_back(what, arguments, 1);
        json_decref(read);
        free(arguments);
    }
}

static void odd_objects(int seeds)
{
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        int n_odd = 0;
        for (int seed = 1; seed <= seeds; seed++) {
            char *arguments = arguments_of(odd[i].function, seed);
            check(arguments != NULL, "%s, seed %d: %s", odd[i].what, seed, reply.body ? reply.body : "no answer");
            n_odd += arguments && strstr(arguments, odd[i].has);
            if (arguments)
                send_back(odd[i].what, arguments, 0);
            free(arguments);
        }
        check(n_odd > 0, "%s: none of %d answers has them", odd[i].what, seeds);
    }
}

static void written_by_others(void)
{
    static const char *const arguments[] = {
        "{\"count\": 123456789012345678901234567890, \"size\": 9E999}",
        "{\"count\": 9223372036854775808, \"size\": -1e400, \"any\": [1.50, {\"x\": -0, \"y\": 1e-999}]}",
        "{\"count\": 18446744073709551616, \"size\": 1.000000000000000000000000000000000000001}",
        "{\"count\": -9223372036854775809, \"size\": 0.10}",
        "{\"a\":{\"b\":1,\"b\":[{\"\\u0000\": \"\\\"\", \"\\u0001\": {\"\\u0001\": \"}\"}}]}, \"\": 1e400, \"a\": {}}"};
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++)
        send_back("written", arguments[i], i < 4);
}

int main(int argc, char **argv)
{
    char copy[] = "/tmp/stoker_shuffled_XXXXXX", log[] = "/tmp/stoker_round_trip_XXXXXX";
    struct server_process server = {0};
    const char *const arguments[] = {copy, "--memory", "512M", "--ctx", "1024", NULL};
    int fd = mkstemp(copy), log_fd = mkstemp(log);
    if (fd < 0 || log_fd < 0 || shuffled_copy("models/ember/ember.gguf", copy) != 0 ||
        server_start(&server, arguments, log) != 0 || server_ready(&server, 60) != 0) {
        check(0, "the server does not start; its log is %s", log);
    } else {
        client = (struct client){server.port, -1};
        written_by_the_model(argc > 1 ? atoi(argv[1]) : SEEDS);
        odd_objects(argc > 1 ? atoi(argv[1]) : ODD_SEEDS);
        written_by_others();
        client_close(&client);
    }
    int status = server.pid > 0 ? server_end(&server, SIGTERM, 60) : 0;
    check(status == 0, "the server ended with status %d; its log is %s", status, log);
    if (!failed)
        unlink(log);
    unlink(copy);
    close(fd);
    close(log_fd);
    reply_free(&reply);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed != 0;
}
