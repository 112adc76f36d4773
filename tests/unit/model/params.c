/* links: model store op kernel format base */
/* Hyperparameters: defaults where a key may be absent, and one sentence naming the key where it is missing, of another kind, out
 * of range, or at odds with another. */
#include "model/params.h"
#include "base/error.h"
#include "gguf_write.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The keys of a file: "=" text, "[" array of small whole numbers, "." float, else whole. value NULL: absent. */
struct key {
    const char *name, *value;
};
enum { MOST_KEYS = 40 };

static const struct key sound[] = {
    {"block_count", "4"},
    {"embedding_length", "96"},
    {"context_length", "2048"},
    {"feed_forward_length", "128"},
    {"attention.head_count", "6"},
    {"attention.head_count_kv", "2"},
    {"attention.key_length", "20"},
    {"attention.value_length", "24"},
    {"attention.layer_norm_rms_epsilon", "0.00001"},
    {"rope.dimension_count", "12"},
    {"rope.freq_base", "1000000.0"},
    {"expert_count", "8"},
    {"expert_used_count", "2"},
    {"expert_feed_forward_length", "32"},
    {NULL, NULL},
};

static char path[] = "/tmp/stoker-params-XXXXXX";

static int make_path(void **state)
{
    (void)state;
    return mkstemp(path) < 0;
}

static int remove_path(void **state)
{
    (void)state;
    return remove(path);
}

static void write_key(struct gguf_writer *w, const struct key *k)
{
    char name[100];
    snprintf(name, sizeof name, "qwen3moe.%s", k->name);
    if (k->value[0] == '=')
        gguf_write_string(w, name, k->value + 1, strlen(k->value + 1));
    else if (k->value[0] == '[') {
        int32_t item[16];
        struct gguf_value v = {.key = {name, strlen(name)}, .kind = GGUF_ARRAY, .item = GGUF_I32, .as.items = item};
        for (char *at = (char *)(uintptr_t)k->value + 1; *at;)
            item[v.n++] = (int32_t)strtol(at, &at, 10);
        gguf_write_value(w, &v);
    } else if (strchr(k->value, '.'))
        gguf_write_f32(w, name, strtof(k->value, NULL));
    else {
        struct gguf_value v = {
            .key = {name, strlen(name)}, .kind = GGUF_I64, .n = 1, .as.i = strtoll(k->value, NULL, 10)};
        gguf_write_value(w, &v);
    }
}

/* A sound file, but for these keys, which are changed, added, or with a NULL value left out; and with these tensors. */
static struct gguf *open_file(const struct key *other, const char *const *tensor, struct error *err)
{
    struct gguf_writer w;
    struct gguf *g;
    static const float row[32];
    gguf_write_begin(&w, path, 32);
    gguf_write_string(&w, "general.architecture", "qwen3moe", 8);
    for (const struct key *k = sound; k->name; k++) {
        const struct key *o = other;
        while (o->name && strcmp(o->name, k->name) != 0)
            o++;
        if (!o->name)
            write_key(&w, k);
    }
    for (const struct key *o = other; o->name; o++)
        if (o->value)
            write_key(&w, o);
    for (const char *const *t = tensor; *t; t++)
        gguf_write_tensor(&w, *t, TYPE_F32, 1, (uint64_t[]){32});
    for (const char *const *t = tensor; *t; t++)
        gguf_write_data(&w, row, sizeof row);
    assert_int_equal(gguf_write_end(&w, err), 0);
    assert_int_equal(gguf_open(&g, path, err), 0);
    return g;
}

static int read_file(const struct key *other, const char *const *tensor, struct params *p, struct error *err)
{
    struct gguf *g = open_file(other, tensor, err);
    *p = (struct params){0};
    int status = params_read(p, g, ROPE_HALF, err) || params_read_experts(p, g, err) ? -1 : 0;
    gguf_close(g);
    return status;
}

static int read_with(const struct key *other, struct params *p, struct error *err)
{
    return read_file(other, (const char *const[]){"token_embd.weight", NULL}, p, err);
}

static const struct key none[] = {{NULL, NULL}};

