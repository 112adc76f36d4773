/* links: base
 *
 * Constraints that clients choose, against a server: every request is answered, nothing but 200, 400 and 503 comes back, whatever
 * schema it holds; equal constraints are compiled once; compiling stays within the plan, ends when its client leaves or the server
 * stops; and the masks of one answer take no more of a step than is theirs, so that its neighbours go on.
 *
 *     build/tests/serve_constraints [MODEL.gguf]               the embedded model
 *     build/tests/serve_constraints --ready PORT               waits for a server that runs already, and prints its metrics
 *     build/tests/serve_constraints --at PORT FILE [CLIENTS]   such a server gets the schemas of FILE, one a line
 *
 * Data: tests/data/hostile/schemas.jsonl, a schema a line, or a rule that makes a large one; tests/data/tools24.json, an agent's tools;
 * tests/data/schema_cases. Nothing is timed: compilations, steps of work and bytes are counted by the server, in /metrics. */
#include "check.h"
#include "sanitized.h"
#include "server_client.h"

#include <dirent.h>
#include <pthread.h>

/* A sanitizer makes masks and steps of the model some twenty times slower, a long prompt above all: fewer clients, tools and tokens. */
enum {
    MOST = 128,
    AT_ONCE = SANITIZED ? 8 : 64,
    MANY = SANITIZED ? 9 : 120,
    HOSTILE = SANITIZED ? 2 : 8,
    PATIENCE = SANITIZED ? 240 : 60,
    TOOLS = SANITIZED ? 3 : 24,
    ANSWER = SANITIZED ? 16 : 60,
    CALL = SANITIZED ? 200 : 400,
    LONG_ANSWER = SANITIZED ? 300 : 2000,
    BIASES = 1000 /* the first tokens: all that an integer can begin with are among them */
};

static struct server_process server;
static const char *model = "models/ember/ember.gguf";

/* ---- requests -------------------------------------------------------------------------------------------------------------- */

static char *dump(json_t *v)
{
    char *text = json_dumps(v, JSON_COMPACT);
    json_decref(v);
    if (!text)
        abort();
    return text;
}

/* A schema takes over. */
static char *ask_for_schema(json_t *schema, int stream)
{
    return dump(json_pack("{s:[{s:s,s:s}],s:i,s:b,s:i,s:{s:s,s:{s:s,s:o}}}", "messages", "role", "user", "content",
                          "Hi", "max_tokens", ANSWER, "stream", stream, "seed", 1, "response_format", "type",
                          "json_schema", "json_schema", "name", "x", "schema", schema));
}

static char *ask_for_tools(json_t *tools, const char *choice)
{
    return dump(json_pack("{s:[{s:s,s:s}],s:i,s:O,s:s,s:i}", "messages", "role", "user", "content", "Hi", "max_tokens",
                          choice[0] == 'r' ? CALL : 8, "tools", tools, "tool_choice", choice, "seed", 1));
}

/* ---- schemas --------------------------------------------------------------------------------------------------------------- */

/* An agent's tools. */
static json_t *agents_tools(void)
{
    json_t *tools = json_load_file("tests/data/tools24.json", 0, NULL);
    check(json_array_size(tools) >= TOOLS, "tests/data/tools24.json has %zu tools", json_array_size(tools));
    while (json_array_size(tools) > TOOLS)
        json_array_remove(tools, json_array_size(tools) - 1);
    return tools;
}

static json_t *numbered(const char *format, int i, json_t *value, json_t *to)
{
    char key[64];
    snprintf(key, sizeof key, format, i);
    json_object_set_new(to, key, value);
    return to;
}

static json_t *numbers_from(int first, int n)
{
    json_t *all = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(all, json_integer(first + i));
    return json_pack("{s:o}", "enum", all);
}

