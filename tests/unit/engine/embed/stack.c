/* links: engine text model store op machine kernel format base */
/* An encoder's step fits in half of the stack that it has of its own: every architecture, every tier of this CPU. What lies below that
 * stack faults, but only where it is touched. */
#include "engine/embed/stack.h"
#include "base/coroutine.h"
#include "base/cpu.h"
#include "stoker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define CHAT "models/ember/ember.gguf"

enum { ROWS = 100 };

static const char *const models[] = {"bert-mean",   "nomic-bert",  "nomic-bert-moe",    "jina-bert-v2", "jina-bert-v3",
                                     "modern-bert", "gemma-embed", "gemma-embed-dense", "qwen3-embed"};

static size_t used(const char *model, enum cpu_tier tier)
{
    struct stoker *s = NULL;
    struct stoker_error err;
    struct stoker_encoder about;
    struct stoker_event ev;
    stoker_token id[ROWS];
    const struct stoker_tokens text = {id, ROWS};
    char path[300];
    stoker_id job;
    snprintf(path, sizeof path, TEST_DATA "/embeddings/%s.gguf", model);
    const struct stoker_options o = {
        .memory = STOKER_MEMORY_MAX, .n_ctx = 256, .n_threads = 2, .cpu_tier = cpu_tier_name(tier), .embed = path};
    for (int i = 0; i < ROWS; i++)
        id[i] = (3 + 17 * i) % 140;
    if (stoker_open(&s, CHAT, &o, &err))
        fail_msg("%s: %s", model, err.text);
    struct stoker *e = stoker_encoder(s, STOKER_EMBED);
    assert_int_equal(stoker_encoder_of(e, &about), 0);
    float *out = calloc(about.n_out, sizeof *out);
    const struct stoker_embed request = {.text = &text, .n_text = 1, .out = out};
    if (stoker_submit_embed(e, &request, &job, &err))
        fail_msg("%s: %s", model, err.text);
    while (stoker_next_event(e, job, -1, &ev) == 1)
        assert_int_not_equal(ev.kind, STOKER_FAILED);
    size_t n = encoding_stack_used(e);
    stoker_close(s);
    free(out);
    return n;
}

static void a_step_takes_less_than_half(void **state)
{
    (void)state;
    for (int tier = TIER_SCALAR; tier <= (int)cpu_best_tier(); tier++)
        for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
            size_t n = used(models[i], (enum cpu_tier)tier);
            if (n == 0 || n > coroutine_bytes() / 2)
                fail_msg("%s, %s: %zu bytes of the %zu of the stack", models[i], cpu_tier_name((enum cpu_tier)tier), n,
                         coroutine_bytes());
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_step_takes_less_than_half)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
