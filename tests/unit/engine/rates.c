/* links: engine text model store op machine kernel format base */
/* What rows take at least, against the file's tensors added up by hand: an answer's row, and a prompt in two steps. The roof of memory
 * beside an open engine: measured while nothing runs and the budget leaves the memory for it, else not. */
#include "engine/rates.h"
#include "base/error.h"
#include "format/gguf.h"
#include "machine/machine.h"
#include "stoker.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct sums {
    double dense, output, experts;             /* bytes */
    double int8, f32, output_int8, output_f32; /* of a row, experts that it is not routed to left out */
    double pair;                               /* of a row and a position, all layers */
};

static double number(const struct gguf *g, const char *arch, const char *name)
{
    char key[128];
    snprintf(key, sizeof key, "%s.%s", arch, name);
    uint64_t v = 0;
    struct error err = {0};
    assert_int_equal(gguf_u64(g, key, 0, UINT32_MAX, &v, &err), 1);
    return (double)v;
}

/* Of a mixture of experts whose output has a tensor of its own, or is the embedding. */
static struct sums add_up(const struct gguf *g, double used, double n_expert)
{
    struct sums s = {0};
    int own_output = 0;
    for (uint64_t i = 0; i < g->n_tensor; i++)
        own_output |= strcmp(g->tensor[i].name, "output.weight") == 0;
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        double weights = (double)(t->ne[0] * t->ne[1] * t->ne[2]), bytes = (double)t->n_bytes;
        int is_float = t->type == TYPE_F32 || t->type == TYPE_F16 || t->type == TYPE_BF16;
        if (strcmp(t->name, own_output ? "output.weight" : "token_embd.weight") == 0) {
            s.output = bytes;
            *(is_float ? &s.output_f32 : &s.output_int8) = weights;
        } else if (t->n_dims < 2 || strcmp(t->name, "token_embd.weight") == 0) {
            continue;
        } else if (t->n_dims == 3) {
            s.experts += bytes;
            *(is_float ? &s.f32 : &s.int8) += weights * used / n_expert;
        } else {
            s.dense += bytes;
            *(is_float ? &s.f32 : &s.int8) += weights;
        }
    }
    return s;
}

static void near(const char *what, double x, double want)
{
    if (x < want * (1 - 1e-9) || x > want * (1 + 1e-9))
        fail_msg("%s: %.1f, not %.1f", what, x, want);
}

static void compare(const char *path)
{
    struct stoker *engine;
    struct stoker_error err = {0};
    struct stoker_plan p;
    struct stoker_work w;
    struct gguf *g = NULL;
    struct error why = {0};
    const struct stoker_options o = {.memory = STOKER_MEMORY_MAX, .n_ctx = 256, .n_threads = 2};
    if (stoker_open(&engine, path, &o, &err) || gguf_open(&g, path, &why))
        fail_msg("%s%s", err.text, why.text);
    stoker_plan_of(engine, &p);
    struct sums s = add_up(g, p.n_expert_used, p.n_expert);
    s.pair = number(g, p.arch, "block_count") * number(g, p.arch, "attention.head_count") * 2 *
             number(g, p.arch, "attention.key_length");
    double each = s.experts / (p.n_moe_layer * p.n_expert), uses = (double)p.n_moe_layer * p.n_expert_used,
           kv = (double)p.kv_bytes_per_token;

    stoker_work_of(engine, &(struct stoker_rows){0}, &w);
    near("expert_bytes", w.expert_bytes, each);
    near("row_experts", w.row_experts, uses);
    assert_true(w.memory_bytes == 0 && w.int8_products == 0 && w.f32_products == 0);

    stoker_work_of(engine, &(struct stoker_rows){10, 1, 1, 1, uses}, &w);
    near("bytes of an answer's row", w.memory_bytes, s.dense + s.output + uses * each + 11 * kv);
    near("its products of codes", w.int8_products, s.int8 + s.output_int8);
    near("its products of floats", w.f32_products, s.f32 + s.output_f32 + 11 * s.pair);

    stoker_work_of(engine, &(struct stoker_rows){0, 16, 2, 1, 30}, &w); /* sees 8, then 16; 136 pairs */
    near("bytes of a prompt", w.memory_bytes, 2 * s.dense + s.output + 30 * each + 24 * kv);
    near("its products of codes", w.int8_products, 16 * s.int8 + s.output_int8);
    near("its products of floats", w.f32_products, 16 * s.f32 + s.output_f32 + 136 * s.pair);
    gguf_close(g);
    stoker_close(engine);
}