/* An object is held against another one, which has its members in another order, by each of 600 branches. */
static json_t *objects_held(int n)
{
    json_t *up = json_object(), *down = json_object(), *branches = json_array();
    for (int i = 0; i < n; i++) {
        numbered("%d", i, json_integer(0), up);
        numbered("%d", n - 1 - i, json_integer(i == n - 1), down);
    }
    for (int i = 0; i < 600; i++)
        json_array_append_new(branches, json_pack("{s:[{s:s}]}", "allOf", "$ref", "#/$defs/c"));
    return json_pack("{s:{s:{s:o}},s:[o],s:o}", "$defs", "c", "const", down, "enum", up, "anyOf", branches);
}

/* Unions inside unions, each reached through a $ref, so that the text itself is flat; an array after every 35, which begins a new list
 * of schemas at one place. */
static json_t *unions_inside(int n)
{
    json_t *defs = json_object();
    char next[32];
    for (int i = 0; i < n; i++) {
        snprintf(next, sizeof next, "#/$defs/d%d", i + 1);
        numbered("d%d", i,
                 i % 35 == 34 ? json_pack("{s:s,s:{s:s}}", "type", "array", "items", "$ref", next)
                              : json_pack("{s:[{s:s}]}", "anyOf", "$ref", next),
                 defs);
    }
    numbered("d%d", n, json_pack("{s:s}", "type", "null"), defs);
    return json_pack("{s:o,s:s}", "$defs", defs, "$ref", "#/$defs/d0");
}

/* Large schemas, by a rule. */
static json_t *make_schema(const char *rule, int n)
{
    static const char *const of_lists[] = {"consts", "enums", "lengths"};
    int is_list = 0;
    for (size_t i = 0; i < sizeof of_lists / sizeof *of_lists; i++)
        is_list |= strcmp(rule, of_lists[i]) == 0;
    json_t *some = is_list ? json_array() : json_object();
    char text[64];
    if (strcmp(rule, "const") == 0) {
        char *long_one = malloc((size_t)n + 1);
        memset(long_one, 'a', (size_t)n);
        long_one[n] = 0;
        json_decref(some);
        some = json_pack("{s:s}", "const", long_one);
        free(long_one);
        return some;
    }
    if (strcmp(rule, "keywords") == 0) {
        json_decref(some);
        some = numbers_from(0, n);
        for (int i = 0; i < n; i++)
            numbered("j%d", i, json_integer(0), some);
        return some;
    }
    if (strcmp(rule, "objects") == 0 || strcmp(rule, "unions") == 0) {
        json_decref(some);
        return rule[0] == 'o' ? objects_held(n) : unions_inside(n);
    }
    for (int i = 0; i < n; i++) {
        snprintf(text, sizeof text, "value number %d", i);
        if (strcmp(rule, "optional") == 0)
            numbered("p%d", i, json_pack("{s:s}", "type", "integer"), some);
        else if (strcmp(rule, "patterns") == 0)
            numbered("^k%d$", i, json_pack("{s:s}", "const", text), some);
        else if (strcmp(rule, "consts") == 0)
            json_array_append_new(some, json_pack("{s:s}", "const", text));
        else if (strcmp(rule, "lengths") == 0)
            json_array_append_new(some, json_pack("{s:s,s:i}", "type", "string", "maxLength", i + 1));
        else
            json_array_append_new(some, numbers_from(i * 100, 10000));
    }
    if (json_is_array(some))
        return json_pack("{s:o}", strcmp(rule, "enums") == 0 ? "allOf" : "anyOf", some);
    return json_pack("{s:s,s:o,s:b}", "type", "object",
                     strcmp(rule, "optional") == 0 ? "properties" : "patternProperties", some, "additionalProperties",
                     0);
}

