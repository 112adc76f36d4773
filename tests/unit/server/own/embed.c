/* links: server toolbox mcp library engine text model store op machine kernel format base */
/* Vectors of texts without sockets: what is refused, what a text without numbers does to a request, and what little memory does. Texts are
 * words that the small vocabulary has; one of them has no numbers in a copy of the model. */
#include "server/own/own.h"

#include "broken_model.h"
#include "http_world.h"
#include "temporary.h"

static const char model[] = TEST_DATA "/embeddings/bert-mean.gguf";
static char broken_model[TEMPORARY_PATH];
static struct stoker *whole, *broken;

static void one_text_where_one_is_wanted(void **state)
{
    (void)state;
    http_refused(own_api_embeddings, "\"prompt\":[\"a\",\"b\"]", "invalid_type", "prompt");
    http_refused(own_api_embeddings, "\"prompt\":[\"a\"]", "invalid_type", "prompt");
    http_refused(own_api_embeddings, "\"prompt\":[[2,3]]", "invalid_type", "prompt");
    http_refused(own_api_embeddings, "\"prompt\":[]", "invalid_value", "prompt");
    static const char *const bodies[] = {"{\"prompt\":\"the water\"}", "{\"prompt\":[2,5,3]}"};
    for (size_t i = 0; i < 2; i++) {
        http_ask(own_api_embeddings, bodies[i], strlen(bodies[i]));
        assert_int_equal(http_world.status, 200);
        json_t *o = parse(http_world.text.text, http_world.text.n);
        assert_int_equal(json_array_size(json_object_get(o, "embedding")), 48);
        json_decref(o);
    }
}

/* {"input":["the water","the water",..,last]}, so many texts. */
static struct out body_of(int n, const char *last)
{
    struct out body = {0};
    out_print(&body, "{\"input\":[");
    for (int i = 1; i < n; i++)
        out_print(&body, "\"the water\",");
    out_print(&body, "\"%s\"]}", last);
    return body;
}

static void texts_have_their_vectors_in_order(void **state)
{
    (void)state;
    struct out body = body_of(500, "stone");
    http_ask(own_embeddings, body.text, body.n);
    assert_int_equal(http_world.status, 200);
    assert_true(http_world.streaming && http_world.ended);
    json_t *o = parse(http_world.text.text, http_world.text.n), *data = json_object_get(o, "data");
    assert_int_equal(json_array_size(data), 500);
    for (size_t i = 0; i < 500; i++) {
        const json_t *item = json_array_get(data, i), *first = json_array_get(data, 0);
        assert_int_equal(json_integer_value(json_object_get(item, "index")), i);
        assert_int_equal(json_equal(json_object_get(item, "embedding"), json_object_get(first, "embedding")), i < 499);
    }
    json_decref(o);
    out_free(&body);
}

static void a_text_without_numbers_is_named(void **state)
{
    (void)state;
    http_server.engine = broken;
    struct out body = body_of(3, "fire");
    http_ask(own_embeddings, body.text, body.n);
    assert_int_equal(http_world.status, 500);
    assert_non_null(strstr(http_world.text.text, "text 2: "));
    out_free(&body);
    body = body_of(500, "fire");
    http_ask(own_embeddings, body.text, body.n);
    assert_true(http_world.streaming && !http_world.ended);
    assert_int_equal(http_world.counted, 0);
    out_free(&body);
    body = body_of(500, "stone");
    http_ask(own_embeddings, body.text, body.n);
    assert_true(http_world.streaming && http_world.ended);
    out_free(&body);
    http_server.engine = whole;
}

/* However little memory there is, there is an answer, or one that is cut. */
static void short_of_memory(void **state)
{
    (void)state;
    struct out body = body_of(60, "stone");
    int n_short = 0;
    http_world.ended = http_world.status = 0;
    for (long long most = 0; most < 1 << 20; most += 509) {
        http_memory_set(most);
        http_ask(own_api_embed, body.text, body.n);
        http_memory_set(HTTP_PLENTY);
        if (http_world.status == 200 && (!http_world.streaming || http_world.ended))
            break;
        int is_short = http_world.status == 503 || http_world.status == 413;
        n_short += is_short;
        if (!is_short && !http_world.streaming)
            fail_msg("with %lld bytes: %d: %s", most, http_world.status, http_world.text.text);
    }
    json_decref(parse(http_world.text.text, http_world.text.n));
    assert_true(n_short > 20);
    out_free(&body);
}

static void a_client_leaves(void **state)
{
    (void)state;
    struct out body = body_of(2000, "stone");
    http_world.leaves = HTTP_DISCONNECTED;
    http_world.leaves_after = 1;
    http_ask(own_embeddings, body.text, body.n);
    http_world.leaves = 0;
    assert_true(http_world.streaming && !http_world.ended);
    assert_int_equal(http_world.counted, 0);
    out_free(&body);
    texts_have_their_vectors_in_order(state);
}

static struct stoker *open_one(const char *path)
{
    struct stoker *s = NULL;
    struct stoker_error err;
    struct stoker_options o = {.n_threads = 1, .memory = STOKER_MEMORY_MAX};
    if (stoker_open(&s, path, &o, &err))
        fprintf(stderr, "%s\n", err.text);
    return s;
}

static int open_world(void **state)
{
    (void)state;
    stoker_token *id = NULL;
    size_t n = 0;
    int fd = temporary_file(broken_model, "embed");
    whole = open_one(model);
    if (fd < 0 || !whole || stoker_tokenize(whole, "fire", 4, 0, 0, &id, &n, NULL) || n != 1 ||
        write_broken_model(model, broken_model, id[0]))
        return -1;
    close(fd);
    stoker_free(id);
    broken = open_one(broken_model);
    unlink(broken_model);
    http_server.engine = whole;
    strcpy(http_server.model_id, "bert-mean");
    return broken ? 0 : -1;
}

static int close_world(void **state)
{
    stoker_close(broken);
    return http_world_close(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_text_where_one_is_wanted),
        cmocka_unit_test(texts_have_their_vectors_in_order),
        cmocka_unit_test(a_text_without_numbers_is_named),
        cmocka_unit_test(short_of_memory),
        cmocka_unit_test(a_client_leaves),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
