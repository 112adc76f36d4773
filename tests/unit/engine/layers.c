/* links: engine text model store op machine kernel format base */
/* Layers as they can be seen from outside: kinds, bytes, types, and how often each expert was used. */
#include "stoker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PROMPT = 40, ANSWER = 6, LAYERS = 64, EXPERTS = 512 };

static struct stoker *engine(const char *path)
{
    struct stoker *s = NULL;
    struct stoker_error err = {0};
    const struct stoker_options o = {.memory = STOKER_MEMORY_MAX, .n_ctx = 256, .n_chunk = 16, .n_threads = 2};
    if (stoker_open(&s, path, &o, &err))
        fail_msg("%s", err.text);
    return s;
}

static void generate(struct stoker *s)
{
    stoker_token prompt[PROMPT];
    struct stoker_error err = {0};
    struct stoker_event end;
    for (int i = 0; i < PROMPT; i++)
        prompt[i] = i % 97 + 3;
    struct stoker_request r = {
        .prompt = prompt, .n_prompt = PROMPT, .max_tokens = ANSWER, .ignore_end = 1, .no_cache = 1};
    if (stoker_generate(s, &r, NULL, NULL, &end, &err))
        fail_msg("%s", err.text);
    assert_int_equal(end.u.end.n_generated, ANSWER);
}

/* Every row of every layer with experts was sent to as many of them as the model uses. */
static void uses_add_up(struct stoker *s, int generations)
{
    struct stoker_layer layer[LAYERS];
    uint64_t use[EXPERTS];
    int n = stoker_layers(s, layer, LAYERS);
    for (int l = 0; l < n; l++) {
        uint64_t sum = 0;
        if (layer[l].n_expert == 0)
            continue;
        memset(use, 0xff, sizeof use);
        stoker_expert_use(s, l, use);
        for (int i = 0; i < layer[l].n_expert; i++)
            sum += use[i];
        assert_int_equal(use[layer[l].n_expert], UINT64_MAX);
        assert_int_equal(sum, generations * (PROMPT + ANSWER - 1) * layer[l].n_expert_used);
    }
}

/* What kinds of layers keep adds up to what the model does, to the byte; a kind without layers keeps nothing. */
static void kept_adds_up(const struct stoker_plan *p, const struct stoker_layer *layer, int n)
{
    int n_layer[STOKER_LAYER_KINDS] = {0};
    struct stoker_kept sum = {0};
    for (int l = 0; l < n; l++)
        n_layer[layer[l].kind]++;
    for (int k = 0; k < STOKER_LAYER_KINDS; k++) {
        uint64_t all = p->kept[k].kv_bytes_per_token + p->kept[k].kv_fixed_bytes + p->kept[k].state_bytes_per_sequence;
        assert_int_equal(all > 0, n_layer[k] > 0 && k != STOKER_LAYER_NOTHING);
        sum.kv_bytes_per_token += p->kept[k].kv_bytes_per_token;
        sum.kv_fixed_bytes += p->kept[k].kv_fixed_bytes;
        sum.state_bytes_per_sequence += p->kept[k].state_bytes_per_sequence;
    }
    assert_int_equal(sum.kv_bytes_per_token, p->kv_bytes_per_token);
    assert_int_equal(sum.kv_fixed_bytes, p->kv_fixed_bytes);
    assert_int_equal(sum.state_bytes_per_sequence, p->state_bytes_per_sequence);
}

static void look(const char *path, const char *kinds, const char *dense)
{
    static const char letter[] = "flwcr-";
    struct stoker *s = engine(path);
    struct stoker_layer layer[LAYERS];
    struct stoker_plan plan;
    uint64_t bytes = 0;
    int n = stoker_layers(s, layer, LAYERS);
    stoker_plan_of(s, &plan);
    assert_int_equal(n, strlen(kinds));
    assert_int_equal(stoker_layers(s, NULL, 0), n);
    for (int l = 0; l < n; l++) {
        assert_int_equal(letter[layer[l].kind], kinds[l]);
        assert_int_equal(layer[l].n_expert, dense[l] == 'd' ? 0 : plan.n_expert);
        assert_int_equal(layer[l].n_expert_used, dense[l] == 'd' ? 0 : plan.n_expert_used);
        assert_true(strlen(layer[l].type) > 1);
        bytes += layer[l].bytes;
    }
    assert_true(bytes > plan.expert_bytes_total);
    kept_adds_up(&plan, layer, n);
    uses_add_up(s, 0);
    generate(s);
    uses_add_up(s, 1);
    generate(s);
    uses_add_up(s, 2);
    stoker_close(s);
}

static void recurrent(void **state)
{
    (void)state;
    look(TEST_DATA "/golden/qwen35moe.gguf", "rf", "ee");
}

static void windows(void **state)
{
    (void)state;
    look(TEST_DATA "/golden/gpt-oss-mxfp4.gguf", "wf", "ee");
}

static void a_dense_layer(void **state)
{
    (void)state;
    look(TEST_DATA "/golden/deepseek2-lite.gguf", "ll", "de");
}

static void layers_of_one_block(void **state)
{
    (void)state;
    look(TEST_DATA "/golden/nemotron_h_moe.gguf", "r-f-", "dede");
}

/* Layers that choose among all positions keep them, whatever else they keep: means of index keys, windows. */
static void chosen_positions(void **state)
{
    (void)state;
    look(TEST_DATA "/golden/qwen4exp.gguf", "rrrf", "eeee");
    look(TEST_DATA "/golden/glm5next.gguf", "rlrl", "deee");
    look(TEST_DATA "/golden/deepseek41.gguf", "wcwfw", "eeeee");
}

/* Which layers have experts that every token uses, and which keep index keys. */
static void look_beside(const char *path, const char *shared, const char *index)
{
    struct stoker *s = engine(path);
    struct stoker_layer layer[LAYERS];
    int n = stoker_layers(s, layer, LAYERS);
    assert_int_equal(n, strlen(shared));
    for (int l = 0; l < n; l++) {
        assert_int_equal(layer[l].has_shared, shared[l] == 's');
        assert_int_equal(layer[l].has_index, index[l] == 'i');
    }
    stoker_close(s);
}

static void shared_experts_and_index_keys(void **state)
{
    (void)state;
    look_beside(TEST_DATA "/golden/qwen3moe.gguf", "..", "..");
    look_beside(TEST_DATA "/golden/deepseek2-lite.gguf", ".s", "..");
    look_beside(TEST_DATA "/golden/deepseek4.gguf", "ss", ".i");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recurrent),        cmocka_unit_test(windows),
        cmocka_unit_test(a_dense_layer),    cmocka_unit_test(layers_of_one_block),
        cmocka_unit_test(chosen_positions), cmocka_unit_test(shared_experts_and_index_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