/* [{"name":, "schema":}], NULL: the file cannot be read. */
static json_t *hostile_schemas(void)
{
    FILE *f = fopen("tests/data/hostile/schemas.jsonl", "r");
    json_t *all = json_array(), *one;
    while (f && (one = json_loadf(f, JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, NULL))) {
        const char *rule = json_string_value(json_object_get(one, "make"));
        if (rule)
            json_object_set_new(one, "schema", make_schema(rule, (int)json_integer_value(json_object_get(one, "n"))));
        json_array_append_new(all, one);
    }
    if (f)
        fclose(f);
    check(json_array_size(all) >= 10, "tests/data/hostile/schemas.jsonl has %zu schemas", json_array_size(all));
    return all;
}

/* ---- many at once ---------------------------------------------------------------------------------------------------------- */

struct asker {
    pthread_t thread;
    char *body;
    int status, failed; /* failed: the answer has an error in it, wherever */
    char text[400];
};

static void *ask(void *arg)
{
    struct asker *a = arg;
    struct client c = {server.port, -1};
    struct reply r = {0};
    int rc = client_ask(&c, "POST", "/v1/chat/completions", a->body, strlen(a->body), &r, NULL, NULL);
    a->status = rc == 0 ? r.status : -1;
    const char *error = r.n ? strstr(r.body, "{\"error\"") : NULL;
    a->failed = error != NULL;
    snprintf(a->text, sizeof a->text, "%s", error ? error : r.n ? r.body : "");
    client_close(&c);
    reply_free(&r);
    free(a->body);
    return NULL;
}

/* Bodies are taken over; status 0 where there is none. */
static void ask_all(struct asker *a, int n)
{
    for (int i = 0; i < n; i++)
        if (a[i].body && pthread_create(&a[i].thread, NULL, ask, &a[i]) != 0)
            abort();
    for (int i = 0; i < n; i++)
        if (a[i].body)
            pthread_join(a[i].thread, NULL);
}

/* Input is never the server's fault. */
static int is_fair(int status) { return status == 200 || status == 400 || status == 503; }

static long long metric(const char *name)
{
    struct client c = {server.port, -1};
    struct reply r = {0};
    char line[128];
    long long value = -1;
    snprintf(line, sizeof line, "\nstoker_%s ", name);
    if (client_ask(&c, "GET", "/metrics", "", 0, &r, NULL, NULL) == 0) {
        const char *at = strstr(r.body, line);
        value = at ? atoll(at + strlen(line)) : -1;
    }
    client_close(&c);
    reply_free(&r);
    return value;
}

/* ---- the server ------------------------------------------------------------------------------------------------------------ */

static char log_path[] = "/tmp/stoker-constraints-XXXXXX";

static int start(const char *ctx, const char *parallel, const char *memory, const char *drain)
{
    const char *const arguments[] = {model,    "--ctx", ctx,       "--parallel", parallel,
                                     "--seed", "1",     "--drain", drain,        memory ? "--memory" : NULL,
                                     memory,   NULL};
    server = (struct server_process){0};
    int up = server_start(&server, arguments, log_path) == 0 && server_ready(&server, 60) == 0;
    check(up, "the server does not start; its log is %s", log_path);
    return up;
}

static void stop(void)
{
    int status = server_end(&server, SIGTERM, PATIENCE);
    check(status == 0, "the server ended with status %d; its log is %s", status, log_path);
}

/* ---- tests ----------------------------------------------------------------------------------------------------------------- */

/* An agent's tools, from many clients at once: every request is answered, and they are compiled once. */
static void tools_are_compiled_once(int n, const char *choice, int times)
{
    json_t *tools = agents_tools();
    struct asker a[MOST] = {{0}};
    long long compiled = metric("constraints_compiled_total");
    int answered = 0;
    const char *other = "";
    for (int i = 0; i < n; i++)
        a[i].body = ask_for_tools(tools, choice);
    ask_all(a, n);
    for (int i = 0; i < n; i++) {
        answered += a[i].status == 200;
        other = a[i].status == 200 ? other : a[i].text;
    }
    check(answered == n, "%d requests with the same tools (%s): %d answered; %.300s", n, choice, answered, other);
    compiled = metric("constraints_compiled_total") - compiled;
    check(compiled == times, "the tools of %d requests were compiled %lld times, not %d", n, compiled, times);
    json_decref(tools);
}

