/* links: server toolbox mcp library engine text model store op machine kernel format base */
/* Answers of every dialect in every amount of memory (base/reqmem.h): a refusal for lack of memory, or word for word the answer of a
 * server with plenty; a stream that breaks off ends with an error; and all memory is given back. */
#include "server/dialect/anthropic.h"
#include "server/dialect/ollama.h"
#include "server/dialect/openai.h"

#include "http_world.h"
#include "sanitized.h"

#define USER "{\"role\":\"user\",\"content\":\"Say hello.\"}"
#define LAMP                                                                                                           \
    "{\"type\":\"object\",\"properties\":{\"room\":{\"enum\":[\"hall\",\"attic\"]},\"on\":{\"type\":\"boolean\"}},"    \
    "\"required\":[\"room\",\"on\"]}"
#define CHAT_LAMP "{\"type\":\"function\",\"function\":{\"name\":\"set_lamp\",\"parameters\":" LAMP "}}"

static const struct asked {
    const char *name;
    void (*handle)(struct http_exchange *x);
    const char *body;
    const char *end; /* of a stream that is whole; NULL: no stream */
} asked[] = {
    {"chat", openai_chat,
     "{\"messages\":[" USER "],\"max_tokens\":9,\"ignore_eos\":true,\"n\":2,\"logprobs\":true,\"top_logprobs\":20,"
     "\"temperature\":0,\"logit_bias\":{\"5\":-1}}",
     NULL},
    {"chat, streamed", openai_chat,
     "{\"messages\":[" USER "],\"max_tokens\":9,\"ignore_eos\":true,\"logprobs\":true,\"top_logprobs\":20,"
     "\"temperature\":0,\"stream\":true}",
     "data: [DONE]\n\n"},
    {"chat with calls", openai_chat,
     "{\"messages\":[" USER "],\"max_tokens\":90,\"seed\":1,\"tools\":[" CHAT_LAMP "],\"tool_choice\":\"required\"}",
     NULL},
    {"completions", openai_completions,
     "{\"prompt\":[\"one\",\"two\",\"three\"],\"n\":2,\"max_tokens\":9,\"ignore_eos\":true,\"logprobs\":5,"
     "\"temperature\":0}",
     NULL},
    {"completions with echo", openai_completions,
     "{\"prompt\":[\"one\",\"two\"],\"echo\":true,\"max_tokens\":3,\"temperature\":0}", NULL},
    {"responses", openai_responses,
     "{\"input\":[{\"role\":\"user\",\"content\":\"a\"}],\"max_output_tokens\":60,\"seed\":1,\"tools\":[{\"type\":"
     "\"custom\",\"name\":\"patch\"}],\"tool_choice\":\"required\",\"parallel_tool_calls\":false}",
     NULL},
    {"responses, streamed", openai_responses,
     "{\"input\":\"a\",\"max_output_tokens\":9,\"ignore_eos\":true,\"top_logprobs\":3,\"temperature\":0,\"stream\":"
     "true}",
     "event: response.incomplete\n"},
    {"messages", anthropic_messages,
     "{\"messages\":[" USER "],\"max_tokens\":90,\"tools\":[{\"name\":\"set_lamp\",\"input_schema\":" LAMP
     "}],\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":true},\"temperature\":0}",
     NULL},
    {"messages, streamed", anthropic_messages,
     "{\"messages\":[" USER "],\"max_tokens\":20,\"temperature\":0,\"stream\":true}", "event: message_stop\n"},
    {"Ollama's generate", ollama_generate,
     "{\"prompt\":\"once\",\"raw\":true,\"stream\":false,\"options\":{\"num_predict\":9,\"temperature\":0}}", NULL},
};

