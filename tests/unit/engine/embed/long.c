/* links: engine text model store op machine kernel format base */
/* A text above the 2,048 tokens that a model of vectors has beside a chat's, with --embed-ctx: it has the bits that it has alone, the plan
 * has its rows, its pages and those of the texts beside it, and an answer keeps its tokens. That its step pauses for them
 * pieces.c asserts. No golden has such a context; this one has rope, and its copy says a longer one. */
#include "engine/engine.h"
#include "stoker.h"
#include "store/weights.h"
#include "temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define CHAT  "models/ember/ember.gguf"
#define TEXTS TEST_DATA "/embeddings/modern-bert.gguf"

/* The texts are what a step takes at most: its rows, its pages and its sequences. */
enum { N_TEXT = 16, USUAL = 2048, LONG = 2304, SHORT = 256, CTX = LONG + (N_TEXT - 1) * SHORT };
enum { ANSWER = 400, MODEL_MOST = 1 << 20, SECONDS = 280 };

static stoker_token id[CTX];
static struct stoker_tokens text[N_TEXT];
static char model[TEMPORARY_PATH];

/* A value of 32 bits stands behind its key and its type. */
static void write_model(int fd)
{
    static const char key[] = "modern-bert.context_length";
    static const char ctx[] = {(char)(CTX & 0xFF), (char)(CTX >> 8), 0, 0};
    char *bytes = malloc(MODEL_MOST);
    FILE *in = fopen(TEXTS, "rb");
    assert_non_null(bytes);
    assert_non_null(in);
    size_t n = fread(bytes, 1, MODEL_MOST, in);
    assert_true(n < MODEL_MOST);
    char *at = memmem(bytes, n, key, sizeof key - 1);
    assert_non_null(at);
    memcpy(at + sizeof key - 1 + 4, ctx, sizeof ctx);
    assert_int_equal(write(fd, bytes, n), n);
    fclose(in);
    free(bytes);
}

static struct stoker *open_engine(const char *path, const struct stoker_options *o)
{
    struct stoker *s = NULL;
    struct stoker_error err;
    if (stoker_open(&s, path, o, &err))
        fail_msg("%s", err.text);
    return s;
}

static stoker_id submit_texts(struct stoker *e, const struct stoker_tokens *texts, size_t n, float *out)
{
    struct stoker_error err;
    stoker_id job;
    const struct stoker_embed request = {.text = texts, .n_text = n, .out = out};
    if (stoker_submit_embed(e, &request, &job, &err))
        fail_msg("%s", err.text);
    return job;
}

static stoker_id submit_answer(struct stoker *s)
{
    static const stoker_token prompt[] = {5, 9, 300};
    struct stoker_error err;
    stoker_id job;
    const struct stoker_request r = {.prompt = prompt, .n_prompt = 3, .max_tokens = ANSWER, .ignore_end = 1};
    if (stoker_submit(s, &r, &job, &err))
        fail_msg("%s", err.text);
    return job;
}

/* To the request's end; tokens [ANSWER] of an answer, or NULL. */
static void take(struct stoker *s, stoker_id job, stoker_token *token)
{
    struct stoker_event ev = {0};
    size_t n = 0;
    while (stoker_next_event(s, job, -1, &ev) == 1)
        if (token && ev.kind == STOKER_TOKEN && n < ANSWER)
            token[n++] = ev.u.token.id;
    assert_int_equal(ev.kind, STOKER_END);
    assert_int_equal(n, token ? ANSWER : 0);
}

/* The texts' vectors, each in a request of its own, of an engine that has no other model. */
static float *vectors_alone(size_t *n_out)
{
    struct stoker_encoder about;
    struct stoker *e = open_engine(model,
                                   &(struct stoker_options){.memory = STOKER_MEMORY_MAX, .n_ctx = CTX, .n_threads = 2});
    assert_int_equal(stoker_encoder_of(e, &about), 0);
    float *out = calloc(N_TEXT * about.n_out, sizeof *out);
    for (size_t i = 0; i < N_TEXT; i++)
        take(e, submit_texts(e, &text[i], 1, out + i * about.n_out), NULL);
    stoker_close(e);
    *n_out = about.n_out;
    return out;
}

static struct stoker *open_chat(uint64_t memory, int embed_ctx)
{
    return open_engine(
        CHAT,
        &(struct stoker_options){
            .memory = memory, .n_ctx = 512, .n_threads = 2, .embed = embed_ctx ? model : NULL, .embed_ctx = embed_ctx});
}

/* The least memory: what the plan did not count is not there. */
static void a_long_text_beside_an_answer(void **state)
{
    (void)state;
    static stoker_token alone[ANSWER], beside[ANSWER];
    struct stoker_stats stats;
    size_t n_out;
    float *want = vectors_alone(&n_out), *out = calloc(N_TEXT * n_out, sizeof *out);
    struct stoker *s = open_chat(STOKER_MEMORY_MAX, 0);
    take(s, submit_answer(s), alone);
    stoker_close(s);

    s = open_chat(STOKER_MEMORY_MIN, CTX);
    struct stoker *e = stoker_encoder(s, STOKER_EMBED);
    stoker_id answer = submit_answer(s), texts = submit_texts(e, text, N_TEXT, out);
    take(s, answer, beside);
    take(e, texts, NULL);
    stoker_stats_of(e, &stats);
    assert_int_equal(stats.steps, 1);
    assert_int_equal(stats.rows, CTX);
    assert_memory_equal(out, want, N_TEXT * n_out * sizeof *out);
    assert_memory_equal(beside, alone, sizeof alone);
    assert_true(e->session->scratch.peak > WEIGHTS_BOUNCE + 4096); /* by the step, not by what was loaded through it */
    stoker_close(s);
    free(want);
    free(out);
}

static uint64_t planned(int embed_ctx, uint64_t *row)
{
    struct stoker_plan p;
    struct stoker *s = open_chat(STOKER_MEMORY_MAX, embed_ctx);
    stoker_plan_of(s, &p);
    *row = (uint64_t)s->encoder[STOKER_EMBED]->session->model->p.n_embd * sizeof(float);
    stoker_close(s);
    return p.part[PLAN_EMBED];
}

/* By a row behind the last norm, one that goes through the layers, and its keys and values in one of them, at least. */
static void the_plan_grows_with_the_rows(void **state)
{
    (void)state;
    uint64_t row, usual = planned(USUAL, &row), longer = planned(CTX, &row);
    assert_in_range(longer - usual, (CTX - USUAL) * 4 * row, UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_long_text_beside_an_answer),
                                       cmocka_unit_test(the_plan_grows_with_the_rows)};
    int fd = temporary_file(model, "long"), n = 0;
    for (int i = 0; i < CTX; i++)
        id[i] = (3 + 17 * i + i / 140) % 140;
    for (int i = 0; i < N_TEXT; n += (int)text[i++].n)
        text[i] = (struct stoker_tokens){id + n, i ? SHORT : LONG};
    write_model(fd);
    alarm(SECONDS); /* a text that no step has room for would wait for ever */
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    close(fd);
    unlink(model);
    return failed;
}
