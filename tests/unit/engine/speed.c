/* links: engine text model store op machine kernel format base */
/* What of a model takes time, where it is not the same in all layers: experts by their own numbers, positions that are chosen. */
#include "engine/speed.h"
#include "base/error.h"
#include "format/gguf.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void open_model(struct gguf **g, struct model **m, const char *path)
{
    struct error err = {0};
    *m = NULL;
    if (gguf_open(g, path, &err) || model_open(m, *g, &err))
        fail_msg("%s", err.text);
}

static struct speed_model describe(const char *path)
{
    struct gguf *g;
    struct model *m;
    struct speed_model s;
    open_model(&g, &m, path);
    speed_describe(&s, m, KV_F16);
    model_close(m);
    gguf_close(g);
    return s;
}

/* A token of which nothing is held reads as many experts of each layer as a row uses, however many there are. */
static void fewer_experts(void **state)
{
    struct gguf *g;
    struct model *m;
    struct speed_model s;
    double want = 0;
    (void)state;
    open_model(&g, &m, TEST_DATA "/golden/deepseek4-fewer.gguf");
    speed_describe(&s, m, KV_F16);
    for (int l = 0; l < m->p.n_layer; l++)
        for (int i = 0; i < m->expert_layer[l].n_part; i++)
            want += (double)m->expert_layer[l].part[i].bytes * m->p.n_expert_used;
    const struct speed_config c = {.n_prompt = 8, .n_chunk = 8, .n_parallel = 1};
    const struct speed_rates r = speed_usual_rates(1);
    double got = speed_predict(&s, &c, &r).read_bytes / (1 - speed_hits(0));
    if (got < want * (1 - 1e-9) || got > want * (1 + 1e-9))
        fail_msg("a token reads %.1f bytes of experts, not %.1f", got, want);
    model_close(m);
    gguf_close(g);
}

/* Layers that attend to chosen positions take time, up to as many as are chosen: top_k, in groups or blocks of them. */
static void chosen_positions(void **state)
{
    static const struct {
        const char *path;
        double most;
    } models[] = {{TEST_DATA "/golden/qwen4exp.gguf", 20},
                  {TEST_DATA "/golden/glm5next.gguf", 12},
                  {TEST_DATA "/golden/minimax-m3.gguf", 24}};
    const struct speed_rates r = speed_usual_rates(1);
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct speed_model s = describe(models[i].path);
        assert_true(s.pair_products > 0);
        assert_true(s.most_chosen == models[i].most);
        const int before = 4 * (int)s.most_chosen;
        const struct speed_config some = {.n_prompt = before, .n_chunk = before, .n_parallel = 1},
                                  more = {.n_prompt = before + 64, .n_chunk = before, .n_parallel = 1};
        double held = speed_predict(&s, &more, &r).step_seconds - speed_predict(&s, &some, &r).step_seconds;
        s.kv_bytes = 0; /* what is left grows with positions no more */
        double chosen = speed_predict(&s, &more, &r).step_seconds - speed_predict(&s, &some, &r).step_seconds;
        assert_true(held > 0 && chosen < held * 1e-6);
    }
}

/* A sweep takes as long as computing or as reading, and one layer of the other, which nothing hides. */
static void one_layer_is_not_hidden(void **state)
{
    const struct speed_model s = describe(TEST_DATA "/golden/qwen3moe.gguf");
    const struct speed_config c = {.n_prompt = 64, .n_chunk = 64, .n_parallel = 1};
    const double fast = 1e30, drives[] = {1e6, 1e8, 1e10};
    struct speed_rates reading = {fast, fast, fast, 0, fast, fast, fast, fast}, computing = speed_usual_rates(1);
    (void)state;
    assert_true(s.n_moe_layer > 1);
    computing.drive = fast;
    double compute = speed_predict(&s, &c, &computing).prompt_seconds;
    for (size_t i = 0; i < sizeof drives / sizeof *drives; i++) {
        reading.drive = computing.drive = drives[i];
        double read = speed_predict(&s, &c, &reading).prompt_seconds,
               both = speed_predict(&s, &c, &computing).prompt_seconds,
               want = fmax(compute, read) + fmin(compute, read) / s.n_moe_layer;
        if (fabs(both - want) > 1e-6 * want)
            fail_msg("at %g bytes/s a chunk takes %g s, not %g", drives[i], both, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fewer_experts), cmocka_unit_test(chosen_positions),
                                       cmocka_unit_test(one_layer_is_not_hidden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
