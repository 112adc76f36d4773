/* links: server toolbox mcp library kernel format base */
/* Bodies of other dialects when an allocation fails, whichever it is: refused with a reason, nothing lost, nothing kept. */
#include "server/dialect/anthropic_request.h"
#include "server/dialect/ollama_request.h"
#include "server/dialect/responses_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static long live, until_failure; /* until_failure below 0: none fails */

static void *failing_malloc(size_t n)
{
    if (until_failure == 0)
        return NULL;
    until_failure -= until_failure > 0;
    live++;
    return malloc(n);
}

static void counted_free(void *p)
{
    live -= p != NULL;
    free(p);
}

/* Reads body as a chat, which is a new reference; NULL: *r. */
typedef json_t *reader(const json_t *body, struct refusal *r);

static json_t *read_responses(const json_t *body, struct refusal *r)
{
    struct responses_request q;
    json_t *chat = responses_request(&q, body, 1, r) == 0 ? json_incref(q.chat) : NULL;
    responses_request_free(&q);
    return chat;
}

static json_t *read_anthropic(const json_t *body, struct refusal *r)
{
    struct anthropic_request a;
    json_t *chat = anthropic_request_read(&a, body, 0, r) == 0 ? json_incref(a.chat) : NULL;
    anthropic_request_free(&a);
    return chat;
}

static json_t *read_ollama(const json_t *body, struct refusal *r)
{
    struct ollama_request o;
    json_t *chat = ollama_chat_read(&o, body, 4096, r) == 0 ? json_incref(o.chat) : NULL;
    ollama_request_free(&o);
    return chat;
}

static void each_allocation_fails(const char *text, reader *read)
{
    until_failure = -1;
    struct refusal r = {0};
    json_t *body = json_loads(text, 0, NULL), *whole, *chat = NULL;
    assert_non_null(body);
    whole = read(body, &r);
    if (!whole)
        fail_msg("%s", r.text);
    long before = live;
    for (long k = 0; !chat; k++) {
        r = (struct refusal){0};
        until_failure = k;
        chat = read(body, &r);
        if (!chat && r.status != 503)
            fail_msg("allocation %ld: status %d %s", k, r.status, r.text);
        if (!chat && live != before)
            fail_msg("allocation %ld: %ld pieces are lost", k, live - before);
        if (chat && !json_equal(chat, whole))
            fail_msg("allocation %ld: another chat", k);
    }
    json_decref(chat);
    json_decref(whole);
    json_decref(body);
    assert_int_equal(live, 0);
}

static void responses(void **state)
{
    (void)state;
    each_allocation_fails(
        "{\"instructions\":\"i\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"a\"}]},"
        "{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"hm\"}]},"
        "{\"role\":\"assistant\",\"content\":\"b\"},"
        "{\"type\":\"function_call\",\"call_id\":\"1\",\"name\":\"f\",\"arguments\":\"{}\"},"
        "{\"type\":\"custom_tool_call\",\"call_id\":\"2\",\"name\":\"g\",\"input\":\"x\"},"
        "{\"type\":\"function_call_output\",\"call_id\":\"1\",\"output\":\"y\"},"
        "{\"type\":\"custom_tool_call_output\",\"call_id\":\"2\",\"output\":[{\"type\":\"input_text\",\"text\":\"z\"}]}"
        "],"
        "\"max_tool_calls\":3,\"tools\":[{\"type\":\"file_search\",\"vector_store_ids\":[\"s\"],\"max_num_results\":9},"
        "{\"type\":\"function\",\"name\":\"f\",\"description\":\"d\",\"strict\":true,\"parameters\":{}},"
        "{\"type\":\"custom\",\"name\":\"g\"},{\"type\":\"namespace\",\"name\":\"n\",\"tools\":[{\"type\":\"function\","
        "\"name\":\"h\",\"parameters\":{}}]}],\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"},"
        "\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"s\",\"schema\":{}}},\"reasoning\":{\"effort\":"
        "\"low\"},"
        "\"top_logprobs\":2,\"max_output_tokens\":9,\"temperature\":0.5,\"stream\":true}",
        read_responses);
    each_allocation_fails("{\"input\":\"a\"}", read_responses);
    each_allocation_fails("{\"library\":true,\"input\":[{\"role\":\"user\",\"content\":\"a\"},{\"type\":\"file_search_"
                          "call\",\"id\":\"fs_1\",\"queries\":[\"q\"],\"results\":["
                          "{\"file_id\":\"docs:1:2\",\"score\":1,\"text\":\"t\",\"attributes\":{\"title\":\"T\","
                          "\"url\":\"/library/docs/a\"}},{\"file_id\":\"x\",\"text\":\"u\"}]},"
                          "{\"role\":\"assistant\",\"content\":\"b\"}]}",
                          read_responses);
    each_allocation_fails("{\"input\":\"a\",\"library\":true,\"tool_choice\":{\"type\":\"file_search\"}}",
                          read_responses);
}

static void anthropic(void **state)
{
    (void)state;
    each_allocation_fails(
        "{\"max_tokens\":5,\"system\":[{\"type\":\"text\",\"text\":\"s\"}],\"messages\":[{\"role\":\"user\","
        "\"content\":"
        "\"a\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},{\"type\":\"text\","
        "\"text\":\"b\"},{\"type\":\"tool_use\",\"id\":\"1\",\"name\":\"f\",\"input\":{\"x\":1}},{\"type\":\"tool_"
        "use\","
        "\"id\":\"2\",\"name\":\"f\",\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
        "\"tool_use_id\":\"1\",\"content\":[{\"type\":\"image\",\"source\":{}}]},{\"type\":\"tool_result\","
        "\"tool_use_id\":\"2\"},{\"type\":\"text\",\"text\":\"c\"}]}],\"tools\":[{\"name\":\"f\",\"description\":\"d\","
        "\"strict\":true,\"input_schema\":{\"type\":\"object\"}}],\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\"},"
        "\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"low\"},\"stop_sequences\":[\"x\"],"
        "\"temperature\":0.5}",
        read_anthropic);
}

static void ollama(void **state)
{
    (void)state;
    each_allocation_fails(
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":"
        "\"b\","
        "\"thinking\":\"hm\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1}}},{\"function\":"
        "{\"name\":\"g\"}}]},{\"role\":\"tool\",\"content\":\"y\",\"tool_name\":\"g\"},{\"role\":\"tool\",\"content\":"
        "\"z\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}],\"think\":\"low\","
        "\"format\":{\"type\":\"object\"},\"options\":{\"num_predict\":5,\"temperature\":0.5,\"stop\":[\"x\"]}}",
        read_ollama);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(responses), cmocka_unit_test(anthropic),
                                       cmocka_unit_test(ollama)};
    json_set_alloc_funcs(failing_malloc, counted_free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
