/* links: server toolbox mcp library engine text model store op machine kernel format base */
/* Scores of documents, in both forms, by a model that ranks, without sockets: members and their order, which documents stand where, what
 * is refused and under which name. */
#include "server/own/own.h"

#include "http_world.h"

#include <math.h>

#define QUERY     "\"query\":\"what is water\""
#define DOCUMENTS "[\"the water\",{\"text\":\"fire and stone\"},\"the water\"]"
#define TEXTS     "[\"the water\",\"fire and stone\",\"the water\"]"

static json_t *ask(const char *fields)
{
    char body[2000];
    int n = snprintf(body, sizeof body, "{%s}", fields);
    http_ask(own_rerank, body, (size_t)n);
    if (http_world.status != 200)
        fail_msg("%d %s: %s", http_world.status, http_world.param, http_world.text.text);
    return parse(http_world.text.text, http_world.text.n);
}

/* Its members are these, in this order. */
static void has_members(const json_t *o, const char *want)
{
    struct out names = {0};
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)o, key, v) out_print(&names, "%s ", key);
    out_bytes(&names, "", 1);
    assert_string_equal(names.text, want);
    out_free(&names);
}

static double score_of(const json_t *list, size_t i, const char *key)
{
    const json_t *score = json_object_get(json_array_get(list, i), key);
    assert_true(json_is_real(score));
    return json_real_value(score);
}

static json_int_t index_of(const json_t *list, size_t i)
{
    return json_integer_value(json_object_get(json_array_get(list, i), "index"));
}

/* Downwards; the two that are equal by index. */
static void in_order(const json_t *list, const char *key)
{
    size_t first = 3, n = json_array_size(list);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++) {
        assert_true(score_of(list, i, key) > 0 && score_of(list, i, key) < 1);
        assert_true(i == 0 || score_of(list, i - 1, key) >= score_of(list, i, key));
        first = first == 3 && index_of(list, i) == 0 ? i : first;
    }
    assert_true(first < 2 && index_of(list, first + 1) == 2);
}

static void results_as_of_jina(void **state)
{
    (void)state;
    json_t *o = ask(QUERY ",\"documents\":" DOCUMENTS);
    const json_t *list = json_object_get(o, "results"), *usage = json_object_get(o, "usage");
    has_members(o, "model object usage results ");
    has_members(usage, "prompt_tokens total_tokens ");
    has_members(json_array_get(list, 0), "index relevance_score ");
    in_order(list, "relevance_score");
    assert_string_equal(text_of(o, "object"), "list");
    assert_int_equal(json_integer_value(json_object_get(usage, "prompt_tokens")), http_world.n_prompt);
    assert_int_equal(http_world.counted, 1);
    json_decref(o);
}

static void results_with_documents(void **state)
{
    (void)state;
    json_t *o = ask(QUERY ",\"documents\":" DOCUMENTS ",\"return_documents\":true,\"top_n\":2");
    const json_t *list = json_object_get(o, "results"), *best = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), 2);
    has_members(best, "index relevance_score document ");
    assert_string_equal(text_of(json_object_get(best, "document"), "text"),
                        index_of(list, 0) == 1 ? "fire and stone" : "the water");
    json_decref(o);
}

static void a_list_as_of_tei(void **state)
{
    (void)state;
    json_t *o = ask(QUERY ",\"documents\":" TEXTS), *list = ask(QUERY ",\"texts\":" TEXTS);
    const json_t *results = json_object_get(o, "results");
    assert_true(json_is_array(list));
    has_members(json_array_get(list, 0), "index score ");
    in_order(list, "score");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(index_of(list, i), index_of(results, i));
        assert_true(score_of(list, i, "score") == score_of(results, i, "relevance_score"));
    }
    json_decref(o);
    json_decref(list);
    list = ask(QUERY ",\"texts\":" TEXTS ",\"return_text\":true");
    has_members(json_array_get(list, 0), "index score text ");
    json_decref(list);
}

static void raw_scores_are_outputs(void **state)
{
    (void)state;
    json_t *share = ask(QUERY ",\"documents\":" TEXTS),
           *raw = ask(QUERY ",\"documents\":" TEXTS ",\"raw_scores\":true");
    for (size_t i = 0; i < 3; i++) {
        double x = score_of(json_object_get(raw, "results"), i, "relevance_score");
        double y = score_of(json_object_get(share, "results"), i, "relevance_score");
        assert_true(fabs(y - 1 / (1 + exp(-x))) < 1e-15);
    }
    json_decref(share);
    json_decref(raw);
}