static void as_written(void **state)
{
    (void)state;
    struct params p;
    struct error err = {0};
    assert_int_equal(read_with(none, &p, &err), 0);
    assert_int_equal(p.n_layer, 4);
    assert_int_equal(p.n_embd, 96);
    assert_int_equal(p.n_ctx_train, 2048);
    assert_int_equal(p.n_ff, 128);
    assert_int_equal(p.n_head, 6);
    assert_int_equal(p.n_head_kv, 2);
    assert_int_equal(p.d_k, 20);
    assert_int_equal(p.d_v, 24);
    assert_int_equal(p.rope[0].n_rot, 12);
    assert_int_equal(p.rope[0].scaling, ROPE_PLAIN);
    assert_int_equal(p.n_expert, 8);
    assert_int_equal(p.n_expert_used, 2);
    assert_int_equal(p.n_ff_expert, 32);
    assert_true(p.norm_eps == 0.00001f);
    assert_true(p.rope[0].base == 1e6);
}

static void defaults(void **state)
{
    (void)state;
    static const struct key absent[] = {{"attention.head_count_kv", NULL},
                                        {"attention.key_length", NULL},
                                        {"attention.value_length", NULL},
                                        {"rope.dimension_count", NULL},
                                        {"rope.freq_base", NULL},
                                        {"expert_feed_forward_length", NULL},
                                        {NULL, NULL}};
    struct params p;
    struct error err = {0};
    assert_int_equal(read_with(absent, &p, &err), 0);
    assert_int_equal(p.n_head_kv, 6);
    assert_int_equal(p.d_k, 16);
    assert_int_equal(p.d_v, 16);
    assert_int_equal(p.rope[0].n_rot, 16);
    assert_true(p.rope[0].base == 10000);
    assert_int_equal(p.n_ff_expert, 128);
}

/* A key with one number a layer: the largest is the model's. */
static void arrays(void **state)
{
    (void)state;
    static const struct key some[] = {
        {"attention.head_count_kv", "[0 2 1 3"}, {"feed_forward_length", "[16 64 32 0"}, {NULL, NULL}};
    struct params p;
    struct error err = {0};
    assert_int_equal(read_with(some, &p, &err), 0);
    assert_int_equal(p.n_head_kv, 3);
    assert_int_equal(p.n_ff, 64);
}

/* Layers that draft are not the model's, whether the key tells of them or not: as a layer of the model one would make another model's
 * answers. Where a file keeps the key without them, none of its layers is taken away. */