/* Texts whose rows all see each other: the embedding's layers have four heads of 12 values, twice. */
static void test_texts(void **state)
{
    (void)state;
    struct stoker *engine;
    struct stoker_error err = {0};
    struct stoker_work one, some;
    const struct stoker_options o = {.memory = STOKER_MEMORY_MAX, .n_threads = 1};
    if (stoker_open(&engine, TEST_DATA "/embeddings/bert-cls.gguf", &o, &err))
        fail_msg("%s", err.text);
    stoker_work_of(engine, &(struct stoker_rows){.n_rows = 1, .n_steps = 1}, &one);
    stoker_work_of(engine, &(struct stoker_rows){.n_rows = 30, .n_steps = 2, .n_texts = 3}, &some);
    const double pair = 2 * 4 * (12 + 12), weights = one.f32_products - pair;
    near("bytes of texts", some.memory_bytes, 2 * one.memory_bytes);
    near("their products", some.f32_products, 30 * weights + 3 * 10 * 10 * pair);
    near("weights of a row", weights, 2 * (4 * 48 * 48 + 2 * 48 * 96));
    stoker_close(engine);
}

static void test_tensors_added_up(void **state)
{
    (void)state;
    compare(TEST_DATA "/golden/qwen3moe.gguf"); /* floats */
    compare("models/ember/ember.gguf");         /* codes */
}

#define EMBER  "models/ember/ember.gguf"
#define BUDGET (UINT64_C(2) << 30) /* as much as machine_read_bytes() ever asks for, and the model */

static struct stoker *with_budget(uint64_t memory)
{
    struct stoker *s = NULL;
    struct stoker_error err = {0};
    const struct stoker_options o = {.memory = memory, .n_ctx = 256, .n_threads = 2};
    if (stoker_open(&s, EMBER, &o, &err))
        fail_msg("%s", err.text);
    return s;
}

static atomic_int held; /* 1: the engine's thread waits in a request; 2: it may go on */

static void hold(void *arg, size_t pos, const float *logits)
{
    (void)arg, (void)pos, (void)logits;
    int none = 0;
    atomic_compare_exchange_strong(&held, &none, 1);
    while (atomic_load(&held) != 2)
        sched_yield();
}

static void test_while_nothing_runs(void **state)
{
    (void)state;
    static const stoker_token prompt[] = {5, 6, 7};
    struct stoker_score score[3];
    struct stoker_error err;
    struct stoker_event e = {0};
    stoker_id id;
    double rate = -1;
    struct stoker *s = with_budget(BUDGET);
    struct stoker_request r = {
        .prompt = prompt, .n_prompt = 3, .only_score = 1, .score_from = 1, .score = score, .on_score = hold};
    assert_int_equal(stoker_submit(s, &r, &id, &err), 0);
    while (!atomic_load(&held))
        sched_yield();
    assert_int_equal(stoker_memory_roof(s, &rate), -1);
    assert_true(rate < 0);
    atomic_store(&held, 2);
    while (stoker_next_event(s, id, -1, &e) == 1)
        ;
    assert_int_equal(e.kind, STOKER_END);
    int done = stoker_memory_roof(s, &rate);
    if (done < 0)
        print_message("skipped: this machine has not so much memory left\n");
    else
        assert_true(done == 1 && rate > 1e8);
    stoker_close(s);
}

static void test_what_fits_a_machine_and_a_budget(void **state)
{
    (void)state;
    assert_int_equal(rates_fit(300, 400, 400, 100), FITS_NOW);
    assert_int_equal(rates_fit(300, 400, 399, 100), FITS_LATER); /* others may have it for a moment */
    assert_int_equal(rates_fit(300, 399, 400, 100), FITS_NEVER);
    assert_int_equal(rates_fit(300, 399, 0, 100), FITS_NEVER);
}

static void test_without_memory_for_it(void **state)
{
    (void)state;
    double rate = -1;
    struct stoker *s = with_budget(STOKER_MEMORY_MIN);
    struct stoker_plan p;
    assert_int_equal(stoker_memory_roof(s, &rate), -2);
    stoker_plan_of(s, &p);
    stoker_close(s);
    s = with_budget(p.total + machine_bytes("", 2) - (1 << 20)); /* a little too few beside the plan, enough without */
    assert_int_equal(stoker_memory_roof(s, &rate), -2);
    assert_true(rate < 0);
    stoker_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tensors_added_up), cmocka_unit_test(test_texts),
                                       cmocka_unit_test(test_while_nothing_runs),
                                       cmocka_unit_test(test_what_fits_a_machine_and_a_budget),
                                       cmocka_unit_test(test_without_memory_for_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