static void refusals_name_the_field(void **state)
{
    (void)state;
    http_refused(own_rerank, "\"documents\":[\"a\"]", NULL, "query");
    http_refused(own_rerank, "\"query\":\"\",\"documents\":[\"a\"]", "invalid_value", "query");
    http_refused(own_rerank, "\"query\":5,\"documents\":[\"a\"]", "invalid_type", "query");
    http_refused(own_rerank, QUERY, NULL, "documents");
    http_refused(own_rerank, QUERY ",\"documents\":[]", "invalid_value", "documents");
    http_refused(own_rerank, QUERY ",\"texts\":[]", "invalid_value", "texts");
    http_refused(own_rerank, QUERY ",\"documents\":\"a\"", "invalid_type", "documents");
    http_refused(own_rerank, QUERY ",\"documents\":[\"a\",{}]", NULL, "documents[1]");
    http_refused(own_rerank, QUERY ",\"documents\":[\"a\"],\"top_n\":0", "invalid_value", "top_n");
    http_refused(own_rerank, QUERY ",\"documents\":[\"a\"],\"raw_scores\":1", "invalid_type", "raw_scores");
    http_refused(own_rerank, QUERY ",\"documents\":[\"a\"],\"return_documents\":\"yes\"", "invalid_type",
                 "return_documents");
    http_refused(own_rerank, QUERY ",\"texts\":[\"a\"],\"return_text\":0", "invalid_type", "return_text");
}

/* The server stops while documents are tokenised: nothing is computed any more. */
static void ends_between_documents(void **state)
{
    (void)state;
    struct stoker_stats before, after;
    stoker_stats_of(http_server.engine, &before);
    http_world.leaves = HTTP_CUT;
    http_ask(own_rerank, "{" QUERY ",\"documents\":" DOCUMENTS "}", strlen("{" QUERY ",\"documents\":" DOCUMENTS "}"));
    http_world.leaves = 0;
    stoker_stats_of(http_server.engine, &after);
    assert_int_equal(http_world.status, 503);
    assert_string_equal(http_world.code, "draining");
    assert_int_equal(after.requests, before.requests);
}

/* However little memory there is, there is an answer; and of no document the query is blamed. */
static void short_of_memory(void **state)
{
    (void)state;
    struct out body = {0};
    int n_short = 0;
    out_print(&body, "{" QUERY ",\"documents\":[\"a\"");
    for (int i = 0; i < 40; i++)
        out_print(&body, ",\"fire and stone %d\"", i);
    out_print(&body, "],\"return_documents\":true}");
    http_world.status = 0;
    for (long long most = 0; http_world.status != 200 && most < 1 << 20; most += 509) {
        http_memory_set(most);
        http_ask(own_rerank, body.text, body.n);
        http_memory_set(HTTP_PLENTY);
        int is_short = (http_world.status == 503 || http_world.status == 413) && !*http_world.param;
        n_short += is_short;
        if (http_world.status != 200 && !is_short)
            fail_msg("with %lld bytes: %d %s: %s", most, http_world.status, http_world.param, http_world.text.text);
    }
    assert_int_equal(http_world.status, 200);
    assert_true(n_short > 3);
    out_free(&body);
}

static int open_world(void **state)
{
    (void)state;
    struct stoker_error err;
    struct stoker_options o = {.n_threads = 1, .memory = STOKER_MEMORY_MAX};
    if (stoker_open(&http_server.engine, TEST_DATA "/embeddings/bert-rank.gguf", &o, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    strcpy(http_server.model_id, "bert-rank");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_as_of_jina),      cmocka_unit_test(results_with_documents),
        cmocka_unit_test(a_list_as_of_tei),        cmocka_unit_test(raw_scores_are_outputs),
        cmocka_unit_test(refusals_name_the_field), cmocka_unit_test(ends_between_documents),
        cmocka_unit_test(short_of_memory),
    };
    return cmocka_run_group_tests(tests, open_world, http_world_close);
}