/* Alone, and in a stream, whose error would come too late. It may come only where the grammar itself is too ambiguous. */
static void each_alone(const json_t *schemas)
{
    size_t i;
    const json_t *one;
    json_array_foreach(schemas, i, one) for (int stream = 0; stream <= 1; stream++)
    {
        if (SANITIZED && stream != (int)(i & 1))
            continue;
        const char *name = json_string_value(json_object_get(one, "name"));
        struct asker a = {.body = ask_for_schema(json_incref(json_object_get(one, "schema")), stream)};
        ask_all(&a, 1);
        int ambiguous = json_object_get(one, "ambiguous") && strstr(a.text, "too ambiguous");
        int whole = !a.failed || a.status == 400 || ambiguous;
        check((a.status == 200 || a.status == 400) && whole, "%s%s: %d %.300s", name, stream ? ", streamed" : "",
              a.status, a.text);
    }
}

/* Several times all of them at once. */
static void all_at_once(const json_t *schemas, int each)
{
    struct asker a[MOST] = {{0}};
    int n = 0;
    for (size_t i = 0; i < json_array_size(schemas) * (size_t)each && n < AT_ONCE; i++, n++) {
        json_t *one = json_array_get(schemas, i % json_array_size(schemas));
        a[n].body = ask_for_schema(json_incref(json_object_get(one, "schema")), (int)(i & 1));
    }
    ask_all(a, n);
    for (int i = 0; i < n; i++)
        check(is_fair(a[i].status), "%d at once: %d %.300s", n, a[i].status, a[i].text);
}

static json_t *case_schemas(const char *folder)
{
    json_t *all = json_array();
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        json_t *one = strstr(e->d_name, ".json") ? json_load_file(path, 0, NULL) : NULL;
        if (json_object_get(one, "schema"))
            json_array_append(all, one);
        json_decref(one);
    }
    if (d)
        closedir(d);
    return all;
}

/* Every schema of the cases, HOSTILE of it at once, and the memory that the plan has; under sanitizers, whose memory is not the plan's,
 * the hostile ones alone. */
static void within_the_plan(const json_t *hostile)
{
    json_t *cases = SANITIZED ? json_array() : case_schemas("tests/data/schema_cases");
    json_array_extend(cases, (json_t *)hostile);
    check(json_array_size(cases) > json_array_size(hostile) - SANITIZED, "tests/data/schema_cases has no schemas");
    for (size_t k = 0; k < json_array_size(cases); k++) {
        struct asker a[HOSTILE] = {{0}};
        json_t *one = json_array_get(cases, k);
        for (int i = 0; i < HOSTILE; i++)
            a[i].body = ask_for_schema(json_incref(json_object_get(one, "schema")), 0);
        ask_all(a, HOSTILE);
        for (int i = 0; i < HOSTILE; i++)
            check(is_fair(a[i].status), "%s, %d at once, little memory: %d %.300s",
                  json_string_value(json_object_get(one, "name")), HOSTILE, a[i].status, a[i].text);
    }
    json_decref(cases);
    uint64_t peak = server_memory(&server, "VmHWM:"), plan = (uint64_t)metric("memory_planned_bytes");
    printf("least memory: peak %.1f MiB of %.1f planned\n", (double)peak / 1048576, (double)plan / 1048576);
    check(SANITIZED || peak <= plan, "the peak of %llu bytes is above the plan's %llu", (unsigned long long)peak,
          (unsigned long long)plan);
}