/* What differs from answer to answer. */
static void forget(json_t *v)
{
    static const char *const names[] = {
        "id",    "call_id",    "created",       "created_at",         "timings",
        "usage", "item_id",    "seed",          "total_duration",     "prompt_eval_duration",
        "model", "eval_count", "eval_duration", "prompt_cached_count"};
    json_t *member;
    const char *key;
    size_t i;
    for (i = 0; i < sizeof names / sizeof *names; i++)
        json_object_del(v, names[i]);
    json_object_foreach(v, key, member) forget(member);
    json_array_foreach(v, i, member) forget(member);
}

/* The content of an answer, without what differs from time to time: the whole answer, or a list of the events of a stream. */
static json_t *content_of(const struct asked *a)
{
    json_t *all = a->end ? json_array() : parse(http_world.text.text, http_world.text.n);
    for (char *at = http_world.text.text; a->end && (at = strstr(at, "data: {")); at += 6)
        json_array_append_new(all, parse(at + 6, strcspn(at, "\n") - 6));
    forget(all);
    return all;
}

/* How a request is asked: the memory is short from its beginning, or from its being submitted. Prompts take most, and give it back. */
static struct {
    int late;
    size_t memory;
    size_t kept; /* afterwards */
} how;

static void begin_late(void) { http_memory_set((long long)how.memory); }

/* 1: answered completely. */
static int ask(const struct asked *a, size_t memory)
{
    long long before = http_memory_taken(), behind;
    how.memory = memory;
    http_memory_set(how.late ? HTTP_PLENTY : (long long)memory);
    http_world.next = how.late ? begin_late : NULL;
    http_ask(a->handle, a->body, strlen(a->body));
    http_world.next = NULL;
    behind = http_memory_taken();
    how.kept = behind > before ? (size_t)(behind - before) : 0;
    http_memory_set(HTTP_PLENTY);
    return http_world.status == 200 && (!a->end || strstr(http_world.text.text, a->end));
}

/* Refused, or broken off, for lack of memory. */
static void assert_refused(const struct asked *a, size_t memory)
{
    const char *text = http_world.text.text;
    int is_broken = http_world.status == 200 && a->end && http_world.ended &&
                    strstr(text, "this request takes more memory");
    if (http_world.status != 413 && !is_broken)
        fail_msg("%s in %zu bytes: %d %.300s", a->name, memory, http_world.status, text);
}

static void in_every_amount_of_memory(const struct asked *a)
{
    size_t memory = 0, n_short = 0;
    ask(a, SIZE_MAX / 4); /* may leave something for the next request */
    assert_true(ask(a, SIZE_MAX / 4));
    assert_int_equal(how.kept, 0);
    json_t *plenty = content_of(a);
    for (; !ask(a, memory); memory += SANITIZED ? 64 + memory / 16 : 16 + memory / 50, n_short++) {
        assert_refused(a, memory);
        if (how.kept)
            fail_msg("%s in %zu bytes: %zu are kept", a->name, memory, how.kept);
    }
    json_t *actual = content_of(a);
    if (!json_equal(plenty, actual) || how.kept)
        fail_msg("%s in %zu bytes, of which %zu are kept: %s", a->name, memory, how.kept, http_world.text.text);
    if (n_short < (SANITIZED ? 5 : 20))
        fail_msg("%s was short of memory %zu times, that is no test", a->name, n_short);
    json_decref(plenty);
    json_decref(actual);
}

static void from_the_beginning(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        in_every_amount_of_memory(&asked[i]);
}

static void once_submitted(void **state)
{
    (void)state;
    how.late = 1;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        in_every_amount_of_memory(&asked[i]);
    how.late = 0;
}

static int open_with_client(void **state)
{
    static char client[1 << 20];
    out_bytes(&http_world.text, client, sizeof client); /* what the client has is not the server's */
    return http_world_open(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(from_the_beginning), cmocka_unit_test(once_submitted)};
    json_set_alloc_funcs(reqmem_malloc, reqmem_free);
    return cmocka_run_group_tests(tests, open_with_client, http_world_close);
}