static void drafts(void **state)
{
    (void)state;
    static const struct key one[] = {{"nextn_predict_layers", "1"}, {NULL, NULL}},
                            two[] = {{"nextn_predict_layers", "2"}, {NULL, NULL}};
    static const char *const there[] = {"blk.2.attn_norm.weight", "blk.3.attn_norm.weight",
                                        "blk.3.nextn.eh_proj.weight", NULL},
                             *const damaged[] = {"blk.2.attn_norm.weight", "blk.3.attn_norm.weight",
                                                 "blk.3.nextn.hnorm.weight", NULL},
                             *const left_out[] = {"blk.2.attn_norm.weight", "blk.3.attn_norm.weight", NULL},
                             *const empty[] = {"blk.2.attn_norm.weight", NULL},
                             *const norms_behind[] = {"blk.2.post_attention_norm.weight",
                                                      "blk.3.post_attention_norm.weight", NULL};
    static const struct {
        const struct key *key;
        const char *const *tensor;
        int n_layer;
    } cases[] = {{none, there, 3},   {one, there, 3}, {two, there, 3},       {one, damaged, 3},
                 {one, left_out, 4}, {one, empty, 3}, {one, norms_behind, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct params p;
        struct error err = {0};
        assert_int_equal(read_file(cases[i].key, cases[i].tensor, &p, &err), 0);
        assert_int_equal(p.n_layer, cases[i].n_layer);
    }
}

static void scalings(void **state)
{
    (void)state;
    static const struct key linear[] = {{"rope.scaling.type", "=linear"}, {"rope.scaling.factor", "4.0"}, {NULL, NULL}},
                            old[] = {{"rope.scale_linear", "2.0"}, {NULL, NULL}},
                            yarn[] = {{"rope.scaling.type", "=yarn"},
                                      {"rope.scaling.factor", "8.0"},
                                      {"rope.scaling.original_context_length", "512"},
                                      {"rope.scaling.attn_factor", "1.5"},
                                      {NULL, NULL}},
                            whole[] = {{"rope.scaling.type", "=yarn"},
                                       {"rope.scaling.factor", "8.0"},
                                       {"rope.scaling.yarn_attn_factor", "1.25"},
                                       {NULL, NULL}},
                            beside_long[] = {{"rope.scaling.type", "=longrope"},
                                             {"rope.scaling.attn_factor", "1.5"},
                                             {"rope.scaling.yarn_attn_factor", "1.25"},
                                             {NULL, NULL}};
    struct params p;
    struct error err = {0};
    assert_int_equal(read_with(linear, &p, &err), 0);
    assert_int_equal(p.rope[0].scaling, ROPE_LINEAR);
    assert_true(p.rope[0].factor == 4);
    assert_int_equal(read_with(old, &p, &err), 0);
    assert_int_equal(p.rope[0].scaling, ROPE_LINEAR);
    assert_true(p.rope[0].factor == 2);
    assert_int_equal(read_with(yarn, &p, &err), 0);
    assert_int_equal(p.rope[0].scaling, ROPE_YARN);
    assert_true(p.rope[0].factor == 8 && p.rope[0].n_orig == 512 && p.rope[0].attn_factor == 1.5);
    assert_true(p.rope[0].beta_fast == 32 && p.rope[0].beta_slow == 1);
    double freq[6];
    assert_int_equal(read_with(whole, &p, &err), 0);
    assert_true(fabs(rope_frequencies(freq, &p.rope[0], NULL) - 1.25) < 1e-15);
    assert_int_equal(read_with(beside_long, &p, &err), 0);
    assert_true(rope_frequencies(freq, &p.rope[0], NULL) == 1.5);
}

/* A key given a value, or left out, and what the sentence must name besides the file. */
static void refusals(void **state)
{
    (void)state;
    static const struct {
        struct key key;
        const char *names;
    } cases[] = {
        {{"block_count", NULL}, "block_count"},
        {{"block_count", "0"}, "block_count"},
        {{"block_count", "5000"}, "block_count"},
        {{"block_count", "-1"}, "block_count"},
        {{"block_count", "=four"}, "block_count"},
        {{"block_count", "4.0"}, "block_count"},
        {{"embedding_length", NULL}, "embedding_length"},
        {{"embedding_length", "4294967296"}, "embedding_length"},
        {{"context_length", NULL}, "context_length"},
        {{"context_length", "2147483647"}, "context_length"},
        {{"feed_forward_length", "-7"}, "feed_forward_length"},
        {{"attention.head_count", NULL}, "attention.head_count"},
        {{"attention.head_count", "0"}, "attention.head_count"},
        {{"attention.head_count", "100000"}, "attention.head_count"},
        {{"attention.head_count_kv", "4"}, "attention.head_count_kv"}, /* 6 heads share 4 keys */
        {{"attention.head_count_kv", "12"}, "attention.head_count_kv"},
        {{"attention.head_count_kv", "[0 0 0 0"}, "attention.head_count_kv"},
        {{"attention.head_count_kv", "[2 2 2"}, "3 numbers for 4 layers"},
        {{"attention.head_count_kv", "[2 2 -1 2"}, "-1 for layer 2"},
        {{"attention.key_length", "5000"}, "attention.key_length"},
        {{"attention.value_length", "0"}, "attention.value_length"},
        {{"attention.layer_norm_rms_epsilon", "=small"}, "layer_norm_rms_epsilon"},
        {{"attention.layer_norm_rms_epsilon", "2.0"}, "layer_norm_rms_epsilon"},
        {{"rope.dimension_count", "11"}, "rope.dimension_count"},
        {{"rope.dimension_count", "22"}, "rope.dimension_count"}, /* a head has 20 */
        {{"rope.freq_base", "0.5"}, "rope.freq_base"},
        {{"rope.scaling.type", "=dynamic"}, "dynamic"},
        {{"rope.scaling.factor", "0.0"}, "rope.scaling.factor"},
        {{"rope.scaling.factor", "0.0009"}, "rope.scaling.factor"},
        {{"rope.scale_linear", "0.000001"}, "rope.scale_linear"},
        {{"expert_count", NULL}, "expert_count"},
        {{"expert_count", "0"}, "expert_count"},
        {{"expert_count", "1000000"}, "expert_count"},
        {{"expert_used_count", NULL}, "expert_used_count"},
        {{"expert_used_count", "9"}, "expert_used_count"},
        {{"expert_feed_forward_length", "0"}, "expert_feed_forward_length"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct key other[] = {cases[i].key, {NULL, NULL}};
        struct params p;
        struct error err = {0};
        if (read_with(other, &p, &err) == 0)
            fail_msg("%s = %s was accepted", cases[i].key.name, cases[i].key.value ? cases[i].key.value : "absent");
        if (!strstr(err.text, cases[i].names) || !strstr(err.text, path))
            fail_msg("\"%s\" does not name %s and the file", err.text, cases[i].names);
    }
}

/* Of layers that are alike lists say the same for each; an architecture may read none of these keys. */
static void alike(void **state)
{
    (void)state;
    static const struct {
        struct key key;
        const char *names; /* NULL: it is accepted */
    } cases[] = {{{"attention.head_count", "[6 6 6 6"}, NULL},
                 {{"attention.head_count", "[6 6 6 6 7"}, NULL},
                 {{"attention.head_count", "["}, "a whole number for each of 4 layers"},
                 {{"attention.head_count", "[6"}, "a whole number for each of 4 layers"},
                 {{"attention.head_count_kv", "[2 2 2"}, "a whole number for each of 4 layers"},
                 {{"feed_forward_length", "[7 7 8 7"}, "is 7 for layer 0 and 8 for layer 2"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct key other[] = {cases[i].key, {NULL, NULL}};
        struct error err = {0};
        struct gguf *g = open_file(other, (const char *const[]){"token_embd.weight", NULL}, &err);
        int status = params_alike(g, 4, &err);
        gguf_close(g);
        if (!cases[i].names)
            assert_int_equal(status, 0);
        else if (!status || !strstr(err.text, cases[i].names) || !strstr(err.text, cases[i].key.name))
            fail_msg("%s: \"%s\"", cases[i].key.value, err.text);
    }
}

/* Routing a row takes time in proportion: a header may not ask for minutes. */
static void too_many_experts_a_row(void **state)
{
    (void)state;
    const struct key many[] = {{"expert_count", "4096"}, {"expert_used_count", "3000"}, {NULL, NULL}};
    struct params p;
    struct error err = {0};
    assert_int_not_equal(read_with(many, &p, &err), 0);
    assert_non_null(strstr(err.text, "expert_used_count"));
}

/* Steps of n positions, the first of llama4's one position early. */
static void temperatures(void **state)
{
    (void)state;
    static const struct {
        int first, pos, floor;
    } at[] = {{1, 0, 0},    {1, 8190, 0}, {1, 8191, 1}, {1, 8192, 1},  {1, 16382, 1}, {1, 16383, 2},
              {0, 8190, 0}, {0, 8191, 0}, {0, 8192, 1}, {0, 16383, 1}, {0, 16384, 2}, {1, 1048575, 128}};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        const struct temperature_params t = {.scale = 0.1, .n = 8192, .first = at[i].first};
        assert_float_equal(params_temperature(&t, at[i].pos), 1 + 0.1 * log(1 + at[i].floor), 1e-7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_written),  cmocka_unit_test(defaults),
                                       cmocka_unit_test(arrays),      cmocka_unit_test(drafts),
                                       cmocka_unit_test(scalings),    cmocka_unit_test(refusals),
                                       cmocka_unit_test(alike),       cmocka_unit_test(too_many_experts_a_row),
                                       cmocka_unit_test(temperatures)};
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