/* The limit is below the shortest answer: a format gives way to it, a call does not. */
static void limits_below_the_shortest(void)
{
    static const char format[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":2,\"response_format\":{\"type\":\"json_"
        "schema\","
        "\"json_schema\":{\"name\":\"x\",\"schema\":{\"const\":\"a text of more than two tokens\"}}}}";
    struct asker a = {.body = strdup(format)};
    ask_all(&a, 1);
    check(a.status == 200 && strstr(a.text, "\"finish_reason\":\"length\""), "a format above max_tokens: %d %.300s",
          a.status, a.text);
    a = (struct asker){.body = ask_for_schema(json_pack("{s:s,s:f}", "type", "number", "minimum", 1e300), 0)};
    ask_all(&a, 1);
    check(a.status == 200 && strstr(a.text, "\"finish_reason\":\"length\""), "300 digits above max_tokens: %d %.300s",
          a.status, a.text);
    json_t *call = json_loads(format, 0, NULL), *tools = agents_tools();
    json_object_del(call, "response_format");
    json_object_set_new(call, "tools", tools);
    json_object_set_new(call, "tool_choice", json_string("required"));
    a = (struct asker){.body = dump(call)};
    ask_all(&a, 1);
    check(a.status == 400 && strstr(a.text, "max_tokens"), "a call above max_tokens: %d %.300s", a.status, a.text);
}

/* What can never be is refused by the name of the field that asks for it: an array in arrays, of which the shortest has more tokens than
 * can be counted. */
static void longer_than_any_answer(void)
{
    json_t *lists = json_pack("{s:s}", "type", "integer");
    for (int i = 0; i < 4; i++)
        lists = json_pack("{s:s,s:i,s:o}", "type", "array", "minItems", 10000, "items", lists);
    struct asker a = {.body = ask_for_schema(json_incref(lists), 0)};
    ask_all(&a, 1);
    check(a.status == 400 && strstr(a.text, "longer than any answer") &&
              strstr(a.text, "\"param\":\"response_format\""),
          "10,000 lists in each of 10,000, three times: %d %.300s", a.status, a.text);
    json_t *tools = json_pack("[{s:s,s:{s:s,s:{s:s,s:{s:o},s:[s]}}}]", "type", "function", "function", "name", "t",
                              "parameters", "type", "object", "properties", "a", lists, "required", "a");
    a = (struct asker){.body = ask_for_tools(tools, "required")};
    ask_all(&a, 1);
    check(a.status == 400 && strstr(a.text, "longer than any answer") && strstr(a.text, "\"param\":\"tools\""),
          "the same in a call: %d %.300s", a.status, a.text);
    json_decref(tools);
}

/* A schema that is longer than one may be is refused before anything is made of its request: here a prompt would be found too long. */
static void a_schema_too_long(void)
{
    static const char word[] = "again ";
    enum { WORDS = 40000 };
    char *text = ask_for_schema(make_schema("const", 2 << 20), 0), *prompt = malloc(WORDS * (sizeof word - 1) + 1);
    json_t *body = json_loads(text, 0, NULL);
    free(text);
    if (!prompt)
        abort();
    for (size_t i = 0; i < WORDS; i++)
        memcpy(prompt + i * (sizeof word - 1), word, sizeof word);
    json_object_set_new(json_array_get(json_object_get(body, "messages"), 0), "content", json_string(prompt));
    free(prompt);
    struct asker a = {.body = dump(body)};
    ask_all(&a, 1);
    check(a.status == 400 && strstr(a.text, "\"param\":\"response_format\"") && strstr(a.text, "at most 1048576"),
          "a schema of 2 MiB beside a long prompt: %d %.300s", a.status, a.text);
}

/* Biases that leave no token for the first position: nothing is sent but the refusal, which names them, streamed or not. The token of the
 * letter a is none that a number begins with. */
static void biases_of_all(void)
{
    static const char tokenize[] = "{\"content\":\"a\"}";
    struct client c = {server.port, -1};
    struct reply r = {0};
    int a_token = -1;
    if (client_ask(&c, "POST", "/tokenize", tokenize, sizeof tokenize - 1, &r, NULL, NULL) == 0)
        sscanf(r.body, "{\"tokens\":[%d]}", &a_token);
    check(a_token >= 0 && a_token < BIASES, "/tokenize: %.200s", r.n ? r.body : "");
    client_close(&c);
    reply_free(&r);
    for (int i = 0; i < 4; i++) {
        int keeps_a = i / 2;
        char *text = ask_for_schema(json_pack("{s:s}", "type", "integer"), i % 2);
        json_t *body = json_loads(text, 0, NULL), *bias = json_object();
        free(text);
        for (int id = 0; id < BIASES; id++) {
            char key[16];
            snprintf(key, sizeof key, "%d", id);
            if (!keeps_a || id != a_token)
                json_object_set_new(bias, key, json_integer(-100));
        }
        json_object_set_new(body, "logit_bias", bias);
        struct asker a = {.body = dump(body)};
        ask_all(&a, 1);
        check(a.status == 400 && strstr(a.text, "\"param\":\"logit_bias\"") &&
                  strstr(a.text, "logit_bias forbids every token that may follow at position 0"),
              "logit_bias of %s, stream %d: %d %.300s", keeps_a ? "all but a letter" : "all", i % 2, a.status, a.text);
    }
}

/* The same while all sequences are at work for longer than a stream is silent: nothing is sent before the first mask was looked at. */
static void biases_behind_others(int n)
{
    enum { OTHERS = 8 };
    struct asker a[OTHERS] = {{0}}, late = {0};
    double until = clock_seconds() + PATIENCE;
    char *text = ask_for_schema(json_pack("{s:s}", "type", "integer"), 1);
    json_t *body = json_loads(text, 0, NULL), *bias = json_object();
    free(text);
    for (int id = 0; id < BIASES; id++) {
        char key[16];
        snprintf(key, sizeof key, "%d", id);
        json_object_set_new(bias, key, json_integer(-100));
    }
    json_object_set_new(body, "logit_bias", bias);
    late.body = dump(body);
    for (int i = 0; i < n; i++) {
        a[i].body = dump(json_pack("{s:[{s:s,s:s}],s:i,s:b}", "messages", "role", "user", "content", "Hi", "max_tokens",
                                   LONG_ANSWER, "ignore_eos", 1));
        if (pthread_create(&a[i].thread, NULL, ask, &a[i]) != 0)
            abort();
    }
    while (metric("queue_depth") < n - 4 && clock_seconds() < until)
        usleep(1000);
    double began = clock_seconds();
    ask_all(&late, 1);
    double took = clock_seconds() - began;
    check(late.status == 400 && strstr(late.text, "at position 0"), "logit_bias of all, behind others: %d %.300s",
          late.status, late.text);
    check(took > 1.2, "it waited for %.1f s only: nothing would have been sent to any stream", took);
    for (int i = 0; i < n; i++) {
        pthread_join(a[i].thread, NULL);
        check(a[i].status == 200, "a long answer: %d %.200s", a[i].status, a[i].text);
    }
}

/* Masks take at most their share of any step. */
static void neighbours_go_on(void)
{
    long long most = metric("mask_work_most"), bound = metric("mask_work_bound");
    check(most > 0 && most <= bound, "masks took %lld steps of work between two steps of the model: at most %lld", most,
          bound);
}

/* A client leaves while its schema is compiled: the compilation ends. Then one is compiled while the server stops. */
static void compilations_are_given_up(void)
{
    char *body = ask_for_schema(make_schema("patterns", 4000), 0);
    struct client gone = {server.port, -1};
    struct reply r = {0};
    double until = clock_seconds() + PATIENCE;
    long long before = metric("constraints_failed_total") + metric("constraints_compiled_total");
    if (client_connect(&gone) || client_head(&gone, "POST", "/v1/chat/completions", strlen(body)) ||
        client_send(&gone, body, strlen(body)))
        check(0, "the request cannot be sent");
    client_close(&gone);
    while (metric("constraints_failed_total") + metric("constraints_compiled_total") == before &&
           clock_seconds() < until)
        usleep(10000);
    check(clock_seconds() < until, "a compilation goes on after its client has left");
    if (client_connect(&gone) || client_head(&gone, "POST", "/v1/chat/completions", strlen(body)) ||
        client_send(&gone, body, strlen(body)))
        check(0, "the request cannot be sent");
    stop();
    client_close(&gone);
    reply_free(&r);
    free(body);
}

/* ---- a server that somebody else has started ------------------------------------------------------------------------------- */

struct sender {
    pthread_t thread;
    FILE *file;
    pthread_mutex_t *lock;
    int sent, unfair;
};

/* Schemas that are no JSON are sent as they are: the client's mistake, 400. */
static void *send_lines(void *arg)
{
    static const char before[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":20,\"seed\":1,"
        "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":";
    struct sender *s = arg;
    char *line = NULL;
    size_t capacity = 0;
    for (;;) {
        pthread_mutex_lock(s->lock);
        ssize_t n = getline(&line, &capacity, s->file);
        pthread_mutex_unlock(s->lock);
        if (n <= 0)
            break;
        line[strcspn(line, "\n")] = 0;
        struct asker a = {.body = malloc(sizeof before + strlen(line) + 4)};
        if (!a.body)
            abort();
        sprintf(a.body, "%s%s}}}", before, line);
        ask(&a);
        s->sent++;
        s->unfair += !is_fair(a.status);
        if (!is_fair(a.status))
            printf("FAILED: status %d for %.300s\n", a.status, line);
    }
    free(line);
    return NULL;
}

static int send_file(int port, const char *path, int clients)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct sender s[MOST] = {{0}};
    FILE *f = fopen(path, "r");
    int sent = 0, unfair = 0;
    if (!f || clients < 1 || clients > MOST) {
        printf("%s cannot be read, or %d clients are not 1 to %d\n", path, clients, MOST);
        return 2;
    }
    server.port = port;
    for (int i = 0; i < clients; i++) {
        s[i] = (struct sender){.file = f, .lock = &lock};
        if (pthread_create(&s[i].thread, NULL, send_lines, &s[i]) != 0)
            abort();
    }
    for (int i = 0; i < clients; i++) {
        pthread_join(s[i].thread, NULL);
        sent += s[i].sent;
        unfair += s[i].unfair;
    }
    fclose(f);
    printf("%d passed, %d failed, 0 skipped\n", sent - unfair, unfair);
    return sent == 0 || unfair != 0;
}

/* Once the server is ready. */
static int print_metrics(int port)
{
    struct client c = {port, -1};
    struct reply r = {0};
    server.port = port;
    int failed_to = server_ready(&server, 60) || client_ask(&c, "GET", "/metrics", "", 0, &r, NULL, NULL);
    printf("%s", r.n ? r.body : "");
    client_close(&c);
    reply_free(&r);
    return failed_to ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--ready") == 0)
        return print_metrics(atoi(argv[2]));
    if (argc > 3 && strcmp(argv[1], "--at") == 0)
        return send_file(atoi(argv[2]), argv[3], argc > 4 ? atoi(argv[4]) : HOSTILE);
    model = argc > 1 ? argv[1] : model;
    int fd = mkstemp(log_path);
    json_t *hostile = hostile_schemas();
    if (start("16384", "4", NULL, "5")) {
        tools_are_compiled_once(AT_ONCE, "auto", 1);
        tools_are_compiled_once(MANY, "auto", 0);
        tools_are_compiled_once(AT_ONCE, "required", 1);
        limits_below_the_shortest();
        longer_than_any_answer();
        a_schema_too_long();
        biases_of_all();
        biases_behind_others(8);
        each_alone(hostile);
        all_at_once(hostile, 3);
        neighbours_go_on();
        compilations_are_given_up();
    }
    if (start("2048", "4", "min", "5")) {
        within_the_plan(hostile);
        stop();
    }
    json_decref(hostile);
    if (!failed)
        unlink(log_path);
    close(fd);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed != 0;
}
